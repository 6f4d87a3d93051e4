"""Tracking a slot that says how much was used: a counter that only grows, or increments.

Neither shows a refill by itself. The level follows from a full cartridge (a counter that starts anew), from a person
(`corrections.correct_level`) or from a pack known to have been put in (`corrections.add_pack`); until then it is
unknown, while the use is counted all the same.
"""

from dataclasses import replace

from forecasting.tracker import (
    Consumption,
    LevelTracker,
    Outcome,
    Pending,
    Refill,
    Settled,
    anchored,
    forgotten,
    rejected,
)

_FULL_SD_SHARE = 0.03  # packs differ
_RESTART_SD_SHARE = 0.05  # what may have been used unseen while a thing started anew
_MOST_SHARE = 1.25


def track_counter(
    tracker: LevelTracker, at_us: int, quantity: float, *, restarted: bool
) -> tuple[LevelTracker, Outcome]:
    """Move the tracker by one reading of a counter."""
    if quantity < 0:
        return rejected(tracker, "a counter below nothing")
    tracker = replace(tracker, rubbish_run=0)
    if restarted:
        return _restart(tracker, at_us, quantity, at_us)
    if tracker.counter is None:
        started = replace(tracker, counter=quantity, base_us=at_us, readings=tracker.readings + 1)
        return started, Outcome("counted", "first known counter")
    step = quantity - tracker.counter
    plausible = step >= 0 and (tracker.capacity is None or step <= _MOST_SHARE * tracker.capacity)
    if tracker.pending is not None:
        return _resolve(tracker, tracker.pending, at_us, quantity, plausible=plausible)
    if plausible:
        return _count(tracker, at_us, quantity)
    reason = "the counter fell" if step < 0 else "the counter leapt by more than a full slot"
    waiting = replace(tracker, pending=Pending(quantity, at_us, at_us, 1))
    return waiting, Outcome("pending", f"{reason}; waits for the next reading")


def track_increment(tracker: LevelTracker, at_us: int, quantity: float, *, gap: bool) -> tuple[LevelTracker, Outcome]:
    """Move the tracker by one increment. Lost increments before it leave the level unknown."""
    if quantity < 0:
        return rejected(tracker, "an increment below nothing")
    if tracker.capacity is not None and quantity > _MOST_SHARE * tracker.capacity:
        return rejected(tracker, "more used than fits")
    tracker = replace(tracker, rubbish_run=0, readings=tracker.readings + 1)
    if gap:
        lost = replace(forgotten(tracker), base_us=at_us)
        return lost, Outcome("unknown", "increments before it were lost, so the level is not known")
    return _use(tracker, at_us, quantity)


def _count(tracker: LevelTracker, at_us: int, quantity: float) -> tuple[LevelTracker, Outcome]:
    used = 0.0 if tracker.counter is None else quantity - tracker.counter
    return _use(replace(tracker, counter=quantity, readings=tracker.readings + 1), at_us, used)


def _use(tracker: LevelTracker, at_us: int, used: float) -> tuple[LevelTracker, Outcome]:
    """Take what was used off the level and say over which time it was used."""
    base_us = tracker.base_us
    moved = replace(tracker, base_us=at_us if base_us is None else max(base_us, at_us))
    if tracker.level is not None and tracker.level_us is not None:
        left = max(0.0, tracker.level - used)
        moved = replace(moved, level=left, floor=left, level_us=max(tracker.level_us, at_us))
    consumed: tuple[Consumption, ...] = ()
    if base_us is not None:
        # A late increment belongs to time already counted: it adds use and no time.
        consumed = (Consumption(used, base_us, max(base_us, at_us)),)
    if used > 0:
        return moved, Outcome("counted", "used since the reading before", consumed)
    return moved, Outcome("unchanged", "nothing used", consumed)


def _resolve(
    tracker: LevelTracker, pending: Pending, at_us: int, quantity: float, *, plausible: bool
) -> tuple[LevelTracker, Outcome]:
    """A foreign or broken number is followed by the true one; a counter with a new base goes on from there."""
    if plausible:
        cleared = replace(tracker, pending=None, outliers=tracker.outliers + pending.count)
        cleared, outcome = _count(cleared, at_us, quantity)
        settled = Settled(pending.first_us, pending.last_us, "outlier", "the next reading went on as before")
        return cleared, replace(outcome, settled=settled)
    onward = quantity - pending.quantity
    if onward < 0 or (tracker.capacity is not None and onward > _MOST_SHARE * tracker.capacity):
        settled = Settled(pending.first_us, pending.last_us, "outlier", "the next reading did not go on from it")
        waiting = replace(
            tracker, pending=Pending(quantity, at_us, at_us, 1), outliers=tracker.outliers + pending.count
        )
        return waiting, Outcome("pending", "again a counter out of line; waits for the next reading", settled=settled)
    if tracker.cartridge and tracker.counter is not None and pending.quantity < tracker.counter:
        filled, outcome = _restart(tracker, pending.first_us, pending.quantity, pending.first_us)
        settled = Settled(pending.first_us, pending.last_us, "refill", "the counter began anew: a new cartridge")
        filled, onwards = _count(filled, at_us, quantity)
        return filled, replace(onwards, refill=outcome.refill, settled=settled)
    based = replace(
        forgotten(tracker),
        counter=pending.quantity,
        base_us=pending.first_us,
        readings=tracker.readings + pending.count,
    )
    based, outcome = _count(based, at_us, quantity)
    settled = Settled(
        pending.first_us, pending.last_us, "unknown", "the counter goes on from another base; the level is not known"
    )
    return based, replace(outcome, settled=settled)


def _restart(tracker: LevelTracker, at_us: int, quantity: float, since_us: int) -> tuple[LevelTracker, Outcome]:
    """A counter that began anew: a new cartridge where the slot takes one, else a thing that started again."""
    settled = None
    if tracker.pending is not None and tracker.pending.first_us < since_us:
        reason = "the counter began anew after it"
        settled = Settled(tracker.pending.first_us, tracker.pending.last_us, "outlier", reason)
        tracker = replace(tracker, outliers=tracker.outliers + tracker.pending.count)
    tracker = replace(tracker, pending=None, readings=tracker.readings + 1)
    if tracker.cartridge:
        before, capacity = tracker.level, tracker.capacity
        refill = Refill(at_us, None if before is None or capacity is None else capacity - before, before, capacity)
        if capacity is None:
            new = replace(tracker, level=None, level_variance=0.0, level_us=None, floor=None, base_us=at_us)
        else:
            left = max(0.0, capacity - quantity)
            new = anchored(tracker, left, at_us, variance=(_FULL_SD_SHARE * capacity) ** 2)
        new = replace(new, counter=quantity, refills=new.refills + 1)
        return new, Outcome("refill", "the counter began anew: a new cartridge", refill=refill, settled=settled)
    known = replace(tracker, counter=quantity, base_us=at_us)
    if tracker.level is not None:
        left = max(0.0, tracker.level - quantity)
        variance = tracker.level_variance + (_RESTART_SD_SHARE * tracker.scale) ** 2
        known = replace(known, level=left, floor=left, level_variance=variance, level_us=at_us)
    return known, Outcome("counted", "the counter began anew; use in between is not known", settled=settled)
