"""Observe: what the merchant ships and delivers, and the level jump that shows the refill arrived.

Asks the merchant where an order stands and closes each line: refill seen, short, lost or returned; a shipment leaves a
row for capture, a shortfall a row for refund. Runs on a schedule, after a notice, and after a refill.
"""

from dataclasses import replace

from gateway.domain.cart import Line
from gateway.domain.order import (
    LineState,
    Order,
    OrderLine,
    OrderState,
    Shipment,
    ShipmentState,
)
from gateway.domain.payment import Attempt
from gateway.domain.records import MerchantAccount, WorkItem
from gateway.domain.replenishment import DAY_US, HOUR_US, Plan, PlanState
from gateway.domain.stock import Refill, Supply
from gateway.steps.messages import tell
from gateway.steps.ports import OrderNotFound, OrderStatus, Parcel, Services, Transaction
from gateway.steps.refunds import owe_refund

WHILE_ON_ITS_WAY_US = HOUR_US
WHILE_ON_THE_SHELF_US = 12 * HOUR_US
LATE_AFTER_US = 12 * HOUR_US
REFILL_EXPECTED_WITHIN_US = 30 * DAY_US
ENDED_BY_MERCHANT = {
    "cancelled": OrderState.CANCELLED,
    "rejected": OrderState.CANCELLED,
    "returned": OrderState.RETURNED,
}
ENDED_ORDERS = frozenset({OrderState.REJECTED, OrderState.CANCELLED, OrderState.CLOSED})
ENDED_LINES = frozenset({LineState.LOST, LineState.RETURNED, LineState.CANCELLED, LineState.CLOSED})


def observe(item: WorkItem, services: Services) -> None:
    """Look at one order (subject: order id)."""
    now_us, household_id = services.clock.now_us(), item.household_id or ""
    with services.unit_of_work.begin() as tx:
        tx.hold(item)
        order = tx.get(Order, household_id, item.subject_id)
        if order.state in ENDED_ORDERS or order.state is OrderState.PLACING:
            tx.complete(item)
            return
        account = tx.get(MerchantAccount, household_id, order.merchant_id)
    status = services.merchants.open(account).status(order.id)
    with services.unit_of_work.begin() as tx:
        tx.complete(item)
        _settle(tx, household_id, item.subject_id, status, now_us)


def _settle(
    tx: Transaction, household_id: str, order_id: str, status: OrderStatus | OrderNotFound, now_us: int
) -> None:
    order = tx.get(Order, household_id, order_id)
    if isinstance(status, OrderNotFound):
        text = "The shop says it does not know an order it had accepted; the operator is looking."
        if order.note != text:
            tx.save(replace(order, note=text))
            tell(tx, household_id, "order_unknown", text, f"orders/{order_id}", now_us)
        tx.enqueue("observe", household_id, order_id, due_us=now_us + DAY_US)
        return
    lines = {line.id: line for line in tx.find(OrderLine, household_id, order_id=order_id)}
    for parcel in status.parcels:
        _parcel(tx, order, lines, parcel, now_us)
    if status.state in ENDED_BY_MERCHANT:
        _ended_by_merchant(tx, order, lines, status, now_us)
    _match_refills(tx, order, lines, now_us)
    _conclude(tx, order, lines, status, now_us)


