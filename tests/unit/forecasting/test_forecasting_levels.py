"""Slots that say what is left: noise, steps, rubbish, refills, disorder."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting import (
    CleanSeries,
    InvalidInput,
    LevelTracker,
    Reading,
    add_pack,
    clean,
    correct_level,
    level_of,
    start_tracking,
    track,
)
from forecasting.local_days import DAY_US

START_US = 1_780_272_000_000_000
HOUR_US = DAY_US // 24


def hourly(quantities: list[float], **options: float) -> CleanSeries:
    instants = [START_US + hour * HOUR_US for hour in range(len(quantities))]
    return clean(
        instants,
        quantities,
        measure="level",
        capacity=options.get("capacity", 100.0),
        quantum=options.get("quantum", 0.0),
    )


def used(cleaned: CleanSeries) -> float:
    return sum(one.used for one in cleaned.consumed)


def test_a_falling_level_is_use_and_nothing_else() -> None:
    cleaned = hourly([80.0, 78.0, 75.0, 75.0, 70.0])
    assert set(cleaned.verdicts) == {"counted"}
    assert used(cleaned) == pytest.approx(10.0, abs=1.0)
    assert cleaned.refills == ()
    assert cleaned.level[-1] == pytest.approx(70.0, abs=1.0)


def test_time_without_use_is_a_fact_too() -> None:
    cleaned = hourly([50.0] * 10)
    assert used(cleaned) == 0.0
    assert sum(one.to_us - one.from_us for one in cleaned.consumed) == 9 * HOUR_US


@pytest.mark.parametrize("rubbish", [9999.0, -1.0, 0.0, math.inf, 95.0])
def test_an_isolated_reading_out_of_line_is_an_outlier(rubbish: float) -> None:
    cleaned = hourly([50.0, 49.0, rubbish, 48.0, 47.0])
    assert cleaned.verdicts[2] == "outlier"
    assert cleaned.reasons[2]
    assert cleaned.refills == ()
    assert used(cleaned) == pytest.approx(3.0, abs=0.5)


def test_unknown_is_not_zero() -> None:
    cleaned = hourly([50.0, math.nan, 48.0])
    assert cleaned.verdicts[1] == "unknown"
    assert cleaned.level[1] == pytest.approx(50.0)
    assert used(cleaned) == pytest.approx(2.0, abs=0.3)


def test_a_refill_is_confirmed_by_the_next_reading_and_dated_at_the_first_high_one() -> None:
    tracker = start_tracking("level", capacity=100.0)
    outcomes = []
    for hour, quantity in enumerate([20.0, 18.0, 98.0, 97.0]):
        tracker, outcome = track(tracker, Reading(START_US + hour * HOUR_US, quantity))
        outcomes.append(outcome)
    assert outcomes[2].verdict == "pending"
    assert outcomes[2].refill is None
    refill = outcomes[3].refill
    assert refill is not None
    assert refill.at_us == START_US + 2 * HOUR_US
    assert refill.size == pytest.approx(80.0, abs=1.0)
    assert (refill.before, refill.after) == (pytest.approx(18.0, abs=0.5), 98.0)
    settled = outcomes[3].settled
    assert settled is not None
    assert (settled.verdict, settled.from_us, settled.to_us) == ("refill", refill.at_us, refill.at_us)
    assert tracker.refills == 1


def test_use_after_a_refill_does_not_hide_it() -> None:
    cleaned = hourly([20.0, 18.0, 98.0, 60.0, 55.0])
    assert [refill.after for refill in cleaned.refills] == [98.0]
    assert cleaned.level[-1] == pytest.approx(55.0, abs=2.0)


def test_what_was_used_unseen_before_a_refill_stays_unknown() -> None:
    instants = [START_US, START_US + HOUR_US, START_US + 3 * DAY_US, START_US + 3 * DAY_US + HOUR_US]
    cleaned = clean(instants, [60.0, 58.0, 100.0, 99.0], measure="level", capacity=100.0)
    assert len(cleaned.refills) == 1
    covered = sum(one.to_us - one.from_us for one in cleaned.consumed)
    assert covered == 2 * HOUR_US


def test_a_filling_that_takes_three_readings_is_one_refill() -> None:
    cleaned = hourly([10.0, 9.0, 35.0, 60.0, 95.0, 95.0, 94.0])
    assert len(cleaned.refills) == 1
    assert cleaned.refills[0].at_us == START_US + 2 * HOUR_US
    assert cleaned.refills[0].after == 95.0


def test_a_fall_to_nothing_that_stays_is_believed() -> None:
    cleaned = hourly([50.0, 49.0, 0.0, 0.0, 0.0])
    assert cleaned.verdicts[2] == "counted"
    assert used(cleaned) == pytest.approx(50.0, abs=0.5)
    assert cleaned.level[-1] == 0.0


def test_a_bottle_lifted_for_a_moment_uses_nothing() -> None:
    cleaned = hourly([50.0, 0.0, 46.0, 0.0, 44.0])
    assert cleaned.verdicts == ("counted", "outlier", "counted", "outlier", "counted")
    assert used(cleaned) == pytest.approx(6.0, abs=1.0)


def test_after_five_implausible_readings_the_level_is_unknown() -> None:
    cleaned = hourly([50.0] + [9999.0] * 5 + [40.0])
    assert cleaned.verdicts[1:6] == ("outlier",) * 5
    assert not np.isnan(cleaned.level[4])
    assert np.isnan(cleaned.level[5])
    assert cleaned.level[6] == 40.0
    assert used(cleaned) == 0.0


def test_a_suspicious_reading_followed_by_rubbish_is_settled_too() -> None:
    cleaned = hourly([20.0, 90.0] + [-5.0] * 5)
    assert cleaned.verdicts[1] == "outlier"
    assert "pending" not in cleaned.verdicts


def test_late_and_repeated_readings_change_nothing() -> None:
    tracker = start_tracking("level", capacity=100.0)
    for at_us, quantity in ((START_US, 60.0), (START_US + HOUR_US, 55.0)):
        tracker, _ = track(tracker, Reading(at_us, quantity))
    for late_us in (START_US, START_US + HOUR_US, START_US + HOUR_US // 2):
        same, outcome = track(tracker, Reading(late_us, 10.0))
        assert same == tracker
        assert outcome.verdict == "unchanged"
        assert outcome.consumed == ()


def test_a_small_top_up_is_noticed_after_a_day_and_use_counted_from_there() -> None:
    quantities = [50.0] * 24 + [53.5] * 48 + [52.0, 51.0, 50.5]
    cleaned = hourly(quantities)
    assert cleaned.refills == ()
    assert used(cleaned) == pytest.approx(3.0, abs=0.5)


def test_a_jump_must_stay_two_minutes_when_readings_come_every_second() -> None:
    second_us = 1_000_000
    quantities = [30.0] * 60 + [80.0] * 60 + [30.0] * 60 + [80.0] * 300
    instants = [START_US + second * second_us for second in range(len(quantities))]
    cleaned = clean(instants, quantities, measure="level", capacity=100.0)
    assert cleaned.verdicts[60:120] == ("outlier",) * 60
    assert [refill.at_us for refill in cleaned.refills] == [START_US + 180 * second_us]


def test_a_long_silence_counts_no_use_because_a_refill_may_hide_in_it() -> None:
    cleaned = clean([START_US, START_US + 200 * DAY_US], [90.0, 40.0], measure="level", capacity=100.0)
    assert cleaned.consumed == ()
    assert cleaned.level[-1] == 40.0


def simulated(seed: int, noise: float, quantum: float) -> tuple[list[int], list[float], list[int], float]:
    """Ninety days by the hour: lumpy use, packs of 100 put in below 15, one reading in a hundred rubbish."""
    generator = np.random.default_rng(seed)
    left, total = 100.0, 0.0
    instants, quantities, refills = [], [], []
    for hour in range(90 * 24):
        use = float(generator.gamma(2.0, 2.0)) if generator.random() < 0.15 else 0.0
        total += min(use, left)
        left = max(0.0, left - use)
        at_us = START_US + hour * HOUR_US
        if left < 15.0 and generator.random() < 0.2 and hour < 90 * 24 - 5:
            left = 100.0
            refills.append(at_us)
        shown = left + generator.normal(0.0, noise)
        shown = round(shown / quantum) * quantum if quantum else shown
        shown = float(generator.choice([9999.0, -1.0, 0.0])) if generator.random() < 0.01 else shown
        instants.append(at_us)
        quantities.append(shown)
    return instants, quantities, refills, total


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("noise", "quantum"), [(0.0, 0.0), (0.0, 5.0), (1.0, 0.4), (3.0, 1.0)])
def test_every_refill_is_found_and_none_invented(seed: int, noise: float, quantum: float) -> None:
    instants, quantities, refills, total = simulated(seed, noise, quantum)
    cleaned = clean(instants, quantities, measure="level", capacity=100.0, quantum=quantum)
    assert len(cleaned.refills) == len(refills)
    for found, true_us in zip(cleaned.refills, refills, strict=True):
        assert abs(found.at_us - true_us) <= 3 * HOUR_US
    assert used(cleaned) == pytest.approx(total, rel=0.12)


@given(
    quantities=st.lists(st.one_of(st.floats(allow_nan=True), st.floats(min_value=0, max_value=100)), max_size=40),
    order=st.randoms(use_true_random=False),
    capacity=st.sampled_from([None, 100.0]),
)
def test_disorder_and_repetition_change_nothing(quantities: list[float], order: object, capacity: float | None) -> None:
    instants = [START_US + hour * HOUR_US for hour in range(len(quantities))]
    straight = clean(instants, quantities, measure="level", capacity=capacity)
    places = list(range(len(quantities))) * 2
    order.shuffle(places)  # type: ignore[attr-defined]
    mixed = clean(
        [instants[one] for one in places], [quantities[one] for one in places], measure="level", capacity=capacity
    )
    assert mixed.consumed == straight.consumed
    assert mixed.refills == straight.refills
    assert mixed.tracker == straight.tracker


@given(quantities=st.lists(st.floats(min_value=-5, max_value=140), max_size=60), quantum=st.sampled_from([0.0, 1.0]))
def test_the_batch_is_the_fold_of_single_readings_through_json(quantities: list[float], quantum: float) -> None:
    cleaned = hourly(quantities, quantum=quantum)
    tracker = start_tracking("level", capacity=100.0, quantum=quantum)
    consumed, refills = [], []
    for hour, quantity in enumerate(quantities):
        tracker = LevelTracker.from_dict(json.loads(json.dumps(tracker.to_dict())))
        tracker, outcome = track(tracker, Reading(START_US + hour * HOUR_US, quantity))
        consumed.extend(outcome.consumed)
        refills.extend([] if outcome.refill is None else [outcome.refill])
    assert tracker == cleaned.tracker
    assert tuple(consumed) == cleaned.consumed
    assert tuple(refills) == cleaned.refills


@given(
    quantities=st.lists(st.floats(allow_nan=True), max_size=50),
    minutes=st.lists(st.integers(min_value=1, max_value=100_000), min_size=50, max_size=50),
    capacity=st.sampled_from([None, 1.0, 100.0]),
)
def test_whatever_comes_the_use_is_ordered_and_never_negative(
    quantities: list[float], minutes: list[int], capacity: float | None
) -> None:
    instants = (START_US + np.cumsum(minutes)[: len(quantities)] * 60_000_000).tolist()
    cleaned = clean(instants, quantities, measure="level", capacity=capacity)
    end_us = 0
    for one in cleaned.consumed:
        assert end_us <= one.from_us < one.to_us
        assert one.used >= 0
        end_us = one.to_us
    known = cleaned.level[~np.isnan(cleaned.level)]
    assert (known >= 0).all()
    if capacity is not None:
        assert (known <= 1.25 * capacity).all()


def test_a_person_corrects_the_level_and_is_believed() -> None:
    tracker = start_tracking("level", capacity=100.0)
    tracker, _ = track(tracker, Reading(START_US, 60.0))
    tracker, _ = correct_level(tracker, START_US + HOUR_US, 30.0)
    known = level_of(tracker)
    assert known is not None
    assert (known.mean, known.sd) == (30.0, 0.0)
    with pytest.raises(InvalidInput, match="at_us"):
        correct_level(tracker, START_US, 30.0)
    with pytest.raises(InvalidInput, match="quantity"):
        correct_level(tracker, START_US + DAY_US, -1.0)


def test_a_pack_put_in_by_hand_fills_the_slot() -> None:
    tracker, _ = track(start_tracking("level", capacity=100.0), Reading(START_US, 60.0))
    full, refill = add_pack(tracker, START_US + HOUR_US)
    assert (refill.size, refill.after) == (40.0, 100.0)
    assert full.refills == 1
    more, refill = add_pack(tracker, START_US + HOUR_US, size=25.0)
    assert more.left == refill.after == 85.0


def test_impossible_slots_and_series_are_refused() -> None:
    for capacity in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(InvalidInput, match="capacity"):
            start_tracking("level", capacity=capacity)
    with pytest.raises(InvalidInput, match="quantum"):
        start_tracking("level", capacity=1.0, quantum=-1.0)
    with pytest.raises(InvalidInput, match="quantity"):
        clean([START_US], [1.0, 2.0], measure="level", capacity=1.0)
    with pytest.raises(InvalidInput, match="1970"):
        track(start_tracking("level", capacity=1.0), Reading(-1, 1.0))


def test_an_empty_series_is_empty() -> None:
    cleaned = clean([], [], measure="level", capacity=1.0)
    assert cleaned.verdicts == ()
    assert cleaned.consumed == ()
