"""Orders: those that wait for an answer, those planned, those under way, and the past."""

from dataclasses import dataclass

from gateway.domain.cart import Cart, CartState, Line
from gateway.domain.household import Household
from gateway.domain.order import OPEN_ORDER_STATES, Order, OrderLine, OrderState
from gateway.domain.records import MerchantAccount
from gateway.steps.ports import Transaction
from gateway.web.views.agenda import AgendaItem, planned_orders
from gateway.web.views.carts import CartView, waiting_carts
from gateway.web.views.order import ORDER_WORDS
from gateway.web.views.stock import grouped
from gateway.web.wording import Wording, count, listed, money

MAX_PAST = 50
ENDED_CART_STATES = frozenset(
    {CartState.SKIPPED, CartState.EXPIRED, CartState.DROPPED, CartState.DECLINED, CartState.REJECTED}
)

CART_WORDS = {
    CartState.AWAITING_APPROVAL: "Waiting for your OK",
    CartState.APPROVED: "Approved",
    CartState.HELD: "Approved",
    CartState.ORDERED: "Ordered",
    CartState.SKIPPED: "Skipped",
    CartState.SNOOZED: "Snoozed",
    CartState.EXPIRED: "Nobody answered",
    CartState.DROPPED: "Closed, nothing bought",
    CartState.DECLINED: "Payment declined",
    CartState.REJECTED: "The shop did not take it",
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
        return f"{count(waiting, 'order', 'orders')} wait for your OK"
    if under_way == 1:
        return "One order is on its way"
    if under_way:
        return f"{count(under_way, 'order is', 'orders are')} on their way"
    return "No order needs you"
