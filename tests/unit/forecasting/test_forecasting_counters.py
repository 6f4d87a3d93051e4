"""Slots that say what was used: counters with restarts and foreign numbers, increments with gaps."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting import LevelTracker, Outcome, Reading, add_pack, clean, level_of, start_tracking, track
from forecasting.local_days import DAY_US

START_US = 1_780_272_000_000_000
HOUR_US = DAY_US // 24


def run(tracker: LevelTracker, *readings: Reading) -> tuple[LevelTracker, list[Outcome]]:
    outcomes = []
    for reading in readings:
        tracker, outcome = track(tracker, reading)
        outcomes.append(outcome)
    return tracker, outcomes


def at(hour: int, quantity: float | None, **flags: bool) -> Reading:
    return Reading(START_US + hour * HOUR_US, quantity, **flags)


def used(outcomes: list[Outcome]) -> float:
    return sum(one.used for outcome in outcomes for one in outcome.consumed)


def test_a_counters_use_is_its_differences_while_its_level_is_unknown() -> None:
    tracker, outcomes = run(start_tracking("counter", capacity=1000.0), at(0, 5000.0), at(1, 5040.0), at(2, 5040.0))
    assert used(outcomes) == 40.0
    assert [outcome.verdict for outcome in outcomes] == ["counted", "counted", "unchanged"]
    assert level_of(tracker) is None


def test_a_counter_that_began_anew_in_a_cartridge_slot_is_a_full_cartridge() -> None:
    tracker = start_tracking("counter", capacity=1000.0, cartridge=True)
    tracker, outcomes = run(tracker, at(0, 900.0), at(1, 950.0), at(2, 30.0, restarted=True), at(3, 50.0))
    refill = outcomes[2].refill
    assert refill is not None
    assert refill.after == 1000.0
    assert outcomes[2].verdict == "refill"
    known = level_of(tracker)
    assert known is not None
    assert known.mean == 950.0
    assert known.sd > 0
    assert used(outcomes) == 70.0


def test_a_machine_that_started_again_brings_no_refill_and_less_certainty() -> None:
    tracker, _ = run(start_tracking("counter", capacity=1000.0), at(0, 900.0))
    tracker, _ = add_pack(tracker, START_US + HOUR_US)
    tracker, outcomes = run(tracker, at(2, 940.0), at(3, 10.0, restarted=True), at(4, 30.0))
    assert all(outcome.refill is None for outcome in outcomes)
    known = level_of(tracker)
    assert known is not None
    assert known.mean == 930.0
    assert known.sd == pytest.approx(50.0)


def test_anothers_numbers_between_the_own_ones_are_outliers() -> None:
    foreign = [1000.0, 1010.0, 500_000.0, 1020.0, 500_100.0, 1030.0, 1040.0]
    cleaned = clean([START_US + hour * HOUR_US for hour in range(7)], foreign, measure="counter", capacity=7000.0)
    assert [cleaned.verdicts[2], cleaned.verdicts[4]] == ["outlier", "outlier"]
    assert sum(one.used for one in cleaned.consumed) == 40.0


def test_a_single_dip_is_an_outlier() -> None:
    _, outcomes = run(start_tracking("counter", capacity=100.0), at(0, 50.0), at(1, 0.0), at(2, 52.0))
    assert outcomes[2].settled is not None
    assert outcomes[2].settled.verdict == "outlier"
    assert used(outcomes) == 2.0


def test_a_new_base_that_stays_leaves_the_level_unknown_and_counts_on() -> None:
    tracker, _ = run(start_tracking("counter", capacity=100.0), at(0, 50.0))
    tracker, _ = add_pack(tracker, START_US + HOUR_US)
    tracker, outcomes = run(tracker, at(2, 55.0), at(3, 90_000.0), at(4, 90_004.0), at(5, 90_006.0))
    assert level_of(tracker) is None
    assert used(outcomes) == 11.0
    assert outcomes[2].settled is not None
    assert outcomes[2].settled.verdict == "unknown"


def test_an_undeclared_restart_of_a_cartridge_is_seen_at_its_second_reading() -> None:
    tracker = start_tracking("counter", capacity=100.0, cartridge=True)
    tracker, outcomes = run(tracker, at(0, 80.0), at(1, 3.0), at(2, 5.0))
    assert outcomes[2].refill is not None
    assert outcomes[2].refill.at_us == START_US + HOUR_US
    known = level_of(tracker)
    assert known is not None
    assert known.mean == pytest.approx(95.0)


def test_increments_lower_a_level_once_it_is_known() -> None:
    tracker, first = run(start_tracking("increment", capacity=100.0), at(0, 2.0), at(1, 3.0))
    assert level_of(tracker) is None
    tracker, _ = add_pack(tracker, START_US + 2 * HOUR_US)
    tracker, second = run(tracker, at(3, 4.0))
    known = level_of(tracker)
    assert known is not None
    assert known.mean == 96.0
    assert used(first) == 3.0  # over which time the first was used is not known
    assert used(second) == 4.0


def test_lost_increments_make_the_level_unknown() -> None:
    tracker, _ = add_pack(start_tracking("increment", capacity=100.0), START_US)
    tracker, outcomes = run(tracker, at(1, 5.0), at(2, 5.0, gap=True))
    assert level_of(tracker) is None
    assert outcomes[1].verdict == "unknown"
    assert used(outcomes) == 5.0


def test_a_late_increment_still_counts_and_adds_no_time() -> None:
    tracker, _ = add_pack(start_tracking("increment", capacity=100.0), START_US)
    tracker, outcomes = run(tracker, at(3, 5.0), at(2, 7.0))
    known = level_of(tracker)
    assert known is not None
    assert known.mean == 88.0
    assert outcomes[1].consumed[0].from_us == outcomes[1].consumed[0].to_us


@pytest.mark.parametrize(("measure", "quantity"), [("counter", -1.0), ("increment", -1.0), ("increment", 1e6)])
def test_impossible_numbers_are_outliers(measure: str, quantity: float) -> None:
    tracker, outcomes = run(start_tracking(measure, capacity=100.0), at(0, 1.0), at(1, quantity))  # type: ignore[arg-type]
    assert outcomes[1].verdict == "outlier"
    assert tracker.outliers == 1


@given(
    measure=st.sampled_from(["counter", "increment"]),
    steps=st.lists(st.tuples(st.floats(min_value=-10, max_value=1e7), st.booleans(), st.booleans()), max_size=40),
    cartridge=st.booleans(),
)
def test_any_numbers_leave_ordered_use_and_a_tracker_that_survives_json(
    measure: str, steps: list[tuple[float, bool, bool]], cartridge: bool
) -> None:
    tracker = start_tracking(measure, capacity=100.0, cartridge=cartridge)  # type: ignore[arg-type]
    end_us = 0
    for hour, (quantity, restarted, gap) in enumerate(steps):
        tracker, outcome = track(tracker, at(hour, quantity, restarted=restarted, gap=gap))
        for one in outcome.consumed:
            assert end_us <= one.from_us <= one.to_us
            assert one.used >= 0
            end_us = one.to_us
        known = level_of(tracker)
        assert known is None or 0 <= known.mean <= 100.0
        assert LevelTracker.from_dict(json.loads(json.dumps(tracker.to_dict()))) == tracker
