"""A debit that the customer's bank took back is debited again only when a member asks for it, whatever else is due."""

from collections.abc import Callable

import pytest

from gateway.domain.order import Order, OrderState
from gateway.domain.payment import Operation, OperationKind
from gateway.domain.replenishment import DAY_US
from gateway.steps.acts.pay_again import pay_again
from tests.rig import Rig

OpenRig = Callable[..., Rig]


def captures(rig: Rig) -> list[Operation]:
    return [one for one in rig.rows(Operation) if one.kind is OperationKind.CAPTURE]


def with_first_parcel_taken_back(
    with_cart: OpenRig, *, captures_once: bool = False, hold_days: int | None = None
) -> Rig:
    """Ana's home with an order in two parcels; the first was sent, debited, and taken back by her bank."""
    rig = with_cart()
    rig.bank.captures_once = captures_once
    rig.bank.hold_us = None if hold_days is None else hold_days * DAY_US
    rig.say_yes()
    rig.work_off()
    rig.shop.ship(1)
    rig.pass_days(0.2)
    (first,) = captures(rig)
    rig.bank.take_back(first.id)
    rig.enqueue("sync", first.id)
    rig.pass_days(0.1)
    assert rig.bank.debited_minor == 0
    return rig


def ship_the_rest(rig: Rig) -> None:
    rig.shop.ship(rig.shop.orders[rig.shop.only].lines[0].packs - 1)
    rig.pass_days(0.2)


def pay(rig: Rig) -> None:
    with rig.store.begin() as tx:
        pay_again(tx, rig.the(Order), None, by="ana", reason="the member asked", now_us=rig.clock.now)
    rig.pass_days(0.2)


def test_a_hold_for_the_next_parcel_does_not_debit_again_what_was_taken_back(with_cart: OpenRig) -> None:
    rig = with_first_parcel_taken_back(with_cart, captures_once=True)
    (first,) = captures(rig)
    ship_the_rest(rig)
    total = rig.the(Order).total_minor
    assert rig.bank.debited_minor == total - first.amount_minor
    assert rig.bank.held_minor == 0
    assert rig.the(Order).state is OrderState.PAYMENT_DUE
    pay(rig)
    assert rig.bank.debited_minor == total
    assert rig.bank.held_minor == 0
    assert rig.differences() == []


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)  # the other stories run on both
def test_a_hold_that_is_renewed_does_not_debit_again_what_was_taken_back(with_cart: OpenRig) -> None:
    rig = with_first_parcel_taken_back(with_cart, hold_days=7)
    (first,) = captures(rig)
    rig.pass_days(8)
    assert rig.bank.debited_minor == 0
    assert rig.bank.held_minor == rig.the(Order).total_minor - first.amount_minor
    ship_the_rest(rig)
    assert rig.bank.debited_minor == rig.the(Order).total_minor - first.amount_minor
    assert rig.differences() == []


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)  # the other stories run on both
def test_what_was_taken_back_twice_is_asked_for_twice_and_holds_nothing_up(with_cart: OpenRig) -> None:
    rig = with_first_parcel_taken_back(with_cart)
    pay(rig)
    second = captures(rig)[-1]
    rig.clock.advance(DAY_US)
    rig.bank.take_back(second.id)
    rig.enqueue("sync", second.id)
    rig.pass_days(0.1)
    rig.shop.deliver()
    rig.shop.orders[rig.shop.only].state = "delivered"  # the rest is not sent any more
    rig.pass_days(2)
    assert rig.bank.debited_minor == 0
    assert rig.bank.held_minor == 0
    pay(rig)
    assert rig.bank.debited_minor == second.amount_minor
    assert rig.bank.held_minor == 0
    assert rig.differences() == []
