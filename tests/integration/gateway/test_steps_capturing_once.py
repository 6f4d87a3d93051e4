"""A provider at which a capture ends its hold: every parcel is billed all the same, once, and never above the yes."""

from collections.abc import Callable

import pytest

from gateway.domain.household import Member
from gateway.domain.order import Order, OrderState
from gateway.domain.payment import (
    Attempt,
    AttemptState,
    Mandate,
    Operation,
    OperationKind,
    OperationState,
    Posting,
    Reservation,
    ReservationState,
)
from gateway.domain.records import Message
from gateway.steps.acts.pay_again import pay_order_again
from tests.builders import HOME, build
from tests.fake_bank import Fault
from tests.rig import Rig

OpenRig = Callable[..., Rig]


def with_order_held_once(with_cart: OpenRig) -> Rig:
    """Ana's home with an order whose hold ends with its first capture."""
    rig = with_cart()
    rig.bank.captures_once = True
    rig.say_yes()
    rig.work_off()
    return rig


def packs(rig: Rig) -> int:
    return rig.shop.orders[rig.shop.only].lines[0].packs


def settled(rig: Rig, debited_minor: int) -> None:
    """Exactly so much is debited, nothing is held, and every book says the same."""
    assert rig.bank.debited_minor == debited_minor
    assert rig.bank.held_minor == 0
    assert rig.differences() == []
    assert sum(one.amount_minor for one in rig.rows(Posting)) == 0
    reserved = [one.amount_minor for one in rig.rows(Reservation) if one.state is not ReservationState.FREED]
    assert sum(reserved) == sum(amount.amount_minor for _, amount in rig.bank.captures.values())


def test_what_ships_whole_is_debited_once_and_nothing_is_held_anew(with_cart: OpenRig) -> None:
    rig = with_order_held_once(with_cart)
    rig.shop.ship()
    rig.pass_days(0.2)
    assert [one.state for one in rig.rows(Attempt)] == [AttemptState.CAPTURED]
    settled(rig, rig.the(Order).total_minor)


def test_the_rest_of_an_order_is_held_anew_at_once_after_its_first_parcel_was_billed(with_cart: OpenRig) -> None:
    rig = with_order_held_once(with_cart)
    total = rig.the(Order).total_minor
    rig.shop.ship(1)
    rig.pass_days(0.1)
    first = rig.bank.debited_minor
    assert 0 < first < total
    assert [one.state for one in rig.rows(Attempt)] == [AttemptState.REPLACED, AttemptState.AUTHORIZED]
    assert rig.bank.held_minor == total - first
    assert len({one.approval_id for one in rig.rows(Attempt)}) == 1
    rig.shop.ship(packs(rig) - 1)
    rig.pass_days(0.1)
    assert rig.the(Order).state is OrderState.SHIPPED
    settled(rig, total)
    rig.shop.deliver()
    rig.pass_days(0.1)
    settled(rig, total)


def test_parcels_that_ship_together_are_billed_one_after_the_other(with_cart: OpenRig) -> None:
    rig = with_order_held_once(with_cart)
    total = rig.the(Order).total_minor
    rig.shop.ship(1)
    rig.shop.ship(1)
    rig.shop.ship(packs(rig) - 2)
    rig.bank.around = lambda _where: None if rig.bank.held_minor <= total else pytest.fail("held twice")
    rig.pass_days(0.2)
    captures = [one for one in rig.rows(Operation) if one.kind is OperationKind.CAPTURE]
    assert [one.state for one in captures] == [OperationState.SUCCEEDED] * 3
    assert len({one.attempt_id for one in captures}) == 3
    settled(rig, total)


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)  # the other stories run on both
@pytest.mark.parametrize("kind", ["authorize", "capture"])
@pytest.mark.parametrize("faults", [["not_sent"], ["lost"], ["silent"], ["delayed"], ["500", "lost", "silent"]])
def test_whatever_goes_wrong_every_parcel_is_billed_once(with_cart: OpenRig, kind: str, faults: list[Fault]) -> None:
    rig = with_order_held_once(with_cart)
    total = rig.the(Order).total_minor
    rig.shop.ship(1)
    rig.shop.ship(packs(rig) - 1)
    rig.bank.fail(kind, *faults)
    rig.run_round()
    rig.bank.deliver()
    rig.pass_days(0.3)
    rig.bank.deliver()
    rig.pass_days(1)
    settled(rig, total)


