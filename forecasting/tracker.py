"""What is remembered about the level of one slot between two readings, and what one reading can turn out to be.

`series.track` moves a `LevelTracker` by one `Reading` and says in an `Outcome` what became of it. A suspicious
reading is *pending* until the next ones confirm or refute it; the outcome that decides carries the verdict on the
earlier ones in `settled`.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self

from forecasting.depletion import LevelEstimate
from forecasting.errors import InvalidInput
from forecasting.local_days import LATEST_US

Measure = Literal["level", "counter", "increment"]
Ordinal = Literal["ok", "low", "empty", "unknown"]
Verdict = Literal["counted", "refill", "outlier", "unchanged", "unknown", "pending"]

_START_NOISE_SHARE = 0.005  # of the scale: the standard deviation assumed before any noise was seen
_START_NOISE_WEIGHT = 4.0
_NOISE_MEMORY = 60.0  # readings
_RUBBISH_LIMIT = 5  # so many implausible readings in a row, and the level is no longer known


@dataclass(frozen=True, slots=True)
class Reading:
    """What a slot said once.

    Attributes:
        at_us: when.
        quantity: level, counter or increment in the slot's unit; None (or NaN) when it knows no number.
        ordinal: the word of a thing that knows no number.
        restarted: a counter began anew in a new epoch since the reading before.
        gap: readings before this one are known to be lost; it matters to increments only.
    """

    at_us: int
    quantity: float | None
    ordinal: Ordinal | None = None
    restarted: bool = False
    gap: bool = False


@dataclass(frozen=True, slots=True)
class Consumption:
    """Units used between two instants; 0 units are a fact too."""

    used: float
    from_us: int
    to_us: int


@dataclass(frozen=True, slots=True)
class Refill:
    """A new pack, at the first reading that showed it. What is not known about its size is None."""

    at_us: int
    size: float | None
    before: float | None
    after: float | None


@dataclass(frozen=True, slots=True)
class Settled:
    """The verdict on the pending readings from one instant to another, both included."""

    from_us: int
    to_us: int
    verdict: Verdict
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one reading: its verdict with the reason, and what it brought."""

    verdict: Verdict
    reason: str
    consumed: tuple[Consumption, ...] = ()
    refill: Refill | None = None
    settled: Settled | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """A suspicious quantity that waits for confirmation: its mean, its first and last instant, how many readings."""

    quantity: float
    first_us: int
    last_us: int
    count: int


@dataclass(frozen=True, slots=True)
class LevelTracker:
    """The memory of one slot's level. Made by `start_tracking`, moved by `series.track`, JSON by `to_dict`.

    Attributes:
        measure: what the readings' quantity means.
        capacity: what a full slot holds, in units, or None.
        quantum: the step of the sensor's numbers, 0 when there is none.
        cartridge: the slot's pack is changed whole, so a counter that starts anew means a full one.
        level: best estimate of what is left at `level_us`, or None. Where a person corrected it, this is still the
            thing's own number: what is left is `left`, with the tare.
        level_variance: its variance.
        level_us: the instant the estimate holds at.
        floor: the lowest estimate since the last refill; use is counted as it sinks, so noise is not counted.
        base_us: the instant up to which use is counted, or None.
        counter: the last accepted counter.
        above_us: since when the estimate has stood clearly above the floor.
        noise_variance: of single readings, learned from rises that are no refills.
        noise_weight: how many readings taught it, capped.
        peak: the highest accepted quantity: the scale where no capacity is known.
        pending: the suspicious reading that waits.
        rubbish_run: implausible readings in a row.
        ordinal: the last word of a thing that knows no number.
        alive_us: when such a thing last said that it is not empty.
        last_us: the latest instant of any reading.
        readings: readings accepted.
        refills: refills seen.
        outliers: readings rejected.
        tare: what a person's correction adds to the thing's own numbers, in units.
        corrected_us: when a person last said what is left, as long as it still bears on the level.
        last_word: the word of the thing a person corrected: said again, it is no news.
    """

    measure: Measure
    capacity: float | None
    quantum: float
    cartridge: bool
    level: float | None = None
    level_variance: float = 0.0
    level_us: int | None = None
    floor: float | None = None
    base_us: int | None = None
    counter: float | None = None
    above_us: int | None = None
    noise_variance: float = 0.0
    noise_weight: float = 0.0
    peak: float = 0.0
    pending: Pending | None = None
    rubbish_run: int = 0
    ordinal: Ordinal | None = None
    alive_us: int | None = None
    last_us: int | None = None
    readings: int = 0
    refills: int = 0
    outliers: int = 0
    tare: float = 0.0
    corrected_us: int | None = None
    last_word: Ordinal | None = None

    @property
    def left(self) -> float | None:
        """What is left at `level_us`: the thing's own estimate and the tare, never below nothing."""
        return None if self.level is None else max(0.0, self.level + self.tare)

    @property
    def awaits_tare(self) -> bool:
        """Whether a person's word stands alone: no number of the thing's own was known when it was given."""
        return self.corrected_us is not None and self.floor is None

    @property
    def scale(self) -> float:
        """The capacity, or else the highest quantity seen."""
        return self.capacity if self.capacity is not None else self.peak

    @property
    def reading_variance(self) -> float:
        """Variance of one reading: learned noise and the rounding to the sensor's step."""
        start = (_START_NOISE_SHARE * self.scale) ** 2
        learned = (_START_NOISE_WEIGHT * start + self.noise_weight * self.noise_variance) / (
            _START_NOISE_WEIGHT + self.noise_weight
        )
        return learned + self.quantum**2 / 12

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON keeps exactly."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The tracker `to_dict` described."""
        pending = values["pending"]
        return cls(**{**values, "pending": None if pending is None else Pending(**pending)})


