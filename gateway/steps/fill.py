"""Fill: plans due together become one cart at their merchant: whole packs, quoted, with a promised date.

While a cart at the same merchant still waits for an answer, what becomes due joins it (docs/decisions/0012). The quote
is asked for with no transaction open; whatever a person did to the cart meanwhile wins, and the plans are filled anew.
"""

from dataclasses import dataclass, replace

from gateway.domain.cart import MAX_LINES, Cart, CartState, Line
from gateway.domain.household import Household
from gateway.domain.payment import Attempt, AttemptState
from gateway.domain.records import HouseholdItem, MerchantAccount
from gateway.domain.replenishment import DAY_US, HOUR_US, Plan, PlanState, Policy
from gateway.steps.freeze import is_frozen
from gateway.steps.goods.cart_lines import Filled, Wish, lines_of, wish_of
from gateway.steps.goods.carts import DECIDE_AGAIN_US, drop
from gateway.steps.goods.plans import drop_plan
from gateway.steps.messages import tell
from gateway.steps.ports import MerchantRefused, Quote, QuotedLine, Services, Transaction
from payments.money import Money


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What the merchant is asked for: `wishes` of open plans, and those of the waiting cart they join, if any."""

    account: MerchantAccount
    waiting: Cart | None
    wishes: tuple[Wish, ...]

    @property
    def new(self) -> tuple[Wish, ...]:
        """The wishes that are in no cart yet."""
        return tuple(wish for wish in self.wishes if wish.line is None)


def fill(item: HouseholdItem, services: Services) -> None:
    """Quote the open plans of one household at one merchant (subject: household/merchant); draft or enlarge a cart."""
    now_us, household_id = services.clock.now_us(), item.household_id
    with services.unit_of_work.begin() as tx:
        tx.hold(item)
        prepared = _prepare(tx, item, now_us)
        if prepared is None:
            tx.complete(item)
            return
    merchant_id = prepared.account.id
    try:
        quote = services.merchants.open(prepared.account).quote(tuple(wish.asked() for wish in prepared.wishes))
    except MerchantRefused as refusal:
        with services.unit_of_work.begin() as tx:
            tx.complete(item)
            _give_up(tx, prepared, str(refusal), now_us)
        return
    with services.unit_of_work.begin() as tx:
        tx.complete(item)
        left_open = {plan.id for plan in _open_plans(tx, household_id, merchant_id)}
        quoted = [
            (wish, line)
            for wish, line in zip(prepared.wishes, quote.lines, strict=True)
            if wish.line is not None or wish.plan.id in left_open
        ]
        if not _has_moved_on(tx, prepared.waiting) and any(wish.line is None for wish, _ in quoted):
            _settle(tx, prepared, quote, quoted, now_us)
        # More than one cart holds, planned while the shop quoted, or a person was faster at the cart they were to join.
        if _open_plans(tx, household_id, merchant_id):
            tx.enqueue("fill", household_id, item.subject_id, due_us=now_us)


def _prepare(tx: Transaction, item: HouseholdItem, now_us: int) -> _Prepared | None:
    household_id, merchant_id = item.household_id, item.subject_id.partition("/")[2]
    plans = _open_plans(tx, household_id, merchant_id)
    if is_frozen(tx, household_id) or not plans:  # lifting the freeze asks for this again
        return None
    account = tx.get(MerchantAccount, household_id, merchant_id)
    waiting, lines = _waiting_cart(tx, household_id, merchant_id, now_us)
    wishes = [wish_of(tx, tx.get(Plan, household_id, line.plan_id), line) for line in lines]
    wishes += [wish_of(tx, plan) for plan in plans[: MAX_LINES - len(lines)]]
    return _Prepared(account, waiting, tuple(wishes))


def _waiting_cart(tx: Transaction, household_id: str, merchant_id: str, now_us: int) -> tuple[Cart | None, list[Line]]:
    """Return the cart that nobody has answered yet and that still has room, with its lines.

    Not one over which an earlier payment is being looked into: it cannot be approved, and would hold up what joins it.
    """
    for cart in tx.find(Cart, household_id, merchant_id=merchant_id, state=CartState.AWAITING_APPROVAL):
        lines = tx.find(Line, household_id, cart_id=cart.id)
        in_time = cart.decide_by_us is None or now_us < cart.decide_by_us
        in_doubt = tx.find(Attempt, household_id, cart_id=cart.id, state=AttemptState.MANUAL_REVIEW)
        if len(lines) < MAX_LINES and in_time and not in_doubt:
            return cart, lines
    return None, []


def _has_moved_on(tx: Transaction, waiting: Cart | None) -> bool:
    """Say whether somebody answered or changed the cart while the shop quoted; then nothing may be added to it."""
    if waiting is None:
        return False
    present = tx.get(Cart, waiting.household_id, waiting.id)
    return (present.state, present.version) != (waiting.state, waiting.version)


def _give_up(tx: Transaction, prepared: _Prepared, why: str, now_us: int) -> None:
    """Look again tomorrow where the shop will not deal with us at all."""
    household_id, account = prepared.wishes[0].plan.household_id, prepared.account
    left_open = {plan.id for plan in _open_plans(tx, household_id, account.id)}
    for wish in prepared.new:
        if wish.plan.id in left_open:
            drop_plan(tx, wish.plan, again_us=now_us + DAY_US)
    text = f"{account.name} gives no price: {why} We ask again tomorrow."
    tell(tx, household_id, "not_available", text, f"supplies/{prepared.new[0].supply.id}", now_us)


def _open_plans(tx: Transaction, household_id: str, merchant_id: str) -> list[Plan]:
    return tx.find(Plan, household_id, merchant_id=merchant_id, state=PlanState.OPEN)


def _settle(
    tx: Transaction, prepared: _Prepared, quote: Quote, quoted: list[tuple[Wish, QuotedLine]], now_us: int
) -> None:
    """Write the cart as it was quoted, with its lines; leave rows for its deadline and for a mandate's yes."""
    household_id = prepared.wishes[0].plan.household_id
    household = tx.get(Household, household_id, household_id)
    before = prepared.waiting
    cart_id = tx.new_id() if before is None else before.id
    filled = lines_of(tx, cart_id, prepared.account.name, quoted, zone=household.time_zone, now_us=now_us)
    if not filled.lines:
        if before is not None:
            drop(tx, before, "nothing of it is to be had at present")
        return
    reasons = filled.reasons
    if quote.currency != household.currency:
        reasons = (f"the shop bills in {quote.currency}", *reasons)
    cart = _drafted(tx, prepared, quote, filled, reasons, cart_id=cart_id, now_us=now_us)
    old = {wish.line.id for wish, _ in quoted if wish.line is not None}
    if before is None:
        tx.add(cart)
    else:
        tx.save(cart)
    for line in filled.lines:
        if line.id in old:
            tx.save(line)
        else:
            tx.add(line)
    tx.save(replace(prepared.account, lead_time_days=quote.lead_time_days))
    tx.enqueue("expire", household_id, cart.id, due_us=cart.decide_by_us or now_us)
    if before is None or not before.needs_person:
        tx.enqueue("approve", household_id, cart.id, due_us=now_us)
    else:
        _tell_grown(tx, prepared, cart, [line for line in filled.lines if line.id not in old], now_us)


