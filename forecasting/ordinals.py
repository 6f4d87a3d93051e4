"""Tracking a slot that knows no number and says "ok", "low" or "empty".

The words stand for wide levels. "ok" alone says nothing about how long it lasts: the level stays unknown. "ok" after
"low" or "empty" is a refill of unknown size; from it on the level is known again, and the time until the next "low"
teaches the rate. A repeated word moves nothing; it only proves that the slot is not empty yet.
"""

from dataclasses import replace

from forecasting.local_days import DAY_US
from forecasting.tracker import Consumption, LevelTracker, Ordinal, Outcome, Refill, Settled, anchored, forgotten

# What a word means: mean and standard deviation of the level, as shares of the capacity.
_FILLED = (0.85, 0.15)
_LOW = (0.12, 0.08)
_EMPTY = (0.01, 0.02)
_NUMBER_HOLDS_US = 2 * DAY_US  # a word does not overrule a number younger than this


def track_ordinal(tracker: LevelTracker, at_us: int, word: Ordinal) -> tuple[LevelTracker, Outcome]:
    """Move the tracker by one word. Without a capacity a word gives no level, but a refill is still seen."""
    if word == "unknown":
        return tracker, Outcome("unknown", "the thing does not know what is left")
    numbered = tracker.ordinal is None and tracker.level_us is not None
    if numbered and word != "empty" and at_us - (tracker.level_us or 0) <= _NUMBER_HOLDS_US:
        remembered = None if tracker.corrected_us is None else word
        return replace(tracker, last_word=remembered), Outcome("unknown", f"says {word}; the last number says more")
    if numbered and word == tracker.last_word:
        alive_us = None if word == "empty" else at_us
        return replace(tracker, alive_us=alive_us), Outcome("unchanged", f"still {word}; what you said is left stands")
    before = tracker.ordinal or tracker.last_word
    tracker, settled = _drop_pending(replace(tracker, readings=tracker.readings + 1, rubbish_run=0))
    moved, outcome = _ok(tracker, at_us, before) if word == "ok" else _sunk(tracker, at_us, word)
    return moved, replace(outcome, settled=settled)


def sunk_beside_count(tracker: LevelTracker, at_us: int) -> LevelTracker:
    """What "low" says of a slot that counts its use: about where its level is, if nobody knows that any better.

    >>> low = sunk_beside_count(LevelTracker("counter", 1000.0, 1.0, False, counter=420.0), 0)
    >>> low.left, low.counter
    (120.0, 420.0)
    """
    if tracker.left is not None or tracker.capacity is None or tracker.pending is not None:
        return tracker
    mean, sd = (share * tracker.capacity for share in _LOW)
    return anchored(tracker, mean, at_us, variance=sd**2)


def _ok(tracker: LevelTracker, at_us: int, before: Ordinal | None) -> tuple[LevelTracker, Outcome]:
    if before in {"low", "empty"}:
        refill = Refill(at_us, None, tracker.left, None)
        if tracker.capacity is None:
            filled = forgotten(tracker)
        else:
            filled = anchored(
                tracker,
                _FILLED[0] * tracker.capacity,
                at_us,
                variance=(_FILLED[1] * tracker.capacity) ** 2,
            )
        filled = replace(filled, ordinal="ok", alive_us=at_us, refills=tracker.refills + 1)
        return filled, Outcome("refill", "ok again: filled by an unknown amount", refill=refill)
    still = replace(tracker, ordinal="ok", alive_us=None if tracker.level is None else at_us)
    if tracker.level is None:
        return still, Outcome("unknown", "says only that there is enough")
    return still, Outcome("unchanged", "still enough")


def _sunk(tracker: LevelTracker, at_us: int, word: Ordinal) -> tuple[LevelTracker, Outcome]:
    alive_us = at_us if word == "low" else None
    if tracker.ordinal == word:
        return replace(tracker, alive_us=alive_us), Outcome("unchanged", f"still {word}")
    if tracker.capacity is None:
        return replace(forgotten(tracker), ordinal=word), Outcome("counted", f"{word}; no capacity, so no level")
    share, sd_share = _LOW if word == "low" else _EMPTY
    level = share * tracker.capacity
    consumed: tuple[Consumption, ...] = ()
    if tracker.level is not None and tracker.base_us is not None and at_us > tracker.base_us:
        consumed = (Consumption(max(0.0, (tracker.left or 0.0) - level), tracker.base_us, at_us),)
    sunk = anchored(tracker, level, at_us, variance=(sd_share * tracker.capacity) ** 2)
    return replace(sunk, ordinal=word, alive_us=alive_us), Outcome("counted", f"says {word}", consumed)


def _drop_pending(tracker: LevelTracker) -> tuple[LevelTracker, Settled | None]:
    """A word overtakes a number that still waits."""
    pending = tracker.pending
    if pending is None:
        return tracker, None
    settled = Settled(pending.first_us, pending.last_us, "outlier", "the thing then said a word instead")
    return replace(tracker, pending=None, outliers=tracker.outliers + pending.count), settled