def _parcel(tx: Transaction, order: Order, lines: dict[str, OrderLine], parcel: Parcel, now_us: int) -> None:
    known = tx.find(Shipment, order.household_id, order_id=order.id, merchant_ref=parcel.parcel_ref)
    if known:
        shipment = known[0]
    else:
        shipment = Shipment(
            id=tx.new_id(),
            household_id=order.household_id,
            order_id=order.id,
            merchant_ref=parcel.parcel_ref,
            state=ShipmentState.SHIPPED,
            amount_minor=parcel.amount_minor,
            currency=order.currency,
            shipped_us=parcel.shipped_us,
            delivered_us=None,
        )
        tx.add(shipment)
        tx.enqueue("capture", order.household_id, shipment.id, due_us=now_us)
        for sent in parcel.lines:
            line = lines[sent.line_ref]
            lines[line.id] = replace(line, packs_shipped=line.packs_shipped + sent.packs, state=LineState.SHIPPED)
    if parcel.state == "delivered" and shipment.state is ShipmentState.SHIPPED:
        delivered_us = parcel.delivered_us or now_us
        tx.save(replace(shipment, state=ShipmentState.DELIVERED, delivered_us=delivered_us))
        for sent in parcel.lines:
            came = sent.packs if sent.packs_delivered is None else sent.packs_delivered
            lines[sent.line_ref] = _delivered(tx, lines[sent.line_ref], came, sent.packs, delivered_us)
    if parcel.state == "lost" and shipment.state is ShipmentState.SHIPPED:
        tx.save(replace(shipment, state=ShipmentState.LOST))
        for sent in parcel.lines:
            lines[sent.line_ref] = replace(lines[sent.line_ref], state=LineState.LOST)
        text = "A parcel was lost on its way. What was debited for it comes back."
        tell(tx, order.household_id, "delivery_lost", text, f"orders/{order.id}", now_us)


def _delivered(tx: Transaction, line: OrderLine, came: int, sent: int, delivered_us: int) -> OrderLine:
    """Put what came on the shelf: sealed packs, less what was already opened between the delivery and this look."""
    supply = tx.get(Supply, line.household_id, line.supply_id)
    opened = sum(
        refill.size or line.pack_size
        for refill in tx.find(Refill, line.household_id, supply_id=supply.id, newest=20)
        if refill.at_us >= delivered_us and refill.order_line_id is None
    )
    quantity = supply.sealed_quantity + max(0.0, came * line.pack_size - opened)
    tx.save(replace(supply, sealed_quantity=quantity))
    tx.enqueue("forecast", line.household_id, supply.id, due_us=delivered_us)
    if came < sent:
        text = f"{line.name}: {came} of {sent} came. What is missing is refunded."
        tell(tx, line.household_id, "delivery_short", text, f"orders/{line.order_id}", delivered_us)
    return replace(
        line,
        packs_delivered=line.packs_delivered + came,
        delivered_us=delivered_us,
        state=LineState.SHORT if came < sent else LineState.DELIVERED,
    )


def _ended_by_merchant(
    tx: Transaction, order: Order, lines: dict[str, OrderLine], status: OrderStatus, now_us: int
) -> None:
    state = LineState.RETURNED if status.state == "returned" else LineState.CANCELLED
    for line in lines.values():
        if line.state in {LineState.OPEN, LineState.SHIPPED} or status.state == "returned":
            lines[line.id] = replace(line, state=state)
    tx.enqueue("release", order.household_id, order.attempt_id, due_us=now_us)
    text = f"The shop ended the order: {status.message}"
    tell(tx, order.household_id, "order_ended", text, f"orders/{order.id}", now_us)


def _match_refills(tx: Transaction, order: Order, lines: dict[str, OrderLine], now_us: int) -> None:
    """Give each line that came the first refill of its supply since its delivery that no other line took."""
    for line in list(lines.values()):
        if line.refill_seen or line.delivered_us is None or line.packs_delivered == 0:
            continue
        refills = tx.find(Refill, order.household_id, supply_id=line.supply_id, order_line_id=None, newest=50)
        for refill in reversed(refills):
            if refill.at_us >= line.delivered_us:
                tx.save(replace(refill, order_line_id=line.id))
                lines[line.id] = replace(line, refill_seen=True, refill_id=refill.id, state=LineState.CLOSED)
                break
        else:
            if now_us > line.delivered_us + REFILL_EXPECTED_WITHIN_US:
                lines[line.id] = replace(line, state=LineState.CLOSED)
                text = f"{line.name} was delivered, but no device has seen a refill. Is it still on the shelf?"
                tell(tx, order.household_id, "no_refill_seen", text, f"orders/{order.id}", now_us)


