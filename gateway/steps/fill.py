"""Fill: plans due together become one cart at their merchant: whole packs, quoted, with a promised date."""

import math
from dataclasses import asdict, dataclass, replace

from gateway.domain.cart import MAX_LINES, Cart, CartState, Line
from gateway.domain.household import Household
from gateway.domain.records import HouseholdItem, MerchantAccount
from gateway.domain.replenishment import DAY_US, HOUR_US, MAX_PACKS_PER_LINE, Forecast, Plan, PlanState, Policy
from gateway.domain.stock import PackOption, Supply
from gateway.steps.freeze import is_frozen
from gateway.steps.messages import tell
from gateway.steps.plans import drop_plan
from gateway.steps.ports import MerchantRefused, Offer, Quote, QuotedLine, Services, Transaction, WantedLine
from gateway.steps.wording import why_now


@dataclass(frozen=True, slots=True)
class _Wish:
    """One plan and what it asks the merchant for."""

    plan: Plan
    supply: Supply
    option: PackOption


def fill(item: HouseholdItem, services: Services) -> None:
    """Quote the open plans of one household at one merchant (subject: household/merchant) and draft the cart."""
    now_us, household_id = services.clock.now_us(), item.household_id
    merchant_id = item.subject_id.partition("/")[2]
    with services.unit_of_work.begin() as tx:
        tx.hold(item)
        wishes = _wishes(tx, household_id, merchant_id)
        if is_frozen(tx, household_id) or not wishes:  # lifting the freeze asks for this again
            tx.complete(item)
            return
        account = tx.get(MerchantAccount, household_id, merchant_id)
    wanted = tuple(WantedLine(wish.supply.kind, wish.supply.unit, wish.option.sku, wish.plan.packs) for wish in wishes)
    try:
        quote = services.merchants.open(account).quote(wanted)
    except MerchantRefused as refusal:
        with services.unit_of_work.begin() as tx:
            tx.complete(item)
            _give_up(tx, account, wishes, str(refusal), now_us)
        return
    with services.unit_of_work.begin() as tx:
        tx.complete(item)
        left_open = {plan.id for plan in _open_plans(tx, household_id, merchant_id)}
        quoted = [(wish, line) for wish, line in zip(wishes, quote.lines, strict=True) if wish.plan.id in left_open]
        _draft(tx, household_id, tx.get(MerchantAccount, household_id, merchant_id), quote, quoted, now_us)
        if left_open - {wish.plan.id for wish in wishes}:  # more than one cart holds, or planned while the shop quoted
            tx.enqueue("fill", household_id, item.subject_id, due_us=now_us)


def _give_up(tx: Transaction, account: MerchantAccount, wishes: list[_Wish], why: str, now_us: int) -> None:
    """Look again tomorrow where the shop will not deal with us at all."""
    left_open = {plan.id for plan in _open_plans(tx, wishes[0].plan.household_id, account.id)}
    for wish in wishes:
        if wish.plan.id in left_open:
            drop_plan(tx, wish.plan, again_us=now_us + DAY_US)
    text = f"{account.name} gives no price: {why} We ask again tomorrow."
    tell(tx, wishes[0].plan.household_id, "not_available", text, f"supplies/{wishes[0].supply.id}", now_us)


def _open_plans(tx: Transaction, household_id: str, merchant_id: str) -> list[Plan]:
    return tx.find(Plan, household_id, merchant_id=merchant_id, state=PlanState.OPEN)


def _wishes(tx: Transaction, household_id: str, merchant_id: str) -> list[_Wish]:
    plans = _open_plans(tx, household_id, merchant_id)[:MAX_LINES]
    return [
        _Wish(
            plan,
            tx.get(Supply, household_id, plan.supply_id),
            tx.get(PackOption, household_id, plan.pack_option_id),
        )
        for plan in plans
    ]


