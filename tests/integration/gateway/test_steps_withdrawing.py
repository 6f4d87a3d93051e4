"""Withdrawal from a contract: declared in its period, acknowledged with its time, settled once, for whole or part."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.domain.errors import Conflict, Invalid, NotAllowed, NotFound
from gateway.domain.household import Member, Role
from gateway.domain.order import Order, OrderLine, OrderState
from gateway.domain.records import Act, Message
from gateway.domain.replenishment import DAY_US
from gateway.domain.stock import Supply
from gateway.domain.withdrawal import Withdrawal, WithdrawalState
from gateway.steps.acts.withdraw import confirm_return, withdraw
from gateway.steps.money.review import review
from tests.builders import HOME
from tests.rig import Rig

OpenRig = Callable[..., Rig]


def declare(rig: Rig, *line_ids: str) -> Withdrawal:
    with rig.store.begin() as tx:
        member = tx.get(Member, HOME, "ana")
        return withdraw(tx, member, rig.the(Order).id, line_ids or None, now_us=rig.clock.now)


def settle(rig: Rig) -> None:
    with rig.store.begin() as tx:
        confirm_return(tx, rig.the(Withdrawal).id, by="operator", reason="it is back", now_us=rig.clock.now)


def ordered(with_order: OpenRig) -> Rig:
    """An order of coffee: milk would spoil."""
    rig = with_order()
    rig.save(replace(rig.the(Supply), kind="coffee-beans"))
    return rig


def delivered(with_order: OpenRig) -> Rig:
    rig = ordered(with_order)
    rig.shop.ship()
    rig.shop.deliver()
    rig.pass_days(0.2)
    assert rig.bank.debited_minor == rig.the(Order).total_minor
    return rig


def waiting(rig: Rig) -> list[str]:
    with rig.store.read() as tx:
        return [one.what for one in review(tx)]


def test_before_it_is_sent_it_is_called_off_and_the_hold_given_back(with_order: OpenRig) -> None:
    rig = ordered(with_order)
    said = declare(rig)
    assert said.words.startswith("Received 2026-11-24 ")
    assert f"Ana withdraws from the contract with Corner shop, order {said.order_id}, for " in said.words
    assert [one.text for one in rig.rows(Message, kind="withdrawal")] == [said.words]
    rig.work_off()
    assert rig.the(Order).state is OrderState.CANCELLED
    assert (rig.bank.held_minor, rig.bank.debited_minor) == (0, 0)
    settle(rig)
    assert rig.the(Withdrawal).state is WithdrawalState.SETTLED
    assert rig.bank.debited_minor == 0


def test_what_came_goes_back_and_all_that_was_debited_comes_back_once_with_the_delivery(with_order: OpenRig) -> None:
    rig = delivered(with_order)
    declare(rig)
    rig.pass_days(1)
    assert rig.bank.debited_minor == rig.the(Order).total_minor  # not before it is back
    assert waiting(rig) == ["withdrawal"]
    settle(rig)
    rig.work_off()
    assert rig.bank.debited_minor == 0
    with pytest.raises(Conflict):
        settle(rig)
    rig.work_off()
    assert rig.bank.debited_minor == 0
    assert "confirm_return" in [act.verb for act in rig.rows(Act)]
    assert waiting(rig) == []
    assert rig.differences() == []


def test_one_line_of_two_is_given_back_by_itself_and_the_delivery_is_kept(with_order: OpenRig) -> None:
    rig = delivered(with_order)
    line = rig.the(OrderLine)
    rig.add(replace(line, id="other", packs_shipped=0))
    declare(rig, line.id)
    settle(rig)
    rig.work_off()
    assert rig.bank.debited_minor == rig.the(Order).total_minor - line.packs * line.unit_price_minor
    with pytest.raises(Invalid):
        declare(rig, line.id)
    assert declare(rig).line_ids == ("other",)


def test_after_the_fourteenth_day_it_is_too_late(with_order: OpenRig) -> None:
    rig = delivered(with_order)
    came_us = rig.the(OrderLine).delivered_us or 0
    rig.clock.now = came_us + 14 * DAY_US
    with rig.store.begin() as tx, pytest.raises(NotAllowed):
        withdraw(tx, replace(tx.get(Member, HOME, "ana"), role=Role.VIEWER), rig.the(Order).id, None, now_us=came_us)
    rig.clock.now = came_us + 15 * DAY_US
    with pytest.raises(Conflict):
        declare(rig)
    rig.clock.now = came_us + 14 * DAY_US
    declare(rig)


def test_what_spoils_and_what_is_not_there_cannot_be_withdrawn_from(with_order: OpenRig) -> None:
    rig = with_order()
    with pytest.raises(Conflict):  # milk
        declare(rig)
    coffee = ordered(with_order)
    with pytest.raises(Invalid):
        declare(coffee, "somebody's")
    with coffee.store.begin() as tx, pytest.raises(NotFound):
        confirm_return(tx, "nothing", by="operator", reason="?", now_us=0)


def test_a_withdrawal_while_it_is_on_its_way_is_settled_when_it_is_back(with_order: OpenRig) -> None:
    rig = ordered(with_order)
    rig.shop.ship()
    declare(rig)
    rig.pass_days(1)
    assert waiting(rig) == ["withdrawal"]
    settle(rig)
    rig.work_off()
    assert rig.bank.debited_minor == 0
    assert rig.differences() == []


def test_it_is_not_settled_before_anything_was_debited(with_order: OpenRig) -> None:
    rig = ordered(with_order)
    rig.bank.fail("capture", "decline")
    rig.shop.ship()
    rig.pass_days(0.1)
    declare(rig)
    with pytest.raises(Invalid):
        settle(rig)
    assert rig.the(Withdrawal).state is WithdrawalState.DECLARED
