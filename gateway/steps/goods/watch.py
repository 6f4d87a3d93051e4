"""When an order is looked at again, how long a shop is waited for, and when a person takes over: never for ever."""

from dataclasses import replace

from gateway.domain.order import ENDED_LINE_STATES, Order, OrderLine, OrderState
from gateway.domain.replenishment import DAY_US, HOUR_US, Policy
from gateway.steps.messages import tell
from gateway.steps.ports import Transaction

WHILE_ON_ITS_WAY_US = HOUR_US
WHILE_LATE_US = 6 * HOUR_US
WHILE_ON_THE_SHELF_US = 12 * HOUR_US
# However often a promise is put off, it counts no longer than this.
LONGEST_PROMISE_US = 45 * DAY_US
LONGEST_WATCH_US = 120 * DAY_US
NOT_HERE_YET = frozenset({OrderState.PLACED, OrderState.SHIPPED, OrderState.PAYMENT_DUE})


def unknown_there(tx: Transaction, order: Order, now_us: int) -> None:
    """Tell the household once that the shop forgot an order it had accepted, and ask daily."""
    text = "The shop says it does not know an order it had accepted; the operator is looking."
    if order.note != text:
        order = replace(order, note=text)
        tx.save(order)
        tell(tx, order.household_id, "order_unknown", text, f"orders/{order.id}", now_us)
    if not _is_left_to_a_person(tx, order, now_us):
        tx.enqueue("observe", order.household_id, order.id, due_us=now_us + DAY_US)


def not_believed(tx: Transaction, order: Order, why: str, now_us: int) -> None:
    """Tell the household once that what the shop says of an order cannot be, keep what is wrong, and ask daily."""
    text = f"What the shop says of this order cannot be right: {why}. None of it was counted; the operator is looking."
    if order.note != text:
        order = replace(order, note=text)
        tx.save(order)
        tell(tx, order.household_id, "order_not_believed", text, f"orders/{order.id}", now_us)
    if not _is_left_to_a_person(tx, order, now_us):
        tx.enqueue("observe", order.household_id, order.id, due_us=now_us + DAY_US)


def look_again(tx: Transaction, order: Order, now_us: int) -> None:
    """Leave a row for the next look while a line is open; ask a shop that lets the household wait to cancel."""
    lines = tx.find(OrderLine, order.household_id, order_id=order.id)
    if all(line.state in ENDED_LINE_STATES for line in lines) or _is_left_to_a_person(tx, order, now_us):
        return
    if (
        order.state is OrderState.PLACED
        and order.cancel_asked_us is None
        and now_us > _patient_until_us(tx, order, lines)
    ):
        tx.save(replace(order, cancel_asked_us=now_us, looks=0))
        tx.enqueue("cancel", order.household_id, order.id, due_us=now_us)
    tx.enqueue("observe", order.household_id, order.id, due_us=now_us + _pause_us(order))


def _patient_until_us(tx: Transaction, order: Order, lines: list[OrderLine]) -> int:
    """Return until when an order that was not sent is waited for: its promise and the patience of its supplies."""
    since_us = order.placed_us or order.created_us
    promised_us = min(order.promised_us or since_us, since_us + LONGEST_PROMISE_US)
    days = max(tx.get(Policy, order.household_id, line.supply_id).patience_days for line in lines)
    return promised_us + round(days * DAY_US)


def _is_left_to_a_person(tx: Transaction, order: Order, now_us: int) -> bool:
    """Say whether an order was looked at long enough; from then on the operator judges it."""
    if order.abandoned_us is not None:
        return True
    if order.state not in NOT_HERE_YET or now_us <= (order.placed_us or order.created_us) + LONGEST_WATCH_US:
        return False
    tx.save(replace(order, abandoned_us=now_us))
    text = "An order neither came nor ended for a very long time. We stop looking by ourselves; the operator decides."
    tell(tx, order.household_id, "order_abandoned", text, f"orders/{order.id}", now_us)
    return True


def _pause_us(order: Order) -> int:
    if order.state is OrderState.DELIVERED:
        return WHILE_ON_THE_SHELF_US
    return WHILE_LATE_US if order.late else WHILE_ON_ITS_WAY_US
