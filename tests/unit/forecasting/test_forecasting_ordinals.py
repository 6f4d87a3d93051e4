"""Slots that know no number: honest wide levels, refills of unknown size, a rate from whole cycles."""

import pytest

from forecasting import (
    Depletion,
    LevelTracker,
    Outcome,
    Reading,
    UnknownDepletion,
    begin,
    correct_level,
    demand,
    forecast,
    level_of,
    prior_for,
    start_tracking,
    track,
    update,
)
from forecasting.local_days import DAY_US
from forecasting.tracker import Ordinal

START_US = 1_780_272_000_000_000


def words(tracker: LevelTracker, *said: tuple[int, Ordinal]) -> tuple[LevelTracker, list[Outcome]]:
    outcomes = []
    for day, word in said:
        tracker, outcome = track(tracker, Reading(START_US + day * DAY_US, None, ordinal=word))
        outcomes.append(outcome)
    return tracker, outcomes


def toner() -> LevelTracker:
    return start_tracking("level", capacity=100.0)


def test_ok_alone_says_nothing_about_the_date() -> None:
    tracker, outcomes = words(toner(), (0, "ok"), (1, "ok"))
    assert level_of(tracker) is None
    assert outcomes[1].verdict == "unknown"
    outcome = forecast(begin(prior_for("toner"), 100.0), level_of(tracker), START_US + DAY_US, "UTC")
    assert isinstance(outcome, UnknownDepletion)


def test_low_is_a_wide_level_and_its_forecast_is_wide() -> None:
    tracker, _ = words(toner(), (0, "ok"), (1, "low"))
    known = level_of(tracker)
    assert known is not None
    assert 0.05 < known.mean / 100.0 < 0.25
    assert known.sd > 0.4 * known.mean
    outcome = forecast(begin(prior_for("toner"), 100.0), known, START_US + DAY_US, "UTC")
    assert isinstance(outcome, Depletion)
    assert outcome.p10_us is not None
    assert outcome.p50_us is not None
    assert outcome.p50_us - outcome.p10_us > DAY_US


def test_ok_after_low_is_a_refill_of_unknown_size() -> None:
    tracker, outcomes = words(toner(), (0, "low"), (5, "ok"))
    refill = outcomes[1].refill
    assert refill is not None
    assert refill.size is None
    assert refill.at_us == START_US + 5 * DAY_US
    known = level_of(tracker)
    assert known is not None
    assert known.mean > 60.0
    assert known.sd > 10.0


def test_a_whole_cycle_teaches_the_rate() -> None:
    _, outcomes = words(toner(), (0, "low"), (5, "ok"), (45, "low"))
    (consumed,) = outcomes[2].consumed
    assert (consumed.from_us, consumed.to_us) == (START_US + 5 * DAY_US, START_US + 45 * DAY_US)
    assert 60.0 < consumed.used < 90.0
    state = update(begin(prior_for("toner"), 100.0), consumed.used, consumed.from_us, consumed.to_us, "UTC")
    assert demand(state, START_US + 45 * DAY_US).daily == pytest.approx(consumed.used / 40, rel=0.25)


def test_repeated_words_move_nothing_but_prove_that_it_is_not_empty() -> None:
    tracker, outcomes = words(toner(), (0, "low"), (3, "low"), (6, "low"))
    known = level_of(tracker)
    assert known is not None
    assert known.at_us == START_US
    assert known.alive_us == START_US + 6 * DAY_US
    assert outcomes[2].verdict == "unchanged"
    state = begin(prior_for("toner"), 100.0)
    outcome = forecast(state, known, START_US + 6 * DAY_US, "UTC")
    assert isinstance(outcome, Depletion)
    assert outcome.risk(0) == 0.0


def test_empty_is_nearly_nothing() -> None:
    tracker, _ = words(toner(), (0, "low"), (4, "empty"))
    known = level_of(tracker)
    assert known is not None
    assert known.mean + known.sd < 5.0
    assert known.alive_us is None


def test_a_young_number_says_more_than_a_word_but_empty_is_believed() -> None:
    tracker, _ = track(toner(), Reading(START_US, 40.0))
    same, outcomes = words(tracker, (1, "low"))
    assert level_of(same) == level_of(tracker)
    assert outcomes[0].verdict == "unknown"
    emptied, _ = words(tracker, (1, "empty"))
    known = level_of(emptied)
    assert known is not None
    assert known.mean < 5.0


def test_a_level_said_by_a_person_stands_until_the_thing_says_low() -> None:
    tracker, _ = words(toner(), (0, "ok"))
    tracker, _ = correct_level(tracker, START_US + DAY_US, 50.0)
    tracker, _ = words(tracker, (2, "ok"), (10, "ok"))
    known = level_of(tracker)
    assert known is not None
    assert known.mean == 50.0
    tracker, outcomes = words(tracker, (20, "low"))
    known = level_of(tracker)
    assert known is not None
    assert known.mean < 25.0
    assert sum(one.used for one in outcomes[0].consumed) == pytest.approx(38.0)


def test_without_a_capacity_a_word_gives_no_level_but_a_refill_is_seen() -> None:
    tracker, outcomes = words(start_tracking("level", capacity=None), (0, "low"), (5, "ok"))
    assert level_of(tracker) is None
    assert outcomes[1].refill is not None


def test_a_thing_that_does_not_know_is_unknown() -> None:
    tracker, outcomes = words(toner(), (0, "unknown"))
    assert outcomes[0].verdict == "unknown"
    assert level_of(tracker) is None
    assert tracker.readings == 0
