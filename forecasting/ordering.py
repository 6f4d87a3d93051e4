"""When to order: the delivery's distribution and the customer's own slowness set against the depletion's."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from forecasting.depletion import Depletion, Floats, depletion_survival
from forecasting.errors import InvalidInput
from forecasting.local_days import DAY_US

_LONGEST_LEAD_DAYS = 120
_PRECISION_US = 60_000_000
_BISECTIONS = 60


@dataclass(frozen=True, slots=True)
class LeadTime:
    """The distribution of the days from order to delivery: `shares[d]` is the probability of d days.

    >>> LeadTime.certain(2).shares
    (0.0, 0.0, 1.0)
    >>> LeadTime((0.0, 0.5, 0.5)).mean_days
    1.5
    """

    shares: tuple[float, ...]

    def __post_init__(self) -> None:
        valid = 0 < len(self.shares) <= _LONGEST_LEAD_DAYS + 1 and all(share >= 0 for share in self.shares)
        if not (valid and math.isclose(sum(self.shares), 1.0, abs_tol=1e-6)):
            raise InvalidInput(
                "shares", self.shares, f"0 to {_LONGEST_LEAD_DAYS} days with probabilities that sum to 1"
            )

    @classmethod
    def certain(cls, days: int) -> "LeadTime":
        """A delivery that always takes so many days."""
        if not 0 <= days <= _LONGEST_LEAD_DAYS:
            raise InvalidInput("days", days, f"0 to {_LONGEST_LEAD_DAYS}")
        return cls((0.0,) * days + (1.0,))

    @classmethod
    def from_counts(cls, counts: Sequence[int]) -> "LeadTime":
        """From how many past deliveries took 0, 1, 2 … days."""
        total = sum(counts)
        if total <= 0 or min(counts) < 0:
            raise InvalidInput("counts", tuple(counts), "numbers of deliveries, at least one in all")
        return cls(tuple(count / total for count in counts))

    @property
    def mean_days(self) -> float:
        """The expected number of days."""
        return sum(days * share for days, share in enumerate(self.shares))


@dataclass(frozen=True, slots=True)
class OrderBy:
    """The latest instant to order at.

    Attributes:
        at_us: that instant; `now_us` when it is already past, None when it lies beyond the forecast's horizon.
        overdue: the risk is already above the limit: even an order placed now may come too late.
        risk_now: P(empty before the delivery) of an order placed now.
        risk_limit: the accepted risk, 1 − service level.
    """

    at_us: int | None
    overdue: bool
    risk_now: float
    risk_limit: float


def order_by(
    depletion: Depletion,
    lead_time: LeadTime,
    service_level: float,
    *,
    slowness_days: float = 0.0,
    review_days: float = 1.0,
) -> OrderBy:
    """The latest instant t with Σ_L p(L)·P(T ≤ t + slowness + L + review) ≤ 1 − service level.

    Args:
        depletion: when the stock is empty.
        lead_time: days from order to delivery.
        service_level: the wanted probability of not running out, such as 0.95.
        slowness_days: how long this customer takes to say yes.
        review_days: the time until the next look at the forecast; a delivery "in L days" may come at that day's end.

    Raises:
        InvalidInput: the service level is not strictly between 0 and 1, or a time is negative.
    """
    _check(service_level, slowness_days, review_days)
    limit = 1 - service_level
    wait_days = slowness_days + review_days
    risk_now = delivery_risk(depletion, depletion.now_us, lead_time, wait_days)
    if risk_now > limit:
        return OrderBy(depletion.now_us, overdue=True, risk_now=risk_now, risk_limit=limit)
    if delivery_risk(depletion, depletion.horizon_us, lead_time, wait_days) <= limit:
        return OrderBy(None, overdue=False, risk_now=risk_now, risk_limit=limit)
    low_us, high_us = depletion.now_us, depletion.horizon_us
    for _ in range(_BISECTIONS):
        if high_us - low_us <= _PRECISION_US:
            break
        middle_us = (low_us + high_us) // 2
        if delivery_risk(depletion, middle_us, lead_time, wait_days) <= limit:
            low_us = middle_us
        else:
            high_us = middle_us
    return OrderBy(low_us, overdue=False, risk_now=risk_now, risk_limit=limit)


def delivery_risk(depletion: Depletion, at_us: int, lead_time: LeadTime, wait_days: float) -> float:
    """P(empty before the delivery) of an order asked for at `at_us`, with `wait_days` added to every lead time."""
    arrivals = _arrivals(depletion, at_us, lead_time, wait_days)
    return float(np.array(lead_time.shares) @ depletion.risks(arrivals))


def _arrivals(depletion: Depletion, at_us: int, lead_time: LeadTime, wait_days: float) -> Floats:
    """The exposure until each possible delivery of an order asked for at `at_us`."""
    return np.array(
        [depletion.exposure_until(at_us + round((days + wait_days) * DAY_US)) for days in range(len(lead_time.shares))]
    )


def reorder_level(
    depletion: Depletion,
    lead_time: LeadTime,
    service_level: float,
    *,
    slowness_days: float = 0.0,
    review_days: float = 1.0,
) -> float:
    """The level, in units, at which an order placed now would just keep the service level: the reorder point."""
    _check(service_level, slowness_days, review_days)

    def risk_with(level: float) -> float:
        held = service_held(depletion, lead_time, level, slowness_days=slowness_days, review_days=review_days)
        return 1 - held

    low, high = 0.0, depletion.demand.daily
    for _ in range(_BISECTIONS):
        if risk_with(high) <= 1 - service_level:
            break
        low, high = high, 2 * high
    for _ in range(_BISECTIONS):
        if high - low <= 1e-4 * high:
            break
        middle = (low + high) / 2
        if risk_with(middle) <= 1 - service_level:
            high = middle
        else:
            low = middle
    return high


def service_held(
    depletion: Depletion,
    lead_time: LeadTime,
    level: float,
    *,
    slowness_days: float = 0.0,
    review_days: float = 1.0,
) -> float:
    """The probability of not running out before the delivery of an order placed now, with so much left."""
    known = replace(depletion, level=replace(depletion.level, sd=0.0, at_us=depletion.now_us, alive_us=None))
    arrivals = _arrivals(known, depletion.now_us, lead_time, slowness_days + review_days)
    return float(np.array(lead_time.shares) @ depletion_survival(np.array(level), depletion.demand, arrivals))


def _check(service_level: float, slowness_days: float, review_days: float) -> None:
    if not 0 < service_level < 1:
        raise InvalidInput("service_level", service_level, "a number between 0 and 1, both excluded")
    for field, days in (("slowness_days", slowness_days), ("review_days", review_days)):
        if not (math.isfinite(days) and 0 <= days <= 2 * _LONGEST_LEAD_DAYS):
            raise InvalidInput(field, days, f"0 to {2 * _LONGEST_LEAD_DAYS}")
