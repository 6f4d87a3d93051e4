"""The O(1) state: what it learns, what it refuses to learn, and that it survives JSON."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting import (
    PRIORS,
    ForecastState,
    InvalidInput,
    OutOfOrder,
    UnknownSupplyKind,
    begin,
    demand,
    idle_chance,
    prior_for,
    update,
)
from forecasting.local_days import DAY_US
from forecasting.online import spread

MONDAY_US = 1_780_272_000_000_000  # Monday 1 June 2026, 00:00 UTC


def fed(state: ForecastState, daily: list[float], start_us: int = MONDAY_US) -> ForecastState:
    for day, used in enumerate(daily):
        state = update(state, used, start_us + day * DAY_US, start_us + (day + 1) * DAY_US, "UTC")
    return state


def after(days: int) -> int:
    return MONDAY_US + days * DAY_US


def test_before_any_reading_the_prior_speaks() -> None:
    wanted = demand(begin(prior_for("milk"), capacity=2.0), MONDAY_US)
    assert wanted.daily == pytest.approx(0.4)
    assert 1 / math.sqrt(wanted.alpha) == pytest.approx(prior_for("milk").rate_spread)


@pytest.mark.parametrize("factor", [0.1, 0.5, 1.0, 2.0, 10.0])
def test_two_months_outweigh_a_wrong_prior(factor: float) -> None:
    rate = 0.2 * factor
    state = fed(begin(prior_for("milk"), capacity=1.0), [rate] * 60)
    assert demand(state, after(60)).daily == pytest.approx(rate, rel=0.12)


def test_one_day_moves_the_rate_towards_what_was_seen() -> None:
    state = fed(begin(prior_for("milk"), capacity=1.0), [0.6])
    assert 0.3 < demand(state, after(1)).daily < 0.6


def test_use_in_many_ticks_teaches_the_same_as_use_at_once() -> None:
    ticks, whole = begin(prior_for("coffee"), 1000.0), begin(prior_for("coffee"), 1000.0)
    for day in range(30):
        whole = update(whole, 48.0, after(day), after(day + 1), "UTC")
        for hour in range(24):
            start_us = after(day) + hour * DAY_US // 24
            ticks = update(ticks, 2.0, start_us, start_us + DAY_US // 24, "UTC")
    assert demand(ticks, after(30)).daily == pytest.approx(demand(whole, after(30)).daily, rel=1e-9)
    assert spread(ticks) == pytest.approx(spread(whole), rel=1e-9)


def test_a_gap_without_knowledge_is_not_a_gap_without_use() -> None:
    state = fed(begin(prior_for("coffee"), 1000.0), [40.0] * 30)
    resumed = fed(state, [40.0] * 30, start_us=after(50))
    assert demand(resumed, after(80)).daily == pytest.approx(40.0, rel=0.05)


def test_an_absence_teaches_no_zero_rate() -> None:
    state = fed(begin(prior_for("coffee"), 1000.0), [40.0] * 40 + [0.0] * 14)
    assert idle_chance(state, after(54)) < 0.01
    assert demand(state, after(54)).daily > 35.0
    back = fed(state, [40.0] * 3, start_us=after(54))
    assert back.idle_days == 0.0
    assert demand(back, after(57)).daily > 36.0


def test_days_without_use_that_chance_explains_do_count() -> None:
    generator = np.random.default_rng(5)
    daily = [float(used) for used in np.where(generator.random(200) < 0.25, 4.0, 0.0)]
    state = fed(begin(prior_for("detergent"), 40.0), daily)
    # The present run may be partly left out; the long-run mean is 1 a day.
    assert demand(state, after(200)).daily == pytest.approx(1.0, rel=0.3)


def test_weekends_show_in_the_profile_and_noise_hardly_does() -> None:
    generator = np.random.default_rng(11)
    week = [1.0, 1.0, 1.0, 1.0, 1.0, 3.0, 3.0]
    busy = fed(begin(prior_for("juice"), 10.0), [use * generator.gamma(4, 0.25) for use in week * 16])
    even = fed(begin(prior_for("juice"), 10.0), [1.5 * generator.gamma(4, 0.25) for _ in range(112)])
    assert min(busy.profile[5:]) > 1.4
    assert max(busy.profile[:5]) < 0.9
    assert max(abs(weight - 1) for weight in even.profile) < 0.3
    assert sum(busy.profile) == pytest.approx(7.0)


def test_the_spread_of_the_days_is_learned() -> None:
    generator = np.random.default_rng(2)
    calm = fed(begin(prior_for("other"), 100.0), [5.0 * generator.gamma(25, 1 / 25) for _ in range(150)])
    wild = fed(begin(prior_for("other"), 100.0), [5.0 * generator.gamma(0.5, 2.0) for _ in range(150)])
    assert spread(calm) < 0.2
    assert spread(wild) == pytest.approx(2.0, rel=0.4)


def test_old_evidence_fades_and_a_new_habit_is_taken_up() -> None:
    state = fed(begin(prior_for("pet-food"), 1000.0), [40.0] * 120 + [80.0] * 120)
    assert demand(state, after(240)).daily == pytest.approx(80.0, rel=0.1)


def test_silence_widens_the_rate() -> None:
    state = fed(begin(prior_for("milk"), 1.0), [0.2] * 60)
    assert demand(state, after(160)).alpha < demand(state, after(60)).alpha / 2


@given(
    daily=st.lists(st.floats(min_value=0.0, max_value=1e6), max_size=40),
    kind=st.sampled_from(sorted(PRIORS)),
    hours=st.integers(min_value=1, max_value=200),
)
def test_any_history_leaves_a_usable_state_that_survives_json(daily: list[float], kind: str, hours: int) -> None:
    state = begin(prior_for(kind), capacity=10.0)
    now_us = MONDAY_US
    for used in daily:
        state = update(state, used, now_us, now_us + hours * DAY_US // 24, "Europe/Berlin")
        now_us += hours * DAY_US // 24
    wanted = demand(state, now_us)
    assert all(math.isfinite(one) and one > 0 for one in (wanted.alpha, wanted.beta, wanted.dispersion, wanted.daily))
    assert all(weight > 0 for weight in wanted.profile)
    assert ForecastState.from_dict(json.loads(json.dumps(state.to_dict()))) == state


def test_use_before_the_known_end_is_refused_with_both_instants() -> None:
    state = fed(begin(prior_for("milk"), 1.0), [0.2])
    with pytest.raises(OutOfOrder) as caught:
        update(state, 0.1, after(0), after(2), "UTC")
    assert (caught.value.from_us, caught.value.until_us) == (after(0), after(1))


@pytest.mark.parametrize("used", [-0.1, math.nan, math.inf])
def test_impossible_use_is_refused(used: float) -> None:
    with pytest.raises(InvalidInput, match="used"):
        update(begin(prior_for("milk"), 1.0), used, after(0), after(1), "UTC")


def test_an_unknown_kind_names_the_known_ones() -> None:
    with pytest.raises(UnknownSupplyKind, match="water-filter"):
        prior_for("unobtainium")
    with pytest.raises(InvalidInput, match="capacity"):
        begin(prior_for("milk"), capacity=0.0)


def test_the_table_holds_plain_positive_numbers() -> None:
    for prior in PRIORS.values():
        assert 0 < prior.daily_share < 1
        assert prior.rate_spread > 0
        assert prior.day_spread > 0
        assert prior.memory_days >= 30