def crash_between_two_parcels(with_cart: OpenRig, at: int) -> tuple[bool, str]:
    """Let the process die at one place while two parcels are billed; say whether it did, and where."""
    rig = with_order_held_once(with_cart)
    total = rig.the(Order).total_minor
    rig.shop.ship(1)
    rig.shop.ship(packs(rig) - 1)
    rig.bomb.passed, rig.bomb.at = 0, at
    crashed = rig.survive(lambda: rig.pass_days(0.1))
    rig.bomb.at = 0
    rig.pass_days(0.1)
    settled(rig, total)
    rig.close()
    return crashed, rig.bomb.where


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)  # the other stories run on both
@pytest.mark.parametrize("at", [3, 7, 10, 13])
def test_a_crash_between_two_parcels_bills_each_once(with_cart: OpenRig, at: int) -> None:
    assert crash_between_two_parcels(with_cart, at)[0]


@pytest.mark.long
@pytest.mark.long_on_postgresql
def test_a_crash_anywhere_between_two_parcels_bills_each_once(with_cart: OpenRig) -> None:
    places: set[str] = set()
    for at in range(1, 60):
        crashed, where = crash_between_two_parcels(with_cart, at)
        places.add(where)
        if not crashed:
            break
    assert {f"{when} {kind}" for when in ("before", "after") for kind in ("authorize", "capture")} <= places


def test_a_parcel_that_is_lost_comes_back_through_the_try_that_paid_it(with_cart: OpenRig) -> None:
    rig = with_order_held_once(with_cart)
    total = rig.the(Order).total_minor
    rig.shop.ship(1)
    rig.pass_days(0.1)
    first = rig.bank.debited_minor
    rig.shop.ship(packs(rig) - 1)
    rig.pass_days(0.1)
    rig.shop.lose("parcel-1")
    rig.pass_days(0.1)
    assert rig.bank.debited_minor == total - first
    assert rig.differences() == []


def test_when_the_rest_cannot_be_held_the_payment_is_due_and_can_be_paid_again(with_cart: OpenRig) -> None:
    rig = with_order_held_once(with_cart)
    total = rig.the(Order).total_minor
    rig.bank.fail("authorize", "decline")
    rig.shop.ship(1)
    rig.pass_days(0.2)
    assert rig.the(Order).state is OrderState.PAYMENT_DUE
    assert [one.kind for one in rig.rows(Message)].count("payment_due") == 1
    rig.shop.ship(packs(rig) - 1)
    rig.pass_days(0.2)
    assert rig.bank.debited_minor < total
    with rig.store.begin() as tx:
        pay_order_again(tx, tx.get(Member, HOME, "ana"), rig.the(Order).id, None, now_us=rig.clock.now)
    rig.pass_days(0.1)
    settled(rig, total)


def test_a_permission_that_ended_meanwhile_makes_the_rest_due_and_looking_at_the_shop_does_not_hide_it(
    with_cart: OpenRig,
) -> None:
    rig = with_order_held_once(with_cart)
    rig.save(build(Mandate, state="suspended"))
    rig.shop.ship(1)
    rig.pass_days(0.2)
    assert rig.the(Order).state is OrderState.PAYMENT_DUE
    assert rig.bank.held_minor == 0
    rig.save(build(Mandate))
    total = rig.the(Order).total_minor
    with rig.store.begin() as tx:
        pay_order_again(tx, tx.get(Member, HOME, "ana"), rig.the(Order).id, None, now_us=rig.clock.now)
    rig.shop.ship(packs(rig) - 1)
    rig.pass_days(0.2)
    settled(rig, total)


def test_a_line_the_shop_called_off_is_not_held_for_any_more(with_cart: OpenRig) -> None:
    rig = with_order_held_once(with_cart)
    rig.shop.ship(1)
    rig.pass_days(0.1)
    first = rig.bank.debited_minor
    rig.shop.deliver()
    rig.shop.orders[rig.shop.only].state = "delivered"
    rig.pass_days(0.2)
    settled(rig, first)
