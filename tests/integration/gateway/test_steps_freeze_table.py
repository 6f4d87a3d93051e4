"""Every freeze at every place the money may be: nothing moves while it lasts, and lifting it lets all go on once."""

from collections.abc import Callable

import pytest

from gateway.domain.household import Member
from gateway.domain.order import Order
from gateway.domain.payment import Attempt
from gateway.steps.acts.household import freeze_everything, freeze_method, unfreeze_everything
from gateway.steps.approve import Approve
from tests.builders import HOME
from tests.rig import Rig

OpenRig = Callable[..., Rig]


def freeze(rig: Rig, what: str, *, lift: bool = False) -> None:
    with rig.store.begin() as tx:
        ana = tx.get(Member, HOME, "ana")
        if what == "all":
            (unfreeze_everything if lift else freeze_everything)(tx, ana, now_us=rig.clock.now)
        else:
            freeze_method(tx, ana, "method", frozen=not lift)


@pytest.mark.parametrize("what", ["all", "method"])
@pytest.mark.parametrize("where", ["after the yes", "after the hold", "after the shipment"])
def test_nothing_moves_while_frozen_and_all_goes_on_once_it_is_lifted(
    with_cart: OpenRig, what: str, where: str
) -> None:
    rig = with_cart()
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
    if what == "method" and where == "after the yes":
        rig.decide(Approve(None))  # it went back to a person, who says yes once more
    rig.pass_days(0.2)
    if where != "after the shipment":
        rig.shop.ship()
    rig.pass_days(1)
    assert rig.bank.debited_minor == rig.the(Order).total_minor
    assert rig.bank.held_minor == 0
    assert rig.differences() == []
