"""What waits for a person is seen whole, and settled only as the provider's own answer allows."""

from collections.abc import Callable

import pytest

from gateway.domain.cart import Cart, CartState
from gateway.domain.errors import Conflict, NotFound
from gateway.domain.order import Order, OrderState
from gateway.domain.payment import Attempt, AttemptState, Operation, OperationKind, OperationState
from gateway.domain.records import Act, Notice, NoticeState
from gateway.domain.replenishment import Plan, PlanState
from gateway.steps.acts.by_hand import LONGEST_WAY_US, Verdict, give_up, settle_by_hand
from gateway.steps.cancel import ask_to_cancel
from gateway.steps.money.review import Waiting, review
from tests.builders import build
from tests.rig import Rig

OpenRig = Callable[..., Rig]


def under_review(rig: Rig) -> Operation:
    (operation,) = rig.rows(Operation, state=OperationState.MANUAL_REVIEW)
    return operation


def settle(rig: Rig, verdict: str) -> Operation:
    return settle_by_hand(rig.services, under_review(rig).id, Verdict(verdict), "looked at the bank's page")


def seen(rig: Rig) -> list[Waiting]:
    with rig.store.read() as tx:
        return list(review(tx))


def with_a_hold_nobody_can_judge(with_cart: OpenRig) -> Rig:
    rig = with_cart()
    rig.bank.fail("authorize", "pending")
    rig.say_yes()
    rig.work_off()
    assert rig.the(Attempt).state is AttemptState.MANUAL_REVIEW
    return rig


def forget(rig: Rig) -> None:
    """Let the bank know nothing of what it accepted."""
    rig.bank._waiting.clear()
    rig.bank._requests.clear()


# Seen


def test_nothing_waits_for_a_person_where_all_is_well(with_order: OpenRig) -> None:
    assert seen(with_order()) == []


def test_an_operation_nobody_can_judge_is_seen_with_all_that_is_known(with_cart: OpenRig) -> None:
    rig = with_a_hold_nobody_can_judge(with_cart)
    (waiting,) = seen(rig)
    operation = under_review(rig)
    assert (waiting.what, waiting.subject_id, waiting.household) == ("operation", operation.id, "Calle Mayor 3")
    assert waiting.why.startswith("authorize of ")
    told = " | ".join(fact.text for fact in waiting.facts)
    for known in (
        "attempt",
        "Current account (sandbox)",
        f"key {operation.id}",
        "the provider answered: still unknown",
    ):
        assert known in told
    assert [fact.at_us for fact in waiting.facts if "answered" in fact.text] == [operation.answered_us]


def test_payments_due_orders_that_stand_still_permissions_and_notices_are_seen(with_order: OpenRig) -> None:
    rig = with_order()
    rig.bank.fail("capture", "decline")
    rig.shop.ship()
    rig.pass_days(0.2)
    rig.add(build(Notice, household_id=None, state=NoticeState.SET_ASIDE, reason="no secret"))
    assert [(one.what, one.subject_id) for one in seen(rig)] == [("order", rig.the(Order).id), ("notice", "notice")]
    assert "could not be billed" in seen(rig)[0].why


# Settled


def test_what_took_effect_is_settled_as_succeeded_and_goes_on(with_cart: OpenRig) -> None:
    rig = with_a_hold_nobody_can_judge(with_cart)
    rig.bank.decide()
    with pytest.raises(Conflict, match="took effect"):
        settle(rig, "failed")
    assert settle(rig, "succeeded").state is OperationState.SUCCEEDED
    rig.work_off()
    assert rig.the(Order).state is OrderState.PLACED
    (act,) = rig.rows(Act)
    assert (act.by, act.verb, act.reason) == ("operator", "settle_succeeded", "looked at the bank's page")
    assert "Authorized" in act.evidence
    assert rig.differences() == []


@pytest.mark.parametrize("verdict", ["succeeded", "failed"])
def test_nothing_is_settled_while_the_provider_says_neither(with_cart: OpenRig, verdict: str) -> None:
    rig = with_a_hold_nobody_can_judge(with_cart)
    with pytest.raises(Conflict, match="has not decided"):
        settle(rig, verdict)
    assert rig.rows(Act) == []
    assert under_review(rig).state is OperationState.MANUAL_REVIEW


