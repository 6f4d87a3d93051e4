"""A refund given to the stored balance: there and nowhere else, never above what was captured, whatever crashes."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.domain.credit import Credit, CreditState
from gateway.domain.errors import Invalid
from gateway.domain.household import Member
from gateway.domain.order import Order
from gateway.domain.payment import Account, JournalEntry, Operation, OperationKind, OperationState, Posting
from gateway.domain.records import Message
from gateway.domain.stock import Supply
from gateway.domain.withdrawal import Withdrawal
from gateway.steps.acts.give_back import give_back
from gateway.steps.acts.withdraw import confirm_return, withdraw
from gateway.steps.money.payouts import awaited_minor
from payments.adapter import OperationKind as Kind
from payments.adapter import Settlement, SettlementLine
from payments.money import Money
from tests.balance_keeper import BankAndBalance, balance_of, credited, with_balance
from tests.builders import HOME
from tests.rig import Rig

OpenRig = Callable[..., Rig]


def paid(with_order: OpenRig) -> tuple[Rig, BankAndBalance]:
    rig = with_order()
    rig.save(replace(rig.the(Supply), kind="coffee-beans"))
    providers = with_balance(rig)
    rig.shop.deliver(rig.shop.ship())
    rig.pass_days(0.2)
    assert rig.bank.debited_minor == rig.the(Order).total_minor
    return rig, providers


def refund(rig: Rig, amount_minor: int | None = None, *, to_balance: bool = True) -> None:
    with rig.store.begin() as tx:
        give_back(
            tx,
            rig.the(Order),
            amount_minor=amount_minor,
            to_balance=to_balance,
            by="operator",
            reason="spoilt",
            now_us=rig.clock.now,
        )


def legs(rig: Rig) -> dict[str, int]:
    """Return the legs of the refund's journal by account kind."""
    (entry,) = rig.rows(JournalEntry, kind="refund")
    kinds = {one.id: one.kind for one in rig.rows(Account)}
    return {kinds[one.account_id]: one.amount_minor for one in rig.rows(Posting, journal_id=entry.id)}


def asked_to_refund(rig: Rig) -> int:
    return sum(kind is Kind.REFUND for kind, _ in rig.bank.sent)


def test_a_refund_goes_to_the_balance_and_its_provider_never_hears_of_it(with_order: OpenRig) -> None:
    rig, providers = paid(with_order)
    debited = rig.bank.debited_minor
    refund(rig)
    rig.work_off()
    assert (balance_of(providers), rig.bank.debited_minor, asked_to_refund(rig)) == (debited, debited, 0)
    assert legs(rig) == {"merchant_payable": debited, "household_balance": -debited}
    assert rig.the(Credit).state is CreditState.CREDITED
    assert rig.the(Operation, kind=OperationKind.REFUND).state is OperationState.SUCCEEDED
    assert len(rig.rows(Message, kind="credited")) == 1
    assert rig.rows(Message, kind="refunded") == []
    assert rig.differences() == []


def test_both_ways_together_never_give_back_more_than_was_captured(with_order: OpenRig) -> None:
    rig, providers = paid(with_order)
    debited = rig.bank.debited_minor
    refund(rig, 100)
    refund(rig, 50, to_balance=False)
    with pytest.raises(Invalid, match="is left to give back"):
        refund(rig, debited - 149)
    refund(rig)
    rig.work_off()
    assert (balance_of(providers), rig.bank.debited_minor) == (debited - 50, debited - 50)
    with pytest.raises(Invalid, match="nothing of it is left"):
        refund(rig, to_balance=False)
    assert rig.differences() == []


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_a_crash_after_any_commit_gives_it_back_once(with_order: OpenRig, at: int) -> None:
    rig, providers = paid(with_order)
    refund(rig, 100)
    rig.bomb.at = rig.bomb.passed + at
    rig.survive(rig.work_off)
    rig.work_off()
    assert (credited(providers), asked_to_refund(rig)) == ([100], 0)
    assert rig.the(Credit).state is CreditState.CREDITED
    assert rig.differences() == []


