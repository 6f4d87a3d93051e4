"""A level put right by hand: the person's word stands, and the thing's numbers go on from it as differences."""

import pytest

from forecasting import (
    LevelTracker,
    Outcome,
    Reading,
    begin,
    correct_level,
    explain,
    forecast,
    level_of,
    prior_for,
    start_tracking,
    track,
)
from forecasting.local_days import DAY_US
from forecasting.tracker import Ordinal

START_US = 1_780_272_000_000_000
HOUR_US = DAY_US // 24


def said(tracker: LevelTracker, start_hour: float, *quantities: float) -> tuple[LevelTracker, list[Outcome]]:
    """Let the thing say these levels, one an hour."""
    outcomes = []
    for hour, quantity in enumerate(quantities):
        at_us = START_US + round((start_hour + hour) * HOUR_US)
        tracker, outcome = track(tracker, Reading(at_us, quantity))
        outcomes.append(outcome)
    return tracker, outcomes


def corrected(own: float, to: float) -> LevelTracker:
    """Return a slot of 100 that said `own` and was put right at the end of its first hour."""
    tracker, _ = said(start_tracking("level", capacity=100.0), 0, own, own)
    tracker, _ = correct_level(tracker, START_US + 2 * HOUR_US, to)
    return tracker


def left(tracker: LevelTracker) -> float | None:
    known = level_of(tracker)
    return None if known is None else known.mean


@pytest.mark.parametrize(("own", "to"), [(60.0, 30.0), (30.0, 80.0), (60.0, 0.0), (10.0, 100.0)])
def test_the_next_reading_that_says_otherwise_does_not_overrule_the_person(own: float, to: float) -> None:
    tracker, outcomes = said(corrected(own, to), 3, own, own, own)
    assert left(tracker) == pytest.approx(to, abs=0.1)
    assert [one.refill for one in outcomes] == [None] * 3
    assert sum(part.used for one in outcomes for part in one.consumed) == pytest.approx(0, abs=0.1)


def test_what_is_used_after_a_correction_is_counted_from_it() -> None:
    tracker, outcomes = said(corrected(80.0, 50.0), 3, 78, 74, 70)
    assert left(tracker) == pytest.approx(40, abs=1)
    assert sum(part.used for one in outcomes for part in one.consumed) == pytest.approx(10, abs=1)


def test_a_refill_ends_the_correction_and_is_measured_from_what_was_left() -> None:
    tracker, outcomes = said(corrected(10.0, 40.0), 3, 10, 100, 100)
    (refill,) = [one.refill for one in outcomes if one.refill is not None]
    assert refill.before == pytest.approx(40, abs=0.5)
    assert (refill.after, refill.size) == (100, pytest.approx(60, abs=0.5))
    assert left(tracker) == pytest.approx(100, abs=0.5)
    assert tracker.corrected_us is None


def test_a_thing_that_rises_to_where_the_person_said_it_is_saw_no_new_pack() -> None:
    tracker, outcomes = said(corrected(10.0, 98.0), 3, 10, 100, 100)
    assert [one.refill for one in outcomes] == [None] * 3
    assert left(tracker) == pytest.approx(100, abs=0.5)
    assert tracker.corrected_us is None


@pytest.mark.parametrize("own", [60.0, 95.0])
def test_a_thing_that_falls_to_where_the_person_said_it_is_saw_nothing_used(own: float) -> None:
    tracker, outcomes = said(corrected(own, 30.0), 3, 29, 29, 29)
    assert left(tracker) == pytest.approx(29, abs=0.5)
    assert sum(part.used for one in outcomes for part in one.consumed) == pytest.approx(0, abs=0.5)
    assert tracker.corrected_us is None


def test_a_fall_days_later_is_use_even_when_it_ends_where_the_person_once_said_it_is() -> None:
    tracker, outcomes = said(corrected(60.0, 30.0), 3 * 24, 31)
    assert sum(part.used for one in outcomes for part in one.consumed) == pytest.approx(29, abs=1)
    assert left(tracker) == pytest.approx(1, abs=1)


def test_a_thing_at_its_end_says_no_more_about_what_a_person_saw() -> None:
    tracker, outcomes = said(corrected(10.0, 60.0), 3, 7, 4, 1, 0, 0)
    assert outcomes[-1].verdict == "unknown"
    known = level_of(tracker)
    assert known is not None
    assert known.mean == pytest.approx(54, abs=2)
    assert known.at_us < START_US + 6 * HOUR_US, "what it cannot see any more is silence, and silence widens"


