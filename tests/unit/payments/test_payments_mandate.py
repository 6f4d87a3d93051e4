from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.mandate import (
    DAY_US,
    Covered,
    DebitRequest,
    Mandate,
    MandateState,
    NotCovered,
    PeriodLimit,
    PriceChange,
    Reservation,
    covers,
)
from payments.money import Money

NOW_US = 400 * DAY_US


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


MANDATE = Mandate("m1", MandateState.ACTIVE, per_order=eur(5_000))
REQUEST = DebitRequest(eur(4_000), "shop", devices=frozenset({"fridge"}), supplies=frozenset({"milk"}))


def reasons(mandate: Mandate, request: DebitRequest = REQUEST, reserved: tuple[Reservation, ...] = ()) -> list[str]:
    match covers(mandate, request, reserved, NOW_US):
        case Covered():
            return []
        case NotCovered(found):
            return list(found)


def test_a_debit_within_all_limits_is_covered() -> None:
    assert covers(MANDATE, REQUEST, (), NOW_US) == Covered()


def test_a_debit_at_the_limit_is_covered_and_one_cent_more_is_not() -> None:
    assert reasons(MANDATE, replace(REQUEST, amount=eur(5_000))) == []
    assert reasons(MANDATE, replace(REQUEST, amount=eur(5_001))) == [
        "50.01\u00a0€ is above the limit of 50.00\u00a0€ an order"
    ]


@pytest.mark.parametrize("state", [state for state in MandateState if state is not MandateState.ACTIVE])
def test_only_an_active_mandate_covers_anything(state: MandateState) -> None:
    assert reasons(replace(MANDATE, state=state)) == [f"the permission to debit is {state.value.replace('_', ' ')}"]


def test_a_mandate_covers_from_its_first_instant_until_before_its_last() -> None:
    assert reasons(replace(MANDATE, valid_from_us=NOW_US, expires_at_us=NOW_US + 1)) == []
    assert reasons(replace(MANDATE, valid_from_us=NOW_US + 1)) == ["the permission to debit is not valid yet"]
    assert reasons(replace(MANDATE, expires_at_us=NOW_US)) == ["the permission to debit has expired"]


def test_the_days_of_a_period_roll() -> None:
    monthly = replace(MANDATE, periods=(PeriodLimit(30, eur(10_000)),))
    inside = Reservation(eur(6_001), "shop", NOW_US - 30 * DAY_US + 1)
    outside = replace(inside, at_us=NOW_US - 30 * DAY_US)
    assert reasons(monthly, reserved=(outside,)) == []
    assert reasons(monthly, reserved=(inside,)) == [
        "40.00\u00a0€ on top of 60.01\u00a0€ is above the limit of 100.00\u00a0€ in 30 days"
    ]


def test_a_debit_from_the_future_still_counts() -> None:
    weekly = replace(MANDATE, periods=(PeriodLimit(7, eur(5_000)),))
    assert reasons(weekly, reserved=(Reservation(eur(1_001), "shop", NOW_US + DAY_US),))


def test_a_number_of_debits_can_be_limited() -> None:
    daily = replace(MANDATE, periods=(PeriodLimit(1, eur(100_000), count=2),))
    one = Reservation(eur(1), "shop", NOW_US)
    assert reasons(daily, reserved=(one,)) == []
    assert reasons(daily, reserved=(one, one)) == ["the limit of 2 debits in a day is reached"]


def test_a_limit_for_each_merchant_counts_that_merchant_alone() -> None:
    each = replace(MANDATE, periods=(PeriodLimit(30, eur(5_000), per_merchant=True),))
    assert reasons(each, reserved=(Reservation(eur(5_000), "elsewhere", NOW_US),)) == []
    assert reasons(each, reserved=(Reservation(eur(1_001), "shop", NOW_US),)) == [
        "40.00\u00a0€ on top of 10.01\u00a0€ is above the limit of 50.00\u00a0€ in 30 days at shop"
    ]


def test_a_mandate_can_be_bound_to_merchants_devices_and_supplies() -> None:
    bound = replace(
        MANDATE, merchants=frozenset({"shop"}), devices=frozenset({"fridge"}), supplies=frozenset({"milk", "eggs"})
    )
    assert reasons(bound) == []
    assert reasons(bound, replace(REQUEST, merchant="other")) == [
        "the permission to debit does not allow the merchant other"
    ]
    assert reasons(bound, replace(REQUEST, devices=frozenset({"fridge", "car"}))) == [
        "the permission to debit does not allow the device car"
    ]
    assert reasons(bound, replace(REQUEST, supplies=frozenset())) == [
        "the permission to debit is bound to a supply, and the debit names none"
    ]


def test_an_empty_scope_allows_nothing() -> None:
    assert reasons(replace(MANDATE, merchants=frozenset()))


def test_a_price_may_rise_by_the_tolerance_and_no_further() -> None:
    tolerant = replace(MANDATE, price_tolerance_bp=1_000)
    rising = [PriceChange("Milk", eur(1_000), eur(now)) for now in (900, 1_100, 1_101)]
    assert reasons(tolerant, replace(REQUEST, prices=tuple(rising[:2]))) == []
    assert reasons(tolerant, replace(REQUEST, prices=tuple(rising))) == [
        "Milk rose from 10.00\u00a0€ to 11.01\u00a0€, more than the 10 % allowed"
    ]


def test_a_price_never_seen_before_is_for_a_person_where_prices_are_watched() -> None:
    new = replace(REQUEST, prices=(PriceChange("Milk", None, eur(1_000)),))
    assert reasons(MANDATE, new) == []
    assert reasons(replace(MANDATE, price_tolerance_bp=1_000), new) == [
        "Milk has no earlier price to compare 10.00\u00a0€ with"
    ]


def test_another_currency_is_never_covered() -> None:
    assert reasons(MANDATE, replace(REQUEST, amount=Money(1, "USD"))) == [
        "the permission to debit is in EUR, the cart in USD"
    ]


def test_every_reason_is_named() -> None:
    mandate = replace(MANDATE, state=MandateState.REVOKED, merchants=frozenset(), expires_at_us=0)
    assert len(reasons(mandate, replace(REQUEST, amount=eur(9_000)))) == 4


@given(st.lists(st.integers(1, 3_000), max_size=30), st.integers(1, 20_000))
def test_what_a_mandate_lets_through_never_exceeds_its_period(amounts: list[int], limit: int) -> None:
    mandate = replace(MANDATE, periods=(PeriodLimit(30, eur(limit)),))
    reserved: list[Reservation] = []
    for minor in amounts:
        if covers(mandate, DebitRequest(eur(minor), "shop"), reserved, NOW_US) == Covered():
            reserved.append(Reservation(eur(minor), "shop", NOW_US))
    assert sum(one.amount.amount_minor for one in reserved) <= limit
