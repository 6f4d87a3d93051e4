"""The decision card, and the receipt it turns into."""

from dataclasses import dataclass

from gateway.domain.cart import Cart, CartState, Line
from gateway.domain.household import Household
from gateway.domain.order import OrderState
from gateway.domain.payment import Mandate, PaymentMethod
from gateway.domain.records import MerchantAccount
from gateway.domain.replenishment import DAY_US, HOUR_US, SECOND_US, Forecast
from gateway.steps.money.mandates import usable
from gateway.steps.ports import Transaction
from gateway.web.views.cart_lines import CartLine, cart_lines
from gateway.web.views.limits import LimitMeter, limit_meter, used_in_period
from gateway.web.views.progress import (
    Clock,
    Decision,
    ProgressStep,
    comes_us,
    progress_steps,
    read_decision,
    undo_until_us,
)
from gateway.web.wording import Wording, listed, money

MAX_WAITING = 20
COMING_STATES = frozenset({OrderState.PLACING, OrderState.PLACED, OrderState.SHIPPED})
SNOOZE_HOURS = (3, 24, 72, 168)
SNOOZE_WORDS = {3: "In 3 hours", 24: "Tomorrow", 72: "In 3 days", 168: "In a week"}
ASKABLE_AFTER_SKIP_US = 7 * DAY_US

