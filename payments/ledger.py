"""The rules of the double-entry ledger. The store keeps the rows; it writes only journals that came from here.

A posting's amount is positive for a debit and negative for a credit; the postings of a journal sum to zero per
currency. A journal is pending or settled as a whole: a hold is pending, and a release takes it back, when the money
moves as well as when it does not. Corrections are reversals, never changes.

    journal      debit                  credit
    hold         funding                merchant payable       pending
    release      merchant payable       funding                pending
    capture      funding                merchant payable       together with a release of the same amount
    refund       merchant payable       funding
    settlement   bank (net), fees       provider clearing      what matches nothing of ours: suspense
    pay-out      merchant payable       bank
    gift         gift expense           household balance

*Funding* is the provider's clearing account, or the household's balance where the gateway keeps it.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from payments.errors import LedgerError, Unbalanced
from payments.money import Money


class AccountKind(StrEnum):
    """The chart of accounts."""

    PROVIDER_CLEARING = "provider_clearing"  # an asset: what a provider took for us and has not paid out
    HOUSEHOLD_BALANCE = "household_balance"  # a liability: a household's stored balance
    MERCHANT_PAYABLE = "merchant_payable"  # a liability: what a merchant is owed
    BANK = "bank"  # an asset: the operator's bank account
    FEES = "fees"  # an expense
    GIFT_EXPENSE = "gift_expense"  # an expense: what the operator gave households for their balances
    SUSPENSE = "suspense"  # what nobody can explain yet


@dataclass(frozen=True, slots=True)
class Account:
    """One account: a kind and whose it is (an adapter's name, a household's or merchant's id, empty for our own).

    >>> provider_clearing("sandbox").code
    'provider_clearing:sandbox'
    >>> Account.parse("bank")
    Account(kind=<AccountKind.BANK: 'bank'>, owner='')
    """

    kind: AccountKind
    owner: str = ""

    @property
    def code(self) -> str:
        """How the store and the pages write it."""
        return f"{self.kind}:{self.owner}" if self.owner else str(self.kind)

    @classmethod
    def parse(cls, code: str) -> "Account":
        """The reverse of `code`; raises LedgerError."""
        kind, _, owner = code.partition(":")
        try:
            return cls(AccountKind(kind), owner)
        except ValueError:
            raise LedgerError(f"{code!r} is not in the chart of accounts") from None


BANK = Account(AccountKind.BANK)
FEES = Account(AccountKind.FEES)
GIFT_EXPENSE = Account(AccountKind.GIFT_EXPENSE)
SUSPENSE = Account(AccountKind.SUSPENSE)


def provider_clearing(adapter: str) -> Account:
    """What the provider behind `adapter` took for us."""
    return Account(AccountKind.PROVIDER_CLEARING, adapter)


def household_balance(household_id: str) -> Account:
    """A household's stored balance."""
    return Account(AccountKind.HOUSEHOLD_BALANCE, household_id)


def merchant_payable(merchant_id: str) -> Account:
    """What a merchant is owed."""
    return Account(AccountKind.MERCHANT_PAYABLE, merchant_id)


class JournalKind(StrEnum):
    """Why a journal was written."""

    HOLD = "hold"
    RELEASE = "release"
    CAPTURE = "capture"
    REFUND = "refund"
    SETTLEMENT = "settlement"
    PAYOUT = "payout"
    GIFT = "gift"
    TOP_UP = "top_up"  # in books of before, when a top-up was believed: bank to household balance
    REVERSAL = "reversal"


@dataclass(frozen=True, slots=True)
class Posting:
    """A debit (positive) or credit (negative) of one account."""

    account: Account
    amount: Money


@dataclass(frozen=True, slots=True)
class Journal:
    """Postings that happened together. `reference` is the operation's (settlement's, pay-out's) id, unique per kind."""

    kind: JournalKind
    reference: str
    postings: tuple[Posting, ...]
    pending: bool = False

    def __post_init__(self) -> None:
        if not self.reference:
            raise LedgerError("a journal says which operation it belongs to")
        if sums := unbalanced(self.postings):
            raise Unbalanced(sums)


def hold(reference: str, funding: Account, payable: Account, amount: Money) -> Journal:
    """An amount is held for a merchant."""
    return Journal(JournalKind.HOLD, reference, _move(funding, payable, amount), pending=True)


def release(reference: str, funding: Account, payable: Account, amount: Money) -> Journal:
    """A hold, or what is left of it, is given up."""
    return Journal(JournalKind.RELEASE, reference, _move(payable, funding, amount), pending=True)


def capture(reference: str, funding: Account, payable: Account, amount: Money) -> tuple[Journal, Journal]:
    """Held money moves: a release of the same amount of the hold and the capture itself, to be written together.

    What stays held needs its own `release` when the hold ends.
    """
    moved = Journal(JournalKind.CAPTURE, reference, _move(funding, payable, amount))
    return release(reference, funding, payable, amount), moved


def refund(reference: str, funding: Account, payable: Account, amount: Money) -> Journal:
    """Captured money goes back; a merchant that was paid already now owes it."""
    return Journal(JournalKind.REFUND, reference, _move(payable, funding, amount))


def settlement(reference: str, clearing: Account, gross: Money, fee: Money, unmatched: Money | None = None) -> Journal:
    """A provider paid out `gross` less `fee`; `unmatched` is the part of gross that belongs to no operation of ours.

    A day with more refunds than captures has a negative gross: the provider took money from the bank.
    """
    unknown = unmatched if unmatched is not None else Money.zero(gross.currency)
    sides = (
        Posting(BANK, gross - fee),
        Posting(FEES, fee),
        Posting(clearing, unknown - gross),
        Posting(SUSPENSE, -unknown),
    )
    return Journal(JournalKind.SETTLEMENT, reference, tuple(side for side in sides if side.amount))


def payout(reference: str, payable: Account, amount: Money) -> Journal:
    """A merchant is paid."""
    return Journal(JournalKind.PAYOUT, reference, _move(payable, BANK, amount))


def gift(reference: str, balance: Account, amount: Money) -> Journal:
    """A household's balance grows at the operator's own expense."""
    return Journal(JournalKind.GIFT, reference, _move(GIFT_EXPENSE, balance, amount))


def reversal(reference: str, wrong: Journal) -> Journal:
    """The opposite of `wrong`, under a reference of its own; a reversal cannot be reversed, write the right journal."""
    if wrong.kind is JournalKind.REVERSAL:
        raise LedgerError(f"{wrong.reference} is itself a reversal")
    return Journal(
        JournalKind.REVERSAL,
        reference,
        tuple(Posting(posting.account, -posting.amount) for posting in wrong.postings),
        pending=wrong.pending,
    )


def balances(journals: Iterable[Journal], *, pending: bool = False) -> dict[tuple[Account, str], Money]:
    """What every account holds per currency, settled or pending; accounts at zero stay in."""
    sums: dict[tuple[Account, str], Money] = {}
    for journal in journals:
        if journal.pending is not pending:
            continue
        for posting in journal.postings:
            key = (posting.account, posting.amount.currency)
            sums[key] = sums.get(key, Money.zero(key[1])) + posting.amount
    return sums


def unbalanced(postings: Iterable[Posting]) -> dict[str, int]:
    """What is left over per currency, in minor units; empty when all is well."""
    sums: defaultdict[str, int] = defaultdict(int)
    for posting in postings:
        sums[posting.amount.currency] += posting.amount.amount_minor
    return {currency: left for currency, left in sums.items() if left}


def _move(debit: Account, credit: Account, amount: Money) -> tuple[Posting, ...]:
    if amount.amount_minor <= 0:
        raise LedgerError(f"{amount} cannot be posted: an amount is positive, its direction is the journal's kind")
    return (Posting(debit, amount), Posting(credit, -amount))
