"""When a stock runs out, as a distribution in closed form.

The daily rate is Gamma(α, β) and use comes in packets of size φ, so that with x units left and the exposure W

    P(T ≤ W) = I(x/φ, α; W/(β + W))        I: the regularised incomplete beta function

and the quantile inverts it: q = I⁻¹(x/φ, α; τ), W = β·q/(1 − q). (A Poisson number of packets reaches k in W when
Gamma(k) ≤ λW; with λ ~ Gamma(α, β) the ratio of the two Gammas is beta distributed.) The level's own uncertainty is
folded in as a mixture over a few levels, and time starts at the reading: silence therefore moves the forecast and
widens it, with no rule of its own.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import special

from forecasting.errors import InvalidInput
from forecasting.local_days import DAY_US, exposure_between, instant_after, local_time
from forecasting.online import Demand, ForecastState, demand

HORIZON_DAYS = 400
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(7)
_NODE_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
_BISECTIONS = 45
_PRECISION = 1e-9  # of an exposure: of a year, a thirtieth of a second
_LEAST_SHARE = 1e-12  # of β in β + W: an exposure beyond it lies beyond every horizon
_REFUTED = 1e-6  # a level that survives "not empty" with less probability than this was wrong

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LevelEstimate:
    """What is left, as far as it is known: `mean` ± `sd` units at `at_us`.

    `alive_us` is the last instant at which it was certainly not empty although no number was known (a thing that only
    says "ok" or "low"); None when `at_us` itself is the last word.
    """

    mean: float
    sd: float
    at_us: int
    alive_us: int | None = None


class WhyUnknown(StrEnum):
    """Why nothing can be said about the depletion."""

    NO_LEVEL = "no_level"
    SILENT_TOO_LONG = "silent_too_long"
    CONTRADICTED = "contradicted"


@dataclass(frozen=True, slots=True)
class UnknownDepletion:
    """No forecast: the level is not known. This is not an empty slot, and nothing may be bought from it."""

    now_us: int
    why: WhyUnknown


@dataclass(frozen=True)
class Depletion:
    """The distribution of the instant at which the stock is empty, seen from `now_us`.

    Made by `forecast`. Instants before `now_us` are given as `now_us`, instants beyond `horizon_us` as None. `level` is
    the whole stock; `spare` is how much of it is sealed.
    """

    now_us: int
    horizon_us: int
    zone: str
    level: LevelEstimate
    demand: Demand
    spare: float = 0.0

    @property
    def p10_us(self) -> int | None:
        """One outcome in ten is empty before this instant."""
        return self._deciles[0]

    @property
    def p50_us(self) -> int | None:
        """Half of the outcomes are empty before this instant."""
        return self._deciles[1]

    @property
    def p90_us(self) -> int | None:
        """Nine outcomes in ten are empty before this instant."""
        return self._deciles[2]

    def quantile_us(self, probability: float) -> int | None:
        """The instant before which the stock is empty with this probability; None beyond the horizon.

        Raises:
            InvalidInput: the probability is not strictly between 0 and 1.
        """
        if not 0 < probability < 1:
            raise InvalidInput("probability", probability, "a number between 0 and 1, both excluded")
        return self._quantiles_us(probability)[0]

    def _quantiles_us(self, *probabilities: float) -> tuple[int | None, ...]:
        survivals = (1 - np.array(probabilities)) * self.survived
        exposures = _mixture_quantiles(self.levels, self.level_weights, self.demand, survivals)
        longest = self.exposure_until(self.horizon_us)
        return tuple(None if one > longest else self._instant_us(one) for one in exposures.tolist())

    def _instant_us(self, exposure: float) -> int:
        at_us = instant_after(self.demand.profile, self.zone, self.level.at_us, exposure)
        return min(max(at_us, self.now_us), self.horizon_us)

    def risk_at(self, at_us: int) -> float:
        """P(empty before this instant)."""
        return float(self.risks(np.array([self.exposure_until(at_us)]))[0])

    def risk(self, days: float) -> float:
        """P(empty before so many days of 24 hours from now)."""
        return self.risk_at(self.now_us + round(days * DAY_US))

    def risks(self, exposures: Floats) -> Floats:
        """P(empty) after each exposure counted from the level's own instant; shape (n,) to shape (n,)."""
        left = _mixture_survival(self.levels, self.level_weights, self.demand, exposures)
        return np.asarray(np.clip(1 - left / self.survived, 0.0, 1.0))

    def exposure_until(self, at_us: int) -> float:
        """Exposure in average days from the level's instant to this one."""
        return exposure_between(self.demand.profile, self.zone, self.level.at_us, at_us)

    @cached_property
    def _deciles(self) -> tuple[int | None, ...]:
        return self._quantiles_us(0.1, 0.5, 0.9)

    @cached_property
    def levels(self) -> Floats:
        """The few levels the uncertain one is a mixture of, shape (n,), in units."""
        if self.level.sd == 0:
            return np.array([max(0.0, self.level.mean)])
        return np.asarray(np.maximum(0.0, self.level.mean + self.level.sd * _NODES))

    @cached_property
    def level_weights(self) -> Floats:
        """Their weights, shape (n,), with the sum 1."""
        return np.ones(1) if self.level.sd == 0 else np.asarray(_NODE_WEIGHTS)

    @cached_property
    def survived(self) -> float:
        """P(not empty when the slot was last heard not to be): all else is conditioned on it. 1 without such a word."""
        if self.level.alive_us is None:
            return 1.0
        exposure = np.array([self.exposure_until(self.level.alive_us)])
        return float(_mixture_survival(self.levels, self.level_weights, self.demand, exposure)[0])