def _conclude(tx: Transaction, order: Order, lines: dict[str, OrderLine], status: OrderStatus, now_us: int) -> None:
    """Save the lines, write what is owed back, free the supplies of ended lines, and say when to look again."""
    attempt = tx.get(Attempt, order.household_id, order.attempt_id)
    all_refunds_stand = _refund_what_is_missing(tx, order, attempt, lines, now_us)
    for line in lines.values():
        tx.save(line)
        _free_supply(tx, line, now_us)
    shipped = sum(line.packs_shipped for line in lines.values())
    wanted = sum(line.packs for line in lines.values() if line.state is not LineState.CANCELLED)
    if shipped and shipped >= wanted:  # nothing more will be billed: what is left of the hold goes back
        tx.enqueue("release", order.household_id, attempt.id, due_us=now_us)
    state = _order_state(order, lines, status, all_refunds_stand=all_refunds_stand)
    late = order.late
    if not late and state in {OrderState.PLACED, OrderState.SHIPPED} and now_us > status.promised_us + LATE_AFTER_US:
        late = True
        text = "A delivery is late. It was promised earlier; we keep looking."
        tell(tx, order.household_id, "delivery_late", text, f"orders/{order.id}", now_us)
    ended = state in {OrderState.CLOSED, OrderState.CANCELLED, OrderState.RETURNED, OrderState.LOST}
    tx.save(
        replace(
            order,
            state=state,
            late=late,
            promised_us=status.promised_us,
            closed_us=now_us if ended and order.closed_us is None else order.closed_us,
        )
    )
    if state is OrderState.CLOSED or state is OrderState.CANCELLED or (ended and all_refunds_stand):
        return
    waiting_us = WHILE_ON_THE_SHELF_US if state is OrderState.DELIVERED else WHILE_ON_ITS_WAY_US
    tx.enqueue("observe", order.household_id, order.id, due_us=now_us + waiting_us)


def _refund_what_is_missing(
    tx: Transaction, order: Order, attempt: Attempt, lines: dict[str, OrderLine], now_us: int
) -> bool:
    """Write a refund for each lost parcel and each short line; False while a capture is still to come first."""
    stand = True
    for shipment in tx.find(Shipment, order.household_id, order_id=order.id, state=ShipmentState.LOST):
        stand &= owe_refund(tx, attempt, shipment.id, shipment.amount_minor, now_us=now_us)
    for line in list(lines.values()):
        missing = line.packs_shipped - line.packs_delivered - line.packs_refunded
        if line.delivered_us is not None and missing > 0 and line.state is not LineState.LOST:
            stood = owe_refund(tx, attempt, line.id, missing * line.unit_price_minor, now_us=now_us)
            if stood:
                lines[line.id] = replace(line, packs_refunded=line.packs_refunded + missing)
            stand &= stood
    return stand


def _free_supply(tx: Transaction, line: OrderLine, now_us: int) -> None:
    """End the plan of a line that came (bought) or never will (dropped), so that its supply may be planned anew."""
    plan = tx.get(Plan, line.household_id, tx.get(Line, line.household_id, line.cart_line_id).plan_id)
    if plan.state is not PlanState.CARTED:
        return
    if line.state in {LineState.DELIVERED, LineState.SHORT, LineState.CLOSED}:
        tx.save(replace(plan, state=PlanState.BOUGHT))
    elif line.state in ENDED_LINES:
        tx.save(replace(plan, state=PlanState.DROPPED))
    else:
        return
    tx.enqueue("plan", line.household_id, line.supply_id, due_us=now_us)


def _order_state(
    order: Order, lines: dict[str, OrderLine], status: OrderStatus, *, all_refunds_stand: bool
) -> OrderState:
    """Return where the order stands: the merchant's word, closed once every line is, payment due until it is paid."""
    if order.state is OrderState.PAYMENT_DUE:
        return OrderState.PAYMENT_DUE
    if status.state in ENDED_BY_MERCHANT:
        return ENDED_BY_MERCHANT[status.state]
    states = {line.state for line in lines.values()}
    if states <= {LineState.LOST}:
        return OrderState.LOST
    if states <= ENDED_LINES and all_refunds_stand:
        return OrderState.CLOSED
    if states & {LineState.OPEN, LineState.SHIPPED}:
        return OrderState.SHIPPED if status.parcels else OrderState.PLACED
    return OrderState.DELIVERED
