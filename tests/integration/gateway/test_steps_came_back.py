"""A refund that the customer's bank sends back, and a debit of which a part is taken back."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.domain.order import Order, OrderState
from gateway.domain.payment import JournalEntry, Operation, OperationKind, OperationState, Posting
from gateway.domain.records import Message
from gateway.steps.acts.give_back import give_back
from gateway.steps.money.review import Waiting, review
from payments import ledger
from payments.adapter import Settlement, SettlementLine
from payments.money import Money
from tests.books import journals_of
from tests.builders import HOME
from tests.fake_bank import CAPABILITIES
from tests.rig import Rig

OpenRig = Callable[..., Rig]


@pytest.fixture
def paid(with_order: OpenRig) -> Rig:
    """Return Ana's home with an order that was shipped and debited by a provider that may take money back."""
    rig = with_order()
    rig.bank.can = replace(CAPABILITIES, finality="reversible")
    rig.shop.ship()
    rig.pass_days(0.2)
    return rig


def given_back(rig: Rig, minor: int) -> Operation:
    """Give back by hand, and return the operation."""
    with rig.store.begin() as tx:
        (written,) = give_back(tx, rig.the(Order), amount_minor=minor, by="ana", reason="bruised", now_us=rig.clock.now)
    rig.pass_days(0.1)
    return rig.the(Operation, id=written.id)


def look_up(rig: Rig, operation: Operation) -> Operation:
    rig.enqueue("sync", operation.id)
    rig.pass_days(0.1)
    return rig.the(Operation, id=operation.id)


def waiting(rig: Rig) -> list[Waiting]:
    with rig.store.read() as tx:
        return list(review(tx))


def pay_out(rig: Rig, ref: str, *lines: tuple[str, int]) -> None:
    gross = Money(sum(minor for _, minor in lines), "EUR")
    settled = tuple(SettlementLine(reference, Money(minor, "EUR")) for reference, minor in lines)
    rig.bank.settlements.append(Settlement(ref, rig.clock.now, gross, Money(0, "EUR"), gross, settled))
    rig.enqueue("settle", "sandbox", household_id=None)
    rig.work_off()


def balances(rig: Rig) -> dict[str, int]:
    with rig.store.read() as tx:
        sums = ledger.balances(journals_of(tx, HOME))
    return {account.code: amount.amount_minor for (account, _), amount in sums.items() if amount.amount_minor}


def test_a_refund_that_comes_back_is_reversed_once_and_a_person_sees_to_it(paid: Rig) -> None:
    total, before = paid.bank.debited_minor, None
    refund = given_back(paid, 200)
    assert refund.state is OperationState.SUCCEEDED
    paid.bank.return_refund(refund.id)
    for _ in range(2):
        assert look_up(paid, refund).state is OperationState.REVERSED
        kinds = sorted(one.kind for one in paid.rows(JournalEntry, source_id=refund.id))
        assert kinds == ["refund", "reversal"]
        now = balances(paid)
        assert before in {None, str(now)}
        before = str(now)
    assert sum(one.amount_minor for one in paid.rows(Posting)) == 0
    (told,) = [one for one in paid.rows(Message) if one.kind == "payment_review"]
    assert "came back from your bank" in told.text
    (shown,) = waiting(paid)
    assert (shown.what, shown.subject_id) == ("refund", refund.id)
    assert "AC04" in shown.why
    paid.pass_days(30)
    assert paid.bank.debited_minor == total  # it is not sent again by itself
    assert paid.the(Order).state is not OrderState.PAYMENT_DUE
    assert paid.differences() == []


def test_what_came_back_can_be_given_back_anew_and_waits_for_nobody_then(paid: Rig) -> None:
    total = paid.bank.debited_minor
    refund = given_back(paid, total)
    paid.bank.return_refund(refund.id)
    look_up(paid, refund)
    assert given_back(paid, total).state is OperationState.SUCCEEDED
    assert paid.bank.debited_minor == 0
    assert waiting(paid) == []
    assert paid.differences() == []


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)  # the other stories run on both
def test_a_parcel_that_was_lost_is_not_refunded_again_by_itself_when_its_refund_came_back(with_order: OpenRig) -> None:
    rig = with_order()
    parcel = rig.shop.ship()
    rig.pass_days(0.2)
    total = rig.bank.debited_minor
    rig.shop.lose(parcel)
    rig.pass_days(0.2)
    (refund,) = rig.rows(Operation, kind=OperationKind.REFUND)
    rig.bank.return_refund(refund.id)
    look_up(rig, refund)
    rig.pass_days(10)
    assert [one.id for one in rig.rows(Operation, kind=OperationKind.REFUND)] == [refund.id]
    assert rig.bank.debited_minor == total
    assert [one.what for one in waiting(rig)] == ["refund"]


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)  # the other stories run on both
def test_a_pay_out_that_brings_a_refund_back_books_it_and_tells_what_nobody_told(paid: Rig) -> None:
    total = paid.bank.debited_minor
    refund = given_back(paid, 200)
    (capture,) = paid.rows(Operation, kind=OperationKind.CAPTURE)
    pay_out(paid, "po-1", (capture.id, total), (refund.id, -200))
    paid.bank.return_refund(refund.id)
    pay_out(paid, "po-2", (refund.id, 200))
    found = paid.the(Operation, id=refund.id)
    assert (found.state, found.settled_ref, found.reversed_ref) == (OperationState.REVERSED, "po-1", "po-2")
    assert "suspense" not in " ".join(balances(paid))
    assert balances(paid) == {"merchant_payable:shop": -200, "bank": 200}
    assert paid.reconcile() == []


def test_a_part_of_a_debit_that_is_taken_back_is_booked_by_nobody_and_set_before_the_operator_once(paid: Rig) -> None:
    (capture,) = paid.rows(Operation, kind=OperationKind.CAPTURE)
    before = balances(paid)
    paid.bank.take_a_part_back(capture.id, 100)
    for _ in range(2):
        assert look_up(paid, capture).state is OperationState.SUCCEEDED
    (shown,) = waiting(paid)
    assert (shown.what, shown.subject_id) == ("operation", capture.id)
    assert "1.00" in shown.why
    assert any(capture.id in fact.text for fact in shown.facts)
    assert balances(paid) == before