def test_a_lost_answer_of_the_balance_is_asked_for_again_under_the_same_key(with_order: OpenRig) -> None:
    rig, providers = paid(with_order)
    providers.balance.lost_after = 2
    refund(rig, 100)
    rig.work_off()
    assert (credited(providers), len(set(providers.balance.asked))) == ([100], 1)
    assert rig.differences() == []


def test_a_debit_that_was_taken_back_first_credits_nothing(with_order: OpenRig) -> None:
    rig, providers = paid(with_order)
    refund(rig, 100)
    capture = rig.the(Operation, kind=OperationKind.CAPTURE)
    rig.bank.take_back(capture.id)
    with rig.store.begin() as tx:
        tx.cancel_work("refund", rig.the(Operation, kind=OperationKind.REFUND).id)
        tx.enqueue("sync", HOME, capture.id, due_us=rig.clock.now)
    rig.work_off()
    assert rig.the(Operation, kind=OperationKind.REFUND).state is OperationState.FAILED
    assert rig.the(Credit).state is CreditState.CALLED_OFF
    assert balance_of(providers) == 0
    assert rig.differences() == []


def test_a_household_without_a_balance_gets_its_money_where_it_came_from(with_order: OpenRig) -> None:
    rig = with_order()
    rig.shop.deliver(rig.shop.ship())
    rig.pass_days(0.2)
    with pytest.raises(Invalid, match="no stored balance"):
        refund(rig)
    assert rig.rows(Operation, kind=OperationKind.REFUND) == []


@pytest.mark.parametrize("wished", [True, False])
def test_who_withdraws_chooses_credit_or_the_account(with_order: OpenRig, wished: bool) -> None:
    rig, providers = paid(with_order)
    debited = rig.bank.debited_minor
    with rig.store.begin() as tx:
        withdraw(tx, tx.get(Member, HOME, "ana"), rig.the(Order).id, None, to_balance=wished, now_us=rig.clock.now)
    with rig.store.begin() as tx:
        confirm_return(tx, rig.the(Withdrawal).id, by="operator", reason="it is back", now_us=rig.clock.now)
    rig.work_off()
    assert (balance_of(providers), rig.bank.debited_minor) == ((debited, debited) if wished else (0, 0))
    assert rig.differences() == []


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)  # the other stories run on both
@pytest.mark.parametrize("when", ["before the pay-out", "after it"])
def test_the_merchant_keeps_nothing_of_what_was_given_to_the_balance(with_order: OpenRig, when: str) -> None:
    rig, _ = paid(with_order)
    total = rig.the(Order).total_minor
    if when == "before the pay-out":
        refund(rig, total)
        rig.work_off()
    amount, nothing = Money(total, "EUR"), Money(0, "EUR")
    (taken,) = rig.rows(Operation, kind=OperationKind.CAPTURE)
    lines = (SettlementLine(taken.id, amount),)
    rig.bank.settlements.append(Settlement("po-1", rig.clock.now, amount, nothing, amount, lines))
    rig.enqueue("settle", "sandbox", household_id=None)
    rig.work_off()
    if when == "after it":
        refund(rig, total)
        rig.work_off()
    payouts = {one.id for one in rig.rows(JournalEntry, kind="payout")}
    (payable,) = rig.rows(Account, kind="merchant_payable")
    owed_minor = -sum(one.amount_minor for one in rig.rows(Posting, account_id=payable.id))
    paid_minor = sum(one.amount_minor for one in rig.rows(Posting, account_id=payable.id) if one.journal_id in payouts)
    assert (paid_minor, owed_minor) == ((0, 0) if when == "before the pay-out" else (total, -total))
    with rig.store.begin() as tx:  # what it was paid too much is made up for by what it earns next
        assert awaited_minor(tx, HOME, "EUR")[payable.owner] == 0
