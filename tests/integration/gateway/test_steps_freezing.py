"""A freeze takes effect at once, wherever the money is: of everything, of one account, of one device."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.domain.cart import Cart, CartState
from gateway.domain.household import Member
from gateway.domain.order import Order, OrderState
from gateway.domain.payment import Attempt, AttemptState, Mandate, Operation, OperationKind, OperationState
from gateway.domain.stock import Device, DeviceState
from gateway.steps.acts.household import freeze_everything, unfreeze_everything
from payments.adapter import OperationKind as Kind
from tests.builders import HOME
from tests.fake_bank import Fault
from tests.rig import Rig

OpenRig = Callable[..., Rig]


def freeze(rig: Rig, *, lift: bool = False) -> None:
    with rig.store.begin() as tx:
        (unfreeze_everything if lift else freeze_everything)(tx, tx.get(Member, HOME, "ana"), now_us=rig.clock.now)


def freeze_the_fridge(rig: Rig) -> None:
    rig.save(replace(rig.the(Device), state=DeviceState.FROZEN))


def asked(rig: Rig, kind: Kind) -> int:
    return [one for one, _ in rig.bank.sent].count(kind)


def test_between_the_yes_and_the_hold_nothing_is_held_until_it_thaws(with_cart: OpenRig) -> None:
    rig = with_cart()
    rig.say_yes()
    freeze(rig)
    rig.pass_days(0.1)
    assert rig.bank.sent == []
    freeze(rig, lift=True)
    rig.work_off()
    assert rig.the(Order).state is OrderState.PLACED


@pytest.mark.parametrize("fault", ["lost", "not_sent", "500"])
def test_a_hold_that_never_arrived_is_not_sent_again_during_the_freeze(with_cart: OpenRig, fault: Fault) -> None:
    rig = with_cart()
    rig.bank.fail("authorize", fault)
    rig.say_yes()
    until(rig, lambda: bool(rig.bank.sent))
    freeze(rig)
    rig.pass_days(0.1)
    assert asked(rig, Kind.AUTHORIZE) == 1
    assert rig.bank.holds == {}
    freeze(rig, lift=True)
    rig.pass_days(0.1)
    assert rig.the(Order).state is OrderState.PLACED
    assert len(rig.bank.holds) == 1


def test_a_hold_that_arrived_before_the_freeze_is_learned_of_and_nothing_ordered(with_cart: OpenRig) -> None:
    rig = with_cart()
    rig.bank.fail("authorize", "silent")
    rig.say_yes()
    until(rig, lambda: bool(rig.bank.sent))
    freeze(rig)
    rig.pass_days(0.1)
    assert rig.the(Attempt).state is AttemptState.AUTHORIZED
    assert rig.shop.orders == {}


def test_between_the_hold_and_the_order_nothing_is_sent_until_it_thaws(with_cart: OpenRig) -> None:
    rig = with_cart()
    rig.say_yes()
    until(rig, lambda: rig.the(Cart).state is CartState.HELD)
    freeze(rig)
    rig.pass_days(0.1)
    assert rig.shop.orders == {}
    freeze(rig, lift=True)
    rig.pass_days(0.1)
    assert rig.the(Order).state is OrderState.PLACED


def test_what_was_shipped_is_owed_and_billed_once_it_thaws(with_order: OpenRig) -> None:
    rig = with_order()
    freeze(rig)
    rig.shop.ship()
    rig.pass_days(0.3)
    assert (rig.bank.debited_minor, asked(rig, Kind.CAPTURE)) == (0, 0)
    assert rig.bank.held_minor == rig.the(Order).total_minor
    freeze(rig, lift=True)
    rig.pass_days(0.1)
    assert rig.bank.debited_minor == rig.the(Order).total_minor
    assert rig.differences() == []


def test_a_debit_that_never_arrived_is_not_sent_again_during_the_freeze(with_order: OpenRig) -> None:
    rig = with_order()
    rig.bank.fail("capture", "lost")
    rig.shop.ship()
    rig.clock.advance(3_600_000_000)
    until(rig, lambda: asked(rig, Kind.CAPTURE) > 0)
    freeze(rig)
    rig.pass_days(0.1)
    assert (rig.bank.debited_minor, asked(rig, Kind.CAPTURE)) == (0, 1)
    freeze(rig, lift=True)
    rig.pass_days(0.1)
    assert rig.bank.debited_minor == rig.the(Order).total_minor
    assert rig.the(Operation, kind=OperationKind.CAPTURE).state is OperationState.SUCCEEDED


def test_a_freeze_does_not_keep_what_is_owed_to_the_household(with_order: OpenRig) -> None:
    rig = with_order()
    rig.shop.ship()
    rig.pass_days(0.1)
    freeze(rig)
    rig.shop.lose()
    rig.pass_days(0.2)
    assert rig.bank.debited_minor == 0


# A device that is not trusted any more


def by_mandate(with_cart: OpenRig) -> Rig:
    """A cart that a standing mandate has just approved."""
    rig = with_cart()
    let_the_mandate_decide(rig)
    until(rig, lambda: rig.the(Cart).state is CartState.APPROVED)
    return rig


def let_the_mandate_decide(rig: Rig) -> None:
    rig.save(replace(rig.the(Mandate), standing=True), replace(rig.the(Cart), needs_person=()))
    rig.enqueue("approve", rig.the(Cart).id)


def until(rig: Rig, so: Callable[[], bool]) -> None:
    """Work in small steps until it is so."""
    for _ in range(50):
        if so():
            return
        rig.run_round()
    raise AssertionError("it never came to that")


def test_a_mandate_says_no_yes_on_the_word_of_a_frozen_device(with_cart: OpenRig) -> None:
    rig = with_cart()
    freeze_the_fridge(rig)
    let_the_mandate_decide(rig)
    rig.work_off()
    assert rig.the(Cart).state is CartState.AWAITING_APPROVAL
    assert rig.the(Cart).needs_person == ("a device behind it is frozen: milk usual",)


def test_a_device_frozen_after_a_mandates_yes_asks_a_person_before_anything_is_held(with_cart: OpenRig) -> None:
    rig = by_mandate(with_cart)
    freeze_the_fridge(rig)
    rig.work_off()
    assert rig.the(Cart).state is CartState.AWAITING_APPROVAL
    assert rig.bank.holds == {}


def test_a_device_frozen_after_the_hold_gives_it_back_and_asks_a_person(with_cart: OpenRig) -> None:
    rig = by_mandate(with_cart)
    until(rig, lambda: rig.the(Cart).state is CartState.HELD)
    assert rig.the(Cart).state is CartState.HELD
    freeze_the_fridge(rig)
    rig.work_off()
    assert rig.the(Cart).state is CartState.AWAITING_APPROVAL
    assert rig.bank.held_minor == 0
    assert rig.shop.orders == {}


def test_a_person_may_buy_what_a_frozen_device_asked_for(with_cart: OpenRig) -> None:
    rig = with_cart()
    freeze_the_fridge(rig)
    rig.say_yes()
    rig.work_off()
    assert rig.the(Order).state is OrderState.PLACED
