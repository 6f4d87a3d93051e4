"""Order-by instants and reorder points."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting import (
    Demand,
    Depletion,
    InvalidInput,
    LeadTime,
    LevelEstimate,
    delivery_risk,
    forecast_demand,
    order_by,
    reorder_level,
)
from forecasting.local_days import DAY_US, EVEN_PROFILE

MONDAY_US = 1_780_272_000_000_000
REGULAR = Demand(alpha=60.0, beta=60.0, dispersion=0.2, profile=EVEN_PROFILE)
TWO_OR_THREE = LeadTime((0.0, 0.0, 0.7, 0.3))


def stock(left: float, sd: float = 0.0, wanted: Demand = REGULAR) -> Depletion:
    outcome = forecast_demand(wanted, LevelEstimate(left, sd, MONDAY_US), MONDAY_US, "Europe/Berlin")
    assert isinstance(outcome, Depletion)
    return outcome


def test_at_the_order_by_instant_the_risk_is_just_the_accepted_one() -> None:
    depletion = stock(20.0, sd=1.0)
    found = order_by(depletion, TWO_OR_THREE, 0.95, slowness_days=0.5, review_days=1.0)
    assert found.at_us is not None
    assert not found.overdue
    assert delivery_risk(depletion, found.at_us, TWO_OR_THREE, 1.5) == pytest.approx(0.05, abs=1e-3)
    assert delivery_risk(depletion, found.at_us + DAY_US, TWO_OR_THREE, 1.5) > 0.05


def test_with_a_certain_delivery_it_is_the_lower_bound_minus_delivery_minus_slowness() -> None:
    depletion = stock(20.0)
    found = order_by(depletion, LeadTime.certain(3), 0.9, slowness_days=2.0, review_days=0.0)
    assert depletion.p10_us is not None
    assert found.at_us == pytest.approx(depletion.p10_us - 5 * DAY_US, abs=120_000_000)


def test_a_customer_slower_by_a_day_must_be_asked_a_day_earlier() -> None:
    depletion = stock(20.0)
    quick = order_by(depletion, TWO_OR_THREE, 0.95, slowness_days=0.0).at_us
    slow = order_by(depletion, TWO_OR_THREE, 0.95, slowness_days=1.0).at_us
    assert quick is not None
    assert slow == pytest.approx(quick - DAY_US, abs=180_000_000)


def test_too_little_left_is_overdue_now() -> None:
    found = order_by(stock(1.0), TWO_OR_THREE, 0.95)
    assert found.overdue
    assert found.at_us == MONDAY_US
    assert found.risk_now > found.risk_limit


def test_plenty_left_needs_no_date() -> None:
    found = order_by(stock(5000.0), TWO_OR_THREE, 0.95)
    assert found.at_us is None
    assert not found.overdue


@given(left=st.floats(min_value=6.0, max_value=50.0), service=st.floats(min_value=0.6, max_value=0.98))
def test_a_higher_service_level_never_orders_later(left: float, service: float) -> None:
    depletion = stock(left)
    modest, strict = order_by(depletion, TWO_OR_THREE, service), order_by(depletion, TWO_OR_THREE, service + 0.01)
    assert modest.at_us is not None
    assert strict.at_us is not None
    assert strict.at_us <= modest.at_us + 60_000_000


def test_at_the_reorder_point_an_order_now_just_keeps_the_service_level() -> None:
    point = reorder_level(stock(20.0), TWO_OR_THREE, 0.95, slowness_days=0.5)
    assert order_by(stock(point * 1.01), TWO_OR_THREE, 0.95, slowness_days=0.5).overdue is False
    assert order_by(stock(point * 0.99), TWO_OR_THREE, 0.95, slowness_days=0.5).overdue is True


def test_lead_times_come_from_counts_and_must_sum_to_one() -> None:
    assert LeadTime.from_counts([0, 1, 3]).shares == (0.0, 0.25, 0.75)
    assert LeadTime.from_counts([0, 1, 3]).mean_days == pytest.approx(1.75)
    for bad in ((0.5, 0.4), (), (-0.5, 1.5)):
        with pytest.raises(InvalidInput, match="shares"):
            LeadTime(bad)
    with pytest.raises(InvalidInput, match="counts"):
        LeadTime.from_counts([0, 0])
    with pytest.raises(InvalidInput, match="days"):
        LeadTime.certain(500)


def test_impossible_wishes_are_refused() -> None:
    for service in (0.0, 1.0, 2.0):
        with pytest.raises(InvalidInput, match="service_level"):
            order_by(stock(5.0), TWO_OR_THREE, service)
    with pytest.raises(InvalidInput, match="slowness_days"):
        order_by(stock(5.0), TWO_OR_THREE, 0.9, slowness_days=-1.0)
