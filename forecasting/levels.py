"""Tracking a slot that says how much is left.

A small filter follows the level; use is counted as its running minimum sinks, so noise is counted once at most and
not at every reading. A rise above the threshold is a refill, and a fall to nothing a drop-out or the truth: both wait
until the next readings stay there.

All of this follows the thing's own numbers. Where a person corrected the level, the tare stands beside them, and falls
away when the thing's own report jumps: by a refill, or to where the person said it is.
"""

import math
from dataclasses import replace

from forecasting.corrections import tared
from forecasting.local_days import DAY_US
from forecasting.tracker import (
    Consumption,
    LevelTracker,
    Outcome,
    Pending,
    Refill,
    Settled,
    anchored,
    rejected,
    with_noise,
)

LONGEST_GAP_US = 92 * DAY_US  # a refill may hide in a longer silence, so its use is not counted
_MOST_SHARE = 1.25  # of the capacity: more does not fit
_LEAST_SHARE = -0.02  # a scale may read a little below nothing
_JUMP_NOISES = 5.0
_JUMP_STEPS = 2.0
_JUMP_SHARE = 0.05
_EMPTY_SHARE = 0.02
_STEEP_SHARE = 0.5
_DWELL_US = 120_000_000  # things that report every second slosh: a jump must stay this long
_STILL_RISING = 5  # readings a filling may take
_DAILY_WANDER_SHARE = 0.1  # of the scale: how far use moves the level in a day, for the filter
_CLEAR_FALL = 3.0  # standard deviations: a fall the filter follows at once
_ABOVE_NOISES = 3.0
_ABOVE_SHARE = 0.01
_ABOVE_US = DAY_US
_COMES_ROUND_US = DAY_US  # a fall to where a person said it is, later than this, may as well be use


def jump_threshold(tracker: LevelTracker) -> float:
    """The rise, in units, from which on a reading may be a refill: noise, sensor step and capacity each set a least."""
    return max(
        _JUMP_NOISES * math.sqrt(tracker.reading_variance),
        _JUMP_STEPS * tracker.quantum,
        _JUMP_SHARE * tracker.scale,
    )


def track_level(tracker: LevelTracker, at_us: int, quantity: float) -> tuple[LevelTracker, Outcome]:
    """Move the tracker by one reading of what is left."""
    if quantity < _LEAST_SHARE * tracker.scale:
        return rejected(tracker, "below nothing")
    if tracker.capacity is not None and quantity > _MOST_SHARE * tracker.capacity:
        return rejected(tracker, "more than fits")
    quantity = max(0.0, quantity)
    tracker = replace(
        tracker, rubbish_run=0, peak=max(tracker.peak, quantity) if tracker.level is None else tracker.peak
    )
    unknown = tracker.level is None or tracker.level_us is None or tracker.floor is None
    if unknown or tracker.ordinal is not None or at_us - (tracker.level_us or 0) > LONGEST_GAP_US:
        return _known_again(tracker, at_us, quantity, never=unknown)
    if tracker.pending is not None:
        return _resolve(tracker, tracker.pending, _known(tracker)[0], at_us, quantity)
    return _judge(tracker, at_us, quantity)


def _known_again(tracker: LevelTracker, at_us: int, quantity: float, *, never: bool) -> tuple[LevelTracker, Outcome]:
    """A number where none was known, or none for so long that nothing can be said of the time between."""
    if tracker.awaits_tare:
        known = tared(tracker, at_us, quantity)
        reason = "first known level; the difference to what you said is kept" if known.tare else "first known level"
    else:
        known = anchored(tracker, quantity, at_us, variance=tracker.reading_variance)
        reason = "first known level" if never else "a level again after a long unknown time"
    return replace(known, readings=known.readings + 1), Outcome("counted", reason)


def _judge(tracker: LevelTracker, at_us: int, quantity: float) -> tuple[LevelTracker, Outcome]:
    """Accept a reading, or let a suspicious one wait."""
    level, floor = _known(tracker)
    jump = jump_threshold(tracker) * (1 - 1e-9)
    waiting = replace(tracker, pending=Pending(quantity, at_us, at_us, 1))
    if quantity - level >= jump or quantity - floor >= 1.5 * jump:
        return waiting, Outcome("pending", "a rise that may be a refill; waits for the next reading")
    fall = level - quantity
    if fall >= jump and _comes_round(tracker, at_us, quantity):
        return _agreed(tracker, at_us, quantity, 1), Outcome("counted", "fell to where you said it is: it counts anew")
    if fall >= jump and (quantity <= _EMPTY_SHARE * tracker.scale or fall > _STEEP_SHARE * tracker.scale):
        return waiting, Outcome("pending", "a fall that may be a drop-out; waits for the next reading")
    if tracker.tare >= jump and quantity <= _EMPTY_SHARE * tracker.scale:
        # It may be at the end of what it can measure, or at the end of what there is.
        return tracker, Outcome("unknown", "says empty; by your correction more is left than it can see")
    return _accept(tracker, at_us, quantity)


def _resolve(
    tracker: LevelTracker, pending: Pending, level: float, at_us: int, quantity: float
) -> tuple[LevelTracker, Outcome]:
    """Confirm or refute the pending reading by the present one."""
    jump = jump_threshold(tracker) * (1 - 1e-9)
    rise = pending.quantity > level
    stays = quantity - level >= jump if rise else quantity <= pending.quantity + jump
    if not stays:
        cleared = replace(tracker, pending=None, outliers=tracker.outliers + pending.count)
        cleared, outcome = _judge(cleared, at_us, quantity)
        reason = "a single peak: the next reading was back" if rise else "a drop-out: the next reading was back"
        return cleared, replace(outcome, settled=Settled(pending.first_us, pending.last_us, "outlier", reason))
    count = pending.count + 1
    if rise and quantity - pending.quantity >= jump and count <= _STILL_RISING:
        grown = Pending(quantity, pending.first_us, at_us, count)
        return replace(tracker, pending=grown), Outcome("pending", "still rising; waits for the next reading")
    if at_us - pending.first_us < _DWELL_US:
        mean = pending.quantity + (quantity - pending.quantity) / count
        stayed = Pending(mean, pending.first_us, at_us, count)
        return replace(tracker, pending=stayed), Outcome("pending", "stays so far; waits until it has stayed 2 minutes")
    return (
        _confirm_rise(tracker, pending, at_us, quantity) if rise else _confirm_fall(tracker, pending, at_us, quantity)
    )