TITLES = {
    CartState.AWAITING_APPROVAL: "Order for your OK",
    CartState.APPROVED: "Approved",
    CartState.HELD: "Approved",
    CartState.ORDERED: "Ordered",
    CartState.SKIPPED: "Skipped this time",
    CartState.SNOOZED: "Snoozed",
    CartState.EXPIRED: "Nobody answered",
    CartState.DROPPED: "Closed, nothing bought",
    CartState.DECLINED: "Payment declined",
    CartState.REJECTED: "The shop did not take it",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SnoozeOption:
    """One way to put the decision off; `consequence` says when it is asked, or what may come of it."""

    until_us: int
    words: str
    consequence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodOption:
    """A linked account this cart can be paid with."""

    id: str
    label: str
    chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CartView:
    """A cart as the card shows it. `undo_seconds` is real time left; None when it can no longer be undone."""

    id: str
    state: CartState
    version: int
    title: str
    subtitle: str
    merchant_id: str
    merchant: str
    lines: tuple[CartLine, ...]
    currency: str
    goods_minor: int
    goods: str
    delivery_minor: int
    delivery_price: str
    total_minor: int
    total: str
    promised_us: int | None
    delivery_day: str
    decide_by_us: int | None
    deadline: str
    default: str
    decidable: bool
    undoable: bool
    askable: bool
    undo_until_wall_us: int | None
    undo_seconds: int | None
    method_id: str | None
    method: str
    methods: tuple[MethodOption, ...]
    limit: LimitMeter | None
    snooze_options: tuple[SnoozeOption, ...]
    signed: bool
    needs_person: tuple[str, ...]
    note: str
    approved_by: str
    steps: tuple[ProgressStep, ...]
    latest: tuple[ProgressStep, ...]
    order_id: str | None
    attempt_id: str | None
    created_us: int


def waiting_carts(tx: Transaction, household_id: str, *, now_us: int, wall_us: int) -> tuple[CartView, ...]:
    """Build the cards that wait for a decision, the nearest deadline first."""
    carts = tx.find(Cart, household_id, state=CartState.AWAITING_APPROVAL)
    carts.sort(key=lambda cart: (cart.decide_by_us is None, cart.decide_by_us or 0, cart.id))
    return tuple(_view(tx, cart, now_us=now_us, wall_us=wall_us) for cart in carts[:MAX_WAITING])


def cart_view(tx: Transaction, household_id: str, cart_id: str, *, now_us: int, wall_us: int) -> CartView:
    """Build one cart's card or receipt; raises NotFound for another household's."""
    return _view(tx, tx.get(Cart, household_id, cart_id), now_us=now_us, wall_us=wall_us)


def _view(tx: Transaction, cart: Cart, *, now_us: int, wall_us: int) -> CartView:
    household_id = cart.household_id
    wording = Wording(tx.get(Household, household_id, household_id).time_zone)
    merchant = tx.get(MerchantAccount, household_id, cart.merchant_id).name
    lines = tx.find(Line, household_id, cart_id=cart.id)
    decision = read_decision(tx, cart)
    undo_us = undo_until_us(cart, decision, wall_us)
    decidable = cart.state is CartState.AWAITING_APPROVAL
    methods = usable(tx, cart, now_us) if decidable else []
    order = decision.order
    promised_us = comes_us(cart, order, now_us)
    method = methods[0][0] if decidable and methods else decision.method
    steps = progress_steps(cart, decision, Clock(wording, now_us))
    return CartView(
        id=cart.id,
        state=cart.state,
        version=cart.version,
        title=TITLES[cart.state],
        subtitle=_subtitle(cart, decision, merchant, promised_us, wording),
        merchant_id=cart.merchant_id,
        merchant=merchant,
        lines=cart_lines(tx, cart, lines, decision),
        currency=cart.currency,
        goods_minor=cart.goods_minor,
        goods=money(cart.goods_minor, cart.currency),
        delivery_minor=cart.delivery_minor,
        delivery_price="Free" if cart.delivery_minor == 0 else money(cart.delivery_minor, cart.currency),
        total_minor=cart.total_minor,
        total=money(cart.total_minor, cart.currency),
        promised_us=promised_us,
        delivery_day="" if promised_us is None else wording.day(promised_us),
        decide_by_us=cart.decide_by_us,
        deadline="" if cart.decide_by_us is None else f"Decide by {wording.when(cart.decide_by_us, now_us)}",
        default=_default(cart, wording),
        decidable=decidable,
        undoable=undo_us is not None,
        askable=_is_askable(cart, now_us),
        undo_until_wall_us=undo_us,
        undo_seconds=None if undo_us is None else max(0, (undo_us - wall_us) // SECOND_US),
        method_id=method.id if method else None,
        method=method.label if method else "No linked account yet",
        methods=_method_options(methods, method),
        limit=_limit(tx, cart, methods, now_us) if decidable else None,
        snooze_options=_snooze_options(tx, cart, lines, wording, now_us) if decidable else (),
        signed=cart.signed,
        needs_person=tuple(cart.needs_person),
        note=cart.note,
        approved_by=decision.approved_by,
        steps=steps,
        latest=_latest(cart, steps),
        order_id=order.id if order else None,
        attempt_id=decision.attempt.id if decision.attempt else None,
        created_us=cart.created_us,
    )


def _latest(cart: Cart, steps: tuple[ProgressStep, ...]) -> tuple[ProgressStep, ...]:
    """Return where a sent order stands and what comes next: from its last step done on, or from trouble before."""
    if cart.state is not CartState.ORDERED:
        return steps
    done = max((place for place, step in enumerate(steps) if step.state == "done"), default=0)
    trouble = next((place for place, step in enumerate(steps) if step.state in {"now", "failed"}), done)
    return steps[min(done, trouble) :]


def _is_askable(cart: Cart, now_us: int) -> bool:
    """Whether it can be asked for now: a snoozed cart, or one that was skipped and not yet looked at again."""
    recent = now_us - cart.created_us < ASKABLE_AFTER_SKIP_US
    return cart.state is CartState.SNOOZED or (cart.state is CartState.SKIPPED and recent)


def _subtitle(cart: Cart, decision: Decision, merchant: str, promised_us: int | None, wording: Wording) -> str:
    order = decision.order
    match cart.state:
        case CartState.APPROVED | CartState.HELD | CartState.ORDERED if promised_us is not None:
            if order is not None and order.state not in COMING_STATES:
                return merchant
            arrives = "arrives about" if order is None or order.state is OrderState.PLACING else "arrives"
            late = order is not None and order.late
            return f"{merchant}, {'late, was due' if late else arrives} {wording.day(promised_us)}"
        case CartState.SNOOZED if cart.snoozed_until_us is not None:
            return f"We ask again on {wording.day_and_clock(cart.snoozed_until_us)}"
        case CartState.SKIPPED:
            return "Nothing is bought; we look again in a week"
        case CartState.EXPIRED | CartState.DECLINED | CartState.REJECTED | CartState.DROPPED if cart.note:
            return f"{cart.note[0].upper()}{cart.note[1:]}"
        case _:
            return merchant


def _default(cart: Cart, wording: Wording) -> str:
    if cart.decide_by_us is None:
        return "Nothing is bought unless you approve."
    return f"Nothing is bought unless you approve by {wording.day_and_clock(cart.decide_by_us)}."


def _limit(tx: Transaction, cart: Cart, methods: list[tuple[PaymentMethod, Mandate]], now_us: int) -> LimitMeter | None:
    if not methods:
        return None
    mandate = methods[0][1]
    return limit_meter(mandate, used_minor=used_in_period(tx, mandate, now_us), this_minor=cart.total_minor)


def _method_options(
    methods: list[tuple[PaymentMethod, Mandate]], chosen: PaymentMethod | None
) -> tuple[MethodOption, ...]:
    return tuple(
        MethodOption(id=method.id, label=method.label, chosen=chosen is not None and method.id == chosen.id)
        for method, _ in methods
    )


def _snooze_options(
    tx: Transaction, cart: Cart, lines: list[Line], wording: Wording, now_us: int
) -> tuple[SnoozeOption, ...]:
    supply_ids = frozenset(line.supply_id for line in lines)
    forecasts = tx.find(Forecast, cart.household_id, supply_id=supply_ids, current=True) if supply_ids else []
    empty_us = {row.supply_id: row.p10_us for row in forecasts if row.p10_us is not None}
    lead_us = (cart.comes_us(now_us) or now_us) - now_us
    options = []
    for hours in SNOOZE_HOURS:
        until = now_us + hours * HOUR_US
        late = cart.decide_by_us is not None and until > cart.decide_by_us
        if hours < 24 and (late or cart.decide_by_us is None or now_us + DAY_US <= cart.decide_by_us):
            continue  # the shortest is for a deadline that comes before tomorrow
        risky = [line.name for line in lines if empty_us.get(line.supply_id, 2**62) < until + lead_us]
        options.append(
            SnoozeOption(
                until_us=until,
                words=SNOOZE_WORDS[hours],
                consequence=_snooze_consequence(wording.day_and_clock(until), risky, late=late),
            )
        )
    return tuple(options)


def _snooze_consequence(when: str, risky: list[str], *, late: bool) -> str:
    if risky:
        return f"{listed(risky)} may be empty before it arrives"
    return f"{when}, after the deadline: it may arrive too late" if late else when
