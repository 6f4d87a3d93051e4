"""Mandate rows as the payments room's rule: what a permission allows, and how much of it is taken."""

from gateway.domain.cart import Cart, Line
from gateway.domain.errors import Invalid
from gateway.domain.payment import Mandate, MandateState, MethodState, PaymentMethod, Reservation, ReservationState
from gateway.domain.preference import MethodChoice, named_methods
from gateway.domain.records import MerchantAccount
from gateway.domain.stock import Device, Slot, Supply
from gateway.steps.ports import Transaction
from payments import mandate as rules
from payments.money import Money

PERCENT_BP = 100


def as_rule(mandate: Mandate) -> rules.Mandate:
    """Return the payments room's form of a mandate row."""
    most = Money(mandate.per_period_minor, mandate.currency)
    period = rules.PeriodLimit(mandate.period_days, most, mandate.per_period_count)
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
        merchants=None if mandate.merchant_ids is None else frozenset(mandate.merchant_ids),
        devices=None if mandate.device_ids is None else frozenset(mandate.device_ids),
        supplies=None if mandate.supply_ids is None else frozenset(mandate.supply_ids),
        price_tolerance_bp=round(mandate.price_tolerance_percent * PERCENT_BP),
    )


def as_request(tx: Transaction, cart: Cart, lines: list[Line], *, is_seen: bool = False) -> rules.DebitRequest:
    """Return what the cart would debit, for whom, which devices asked for it (by their slots) and at which prices.

    `is_seen`: a person has seen the prices and said yes to them, so they are not compared any more.
    """
    household_id = cart.household_id
    supplies = frozenset(line.supply_id for line in lines)
    asking = {
        (slot.supply_id, slot.device_id) for slot in tx.find(Slot, household_id, supply_id=supplies) if slot.supply_id
    }
    with_device = {supply_id for supply_id, _ in asking}
    devices = frozenset(device_id for _, device_id in asking)
    names = {one.id: one.name for one in tx.find(Supply, household_id, id=supplies)}
    names |= {one.id: one.name for one in tx.find(Device, household_id, id=devices)}
    merchant = tx.seek(MerchantAccount, household_id, cart.merchant_id)
    names[cart.merchant_id] = cart.merchant_id if merchant is None else merchant.name
    return rules.DebitRequest(
        amount=Money(cart.total_minor, cart.currency),
        merchant=cart.merchant_id,
        devices=devices,
        supplies=supplies,
        unasked=tuple(dict.fromkeys(line.name for line in lines if line.supply_id not in with_device)),
        names=names,
        prices=tuple(
            rules.PriceChange(
                line.name,
                None if line.price_before_minor is None else Money(line.price_before_minor, cart.currency),
                Money(line.unit_price_minor, cart.currency),
            )
            for line in ([] if is_seen else lines)
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


def named_for(tx: Transaction, household_id: str, request: rules.DebitRequest) -> frozenset[str]:
    """Return the accounts the household named for such a debit; more than one where its lines disagree."""
    return named_methods(
        tx.find(MethodChoice, household_id),
        merchant_id=request.merchant,
        devices=request.devices,
        supplies=request.supplies,
    )


def methods_in_order(tx: Transaction, household_id: str, named: frozenset[str]) -> list[PaymentMethod]:
    """Return the linked accounts as they are asked: the named first, then in the household's own order."""
    methods = tx.find(PaymentMethod, household_id)
    return sorted(methods, key=lambda method: (method.id not in named, method.rank, method.id))


def usable(tx: Transaction, cart: Cart, now_us: int) -> list[tuple[PaymentMethod, Mandate]]:
    """Return the accounts a person's yes may debit, the one asked first at the front, each with its mandate.

    A person may go beyond a mandate's amounts, never beyond its time or what it is for.
    """
    request = as_request(tx, cart, tx.find(Line, cart.household_id, cart_id=cart.id))
    named = named_for(tx, cart.household_id, request)
    mandates = tx.find(Mandate, cart.household_id, state=MandateState.ACTIVE)
    found: list[tuple[PaymentMethod, Mandate]] = []
    for method in methods_in_order(tx, cart.household_id, named):
        if method.state is not MethodState.ACTIVE or method.currency != cart.currency:
            continue
        for mandate in mandates:
            is_its_own = mandate.payment_method_id == method.id
            if is_its_own and rules.allows(as_rule(mandate), request, now_us) == rules.Covered():
                found.append((method, mandate))
                break
    return found


def permission(tx: Transaction, cart: Cart, method_id: str | None, now_us: int) -> Mandate:
    """Return the mandate under which a person's yes is debited: of the method chosen, else of the first in order."""
    for method, mandate in usable(tx, cart, now_us):
        if method_id in {None, method.id}:
            return mandate
    raise Invalid("payment method", "no linked account may be debited for this cart; link one on the Money page")
