"""Amounts out of the ordinary: currencies with no, three and four decimals, nothing, less than nothing, another's."""

from collections.abc import Callable

import pytest

from gateway.domain.cart import Cart, CartState
from gateway.domain.errors import DomainError, Invalid
from gateway.domain.household import Household
from gateway.domain.payment import Attempt, Mandate, Operation, PaymentMethod, Posting
from gateway.domain.records import MerchantAccount
from gateway.steps.acts.gift import give_credit
from gateway.steps.acts.limits import Limits
from payments.errors import UnknownCurrency
from payments.money import Money
from tests.builders import HOME, build
from tests.homes import home, known_level
from tests.rig import Rig

OpenRig = Callable[..., Rig]
# Yen have no decimals, Bahraini dinars three, Uruguay's nominal wage units four (ISO 4217).
CURRENCIES = ["JPY", "BHD", "UYW"]
PRICE_MINOR = 1_237


def household_in(
    open_rig: OpenRig, currency: str, *, bills_in: str | None = None, price_minor: int = PRICE_MINOR
) -> Rig:
    """Open Ana's household in a currency, and let its cart of milk be drafted."""
    currencies = {
        Household: currency,
        PaymentMethod: currency,
        Mandate: currency,
        MerchantAccount: bills_in or currency,
    }
    rows = [build(kind, currency=currencies[kind]) if (kind := type(row)) in currencies else row for row in home()]
    rig = open_rig(*rows, known_level("milk", 0.15))
    rig.shop.currency = bills_in or currency
    rig.shop.sell("milk-usual", price_minor)
    rig.enqueue("forecast", "milk")
    rig.pass_days(0.1)
    return rig


@pytest.mark.parametrize("currency", CURRENCIES)
def test_a_debit_and_its_refund_are_right_to_the_last_unit_of_any_currency(open_rig: OpenRig, currency: str) -> None:
    rig = household_in(open_rig, currency)
    rig.say_yes()
    rig.work_off()
    cart = rig.the(Cart)
    rig.shop.ship()
    rig.pass_days(1)
    parcel = next(iter(rig.shop.orders.values())).parcels[0]
    assert rig.bank.debited_minor == cart.total_minor == PRICE_MINOR * parcel.lines[0].packs + cart.delivery_minor
    rig.shop.deliver(parcel.parcel_ref, lacking=1)
    rig.pass_days(2)
    assert rig.bank.debited_minor == cart.total_minor - PRICE_MINOR
    assert {one.currency for one in rig.rows(Posting)} == {currency}
    assert sum(one.amount_minor for one in rig.rows(Posting)) == 0
    assert rig.differences() == []


def test_a_shop_that_bills_in_another_currency_is_for_a_person_and_no_account_of_theirs_pays(
    open_rig: OpenRig,
) -> None:
    rig = household_in(open_rig, "EUR", bills_in="USD")
    cart = rig.the(Cart)
    assert cart.state is CartState.AWAITING_APPROVAL
    assert "the shop bills in USD" in cart.needs_person
    with pytest.raises(Invalid, match="no linked account may be debited for this cart"):
        rig.say_yes()
    rig.pass_days(1)
    assert rig.rows(Attempt) == []
    assert rig.bank.sent == []


def test_a_cart_that_costs_nothing_is_never_debited(open_rig: OpenRig) -> None:
    rig = household_in(open_rig, "EUR", price_minor=0)
    cart = rig.the(Cart)
    rig.save(type(cart)(**{name: getattr(cart, name) for name in cart.__slots__} | {"delivery_minor": 0}))
    with pytest.raises(DomainError) as refused:
        rig.say_yes()
    assert str(refused.value)
    rig.pass_days(1)
    assert rig.rows(Operation) == []


@pytest.mark.parametrize("amount_minor", [0, -1, -100, 100_000_001, 10**18])
def test_no_gift_and_no_limit_is_nothing_less_or_out_of_reason(open_rig: OpenRig, amount_minor: int) -> None:
    rig = open_rig(*home())
    with pytest.raises(Invalid, match="above zero"), rig.store.begin() as tx:
        give_credit(tx, HOME, amount_minor, by="operator", reason="welcome", now_us=rig.clock.now)
    with pytest.raises(Invalid, match="above zero"):
        Limits(standing=False, per_order_minor=amount_minor, per_period_minor=1, period_days=30).checked()
    with pytest.raises(Invalid, match="above zero"):
        Limits(standing=False, per_order_minor=1, per_period_minor=amount_minor, period_days=30).checked()
    assert rig.bank.sent == []


@pytest.mark.parametrize("code", ["EURO", "eur", "XAU", "XXX", "", "€"])
def test_a_currency_nobody_knows_is_named_in_the_refusal(code: str) -> None:
    with pytest.raises(UnknownCurrency, match=code or "''"):
        Money(100, code)
