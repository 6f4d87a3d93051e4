"""Local days: exposure through a weekday profile, clock changes included."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.errors import InvalidInput, UnknownTimeZone
from forecasting.local_days import (
    DAY_US,
    EVEN_PROFILE,
    exposure_between,
    instant_after,
    local_day,
    midnight_us,
    weekday,
)

BERLIN = "Europe/Berlin"
BUSY_WEEKEND = (0.6, 0.6, 0.6, 0.6, 0.6, 2.0, 2.0)
HOUR_US = DAY_US // 24


def us(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * 1_000_000


def test_a_local_day_begins_at_the_households_midnight() -> None:
    assert local_day(us(2026, 11, 20, 22, 59), BERLIN) == date(2026, 11, 20).toordinal()
    assert local_day(us(2026, 11, 20, 23, 0), BERLIN) == date(2026, 11, 21).toordinal()
    assert weekday(date(2026, 11, 20).toordinal()) == 4


def test_a_day_of_23_hours_has_the_exposure_of_a_day() -> None:
    spring = date(2026, 3, 29).toordinal()
    start_us, end_us = midnight_us(spring, BERLIN), midnight_us(spring + 1, BERLIN)
    assert end_us - start_us == 23 * HOUR_US
    assert exposure_between(EVEN_PROFILE, BERLIN, start_us, end_us) == pytest.approx(1.0)


def test_a_weekend_counts_by_its_weights() -> None:
    saturday = midnight_us(date(2026, 11, 21).toordinal(), BERLIN)
    assert exposure_between(BUSY_WEEKEND, BERLIN, saturday, saturday + 2 * DAY_US) == pytest.approx(4.0)
    assert exposure_between(BUSY_WEEKEND, BERLIN, saturday + DAY_US // 2, saturday + DAY_US) == pytest.approx(1.0)


def test_a_stretch_that_ends_before_it_begins_has_no_exposure() -> None:
    assert exposure_between(EVEN_PROFILE, BERLIN, DAY_US, 0) == 0.0


@given(
    start_us=st.integers(min_value=0, max_value=us(2100, 1, 1)),
    exposure=st.floats(min_value=0.0, max_value=900.0),
    zone=st.sampled_from([BERLIN, "America/Sao_Paulo", "Pacific/Auckland", "Asia/Kathmandu", "UTC"]),
)
def test_instant_after_inverts_exposure_between(start_us: int, exposure: float, zone: str) -> None:
    end_us = instant_after(BUSY_WEEKEND, zone, start_us, exposure)
    assert exposure_between(BUSY_WEEKEND, zone, start_us, end_us) == pytest.approx(exposure, abs=1e-6)


def test_a_weekday_without_any_use_is_passed_over() -> None:
    closed_monday = (0.0, 1.4, 1.4, 1.4, 1.4, 1.4, 0.0)
    monday = midnight_us(date(2026, 11, 23).toordinal(), "UTC")
    assert instant_after(closed_monday, "UTC", monday, 0.7) == monday + DAY_US + DAY_US // 2


def test_an_unknown_zone_and_an_impossible_instant_are_refused() -> None:
    with pytest.raises(UnknownTimeZone, match="Atlantis"):
        local_day(0, "Europe/Atlantis")
    with pytest.raises(InvalidInput, match="1970"):
        local_day(-1, BERLIN)
