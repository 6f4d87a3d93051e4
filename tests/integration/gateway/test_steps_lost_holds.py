"""What was sent without a hold is due and said, and what was called off does not come to life again."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.domain.cart import Cart, CartState
from gateway.domain.order import Order, OrderState
from gateway.domain.payment import (
    Attempt,
    AttemptState,
    Mandate,
    Operation,
    OperationKind,
    OperationState,
    PaymentMethod,
)
from gateway.domain.preference import Consent
from gateway.domain.records import Message
from gateway.domain.replenishment import DAY_US
from gateway.steps.acts.pay_again import pay_again
from gateway.steps.approve import Approve
from payments.adapter import Voided
from payments.money import Money
from tests.builders import build
from tests.rig import Rig

OpenRig = Callable[..., Rig]
ON_SQLITE = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)  # the other stories run on both


def pay(rig: Rig) -> None:
    with rig.store.begin() as tx:
        pay_again(tx, rig.the(Order), None, by="ana", reason="the member asked", now_us=rig.clock.now)
    rig.pass_days(0.2)


def is_said_to_be_due(rig: Rig) -> bool:
    return rig.the(Order).state is OrderState.PAYMENT_DUE and len(rig.rows(Message, kind="payment_due")) == 1


@ON_SQLITE
def test_a_parcel_sent_after_the_shop_said_that_all_was_delivered_is_due_and_can_be_paid(with_cart: OpenRig) -> None:
    rig = with_cart()
    rig.say_yes()
    rig.work_off()
    order = rig.shop.orders[rig.shop.only]
    rig.shop.deliver(rig.shop.ship(1))
    order.state = "delivered"
    rig.pass_days(1)
    assert rig.bank.held_minor == 0
    order.state = "shipped"
    rig.shop.deliver(rig.shop.ship(order.lines[0].packs - 1))
    rig.pass_days(2)
    assert is_said_to_be_due(rig)
    pay(rig)
    assert rig.bank.debited_minor == rig.the(Order).total_minor
    assert rig.bank.held_minor == 0
    assert rig.differences() == []


def test_an_order_whose_hold_was_given_back_after_a_review_is_due_and_can_be_paid(with_cart: OpenRig) -> None:
    rig = with_cart()
    rig.bank.hold_us = 7 * DAY_US
    rig.say_yes()
    rig.work_off()
    rig.bank.fail("void", "decline")  # it was to be held anew, and nobody knows whether it was given back
    rig.pass_days(5.1)
    (void,) = rig.rows(Operation, kind=OperationKind.VOID)
    assert void.state is OperationState.MANUAL_REVIEW
    for hold in rig.bank.holds.values():
        hold.voided = True
    rig.bank.answers[void.id] = Voided("void", Money(void.amount_minor, "EUR"))
    rig.enqueue("sync", void.id)
    rig.work_off()
    rig.shop.deliver(rig.shop.ship())
    rig.pass_days(0.2)
    assert is_said_to_be_due(rig)
    pay(rig)
    assert rig.bank.debited_minor == rig.the(Order).total_minor
    assert rig.differences() == []


@ON_SQLITE
def test_a_yes_at_the_bank_in_the_moment_it_is_called_off_leaves_no_hold_and_no_try_behind(with_cart: OpenRig) -> None:
    rig = with_cart()
    rig.bank.fail("authorize", "step_up")
    rig.say_yes()

    def meanwhile(where: str) -> None:
        if where == "before void":
            rig.bank.decide()
        if where == "after void":  # somebody who asked at that moment got no answer
            (asked,) = rig.rows(Operation, kind=OperationKind.AUTHORIZE)
            rig.save(replace(asked, state=OperationState.UNKNOWN))
            rig.enqueue("sync", asked.id)
            rig.bank.around = rig.bomb.tick

    rig.bank.around = meanwhile
    rig.pass_days(1.2)
    assert rig.the(Attempt).state is AttemptState.EXPIRED
    assert rig.bank.held_minor == 0
    rig.decide(Approve(None))
    rig.pass_days(0.1)
    assert rig.the(Cart).state is CartState.ORDERED
    assert rig.bank.held_minor == rig.the(Order).total_minor
    assert rig.differences() == []


@ON_SQLITE
def test_who_says_no_at_the_bank_is_not_debited_by_the_next_account(with_cart: OpenRig) -> None:
    second = build(PaymentMethod, id="second", label="Second", token_sealed=b"sealed:second", rank=1)
    rig = with_cart(second, build(Mandate, id="second-mandate", payment_method_id="second"), build(Consent))
    rig.bank.fail("authorize", "step_up")
    rig.say_yes()
    rig.run_round()
    rig.bank.refuse()
    rig.pass_days(0.1)
    assert [one.state for one in rig.rows(Attempt)] == [AttemptState.DECLINED]
    assert rig.the(Cart).state is CartState.DECLINED
    assert rig.bank.held_minor == 0
