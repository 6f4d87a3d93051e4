"""Notice: what a provider or merchant told us is verified and taken as a hint: look it up, believe nothing else."""

from dataclasses import replace

from gateway.domain.order import ORDER_PREFIX, Order, OrderState
from gateway.domain.payment import Attempt, Mandate, Operation, PaymentMethod
from gateway.domain.records import MerchantAccount, Notice, NoticeState, WorkItem
from gateway.steps.money.operations import may_still_change
from gateway.steps.money.setting_up import ask_again
from gateway.steps.ports import MerchantRefused, Services, Transaction
from payments.errors import NoticeRejected

MAX_REFERENCES = 100
MAX_KEPT = 1_000
"""Notices kept of one provider or shop that were refused, or set aside, the newest: enough to see what is wrong."""
MOST_TRIES = 24
"""Later each time, up to an hour: half a day. What cannot be read till then (a missing secret, a fault of the adapter)
makes room for the next; it was a hint, and what it hinted at is looked up on its own schedule."""


def notice(item: WorkItem, services: Services) -> None:
    """Read one stored notice (subject: notice id) and leave rows for sync or observe.

    To read it may call its provider (for the keys that it signs with), so no transaction is open meanwhile.
    """
    now_us = services.clock.now_us()
    with services.unit_of_work.begin() as tx:
        tx.hold(item)
        found = tx.find(Notice, None, id=item.subject_id, state=NoticeState.RECEIVED)
        if not found or item.tries > MOST_TRIES:
            for received in found:
                _put_away(tx, received, NoticeState.SET_ASIDE, "it could not be read, however often that was tried")
            tx.complete(item)
            return
        received = found[0]
        accounts = tx.find(MerchantAccount, None, id=received.name) if received.source == "merchant" else []
    references: tuple[str, ...] = ()
    refused = ""
    try:
        references = _references(services, received, accounts)
    except (NoticeRejected, MerchantRefused) as refusal:
        refused = str(refusal)
    with services.unit_of_work.begin() as tx:
        tx.complete(item)
        for present in tx.find(Notice, None, id=received.id, state=NoticeState.RECEIVED):
            if refused:
                _put_away(tx, present, NoticeState.REFUSED, refused)
                return
            known = [_hint(tx, present, reference, now_us) for reference in references[:MAX_REFERENCES]]
            reason = "" if all(known) else "names something this gateway does not know"
            tx.save(replace(present, state=NoticeState.DONE, reason=reason))


def _put_away(tx: Transaction, received: Notice, state: NoticeState, reason: str) -> None:
    """Keep a notice that nothing is done about, with the reason; the oldest such above the limit go."""
    tx.save(replace(received, state=state, reason=reason))
    source, name = received.source, received.name
    above = tx.count(Notice, None, source=source, name=name, state=state) - MAX_KEPT
    if above > 0:
        for old in tx.find(Notice, None, oldest=above, source=source, name=name, state=state):
            tx.remove(old)


def _references(services: Services, received: Notice, accounts: list[MerchantAccount]) -> tuple[str, ...]:
    """Return our references a verified notice names; raises when it cannot be trusted."""
    if received.source == "payment":
        return services.providers.open(received.name).parse_notice(received.headers, received.body).references
    if not accounts:
        raise MerchantRefused(f"no shop {received.name!r} is set up")
    shop = services.merchants.open(accounts[0])
    return shop.parse_notice(received.headers, received.body, received.received_wall_us).order_references


def _hint(tx: Transaction, received: Notice, reference: str, now_us: int) -> bool:
    """Leave a row to look the reference up; False when it names nothing of the provider or shop that speaks."""
    if received.source == "payment":
        for operation in tx.find(Operation, None, id=reference):
            attempts = tx.find(Attempt, None, id=operation.attempt_id)
            if not any(_is_debited_by(tx, received.name, one.payment_method_id) for one in attempts):
                return False
            if may_still_change(operation):
                tx.enqueue("sync", operation.household_id, operation.id, due_us=now_us)
            return True
        return _hint_at_mandate(tx, received.name, reference, now_us)
    for order in tx.find(Order, None, id=reference, merchant_id=received.name):
        if order.state is OrderState.PLACING:
            tx.enqueue("sync", order.household_id, f"{ORDER_PREFIX}{order.id}", due_us=now_us)
        else:
            tx.enqueue("observe", order.household_id, order.id, due_us=now_us)
        return True
    return False


def _is_debited_by(tx: Transaction, adapter_name: str, method_id: str) -> bool:
    """Whether the account is one of this adapter: of another's nobody is asked on its word."""
    return bool(tx.find(PaymentMethod, None, id=method_id, adapter=adapter_name))


def _hint_at_mandate(tx: Transaction, adapter_name: str, reference: str, now_us: int) -> bool:
    """Also one that stands is looked up: the customer may have taken it back at the provider."""
    for mandate in tx.find(Mandate, None, id=reference):
        if not _is_debited_by(tx, adapter_name, mandate.payment_method_id):
            return False
        ask_again(tx, mandate, now_us=now_us)
        return True
    return False
