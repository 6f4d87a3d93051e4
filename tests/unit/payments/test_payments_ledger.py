import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.errors import LedgerError, Unbalanced
from payments.ledger import (
    BANK,
    FEES,
    SUSPENSE,
    Account,
    AccountKind,
    Journal,
    JournalKind,
    Posting,
    balances,
    capture,
    gift,
    hold,
    household_balance,
    merchant_payable,
    payout,
    provider_clearing,
    refund,
    release,
    reversal,
    settlement,
    unbalanced,
)
from payments.money import Money

CLEARING = provider_clearing("sandbox")
SHOP = merchant_payable("shop-1")
AMOUNTS = st.integers(1, 10**9).map(lambda minor: Money(minor, "EUR"))


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


@given(AMOUNTS, AMOUNTS)
def test_every_journal_sums_to_zero(amount: Money, other: Money) -> None:
    journals = [
        hold("a1", CLEARING, SHOP, amount),
        release("v1", CLEARING, SHOP, amount),
        *capture("c1", CLEARING, SHOP, amount),
        refund("r1", CLEARING, SHOP, amount),
        settlement("s1", CLEARING, amount, other),
        settlement("s2", CLEARING, amount, other, unmatched=other),
        payout("p1", SHOP, amount),
        gift("t1", household_balance("h1"), amount),
    ]
    for journal in [*journals, *(reversal(f"x-{journal.reference}", journal) for journal in journals)]:
        assert unbalanced(journal.postings) == {}


@given(st.lists(AMOUNTS, min_size=1, max_size=5), st.integers(0, 10**6))
def test_captures_and_the_release_of_the_rest_leave_nothing_pending(parts: list[Money], rest: int) -> None:
    whole = Money.total(parts, "EUR") + eur(rest)
    journals = [hold("a1", CLEARING, SHOP, whole)]
    for number, part in enumerate(parts):
        journals += capture(f"c{number}", CLEARING, SHOP, part)
    if rest:
        journals.append(release("v1", CLEARING, SHOP, eur(rest)))
    assert set(balances(journals, pending=True).values()) == {eur(0)}
    assert balances(journals) == {
        (CLEARING, "EUR"): Money.total(parts, "EUR"),
        (SHOP, "EUR"): -Money.total(parts, "EUR"),
    }


def test_a_story_from_hold_to_pay_out_ends_where_the_chart_of_accounts_says() -> None:
    journals = [
        hold("a1", CLEARING, SHOP, eur(5_000)),
        *capture("c1", CLEARING, SHOP, eur(4_000)),
        release("v1", CLEARING, SHOP, eur(1_000)),
        refund("r1", CLEARING, SHOP, eur(500)),
        settlement("s1", CLEARING, gross=eur(3_500), fee=eur(20)),
        payout("p1", SHOP, eur(3_500)),
    ]
    assert balances(journals) == {
        (CLEARING, "EUR"): eur(0),
        (SHOP, "EUR"): eur(0),
        (BANK, "EUR"): eur(-20),
        (FEES, "EUR"): eur(20),
    }


def test_a_capture_by_balance_moves_from_the_household_to_the_merchant() -> None:
    anna = household_balance("anna")
    journals = [
        gift("t1", anna, eur(10_000)),
        hold("a1", anna, SHOP, eur(3_000)),
        *capture("c1", anna, SHOP, eur(3_000)),
    ]
    assert balances(journals)[anna, "EUR"] == eur(-7_000)
    assert balances(journals)[SHOP, "EUR"] == eur(-3_000)


def test_what_a_settlement_brings_and_nobody_asked_for_waits_in_suspense() -> None:
    journal = settlement("s1", CLEARING, gross=eur(3_500), fee=eur(20), unmatched=eur(300))
    assert set(journal.postings) == {
        Posting(BANK, eur(3_480)),
        Posting(FEES, eur(20)),
        Posting(CLEARING, eur(-3_200)),
        Posting(SUSPENSE, eur(-300)),
    }


def test_a_day_with_more_refunds_than_captures_takes_money_from_the_bank() -> None:
    journal = settlement("s1", CLEARING, gross=eur(-200), fee=eur(0))
    assert set(journal.postings) == {Posting(BANK, eur(-200)), Posting(CLEARING, eur(200))}


def test_a_reversal_undoes_a_journal_and_cannot_be_reversed() -> None:
    wrong = payout("p1", SHOP, eur(700))
    right = reversal("x1", wrong)
    assert set(balances([wrong, right]).values()) == {eur(0)}
    with pytest.raises(LedgerError):
        reversal("x2", right)


def test_a_journal_that_does_not_sum_to_zero_cannot_be_made() -> None:
    with pytest.raises(Unbalanced) as caught:
        Journal(JournalKind.PAYOUT, "p1", (Posting(BANK, eur(5)), Posting(SHOP, Money(-5, "USD"))))
    assert caught.value.sums == {"EUR": 5, "USD": -5}


@pytest.mark.parametrize("minor", [0, -1])
def test_an_amount_that_is_not_positive_cannot_be_posted(minor: int) -> None:
    with pytest.raises(LedgerError):
        hold("a1", CLEARING, SHOP, eur(minor))


def test_a_journal_needs_a_reference() -> None:
    with pytest.raises(LedgerError):
        hold("", CLEARING, SHOP, eur(1))


def test_accounts_are_written_and_read_by_code() -> None:
    for account in (CLEARING, SHOP, BANK, household_balance("h1")):
        assert Account.parse(account.code) == account
    with pytest.raises(LedgerError):
        Account.parse("petty_cash")


def test_the_chart_of_accounts_is_complete() -> None:
    assert {kind.value for kind in AccountKind} == {
        "provider_clearing",
        "household_balance",
        "merchant_payable",
        "bank",
        "fees",
        "gift_expense",
        "suspense",
    }
