"""From readings to a clean level and to consumption, with refills cut.

`track` moves the memory of one slot by one reading in O(1); `clean` is its fold over a whole series. Nothing is
counted twice, unknown is not zero, and every reading keeps what was decided about it and why.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from forecasting.counters import track_counter, track_increment
from forecasting.errors import InvalidInput
from forecasting.levels import track_level
from forecasting.local_days import EVEN_PROFILE, exposure_between, local_day, midnight_us
from forecasting.ordinals import track_ordinal
from forecasting.tracker import (
    Consumption,
    LevelTracker,
    Measure,
    Ordinal,
    Outcome,
    Reading,
    Refill,
    Verdict,
    check_instant,
    level_of,
    rejected,
    start_tracking,
)

# A local day seen for less than this share is unknown in `daily_use`. A refill hides the use between two readings, so
# a day with one is seen for seven eighths by a thing that reports every three hours.
_COVERED = 0.75
_MOST_DAYS = 40_000
_LARGEST = 1e15  # units; beyond it a sensor's number is rubbish whatever the unit, infinity included


@dataclass(frozen=True, slots=True)
class CleanSeries:
    """A series after cleaning. Arrays of length n follow the input's order, the rest the order of time.

    Attributes:
        verdicts: n verdicts.
        reasons: n reasons, in words.
        level: float (n,), the estimate after each reading, NaN while unknown.
        level_sd: float (n,), its standard deviation, NaN while unknown.
        consumed: what was used and over which time; gaps between them are unknown.
        refills: refills, oldest first.
        tracker: the memory after the last reading, to go on from.
    """

    verdicts: tuple[Verdict, ...]
    reasons: tuple[str, ...]
    level: npt.NDArray[np.float64]
    level_sd: npt.NDArray[np.float64]
    consumed: tuple[Consumption, ...]
    refills: tuple[Refill, ...]
    tracker: LevelTracker


def track(tracker: LevelTracker, reading: Reading) -> tuple[LevelTracker, Outcome]:
    """Move a slot's memory by one reading, in O(1).

    A late reading of a level or counter changes nothing; a late increment still counts, because the caller has counted
    each (device, epoch, sequence) once.

    Raises:
        InvalidInput: the instant is not one a household can have.

    >>> from forecasting.local_days import DAY_US
    >>> tracker = start_tracking("level", capacity=1.0)
    >>> tracker, first = track(tracker, Reading(0, 0.8))
    >>> tracker, second = track(tracker, Reading(DAY_US, 0.6))
    >>> second.verdict, round(second.consumed[0].used, 2)
    ('counted', 0.2)
    """
    check_instant(reading.at_us)
    late = tracker.last_us is not None and reading.at_us <= tracker.last_us
    if late and not (tracker.measure == "increment" and reading.quantity is not None):
        return tracker, Outcome("unchanged", "late or repeated: a reading as new is already counted")
    moved, outcome = _by_measure(tracker, reading)
    last_us = reading.at_us if tracker.last_us is None else max(tracker.last_us, reading.at_us)
    return replace(moved, last_us=last_us), outcome


def clean(
    instants_us: Sequence[int] | npt.NDArray[np.int64],
    quantity: Sequence[float] | npt.NDArray[np.float64],
    *,
    measure: Measure,
    capacity: float | None,
    quantum: float = 0.0,
    cartridge: bool = False,
    ordinals: Sequence[Ordinal | None] | None = None,
    restarted: Sequence[bool] | None = None,
) -> CleanSeries:
    """Clean a whole series: the fold of `track` over the readings in the order of time.

    Args:
        instants_us: UTC microseconds, shape (n,), in any order.
        quantity: shape (n,), in the slot's unit; NaN is unknown.
        measure: what the quantity means.
        capacity: what a full slot holds, or None.
        quantum: the sensor's step.
        cartridge: the pack is changed whole.
        ordinals: a word a reading, for things without numbers.
        restarted: a flag a reading: the counter began anew.

    Raises:
        InvalidInput: arrays of different lengths, or an impossible instant or capacity.

    >>> cleaned = clean([0, 1, 2, 3], [50, 9999, 49, 48], measure="level", capacity=100)
    >>> cleaned.verdicts
    ('counted', 'outlier', 'counted', 'counted')
    """
    instants = np.asarray(instants_us, dtype=np.int64)
    values = np.asarray(quantity, dtype=np.float64)
    count = len(instants)
    words = [None] * count if ordinals is None else list(ordinals)
    restarts = [False] * count if restarted is None else list(restarted)
    for field, length in (("quantity", len(values)), ("ordinals", len(words)), ("restarted", len(restarts))):
        if length != count:
            raise InvalidInput(field, length, f"as many values as instants, {count}")
    tracker = start_tracking(measure, capacity=capacity, quantum=quantum, cartridge=cartridge)
    order = np.argsort(instants, kind="stable")
    verdicts: list[Verdict] = ["unknown"] * count
    reasons = [""] * count
    level, level_sd = np.full(count, np.nan), np.full(count, np.nan)
    consumed: list[Consumption] = []
    refills: list[Refill] = []
    waiting: list[int] = []
    for index in order:
        reading = Reading(int(instants[index]), float(values[index]), words[index], restarts[index])
        tracker, outcome = track(tracker, reading)
        verdicts[index], reasons[index] = outcome.verdict, outcome.reason
        if outcome.settled is not None:
            for earlier in waiting:
                verdicts[earlier], reasons[earlier] = outcome.settled.verdict, outcome.settled.reason
            waiting = []
        if outcome.verdict == "pending":
            waiting.append(int(index))
        consumed.extend(outcome.consumed)
        if outcome.refill is not None:
            refills.append(outcome.refill)
        known = level_of(tracker)
        if known is not None:
            level[index], level_sd[index] = known.mean, known.sd
    return CleanSeries(tuple(verdicts), tuple(reasons), level, level_sd, tuple(consumed), tuple(refills), tracker)


def daily_use(consumed: Sequence[Consumption], zone: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Use per local day: (days,) ordinals without holes, and (days,) units with NaN where a day is not known.

    A stretch over several days is spread evenly; a day covered for less than three quarters is unknown, and a day
    covered almost wholly is scaled to the whole.

    Raises:
        InvalidInput: the stretches span more than about a century.

    >>> from forecasting.local_days import DAY_US
    >>> days, used = daily_use([Consumption(3.0, 0, 3 * DAY_US)], "UTC")
    >>> used.tolist()
    [1.0, 1.0, 1.0]
    """
    if not consumed:
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    first = min(local_day(min(one.from_us, _last_moment_us(one)), zone) for one in consumed)
    last = max(local_day(_last_moment_us(one), zone) for one in consumed)
    if last - first >= _MOST_DAYS:
        raise InvalidInput("consumed", last - first, f"stretches within {_MOST_DAYS} days")
    used, covered = np.zeros(last - first + 1), np.zeros(last - first + 1)
    for one in consumed:
        whole = exposure_between(EVEN_PROFILE, zone, one.from_us, one.to_us)
        if whole == 0:
            used[local_day(_last_moment_us(one), zone) - first] += one.used
            continue
        begin_us, day = one.from_us, local_day(one.from_us, zone)
        while begin_us < one.to_us:
            end_us = min(one.to_us, midnight_us(day + 1, zone))
            share = exposure_between(EVEN_PROFILE, zone, begin_us, end_us)
            used[day - first] += one.used * share / whole
            covered[day - first] += share
            begin_us, day = end_us, day + 1
    known = covered >= _COVERED
    daily = np.full(len(used), np.nan)
    daily[known] = used[known] / np.minimum(1.0, covered[known])
    return np.arange(first, last + 1, dtype=np.int64), daily


def _last_moment_us(one: Consumption) -> int:
    """A stretch that ends at midnight, or has no length (a late increment), belongs to the day before."""
    return max(0, one.to_us - 1)


def _by_measure(tracker: LevelTracker, reading: Reading) -> tuple[LevelTracker, Outcome]:
    quantity = reading.quantity
    if quantity is None or math.isnan(quantity):
        if reading.ordinal is not None:
            return track_ordinal(tracker, reading.at_us, reading.ordinal)
        return tracker, Outcome("unknown", "the thing does not know what is left")
    if abs(quantity) > _LARGEST:
        return rejected(tracker, "not a number a slot can hold")
    match tracker.measure:
        case "level":
            return track_level(tracker, reading.at_us, quantity)
        case "counter":
            return track_counter(tracker, reading.at_us, quantity, restarted=reading.restarted)
        case "increment":
            return track_increment(tracker, reading.at_us, quantity, gap=reading.gap)
