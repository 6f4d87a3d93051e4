"""How much of a mandate's limits is spoken for, and how much is left."""

from dataclasses import dataclass

from gateway.domain.payment import Mandate, Reservation, ReservationState
from gateway.domain.replenishment import DAY_US
from gateway.steps.ports import Transaction
from gateway.web.wording import money

TAKEN_STATES = frozenset({ReservationState.RESERVED, ReservationState.USED})


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitMeter:
    """A period's limit: what is used or held, and what it would be after one more order (`this_minor`)."""

    used_minor: int
    this_minor: int
    limit_minor: int
    period: str
    used: str
    limit: str
    after: str
    used_percent: float
    after_percent: float
    over: bool
    words: str


def used_in_period(tx: Transaction, mandate: Mandate, now_us: int) -> int:
    """Return the minor units that orders of the running period hold or have used."""
    taken = tx.every(Reservation, mandate.household_id, mandate_id=mandate.id, state=TAKEN_STATES)
    return sum(one.amount_minor for one in taken if one.at_us > now_us - mandate.period_days * DAY_US)


def limit_meter(mandate: Mandate, *, used_minor: int, this_minor: int) -> LimitMeter:
    """Build the meter for a mandate and one order on top of what is used."""
    limit, after = mandate.per_period_minor, used_minor + this_minor
    period = period_words(mandate.period_days)
    shown = money(limit, mandate.currency)
    if after > limit:
        words = f"{money(after - limit, mandate.currency)} over your {period} limit of {shown}"
    else:
        words = f"{money(after, mandate.currency)} of {shown} {period} limit after this order"
    too_much = this_minor > mandate.per_order_minor
    if too_much:
        words = f"Above your {money(mandate.per_order_minor, mandate.currency)} an order; {words}"
    if this_minor == 0:
        words = f"{money(used_minor, mandate.currency)} of {shown} {period} limit used"
    return LimitMeter(
        used_minor=used_minor,
        this_minor=this_minor,
        limit_minor=limit,
        period=period,
        used=money(used_minor, mandate.currency),
        limit=shown,
        after=money(after, mandate.currency),
        used_percent=_share(used_minor, limit),
        after_percent=_share(after, limit),
        over=too_much or after > limit,
        words=words,
    )


def period_words(days: int) -> str:
    """Return "monthly", "weekly" or the number of days.

    >>> period_words(30), period_words(14)
    ('monthly', '14-day')
    """
    if 28 <= days <= 31:
        return "monthly"
    return {1: "daily", 7: "weekly", 365: "yearly"}.get(days, f"{days}-day")


def _share(part: int, whole: int) -> float:
    return 100.0 if whole <= 0 else max(0.0, min(100.0, 100 * part / whole))