def _confirm_rise(tracker: LevelTracker, pending: Pending, at_us: int, quantity: float) -> tuple[LevelTracker, Outcome]:
    level, after = _known(tracker)[0], pending.quantity
    left = level if tracker.left is None else tracker.left
    jump = jump_threshold(tracker)
    if abs(tracker.tare) >= jump > abs(after - left):
        risen, outcome = _judge(_agreed(tracker, pending.first_us, after, pending.count), at_us, quantity)
        settled = Settled(pending.first_us, pending.last_us, "counted", "rose to where you said it is: it counts anew")
        return risen, replace(outcome, settled=settled)
    # What was left by the person's word; where the pack only makes up a part of that, by the thing's own.
    before = left if after - left >= jump else level
    filled = anchored(tracker, after, pending.first_us, variance=tracker.reading_variance / pending.count)
    filled = replace(filled, readings=filled.readings + pending.count, refills=filled.refills + 1)
    filled, outcome = _judge(filled, at_us, quantity)
    refill = Refill(pending.first_us, after - before, before, after)
    settled = Settled(pending.first_us, pending.last_us, "refill", "a rise that stayed")
    return filled, replace(outcome, refill=refill, settled=settled)


def _confirm_fall(tracker: LevelTracker, pending: Pending, at_us: int, quantity: float) -> tuple[LevelTracker, Outcome]:
    if _comes_round(tracker, pending.first_us, pending.quantity):
        fallen, outcome = _judge(_agreed(tracker, pending.first_us, pending.quantity, pending.count), at_us, quantity)
        settled = Settled(pending.first_us, pending.last_us, "counted", "fell to where you said it is: it counts anew")
        return fallen, replace(outcome, settled=settled)
    sunk, first = _accept(replace(tracker, pending=None), pending.first_us, pending.quantity)
    sunk = replace(sunk, readings=sunk.readings + pending.count - 1)
    sunk, outcome = _judge(sunk, at_us, quantity)
    settled = Settled(pending.first_us, pending.last_us, "counted", "a fall that stayed")
    return sunk, replace(outcome, consumed=first.consumed + outcome.consumed, settled=settled)


def _comes_round(tracker: LevelTracker, at_us: int, quantity: float) -> bool:
    """Say whether a thing that was corrected now says by itself what the person said."""
    if tracker.corrected_us is None or at_us - tracker.corrected_us > _COMES_ROUND_US:
        return False
    left, jump = tracker.left, jump_threshold(tracker)
    return left is not None and abs(tracker.tare) >= jump > abs(quantity - left)


def _agreed(tracker: LevelTracker, at_us: int, quantity: float, count: int) -> LevelTracker:
    """The thing counts anew from its own number, and no correction is needed any more."""
    known = anchored(tracker, quantity, at_us, variance=tracker.reading_variance / count)
    return replace(known, readings=known.readings + count)


def _accept(tracker: LevelTracker, at_us: int, quantity: float) -> tuple[LevelTracker, Outcome]:
    """Filter the reading into the level and count what the floor sank."""
    level, floor = _known(tracker)
    since_us = at_us - (tracker.level_us or at_us)
    noise = tracker.reading_variance
    predicted = tracker.level_variance + (_DAILY_WANDER_SHARE * tracker.scale) ** 2 * since_us / DAY_US
    total = predicted + noise
    innovation = quantity - level
    follow = total == 0 or innovation < -_CLEAR_FALL * math.sqrt(total)
    gain = 1.0 if follow else predicted / total
    estimate = max(0.0, level + gain * innovation)
    sunk = min(floor, estimate)
    moved = replace(
        with_noise(tracker, innovation),
        level=estimate,
        level_variance=noise if follow else (1 - gain) * predicted,
        level_us=at_us,
        floor=sunk,
        base_us=at_us,
        peak=max(tracker.peak, quantity),
        readings=tracker.readings + 1,
    )
    moved = _lift_floor(moved, at_us)
    base_us = tracker.base_us
    used = floor - sunk
    consumed = () if base_us is None or at_us <= base_us else (Consumption(used, base_us, at_us),)
    if used > 0:
        return moved, Outcome("counted", "used since the reading before", consumed)
    return moved, Outcome("unchanged", "nothing used beyond the noise", consumed)


def _lift_floor(tracker: LevelTracker, at_us: int) -> LevelTracker:
    """A level that stands clearly above the floor for a day was topped up a little: count from there again."""
    level, floor = _known(tracker)
    margin = max(_ABOVE_NOISES * math.sqrt(tracker.reading_variance), _ABOVE_SHARE * tracker.scale)
    if level - floor <= margin:
        return replace(tracker, above_us=None) if tracker.above_us is not None else tracker
    if tracker.above_us is None:
        return replace(tracker, above_us=at_us)
    if at_us - tracker.above_us >= _ABOVE_US:
        return replace(tracker, floor=level, above_us=None)
    return tracker


def _known(tracker: LevelTracker) -> tuple[float, float]:
    assert tracker.level is not None
    assert tracker.floor is not None
    return tracker.level, tracker.floor