def _draft(
    tx: Transaction,
    household_id: str,
    account: MerchantAccount,
    quote: Quote,
    quoted: list[tuple[_Wish, QuotedLine]],
    now_us: int,
) -> None:
    household = tx.get(Household, household_id, household_id)
    cart_id, reasons, lines = tx.new_id(), [], []
    for wish, answer in quoted:
        offer = _choose(tx, wish, answer)
        if offer is None:
            drop_plan(tx, wish.plan, again_us=now_us + DAY_US)
            text = f"{account.name} has nothing for {wish.supply.name} at present; we look again tomorrow."
            tell(tx, household_id, "not_available", text, f"supplies/{wish.supply.id}", now_us)
            continue
        if offer.sku != wish.option.sku:
            reasons.append(f"your usual {wish.supply.name} is out of stock; this one is proposed instead")
        lines.append(_line(tx, cart_id, wish, answer, offer, household, now_us))
        tx.save(replace(wish.plan, state=PlanState.CARTED))
    if not lines:
        return
    if quote.currency != household.currency:
        reasons.append(f"the shop bills in {quote.currency}")
    plans = [wish.plan for wish, _ in quoted]
    reasons.extend(_price_reasons(tx, lines))
    decide_hours = min(tx.get(Policy, household_id, line.supply_id).decide_hours for line in lines)
    decide_by_us = now_us + round(decide_hours * HOUR_US)
    cart = Cart(
        id=cart_id,
        household_id=household_id,
        merchant_id=account.id,
        state=CartState.AWAITING_APPROVAL,
        version=0,
        currency=quote.currency,
        goods_minor=0,
        delivery_minor=0,
        free_delivery_from_minor=quote.free_delivery_from_minor,
        delivery_price_minor=quote.delivery_price_minor,
        quote_ref=quote.quote_ref,
        promised_us=quote.promised_us,
        decide_by_us=decide_by_us,
        snoozed_until_us=None,
        signed=all(plan.signed and plan.fresh_until_us >= now_us for plan in plans),
        needs_person=tuple(reasons),
        note="",
        created_us=now_us,
    ).priced(lines)
    tx.add(cart)
    for line in lines:
        tx.add(line)
    tx.save(replace(account, lead_time_days=quote.lead_time_days))
    tx.enqueue("expire", household_id, cart.id, due_us=decide_by_us)
    tx.enqueue("approve", household_id, cart.id, due_us=now_us)


def _choose(tx: Transaction, wish: _Wish, answer: QuotedLine) -> Offer | None:
    """Return the usual pack; when it is out, an accepted swap in the household's order, else the cheapest per unit."""
    if answer.offer is not None and answer.offer.in_stock:
        return answer.offer
    offered = {offer.sku: offer for offer in answer.alternatives if offer.in_stock}
    accepted = sorted(
        tx.find(PackOption, wish.supply.household_id, supply_id=wish.supply.id), key=lambda option: option.rank
    )
    for option in accepted:
        if option.sku in offered:
            return offered[option.sku]
    return min(offered.values(), key=lambda offer: (offer.unit_price_minor / offer.pack_size, offer.sku), default=None)


def _line(
    tx: Transaction,
    cart_id: str,
    wish: _Wish,
    answer: QuotedLine,
    offer: Offer,
    household: Household,
    now_us: int,
) -> Line:
    """Return the cart line: the planned quantity in whole packs of what is offered."""
    wanted = wish.plan.packs * wish.option.pack_size
    packs = max(1, min(MAX_PACKS_PER_LINE, math.ceil(wanted / offer.pack_size - 1e-9)))
    known = tx.find(PackOption, wish.supply.household_id, supply_id=wish.supply.id, sku=offer.sku)
    current = tx.get(Forecast, wish.supply.household_id, wish.plan.forecast_id)
    others = [one for one in (answer.offer, *answer.alternatives) if one is not None]
    return Line(
        id=tx.new_id(),
        household_id=wish.supply.household_id,
        cart_id=cart_id,
        plan_id=wish.plan.id,
        supply_id=wish.supply.id,
        pack_option_id=wish.option.id,
        sku=offer.sku,
        gtin=offer.gtin,
        name=offer.name,
        detail=offer.detail,
        pack_size=offer.pack_size,
        packs=packs,
        unit_price_minor=offer.unit_price_minor,
        price_before_minor=known[0].last_price_minor if known else None,
        alternatives=tuple(asdict(one) for one in others),
        why=why_now(current, household.time_zone, now_us),
    )


def _price_reasons(tx: Transaction, lines: list[Line]) -> list[str]:
    """Return why a person must look at the prices: more above the last one than the policy tolerates."""
    reasons = []
    for line in lines:
        tolerance = tx.get(Policy, line.household_id, line.supply_id).price_tolerance_percent
        before = line.price_before_minor
        if before and line.unit_price_minor > before * (1 + tolerance / 100):
            reasons.append(
                f"{line.name} costs {100 * (line.unit_price_minor / before - 1):.0f}\u202f% more than last time"
            )
    return reasons
