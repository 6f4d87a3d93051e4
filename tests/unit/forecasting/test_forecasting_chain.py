"""The whole way of a reading: tracked, learned from, forecast, and compared with what then happened."""

from dataclasses import dataclass

import numpy as np
import pytest

from forecasting import (
    Depletion,
    ForecastState,
    LeadTime,
    LevelTracker,
    Reading,
    begin,
    forecast,
    level_of,
    order_by,
    prior_for,
    start_tracking,
    track,
    update,
)
from forecasting.local_days import DAY_US

START_US = 1_780_272_000_000_000
HOUR_US = DAY_US // 24
ZONE = "UTC"
CAPACITY = 1000.0


@dataclass(frozen=True)
class Household:
    """What was really used, hour by hour, and what the thing says about it."""

    hourly_use: np.ndarray

    @classmethod
    def drawn(cls, seed: int, days: int) -> "Household":
        generator = np.random.default_rng(seed)
        rate = 60.0 * generator.lognormal(0.0, 0.5)
        weights = np.array([0.9, 0.9, 0.9, 0.9, 0.9, 1.25, 1.25])[np.arange(days) % 7]
        daily = rate * weights * generator.gamma(2.0, 0.5, days)
        by_hour = generator.dirichlet(np.full(24, 0.3), days)
        return cls((daily[:, None] * by_hour).ravel())

    def readings(self, days: int, noise: float, seed: int) -> tuple[list[Reading], float]:
        """Hourly readings of the first days with refills at 15 % left; and what is left at their end."""
        generator = np.random.default_rng(seed)
        left, readings = CAPACITY, []
        for hour in range(days * 24):
            left = max(0.0, left - float(self.hourly_use[hour]))
            if left < 0.15 * CAPACITY and hour < days * 24 - 30:
                left = CAPACITY
            shown = left + float(generator.normal(0.0, noise))
            readings.append(Reading(START_US + (hour + 1) * HOUR_US, max(0.0, round(shown))))
        return readings, left


def followed(readings: list[Reading]) -> tuple[LevelTracker, ForecastState]:
    tracker, state = start_tracking("level", capacity=CAPACITY, quantum=1.0), begin(prior_for("coffee"), CAPACITY)
    for reading in readings:
        tracker, outcome = track(tracker, reading)
        for one in outcome.consumed:
            state = update(state, one.used, one.from_us, one.to_us, ZONE)
    return tracker, state


@pytest.mark.parametrize("days", [3, 40])
def test_eight_outcomes_in_ten_fall_inside_the_interval(days: int) -> None:
    inside = []
    for seed in range(60):
        household = Household.drawn(seed, days + 120)
        readings, left = household.readings(days, noise=3.0, seed=seed)
        tracker, state = followed(readings)
        now_us = readings[-1].at_us
        outcome = forecast(state, level_of(tracker), now_us, ZONE)
        assert isinstance(outcome, Depletion)
        used_after = np.cumsum(household.hourly_use[days * 24 :])
        empty_us = now_us + int(np.argmax(used_after >= left) + 1) * HOUR_US
        assert outcome.p10_us is not None
        inside.append(outcome.p10_us <= empty_us <= (outcome.p90_us or outcome.horizon_us))
    # 60 households: the binomial standard deviation is 5 points.
    assert 0.68 <= np.mean(inside) <= 0.92


def test_ordering_by_the_date_keeps_the_service_level() -> None:
    lead_time = LeadTime((0.0, 0.3, 0.7))
    late = 0
    for seed in range(100, 160):
        household = Household.drawn(seed, 160)
        readings, left = household.readings(40, noise=3.0, seed=seed)
        tracker, state = followed(readings)
        now_us = readings[-1].at_us
        outcome = forecast(state, level_of(tracker), now_us, ZONE)
        assert isinstance(outcome, Depletion)
        found = order_by(outcome, lead_time, 0.95, review_days=0.0)
        assert found.at_us is not None
        used_after = np.cumsum(household.hourly_use[40 * 24 :])
        empty_us = now_us + int(np.argmax(used_after >= left) + 1) * HOUR_US
        arrival_us = found.at_us + int(np.random.default_rng(seed).choice([1, 2], p=[0.3, 0.7])) * DAY_US
        late += int(arrival_us > empty_us and not found.overdue)
    assert late <= 7  # 5 % of 60 is 3
