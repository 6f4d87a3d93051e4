"""What is known about the use of one slot, in about twenty numbers, updated in O(1) at every message.

The daily rate has a Gamma posterior whose evidence fades with time. Use is gathered per local day and learned when
the day is over, because a sensor's single ticks say nothing about a rate. Beside the rate stand the spread of a day's
use and a weekday profile shrunk towards an even week. A run of days without use counts only as far as chance would
explain it: the rest is an absence and teaches nothing.

Quantities are in the slot's own unit, exposure in average days (see `local_days`).
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from forecasting.errors import InvalidInput, OutOfOrder
from forecasting.local_days import (
    DAY_US,
    EVEN_PROFILE,
    Profile,
    exposure_between,
    local_day,
    midnight_us,
    weekday,
)
from forecasting.priors import Prior

_SPREAD_PRIOR_DAYS = 5.0  # days of evidence the prior day spread is worth
_RATE_KNOWN_DAYS = 3.0  # of evidence, after which a residual counts half
_SPREAD_BOUNDS = (0.02, 50.0)
_SPREAD_CLIP = 16.0  # one freak day may at most look this many times as wild as an ordinary one
_WEEKDAY_VARIANCE = 0.0625  # between weekdays, before anything is seen: a standard deviation of a quarter
_WEEKDAY_PRIOR_WEEKS = (2.0, 12.0)
_WEEKDAY_MEMORY_WEEKS = 26.0
_WEEKDAY_CLIP = 5.0
_IDLE_SHARE = 0.02  # a day with less than this share of its expected use is a day without use
_IDLE_CHANCE = 0.05  # a run of such days counts until its probability has fallen to this
_WHOLE_DAY = 0.75  # a day seen for less than this share does not teach its weekday
_USABLE_PART = 0.5  # a day not yet over counts in a forecast from this exposure on


@dataclass(frozen=True, slots=True)
class ForecastState:
    """Everything remembered about the use of one slot. Made by `begin`, changed by `update`, JSON by `to_dict`.

    Attributes:
        prior_daily: prior mean use a day, in units.
        prior_shape: shape of the prior Gamma of the rate.
        prior_spread: prior variance of a day's use over its squared mean.
        memory_days: evidence fades to 1/e in this time.
        used: faded sum of learned use, in units.
        exposure: faded sum of the exposure it was used in, in average days.
        spread_sum: faded sum of the observed spreads.
        spread_weight: faded number of them.
        profile: weights of the weekdays, Monday first, mean 1.
        days_learned: local days learned from, not faded.
        learned_us: the instant up to which days are closed, or None.
        open_day: ordinal of the local day not yet closed, or None.
        open_used: use on it so far, in units.
        open_exposure: exposure seen of it.
        open_days: the same in calendar days, without weekday weights.
        idle_exposure: exposure of the present run of days without use.
        idle_days: the same in calendar days.
        until_us: the instant up to which use is known, or None before the first.
    """

    prior_daily: float
    prior_shape: float
    prior_spread: float
    memory_days: float
    used: float = 0.0
    exposure: float = 0.0
    spread_sum: float = 0.0
    spread_weight: float = 0.0
    profile: Profile = EVEN_PROFILE
    days_learned: float = 0.0
    learned_us: int | None = None
    open_day: int | None = None
    open_used: float = 0.0
    open_exposure: float = 0.0
    open_days: float = 0.0
    idle_exposure: float = 0.0
    idle_days: float = 0.0
    until_us: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON keeps exactly."""
        return {**asdict(self), "profile": list(self.profile)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The state `to_dict` described."""
        return cls(**{**values, "profile": tuple(values["profile"])})


@dataclass(frozen=True, slots=True)
class Demand:
    """The use to be expected from one instant on: what a forecast needs of a state.

    The rate of packets of size `dispersion` is Gamma(`alpha`, rate `beta`) per average day.
    """

    alpha: float
    beta: float
    dispersion: float
    profile: Profile

    @property
    def daily(self) -> float:
        """Mean use on an average day, in units."""
        return self.dispersion * self.alpha / self.beta


def begin(prior: Prior, capacity: float) -> ForecastState:
    """The state of a slot of this capacity before its first reading.

    Raises:
        InvalidInput: the capacity is not a positive finite number.

    >>> from forecasting.priors import prior_for
    >>> round(demand(begin(prior_for("milk"), capacity=2.0), now_us=0).daily, 6)
    0.4
    """
    if not (math.isfinite(capacity) and capacity > 0):
        raise InvalidInput("capacity", capacity, "a positive finite number")
    return ForecastState(
        prior_daily=prior.daily_share * capacity,
        prior_shape=prior.rate_spread**-2,
        prior_spread=prior.day_spread**2,
        memory_days=prior.memory_days,
    )


def update(state: ForecastState, used: float, from_us: int, to_us: int, zone: str) -> ForecastState:
    """Add what was used between two instants. Zero use is a fact; unknown use is simply not handed over.

    Args:
        state: what is known so far.
        used: units used in the stretch, 0 or more.
        from_us: its begin, not before the end of what is already known.
        to_us: its end. A stretch over several midnights is spread over its days.
        zone: the household's IANA time zone; days are local days.

    Raises:
        InvalidInput: `used` is negative or not finite, or the stretch ends before it begins.
        OutOfOrder: it begins before `state.until_us`.

    >>> from forecasting.priors import prior_for
    >>> state = begin(prior_for("coffee"), capacity=1000.0)
    >>> for day in range(60):
    ...     state = update(state, 40.0, day * DAY_US, (day + 1) * DAY_US, "UTC")
    >>> round(demand(state, now_us=60 * DAY_US).daily)
    40
    """
    if not (math.isfinite(used) and used >= 0):
        raise InvalidInput("used", used, "a finite number of units, 0 or more")
    if to_us < from_us:
        raise InvalidInput("to_us", to_us, f"an instant not before from_us = {from_us}")
    if state.until_us is not None and from_us < state.until_us:
        raise OutOfOrder(from_us, state.until_us)
    first, last = local_day(from_us, zone), local_day(to_us, zone)
    if state.open_day is not None and first > state.open_day:
        state = _close(state, midnight_us(state.open_day + 1, zone))
    if last > first:
        last_midnight_us = midnight_us(last, zone)
        before = exposure_between(state.profile, zone, from_us, last_midnight_us)
        after = exposure_between(state.profile, zone, last_midnight_us, to_us)
        used_before = used * before / (before + after) if before + after > 0 else used
        state = _add(state, first, used_before, before, (last_midnight_us - from_us) / DAY_US)
        state = _close(state, last_midnight_us)
        used, from_us = used - used_before, last_midnight_us
    seen = exposure_between(state.profile, zone, from_us, to_us)
    return replace(_add(state, last, used, seen, (to_us - from_us) / DAY_US), until_us=to_us)


def demand(state: ForecastState, now_us: int) -> Demand:
    """The posterior of the rate at `now_us`: evidence faded until then, the day not yet over and idle days weighed in.

    With ρ the spread of a day's use (variance over squared mean) and m the mean rate, the dispersion is φ = ρ·m, and
    α = β/ρ, so that φ·α/β = m.
    """
    keep = _keep(state, now_us)
    used, exposure = state.used * keep, state.exposure * keep
    if state.open_exposure >= _USABLE_PART:
        used += state.open_used
        exposure += state.open_exposure
    idle = _counted_idle(state, used, exposure)
    return _posterior(state, used, exposure + idle)


def idle_chance(state: ForecastState, now_us: int) -> float:
    """The probability that a run of days without use as long as the present one is mere chance; 1 without a run.

    A small value is an absence: the forecast then stays with the rate known before it.
    """
    keep = _keep(state, now_us)
    known = _posterior(state, state.used * keep, state.exposure * keep)
    return float((known.beta / (known.beta + state.idle_exposure)) ** known.alpha)


def spread(state: ForecastState) -> float:
    """ρ: the variance of a day's use over its squared mean, pooled with the prior's."""
    total = _SPREAD_PRIOR_DAYS * state.prior_spread + state.spread_sum
    low, high = _SPREAD_BOUNDS
    return min(high, max(low, total / (_SPREAD_PRIOR_DAYS + state.spread_weight)))


def _posterior(state: ForecastState, used: float, exposure: float) -> Demand:
    """The posterior from faded sums.

    Below the prior mean the Gamma prior is conjugate: m solves (α₀ρ/m₀)·m² + (E − α₀ρ)·m − S = 0. Above it the prior
    is worth a fixed α₀ρ days, a heavier tail: a rate guessed too low is the dearer mistake, so it is unlearned faster.
    Both agree at the prior mean.
    """
    rho = spread(state)
    prior_days = state.prior_shape * rho
    if used >= state.prior_daily * exposure:
        beta = prior_days + exposure
        mean = (prior_days * state.prior_daily + used) / beta
    else:
        square, linear = prior_days / state.prior_daily, exposure - prior_days
        mean = (math.sqrt(linear * linear + 4 * square * used) - linear) / (2 * square)
        mean = max(mean, 1e-6 * state.prior_daily)
        beta = square * mean + exposure
    return Demand(alpha=beta / rho, beta=beta, dispersion=rho * mean, profile=state.profile)


def _keep(state: ForecastState, at_us: int) -> float:
    """The share of the evidence that has not faded at an instant."""
    if state.learned_us is None or at_us <= state.learned_us:
        return 1.0
    return math.exp(-(at_us - state.learned_us) / DAY_US / state.memory_days)


def _counted_idle(state: ForecastState, used: float, exposure: float) -> float:
    """The exposure of the idle run that chance explains: P(no use in W) = (β/(β+W))^α falls to 5 % at its end."""
    if state.idle_exposure == 0:
        return 0.0
    known = _posterior(state, used, exposure)
    exponent = min(50.0, -math.log(_IDLE_CHANCE) / known.alpha)
    return min(state.idle_exposure, known.beta * math.expm1(exponent))


def _add(state: ForecastState, day: int, used: float, exposure: float, days: float) -> ForecastState:
    return replace(
        state,
        open_day=day if state.open_day is None else state.open_day,
        open_used=state.open_used + used,
        open_exposure=state.open_exposure + exposure,
        open_days=state.open_days + days,
    )


def _close(state: ForecastState, end_us: int) -> ForecastState:
    """Learn from the open stretch, which ended at this midnight."""
    keep = _keep(state, end_us)
    faded = replace(
        state,
        used=state.used * keep,
        exposure=state.exposure * keep,
        spread_sum=state.spread_sum * math.sqrt(keep),
        spread_weight=state.spread_weight * math.sqrt(keep),
        learned_us=end_us,
        open_day=None,
        open_used=0.0,
        open_exposure=0.0,
        open_days=0.0,
    )
    if state.open_exposure <= 0:
        return replace(faded, used=faded.used + state.open_used)
    known = _posterior(faded, faded.used, faded.exposure)
    if state.open_used <= _IDLE_SHARE * known.daily * state.open_exposure:
        return replace(
            faded,
            used=faded.used + state.open_used,
            idle_exposure=faded.idle_exposure + state.open_exposure,
            idle_days=faded.idle_days + state.open_days,
        )
    exposure = state.open_exposure + _counted_idle(faded, faded.used, faded.exposure)
    learned = replace(
        faded,
        used=faded.used + state.open_used,
        exposure=faded.exposure + exposure,
        days_learned=faded.days_learned + state.open_days,
        idle_exposure=0.0,
        idle_days=0.0,
    )
    residual = state.open_used - known.daily * exposure
    variance_at_one = known.daily**2 * exposure * (1 + exposure / known.beta)
    observed = min(residual * residual / variance_at_one, _SPREAD_CLIP * spread(state))
    # While the rate is hardly known a residual speaks of the prior's error, not of the days.
    weight = min(1.0, state.open_days) * faded.exposure / (faded.exposure + _RATE_KNOWN_DAYS)
    return replace(
        learned,
        spread_sum=learned.spread_sum + weight * observed,
        spread_weight=learned.spread_weight + weight,
        profile=_learn_weekday(state, _posterior(learned, learned.used, learned.exposure).daily),
    )


def _learn_weekday(state: ForecastState, mean: float) -> Profile:
    """The profile after the open day: a running mean shrunk towards 1, the more the wilder single days are."""
    if state.open_day is None or not _WHOLE_DAY <= state.open_days <= 1.0 + 1 / 12:
        return state.profile
    low, high = _WEEKDAY_PRIOR_WEEKS
    prior_weeks = min(high, max(low, spread(state) / _WEEKDAY_VARIANCE))
    weeks = min(_WEEKDAY_MEMORY_WEEKS, state.days_learned / 7)
    seen = min(_WEEKDAY_CLIP, state.open_used / (mean * state.open_days))
    weights = list(state.profile)
    day = weekday(state.open_day)
    weights[day] += (seen - weights[day]) / (prior_weeks + weeks + 1)
    total = sum(weights)
    return tuple(7 * weight / total for weight in weights)
