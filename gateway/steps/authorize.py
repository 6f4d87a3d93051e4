"""Authorize: an approved cart becomes an attempt; the amount is held where the provider can, the limit reserved always.

Prepare writes the reservation, the attempt, its operation and the pending journal, and commits; only then is the
provider called. A repeat after a crash finds the operation and sends it again under its own key.
"""

from dataclasses import dataclass, replace

from gateway.domain.approval import Approval, ApprovalState
from gateway.domain.cart import Cart, CartState, Line
from gateway.domain.payment import (
    LIVE_ATTEMPT_STATES,
    UNCLOSED_OPERATION_STATES,
    Attempt,
    AttemptState,
    Mandate,
    MandateState,
    MethodState,
    Operation,
    OperationKind,
    OperationState,
    PaymentMethod,
)
from gateway.domain.records import HouseholdItem
from gateway.domain.replenishment import SECOND_US
from gateway.steps.freeze import WHILE_FROZEN_US, distrusted, is_frozen
from gateway.steps.goods.carts import reopen
from gateway.steps.messages import tell
from gateway.steps.money.attempts import begin_attempt
from gateway.steps.money.calls import Refused, call_provider
from gateway.steps.money.mandates import as_request, as_rule, reserved
from gateway.steps.money.next_account import next_mandate, nothing_bought
from gateway.steps.money.operations import send_again
from gateway.steps.money.outcomes import settle_operation
from gateway.steps.ports import Services, Transaction
from payments import adapter
from payments import mandate as rules
from payments.errors import NotSent
from payments.money import Money

PAUSE_US = 2 * SECOND_US


@dataclass(frozen=True, slots=True)
class _Prepared:
    operation: Operation
    is_repeat: bool
    method: PaymentMethod
    mandate: Mandate


def authorize(item: HouseholdItem, services: Services) -> None:
    """Hold the approved amount of one cart (subject: cart id)."""
    now_us = services.clock.now_us()
    with services.unit_of_work.begin() as tx:
        tx.hold(item)
        prepared = _prepare(tx, item, services, now_us)
        if prepared is None:
            tx.complete(item)
            return
    operation = prepared.operation
    provider = services.providers.open(prepared.method.adapter)
    request = adapter.Authorize(
        key=operation.id,
        reference=operation.id,
        amount=Money(operation.amount_minor, operation.currency),
        method_token=services.providers.token(prepared.method),
        mandate_ref=prepared.mandate.provider_ref,
        return_url=f"{services.public_url}/payments/{operation.attempt_id}/back",
    )
    try:
        outcome = call_provider(lambda: provider.authorize(request), is_repeat=prepared.is_repeat)
    except NotSent:
        if not prepared.is_repeat:
            _note_that_it_stayed_here(operation, item, services)
        raise
    with services.unit_of_work.begin() as tx:
        tx.complete(item)
        wall_us = services.clock.wall_us()
        settle_operation(tx, operation.id, operation.household_id, outcome, now_us=now_us, wall_us=wall_us)


def _prepare(tx: Transaction, item: HouseholdItem, services: Services, now_us: int) -> _Prepared | None:
    household_id, wall_us = item.household_id, services.clock.wall_us()
    cart = tx.get(Cart, household_id, item.subject_id)
    standing = tx.find(Approval, household_id, cart_id=cart.id, state=ApprovalState.STANDING)
    approval = standing[0] if standing and cart.state is CartState.APPROVED else None
    tries = tx.find(Attempt, household_id, cart_id=cart.id)
    live = [attempt for attempt in tries if attempt.state in LIVE_ATTEMPT_STATES]
    if (live or approval is not None) and is_frozen(tx, household_id):
        # What went out before the freeze is looked up; nothing is sent, again or for the first time, until it is over.
        tx.enqueue("authorize", household_id, cart.id, due_us=now_us + WHILE_FROZEN_US)
        return None
    for attempt in live:
        if approval is not None and attempt.approval_id != approval.id:
            if attempt.state is AttemptState.MANUAL_REVIEW:
                _ask_person(tx, cart, approval, ("an earlier payment for it is still being looked into",), now_us)
                return None
            # An undone try is still being released, and at most one may live.
            tx.enqueue("authorize", household_id, cart.id, due_us=now_us, not_before_wall_us=wall_us + PAUSE_US)
        return _again(tx, cart, attempt, services, now_us)
    if approval is None:
        return None
    before = [attempt for attempt in tries if attempt.approval_id == approval.id]
    mandate = _permitted(tx, cart, approval, before, now_us)
    if mandate is None:
        return None
    method = tx.get(PaymentMethod, household_id, mandate.payment_method_id)
    _, operation = begin_attempt(
        tx,
        approval,
        mandate,
        approval.amount_minor,
        cart.merchant_id,
        capabilities=services.providers.open(method.adapter).capabilities,
        now_us=now_us,
        sent_wall_us=wall_us,
    )
    return _Prepared(operation, False, method, mandate)


