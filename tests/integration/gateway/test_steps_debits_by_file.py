"""Accounts that hold nothing and are debited days later: announced before, decided late, taken back weeks after."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.domain.order import Order, OrderState, Shipment
from gateway.domain.payment import (
    Attempt,
    AttemptState,
    JournalEntry,
    Mandate,
    MandateState,
    MethodState,
    Operation,
    OperationKind,
    OperationState,
    PaymentMethod,
    Reservation,
    ReservationState,
)
from gateway.domain.records import Message, Notice
from gateway.domain.replenishment import DAY_US
from gateway.steps.acts.pay_again import pay_again
from gateway.steps.money.outcomes import settle_operation
from payments import ledger
from payments.adapter import DeclineKind, Settlement, SettlementLine
from payments.money import Money
from tests.books import journals_of
from tests.builders import HOME, build
from tests.fake_bank import CAPABILITIES
from tests.rig import Rig

OpenRig = Callable[..., Rig]
DEBIT = replace(CAPABILITIES, manual_capture=False, finality="reversible", creditor="Elm Street (DE98ZZZ09999999999)")


def capture(rig: Rig) -> Operation:
    return rig.the(Operation, kind=OperationKind.CAPTURE)


def told(rig: Rig, kind: str) -> list[str]:
    return [one.text for one in rig.rows(Message) if one.kind == kind]


def balances(rig: Rig) -> dict[str, int]:
    with rig.store.read() as tx:
        sums = ledger.balances(journals_of(tx, HOME))
    return {account.code: amount.amount_minor for (account, _), amount in sums.items() if amount.amount_minor}


def notice(rig: Rig, reference: str, notice_id: str) -> None:
    """Let the bank hint at an operation."""
    rig.add(
        build(
            Notice,
            id=notice_id,
            household_id=None,
            source="payment",
            name="sandbox",
            headers={"x-signature": "good"},
            body=reference.encode(),
        )
    )
    rig.enqueue("notice", notice_id, household_id=None)
    rig.work_off()


def pay_out(rig: Rig, ref: str, *lines: tuple[str, int]) -> None:
    gross = Money(sum(minor for _, minor in lines), "EUR")
    settled = tuple(SettlementLine(reference, Money(minor, "EUR")) for reference, minor in lines)
    rig.bank.settlements.append(Settlement(ref, rig.clock.now, gross, Money(0, "EUR"), gross, settled))
    rig.enqueue("settle", "sandbox", household_id=None)
    rig.work_off()


@pytest.fixture
def debited(with_order: OpenRig) -> Rig:
    """Return Ana's home with an order that was shipped, delivered and debited."""
    rig = with_order()
    rig.bank.can = DEBIT
    parcel = rig.shop.ship()
    rig.shop.deliver(parcel)
    rig.pass_days(0.2)
    assert rig.bank.debited_minor == rig.the(Order).total_minor
    return rig


def take_back(rig: Rig, kind: DeclineKind = DeclineKind.SOFT) -> Operation:
    found = capture(rig)
    rig.bank.take_back(found.id, kind)
    return found


def pay(rig: Rig) -> None:
    with rig.store.begin() as tx:
        pay_again(tx, rig.the(Order), None, by="ana", reason="the member asked", now_us=rig.clock.now)
    rig.pass_days(0.1)


# Decided days later


def test_a_debit_that_is_decided_days_later_is_asked_about_then_and_not_before(with_order: OpenRig) -> None:
    rig = with_order()
    rig.bank.can = DEBIT
    rig.bank.fail("capture", "pending")
    rig.bank.decides_us = rig.clock.now + 6 * DAY_US
    rig.shop.ship()
    rig.pass_days(5)
    assert capture(rig).state is OperationState.PENDING
    assert capture(rig).syncs <= 1
    assert rig.the(Order).state is OrderState.SHIPPED
    rig.bank.decide()
    rig.pass_days(1.5)
    assert capture(rig).state is OperationState.SUCCEEDED
    assert rig.the(Attempt).state is AttemptState.CAPTURED
    assert rig.differences() == []


def test_a_debit_that_is_never_decided_is_in_the_end_for_a_person(with_order: OpenRig) -> None:
    rig = with_order()
    rig.bank.can = DEBIT
    rig.bank.fail("capture", "pending")
    rig.bank.decides_us = 0
    rig.shop.ship()
    rig.pass_days(4)
    assert capture(rig).state is OperationState.MANUAL_REVIEW
    assert rig.bank.debited_minor == 0


# Announced before


