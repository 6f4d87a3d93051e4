"""What no shop, bank or broken line can bring about: a debit beyond the order, beside the account, or of an order lost
from sight.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.domain.cart import Cart, CartState
from gateway.domain.errors import Conflict
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
)
from gateway.domain.replenishment import DAY_US, SECOND_US
from gateway.steps.acts.household import freeze_method
from gateway.steps.acts.pay_again import pay_order_again
from gateway.steps.acts.wallet import unlink_account
from gateway.steps.approve import Undo
from gateway.steps.ports import MerchantNotSent, OrderNotFound, OrderStatus
from payments.adapter import Authorized, Outcome
from tests.builders import build
from tests.integration.gateway.money_machine import two_carts
from tests.integration.gateway.test_steps_money import open_with_cart, order
from tests.rig import Rig

OpenRig = Callable[..., Rig]


def rounds(rig: Rig, count: int = 8, seconds: int = 30) -> None:
    for _ in range(count):
        rig.clock.wall += seconds * SECOND_US
        rig.run_round()


# Never more than was ordered


def test_paying_again_never_takes_more_than_was_approved_whatever_the_shop_bills(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.add(
        build(PaymentMethod, id="other", rank=1),
        build(Mandate, id="other", payment_method_id="other", provider_ref="their-other-mandate"),
    )
    total = rig.the(Cart).total_minor
    order(rig)
    rig.bank.fail("capture", "decline")
    rig.shop.ship(amount_minor=10 * total)
    rig.pass_days(0.2)
    with rig.store.begin() as tx:
        pay_order_again(tx, rig.the(Member, id="ana"), rig.the(Order).id, "other", now_us=rig.clock.now)
    rig.work_off()
    rig.pass_days(0.2)
    assert [one.amount_minor for one in rig.rows(Attempt)] == [total, total]
    assert rig.bank.debited_minor == total


def test_a_hold_that_is_renewed_is_never_for_more_than_was_approved(
    open_rig: OpenRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = open_with_cart(open_rig)
    total = rig.the(Cart).total_minor
    hold = rig.bank.authorize

    def hold_for_five_days(request: object) -> Outcome:
        outcome = hold(request)  # type: ignore[arg-type]
        return (
            replace(outcome, expires_at_us=rig.clock.now + 5 * DAY_US) if isinstance(outcome, Authorized) else outcome
        )

    monkeypatch.setattr(rig.bank, "authorize", hold_for_five_days)
    order(rig)
    rig.bank.fail("capture", "decline", "decline", "decline")
    rig.shop.ship(amount_minor=10 * total)
    rig.pass_days(20)
    assert len(rig.rows(Attempt)) > 1
    assert {one.amount_minor for one in rig.rows(Attempt)} == {total}
    assert rig.bank.debited_minor == total
    assert rig.differences() == []


def test_the_total_a_shop_accepted_binds_its_bills(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.shop.accepts_for = 100
    order(rig)
    rig.shop.ship()
    rig.pass_days(0.2)
    assert rig.bank.debited_minor == 100


# Never beside the account


def test_a_hold_that_never_left_is_not_sent_once_its_account_is_unlinked(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.bank.fail("authorize", "not_sent")
    rig.say_yes()
    rig.run_round()
    assert rig.the(Operation).state is OperationState.CREATED
    unlink_account(rig.services, rig.the(Member, id="ana"), rig.the(PaymentMethod).id)
    rounds(rig)
    assert rig.bank.holds == {}
    assert rig.the(Attempt).state is AttemptState.DECLINED
    assert rig.the(Cart).state is CartState.AWAITING_APPROVAL


def test_a_hold_that_never_left_is_not_sent_once_the_yes_is_taken_back(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.bank.fail("authorize", "not_sent")
    rig.say_yes()
    rig.run_round()
    rig.decide(Undo())
    rounds(rig)
    assert rig.bank.holds == {}
    assert rig.the(Attempt).state is AttemptState.DECLINED
    rig.say_yes()
    rig.work_off()
    assert rig.the(Cart).state is CartState.ORDERED
    assert rig.differences() == []


@pytest.mark.parametrize("how", ["unlinked", "frozen"])
def test_an_order_that_never_left_is_not_sent_once_its_account_is(
    open_rig: OpenRig, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    rig = open_with_cart(open_rig)

    def away(**_wanted: object) -> object:
        raise MerchantNotSent("no route")

    with monkeypatch.context() as patch:
        patch.setattr(rig.shop, "place", away)
        rig.say_yes()
        rounds(rig)
        assert rig.rows(Order) == []
    member, method = rig.the(Member, id="ana"), rig.the(PaymentMethod)
    if how == "unlinked":
        unlink_account(rig.services, member, method.id)
    else:
        with rig.store.begin() as tx:
            freeze_method(tx, member, method.id, frozen=True)
    rounds(rig, seconds=3600)
    assert rig.shop.orders == {}
    assert rig.bank.debited_minor == 0


# Never lost from sight


def test_a_refused_repeat_is_not_taken_for_an_order_the_shop_does_not_have(
    open_rig: OpenRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = open_with_cart(open_rig)
    rig.shop.faults.extend(["silent", "refused"])
    look_up, lagging = rig.shop.status, [OrderNotFound()]

    def look_up_late(reference: str) -> OrderStatus | OrderNotFound:
        return lagging.pop() if lagging else look_up(reference)

    monkeypatch.setattr(rig.shop, "status", look_up_late)
    rig.say_yes()
    rig.work_off()
    rounds(rig)
    assert len(rig.shop.orders) == 1
    assert rig.the(Order).state is OrderState.PLACED
    assert rig.bank.held_minor == rig.the(Order).total_minor


def test_a_void_that_is_refused_for_another_reason_leaves_the_hold_in_our_books(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.say_yes()
    while rig.the(Cart).state is CartState.APPROVED:
        rig.run_round()
    rig.bank.fail("void", "invalid")
    rig.decide(Undo())
    rounds(rig)
    assert rig.the(Operation, kind=OperationKind.VOID).state is OperationState.MANUAL_REVIEW
    assert rig.the(Attempt).state is AttemptState.MANUAL_REVIEW
    with pytest.raises(Conflict, match="looked into"):
        rig.say_yes()
    assert rig.bank.held_minor == rig.the(Attempt).amount_minor


def test_what_is_held_for_one_cart_is_not_left_for_another_under_the_same_limit(open_rig: OpenRig) -> None:
    rig = open_rig(*two_carts())
    rig.save(replace(rig.the(Mandate, id="mandate"), standing=True, per_period_minor=1_000))
    for cart in rig.rows(Cart):
        rig.enqueue("approve", cart.id)
    rig.work_off()
    first, second = sorted(rig.rows(Cart), key=lambda cart: cart.state is CartState.AWAITING_APPROVAL)
    assert (first.state, second.state) == (CartState.ORDERED, CartState.AWAITING_APPROVAL)
    assert "above the limit of 10.00" in " ".join(second.needs_person)
    assert rig.bank.held_minor == rig.bank.holds[next(iter(rig.bank.holds))].amount.amount_minor
    assert rig.bank.debited_minor == 0