def start_tracking(
    measure: Measure, *, capacity: float | None, quantum: float = 0.0, cartridge: bool = False
) -> LevelTracker:
    """A tracker before its first reading.

    Raises:
        InvalidInput: a capacity that is not positive and finite, or a quantum that is negative or not finite.
    """
    if capacity is not None and not (math.isfinite(capacity) and capacity > 0):
        raise InvalidInput("capacity", capacity, "a positive finite number, or None where nobody knows it")
    if not (math.isfinite(quantum) and quantum >= 0):
        raise InvalidInput("quantum", quantum, "a finite number, 0 or more")
    return LevelTracker(measure, capacity, quantum, cartridge)


def level_of(tracker: LevelTracker) -> LevelEstimate | None:
    """The level as far as it is known; None is unknown, which is not empty.

    >>> level_of(start_tracking("level", capacity=1.0)) is None
    True
    """
    left = tracker.left
    if left is None or tracker.level_us is None:
        return None
    return LevelEstimate(left, math.sqrt(tracker.level_variance), tracker.level_us, tracker.alive_us)


def anchored(tracker: LevelTracker, level: float, at_us: int, *, variance: float) -> LevelTracker:
    """The estimate set afresh: nothing is counted between what was before and now, and no correction bears on it."""
    return replace(
        tracker,
        level=level,
        level_variance=variance,
        level_us=at_us,
        floor=level,
        base_us=at_us,
        above_us=None,
        pending=None,
        ordinal=None,
        alive_us=None,
        peak=max(tracker.peak, level),
        tare=0.0,
        corrected_us=None,
        last_word=None,
    )


def rejected(tracker: LevelTracker, reason: str) -> tuple[LevelTracker, Outcome]:
    """An implausible reading; after too many in a row the level is no longer known."""
    run = tracker.rubbish_run + 1
    kept = replace(tracker, rubbish_run=run, outliers=tracker.outliers + 1)
    if run < _RUBBISH_LIMIT or tracker.level_us == tracker.corrected_us is not None:
        return kept, Outcome("outlier", reason)  # a person's word is not lost to rubbish
    settled = None
    if tracker.pending is not None:
        kept = replace(kept, outliers=kept.outliers + tracker.pending.count)
        settled = Settled(
            tracker.pending.first_us, tracker.pending.last_us, "outlier", "only implausible readings came after it"
        )
    reason = f"{reason}; {run} such readings in a row, so the level is no longer known"
    return forgotten(kept), Outcome("outlier", reason, settled=settled)


def forgotten(tracker: LevelTracker) -> LevelTracker:
    """The level is not known any more, and what is used from now on cannot be told either."""
    return replace(
        tracker,
        level=None,
        level_variance=0.0,
        level_us=None,
        floor=None,
        base_us=None,
        above_us=None,
        pending=None,
        alive_us=None,
        tare=0.0,
        corrected_us=None,
        last_word=None,
    )


def with_noise(tracker: LevelTracker, rise: float) -> LevelTracker:
    """The noise after one accepted reading: rises are noise, falls may be use, so falls count as no rise."""
    weight = min(_NOISE_MEMORY, tracker.noise_weight + 1)
    squared = 2 * max(0.0, rise) ** 2
    return replace(
        tracker,
        noise_weight=weight,
        noise_variance=tracker.noise_variance + (squared - tracker.noise_variance) / weight,
    )


def check_instant(at_us: int) -> None:
    """Raises InvalidInput unless the instant is one a household can have."""
    if not 0 <= at_us < LATEST_US:
        raise InvalidInput("at_us", at_us, "UTC microseconds between 1970 and 2200")