def test_readings_that_waited_are_settled_by_the_persons_word() -> None:
    tracker, outcomes = said(start_tracking("level", capacity=100.0), 0, 20, 20, 100)
    assert outcomes[-1].verdict == "pending"
    tracker, settled = correct_level(tracker, START_US + 3 * HOUR_US, 95.0)
    assert settled is not None
    assert settled.verdict == "unchanged"
    tracker, outcomes = said(tracker, 4, 100, 100)
    assert left(tracker) == pytest.approx(95, abs=0.5)
    assert [one.refill for one in outcomes] == [None, None]


def test_a_thing_never_heard_is_taken_as_a_difference_when_it_speaks_within_a_day() -> None:
    tracker, _ = correct_level(start_tracking("level", capacity=100.0), START_US, 70.0)
    soon, _ = said(tracker, 5, 40, 38)
    assert left(soon) == pytest.approx(68, abs=1)
    late, outcomes = said(tracker, 49, 40, 38)
    assert left(late) == pytest.approx(38, abs=1)
    assert sum(part.used for one in outcomes for part in one.consumed) == pytest.approx(2, abs=1)


def test_a_persons_word_is_not_lost_to_rubbish() -> None:
    tracker, outcomes = said(corrected(50.0, 40.0), 3, *[9999.0] * 8)
    assert {one.verdict for one in outcomes} == {"outlier"}
    assert left(tracker) == 40.0


def test_a_counter_goes_on_from_a_correction() -> None:
    tracker = start_tracking("counter", capacity=1000.0)
    tracker, _ = track(tracker, Reading(START_US, 5000.0))
    tracker, _ = correct_level(tracker, START_US + HOUR_US, 400.0)
    tracker, outcome = track(tracker, Reading(START_US + 2 * HOUR_US, 5100.0))
    assert left(tracker) == 300.0
    assert outcome.refill is None


def test_a_correction_is_over_when_increments_were_lost_and_nobody_knows_the_level() -> None:
    tracker, _ = correct_level(start_tracking("increment", capacity=1000.0), START_US, 400.0)
    tracker, outcome = track(tracker, Reading(START_US + HOUR_US, 20.0, gap=True))
    assert outcome.verdict == "unknown"
    assert (left(tracker), tracker.corrected_us) == (None, None)


def words(tracker: LevelTracker, *told: tuple[float, Ordinal]) -> tuple[LevelTracker, list[Outcome]]:
    outcomes = []
    for day, word in told:
        tracker, outcome = track(tracker, Reading(START_US + round(day * DAY_US), None, word))
        outcomes.append(outcome)
    return tracker, outcomes


def test_a_word_said_again_does_not_overrule_the_person() -> None:
    tracker, _ = words(start_tracking("level", capacity=100.0), (0, "ok"), (5, "low"))
    tracker, _ = correct_level(tracker, START_US + 6 * DAY_US, 50.0)
    tracker, outcomes = words(tracker, (6.5, "low"), (9, "low"), (20, "low"))
    assert left(tracker) == 50.0
    assert [part for one in outcomes for part in one.consumed] == []
    tracker, outcomes = words(tracker, (21, "empty"))
    assert left(tracker) == pytest.approx(1, abs=1)
    assert outcomes[0].verdict == "counted"


def test_ok_soon_after_a_correction_is_no_refill_and_weeks_after_it_is_one() -> None:
    low, _ = words(start_tracking("level", capacity=100.0), (0, "ok"), (5, "low"))
    filled, _ = correct_level(low, START_US + 6 * DAY_US, 100.0)
    tracker, outcomes = words(filled, (6.5, "ok"), (12, "ok"))
    assert [one.refill for one in outcomes] == [None, None]
    assert left(tracker) == 100.0
    tracker, outcomes = words(filled, (6.5, "low"), (30, "ok"))
    assert outcomes[1].refill is not None


def test_the_reasons_say_when_it_was_corrected_and_by_how_much_the_thing_disagrees() -> None:
    tracker, _ = said(corrected(60.0, 30.0), 3, 60)
    state = begin(prior_for("coffee"), 100.0)
    now_us = START_US + 4 * HOUR_US
    outcome = forecast(state, level_of(tracker), now_us, "UTC")
    texts = [one.text for one in explain(outcome, state, tracker, "g", "UTC").reasons]
    assert "Corrected by you on 1 Jun: 30\u00a0g less than the device itself says." in texts


def test_the_memory_of_before_there_were_corrections_is_still_read() -> None:
    values = start_tracking("level", capacity=1.0).to_dict()
    for field in ("tare", "corrected_us", "last_word"):
        del values[field]
    assert LevelTracker.from_dict(values).tare == 0.0