def test_what_the_provider_never_got_is_failed_a_day_after_it_was_sent(with_cart: OpenRig) -> None:
    rig = with_a_hold_nobody_can_judge(with_cart)
    forget(rig)
    rig.clock.wall = (under_review(rig).sent_wall_us or 0) + LONGEST_WAY_US - 1
    with pytest.raises(Conflict, match="still be on its way"):
        settle(rig, "failed")
    rig.clock.wall += 1
    with pytest.raises(Conflict, match="knows nothing"):
        settle(rig, "succeeded")
    assert settle(rig, "failed").state is OperationState.FAILED
    rig.work_off()
    assert rig.the(Attempt).state is AttemptState.DECLINED
    assert rig.the(Cart).state is CartState.DECLINED
    assert rig.differences() == []


def test_a_debit_that_never_came_is_due_and_asked_for_again_once(with_order: OpenRig) -> None:
    rig = with_order()
    rig.bank.fail("capture", "pending")
    rig.shop.ship()
    rig.pass_days(0.2)
    forget(rig)
    rig.clock.wall += LONGEST_WAY_US
    settle(rig, "failed")
    assert rig.the(Order).state is OrderState.PAYMENT_DUE
    rig.pass_days(1.2)
    assert [amount.amount_minor for _, amount in rig.bank.captures.values()] == [rig.the(Order).total_minor]
    assert rig.differences() == []


def test_a_hold_whose_release_never_came_is_released_under_a_new_key(with_order: OpenRig) -> None:
    rig = with_order()
    rig.bank.fail("void", "pending")
    rig.shop.cancel(rig.the(Order).id)
    rig.pass_days(0.2)
    assert under_review(rig).kind is OperationKind.VOID
    forget(rig)
    rig.clock.wall += LONGEST_WAY_US
    settle(rig, "failed")
    rig.work_off()
    assert rig.bank.held_minor == 0
    assert rig.the(Attempt).state is AttemptState.VOIDED
    assert rig.differences() == []


def test_a_refund_that_never_came_is_given_back_after_all(with_order: OpenRig) -> None:
    rig = with_order()
    rig.shop.ship()
    rig.pass_days(0.1)
    rig.bank.fail("refund", "pending")
    rig.shop.lose()
    rig.pass_days(0.2)
    forget(rig)
    rig.clock.wall += LONGEST_WAY_US
    settle(rig, "failed")
    rig.work_off()
    assert rig.bank.debited_minor == 0
    assert rig.differences() == []


def test_what_is_settled_or_never_was_under_review_is_refused(with_cart: OpenRig) -> None:
    rig = with_a_hold_nobody_can_judge(with_cart)
    operation = under_review(rig)
    rig.bank.decide()
    settle(rig, "succeeded")
    with pytest.raises(Conflict):
        settle_by_hand(rig.services, operation.id, Verdict.SUCCEEDED, "again")
    with pytest.raises(NotFound):
        settle_by_hand(rig.services, "nobody", Verdict.SUCCEEDED, "again")


# Given up


def test_an_order_that_neither_comes_nor_ends_is_given_up_after_the_shop_was_asked(with_order: OpenRig) -> None:
    rig = with_order()
    order = rig.the(Order)
    with rig.store.begin() as tx, pytest.raises(Conflict, match="cancel it first"):
        give_up(tx, order, reason="closed for good", now_us=rig.clock.now)
    rig.shop.cancel_faults.append("rejected")
    with rig.store.begin() as tx:
        ask_to_cancel(tx, order, by="operator", reason="closed for good", now_us=rig.clock.now)
    rig.work_off()
    assert seen(rig)[0].why == "the shop was asked to cancel it, and it still stands"
    with rig.store.begin() as tx:
        give_up(tx, rig.the(Order), reason="closed for good", now_us=rig.clock.now)
    rig.work_off()
    assert rig.rows(Order)[0].state is OrderState.CANCELLED
    assert rig.bank.held_minor == 0
    assert rig.rows(Plan)[0].state is PlanState.DROPPED
    assert [act.verb for act in rig.rows(Act)] == ["cancel", "give_up"]
    assert seen(rig) == []


def test_an_order_with_a_parcel_on_its_way_is_not_given_up(with_order: OpenRig) -> None:
    rig = with_order()
    rig.shop.cancel_faults.append("rejected")
    with rig.store.begin() as tx:
        ask_to_cancel(tx, rig.the(Order), by="operator", reason="late", now_us=rig.clock.now)
    rig.work_off()
    rig.shop.ship()
    rig.pass_days(0.1)
    with rig.store.begin() as tx, pytest.raises(Conflict):
        give_up(tx, rig.the(Order), reason="late", now_us=rig.clock.now)
