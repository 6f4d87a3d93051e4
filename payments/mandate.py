"""What a household allows us to debit without asking again, as data, and whether one debit is covered by it.

All instants are UTC microseconds in the household's (perhaps simulated) time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from payments.money import Money

DAY_US = 86_400_000_000
WHOLE_BP = 10_000


class MandateState(StrEnum):
    """Only an active mandate covers anything."""

    PENDING = "pending"
    REQUIRES_ACTION = "requires_action"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class PeriodLimit:
    """What may be debited in any `days` days that end now: an amount, and a number of debits.

    With `per_merchant` it is a limit for each merchant by itself.
    """

    days: int
    amount: Money
    count: int | None = None
    per_merchant: bool = False


@dataclass(frozen=True, slots=True)
class Mandate:
    """A permission and its limits. A scope of None means any; an empty one means none."""

    mandate_id: str
    state: MandateState
    per_order: Money
    periods: tuple[PeriodLimit, ...] = ()
    valid_from_us: int = 0
    expires_at_us: int | None = None
    merchants: frozenset[str] | None = None
    devices: frozenset[str] | None = None
    supplies: frozenset[str] | None = None
    price_tolerance_bp: int | None = (
        None  # basis points above the price known before; None: any price within the limits
    )


@dataclass(frozen=True, slots=True)
class PriceChange:
    """A pack's price now and the one known before: at the last purchase, or when the mandate was given."""

    label: str
    before: Money | None
    now: Money


@dataclass(frozen=True, slots=True)
class DebitRequest:
    """What is to be debited, for whom, and because of which things.

    `unasked` are the goods that no device asked for, in words; `names` is what people call an id, where it has a name.
    """

    amount: Money
    merchant: str
    devices: frozenset[str] = frozenset()
    supplies: frozenset[str] = frozenset()
    unasked: tuple[str, ...] = ()
    prices: tuple[PriceChange, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)

    def name(self, thing: str) -> str:
        """Return what people call the merchant, device or supply with this id."""
        return self.names.get(thing, thing)


@dataclass(frozen=True, slots=True)
class Reservation:
    """A part of the limits that another debit took: held or captured, and not given back."""

    amount: Money
    merchant: str
    at_us: int


@dataclass(frozen=True, slots=True)
class Covered:
    """The mandate covers the debit."""


@dataclass(frozen=True, slots=True)
class NotCovered:
    """It does not; each reason is a clause a person can read."""

    reasons: tuple[str, ...]


Coverage: TypeAlias = Covered | NotCovered


def covers(mandate: Mandate, request: DebitRequest, already_reserved: Iterable[Reservation], now_us: int) -> Coverage:
    """Say whether the mandate covers the debit, or every reason why it does not.

    `already_reserved` are the debits of this mandate that hold a part of its limits, this one not among them.
    """
    if request.amount.currency != mandate.per_order.currency:
        return NotCovered(
            (f"the permission to debit is in {mandate.per_order.currency}, the cart in {request.amount.currency}",)
        )
    reasons = [
        *_validity(mandate, now_us),
        *_scope(mandate, request),
        *_amount(mandate, request.amount),
        *_periods(mandate, request, tuple(already_reserved), now_us),
        *_prices(mandate, request.prices),
    ]
    return NotCovered(tuple(reasons)) if reasons else Covered()


def allows(mandate: Mandate, request: DebitRequest, now_us: int) -> Coverage:
    """Say whether the mandate is in force and for such things, whatever the amount: all that binds a person's yes."""
    if request.amount.currency != mandate.per_order.currency:
        return NotCovered(
            (f"the permission to debit is in {mandate.per_order.currency}, the cart in {request.amount.currency}",)
        )
    reasons = (*_validity(mandate, now_us), *_scope(mandate, request))
    return NotCovered(reasons) if reasons else Covered()


def _validity(mandate: Mandate, now_us: int) -> Iterable[str]:
    if mandate.state is not MandateState.ACTIVE:
        yield f"the permission to debit is {mandate.state.replace('_', ' ')}"
    if now_us < mandate.valid_from_us:
        yield "the permission to debit is not valid yet"
    if mandate.expires_at_us is not None and now_us >= mandate.expires_at_us:
        yield "the permission to debit has expired"


def _scope(mandate: Mandate, request: DebitRequest) -> Iterable[str]:
    if mandate.merchants is not None and request.merchant not in mandate.merchants:
        yield f"the permission to debit does not allow the merchant {request.name(request.merchant)}"
    if mandate.devices is not None:
        for goods in request.unasked:
            yield f"the permission to debit is bound to a device, and none asked for {goods}"
    scopes = (("device", mandate.devices, request.devices), ("supply", mandate.supplies, request.supplies))
    for word, allowed, asked in scopes:
        if allowed is None:
            continue
        if not asked and not (word == "device" and request.unasked):
            yield f"the permission to debit is bound to a {word}, and the debit names none"
        for stranger in sorted(asked - allowed):
            yield f"the permission to debit does not allow the {word} {request.name(stranger)}"


def _amount(mandate: Mandate, amount: Money) -> Iterable[str]:
    if amount.amount_minor <= 0:
        yield f"{amount} is not an amount to debit"
    if amount > mandate.per_order:
        yield f"{amount} is above the limit of {mandate.per_order} an order"


def _periods(mandate: Mandate, request: DebitRequest, reserved: tuple[Reservation, ...], now_us: int) -> Iterable[str]:
    for limit in mandate.periods:
        # One from the future (a clock that was set back) still counts: leaving it out would widen the limit.
        since_us = now_us - limit.days * DAY_US
        inside = [
            one.amount
            for one in reserved
            if one.at_us > since_us and (one.merchant == request.merchant or not limit.per_merchant)
        ]
        where = f"{limit.days} days" if limit.days != 1 else "a day"
        where += f" at {request.name(request.merchant)}" if limit.per_merchant else ""
        used = Money.total(inside, request.amount.currency)
        if used + request.amount > limit.amount:
            yield f"{request.amount} on top of {used} is above the limit of {limit.amount} in {where}"
        if limit.count is not None and len(inside) >= limit.count:
            yield f"the limit of {limit.count} debits in {where} is reached"


def _prices(mandate: Mandate, prices: tuple[PriceChange, ...]) -> Iterable[str]:
    if mandate.price_tolerance_bp is None:
        return
    for price in prices:
        if price.before is None:
            yield f"{price.label} has no earlier price to compare {price.now} with"
        elif price.now * WHOLE_BP > price.before * (WHOLE_BP + mandate.price_tolerance_bp):
            tolerance = f"{mandate.price_tolerance_bp / 100:g} %"
            yield f"{price.label} rose from {price.before} to {price.now}, more than the {tolerance} allowed"
