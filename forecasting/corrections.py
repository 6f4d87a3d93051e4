"""What a person says of a level: they are believed, and the thing's own numbers go on from there as differences.

docs/decisions/0011 says why. `levels` and `ordinals` say when the difference, the tare, falls away again.
"""

import math
from dataclasses import replace

from forecasting.errors import InvalidInput
from forecasting.local_days import DAY_US
from forecasting.tracker import LevelTracker, Refill, Settled, anchored, check_instant

_TARED_WITHIN_US = DAY_US  # a number that comes later after a correction has use in it that nobody saw


def correct_level(
    tracker: LevelTracker, at_us: int, quantity: float, *, by_person: bool = True
) -> tuple[LevelTracker, Settled | None]:
    """A person says what is left, and is believed: it is neither use nor a refill, and counting goes on from here.

    What a thing says of its level later is taken as a difference: its own number now and the person's differ by the
    tare, until its report jumps. `by_person` is False where the thing itself says so beside a counter. Returns the
    verdict on readings that still waited.

    Raises:
        InvalidInput: the quantity is negative or not finite, or the instant lies before the last reading's.

    >>> tracker, _ = correct_level(LevelTracker("level", 1.0, 0.0, False, level=0.6, level_us=0, floor=0.6), 1, 0.2)
    >>> round(tracker.tare, 3), tracker.left
    (-0.4, 0.2)
    """
    if not (math.isfinite(quantity) and quantity >= 0):
        raise InvalidInput("quantity", quantity, "a finite number of units, 0 or more")
    check_instant(at_us)
    if tracker.last_us is not None and at_us < tracker.last_us:
        raise InvalidInput("at_us", at_us, f"an instant not before the last reading's, {tracker.last_us}")
    waiting = tracker.pending
    settled = None
    if waiting is not None:
        settled = Settled(waiting.first_us, waiting.last_us, "unchanged", "a person then said what is left")
    word = tracker.ordinal or tracker.last_word
    says_level = tracker.measure == "level" and tracker.ordinal is None
    own = None
    if says_level and waiting is not None:
        own = waiting.quantity
    elif says_level and not tracker.awaits_tare:
        own = tracker.level
    corrected = anchored(tracker, quantity if own is None else own, at_us, variance=0.0)
    corrected = replace(
        corrected,
        floor=None if own is None and tracker.measure == "level" else corrected.floor,
        tare=0.0 if own is None else quantity - own,
        corrected_us=at_us if by_person else None,
        last_word=word,
        last_us=at_us,
        rubbish_run=0,
    )
    return corrected, settled


def tared(tracker: LevelTracker, at_us: int, quantity: float) -> LevelTracker:
    """The thing's first number after a person's word that stood alone: the difference is the tare, if it comes soon."""
    assert tracker.corrected_us is not None
    assert tracker.level is not None
    known = anchored(tracker, quantity, at_us, variance=tracker.reading_variance)
    if at_us - tracker.corrected_us > _TARED_WITHIN_US:
        return known
    return replace(known, tare=tracker.level - quantity, corrected_us=tracker.corrected_us)


def add_pack(
    tracker: LevelTracker, at_us: int, size: float | None = None, *, by_person: bool = True
) -> tuple[LevelTracker, Refill]:
    """A new pack went in that the thing itself cannot show (a counter, increments): `size` units, or full if None.

    Raises:
        InvalidInput: a size that is not positive and finite, or neither size nor capacity is known.
    """
    if size is not None and not (math.isfinite(size) and size > 0):
        raise InvalidInput("size", size, "a positive finite number of units, or None for full")
    before = tracker.left
    if size is None:
        after = tracker.capacity
        size = None if before is None or after is None else max(0.0, after - before)
    else:
        after = None if before is None else before + size
        if after is None:
            after = size  # the level was unknown: at least the new pack is there
    if after is None:
        raise InvalidInput("size", size, "the pack's size, because the slot's capacity is not known")
    filled, _ = correct_level(tracker, at_us, after, by_person=by_person)
    return replace(filled, refills=tracker.refills + 1), Refill(at_us, size, before, after)
