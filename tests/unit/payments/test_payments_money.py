import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.errors import CurrencyMismatch, NotAnAmount, UnknownCurrency
from payments.money import LARGEST_MINOR, Money, exponent

CURRENCIES = st.sampled_from(["EUR", "USD", "JPY", "BHD", "CLF"])
MINOR = st.integers(-(10**12), 10**12)


@given(MINOR, CURRENCIES)
def test_what_is_written_for_a_machine_is_read_back_the_same(minor: int, currency: str) -> None:
    money = Money(minor, currency)
    assert Money.parse(money.format(), currency) == money


@given(st.lists(MINOR, max_size=20), CURRENCIES)
def test_a_sum_is_the_sum_of_the_minor_units(minors: list[int], currency: str) -> None:
    total = Money.total((Money(minor, currency) for minor in minors), currency)
    assert total == Money(sum(minors), currency)


@given(MINOR, MINOR, CURRENCIES)
def test_amounts_are_ordered_and_subtracted_as_their_minor_units(left: int, right: int, currency: str) -> None:
    one, other = Money(left, currency), Money(right, currency)
    assert one - other == Money(left - right, currency)
    assert (one < other, one <= other, one > other, one >= other) == (
        left < right,
        left <= right,
        left > right,
        left >= right,
    )
    assert -one == Money(-left, currency)
    assert bool(one) is (left != 0)


def test_the_exponents_are_those_of_iso_4217() -> None:
    assert {code: exponent(code) for code in ("EUR", "JPY", "BHD", "CLF")} == {"EUR": 2, "JPY": 0, "BHD": 3, "CLF": 4}


@pytest.mark.parametrize("code", ["XAU", "XXX", "eur", "EURO", "", "ZZZ"])
def test_a_code_without_minor_units_is_no_currency(code: str) -> None:
    with pytest.raises(UnknownCurrency):
        Money(1, code)


@pytest.mark.parametrize("value", [1.0, True, "1", None, LARGEST_MINOR + 1, -LARGEST_MINOR - 1])
def test_only_whole_numbers_within_bounds_are_amounts(value: object) -> None:
    with pytest.raises(NotAnAmount):
        Money(value, "EUR")  # type: ignore[arg-type]


def test_an_amount_is_multiplied_by_whole_numbers_only() -> None:
    assert Money(350, "EUR") * 3 == 3 * Money(350, "EUR") == Money(1050, "EUR")
    with pytest.raises(NotAnAmount):
        Money(350, "EUR") * 1.5  # type: ignore[operator]


def test_two_currencies_are_never_reckoned_together() -> None:
    for reckon in (Money.__add__, Money.__sub__, Money.__lt__, Money.__ge__):
        with pytest.raises(CurrencyMismatch):
            reckon(Money(1, "EUR"), Money(1, "USD"))
    assert Money(1, "EUR") != Money(1, "USD")


def test_an_amount_and_a_bare_number_are_never_reckoned_together() -> None:
    with pytest.raises(NotAnAmount):
        Money(1, "EUR") + 1  # type: ignore[operator]


@pytest.mark.parametrize("text", ["18,90", "1 000", "1e3", "", ".5", "5.", "18.901", "+1", "NaN", "١", "1.0\n"])
def test_what_is_not_a_machine_decimal_is_refused(text: str) -> None:
    with pytest.raises(NotAnAmount):
        Money.parse(text, "EUR")


def test_a_machine_decimal_may_leave_out_decimals_but_not_add_them() -> None:
    assert Money.parse("18.9", "EUR") == Money.parse("18.90", "EUR") == Money(1890, "EUR")
    assert Money.parse("-0.05", "EUR") == Money(-5, "EUR")
    with pytest.raises(NotAnAmount):
        Money.parse("500.0", "JPY")