def test_a_debit_is_announced_once_and_waits_for_its_day(with_order: OpenRig) -> None:
    rig = with_order()
    rig.bank.can = replace(DEBIT, prenotify_days=14)
    total = rig.the(Order).total_minor
    rig.shop.ship()
    rig.pass_days(13.5)
    assert rig.rows(Operation, kind=OperationKind.CAPTURE) == []
    (text,) = told(rig, "debit_announced")
    assert str(Money(total, "EUR")) in text
    assert "Elm Street (DE98ZZZ09999999999)" in text
    assert f"Mandate reference {rig.the(Mandate).provider_ref}" in text
    assert "8 Dec or soon after" in text
    rig.pass_days(1)
    assert capture(rig).created_us - rig.the(Order).created_us >= 14 * DAY_US
    assert rig.bank.debited_minor == total
    assert len(told(rig, "debit_announced")) == 1
    assert rig.differences() == []


def test_a_higher_amount_is_announced_anew_and_waits_anew_a_lower_one_is_not(with_order: OpenRig) -> None:
    rig = with_order()
    rig.bank.can = replace(DEBIT, prenotify_days=14)
    rig.shop.ship(amount_minor=400)
    rig.pass_days(5)
    rig.save(replace(rig.the(Shipment), amount_minor=500))
    rig.enqueue("capture", rig.the(Shipment).id)
    rig.pass_days(10)
    assert rig.rows(Operation, kind=OperationKind.CAPTURE) == []
    assert len(told(rig, "debit_announced")) == 2
    rig.save(replace(rig.the(Shipment), amount_minor=450))
    rig.pass_days(5)
    assert capture(rig).amount_minor == 450
    assert len(told(rig, "debit_announced")) == 2


# Taken back weeks later


def test_a_debit_taken_back_weeks_later_is_reversed_once_and_the_order_is_due(debited: Rig) -> None:
    total = debited.the(Order).total_minor
    pay_out(debited, "po-1", (capture(debited).id, total))
    debited.pass_days(42)
    found = take_back(debited)
    for number in range(3):
        notice(debited, found.id, f"notice-{number}")
    pay_out(debited, "po-2", (found.id, -total))
    assert capture(debited).state is OperationState.REVERSED
    assert debited.the(Attempt).state is AttemptState.REVERSED
    assert debited.the(Order).state is OrderState.PAYMENT_DUE
    assert debited.the(Reservation).state is ReservationState.FREED
    (text,) = told(debited, "payment_due")
    assert "taken back by your bank" in text
    kinds = [one.kind for one in debited.rows(JournalEntry) if one.source_id == found.id]
    assert sorted(kinds) == ["capture", "release", "reversal"]
    (reversal,) = debited.rows(JournalEntry, kind="reversal")
    (booked,) = debited.rows(JournalEntry, source_id=found.id, kind="capture")
    assert reversal.reverses_id == booked.id
    assert balances(debited) == {"merchant_payable:shop": total, "bank": -total}
    assert debited.bank.debited_minor == 0
    assert debited.differences() == []


def test_what_was_taken_back_is_paid_again_once_and_the_order_is_closed(debited: Rig) -> None:
    total = debited.the(Order).total_minor
    notice(debited, take_back(debited).id, "notice-1")
    debited.pass_days(3)
    assert debited.bank.debited_minor == 0
    assert debited.the(Order).state is OrderState.PAYMENT_DUE
    pay(debited)
    assert debited.bank.debited_minor == total
    assert [one.state for one in debited.rows(Attempt)] == [AttemptState.REPLACED, AttemptState.CAPTURED]
    assert debited.the(Order).state is not OrderState.PAYMENT_DUE
    debited.pass_days(40)
    assert debited.the(Order).state is OrderState.CLOSED
    assert debited.bank.debited_minor == total
    assert debited.differences() == []


def test_a_reversal_in_a_pay_out_that_nobody_told_of_is_looked_up(debited: Rig) -> None:
    total = debited.the(Order).total_minor
    found = take_back(debited)
    pay_out(debited, "po-1", (found.id, total), (found.id, -total))
    assert capture(debited).state is OperationState.REVERSED
    assert capture(debited).reversed_ref == "po-1"
    assert balances(debited) == {}
    assert debited.differences() == []


