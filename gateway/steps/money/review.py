"""All that waits for a person, of every household, with everything known; it changes nothing."""

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.domain.credit import Credit, CreditState
from gateway.domain.household import Household
from gateway.domain.order import OPEN_ORDER_STATES, Order, OrderState
from gateway.domain.payment import (
    Attempt,
    Mandate,
    MandateState,
    Operation,
    OperationKind,
    OperationState,
    PaymentMethod,
)
from gateway.domain.records import Act, MerchantAccount, Notice, NoticeState
from gateway.domain.replenishment import DAY_US
from gateway.domain.withdrawal import Withdrawal, WithdrawalState
from gateway.steps.money.reversals import PARTLY
from gateway.steps.money.undecided import SYNC_AFTER_S
from gateway.steps.ports import PaymentProviders, Transaction
from payments.adapter import FileExchange
from payments.errors import ConfigError
from payments.money import Money

NOTICES_SHOWN = 20
FILES_SHOWN_US = 30 * DAY_US
NEVER_ENDED = "its provider never said that it ended"
"""Begins the note of a mandate that ended here and perhaps not at its provider: the operator asks there."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing known; an instant is policy time, None where there is none."""

    text: str
    at_us: int | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """One thing that waits for a person: what it is, whose, and all that is known, oldest first."""

    what: str
    subject_id: str
    household: str
    why: str
    facts: tuple[Fact, ...]


def review(tx: Transaction) -> Iterator[Waiting]:
    """Yield payments nobody could judge, payments due, orders that stand still, mandates and notices left open."""
    for operation in tx.every(Operation, None, state=OperationState.MANUAL_REVIEW):
        why = f"{operation.kind} of {Money(operation.amount_minor, operation.currency)}: {operation.note}"
        attempt = tx.get(Attempt, operation.household_id, operation.attempt_id)
        facts = (*_of_attempt(tx, attempt), *_acts(tx, operation.household_id, f"operations/{operation.id}"))
        yield Waiting("operation", operation.id, _household(tx, operation.household_id), why, facts)
    yield from _taken_back(tx)
    for order in tx.every(Order, None, state=OPEN_ORDER_STATES):
        if why := _stands_still(order):
            yield Waiting("order", order.id, _household(tx, order.household_id), why, tuple(_of_order(tx, order)))
    for mandate in tx.every(Mandate, None):
        if why := _left_open(mandate):
            method = tx.get(PaymentMethod, mandate.household_id, mandate.payment_method_id)
            facts = (
                Fact(f"account {method.label} by {method.adapter}, reference {mandate.id}", mandate.valid_from_us),
            )
            yield Waiting("mandate", mandate.id, _household(tx, mandate.household_id), why, facts)
    for credit in tx.every(Credit, None, state=CreditState.MANUAL_REVIEW):
        method = tx.get(PaymentMethod, credit.household_id, credit.payment_method_id)
        facts = (Fact(f"{credit.origin} of {credit.source_id}, account {method.label}", credit.created_us),)
        why = f"{Money(credit.amount_minor, credit.currency)} for a balance: {credit.note}"
        yield Waiting("credit", credit.id, _household(tx, credit.household_id), why, facts)
    for withdrawal in tx.every(Withdrawal, None, state=WithdrawalState.DECLARED):
        order = tx.get(Order, withdrawal.household_id, withdrawal.order_id)
        if order.cancel_asked_us is None or order.state is not OrderState.PLACED:  # else the shop has yet to answer
            facts = (Fact(withdrawal.words, withdrawal.at_us), *_of_order(tx, order))
            why = "withdrawn from: settle it with `payments returned` once the goods are back"
            yield Waiting("withdrawal", withdrawal.id, _household(tx, order.household_id), why, facts)
    for notice in tx.find(Notice, None, newest=NOTICES_SHOWN, state=NoticeState.SET_ASIDE):
        facts = (Fact(f"{len(notice.body)} bytes", notice.received_us),)
        yield Waiting("notice", notice.id, f"{notice.source} {notice.name}", notice.reason, facts)


