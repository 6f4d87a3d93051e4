"""A seasonal second opinion by statsmodels: exponential smoothing with simulated paths.

Asked nightly for slots with enough history, beside the closed form that answers at every message. The first passage
needs whole paths: the marginal intervals of a point forecast cannot be summed.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from forecasting.errors import InvalidInput

LEAST_DAYS = 14
LEAST_DAYS_WITH_USE = 5
LONGEST_GAP_DAYS = 3
_WEEKLY_FROM_DAYS = 28
_MOST_DAYS = 730
_PATHS = 500
_HORIZON_DAYS = 400
_PLAIN, _WEEKLY = "ETS(A,N,N)", "ETS(A,N,A) weekly"

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SecondOpinion:
    """Days until empty by another model; None lies beyond its horizon of 400 days.

    `model` names it; `note` says in words what it looked at and, when the richer model failed, why this one spoke.
    """

    p10_days: float | None
    p50_days: float | None
    p90_days: float | None
    model: str
    note: str


@dataclass(frozen=True, slots=True)
class NotEnoughHistory:
    """No opinion yet: so many more known days (or days with use, if the days themselves are enough) are needed."""

    days_needed: int


@dataclass(frozen=True, slots=True)
class DidNotConverge:
    """No opinion: the plain model did not converge either. `message` is what its optimiser said."""

    model: str
    message: str


def second_opinion(
    daily_use: npt.ArrayLike, level: float, seed: int, *, max_iterations: int = 500
) -> SecondOpinion | NotEnoughHistory | DidNotConverge:
    """When `level` units are used up, counted in days from the end of the series.

    The weekly model speaks from four weeks on, the plain one before or where the weekly one does not converge.

    Args:
        daily_use: units per day, oldest first, shape (n,); the last day is the one before now. NaN is unknown: up to
            three unknown days in a row get the average of their weekday, and only the days after a longer gap are
            looked at, at most two years of them.
        level: units left now.
        seed: of the simulated paths; the same seed gives the same opinion.
        max_iterations: of the optimiser.

    Raises:
        InvalidInput: negative or infinite use, or a level that is not finite.

    >>> second_opinion([1.0, 2.0, 1.0], level=5.0, seed=1)
    NotEnoughHistory(days_needed=11)
    >>> use = 2.0 + np.random.default_rng(0).normal(0, 0.3, 60)
    >>> opinion = second_opinion(use, level=20.0, seed=1)
    >>> opinion.model, round(opinion.p50_days)
    ('ETS(A,N,A) weekly', 10)
    """
    used, filled = _without_gaps(np.asarray(daily_use, dtype=np.float64))
    if not np.isfinite(level):
        raise InvalidInput("level", level, "a finite number of units")
    known = len(used) - filled
    if known < LEAST_DAYS:
        return NotEnoughHistory(LEAST_DAYS - known)
    with_use = int((used > 0).sum())
    if with_use < LEAST_DAYS_WITH_USE:
        return NotEnoughHistory(LEAST_DAYS_WITH_USE - with_use)
    gaps = f", {filled} more from their weekday's average" if filled else ""
    looked_at = f"{known} days of use{gaps}, {_PATHS} simulated paths"
    if np.ptp(used) <= 1e-9 * used.max():
        days = float(max(0.0, level) / used.mean())
        within = days if days <= _HORIZON_DAYS else None
        return SecondOpinion(within, within, within, "constant use", f"{known} days of the very same use")
    refusal = ""
    for model in (_WEEKLY, _PLAIN) if len(used) >= _WEEKLY_FROM_DAYS else (_PLAIN,):
        fitted = _paths(used, seed, weekly=model == _WEEKLY, max_iterations=max_iterations)
        if isinstance(fitted, str):
            refusal = f"{model} did not converge: {fitted}"
            continue
        p10, p50, p90 = _first_passage(fitted, level)
        return SecondOpinion(p10, p50, p90, model, f"{looked_at}; {refusal}" if refusal else looked_at)
    return DidNotConverge(_PLAIN, refusal)


def _without_gaps(used: Floats) -> tuple[Floats, int]:
    """The days after the last long gap, short gaps filled from their weekday; and how many were filled."""
    if used.ndim != 1 or np.isinf(used).any() or (used < 0).any():
        raise InvalidInput("daily_use", used, "one dimension of units a day, 0 or more, NaN where unknown")
    known = np.flatnonzero(~np.isnan(used))
    if len(known) == 0 or len(used) - known[-1] - 1 > LONGEST_GAP_DAYS:
        return np.zeros(0), 0
    long_gaps = np.flatnonzero(np.diff(known) - 1 > LONGEST_GAP_DAYS)
    begin = known[long_gaps[-1] + 1] if len(long_gaps) else known[0]
    tail = used[begin:][-_MOST_DAYS:]
    unknown = np.flatnonzero(np.isnan(tail))
    whole = tail.copy()
    for day in unknown:
        same_weekday = tail[day % 7 :: 7]
        whole[day] = np.nanmean(tail if np.isnan(same_weekday).all() else same_weekday)
    return whole, len(unknown)


def _paths(used: Floats, seed: int, *, weekly: bool, max_iterations: int) -> Floats | str:
    """Simulated use a day, (days, paths), in the series' own unit; or what the optimiser said instead.

    The series is scaled to mean 1 for the optimiser. A fit that did not converge is told by its warning and by its
    return values, and never used.
    """
    # Loaded when first asked for, a night's work: it takes longer to load than any command of the product to run.
    from statsmodels.tools.sm_exceptions import ConvergenceWarning  # noqa: PLC0415
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel  # noqa: PLC0415

    scale = float(used.mean())
    model = ETSModel(
        used / scale, error="add", seasonal="add" if weekly else None, seasonal_periods=7 if weekly else None
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        results = model.fit(disp=False, maxiter=max_iterations)
    refused = [str(one.message) for one in caught if issubclass(one.category, ConvergenceWarning | RuntimeWarning)]
    if refused or not np.isfinite(results.params).all():
        return "; ".join(sorted(set(refused))) or "its parameters are not finite"
    simulated = results.simulate(_HORIZON_DAYS, anchor="end", repetitions=_PATHS, rng=np.random.default_rng(seed))
    return np.asarray(simulated, dtype=np.float64) * scale


def _first_passage(paths: Floats, level: float) -> tuple[float | None, float | None, float | None]:
    """P10, P50, P90 of the days until each path has used up the level; a path that never does lies beyond.

    The normal errors make single days negative. They stay, because cutting them off would raise the mean of a slot
    that is seldom used; the first passage is that of the path's running maximum.
    """
    total = np.cumsum(paths, axis=0)
    reached = total >= level
    day = np.argmax(reached, axis=0)
    column = np.arange(total.shape[1])
    before = np.where(day > 0, total[np.maximum(day - 1, 0), column], 0.0)
    step = total[day, column] - before
    part = np.divide(level - before, step, out=np.zeros_like(step), where=step > 0)
    days = np.where(reached.any(axis=0), day + np.clip(part, 0.0, 1.0), np.inf)
    # The lower order statistic, because interpolating towards "beyond" has no meaning.
    p10, p50, p90 = (float(one) for one in np.quantile(days, [0.1, 0.5, 0.9], method="inverted_cdf"))
    return _within(p10), _within(p50), _within(p90)


def _within(days: float) -> float | None:
    return days if np.isfinite(days) else None