def forecast(
    state: ForecastState,
    level: LevelEstimate | None,
    now_us: int,
    zone: str,
    *,
    spare: float = 0.0,
    horizon_days: int = HORIZON_DAYS,
) -> Depletion | UnknownDepletion:
    """When this slot's stock is empty.

    Args:
        state: what is known about its use.
        level: what is left in the slot, or None when nobody knows.
        now_us: the present.
        zone: the household's IANA time zone, for weekdays.
        spare: sealed stock beside the slot, in the slot's unit.
        horizon_days: how far ahead an instant is still named; also the longest silence a level survives.

    >>> from forecasting.priors import prior_for
    >>> from forecasting.online import begin
    >>> state = begin(prior_for("milk"), capacity=1.0)
    >>> match forecast(state, LevelEstimate(0.8, 0.0, at_us=0), 0, "UTC"):
    ...     case Depletion() as found:
    ...         found.p10_us < found.p50_us < found.p90_us
    True
    >>> forecast(state, None, 0, "UTC").why
    <WhyUnknown.NO_LEVEL: 'no_level'>
    """
    if level is None:
        return UnknownDepletion(now_us, WhyUnknown.NO_LEVEL)
    return forecast_demand(demand(state, now_us), level, now_us, zone, spare=spare, horizon_days=horizon_days)


def forecast_demand(
    wanted: Demand,
    level: LevelEstimate,
    now_us: int,
    zone: str,
    *,
    spare: float = 0.0,
    horizon_days: int = HORIZON_DAYS,
) -> Depletion | UnknownDepletion:
    """`forecast` for a demand that is already known, such as a pooled one (see `pool`)."""
    if not (math.isfinite(level.mean) and math.isfinite(level.sd) and level.sd >= 0):
        raise InvalidInput("level", level, "finite numbers with sd 0 or more")
    if not (math.isfinite(spare) and spare >= 0):
        raise InvalidInput("spare", spare, "a finite number of units, 0 or more")
    if level.at_us > now_us:
        raise InvalidInput("now_us", now_us, f"an instant not before the level's own, {level.at_us}")
    if not 1 <= horizon_days <= 10 * HORIZON_DAYS:
        raise InvalidInput("horizon_days", horizon_days, f"1 to {10 * HORIZON_DAYS}")
    local_time(now_us, zone)  # an unknown zone is refused here, not at the first quantile
    if now_us - max(level.at_us, level.alive_us or 0) > horizon_days * DAY_US:
        return UnknownDepletion(now_us, WhyUnknown.SILENT_TOO_LONG)
    stock = LevelEstimate(level.mean + spare, level.sd, level.at_us, level.alive_us)
    depletion = Depletion(now_us, now_us + horizon_days * DAY_US, zone, stock, wanted, spare)
    if depletion.survived < _REFUTED:
        return UnknownDepletion(now_us, WhyUnknown.CONTRADICTED)
    return depletion


