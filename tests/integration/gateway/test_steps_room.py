"""Fast goods in a small place: when to order, how much to keep, and what is said where that cannot be."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from forecasting import amount
from gateway.domain.cart import Cart, CartState
from gateway.domain.errors import Invalid
from gateway.domain.household import Member
from gateway.domain.replenishment import DAY_US, Forecast, Plan, PlanState, Policy
from gateway.domain.stock import Supply
from gateway.steps.acts.household import set_policy
from tests.homes import home, known_level
from tests.rig import Rig

OpenRig = Callable[..., Rig]


def planned(open_rig: OpenRig, quantity: float = 0.15, **policy: object) -> Rig:
    """Open a home whose litre of milk is nearly gone, with a plan to buy some."""
    rig = open_rig(*home(**policy), known_level("milk", quantity))
    rig.shop.sell("milk-usual", 120)
    rig.enqueue("forecast", "milk")
    rig.pass_days(0.1)
    return rig


def carts(rig: Rig) -> list[Cart]:
    """Return what waits for an answer."""
    return rig.rows(Cart, state=CartState.AWAITING_APPROVAL)


def arrive(rig: Rig, days: float) -> Forecast:
    """Let what was planned stand on the shelf so many days later, and forecast anew."""
    plan = rig.the(Plan)
    rig.say_yes()
    rig.work_off()
    rig.clock.advance(round(days * DAY_US))
    used = (rig.rows(Forecast)[0].daily_use or 0.0) * days
    stock = max(0.0, 0.15 + plan.packs - used)
    rig.save(replace(rig.the(Supply), sealed_quantity=max(0.0, stock - 1.0)))
    rig.save(known_level("milk", min(1.0, stock), at_us=rig.clock.now))
    rig.enqueue("forecast", "milk")
    rig.work_off()
    return rig.the(Forecast, current=True)


@pytest.mark.parametrize("target_days", [1.0, 2.0, 6.0])
def test_what_was_bought_lasts_beyond_its_own_delivery(open_rig: OpenRig, target_days: float) -> None:
    rig = planned(open_rig, target_days=target_days)
    made = arrive(rig, days=3.0)
    assert made.order_by_us is not None
    assert made.order_by_us >= rig.clock.now + DAY_US // 2
    assert made.target_quantity is not None
    assert made.reorder_quantity is not None
    assert made.target_quantity > made.reorder_quantity


def test_a_target_too_short_for_the_delivery_is_said_in_the_plan_and_on_the_supply(open_rig: OpenRig) -> None:
    rig = planned(open_rig, target_days=1.0)
    (advice,) = [one for one in rig.rows(Forecast)[0].advice if "at a time and not 1:" in one]
    assert advice in rig.the(Plan).reasons


def test_more_than_the_device_holds_is_said_with_what_to_do(open_rig: OpenRig) -> None:
    rig = planned(open_rig)
    made = rig.rows(Forecast)[0]
    assert (made.reorder_quantity or 0) > made.capacity
    assert any(
        f"more than the {amount(1, 'l')} the device holds" in one and "say how much" in one for one in made.advice
    )
    assert any(f"more than the {amount(1, 'l')}" in one for one in rig.the(Plan).reasons)


def test_with_little_room_the_service_level_that_can_be_held_is_said(open_rig: OpenRig) -> None:
    rig = planned(open_rig, maximum_quantity=2.0)
    made = rig.rows(Forecast)[0]
    assert made.service_held is not None
    assert made.service_held < 0.95
    assert made.reorder_quantity is not None
    assert made.reorder_quantity < 2.0
    (advice,) = [one for one in made.advice if one.startswith(f"With room for {amount(2, 'l')} you can be about")]
    assert "not 95\u202f%" in advice
    assert advice in rig.the(Plan).reasons
    assert any(f"To be {100 * made.service_held:.3g}\u202f% sure" in one for one in rig.the(Plan).reasons)


@pytest.mark.parametrize("room", [1.0, 2.0, 4.0])
def test_no_more_is_bought_than_there_is_room_for_when_it_comes(open_rig: OpenRig, room: float) -> None:
    rig = planned(open_rig, maximum_quantity=room)
    made, plan = rig.rows(Forecast)[0], rig.the(Plan)
    comes_to = max(0.0, 0.15 - 3 * (made.daily_use or 0)) + plan.packs
    assert comes_to <= max(1.0, room) + 1e-9


def test_a_full_house_is_not_told_to_order_at_once(open_rig: OpenRig) -> None:
    rig = open_rig(*home(maximum_quantity=2.0, pack_size=1.0, sealed=1.0), known_level("milk", 1.0))
    rig.shop.sell("milk-usual", 120)
    rig.enqueue("forecast", "milk")
    rig.work_off()
    made = rig.the(Forecast)
    assert made.order_by_us is not None
    assert made.order_by_us > rig.clock.now


def test_packs_too_small_for_what_is_wanted_are_said(open_rig: OpenRig) -> None:
    rig = planned(open_rig, pack_size=0.1, target_days=30.0)
    assert any("Choose a larger pack" in one for one in rig.rows(Forecast)[0].advice)


def test_a_minimum_that_no_order_can_reach_is_not_ordered_for_without_end(open_rig: OpenRig) -> None:
    rig = planned(open_rig, minimum_quantity=1e9)
    assert any("No order can bring as much as is never to be missing" in one for one in rig.rows(Forecast)[0].advice)
    bought = 0
    for _ in range(4):
        if not rig.rows(Plan, state=PlanState.CARTED):
            break
        (plan,) = rig.rows(Plan, state=PlanState.CARTED)
        bought += plan.packs
        rig.save(replace(plan, state=PlanState.DROPPED), *(replace(one, state=CartState.SKIPPED) for one in carts(rig)))
        rig.save(replace(rig.the(Supply), sealed_quantity=float(bought)))
        rig.enqueue("forecast", "milk")
        rig.pass_days(0.1)
    assert 21 < bought < 60
    assert rig.the(Forecast, current=True).order_by_us != rig.clock.now


def test_enough_room_needs_no_advice(open_rig: OpenRig) -> None:
    rig = open_rig(*home(service_level=0.5), known_level("milk", 0.9))
    rig.enqueue("forecast", "milk")
    rig.work_off()
    made = rig.the(Forecast)
    assert made.advice == ()
    assert made.service_held == 0.5


@pytest.mark.parametrize("room", [0.0, 0.5, float("nan")])
def test_room_must_lie_above_what_is_always_to_be_there(open_rig: OpenRig, room: float) -> None:
    rig = open_rig(*home(minimum_quantity=0.5))
    wanted = replace(rig.the(Policy), maximum_quantity=room)
    with rig.store.begin() as tx, pytest.raises(Invalid, match="maximum_quantity"):
        set_policy(tx, rig.the(Member), wanted, now_us=rig.clock.now)
