"""Cancel: the shop is asked to call an order off that it has not sent; only what it confirms is believed.

A member or the operator asks, or observe does when the household's patience is over. To ask twice changes nothing, so
an answer that is lost is asked for again.
"""

from dataclasses import replace

from gateway.domain.errors import Conflict
from gateway.domain.household import Member
from gateway.domain.order import Order, OrderLine, OrderState, Shipment
from gateway.domain.records import Act, HouseholdItem, MerchantAccount
from gateway.domain.replenishment import DAY_US, HOUR_US, MINUTE_US
from gateway.domain.stock import Supply
from gateway.steps.goods.order_status import take_status
from gateway.steps.goods.watch import look_again, not_believed, unknown_there
from gateway.steps.messages import tell
from gateway.steps.ports import (
    MerchantRefused,
    MerchantUnknown,
    OrderNotFound,
    OrderStatus,
    Services,
    Transaction,
)

QUIET_AFTER_US = 7 * DAY_US
MOST_TRIES = 12
FIRST_PAUSE_US = MINUTE_US
LONGEST_PAUSE_US = 6 * HOUR_US


def cancel_order(tx: Transaction, member: Member, order_id: str, *, now_us: int) -> Order:
    """Ask the shop to cancel as a member wishes; raises NotFound, NotAllowed and Conflict."""
    member.may_decide("cancel an order")
    order = tx.get(Order, member.household_id, order_id)
    return ask_to_cancel(tx, order, by=member.id, reason="a member asked for it", now_us=now_us)


def ask_to_cancel(tx: Transaction, order: Order, *, by: str, reason: str, now_us: int) -> Order:
    """Leave a row that asks the shop to cancel; raises Conflict for an order that is sent, over or not yet taken."""
    if not _may_be_cancelled(tx, order):
        hints = {
            OrderState.PLACING: "The shop has not answered yet; try again when it has.",
            OrderState.SHIPPED: "It is on its way; what you do not want can go back to the shop.",
        }
        raise Conflict("order", order.id, order.state, "cancel", hint=hints.get(order.state, ""))
    asked = replace(order, cancel_asked_us=now_us, looks=0)
    tx.save(asked)
    tx.add(
        Act(
            id=tx.new_id(),
            household_id=order.household_id,
            by=by,
            verb="cancel",
            subject=f"orders/{order.id}",
            reason=reason,
            evidence="",
            at_us=now_us,
        )
    )
    tx.enqueue("cancel", order.household_id, order.id, due_us=now_us)
    return asked


def cancel(item: HouseholdItem, services: Services) -> None:
    """Ask the shop to cancel one order (subject: order id)."""
    now_us, household_id = services.clock.now_us(), item.household_id
    with services.unit_of_work.begin() as tx:
        tx.hold(item)
        order = tx.get(Order, household_id, item.subject_id)
        if not _may_be_cancelled(tx, order):
            tx.complete(item)
            return
        account = tx.get(MerchantAccount, household_id, order.merchant_id)
    answer: OrderStatus | OrderNotFound | str | None
    try:
        answer = services.merchants.open(account).cancel(order.id)
    except MerchantUnknown:
        answer = None
    except MerchantRefused as refusal:
        answer = str(refusal)
    with services.unit_of_work.begin() as tx:
        tx.complete(item)
        order = tx.get(Order, household_id, item.subject_id)
        match answer:
            case OrderStatus():
                _take_answer(tx, order, answer, now_us)
            case OrderNotFound():
                unknown_there(tx, order, now_us)
            case str():
                _not_cancelled(tx, order, answer, now_us)
            case None:
                _ask_again(tx, order, now_us, services.clock.wall_us())


def _take_answer(tx: Transaction, order: Order, status: OrderStatus, now_us: int) -> None:
    """Write where the order stands now, and say so where it was not cancelled."""
    try:
        ended = take_status(tx, order, status, now_us)
    except MerchantUnknown as impossible:
        not_believed(tx, order, str(impossible), now_us)
        return
    if ended.state is OrderState.CANCELLED:
        _keep_quiet(tx, ended, now_us)
    elif _may_be_cancelled(tx, ended):
        _not_cancelled(tx, ended, "it says that this is not possible any more", now_us)
    look_again(tx, ended, now_us)


def _may_be_cancelled(tx: Transaction, order: Order) -> bool:
    """Say whether nothing of it was sent yet, paid for or not."""
    is_taken = order.state in {OrderState.PLACED, OrderState.PAYMENT_DUE}
    return is_taken and not tx.find(Shipment, order.household_id, order_id=order.id)


def _keep_quiet(tx: Transaction, order: Order, now_us: int) -> None:
    """What a person called off is not proposed again at once; what a shop never sent is planned anew."""
    acts = tx.find(Act, order.household_id, subject=f"orders/{order.id}", verb="cancel")
    if not acts:
        return
    for line in tx.find(OrderLine, order.household_id, order_id=order.id):
        supply = tx.get(Supply, order.household_id, line.supply_id)
        tx.save(replace(supply, quiet_until_us=max(supply.quiet_until_us, now_us + QUIET_AFTER_US)))


def _not_cancelled(tx: Transaction, order: Order, why: str, now_us: int) -> None:
    text = f"The shop did not cancel the order: {why.rstrip('.')}. It still stands; the operator can see it too."
    tell(tx, order.household_id, "order_not_cancelled", text, f"orders/{order.id}", now_us)


def _ask_again(tx: Transaction, order: Order, now_us: int, wall_us: int) -> None:
    """Ask once more, later each time; in the end a person is told, and observe goes on looking."""
    if order.looks >= MOST_TRIES:
        _not_cancelled(tx, order, "it does not answer", now_us)
        return
    tx.save(replace(order, looks=order.looks + 1))
    pause_us = min(LONGEST_PAUSE_US, FIRST_PAUSE_US * 2**order.looks)
    tx.enqueue("cancel", order.household_id, order.id, due_us=now_us, not_before_wall_us=wall_us + pause_us)