def _tell_grown(tx: Transaction, prepared: _Prepared, cart: Cart, added: list[Line], now_us: int) -> None:
    """Tell the household that what waits for it is more now; silent when only prices were asked for again."""
    if not added:
        return
    names = {wish.plan.id: wish.supply.name for wish in prepared.new}
    what = ", ".join(names[line.plan_id] for line in added)
    total = Money(cart.total_minor, cart.currency)
    text = f"{what} joined the order that waits for you at {prepared.account.name}: {total} in all now."
    tell(tx, cart.household_id, "cart_grown", text, f"carts/{cart.id}", now_us)


def _drafted(
    tx: Transaction,
    prepared: _Prepared,
    quote: Quote,
    filled: Filled,
    reasons: tuple[str, ...],
    *,
    cart_id: str,
    now_us: int,
) -> Cart:
    """Return the cart at the quoted prices.

    A cart that was waiting for a person goes on doing so, a day longer where it must: each supply joins it once at
    most, so the deadline cannot be put off without end.
    """
    wishes = [wish for wish in prepared.wishes if any(line.plan_id == wish.plan.id for line in filled.lines)]
    household_id = prepared.wishes[0].plan.household_id
    hours = min(tx.get(Policy, household_id, wish.supply.id).decide_hours for wish in wishes)
    signed = all(wish.plan.signed and wish.plan.fresh_until_us >= now_us for wish in wishes if wish.line is None)
    before = prepared.waiting
    if before is None:
        before = Cart(
            id=cart_id,
            household_id=household_id,
            merchant_id=prepared.account.id,
            state=CartState.AWAITING_APPROVAL,
            version=0,
            currency=quote.currency,
            goods_minor=0,
            delivery_minor=0,
            free_delivery_from_minor=None,
            delivery_price_minor=0,
            quote_ref="",
            promised_us=None,
            decide_by_us=now_us + round(hours * HOUR_US),
            snoozed_until_us=None,
            signed=signed,
            needs_person=(),
            note="",
            created_us=now_us,
        )
    again_us = now_us + min(DECIDE_AGAIN_US, round(hours * HOUR_US))
    return replace(
        before,
        currency=quote.currency,
        free_delivery_from_minor=quote.free_delivery_from_minor,
        delivery_price_minor=quote.delivery_price_minor,
        quote_ref=quote.quote_ref,
        promised_us=quote.promised_us,
        quoted_us=now_us,
        decide_by_us=max(before.decide_by_us or 0, again_us),
        signed=before.signed and signed,
        needs_person=tuple(dict.fromkeys((*before.needs_person, *reasons))),
    ).priced(list(filled.lines))
