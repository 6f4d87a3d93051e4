"""The way back from a skip or a snooze: asked again at once, and never a second order for what is taken care of."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.domain.cart import Cart, CartState, Line
from gateway.domain.errors import Conflict
from gateway.domain.order import Order
from gateway.domain.replenishment import DAY_US, Plan, PlanState
from gateway.domain.stock import Supply
from gateway.steps.approve import AskAgain, Skip, Snooze
from tests.homes import home, known_level
from tests.rig import Rig

OpenRig = Callable[..., Rig]


@pytest.fixture
def rig(open_rig: OpenRig) -> Rig:
    """A home with one cart that waits for a person."""
    rig = open_rig(*home(), known_level("milk", 0.15))
    rig.shop.sell("milk-usual", 120)
    rig.enqueue("forecast", "milk")
    rig.pass_days(0.1)
    assert rig.the(Cart).state is CartState.AWAITING_APPROVAL
    return rig


def test_a_skipped_cart_is_brought_back_approved_and_ordered_once(rig: Rig) -> None:
    rig.decide(Skip())
    assert rig.the(Plan).state is PlanState.DROPPED
    rig.decide(AskAgain())
    assert rig.the(Cart).state is CartState.AWAITING_APPROVAL
    assert rig.the(Cart).needs_person == ("you asked to see it now",)
    assert rig.rows(Supply)[0].quiet_until_us == 0
    rig.say_yes()
    rig.pass_days(2)
    assert len(rig.rows(Order)) == 1
    assert len(rig.rows(Plan)) == 1


def test_a_snoozed_cart_is_asked_about_at_once_and_no_longer_ends_when_the_snooze_would(rig: Rig) -> None:
    rig.decide(Snooze(rig.clock.now + DAY_US // 2))
    rig.decide(AskAgain())
    cart = rig.the(Cart)
    assert (cart.state, cart.snoozed_until_us) == (CartState.AWAITING_APPROVAL, None)
    rig.pass_days(0.6)
    assert [one.state for one in rig.rows(Cart)] == [CartState.AWAITING_APPROVAL]


def test_after_a_day_it_is_drafted_anew_at_new_prices(rig: Rig) -> None:
    rig.decide(Snooze(rig.clock.now + 6 * DAY_US))
    rig.shop.sell("milk-usual", 130)
    rig.pass_days(2)
    rig.decide(AskAgain())
    rig.pass_days(0.3)
    assert [one.state for one in rig.rows(Cart)] == [CartState.EXPIRED, CartState.AWAITING_APPROVAL]
    assert rig.rows(Line)[-1].unit_price_minor == 130


def test_a_cart_that_was_followed_by_another_stays_ended(rig: Rig) -> None:
    rig.decide(Skip())
    rig.pass_days(8)
    first, second = rig.rows(Cart)
    assert second.state is CartState.AWAITING_APPROVAL
    with pytest.raises(Conflict, match="followed by another"):
        rig.decide(AskAgain(), first.id)
    assert rig.rows(Cart) == [first, second]


def test_an_approved_cart_cannot_be_asked_about(rig: Rig) -> None:
    rig.say_yes()
    with pytest.raises(Conflict):
        rig.decide(AskAgain())


def test_what_was_refilled_meanwhile_is_not_asked_about(rig: Rig) -> None:
    rig.decide(Snooze(rig.clock.now + DAY_US // 2))
    stands = rig.rows(Supply, id="milk")[0]
    rig.save(replace(stands, sealed_quantity=20.0), known_level("milk", 0.9, at_us=rig.clock.now))
    rig.pass_days(0.1)
    rig.decide(AskAgain())
    rig.pass_days(0.1)
    assert rig.the(Cart).state is CartState.DROPPED
