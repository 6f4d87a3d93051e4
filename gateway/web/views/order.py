"""One order whole: its lines, its parcels, how far it is."""

from dataclasses import dataclass

from gateway.domain.cart import Cart
from gateway.domain.household import Household
from gateway.domain.order import LineState, Order, OrderLine, OrderState, Shipment, ShipmentState
from gateway.domain.records import MerchantAccount
from gateway.domain.stock import Supply
from gateway.steps.ports import Transaction
from gateway.web.views.progress import Clock, ProgressStep, progress_steps, read_decision, undo_until_us
from gateway.web.wording import Wording, money

ORDER_WORDS = {
    OrderState.PLACING: "Sending",
    OrderState.PLACED: "Ordered",
    OrderState.SHIPPED: "On its way",
    OrderState.DELIVERED: "Delivered",
    OrderState.CLOSED: "Delivered, refill seen",
    OrderState.REJECTED: "The shop did not take it",
    OrderState.CANCELLED: "Cancelled",
    OrderState.LOST: "Lost on the way",
    OrderState.RETURNED: "Returned",
    OrderState.PAYMENT_DUE: "Payment due",
}
LINE_WORDS = {
    LineState.OPEN: "Ordered",
    LineState.SHIPPED: "On its way",
    LineState.DELIVERED: "Delivered",
    LineState.SHORT: "Came short",
    LineState.LOST: "Lost on the way",
    LineState.RETURNED: "Returned",
    LineState.CANCELLED: "Cancelled",
    LineState.CLOSED: "Closed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLineRow:
    """One ordered line: what was asked, what came, whether the refill was seen."""

    id: str
    cart_line_id: str
    supply_id: str
    supply: str
    icon: str
    name: str
    sku: str
    packs: int
    packs_shipped: int
    packs_delivered: int
    packs_refunded: int
    state: LineState
    words: str
    amount_minor: int
    amount: str
    refill_seen: bool
    refill_id: str | None
    delivered_us: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentRow:
    """One parcel."""

    id: str
    state: ShipmentState
    words: str
    amount_minor: int
    amount: str
    shipped_us: int
    delivered_us: int | None
    when: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderView:
    """One order whole."""

    id: str
    cart_id: str
    attempt_id: str
    state: OrderState
    words: str
    merchant: str
    merchant_ref: str
    currency: str
    total_minor: int
    total: str
    placed_us: int | None
    placed: str
    promised_us: int | None
    promised: str
    late: bool
    note: str
    approved_by: str
    method: str
    lines: tuple[OrderLineRow, ...]
    shipments: tuple[ShipmentRow, ...]
    steps: tuple[ProgressStep, ...]
    undo_until_wall_us: int | None
    created_us: int


def order_view(tx: Transaction, household_id: str, order_id: str, *, now_us: int, wall_us: int) -> OrderView:
    """Build one order whole; raises NotFound for another household's."""
    order = tx.get(Order, household_id, order_id)
    cart = tx.get(Cart, household_id, order.cart_id)
    wording = Wording(tx.get(Household, household_id, household_id).time_zone)
    decision = read_decision(tx, cart)
    supplies = {supply.id: supply for supply in tx.find(Supply, household_id)}
    return OrderView(
        id=order.id,
        cart_id=order.cart_id,
        attempt_id=order.attempt_id,
        state=order.state,
        words=ORDER_WORDS[order.state],
        merchant=tx.get(MerchantAccount, household_id, order.merchant_id).name,
        merchant_ref=order.merchant_ref,
        currency=order.currency,
        total_minor=order.total_minor,
        total=money(order.total_minor, order.currency),
        placed_us=order.placed_us,
        placed="" if order.placed_us is None else wording.day_and_clock(order.placed_us),
        promised_us=order.promised_us,
        promised="" if order.promised_us is None else wording.day(order.promised_us),
        late=order.late,
        note=order.note,
        approved_by=decision.approved_by,
        method=decision.method.label if decision.method else "",
        lines=tuple(
            order_line_row(line, order.currency, supplies.get(line.supply_id))
            for line in tx.find(OrderLine, household_id, order_id=order.id)
        ),
        shipments=tuple(
            shipment_row(shipment, wording) for shipment in tx.find(Shipment, household_id, order_id=order.id)
        ),
        steps=progress_steps(cart, decision, Clock(wording, now_us)),
        undo_until_wall_us=undo_until_us(cart, decision, wall_us),
        created_us=order.created_us,
    )


def order_line_row(line: OrderLine, currency: str, supply: Supply | None) -> OrderLineRow:
    """Build one line of an order."""
    total = line.packs * line.unit_price_minor
    if line.state is LineState.DELIVERED and not line.refill_seen:
        words = "Delivered, refill not seen yet"
    elif line.refill_seen:
        words = "Delivered, refill seen"
    else:
        words = LINE_WORDS[line.state]
    return OrderLineRow(
        id=line.id,
        cart_line_id=line.cart_line_id,
        supply_id=line.supply_id,
        supply=supply.name if supply else "",
        icon=supply.icon if supply else "package",
        name=line.name,
        sku=line.sku,
        packs=line.packs,
        packs_shipped=line.packs_shipped,
        packs_delivered=line.packs_delivered,
        packs_refunded=line.packs_refunded,
        state=line.state,
        words=words,
        amount_minor=total,
        amount=money(total, currency),
        refill_seen=line.refill_seen,
        refill_id=line.refill_id,
        delivered_us=line.delivered_us,
    )


def shipment_row(shipment: Shipment, wording: Wording) -> ShipmentRow:
    """Build one parcel."""
    words = {
        ShipmentState.SHIPPED: "On its way",
        ShipmentState.DELIVERED: "Delivered",
        ShipmentState.LOST: "Lost on the way",
    }
    at_us = shipment.delivered_us if shipment.delivered_us is not None else shipment.shipped_us
    return ShipmentRow(
        id=shipment.id,
        state=shipment.state,
        words=words[shipment.state],
        amount_minor=shipment.amount_minor,
        amount=money(shipment.amount_minor, shipment.currency),
        shipped_us=shipment.shipped_us,
        delivered_us=shipment.delivered_us,
        when=wording.day_and_clock(at_us),
    )