def pool(
    parts: Sequence[tuple[ForecastState, LevelEstimate | None]], now_us: int
) -> tuple[Demand, LevelEstimate] | UnknownDepletion:
    """Several slots of one supply as one: rates add up (their first two moments are kept), levels add up.

    The pooled level's instant is the mean of the slots' instants weighted by their rates, which leaves the use
    expected since the readings as it was. One unknown level makes the whole unknown.

    Raises:
        InvalidInput: there are no parts.
    """
    if not parts:
        raise InvalidInput("parts", parts, "at least one slot")
    levels = [level for _, level in parts if level is not None]
    if len(levels) < len(parts):
        return UnknownDepletion(now_us, WhyUnknown.NO_LEVEL)
    demands = [demand(state, now_us) for state, _ in parts]
    if len(parts) == 1:
        return demands[0], levels[0]
    rates = np.array([one.daily for one in demands])
    rate, variance = rates.sum(), sum(one.daily**2 / one.alpha for one in demands)
    shares = rates / rate
    dispersion = float(shares @ np.array([one.dispersion for one in demands]))
    alpha = float(rate**2 / variance)
    profile = shares @ np.array([one.profile for one in demands])
    joint = Demand(alpha, alpha * dispersion / float(rate), dispersion, tuple(float(weight) for weight in profile))
    alive = [level.alive_us for level in levels if level.alive_us is not None]
    return joint, LevelEstimate(
        mean=sum(level.mean for level in levels),
        sd=math.sqrt(sum(level.sd**2 for level in levels)),
        at_us=round(float(shares @ np.array([level.at_us for level in levels], dtype=float))),
        alive_us=max(alive) if alive else None,
    )


def depletion_survival(left: Floats, wanted: Demand, exposure: Floats) -> Floats:
    """P(T > W) for each pair of a level and an exposure, broadcast; 0 where nothing is left.

    >>> one = Demand(alpha=4.0, beta=4.0, dispersion=1.0, profile=(1.0,) * 7)
    >>> depletion_survival(np.array([0.0, 1.0]), one, np.array([1.0, 1.0])).round(3).tolist()
    [0.0, 0.41]
    """
    packets = np.asarray(left) / wanted.dispersion
    # 1 − I(a, b; z) = I(b, a; 1 − z): near 0 a difference from 1 would keep no figure.
    share_before = wanted.beta / (wanted.beta + np.asarray(exposure))
    survival = special.betainc(wanted.alpha, np.where(packets > 0, packets, 1.0), share_before)
    return np.asarray(np.where(packets > 0, survival, 0.0))


def depletion_exposure(left: Floats, wanted: Demand, survival: float | Floats) -> Floats:
    """The exposure W at which P(T > W) has sunk to `survival`, broadcast with the levels; 0 where nothing is left."""
    packets = np.asarray(left) / wanted.dispersion
    share_before = special.betaincinv(wanted.alpha, np.where(packets > 0, packets, 1.0), survival)
    share_before = np.maximum(share_before, _LEAST_SHARE)
    return np.asarray(np.where(packets > 0, wanted.beta * (1 - share_before) / share_before, 0.0))


def _mixture_survival(levels: Floats, weights: Floats, wanted: Demand, exposures: Floats) -> Floats:
    return np.asarray(weights @ depletion_survival(levels[:, None], wanted, exposures[None, :]))


def _mixture_quantiles(levels: Floats, weights: Floats, wanted: Demand, survivals: Floats) -> Floats:
    """The exposures at which the mixture has sunk to each survival; shape (n,) to shape (n,).

    The quantile of a mixture lies between its components' quantiles: bisect there.
    """
    components = depletion_exposure(levels[:, None], wanted, survivals[None, :])
    low, high = components.min(axis=0), components.max(axis=0)
    for _ in range(_BISECTIONS):
        if (high - low <= _PRECISION * high).all():
            break
        middle = (low + high) / 2
        is_gone = _mixture_survival(levels, weights, wanted, middle) <= survivals
        low, high = np.where(is_gone, low, middle), np.where(is_gone, middle, high)
    return np.asarray(high)