def test_a_debit_that_was_reversed_before_we_learned_of_it_is_booked_both_ways(with_order: OpenRig) -> None:
    rig = with_order()
    rig.bank.can = DEBIT
    rig.bank.fail("capture", "pending")
    rig.bank.decides_us = rig.clock.now + 6 * DAY_US
    rig.shop.ship()
    rig.pass_days(1)
    rig.bank.decide()
    take_back(rig)
    rig.pass_days(6)
    assert capture(rig).state is OperationState.REVERSED
    assert rig.the(Order).state is OrderState.PAYMENT_DUE
    assert balances(rig) == {}
    assert rig.differences() == []


@pytest.mark.parametrize(
    ("kind", "method", "mandate"),
    [
        (DeclineKind.SOFT, MethodState.ACTIVE, MandateState.ACTIVE),
        (DeclineKind.HARD, MethodState.SUSPENDED, MandateState.ACTIVE),
        (DeclineKind.MANDATE, MethodState.ACTIVE, MandateState.SUSPENDED),
    ],
)
def test_the_kind_of_a_reversal_says_what_is_suspended(
    debited: Rig, kind: DeclineKind, method: MethodState, mandate: MandateState
) -> None:
    notice(debited, take_back(debited, kind).id, "notice-1")
    assert (debited.the(PaymentMethod).state, debited.the(Mandate).state) == (method, mandate)


def test_a_refund_that_was_not_sent_is_called_off_when_the_debit_is_taken_back(with_order: OpenRig) -> None:
    rig = with_order()
    rig.bank.can = DEBIT
    parcel = rig.shop.ship()
    rig.pass_days(0.2)
    rig.shop.lose(parcel)
    rig.enqueue("observe", rig.the(Order).id)
    rig.run_round()
    assert rig.the(Operation, kind=OperationKind.REFUND).sent_wall_us is None
    said = rig.bank.answers[take_back(rig).id]
    with rig.store.begin() as tx:
        settle_operation(tx, capture(rig).id, HOME, said, now_us=rig.clock.now, wall_us=rig.clock.wall)
    rig.pass_days(2)
    refund = rig.the(Operation, kind=OperationKind.REFUND)
    assert (refund.state, refund.note) == (OperationState.FAILED, "the debit itself was taken back by its provider")
    assert rig.bank.refunds == {}
    assert rig.the(Order).state is OrderState.LOST  # nothing is owed for what never came
    assert rig.differences() == []


def test_what_was_given_back_and_taken_back_too_is_due_and_never_given_back_again(with_order: OpenRig) -> None:
    rig = with_order()
    rig.bank.can = DEBIT
    total = rig.the(Order).total_minor
    parcel = rig.shop.ship()
    rig.pass_days(0.1)
    rig.shop.deliver(parcel, lacking=1)
    rig.pass_days(0.2)
    back = sum(amount.amount_minor for _, amount in rig.bank.refunds.values())
    notice(rig, take_back(rig).id, "notice-1")
    assert rig.bank.debited_minor == -back  # the customer has it twice, by no act of ours
    assert rig.the(Order).state is OrderState.PAYMENT_DUE
    pay(rig)
    rig.pass_days(40)
    assert rig.bank.debited_minor == total - back
    assert len(rig.bank.refunds) == 1
    assert rig.differences() == []


def test_a_part_that_was_taken_back_is_paid_by_a_new_hold_and_what_is_to_come_too(with_order: OpenRig) -> None:
    rig = with_order()
    rig.bank.can = DEBIT
    total = rig.the(Order).total_minor
    rig.shop.ship(1)
    rig.pass_days(0.1)
    notice(rig, take_back(rig).id, "notice-1")
    assert rig.the(Order).state is OrderState.PAYMENT_DUE
    pay(rig)
    first, second = rig.rows(Attempt)
    assert (first.state, second.amount_minor) == (AttemptState.REPLACED, total)
    packs = rig.shop.orders[rig.shop.only].lines[0].packs
    rig.shop.ship(packs - 1, amount_minor=50)
    rig.pass_days(0.2)
    assert rig.bank.debited_minor == 120 + 290 + 50
    assert rig.the(Order).state is OrderState.SHIPPED
    assert rig.differences() == []


def test_another_amount_than_was_captured_is_noted_and_moves_nothing(debited: Rig) -> None:
    found = take_back(debited)
    answer = debited.bank.answers[found.id]
    debited.bank.answers[found.id] = replace(answer, amount=Money(1, "EUR"))  # type: ignore[type-var,call-arg]
    notice(debited, found.id, "notice-1")
    assert capture(debited).state is OperationState.SUCCEEDED
    assert "the operator looks" in capture(debited).note
    assert debited.rows(JournalEntry, kind="reversal") == []
