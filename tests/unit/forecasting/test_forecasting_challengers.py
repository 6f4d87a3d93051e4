"""The seasonal second opinion: what it says, when it keeps silent, and that it never falls back in silence."""

import numpy as np
import pytest

from forecasting import Consumption, InvalidInput, daily_use
from forecasting.challengers import DidNotConverge, NotEnoughHistory, SecondOpinion, second_opinion
from forecasting.local_days import DAY_US


def noisy_weeks(weeks: int, seed: int = 3) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return np.tile([1.0, 1.0, 1.0, 1.0, 1.0, 3.0, 3.0], weeks) + generator.normal(0, 0.1, 7 * weeks)


def opinion(outcome: object) -> SecondOpinion:
    assert isinstance(outcome, SecondOpinion)
    return outcome


def test_four_weeks_make_the_weekly_model_speak() -> None:
    assert opinion(second_opinion(noisy_weeks(8), 11.0, seed=1)).model == "ETS(A,N,A) weekly"
    assert opinion(second_opinion(noisy_weeks(3), 11.0, seed=1)).model == "ETS(A,N,N)"


def test_the_weekly_model_knows_where_the_weekend_lies() -> None:
    # The series ends on a Sunday: five workdays take 5, the weekend 6.
    found = opinion(second_opinion(noisy_weeks(8), 5.0, seed=1))
    assert found.p50_days == pytest.approx(5.0, abs=0.4)
    found = opinion(second_opinion(noisy_weeks(8), 11.0, seed=1))
    assert found.p50_days == pytest.approx(7.0, abs=0.3)


def test_the_deciles_are_ordered_and_the_seed_decides() -> None:
    use = np.random.default_rng(5).gamma(2.0, 1.0, 60)
    first, again = (opinion(second_opinion(use, 30.0, seed=9)) for _ in range(2))
    assert first == again
    assert first.p10_days is not None
    assert first.p50_days is not None
    assert first.p90_days is not None
    assert first.p10_days < first.p50_days < first.p90_days
    assert first != second_opinion(use, 30.0, seed=10)


def test_seldom_use_keeps_its_mean() -> None:
    use = np.where(np.random.default_rng(1).random(200) < 0.15, 5.0, 0.0)
    found = opinion(second_opinion(use, 30 * float(use.mean()), seed=1))
    assert found.p50_days == pytest.approx(30, rel=0.25)


def test_beyond_its_horizon_there_is_no_number() -> None:
    assert opinion(second_opinion(noisy_weeks(8), 1e6, seed=1)).p10_days is None


def test_an_empty_slot_is_empty_at_once() -> None:
    assert opinion(second_opinion(noisy_weeks(8), 0.0, seed=1)).p90_days == 0.0


def test_too_little_history_says_how_much_is_needed() -> None:
    assert second_opinion(np.ones(10), 5.0, seed=1) == NotEnoughHistory(4)
    assert second_opinion(np.zeros(60), 5.0, seed=1) == NotEnoughHistory(5)


def test_a_day_that_was_not_seen_does_not_throw_away_the_days_before_it() -> None:
    seen = noisy_weeks(8)
    holes = seen.copy()
    holes[[20, 33, 34, 55]] = np.nan
    found = opinion(second_opinion(holes, 11.0, seed=1))
    assert found.note.startswith("52 days of use, 4 more from their weekday's average")
    assert found.p50_days == pytest.approx(opinion(second_opinion(seen, 11.0, seed=1)).p50_days, abs=0.5)


def test_only_the_days_after_a_long_silence_count() -> None:
    ten_days = np.concatenate([np.ones(60), [np.nan] * 4, np.ones(10)])
    assert second_opinion(ten_days, 5.0, seed=1) == NotEnoughHistory(4)
    assert second_opinion([*np.ones(60), *[np.nan] * 4], 5.0, seed=1) == NotEnoughHistory(14)
    assert second_opinion([np.nan] * 3, 5.0, seed=1) == NotEnoughHistory(14)


def test_constant_use_needs_no_model() -> None:
    found = opinion(second_opinion(np.full(30, 2.0), 20.0, seed=1))
    assert (found.model, found.p10_days, found.p90_days) == ("constant use", 10.0, 10.0)


def test_a_model_that_does_not_converge_never_speaks() -> None:
    outcome = second_opinion(np.random.default_rng(5).gamma(2.0, 1.0, 60), 30.0, seed=1, max_iterations=1)
    assert isinstance(outcome, DidNotConverge)
    assert outcome.message


@pytest.mark.parametrize("use", [[-1.0] * 20, [np.inf] * 20, [[1.0], [2.0]]])
def test_impossible_use_is_refused(use: list[float]) -> None:
    with pytest.raises(InvalidInput, match="daily_use"):
        second_opinion(use, 5.0, seed=1)


def test_daily_use_leaves_days_unknown_that_were_not_seen() -> None:
    day, half = DAY_US, DAY_US // 2
    stretches = [
        Consumption(2.0, 0, day),
        Consumption(1.0, 2 * day, 2 * day + half),
        Consumption(6.0, 3 * day, 6 * day),
    ]
    days, used = daily_use(stretches, "UTC")
    assert np.array_equal(used, [2.0, np.nan, np.nan, 2.0, 2.0, 2.0], equal_nan=True)
    assert np.array_equal(np.diff(days), np.ones(5))


def test_daily_use_follows_the_households_midnight_and_keeps_every_unit() -> None:
    hour = DAY_US // 24
    stretches = [Consumption(1.0, start * hour, (start + 1) * hour) for start in range(23, 23 + 72)]
    _, used = daily_use([*stretches, Consumption(0.5, 95 * hour, 95 * hour)], "Europe/Berlin")
    assert used[:3].sum() == pytest.approx(72.5)


def test_a_late_increment_alone_is_not_a_day() -> None:
    days, used = daily_use([Consumption(1.0, DAY_US, DAY_US)], "UTC")
    assert len(days) == 1
    assert np.isnan(used).all()
