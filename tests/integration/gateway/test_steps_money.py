"""Authorize, capture, release, refund, sync: one effect in the bank's book, whatever crashes, repeats or lies."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.domain.cart import Cart, CartState
from gateway.domain.household import Household, Member, Role
from gateway.domain.order import Order, OrderState, Shipment
from gateway.domain.payment import (
    Attempt,
    AttemptState,
    JournalEntry,
    Mandate,
    MethodState,
    Operation,
    OperationKind,
    OperationState,
    PaymentMethod,
    Posting,
    Reservation,
    ReservationState,
)
from gateway.domain.records import Message, Notice, NoticeState
from gateway.domain.replenishment import Plan, PlanState
from gateway.steps import CALLS_OUT
from gateway.steps.acts.wallet import unlink_account
from gateway.steps.approve import Undo
from gateway.steps.money.operations import MARGIN_S
from gateway.steps.money.outcomes import settle_operation
from gateway.steps.money.undecided import SYNC_AFTER_S
from gateway.steps.ports import LeaseLost
from payments import ledger
from payments.adapter import Authorized, Captured
from payments.adapter import OperationKind as Kind
from payments.money import Money
from tests.books import journals_of
from tests.builders import HOME, build
from tests.fake_bank import FakeBank, Fault
from tests.homes import home, known_level
from tests.rig import UNDO_US, Rig

OpenRig = Callable[..., Rig]


def open_with_cart(open_rig: OpenRig) -> Rig:
    rig = open_rig(*home(), known_level("milk", 0.15))
    rig.shop.sell("milk-usual", 120)
    rig.enqueue("forecast", "milk")
    rig.pass_days(0.1)
    assert rig.the(Cart).state is CartState.AWAITING_APPROVAL
    return rig


def order(rig: Rig) -> Order:
    """Approve the cart and let it be ordered."""
    rig.say_yes()
    rig.work_off()
    return rig.the(Order)


def the_operation(rig: Rig, kind: OperationKind) -> Operation:
    return rig.the(Operation, kind=kind)


def balances(rig: Rig, *, pending: bool) -> dict[str, int]:
    """Return what each account holds."""
    with rig.store.read() as tx:
        journals = journals_of(tx, HOME)
    return {
        account.code: amount.amount_minor
        for (account, _), amount in ledger.balances(journals, pending=pending).items()
        if amount.amount_minor
    }


# The plain way


def test_an_approved_cart_is_held_ordered_billed_at_shipment_and_booked(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    cart = rig.the(Cart)
    total = cart.total_minor
    rig.say_yes()
    while rig.the(Cart).state is CartState.APPROVED:
        rig.run_round()
    assert rig.the(Attempt).state is AttemptState.AUTHORIZED
    assert rig.bank.held_minor == total
    assert balances(rig, pending=True) == {"provider_clearing:sandbox": total, "merchant_payable:shop": -total}
    assert balances(rig, pending=False) == {}
    rig.work_off()
    assert rig.the(Order).total_minor == total
    assert rig.bank.debited_minor == 0
    rig.shop.ship()
    rig.pass_days(0.2)
    assert rig.the(Attempt).state is AttemptState.CAPTURED
    assert rig.the(Reservation).state is ReservationState.USED
    assert rig.bank.debited_minor == total
    assert balances(rig, pending=True) == {}
    assert balances(rig, pending=False) == {"provider_clearing:sandbox": total, "merchant_payable:shop": -total}
    assert rig.differences() == []


def test_every_parcel_is_billed_by_itself_and_the_rest_of_the_hold_is_given_back(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    total = rig.the(Cart).total_minor
    order(rig)
    rig.shop.ship(1)
    rig.pass_days(0.1)
    assert rig.the(Attempt).state is AttemptState.CAPTURE_PENDING
    assert rig.bank.debited_minor == 120 + 290
    assert rig.bank.held_minor == total - 410
    wanted = rig.shop.orders[rig.shop.only].lines[0].packs
    rig.shop.ship(wanted - 1, amount_minor=50)
    rig.pass_days(0.1)
    assert rig.bank.debited_minor == 460
    assert rig.bank.held_minor == 0
    assert rig.the(Attempt).state is AttemptState.CAPTURED
    assert (rig.the(Reservation).state, rig.the(Reservation).amount_minor) == (ReservationState.USED, 460)
    assert len([one for one in rig.rows(Operation) if one.kind is OperationKind.CAPTURE]) == 2
    assert rig.differences() == []


def test_nothing_is_captured_above_the_approval(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    total = rig.the(Cart).total_minor
    order(rig)
    rig.shop.ship(1, amount_minor=total - 10)
    rig.shop.ship(1, amount_minor=total)
    rig.shop.ship(1, amount_minor=total)
    rig.pass_days(0.2)
    assert rig.bank.debited_minor == total
    assert "over_billed" in [one.kind for one in rig.rows(Message)]
    assert rig.differences() == []


def test_the_hold_is_not_given_back_before_every_parcel_is_billed(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    total = rig.the(Cart).total_minor
    order(rig)
    rig.shop.ship()
    rig.bank.fail("capture", "not_sent", "not_sent", "not_sent")
    rig.clock.advance(3_600_000_000)
    rig.run_round()  # observe sees the parcel
    rig.enqueue("release", rig.the(Attempt).id)
    rig.work_off()
    assert rig.bank.debited_minor == total
    assert [kind for kind, _ in rig.bank.sent if kind is Kind.VOID] == []
    assert rig.differences() == []


# Answers that go wrong

HARMLESS: list[Fault] = ["not_sent", "lost", "500", "silent"]


@pytest.mark.parametrize("kind", ["authorize", "capture", "void", "refund"])
@pytest.mark.parametrize("faults", [[one] for one in HARMLESS] + [["lost", "silent"], ["500", "lost", "not_sent"]])
def test_a_bad_answer_delays_an_operation_and_never_doubles_it(
    open_rig: OpenRig, kind: str, faults: list[Fault]
) -> None:
    rig = open_with_cart(open_rig)
    total = rig.the(Cart).total_minor
    rig.bank.fail(kind, *faults)
    order(rig)
    rig.shop.ship(1)
    rig.pass_days(0.2)
    wanted = rig.shop.orders[rig.shop.only].lines[0].packs
    rig.shop.ship(wanted - 1, amount_minor=200)
    rig.pass_days(0.2)
    rig.shop.lose("parcel-2")
    rig.shop.deliver("parcel-1")
    rig.pass_days(0.5)
    assert len(rig.bank.holds) == 1
    assert sum(amount.amount_minor for _, amount in rig.bank.captures.values()) == 610 <= total
    assert sum(amount.amount_minor for _, amount in rig.bank.refunds.values()) == 200
    assert rig.bank.held_minor == 0
    assert all(one.state is OperationState.SUCCEEDED for one in rig.rows(Operation))
    assert rig.differences() == []


def test_an_operation_is_always_sent_under_its_own_key(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.bank.fail("authorize", "lost", "500", "lost")
    order(rig)
    keys = {key for kind, key in rig.bank.sent if kind is Kind.AUTHORIZE}
    assert keys == {the_operation(rig, OperationKind.AUTHORIZE).id}
    assert len([1 for kind, _ in rig.bank.sent if kind is Kind.AUTHORIZE]) == 4


def test_an_unknown_that_took_effect_is_found_and_not_sent_again(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.bank.fail("authorize", "silent")
    order(rig)
    assert len([1 for kind, _ in rig.bank.sent if kind is Kind.AUTHORIZE]) == 1
    assert rig.the(Attempt).state is AttemptState.AUTHORIZED


def test_a_request_that_arrives_late_takes_no_second_effect(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.bank.fail("authorize", "delayed")
    order(rig)
    rig.bank.deliver()
    rig.work_off()
    assert len(rig.bank.holds) == 1
    assert rig.bank.held_minor == rig.the(Order).total_minor


def test_a_pending_authorization_is_waited_for(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.bank.fail("authorize", "pending")
    rig.say_yes()
    for _ in range(6):
        rig.run_round()
        rig.clock.wall += 2_000_000
    assert the_operation(rig, OperationKind.AUTHORIZE).state is OperationState.PENDING
    assert rig.rows(Order) == []
    rig.bank.decide()
    rig.work_off()
    assert rig.the(Order).state is OrderState.PLACED


def test_a_step_up_is_told_once_and_goes_on_when_the_customer_has_acted(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.bank.fail("authorize", "step_up")
    rig.say_yes()
    for _ in range(8):
        rig.run_round()
        rig.clock.wall += 5_000_000
    assert [one.kind for one in rig.rows(Message)].count("payment_step_up") == 1
    rig.bank.decide()
    rig.work_off()
    assert rig.the(Order).state is OrderState.PLACED


def test_a_declined_authorization_buys_nothing_and_frees_the_limit(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.bank.fail("authorize", "decline")
    rig.say_yes()
    rig.work_off()
    assert rig.the(Cart).state is CartState.DECLINED
    assert rig.the(Attempt).state is AttemptState.DECLINED
    assert rig.the(Reservation).state is ReservationState.FREED
    assert rig.the(Plan).state is PlanState.DROPPED
    assert balances(rig, pending=True) == {}
    assert "payment_declined" in [one.kind for one in rig.rows(Message)]
    assert rig.shop.orders == {}
    assert rig.differences() == []
    rig.pass_days(1.2)
    assert len(rig.rows(Cart)) == 2


def test_a_capture_that_is_declined_leaves_a_payment_due_and_the_hold_for_it(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    order(rig)
    rig.bank.fail("capture", "decline")
    rig.shop.ship()
    rig.pass_days(0.2)
    assert rig.the(Order).state is OrderState.PAYMENT_DUE
    assert "payment_due" in [one.kind for one in rig.rows(Message)]
    assert rig.bank.debited_minor == 0
    assert rig.bank.held_minor == rig.the(Order).total_minor
    rig.shop.deliver()
    rig.pass_days(0.6)
    assert rig.the(Order).state is OrderState.PAYMENT_DUE
    rig.enqueue("capture", rig.the(Shipment).id)
    rig.work_off()
    assert rig.bank.debited_minor == rig.the(Order).total_minor
    assert rig.the(Order).state is OrderState.DELIVERED
    assert rig.differences() == []


def test_one_paid_parcel_does_not_hide_that_another_is_due(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    order(rig)
    rig.bank.fail("capture", "decline")
    rig.shop.ship(1)
    rig.pass_days(0.1)
    rig.shop.ship(rig.shop.orders[rig.shop.only].lines[0].packs - 1)
    rig.pass_days(0.1)
    assert rig.bank.debited_minor > 0
    assert rig.the(Order).state is OrderState.PAYMENT_DUE


def test_an_answer_about_another_amount_is_never_taken_for_a_yes(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.bank.fail("authorize", "wrong_amount")
    rig.say_yes()
    rig.work_off()
    assert the_operation(rig, OperationKind.AUTHORIZE).state is OperationState.MANUAL_REVIEW
    assert rig.shop.orders == {}


def test_what_nobody_can_tell_goes_to_the_operator_and_debits_nothing_more(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.bank.fail("authorize", "pending")
    rig.say_yes()
    rig.work_off()
    assert the_operation(rig, OperationKind.AUTHORIZE).state is OperationState.MANUAL_REVIEW
    assert the_operation(rig, OperationKind.AUTHORIZE).syncs == len(SYNC_AFTER_S)
    assert rig.the(Attempt).state is AttemptState.MANUAL_REVIEW
    assert "payment_review" in [one.kind for one in rig.rows(Message)]
    assert len(rig.waiting("sync")) == 1  # asked once a day from now on
    assert rig.shop.orders == {}


def test_a_review_is_asked_for_daily_and_ends_when_the_provider_knows(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.bank.fail("authorize", "pending")
    rig.say_yes()
    rig.work_off()
    rig.bank.decide()
    rig.pass_days(1.1)
    assert the_operation(rig, OperationKind.AUTHORIZE).state is OperationState.SUCCEEDED
    assert rig.differences() == []


def test_a_declined_capture_is_asked_for_again_a_day_later(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    order(rig)
    rig.bank.fail("capture", "decline")
    rig.shop.ship()
    rig.pass_days(0.2)
    assert rig.the(Order).state is OrderState.PAYMENT_DUE
    rig.pass_days(1.2)
    assert rig.bank.debited_minor == rig.the(Order).total_minor
    assert rig.the(Order).state is not OrderState.PAYMENT_DUE
    assert rig.differences() == []


def test_unlinking_while_a_cart_is_held_gives_the_hold_back_and_asks_a_person(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.say_yes()
    for _ in range(10):  # the order is not sent yet: the time to undo runs
        rig.run_round()
    assert rig.the(Cart).state is CartState.HELD
    owner = rig.rows(Member, role=Role.OWNER)[0]
    unlink_account(rig.services, owner, rig.the(PaymentMethod).id)
    rig.work_off()
    assert rig.bank.held_minor == 0
    assert rig.shop.orders == {}
    assert rig.the(Cart).state is CartState.AWAITING_APPROVAL
    assert rig.differences() == []


def test_a_review_ends_when_the_provider_says_after_all_what_became_of_it(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.bank.fail("authorize", "pending")
    rig.say_yes()
    rig.work_off()
    rig.bank.decide()
    operation = the_operation(rig, OperationKind.AUTHORIZE)
    rig.add(build(Notice, household_id=None, body=operation.id.encode()))
    rig.enqueue("notice", "notice", household_id=None)
    rig.work_off()
    assert rig.the(Notice).state is NoticeState.DONE
    assert rig.the(Order).state is OrderState.PLACED
    assert rig.differences() == []


def test_a_capture_under_review_holds_back_the_next_parcel_until_it_is_resolved(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    order(rig)
    rig.bank.fail("capture", "pending")
    rig.shop.ship(1)
    rig.pass_days(0.1)
    assert rig.the(Attempt).state is AttemptState.MANUAL_REVIEW
    packs = rig.shop.orders[rig.shop.only].lines[0].packs
    rig.shop.ship(packs - 1)
    rig.pass_days(0.2)
    assert rig.bank.debited_minor == 0
    assert rig.bank.held_minor == rig.the(Order).total_minor
    rig.bank.decide()
    rig.enqueue("sync", rig.rows(Operation, kind=OperationKind.CAPTURE)[0].id)
    rig.pass_days(0.2)
    assert rig.bank.debited_minor == rig.the(Order).total_minor
    assert rig.differences() == []


def test_a_refused_refund_goes_to_the_operator_and_holds_up_nothing_else(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    order(rig)
    rig.bank.fail("refund", "decline")
    rig.shop.ship(1)
    rig.pass_days(0.1)
    rig.shop.lose()
    rig.pass_days(0.1)
    rig.shop.ship(rig.shop.orders[rig.shop.only].lines[0].packs - 1)
    rig.pass_days(0.2)
    assert the_operation(rig, OperationKind.REFUND).state is OperationState.MANUAL_REVIEW
    assert rig.the(Attempt).state is AttemptState.CAPTURED
    assert rig.bank.debited_minor == rig.the(Order).total_minor
    assert rig.differences() == []


def test_a_late_answer_to_a_closed_operation_changes_nothing(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    order(rig)
    operation, attempt = the_operation(rig, OperationKind.AUTHORIZE), rig.the(Attempt)
    for outcome in (Authorized("else", Money(operation.amount_minor, "EUR")), Captured("else", Money(1, "EUR"))):
        with rig.store.begin() as tx:
            settle_operation(tx, operation.id, HOME, outcome, now_us=rig.clock.now, wall_us=rig.clock.wall)
    assert the_operation(rig, OperationKind.AUTHORIZE) == operation
    assert rig.the(Attempt) == attempt


# Keys that a provider forgets


class ForgetfulBank(FakeBank):
    """A bank that remembers a key for an hour."""

    @property
    def capabilities(self):  # noqa: ANN201 — the fake's own
        return replace(super().capabilities, idempotency_window_s=3600)


def test_what_a_provider_may_have_forgotten_is_looked_up_and_not_sent_again(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.providers.bank = rig.bank = ForgetfulBank()
    rig.bank.fail("authorize", "silent")
    rig.say_yes()
    while not rig.bank.sent:
        rig.run_round()
    rig.clock.wall += (3600 - MARGIN_S) * 1_000_000
    rig.enqueue("authorize", rig.the(Cart).id)
    rig.work_off()
    assert len(rig.bank.sent) == 1
    assert rig.the(Order).state is OrderState.PLACED


def test_what_a_provider_forgot_and_does_not_find_is_a_persons_to_judge(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.providers.bank = rig.bank = ForgetfulBank()
    rig.bank.fail("authorize", "lost")
    rig.say_yes()
    while not rig.bank.sent:
        rig.run_round()
    rig.clock.wall += 3_600_000_000
    rig.work_off()
    assert len(rig.bank.sent) == 1
    assert the_operation(rig, OperationKind.AUTHORIZE).state is OperationState.MANUAL_REVIEW


# Undo against an answer that is missing


@pytest.mark.parametrize("fault", ["lost", "silent", "delayed", "500", "pending"])
def test_an_undo_while_the_bank_is_silent_ends_with_nothing_held(open_rig: OpenRig, fault: Fault) -> None:
    rig = open_with_cart(open_rig)
    rig.bank.fail("authorize", fault)
    rig.say_yes()
    while not rig.bank.sent:
        rig.run_round()
    rig.decide(Undo())
    rig.bank.decide()
    rig.bank.deliver()
    rig.work_off()
    assert rig.bank.held_minor == 0
    assert rig.bank.debited_minor == 0
    assert rig.the(Attempt).state is AttemptState.VOIDED
    assert rig.the(Reservation).state is ReservationState.FREED
    assert balances(rig, pending=True) == {}
    rig.say_yes()
    rig.work_off()
    assert rig.the(Order).state is OrderState.PLACED
    assert rig.bank.held_minor == rig.the(Order).total_minor
    assert rig.differences() == []


# Limits


def test_a_limit_is_reserved_while_a_debit_is_under_way_and_freed_when_it_ends(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.say_yes()
    rig.bank.fail("authorize", "pending")
    rig.run_round()
    assert rig.the(Reservation).state is ReservationState.RESERVED
    rig.decide(Undo())
    rig.bank.decide()
    rig.work_off()
    assert rig.the(Reservation).state is ReservationState.FREED


def test_a_frozen_account_is_not_debited_for_what_was_shipped_until_it_thaws(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    order(rig)
    rig.save(replace(rig.the(PaymentMethod), state=MethodState.FROZEN))
    rig.shop.ship()
    rig.pass_days(0.5)
    assert rig.bank.debited_minor == 0
    rig.save(replace(rig.the(PaymentMethod), state=MethodState.ACTIVE))
    rig.pass_days(0.1)
    assert rig.bank.debited_minor == rig.the(Order).total_minor


def test_an_account_that_was_frozen_after_the_yes_asks_the_person_again(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.say_yes()
    rig.save(replace(rig.the(PaymentMethod), state=MethodState.FROZEN))
    rig.work_off()
    assert rig.the(Cart).state is CartState.AWAITING_APPROVAL
    assert rig.bank.sent == []


def test_a_mandate_that_ran_out_after_the_yes_asks_the_person_again(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.say_yes()
    rig.save(replace(rig.the(Mandate), valid_until_us=rig.clock.now))
    rig.work_off()
    assert rig.the(Cart).needs_person == ("the permission to debit has expired",)
    assert rig.bank.sent == []


# Zombies


@pytest.mark.parametrize("step", ["authorize", "place", "capture"])
def test_a_zombie_whose_lease_ran_out_writes_nothing(open_rig: OpenRig, step: str) -> None:
    rig = open_with_cart(open_rig)
    rig.say_yes()
    for _ in range(40):
        if step == "capture" and rig.shop.orders and not rig.shop.orders[rig.shop.only].parcels:
            rig.shop.ship()
            rig.clock.advance(3_600_000_000)
        if rig.waiting(step):
            break
        rig.run_round()
        rig.clock.wall += UNDO_US
    rig.clock.wall += UNDO_US
    zombie = rig.claim(step)
    rig.clock.wall += 61_000_000
    rig.work_off()
    before = (rig.rows(Operation), rig.rows(Order), rig.rows(JournalEntry), rig.rows(Attempt))
    with pytest.raises(LeaseLost):
        CALLS_OUT[step](zombie, rig.services)
    assert (rig.rows(Operation), rig.rows(Order), rig.rows(JournalEntry), rig.rows(Attempt)) == before
    assert rig.differences() == []


def test_a_worker_that_wakes_after_its_call_writes_nothing_over_its_successor(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.say_yes()
    slept = []

    def sleep(where: str) -> None:
        if where == "after authorize" and not slept:
            slept.append(where)
            rig.clock.wall += 61_000_000
            (successor,) = [
                item for item in rig.queue.claim(rig.clock.now, limit=64, per_household=64) if item.step == "authorize"
            ]
            CALLS_OUT["authorize"](successor, rig.services)

    rig.bank.around = sleep
    rig.work_off()
    assert len(rig.bank.holds) == 1
    assert rig.the(Order).state is OrderState.PLACED
    assert rig.differences() == []


# Crashes


def whole_story_of_money(rig: Rig) -> None:
    """Approve, hold, order, ship twice, bill twice, lose one parcel, refund it, give the rest back."""
    cart = rig.rows(Cart)[0]
    if cart.state is CartState.AWAITING_APPROVAL:
        rig.say_yes(cart.id)
    rig.work_off()
    shop = rig.shop
    packs = shop.orders[shop.only].lines[0].packs
    if not shop.orders[shop.only].parcels:
        shop.ship(1)
    rig.pass_days(0.1)
    if len(shop.orders[shop.only].parcels) == 1:
        shop.ship(packs - 1, amount_minor=200)
    rig.pass_days(0.1)
    if shop.orders[shop.only].parcels[1].state != "lost":
        shop.lose("parcel-2")
        shop.deliver("parcel-1")
    rig.pass_days(0.2)


@pytest.mark.long_on_postgresql
def test_a_crash_anywhere_is_made_good_from_the_rows_with_one_effect_each(open_rig: OpenRig) -> None:
    places = 0
    where_it_died: set[str] = set()
    for at in range(1, 400):
        rig = open_with_cart(open_rig)
        rig.bomb.passed, rig.bomb.at = 0, at
        crashed = rig.survive(lambda rig=rig: whole_story_of_money(rig))
        if crashed:
            places += 1
            whole_story_of_money(rig)
        where = f"crash {at}, {rig.bomb.where}"
        where_it_died.add(rig.bomb.where)
        assert len(rig.shop.orders) == 1, where
        assert len(rig.bank.holds) == 1, where
        assert sorted(amount.amount_minor for _, amount in rig.bank.captures.values()) == [200, 410], where
        assert [amount.amount_minor for _, amount in rig.bank.refunds.values()] == [200], where
        assert rig.bank.held_minor == 0, where
        assert rig.differences() == [], where
        assert sum(one.amount_minor for one in rig.rows(Posting)) == 0, where
        rig.close()
        if not crashed:
            break
    else:
        raise AssertionError("the story never came to its end")
    assert places > 40
    calls = {f"{when} {kind}" for when in ("before", "after") for kind in ("authorize", "place", "capture", "refund")}
    assert calls | {"after a commit", "status"} <= where_it_died


def test_what_is_frozen_is_not_debited(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    order(rig)
    rig.save(replace(rig.the(Household), frozen_since_us=rig.clock.now))
    rig.shop.ship()
    rig.pass_days(0.3)
    assert rig.bank.debited_minor == 0
