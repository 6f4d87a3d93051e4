"""Coming up: what will be asked, ordered and delivered next, with the rule that applies."""

from dataclasses import dataclass
from typing import Literal

from gateway.domain.cart import Cart, CartState
from gateway.domain.household import Household
from gateway.domain.order import COMING_LINE_STATES, Order, OrderLine, OrderState
from gateway.domain.payment import Mandate, MandateState
from gateway.domain.records import MerchantAccount
from gateway.domain.replenishment import DAY_US, LIVE_PLAN_STATES, Forecast, Plan, PlanState, Policy
from gateway.domain.stock import PackOption, Supply
from gateway.steps.ports import Transaction
from gateway.web.wording import MONTHS, Wording, money

HORIZON_US = 45 * DAY_US
MAX_ITEMS = 12

AgendaKind = Literal["decision", "delivery", "order"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgendaItem:
    """One thing to come. `about` is empty where no amount is known; "about 24.90 €" where it is not final."""

    kind: AgendaKind
    at_us: int
    date: str
    day: str
    month: str
    what: str
    rule: str
    about: str
    supply_id: str | None
    cart_id: str | None
    order_id: str | None


def coming_up(tx: Transaction, household_id: str, *, now_us: int) -> tuple[AgendaItem, ...]:
    """Return deadlines, deliveries and planned orders of the next weeks, soonest first."""
    wording = _wording(tx, household_id)
    merchants = {merchant.id: merchant.name for merchant in tx.find(MerchantAccount, None)}
    items = [
        _item(
            "decision",
            cart.decide_by_us,
            wording,
            what=f"Decide on the order at {merchants.get(cart.merchant_id, 'the shop')}",
            rule="Nothing is bought without your answer",
            about=money(cart.total_minor, cart.currency),
            cart_id=cart.id,
        )
        for cart in tx.find(Cart, household_id, state=CartState.AWAITING_APPROVAL)
        if cart.decide_by_us is not None
    ]
    items += [
        _item(
            "delivery",
            order.promised_us,
            wording,
            what=f"Delivery from {merchants.get(order.merchant_id, 'the shop')}",
            rule="Late" if order.late else "Ordered",
            about=money(order.total_minor, order.currency),
            order_id=order.id,
        )
        for order in tx.find(Order, household_id, state=frozenset({OrderState.PLACED, OrderState.SHIPPED}))
        if order.promised_us is not None
    ]
    items += planned_orders(tx, household_id, now_us=now_us)
    return tuple(sorted(items, key=lambda item: item.at_us)[:MAX_ITEMS])


def planned_orders(tx: Transaction, household_id: str, *, now_us: int) -> tuple[AgendaItem, ...]:
    """Return what will be ordered next: open plans, and forecasts whose order-by date is near."""
    household = tx.get(Household, household_id, household_id)
    wording = Wording(household.time_zone)
    standing = bool(tx.find(Mandate, household_id, state=MandateState.ACTIVE, standing=True))
    packs = sorted(tx.find(PackOption, household_id), key=lambda option: -option.rank)
    usual = {option.supply_id: option for option in packs}
    options = {option.id: option for option in packs}
    plans = {plan.supply_id: plan for plan in tx.find(Plan, household_id, state=LIVE_PLAN_STATES)}
    kept = {policy.supply_id for policy in tx.find(Policy, household_id) if policy.enabled}
    forecasts = {forecast.supply_id: forecast for forecast in tx.find(Forecast, household_id, current=True)}
    coming = {line.supply_id for line in tx.find(OrderLine, household_id, state=COMING_LINE_STATES)}
    rule = "Covered by your standing permission, else we ask" if standing else "Will ask you first"
    items = []
    for supply in tx.find(Supply, household_id):
        plan, forecast = plans.get(supply.id), forecasts.get(supply.id)
        if supply.id in coming or (plan is not None and plan.state is PlanState.CARTED):
            continue
        order_by_us = _order_by_us(plan, forecast)
        option = options.get(plan.pack_option_id) if plan else usual.get(supply.id)
        if supply.id not in kept or order_by_us is None or option is None or order_by_us > now_us + HORIZON_US:
            continue
        packs_wanted = plan.packs if plan else 1
        price = None if option.last_price_minor is None else packs_wanted * option.last_price_minor
        items.append(
            _item(
                "order",
                max(order_by_us, now_us),
                wording,
                what=f"{packs_wanted} × {option.name}" if packs_wanted > 1 else option.name,
                rule=rule,
                about="" if price is None else f"about {money(price, household.currency)}",
                supply_id=supply.id,
            )
        )
    return tuple(sorted(items, key=lambda item: item.at_us)[:MAX_ITEMS])


def _order_by_us(plan: Plan | None, forecast: Forecast | None) -> int | None:
    if plan is not None:
        return plan.order_by_us
    return forecast.order_by_us if forecast is not None else None


def _wording(tx: Transaction, household_id: str) -> Wording:
    return Wording(tx.get(Household, household_id, household_id).time_zone)


def _item(
    kind: AgendaKind,
    at_us: int,
    wording: Wording,
    *,
    what: str,
    rule: str,
    about: str,
    supply_id: str | None = None,
    cart_id: str | None = None,
    order_id: str | None = None,
) -> AgendaItem:
    day = wording.date(at_us)
    return AgendaItem(
        kind=kind,
        at_us=at_us,
        date=day.isoformat(),
        day=str(day.day),
        month=MONTHS[day.month - 1],
        what=what,
        rule=rule,
        about=about,
        supply_id=supply_id,
        cart_id=cart_id,
        order_id=order_id,
    )
