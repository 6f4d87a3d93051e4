"""Orders: those that wait for an answer, those planned, those under way, and the past; and one order whole."""

from dataclasses import dataclass

from gateway.domain.cart import Cart, CartState, Line
from gateway.domain.household import Household
from gateway.domain.order import OPEN_ORDER_STATES, LineState, Order, OrderLine, OrderState, Shipment, ShipmentState
from gateway.domain.records import MerchantAccount
from gateway.domain.stock import Supply
from gateway.steps.ports import Transaction
from gateway.web.views.agenda import AgendaItem, planned_orders
from gateway.web.views.carts import CartView, waiting_carts
from gateway.web.views.progress import Clock, ProgressStep, progress_steps, read_decision, undo_until_us
from gateway.web.views.stock import grouped
from gateway.web.wording import Wording, listed, money

MAX_PAST = 50
ENDED_CART_STATES = frozenset({CartState.SKIPPED, CartState.EXPIRED, CartState.DECLINED, CartState.REJECTED})

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
CART_WORDS = {
    CartState.AWAITING_APPROVAL: "Waiting for your OK",
    CartState.APPROVED: "Approved",
    CartState.HELD: "Approved",
    CartState.ORDERED: "Ordered",
    CartState.SKIPPED: "Skipped",
    CartState.SNOOZED: "Snoozed",
    CartState.EXPIRED: "Nobody answered",
    CartState.DECLINED: "Payment declined",
    CartState.REJECTED: "The shop did not take it",
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
class OrderSummary:
    """One line of a list of orders. `order_id` is None for a cart that never became an order."""

    cart_id: str
    order_id: str | None
    state: str
    words: str
    trouble: bool
    merchant: str
    what: str
    total_minor: int
    total: str
    when: str
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersView:
    """The page of orders."""

    headline: str
    waiting: tuple[CartView, ...]
    snoozed: tuple[OrderSummary, ...]
    under_way: tuple[OrderSummary, ...]
    planned: tuple[AgendaItem, ...]
    past: tuple[OrderSummary, ...]


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


def orders_view(tx: Transaction, household_id: str, *, now_us: int, wall_us: int) -> OrdersView:
    """Build the page of orders of a household."""
    wording = Wording(tx.get(Household, household_id, household_id).time_zone)
    waiting = waiting_carts(tx, household_id, now_us=now_us, wall_us=wall_us)
    snoozed = _cart_summaries(tx, household_id, frozenset({CartState.SNOOZED}), wording)
    # Approved and held carts have no order yet, but they are on their way all the same.
    begun = _cart_summaries(tx, household_id, frozenset({CartState.APPROVED, CartState.HELD}), wording)
    orders = _order_summaries(tx, household_id, wording)
    open_orders = [summary for summary, is_open in orders if is_open]
    ended = _cart_summaries(tx, household_id, ENDED_CART_STATES, wording)
    known = {summary.cart_id for summary, _ in orders}
    past = [summary for summary, is_open in orders if not is_open] + [one for one in ended if one.cart_id not in known]
    past.sort(key=lambda summary: (-summary.at_us, summary.cart_id))
    under_way = [one for one in begun if one.cart_id not in known] + open_orders
    return OrdersView(
        headline=_headline(len(waiting), len(under_way)),
        waiting=waiting,
        snoozed=tuple(snoozed),
        under_way=tuple(under_way),
        planned=planned_orders(tx, household_id, now_us=now_us),
        past=tuple(past[:MAX_PAST]),
    )


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


def _cart_summaries(
    tx: Transaction, household_id: str, states: frozenset[CartState], wording: Wording
) -> list[OrderSummary]:
    carts = tx.find(Cart, household_id, state=frozenset(states), newest=MAX_PAST)
    ids = frozenset(cart.id for cart in carts)
    lines = grouped(tx.find(Line, household_id, cart_id=ids) if ids else [], "cart_id")
    names = {merchant.id: merchant.name for merchant in tx.find(MerchantAccount, None)}
    return [
        OrderSummary(
            cart_id=cart.id,
            order_id=None,
            state=cart.state,
            words=_cart_words(cart, wording),
            trouble=cart.state in {CartState.DECLINED, CartState.REJECTED},
            merchant=names.get(cart.merchant_id, ""),
            what=_what([line.name for line in lines.get(cart.id, [])]),
            total_minor=cart.total_minor,
            total=money(cart.total_minor, cart.currency),
            when=wording.day(cart.created_us),
            at_us=cart.created_us,
        )
        for cart in carts
    ]


def _order_summaries(tx: Transaction, household_id: str, wording: Wording) -> list[tuple[OrderSummary, bool]]:
    orders = tx.find(Order, household_id, newest=MAX_PAST)
    ids = frozenset(order.id for order in orders)
    lines = grouped(tx.find(OrderLine, household_id, order_id=ids) if ids else [], "order_id")
    names = {merchant.id: merchant.name for merchant in tx.find(MerchantAccount, None)}
    found = []
    for order in orders:
        at_us = order.placed_us if order.placed_us is not None else order.created_us
        summary = OrderSummary(
            cart_id=order.cart_id,
            order_id=order.id,
            state=order.state,
            words=_order_words(order, wording),
            trouble=order.late or order.state in {OrderState.PAYMENT_DUE, OrderState.LOST, OrderState.REJECTED},
            merchant=names.get(order.merchant_id, ""),
            what=_what([line.name for line in lines.get(order.id, [])]),
            total_minor=order.total_minor,
            total=money(order.total_minor, order.currency),
            when=wording.day(at_us),
            at_us=at_us,
        )
        found.append((summary, order.state in OPEN_ORDER_STATES))
    return found


def _order_words(order: Order, wording: Wording) -> str:
    if order.state in {OrderState.PLACED, OrderState.SHIPPED} and order.promised_us is not None:
        due = wording.day(order.promised_us)
        return f"Late, was due {due}" if order.late else f"{ORDER_WORDS[order.state]}, arrives {due}"
    return ORDER_WORDS[order.state]


def _cart_words(cart: Cart, wording: Wording) -> str:
    if cart.state is CartState.SNOOZED and cart.snoozed_until_us is not None:
        return f"We ask again {wording.day(cart.snoozed_until_us)}"
    if cart.state is CartState.EXPIRED and cart.snoozed_until_us is not None:
        return "Snoozed, asked anew"
    return CART_WORDS[cart.state]


def _what(names: list[str]) -> str:
    if len(names) > 3:
        return f"{', '.join(names[:2])} and {len(names) - 2} more"
    return listed(names)


def _headline(waiting: int, under_way: int) -> str:
    if waiting == 1:
        return "One order waits for your OK"
    if waiting:
        return f"{waiting} orders wait for your OK"
    if under_way == 1:
        return "One order is on its way"
    if under_way:
        return f"{under_way} orders are on their way"
    return "No order needs you"
