"""Cancel: what the shop has not sent can be called off, by a person or by patience; believed once confirmed."""

from collections.abc import Callable

import pytest

from gateway.domain.cart import Cart
from gateway.domain.errors import Conflict
from gateway.domain.household import Member
from gateway.domain.order import Order, OrderState
from gateway.domain.payment import Attempt, AttemptState, OperationKind
from gateway.domain.records import Act, Message
from gateway.domain.replenishment import DAY_US, Plan, PlanState
from gateway.domain.stock import Supply
from gateway.steps.cancel import MOST_TRIES, cancel_order
from gateway.steps.goods.watch import LONGEST_PROMISE_US, LONGEST_WATCH_US
from tests.builders import HOME
from tests.fake_shop import Fault
from tests.rig import Rig

OpenRig = Callable[..., Rig]


def call_off(rig: Rig) -> None:
    with rig.store.begin() as tx:
        cancel_order(tx, tx.get(Member, HOME, "ana"), rig.the(Order).id, now_us=rig.clock.now)


def told(rig: Rig) -> list[str]:
    return [one.kind for one in rig.rows(Message)]


def test_an_order_that_is_called_off_gives_the_hold_back_and_frees_the_supply(with_order: OpenRig) -> None:
    rig = with_order()
    call_off(rig)
    rig.work_off()
    assert rig.shop.orders[rig.shop.only].state == "cancelled"
    assert rig.the(Order).state is OrderState.CANCELLED
    assert rig.the(Attempt).state is AttemptState.VOIDED
    assert (rig.bank.held_minor, rig.bank.debited_minor) == (0, 0)
    assert rig.the(Plan).state is PlanState.DROPPED
    assert (rig.the(Act).by, rig.the(Act).verb) == ("ana", "cancel")
    assert rig.differences() == []
    rig.pass_days(3)
    assert len(rig.rows(Cart)) == 1  # not proposed again at once
    assert rig.the(Supply).quiet_until_us > rig.clock.now


def test_the_hold_is_kept_until_the_shop_has_confirmed(with_order: OpenRig) -> None:
    rig = with_order()
    rig.shop.cancel_faults.extend(["lost"])
    call_off(rig)
    rig.run_round()
    assert rig.the(Order).state is OrderState.PLACED
    assert rig.bank.held_minor == rig.the(Order).total_minor


@pytest.mark.parametrize(
    "faults", [["not_sent"], ["lost"], ["silent"], ["silent", "silent"], ["lost", "not_sent", "silent", "lost"]]
)
def test_a_cancellation_whose_answer_is_lost_is_asked_for_again(with_order: OpenRig, faults: list[Fault]) -> None:
    rig = with_order()
    rig.shop.cancel_faults.extend(faults)
    call_off(rig)
    rig.work_off()
    assert rig.the(Order).state is OrderState.CANCELLED
    assert rig.bank.held_minor == 0
    assert rig.differences() == []


@pytest.mark.parametrize("fault", ["rejected", "refused"])
def test_a_shop_that_does_not_cancel_still_owes_the_goods_and_the_household_is_told(
    with_order: OpenRig, fault: Fault
) -> None:
    rig = with_order()
    rig.shop.cancel_faults.append(fault)
    call_off(rig)
    rig.work_off()
    assert rig.the(Order).state is OrderState.PLACED
    assert told(rig).count("order_not_cancelled") == 1
    rig.shop.ship()
    rig.pass_days(0.2)
    assert rig.bank.debited_minor == rig.the(Order).total_minor


def test_a_shop_that_never_answers_is_not_asked_to_cancel_for_ever(with_order: OpenRig) -> None:
    rig = with_order()
    rig.shop.cancel_faults.extend(["lost"] * 100)
    call_off(rig)
    rig.work_off()
    assert len(rig.shop.cancel_faults) == 100 - MOST_TRIES - 1
    assert told(rig).count("order_not_cancelled") == 1


def test_what_is_on_its_way_cannot_be_called_off(with_order: OpenRig) -> None:
    rig = with_order()
    rig.shop.ship()
    rig.pass_days(0.2)
    with pytest.raises(Conflict, match="on its way"):
        call_off(rig)
    assert rig.rows(Act) == []


def test_a_parcel_that_left_while_it_was_called_off_is_billed(with_order: OpenRig) -> None:
    rig = with_order()
    call_off(rig)
    rig.shop.ship()
    rig.pass_days(0.2)
    assert rig.the(Order).state is OrderState.SHIPPED
    assert rig.bank.debited_minor == rig.the(Order).total_minor
    assert "order_not_cancelled" not in told(rig)


def test_a_shop_that_accepts_and_never_ships_is_asked_to_cancel_once_patience_is_over(with_order: OpenRig) -> None:
    rig = with_order()
    rig.pass_days(5.5)  # promised for the second day, and four days of patience
    assert rig.rows(Order)[0].state is OrderState.PLACED
    rig.pass_days(1)
    first = rig.rows(Order)[0]
    assert first.state is OrderState.CANCELLED
    assert rig.bank.held_minor == 0
    assert rig.rows(Act) == []
    assert rig.rows(Plan)[0].state is PlanState.DROPPED
    assert len(rig.rows(Cart)) == 2  # planned anew: it is still needed
    assert rig.differences() == []


def test_a_promise_that_is_put_off_for_ever_does_not_wear_patience_out_for_ever(with_order: OpenRig) -> None:
    rig = with_order()
    rig.shop.orders[rig.shop.only].promised_us = rig.clock.now + 400 * DAY_US
    rig.clock.advance(LONGEST_PROMISE_US + 3 * DAY_US)
    rig.work_off()
    assert rig.rows(Order)[0].state is OrderState.PLACED
    rig.clock.advance(2 * DAY_US)
    rig.work_off()
    assert rig.rows(Order)[0].state is OrderState.CANCELLED


def test_a_shop_that_neither_ships_nor_cancels_is_left_to_a_person_in_the_end(with_order: OpenRig) -> None:
    rig = with_order()
    rig.shop.cancel_faults.append("rejected")
    rig.pass_days(10)
    assert told(rig).count("order_not_cancelled") == 1
    rig.clock.advance(LONGEST_WATCH_US)
    rig.work_off()
    assert rig.the(Order).abandoned_us is not None
    assert told(rig).count("order_abandoned") == 1
    assert rig.waiting("observe") == []


def test_a_parcel_that_never_arrives_is_not_looked_at_for_ever(with_order: OpenRig) -> None:
    rig = with_order()
    rig.shop.ship()
    rig.pass_days(0.2)
    rig.clock.advance(LONGEST_WATCH_US)
    rig.work_off()
    assert rig.the(Order).abandoned_us is not None
    assert rig.waiting("observe") == []


def test_a_crash_anywhere_while_an_order_is_called_off_is_made_good(with_order: OpenRig) -> None:
    places: set[str] = set()
    for at in range(1, 60):
        rig = with_order()
        rig.bomb.passed, rig.bomb.at = 0, at
        call_off(rig)
        crashed = rig.survive(rig.work_off)
        rig.work_off()
        places.add(rig.bomb.where)
        assert rig.the(Order).state is OrderState.CANCELLED, rig.bomb.where
        assert rig.bank.held_minor == 0, rig.bomb.where
        assert len([kind for kind, _ in rig.bank.sent if kind == OperationKind.VOID]) >= 1
        assert rig.differences() == [], rig.bomb.where
        rig.close()
        if not crashed:
            break
    assert {"before cancel", "after cancel", "after a commit", "before void", "after void"} <= places
