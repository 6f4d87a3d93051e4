"""A provider's final no: the account or the permission is suspended, said in words, and lifted by a member alone."""

from collections.abc import Callable

import pytest

from gateway.domain.cart import Cart, CartState
from gateway.domain.household import Member
from gateway.domain.order import Order, OrderState
from gateway.domain.payment import (
    Attempt,
    AttemptState,
    Mandate,
    MandateState,
    MethodState,
    Operation,
    OperationKind,
    OperationState,
    PaymentMethod,
)
from gateway.domain.records import Message
from gateway.steps.acts.household import freeze_method
from payments.adapter import OperationKind as Kind
from tests.builders import HOME
from tests.rig import Rig

OpenRig = Callable[..., Rig]


def told(rig: Rig) -> list[str]:
    return [one.kind for one in rig.rows(Message)]


def lift(rig: Rig) -> None:
    with rig.store.begin() as tx:
        freeze_method(tx, tx.get(Member, HOME, "ana"), rig.the(PaymentMethod).id, frozen=False)


def test_a_hard_decline_suspends_the_account_until_a_member_lifts_it(with_cart: OpenRig) -> None:
    rig = with_cart()
    rig.bank.fail("authorize", "decline_hard")
    rig.say_yes()
    rig.work_off()
    method = rig.the(PaymentMethod)
    assert (method.state, method.note) == (MethodState.SUSPENDED, "The account is closed.")
    assert told(rig).count("account_suspended") == 1
    rig.pass_days(1.2)
    asked = len(rig.bank.sent)
    second = rig.rows(Cart)[-1]
    assert second.state is CartState.AWAITING_APPROVAL
    with pytest.raises(Exception, match="no linked account may be debited"):
        rig.say_yes(second.id)
    lift(rig)
    rig.say_yes(second.id)
    rig.work_off()
    assert len(rig.bank.sent) == asked + 1
    assert (rig.the(PaymentMethod).state, rig.the(PaymentMethod).note) == (MethodState.ACTIVE, "")
    assert rig.the(Order).state is OrderState.PLACED


def test_a_soft_decline_suspends_nothing(with_cart: OpenRig) -> None:
    rig = with_cart()
    rig.bank.fail("authorize", "decline")
    rig.say_yes()
    rig.work_off()
    assert rig.the(PaymentMethod).state is MethodState.ACTIVE
    assert rig.the(Mandate).state is MandateState.ACTIVE


def test_a_permission_the_provider_does_not_take_any_more_is_suspended(with_cart: OpenRig) -> None:
    rig = with_cart()
    rig.bank.fail("authorize", "decline_mandate")
    rig.say_yes()
    rig.work_off()
    assert rig.the(Mandate).state is MandateState.SUSPENDED
    assert rig.the(PaymentMethod).state is MethodState.ACTIVE
    assert told(rig).count("mandate_suspended") == 1


def test_an_amount_beyond_the_permissions_limit_does_not_suspend_it(with_cart: OpenRig) -> None:
    rig = with_cart()
    rig.bank.fail("authorize", "decline_mandate")
    mandate = rig.the(Mandate)
    rig.save(type(mandate)(**{n: getattr(mandate, n) for n in mandate.__slots__} | {"per_order_minor": 100}))
    rig.say_yes()
    rig.work_off()
    assert rig.the(Attempt).state is AttemptState.DECLINED
    assert rig.the(Mandate).state is MandateState.ACTIVE


def test_a_request_the_provider_finds_wrong_is_failed_and_no_fault_of_the_account(with_cart: OpenRig) -> None:
    rig = with_cart()
    rig.bank.fail("authorize", "invalid")
    rig.say_yes()
    rig.work_off()
    assert rig.the(Operation).state is OperationState.FAILED
    assert rig.the(Attempt).state is AttemptState.DECLINED
    assert rig.the(PaymentMethod).state is MethodState.ACTIVE


def test_a_hard_decline_at_shipment_leaves_the_payment_due_and_is_not_asked_again(with_order: OpenRig) -> None:
    rig = with_order()
    rig.bank.fail("capture", "decline_hard")
    rig.shop.ship()
    rig.pass_days(4)
    assert rig.the(Order).state is OrderState.PAYMENT_DUE
    assert rig.the(PaymentMethod).state is MethodState.SUSPENDED
    assert [kind for kind, _ in rig.bank.sent].count(Kind.CAPTURE) == 1


@pytest.mark.parametrize("kind", ["authorize", "capture"])
def test_a_repeat_the_provider_refuses_to_hear_is_never_taken_for_a_no(with_cart: OpenRig, kind: str) -> None:
    """The first request may have taken effect: a refusal of the second says nothing about it."""
    rig = with_cart()
    rig.bank.fail(kind, "delayed", "invalid")
    rig.say_yes()
    if kind == "capture":
        rig.work_off()
        rig.shop.ship()
        rig.clock.advance(3_600_000_000)
    while len([one for one, _ in rig.bank.sent if one == kind]) < 2:
        rig.run_round()
        rig.clock.wall += 2_000_000
    rig.bank.deliver()
    rig.pass_days(0.1)
    (operation,) = rig.rows(Operation, kind=OperationKind(kind))
    assert operation.state is OperationState.SUCCEEDED
    assert rig.differences() == []


def test_an_operation_remembers_what_the_provider_said_and_when(with_cart: OpenRig) -> None:
    rig = with_cart()
    rig.bank.fail("authorize", "decline")
    rig.say_yes()
    rig.work_off()
    operation = rig.the(Operation)
    assert (operation.note, operation.answered_us) == ("insufficient_funds: not enough money", rig.clock.now)
