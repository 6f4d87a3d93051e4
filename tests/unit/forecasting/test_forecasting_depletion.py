"""The closed form against simulation, and the properties every forecast has."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from forecasting import (
    Demand,
    Depletion,
    ForecastState,
    InvalidInput,
    LevelEstimate,
    UnknownDepletion,
    UnknownTimeZone,
    WhyUnknown,
    band,
    begin,
    demand,
    forecast,
    forecast_demand,
    pool,
    prior_for,
    update,
)
from forecasting.depletion import depletion_exposure, depletion_survival
from forecasting.local_days import DAY_US, EVEN_PROFILE

MONDAY_US = 1_780_272_000_000_000  # Monday 1 June 2026, 00:00 UTC
BUSY_WEEKEND = (0.6, 0.6, 0.6, 0.6, 0.6, 2.0, 2.0)


def known(outcome: Depletion | UnknownDepletion) -> Depletion:
    assert isinstance(outcome, Depletion)
    return outcome


def seen(wanted: Demand, level: LevelEstimate, now_us: int = MONDAY_US) -> Depletion:
    return known(forecast_demand(wanted, level, now_us, "UTC"))


def simulated_times(wanted: Demand, level: LevelEstimate, paths: int, seed: int) -> np.ndarray:
    """Exposure until empty, drawn from the model itself: Gamma rate, Poisson packets, normal level cut at nothing."""
    generator = np.random.default_rng(seed)
    rate = generator.gamma(wanted.alpha, 1 / wanted.beta, paths)
    left = np.maximum(0.0, generator.normal(level.mean, level.sd, paths))
    return generator.gamma(np.maximum(left / wanted.dispersion, 1e-12)) / rate


@pytest.mark.parametrize("sd", [0.0, 1.5])
def test_the_closed_form_agrees_with_simulation(sd: float) -> None:
    wanted = Demand(alpha=6.0, beta=4.0, dispersion=0.5, profile=EVEN_PROFILE)
    level = LevelEstimate(9.0, sd, MONDAY_US)
    depletion = seen(wanted, level)
    times = simulated_times(wanted, level, 200_000, seed=7)
    for probability in (0.05, 0.1, 0.5, 0.9):
        at_us = depletion.quantile_us(probability)
        assert at_us is not None
        assert np.mean(times <= (at_us - MONDAY_US) / DAY_US) == pytest.approx(probability, abs=0.006)
    for days in (3.0, 10.0, 30.0):
        assert depletion.risk(days) == pytest.approx(np.mean(times <= days), abs=0.006)


def test_the_band_agrees_with_simulation() -> None:
    wanted = Demand(alpha=6.0, beta=4.0, dispersion=0.5, profile=EVEN_PROFILE)
    depletion = seen(wanted, LevelEstimate(9.0, 0.5, MONDAY_US))
    generator = np.random.default_rng(9)
    rate = generator.gamma(6.0, 1 / 4.0, 200_000)
    for day in (1, 5):
        start = np.maximum(0.0, generator.normal(9.0, 0.5, 200_000))
        packets = generator.poisson(rate * day)
        left = np.maximum(0.0, start - 0.5 * packets)
        drawn = np.quantile(left, [0.1, 0.5, 0.9])
        assert band(depletion, 6)[day] == pytest.approx(drawn, abs=0.5)


def test_quantile_and_risk_invert_each_other() -> None:
    wanted = Demand(alpha=3.0, beta=5.0, dispersion=0.2, profile=BUSY_WEEKEND)
    depletion = seen(wanted, LevelEstimate(1.5, 0.2, MONDAY_US), MONDAY_US + DAY_US // 3)
    for probability in (0.3, 0.5, 0.9):
        at_us = depletion.quantile_us(probability)
        assert at_us is not None
        assert depletion.risk_at(at_us) == pytest.approx(probability, abs=1e-6)


levels = st.builds(
    LevelEstimate,
    mean=st.floats(min_value=0.0, max_value=1e4),
    sd=st.one_of(st.just(0.0), st.floats(min_value=1e-3, max_value=1e3)),
    at_us=st.just(MONDAY_US),
    alive_us=st.one_of(st.none(), st.integers(min_value=MONDAY_US, max_value=MONDAY_US + 30 * DAY_US)),
)
demands = st.builds(
    Demand,
    alpha=st.floats(min_value=0.1, max_value=2000.0),
    beta=st.floats(min_value=0.05, max_value=200.0),
    dispersion=st.floats(min_value=1e-3, max_value=1e3),
    profile=st.sampled_from([EVEN_PROFILE, BUSY_WEEKEND]),
)


@given(level=levels, wanted=demands, silent_days=st.integers(min_value=30, max_value=90))
def test_quantiles_are_ordered_and_never_in_the_past(level: LevelEstimate, wanted: Demand, silent_days: int) -> None:
    now_us = MONDAY_US + silent_days * DAY_US
    outcome = forecast_demand(wanted, level, now_us, "UTC")
    assume(isinstance(outcome, Depletion))
    depletion = known(outcome)
    beyond = depletion.horizon_us + 1
    deciles = [beyond if one is None else one for one in (depletion.p10_us, depletion.p50_us, depletion.p90_us)]
    assert deciles == sorted(deciles)
    assert deciles[0] >= now_us


@given(level=levels, wanted=demands)
def test_risk_never_falls_with_the_horizon(level: LevelEstimate, wanted: Demand) -> None:
    outcome = forecast_demand(wanted, level, MONDAY_US + 30 * DAY_US, "UTC")
    assume(isinstance(outcome, Depletion))
    depletion = known(outcome)
    risks = [depletion.risk(days) for days in (0, 0.5, 1, 2, 7, 30, 90, 365)]
    assert all(later >= sooner - 1e-9 for sooner, later in pairwise(risks))
    assert all(0 <= risk <= 1 for risk in risks)


@given(level=levels, wanted=demands)
def test_the_band_is_ordered_and_never_rises(level: LevelEstimate, wanted: Demand) -> None:
    outcome = forecast_demand(wanted, level, MONDAY_US + 30 * DAY_US, "UTC")
    assume(isinstance(outcome, Depletion))
    drawn = band(known(outcome), 10)
    assert drawn.shape == (10, 3)
    assert (np.diff(drawn, axis=1) >= -1e-6 * (1 + level.mean)).all()
    assert (np.diff(drawn, axis=0) <= 1e-6 * (1 + level.mean)).all()
    assert (drawn >= 0).all()


@given(level=levels, wanted=demands)
def test_the_band_shows_something_as_long_as_one_outcome_in_ten_has_something(
    level: LevelEstimate, wanted: Demand
) -> None:
    outcome = forecast_demand(wanted, level, MONDAY_US + 30 * DAY_US, "UTC")
    assume(isinstance(outcome, Depletion))
    depletion = known(outcome)
    drawn = band(depletion, 40)
    ends_us = depletion.p90_us
    for day, (low, middle, high) in enumerate(drawn.tolist()):
        at_us = depletion.now_us + day * DAY_US
        if ends_us is not None and at_us > ends_us:
            assert depletion.risk_at(at_us) >= 0.9 - 1e-6
            assert low == middle == high == 0.0
        elif level.alive_us is None and high == 0.0:  # too little to be seen
            exposure = np.array(depletion.exposure_until(at_us))
            little = depletion.levels - depletion.levels.max() / 4000
            left = depletion.level_weights @ depletion_survival(little, wanted, exposure)
            assert left <= 0.1 + 1e-6


def test_an_unknown_level_is_unknown_and_not_empty() -> None:
    outcome = forecast(begin(prior_for("milk"), 1.0), None, MONDAY_US, "UTC", spare=4.0)
    assert outcome == UnknownDepletion(MONDAY_US, WhyUnknown.NO_LEVEL)


def test_an_empty_slot_is_empty_now() -> None:
    depletion = known(forecast(begin(prior_for("milk"), 1.0), LevelEstimate(0.0, 0.0, MONDAY_US), MONDAY_US, "UTC"))
    assert depletion.p10_us == depletion.p90_us == MONDAY_US
    assert depletion.risk(0) == 1.0


def test_silence_moves_and_widens_the_forecast() -> None:
    state = begin(prior_for("coffee"), 1000.0)
    for day in range(40):
        state = update(state, 40.0, MONDAY_US + day * DAY_US, MONDAY_US + (day + 1) * DAY_US, "UTC")
    heard_us = MONDAY_US + 40 * DAY_US
    level = LevelEstimate(800.0, 0.0, heard_us)
    fresh = known(forecast(state, level, heard_us, "UTC"))
    silent = known(forecast(state, level, heard_us + 10 * DAY_US, "UTC"))
    assert silent.risk(5) > fresh.risk(5)
    for one in (fresh, silent):
        assert None not in (one.p10_us, one.p90_us)
    assert (silent.p90_us or 0) - (silent.p10_us or 0) > (fresh.p90_us or 0) - (fresh.p10_us or 0)


def test_a_level_too_old_is_unknown() -> None:
    outcome = forecast(
        begin(prior_for("milk"), 1.0), LevelEstimate(1.0, 0.0, MONDAY_US), MONDAY_US + 401 * DAY_US, "UTC"
    )
    assert outcome == UnknownDepletion(MONDAY_US + 401 * DAY_US, WhyUnknown.SILENT_TOO_LONG)


def test_beyond_the_horizon_there_is_no_date() -> None:
    slow = Demand(alpha=50.0, beta=50.0, dispersion=0.01, profile=EVEN_PROFILE)
    depletion = seen(slow, LevelEstimate(1000.0, 0.0, MONDAY_US))
    assert (depletion.p10_us, depletion.p50_us, depletion.p90_us) == (None, None, None)


def test_weekends_pull_the_date_towards_them() -> None:
    calm = Demand(alpha=200.0, beta=200.0, dispersion=0.01, profile=EVEN_PROFILE)
    busy = Demand(alpha=200.0, beta=200.0, dispersion=0.01, profile=BUSY_WEEKEND)
    friday_us = MONDAY_US + 4 * DAY_US
    level = LevelEstimate(2.0, 0.0, friday_us)
    assert (seen(busy, level, friday_us).p50_us or 0) < (seen(calm, level, friday_us).p50_us or 0) - DAY_US // 5


def test_spare_packs_put_the_date_off() -> None:
    state = begin(prior_for("milk"), 1.0)
    level = LevelEstimate(0.5, 0.0, MONDAY_US)
    one = known(forecast(state, level, MONDAY_US, "UTC"))
    three = known(forecast(state, level, MONDAY_US, "UTC", spare=2.0))
    assert (three.p10_us or 0) > (one.p10_us or 0) + 2 * DAY_US


def test_a_word_that_it_is_not_empty_refutes_the_early_outcomes() -> None:
    wanted = Demand(alpha=4.0, beta=4.0, dispersion=0.3, profile=EVEN_PROFILE)
    now_us = MONDAY_US + 40 * DAY_US
    silent = seen(wanted, LevelEstimate(6.0, 1.0, MONDAY_US), now_us)
    heard = seen(wanted, LevelEstimate(6.0, 1.0, MONDAY_US, alive_us=now_us), now_us)
    assert silent.risk(0) > 0.5
    assert heard.risk(0) == 0.0
    assert (heard.p10_us or 0) > now_us
    # Conditioning is a division of probabilities: (F(t) − F(heard)) / (1 − F(heard)).
    expected = (silent.risk(3) - silent.risk(0)) / (1 - silent.risk(0))
    assert heard.risk(3) == pytest.approx(expected)


def test_pooled_slots_use_and_hold_as_much_as_together() -> None:
    states: list[tuple[ForecastState, LevelEstimate | None]] = [
        (begin(prior_for("coffee"), 1000.0), LevelEstimate(400.0, 30.0, MONDAY_US)),
        (begin(prior_for("coffee"), 500.0), LevelEstimate(100.0, 40.0, MONDAY_US - DAY_US)),
    ]
    pooled = pool(states, MONDAY_US)
    assert not isinstance(pooled, UnknownDepletion)
    wanted, level = pooled
    apart = [demand(state, MONDAY_US) for state, _ in states]
    assert wanted.daily == pytest.approx(sum(one.daily for one in apart))
    assert wanted.daily**2 / wanted.alpha == pytest.approx(sum(one.daily**2 / one.alpha for one in apart))
    assert (level.mean, level.sd) == (500.0, pytest.approx(50.0))
    assert MONDAY_US - DAY_US < level.at_us < MONDAY_US
    assert pool([*states, (states[0][0], None)], MONDAY_US) == UnknownDepletion(MONDAY_US, WhyUnknown.NO_LEVEL)


def test_the_array_functions_broadcast_and_invert() -> None:
    wanted = Demand(alpha=5.0, beta=3.0, dispersion=0.4, profile=EVEN_PROFILE)
    left = np.array([0.0, 0.5, 3.0, 40.0])
    exposure = depletion_exposure(left, wanted, 0.3)
    assert exposure[0] == 0.0
    assert depletion_survival(left[1:], wanted, exposure[1:]) == pytest.approx(0.3)


def test_a_slot_that_cannot_be_full_any_more_but_says_so_is_unknown() -> None:
    sure = Demand(alpha=2000.0, beta=2000.0, dispersion=0.01, profile=EVEN_PROFILE)
    level = LevelEstimate(0.1, 0.0, MONDAY_US, alive_us=MONDAY_US + 60 * DAY_US)
    now_us = MONDAY_US + 60 * DAY_US
    assert forecast_demand(sure, level, now_us, "UTC") == UnknownDepletion(now_us, WhyUnknown.CONTRADICTED)


@pytest.mark.parametrize("probability", [0.0, 1.0, -0.1])
def test_a_quantile_needs_a_probability(probability: float) -> None:
    depletion = seen(Demand(1.0, 1.0, 1.0, EVEN_PROFILE), LevelEstimate(1.0, 0.0, MONDAY_US))
    with pytest.raises(InvalidInput, match="probability"):
        depletion.quantile_us(probability)


def test_impossible_inputs_are_refused() -> None:
    state, level = begin(prior_for("milk"), 1.0), LevelEstimate(1.0, 0.0, MONDAY_US)
    with pytest.raises(InvalidInput, match="now_us"):
        forecast(state, level, MONDAY_US - 1, "UTC")
    with pytest.raises(InvalidInput, match="spare"):
        forecast(state, level, MONDAY_US, "UTC", spare=-1.0)
    with pytest.raises(InvalidInput, match="level"):
        forecast(state, LevelEstimate(float("nan"), 0.0, MONDAY_US), MONDAY_US, "UTC")
    with pytest.raises(UnknownTimeZone):
        forecast(state, level, MONDAY_US, "Mars/Olympus")
    with pytest.raises(InvalidInput, match="parts"):
        pool([], MONDAY_US)
