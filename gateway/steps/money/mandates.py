"""Mandate rows as the payments room's rule: what a permission allows, and how much of it is taken."""

from gateway.domain.cart import Cart, Line
from gateway.domain.errors import Invalid
from gateway.domain.payment import Mandate, MandateState, MethodState, PaymentMethod, Reservation, ReservationState
from gateway.steps.ports import Transaction
from payments import mandate as rules
from payments.money import Money

PERCENT_BP = 100


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
    rows = tx.every(
        Reservation,
        mandate.household_id,
        mandate_id=mandate.id,
        state=frozenset({ReservationState.RESERVED, ReservationState.USED}),
    )
    return [rules.Reservation(Money(row.amount_minor, mandate.currency), row.merchant_id, row.at_us) for row in rows]


def permission(tx: Transaction, cart: Cart, method_id: str | None, now_us: int) -> Mandate:
    """Return the mandate under which a person's yes is debited: of the method named, else of the first in order.

    A person may go beyond a mandate's amounts, never beyond its time or what it is for.
    """
    supplies = {line.supply_id for line in tx.find(Line, cart.household_id, cart_id=cart.id)}
    methods = sorted(
        tx.find(PaymentMethod, cart.household_id, state=MethodState.ACTIVE), key=lambda method: method.rank
    )
    for method in methods:
        if method.currency != cart.currency or method_id not in {None, method.id}:
            continue
        for mandate in tx.find(Mandate, cart.household_id, payment_method_id=method.id, state=MandateState.ACTIVE):
            in_time = mandate.valid_from_us <= now_us and (
                mandate.valid_until_us is None or now_us < mandate.valid_until_us
            )
            is_for_it = mandate.merchant_id in {None, cart.merchant_id} and (
                mandate.supply_id is None or supplies <= {mandate.supply_id}
            )
            if in_time and is_for_it:
                return mandate
    raise Invalid("payment method", "no linked account may be debited for this cart; link one on the Money page")
