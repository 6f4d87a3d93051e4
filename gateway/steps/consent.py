"""Approve by mandate: whether a standing mandate says yes to a cart, the payments room's rule over these rows."""

from dataclasses import replace

from gateway.domain.cart import Cart, CartState, Line
from gateway.domain.household import Household
from gateway.domain.payment import Mandate, MandateState, MethodState, PaymentMethod, Reservation, ReservationState
from gateway.domain.records import WorkItem
from gateway.steps.approve import ApproveByMandate, approve
from gateway.steps.messages import tell
from gateway.steps.ports import Services, Transaction
from payments import mandate as rules
from payments.money import Money

PERCENT_BP = 100


def consent(item: WorkItem, services: Services) -> None:
    """Approve a waiting cart if a standing mandate covers it; else say why a person must decide (cart id)."""
    now_us, wall_us = services.clock.now_us(), services.clock.wall_us()
    with services.unit_of_work.begin() as tx:
        household_id = item.household_id or ""
        cart = tx.get(Cart, household_id, item.subject_id)
        tx.complete(item)
        if cart.state is not CartState.AWAITING_APPROVAL:
            return
        lines = tx.find(Line, household_id, cart_id=cart.id)
        match standing_mandate(tx, cart, lines, now_us):
            case Mandate(id=mandate_id):
                decision = ApproveByMandate(mandate_id)
                undo_us = services.undo_us
                approve(
                    tx, household_id, cart.id, decision, member=None, now_us=now_us, wall_us=wall_us, undo_us=undo_us
                )
            case reasons:
                tx.save(replace(cart, needs_person=reasons))
                text = f"An order of {Money(cart.total_minor, cart.currency)} waits for your OK."
                tell(tx, household_id, "cart_waiting", text, f"carts/{cart.id}", now_us)


def standing_mandate(tx: Transaction, cart: Cart, lines: list[Line], now_us: int) -> Mandate | tuple[str, ...]:
    """Return the first standing mandate that covers the cart, or every reason why a person must decide."""
    if tx.get(Household, cart.household_id, cart.household_id).frozen_since_us is not None:
        return ("everything is frozen",)
    if cart.needs_person:
        return cart.needs_person
    if not cart.signed:
        return ("a reading behind it was unsigned or is too old",)
    reasons: list[str] = []
    mandates = tx.find(Mandate, cart.household_id, state=MandateState.ACTIVE, standing=True)
    for mandate in mandates:
        method = tx.get(PaymentMethod, cart.household_id, mandate.payment_method_id)
        if method.state is not MethodState.ACTIVE:
            reasons.append(f"{method.label} is {method.state}")
            continue
        match rules.covers(as_rule(mandate), as_request(cart, lines), reserved(tx, mandate), now_us):
            case rules.Covered():
                return mandate
            case rules.NotCovered(reasons=why):
                reasons.extend(why)
    return tuple(dict.fromkeys(reasons)) or ("no standing mandate covers it",)


def as_rule(mandate: Mandate) -> rules.Mandate:
    """Return the payments room's form of a mandate row."""
    period = rules.PeriodLimit(mandate.period_days, Money(mandate.per_period_minor, mandate.currency))
    periods = [period]
    if mandate.per_merchant_minor is not None:
        limit = Money(mandate.per_merchant_minor, mandate.currency)
        periods.append(rules.PeriodLimit(mandate.period_days, limit, per_merchant=True))
    return rules.Mandate(
        mandate_id=mandate.id,
        state=rules.MandateState(mandate.state.value),
        per_order=Money(mandate.per_order_minor, mandate.currency),
        periods=tuple(periods),
        valid_from_us=mandate.valid_from_us,
        expires_at_us=mandate.valid_until_us,
        merchants=None if mandate.merchant_id is None else frozenset({mandate.merchant_id}),
        supplies=None if mandate.supply_id is None else frozenset({mandate.supply_id}),
        price_tolerance_bp=round(mandate.price_tolerance_percent * PERCENT_BP),
    )


def as_request(cart: Cart, lines: list[Line]) -> rules.DebitRequest:
    """Return what the cart would debit, for whom and at which prices."""
    return rules.DebitRequest(
        amount=Money(cart.total_minor, cart.currency),
        merchant=cart.merchant_id,
        supplies=frozenset(line.supply_id for line in lines),
        prices=tuple(
            rules.PriceChange(
                line.name,
                None if line.price_before_minor is None else Money(line.price_before_minor, cart.currency),
                Money(line.unit_price_minor, cart.currency),
            )
            for line in lines
        ),
    )


def reserved(tx: Transaction, mandate: Mandate) -> list[rules.Reservation]:
    """Return what other attempts hold or used of the mandate's limits."""
    rows = tx.find(
        Reservation,
        mandate.household_id,
        mandate_id=mandate.id,
        state=frozenset({ReservationState.RESERVED, ReservationState.USED}),
        newest=1000,
    )
    return [rules.Reservation(Money(row.amount_minor, mandate.currency), row.merchant_id, row.at_us) for row in rows]