def _taken_back(tx: Transaction) -> Iterator[Waiting]:
    """Yield the refunds that came back until they were given anew, and the debits of which a part was taken back."""
    for refund in tx.every(Operation, None, state=OperationState.REVERSED, kind=OperationKind.REFUND):
        paid = tx.find(Operation, refund.household_id, attempt_id=refund.attempt_id, kind=OperationKind.REFUND)
        if not any(one.created_us > (refund.answered_us or 0) for one in paid):
            amount = Money(refund.amount_minor, refund.currency)
            why = f"refund of {amount} came back ({refund.note}): pay it to the customer in another way"
            facts = tuple(_of_attempt(tx, tx.get(Attempt, refund.household_id, refund.attempt_id)))
            yield Waiting("refund", refund.id, _household(tx, refund.household_id), why, facts)
    for act in tx.every(Act, None, verb=PARTLY):
        operation = tx.get(Operation, act.household_id, act.subject.partition("/")[2])
        if operation.state is OperationState.SUCCEEDED:
            facts = tuple(_of_attempt(tx, tx.get(Attempt, operation.household_id, operation.attempt_id)))
            why = f"{operation.kind} of {Money(operation.amount_minor, operation.currency)}: {act.reason}"
            yield Waiting("operation", operation.id, _household(tx, operation.household_id), why, facts)


def files_set_aside(tx: Transaction, providers: PaymentProviders, now_us: int) -> Iterator[Waiting]:
    """Yield what providers that are reached by files sent lately and nobody could read, or that is nothing of ours."""
    for name in sorted({method.adapter for method in tx.every(PaymentMethod, None)}):
        try:
            provider = providers.open(name)
        except ConfigError:  # `replenish doctor` says what is missing
            continue
        if isinstance(provider, FileExchange):
            for one in provider.set_aside():
                if one.at_us >= now_us - FILES_SHOWN_US:
                    yield Waiting("file", one.name, name, one.reason, (Fact("taken in", one.at_us),))


def _stands_still(order: Order) -> str:
    """Return why an order waits for a person; empty where it does not."""
    if order.state is OrderState.PAYMENT_DUE:
        return f"payment due: {order.note}"
    if order.abandoned_us is not None:
        return "it neither came nor ended; nobody looks at it any more"
    if order.state is OrderState.PLACED and order.cancel_asked_us is not None:
        return "the shop was asked to cancel it, and it still stands"
    if order.state is OrderState.PLACING and order.looks >= len(SYNC_AFTER_S):
        return "the shop does not say whether it took it"
    return ""


def _left_open(mandate: Mandate) -> str:
    is_waiting = mandate.state in {MandateState.PENDING, MandateState.REQUIRES_ACTION}
    if is_waiting and mandate.looks >= len(SYNC_AFTER_S):
        return f"the provider has not said that it stands: {mandate.note}"
    if mandate.state is MandateState.REVOKED and mandate.note.startswith(NEVER_ENDED):
        return mandate.note
    return ""


def _of_attempt(tx: Transaction, attempt: Attempt) -> Iterator[Fact]:
    method = tx.get(PaymentMethod, attempt.household_id, attempt.payment_method_id)
    amount = Money(attempt.amount_minor, attempt.currency)
    yield Fact(
        f"attempt {attempt.id}: {amount} by {method.label} ({method.adapter}), {attempt.state}", attempt.created_us
    )
    for one in tx.find(Operation, attempt.household_id, attempt_id=attempt.id):
        key = f"key {one.id}" + (f", theirs {one.provider_ref}" if one.provider_ref else "")
        yield Fact(f"{one.kind} {Money(one.amount_minor, one.currency)}: {one.state}; {key}", one.created_us)
        if one.answered_us is not None:
            yield Fact(f"the provider answered: {one.note or one.state} (looked up {one.syncs} times)", one.answered_us)
    for order in tx.find(Order, attempt.household_id, attempt_id=attempt.id):
        yield _line_of(tx, order)


def _of_order(tx: Transaction, order: Order) -> Iterator[Fact]:
    yield _line_of(tx, order)
    for attempt in tx.find(Attempt, order.household_id, cart_id=order.cart_id):
        yield from (fact for fact in _of_attempt(tx, attempt) if not fact.text.startswith("order "))
    yield from _acts(tx, order.household_id, f"orders/{order.id}")


def _line_of(tx: Transaction, order: Order) -> Fact:
    shop = tx.get(MerchantAccount, order.household_id, order.merchant_id).name
    theirs = f", theirs {order.merchant_ref}" if order.merchant_ref else ""
    total = Money(order.total_minor, order.currency)
    return Fact(f"order {order.id} at {shop}: {total}, {order.state}{theirs}", order.created_us)


def _acts(tx: Transaction, household_id: str, subject: str) -> Iterator[Fact]:
    for act in tx.find(Act, household_id, subject=subject):
        yield Fact(f"{act.by} {act.verb.replace('_', ' ')}: {act.reason} ({act.evidence})", act.at_us)


def _household(tx: Transaction, household_id: str) -> str:
    return tx.get(Household, household_id, household_id).name
