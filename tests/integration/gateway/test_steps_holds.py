"""Holds that lapse, and payments that are due: renewed in time or said in time, paid again once, never twice."""

from collections.abc import Callable

import pytest

from gateway.domain.cart import Cart, CartState
from gateway.domain.errors import Conflict, Invalid
from gateway.domain.household import Member
from gateway.domain.order import Order, OrderState
from gateway.domain.payment import (
    Attempt,
    AttemptState,
    Mandate,
    Operation,
    OperationKind,
    OperationState,
    PaymentMethod,
    Posting,
    Reservation,
    ReservationState,
)
from gateway.domain.records import Act, Message
from gateway.domain.replenishment import DAY_US
from gateway.steps.acts.household import freeze_everything, unfreeze_everything
from gateway.steps.acts.pay_again import pay_order_again
from gateway.steps.cancel import cancel_order
from payments.adapter import OperationKind as Kind
from tests.builders import HOME, build
from tests.fake_bank import Fault
from tests.rig import Rig

OpenRig = Callable[..., Rig]


def told(rig: Rig) -> list[str]:
    return [one.kind for one in rig.rows(Message)]


def with_short_holds(with_cart: OpenRig, days: float) -> Rig:
    """Ana's home with an order whose amount the bank holds for so many days."""
    rig = with_cart()
    rig.bank.hold_us = round(days * DAY_US)
    rig.say_yes()
    rig.work_off()
    return rig


def slow(rig: Rig) -> None:
    """Let the shop promise it for next month, so that nobody's patience ends."""
    rig.shop.orders[rig.shop.only].promised_us = rig.clock.now + 30 * DAY_US


def second_account() -> list[object]:
    return [
        build(PaymentMethod, id="second", label="Second", rank=1),
        build(Mandate, id="second-mandate", payment_method_id="second"),
    ]


def pay_again(rig: Rig, method_id: str | None = None) -> None:
    with rig.store.begin() as tx:
        pay_order_again(tx, tx.get(Member, HOME, "ana"), rig.rows(Order)[0].id, method_id, now_us=rig.clock.now)


def settled(rig: Rig) -> None:
    """One live attempt at most, no capture twice, and every book the same."""
    live = [one for one in rig.rows(Attempt) if one.state in {AttemptState.AUTHORIZED, AttemptState.CAPTURE_PENDING}]
    assert len(live) <= 1
    assert rig.differences() == []
    assert sum(one.amount_minor for one in rig.rows(Posting)) == 0


# Holds that lapse


def test_a_hold_is_renewed_before_it_lapses_and_the_goods_are_billed_from_the_new_one(with_cart: OpenRig) -> None:
    rig = with_short_holds(with_cart, 7)
    slow(rig)
    total = rig.the(Order).total_minor
    assert rig.the(Attempt).hold_expires_us == rig.clock.now + 7 * DAY_US
    rig.pass_days(5.1)
    assert [one.state for one in rig.rows(Attempt)] == [AttemptState.VOIDED, AttemptState.AUTHORIZED]
    assert rig.bank.held_minor == total
    assert rig.rows(Order)[0].state is OrderState.PLACED
    assert "payment_due" not in told(rig)
    rig.shop.ship()
    rig.pass_days(0.2)
    assert rig.bank.debited_minor == total
    assert rig.bank.held_minor == 0
    settled(rig)


def test_a_hold_is_never_there_twice_while_it_is_renewed(with_cart: OpenRig) -> None:
    rig = with_short_holds(with_cart, 7)
    slow(rig)
    total = rig.the(Order).total_minor
    rig.bank.around = lambda _where: None if rig.bank.held_minor <= total else pytest.fail("held twice")
    rig.bank.fail("void", "silent", "lost")
    rig.bank.fail("authorize", "lost", "silent")
    rig.pass_days(5.1)
    assert rig.bank.held_minor == total
    settled(rig)


def test_a_hold_that_cannot_be_renewed_makes_the_payment_due_in_time(with_cart: OpenRig) -> None:
    rig = with_short_holds(with_cart, 7)
    slow(rig)
    rig.bank.fail("authorize", "decline")
    rig.pass_days(5.1)
    assert rig.rows(Order)[0].state is OrderState.PAYMENT_DUE
    assert told(rig).count("payment_due") == 1
    rig.pass_days(0.5)
    assert rig.rows(Order)[0].state is OrderState.PAYMENT_DUE  # looking at the shop does not hide it
    rig.shop.ship()
    rig.pass_days(0.5)
    assert rig.bank.debited_minor == 0
    pay_again(rig)
    rig.pass_days(0.2)
    assert rig.bank.debited_minor == rig.rows(Order)[0].total_minor
    assert rig.rows(Order)[0].state is OrderState.SHIPPED
    settled(rig)


