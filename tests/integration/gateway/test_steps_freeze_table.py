"""Every freeze at every place the money may be: nothing moves while it lasts, and lifting it lets all go on once."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.domain.cart import Cart, CartState
from gateway.domain.household import Member
from gateway.domain.order import Order
from gateway.domain.payment import Attempt, Mandate
from gateway.steps.acts.household import freeze_device, freeze_everything, freeze_method, unfreeze_everything
from gateway.steps.approve import Approve
from tests.builders import HOME
from tests.rig import Rig

OpenRig = Callable[..., Rig]


WENT_BACK = {("method", "after the yes"), ("device", "after the yes"), ("device", "after the hold")}


def freeze(rig: Rig, what: str, *, lift: bool = False) -> None:
    with rig.store.begin() as tx:
        ana = tx.get(Member, HOME, "ana")
        if what == "all":
            (unfreeze_everything if lift else freeze_everything)(tx, ana, now_us=rig.clock.now)
        elif what == "device":
            freeze_device(tx, ana, "fridge", frozen=not lift, now_us=rig.clock.now)
        else:
            freeze_method(tx, ana, "method", frozen=not lift)


def let_the_mandate_decide(rig: Rig) -> None:
    """Let a standing mandate say yes to the cart, as a device's word allows."""
    rig.save(replace(rig.the(Mandate), standing=True), replace(rig.the(Cart), needs_person=()))
    rig.enqueue("approve", rig.the(Cart).id)
    for _ in range(9):
        if rig.the(Cart).state is CartState.APPROVED:
            return
        rig.run_round()
    raise AssertionError("the mandate never said yes")


@pytest.mark.parametrize("what", ["all", "method", "device"])
@pytest.mark.parametrize("where", ["after the yes", "after the hold", "after the shipment"])
def test_nothing_moves_while_frozen_and_all_goes_on_once_it_is_lifted(
    with_cart: OpenRig, what: str, where: str
) -> None:
    rig = with_cart()
    if what == "device":
        let_the_mandate_decide(rig)
    else:
        rig.say_yes()
    if where == "after the hold":
        for _ in range(9):
            if rig.rows(Attempt, state="authorized"):
                break
            rig.run_round()
    if where == "after the shipment":
        rig.work_off()
        rig.shop.ship()
    freeze(rig, what)
    rig.pass_days(1)
    assert rig.bank.debited_minor == 0
    assert len(rig.shop.orders) == (where == "after the shipment")
    freeze(rig, what, lift=True)
    if (what, where) in WENT_BACK:
        rig.decide(Approve(None))  # it went back to a person, who says yes once more
    rig.pass_days(0.2)
    if where != "after the shipment":
        rig.shop.ship()
    rig.pass_days(1)
    assert rig.bank.debited_minor == rig.the(Order).total_minor
    assert rig.bank.held_minor == 0
    assert rig.differences() == []


def test_what_a_person_said_yes_to_is_debited_though_the_device_was_frozen_since(with_cart: OpenRig) -> None:
    rig = with_cart()
    rig.say_yes()
    freeze(rig, "device")
    rig.work_off()
    rig.shop.ship()
    rig.pass_days(1)
    assert rig.bank.debited_minor == rig.the(Order).total_minor
    assert rig.differences() == []
