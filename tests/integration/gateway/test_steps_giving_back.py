"""Refunds by hand: whole and in part, for a line, of several captures, and never more than was debited."""

import threading
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.domain.errors import Invalid
from gateway.domain.order import Order, OrderLine
from gateway.domain.payment import Operation, OperationKind, OperationState
from gateway.domain.records import Act, Message
from gateway.steps.acts.give_back import give_back
from payments.adapter import OperationKind as Kind
from tests.rig import Crash, Rig

OpenRig = Callable[..., Rig]


def refund(rig: Rig, amount_minor: int | None = None, *, of_line: bool = False) -> list[Operation]:
    with rig.services.unit_of_work.begin() as tx:
        line = rig_line(rig) if of_line else None
        return give_back(
            tx,
            rig.the(Order),
            line=line,
            amount_minor=amount_minor,
            by="operator",
            reason="spoilt",
            now_us=rig.clock.now,
        )


def rig_line(rig: Rig) -> OrderLine:
    return rig.the(OrderLine)


def paid(with_order: OpenRig) -> Rig:
    rig = with_order()
    rig.shop.ship()
    rig.shop.deliver()
    rig.pass_days(1)
    assert rig.bank.debited_minor == rig.the(Order).total_minor
    return rig


def refunds(rig: Rig) -> list[Operation]:
    return rig.rows(Operation, kind=OperationKind.REFUND)


def test_a_part_is_given_back_then_the_rest_and_not_a_cent_more(with_order: OpenRig) -> None:
    rig = paid(with_order)
    total = rig.bank.debited_minor
    refund(rig, 100)
    rig.work_off()
    assert rig.bank.debited_minor == total - 100
    with pytest.raises(Invalid, match="is left to give back"):
        refund(rig, total - 99)
    refund(rig)
    rig.work_off()
    assert rig.bank.debited_minor == 0
    with pytest.raises(Invalid, match="nothing of it is left"):
        refund(rig)
    assert [act.verb for act in rig.rows(Act)] == ["refund", "refund"]
    assert len(rig.rows(Message, kind="refunded")) == 2
    assert rig.differences() == []


@pytest.mark.parametrize("amount_minor", [0, -1])
def test_nothing_and_less_cannot_be_given_back(with_order: OpenRig, amount_minor: int) -> None:
    with pytest.raises(Invalid):
        refund(paid(with_order), amount_minor)


def test_a_line_is_given_back_once_and_delivery_is_not_part_of_it(with_order: OpenRig) -> None:
    rig = paid(with_order)
    line = rig_line(rig)
    worth = line.packs * line.unit_price_minor
    with pytest.raises(Invalid):
        refund(rig, worth + 1, of_line=True)
    refund(rig, worth - 50, of_line=True)
    refund(rig, of_line=True)
    rig.work_off()
    assert rig.bank.debited_minor == rig.the(Order).total_minor - worth > 0
    with pytest.raises(Invalid):
        refund(rig, 1, of_line=True)


def test_what_is_not_debited_yet_cannot_be_given_back(with_order: OpenRig) -> None:
    with pytest.raises(Invalid):
        refund(with_order(), 1)


def test_a_refund_of_several_captures_is_an_operation_for_each(with_order: OpenRig) -> None:
    rig = with_order()
    packs = rig_line(rig).packs
    rig.shop.ship(1)
    rig.pass_days(0.5)
    rig.shop.ship(packs - 1)
    rig.pass_days(0.5)
    captures = rig.rows(Operation, kind=OperationKind.CAPTURE)
    assert len(captures) == 2
    refund(rig, max(one.amount_minor for one in captures) + 1)
    rig.work_off()
    by_capture = {of.removeprefix("capture:"): amount.amount_minor for of, amount in rig.bank.refunds.values()}
    assert len(by_capture) == 2
    assert all(by_capture[one.id] <= one.amount_minor for one in captures)
    assert rig.differences() == []


def test_two_refunds_that_race_never_give_back_more_than_was_debited(with_order: OpenRig) -> None:
    rig = paid(with_order)
    total = rig.bank.debited_minor
    outcomes: list[str] = []

    def race() -> None:
        try:
            refund(rig, total * 2 // 3)
            outcomes.append("written")
        except Invalid:
            outcomes.append("refused")

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rig.work_off()
    assert sorted(outcomes) == ["refused", "refused", "refused", "written"]
    assert rig.bank.debited_minor == total - total * 2 // 3
    assert rig.differences() == []


@pytest.mark.parametrize("fault", ["silent", "lost", "500", "delayed", "not_sent"])
def test_an_answer_that_was_lost_gives_back_once(with_order: OpenRig, fault: str) -> None:
    rig = paid(with_order)
    total = rig.bank.debited_minor
    rig.bank.fail("refund", fault)  # type: ignore[arg-type]  # one of its faults
    refund(rig, 200)
    rig.work_off()
    rig.bank.deliver()
    rig.pass_days(1)
    assert rig.bank.debited_minor == total - 200
    assert len({key for kind, key in rig.bank.sent if kind is Kind.REFUND}) == 1


def test_a_refused_refund_is_looked_at_and_counts_until_then(with_order: OpenRig) -> None:
    rig = paid(with_order)
    rig.bank.fail("refund", "decline")
    refund(rig)
    rig.work_off()
    assert [one.state for one in refunds(rig)] == [OperationState.MANUAL_REVIEW]
    with pytest.raises(Invalid):
        refund(rig, 1)


@pytest.mark.parametrize("at", range(1, 6))
def test_a_crash_while_it_is_given_back_gives_back_once(with_order: OpenRig, at: int) -> None:
    rig = paid(with_order)
    total = rig.bank.debited_minor
    rig.bomb.passed, rig.bomb.at = 0, at
    try:
        refund(rig, 200)
        rig.work_off()
    except Crash:
        rig.restart()
    rig.work_off()
    assert rig.bank.debited_minor == total - 200, rig.bomb.where
    assert rig.differences() == []


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(amounts=st.lists(st.integers(1, 1_000), max_size=6), of_line=st.booleans())
def test_whatever_is_asked_for_no_capture_gives_back_more_than_it_took(
    with_order: OpenRig, amounts: list[int], of_line: bool
) -> None:
    rig = paid(with_order)
    for amount_minor in amounts:
        try:
            refund(rig, amount_minor, of_line=of_line)
        except Invalid:
            continue
    rig.work_off()
    assert 0 <= rig.bank.debited_minor <= rig.the(Order).total_minor
    assert rig.differences() == []