def test_what_is_not_paid_and_not_sent_can_be_called_off(with_cart: OpenRig) -> None:
    rig = with_short_holds(with_cart, 7)
    slow(rig)
    rig.bank.fail("authorize", "decline")
    rig.pass_days(5.1)
    with rig.store.begin() as tx:
        cancel_order(tx, tx.get(Member, HOME, "ana"), rig.rows(Order)[0].id, now_us=rig.clock.now)
    rig.work_off()
    assert rig.rows(Order)[0].state is OrderState.CANCELLED
    settled(rig)


def test_a_part_that_was_billed_stays_billed_and_the_rest_is_held_anew(with_cart: OpenRig) -> None:
    rig = with_short_holds(with_cart, 7)
    slow(rig)
    total = rig.the(Order).total_minor
    packs = rig.shop.orders[rig.shop.only].lines[0].packs
    rig.shop.ship(1)
    rig.pass_days(0.2)
    first = rig.bank.debited_minor
    assert 0 < first < total
    rig.pass_days(5)
    assert [one.state for one in rig.rows(Attempt)] == [AttemptState.REPLACED, AttemptState.AUTHORIZED]
    assert rig.bank.held_minor == total - first
    rig.shop.ship(packs - 1)
    rig.pass_days(0.2)
    assert rig.bank.debited_minor == total
    rig.shop.lose("parcel-1")  # what the first try debited comes back through the first try
    rig.pass_days(0.2)
    assert rig.bank.debited_minor == total - first
    settled(rig)


def test_a_hold_that_lapsed_during_a_freeze_is_ended_and_renewed_when_it_thaws(with_cart: OpenRig) -> None:
    rig = with_short_holds(with_cart, 0.5)
    slow(rig)
    with rig.store.begin() as tx:
        freeze_everything(tx, tx.get(Member, HOME, "ana"), now_us=rig.clock.now)
    rig.pass_days(0.6)
    rig.bank.let_lapse()
    assert rig.bank.held_minor == 0
    with rig.store.begin() as tx:
        unfreeze_everything(tx, tx.get(Member, HOME, "ana"), now_us=rig.clock.now)
    rig.pass_days(0.1)
    assert [one.state for one in rig.rows(Attempt)] == [AttemptState.EXPIRED, AttemptState.AUTHORIZED]
    assert rig.rows(Reservation)[0].state is ReservationState.FREED
    settled(rig)


def test_a_cart_that_could_not_be_sent_while_its_amount_was_held_asks_a_person_again(with_cart: OpenRig) -> None:
    rig = with_cart()
    rig.bank.hold_us = DAY_US
    rig.say_yes()
    while rig.the(Cart).state is CartState.APPROVED:
        rig.run_round()
    with rig.store.begin() as tx:
        freeze_everything(tx, tx.get(Member, HOME, "ana"), now_us=rig.clock.now)
    rig.pass_days(0.6)
    assert rig.the(Cart).state is CartState.AWAITING_APPROVAL
    assert rig.bank.held_minor == 0
    assert rig.the(Attempt).state is AttemptState.VOIDED
    settled(rig)


def test_a_bank_that_let_a_hold_go_before_its_time_can_be_paid_again(with_order: OpenRig) -> None:
    rig = with_order()
    rig.bank.let_lapse(at_once=True)
    rig.shop.ship()
    rig.pass_days(0.2)
    assert rig.the(Order).state is OrderState.PAYMENT_DUE
    rig.save(build(Mandate, state="suspended"))
    rig.add(*second_account())
    pay_again(rig, "second")
    rig.pass_days(0.1)
    assert [one.state for one in rig.rows(Attempt)] == [AttemptState.EXPIRED, AttemptState.CAPTURED]
    assert rig.bank.debited_minor == rig.the(Order).total_minor


# Paying again


def open_with_payment_due(with_order: OpenRig, fault: Fault = "decline") -> Rig:
    rig = with_order(*second_account())
    rig.bank.fail("capture", fault)
    rig.shop.ship()
    rig.pass_days(0.2)
    assert rig.the(Order).state is OrderState.PAYMENT_DUE
    return rig


def test_paying_again_by_the_same_account_uses_the_hold_that_stands(with_order: OpenRig) -> None:
    rig = open_with_payment_due(with_order)
    pay_again(rig)
    rig.work_off()
    assert rig.bank.debited_minor == rig.the(Order).total_minor
    assert len(rig.bank.holds) == 1
    assert rig.the(Order).state is OrderState.SHIPPED
    assert (rig.the(Act).verb, rig.the(Act).by) == ("pay_again", "ana")


