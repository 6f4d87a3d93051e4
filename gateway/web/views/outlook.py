"""What comes next for a supply, in words: when it runs out, and what is planned, waited for or on its way."""

from functools import cache
from typing import Literal

from devices.catalogue import kinds
from gateway.domain.cart import Cart, CartState
from gateway.domain.order import LineState, Order, OrderLine, OrderState
from gateway.domain.replenishment import DAY_US, Forecast
from gateway.web.views.stock import Stock
from gateway.web.wording import MONTHS

PlanKind = Literal["none", "off", "planned", "waiting", "snoozed", "approved", "arriving", "late", "arrived", "trouble"]

FAR_US = 60 * DAY_US
NO_PRODUCT = "No product chosen"


def run_out_words(stock: Stock, forecast: Forecast | None, said: str | None, *, known: bool, slots: int) -> str:
    """Return the words for when a supply runs out: a range of days that holds 8 in 10 outcomes."""
    if slots == 0:
        return "No device reports it"
    if forecast is None or (forecast.p10_us is None and not forecast.beyond):
        unknown = "Learning how fast it goes" if known else "Level not known"
        return {"low": "Says it is low", "empty": "Says it is empty", "ok": "Says it is fine"}.get(said or "", unknown)
    return depletion_words(stock, forecast.p10_us, forecast.p90_us)


def depletion_words(stock: Stock, p10_us: int | None, p90_us: int | None) -> str:
    """Return "Runs out 28–30 Nov"; a bound that is None lies beyond what is forecast."""
    wording, now_us = stock.wording, stock.now_us
    if p10_us is None or p10_us > now_us + FAR_US:
        return f"Lasts past {MONTHS[wording.date(now_us + FAR_US).month - 1]}"
    first = max(p10_us, now_us)
    if p90_us is None:
        return f"Runs out {wording.short_day(first)} or later"
    last = max(p90_us, first)
    if wording.date(last) == wording.date(now_us):
        return "Runs out today" if p90_us > now_us else "Probably empty"
    return f"Runs out {wording.days(first, last)}"


def plan_words(stock: Stock, supply_id: str) -> tuple[PlanKind, str]:
    """Return what will happen next for a supply: the step furthest along wins."""
    wording = stock.wording
    if supply_id in stock.order_lines:
        return _order_words(stock, *stock.order_lines[supply_id][0])
    if supply_id in stock.cart_lines:
        return _cart_words(stock, stock.cart_lines[supply_id][0])
    if supply_id in stock.plans:
        return "planned", f"Order planned {wording.short_day(max(stock.plans[supply_id].order_by_us, stock.now_us))}"
    return _watched_words(stock, supply_id)


def _watched_words(stock: Stock, supply_id: str) -> tuple[PlanKind, str]:
    policy, forecast = stock.policies.get(supply_id), stock.forecasts.get(supply_id)
    if supply_id not in stock.with_product:
        kind = next(supply.kind for supply in stock.supplies if supply.id == supply_id)
        return "none", "Bought elsewhere" if kind in _kinds_no_shop_delivers() else NO_PRODUCT
    if policy is None or not policy.enabled:
        return "off", "Not reordered"
    if forecast is not None and forecast.order_by_us is not None:
        return "planned", f"Order by {stock.wording.short_day(max(forecast.order_by_us, stock.now_us))}"
    return "none", "No order planned"


def _order_words(stock: Stock, order: Order, line: OrderLine) -> tuple[PlanKind, str]:
    if order.state is OrderState.PAYMENT_DUE:
        return "trouble", "Shipped, payment due"
    if line.state in {LineState.DELIVERED, LineState.SHORT}:
        return "arrived", "Delivered, refill not seen yet"
    if order.state is OrderState.PLACING:
        return "approved", "Being ordered"
    if order.promised_us is None:
        return "arriving", "On its way" if line.state is LineState.SHIPPED else "Ordered"
    if order.late or order.promised_us < stock.now_us - DAY_US:
        return "late", f"Late, was due {stock.wording.short_day(order.promised_us)}"
    return "arriving", f"Arrives {stock.wording.day(order.promised_us)}"


def _cart_words(stock: Stock, cart: Cart) -> tuple[PlanKind, str]:
    match cart.state:
        case CartState.AWAITING_APPROVAL:
            return "waiting", "Waiting for your OK"
        case CartState.SNOOZED if cart.snoozed_until_us is not None:
            return "snoozed", f"Snoozed until {stock.wording.short_day(cart.snoozed_until_us)}"
        case CartState.APPROVED | CartState.HELD:
            comes_us = cart.comes_us(stock.now_us)
            return "approved", "Approved" if comes_us is None else f"Arrives about {stock.wording.day(comes_us)}"
        case _:
            return "planned", "In an order"


@cache
def _kinds_no_shop_delivers() -> frozenset[str]:
    """Return the kinds of supply that the catalogue knows, and knows no pack of."""
    slots = [slot for kind in kinds().values() for slot in kind.slots]
    return frozenset(slot.supply for slot in slots) - {slot.supply for slot in slots if slot.packs}