def _permitted(tx: Transaction, cart: Cart, approval: Approval, before: list[Attempt], now_us: int) -> Mandate | None:
    """Return the mandate to debit now; None when a person decides, or no account is left to ask."""
    if before:  # it was declined, or this yes would not be asked about again
        mandate = next_mandate(tx, cart, approval, now_us)
        if mandate is None:
            nothing_bought(tx, cart, before[-1].note, now_us)
        return mandate
    mandate = tx.get(Mandate, cart.household_id, approval.mandate_id)
    method = tx.get(PaymentMethod, cart.household_id, approval.payment_method_id)
    if refusal := _refusal(tx, cart, approval, method, mandate, now_us):
        _ask_person(tx, cart, approval, refusal, now_us)
        return None
    return mandate


def _again(tx: Transaction, cart: Cart, attempt: Attempt, services: Services, now_us: int) -> _Prepared | None:
    """Find the operation a crash or a lost answer left open; a closed one needs nothing more.

    One that may have gone out is sent again under its own key even if the yes was taken back meanwhile: only a hold
    that is known of can be voided. One that never left is sent only while its account and permission stand.
    """
    found = tx.find(
        Operation,
        attempt.household_id,
        attempt_id=attempt.id,
        kind=OperationKind.AUTHORIZE,
        state=frozenset(UNCLOSED_OPERATION_STATES),
    )
    if not found:
        return None
    operation, is_repeat = found[0], found[0].sent_wall_us is not None
    method = tx.get(PaymentMethod, attempt.household_id, attempt.payment_method_id)
    mandate = tx.get(Mandate, attempt.household_id, attempt.mandate_id)
    approval = tx.get(Approval, attempt.household_id, attempt.approval_id)
    wall_us = services.clock.wall_us()
    refusal = _may_not_be_debited(method, mandate)
    if approval.state is not ApprovalState.STANDING:
        refusal = refusal or ("the yes was taken back",)
    if refusal and not is_repeat:
        if cart.state is CartState.APPROVED and approval.state is ApprovalState.STANDING:
            _ask_person(tx, cart, approval, refusal, now_us)
        never_sent = Refused("never_sent", "; ".join(refusal))
        settle_operation(tx, operation.id, operation.household_id, never_sent, now_us=now_us, wall_us=wall_us)
        return None
    if _may_not_be_debited(method, mandate):
        tx.enqueue("sync", operation.household_id, operation.id, due_us=now_us)
        return None
    capabilities = services.providers.open(method.adapter).capabilities
    again = send_again(tx, operation, capabilities, now_us=now_us, wall_us=wall_us)
    return None if again is None else _Prepared(again, is_repeat, method, mandate)


def _note_that_it_stayed_here(operation: Operation, item: HouseholdItem, services: Services) -> None:
    """Write that the first sending never left, so that it may still be called off without asking the provider."""
    with services.unit_of_work.begin() as tx:
        tx.hold(item)
        present = tx.get(Operation, operation.household_id, operation.id)
        if present.state is OperationState.UNKNOWN:
            tx.save(replace(present, state=OperationState.CREATED, sent_wall_us=None))


def _may_not_be_debited(method: PaymentMethod, mandate: Mandate) -> tuple[str, ...]:
    """Return why the account may not be debited now; nothing when it may."""
    if method.state is not MethodState.ACTIVE:
        return (f"{method.label} is {method.state}",)
    if mandate.state is not MandateState.ACTIVE:
        return (f"the permission to debit is {mandate.state}",)
    return ()


def _refusal(
    tx: Transaction, cart: Cart, approval: Approval, method: PaymentMethod, mandate: Mandate, now_us: int
) -> tuple[str, ...]:
    """Return why this must go back to a person: never a decline, never a debit."""
    if refusal := _may_not_be_debited(method, mandate):
        return refusal
    if mandate.valid_until_us is not None and now_us >= mandate.valid_until_us:
        return ("the permission to debit has expired",)
    if not approval.by_mandate:
        return ()  # a person may go beyond the limits of a standing mandate
    return distrusted(tx, cart) or _uncovered(tx, cart, mandate, now_us)


def _uncovered(tx: Transaction, cart: Cart, mandate: Mandate, now_us: int) -> tuple[str, ...]:
    lines = tx.find(Line, cart.household_id, cart_id=cart.id)
    match rules.covers(as_rule(mandate), as_request(tx, cart, lines), reserved(tx, mandate), now_us):
        case rules.Covered():
            return ()
        case rules.NotCovered(reasons=reasons):
            return reasons


def _ask_person(tx: Transaction, cart: Cart, approval: Approval, reasons: tuple[str, ...], now_us: int) -> None:
    tx.save(replace(approval, state=ApprovalState.UNDONE))
    reopen(tx, cart, reasons, now_us=now_us)
    text = f"An order waits for you after all: {'; '.join(reasons)}."
    tell(tx, cart.household_id, "cart_waiting", text, f"carts/{cart.id}", now_us)