def test_paying_by_another_account_gives_the_first_hold_back_and_debits_once(with_order: OpenRig) -> None:
    rig = open_with_payment_due(with_order)
    pay_again(rig, "second")
    rig.work_off()
    assert [(one.payment_method_id, one.state) for one in rig.rows(Attempt)] == [
        ("method", AttemptState.VOIDED),
        ("second", AttemptState.CAPTURED),
    ]
    assert rig.bank.debited_minor == rig.the(Order).total_minor
    assert rig.bank.held_minor == 0
    assert rig.the(Order).state is OrderState.SHIPPED


@pytest.mark.parametrize("kind", ["void", "authorize", "capture"])
@pytest.mark.parametrize("faults", [["not_sent"], ["lost"], ["silent"], ["500", "lost", "silent"]])
def test_whatever_goes_wrong_while_it_is_paid_by_another_account_it_is_debited_once(
    with_order: OpenRig, kind: str, faults: list[Fault]
) -> None:
    rig = open_with_payment_due(with_order)
    pay_again(rig, "second")
    rig.bank.fail(kind, *faults)
    rig.pass_days(0.5)
    assert [amount.amount_minor for _, amount in rig.bank.captures.values()] == [rig.the(Order).total_minor]
    assert rig.bank.held_minor == 0


@pytest.mark.long_on_postgresql
def test_a_crash_anywhere_while_it_is_paid_by_another_account_debits_once(with_order: OpenRig) -> None:
    places: set[str] = set()
    for at in range(1, 60):
        rig = open_with_payment_due(with_order)
        rig.bomb.passed, rig.bomb.at = 0, at
        pay_again(rig, "second")
        crashed = rig.survive(rig.work_off)
        rig.work_off()
        places.add(rig.bomb.where)
        assert [amount.amount_minor for _, amount in rig.bank.captures.values()] == [rig.the(Order).total_minor]
        assert rig.bank.held_minor == 0, rig.bomb.where
        assert sum(one.amount_minor for one in rig.rows(Posting)) == 0
        rig.close()
        if not crashed:
            break
    assert {f"{when} {kind}" for when in ("before", "after") for kind in ("void", "authorize", "capture")} <= places


def test_a_second_click_changes_nothing(with_order: OpenRig) -> None:
    rig = open_with_payment_due(with_order)
    pay_again(rig, "second")
    with pytest.raises(Conflict, match="already"):
        pay_again(rig, "second")
    rig.work_off()
    with pytest.raises(Conflict):
        pay_again(rig, "second")
    assert rig.bank.debited_minor == rig.the(Order).total_minor


@pytest.mark.parametrize("fault", ["pending", "delayed"])
def test_nothing_is_paid_again_while_the_outcome_of_the_first_is_not_known(with_order: OpenRig, fault: Fault) -> None:
    rig = open_with_payment_due(with_order)
    rig.bank.fail("capture", fault)
    rig.enqueue("capture", rig.rows(Operation, kind=OperationKind.CAPTURE)[0].subject_id)
    rig.run_round()
    with pytest.raises(Conflict, match="waiting for the provider"):
        pay_again(rig, "second")
    rig.work_off()
    assert any(one.state is OperationState.MANUAL_REVIEW for one in rig.rows(Operation)) or fault == "delayed"
    if fault == "pending":
        with pytest.raises(Conflict, match="looked into"):
            pay_again(rig, "second")
    rig.bank.decide()
    rig.bank.deliver()
    rig.pass_days(2)
    assert rig.bank.debited_minor == rig.the(Order).total_minor
    assert len(rig.bank.captures) == 1


def test_an_account_that_may_not_be_debited_is_refused_in_words(with_order: OpenRig) -> None:
    rig = open_with_payment_due(with_order)
    with pytest.raises(Invalid, match="no linked account"):
        pay_again(rig, "nobody's")
    assert rig.rows(Act) == []


def test_after_a_hard_decline_another_account_is_asked_unless_one_is_named(with_order: OpenRig) -> None:
    rig = open_with_payment_due(with_order, "decline_hard")
    pay_again(rig)
    rig.work_off()
    assert rig.rows(Attempt)[-1].payment_method_id == "second"
    assert rig.bank.debited_minor == rig.the(Order).total_minor
    assert [kind for kind, _ in rig.bank.sent].count(Kind.AUTHORIZE) == 2
