"""The household's book: accounts with their balances, postings newest first, and the whole of it as CSV."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.domain.household import Household
from gateway.domain.payment import Account, JournalEntry, Posting
from gateway.domain.records import MerchantAccount
from gateway.steps.ports import Transaction
from gateway.web.wording import Wording, iso, money
from payments.money import Money

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

ACCOUNT_WORDS = {
    "provider_clearing": "Clearing",
    "household_balance": "Your balance",
    "merchant_payable": "Owed to",
    "bank": "Bank",
    "fees": "Fees",
    "gift_expense": "Gifts",
    "suspense": "To be explained",
}
OWED = frozenset({"household_balance", "merchant_payable"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRow:
    """One ledger account and its settled and pending balance; debit is positive.

    `balance` says it as people do: what is owed, to the household or a shop, is so much and not less than nothing.
    """

    id: str
    code: str
    name: str
    currency: str
    balance_minor: int
    balance: str
    pending_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """One posting: a leg of a journal."""

    id: str
    journal_id: str
    source_id: str
    at_us: int
    when: str
    kind: str
    memo: str
    pending: bool
    account_id: str
    account_code: str
    account: str
    amount_minor: int
    amount: str
    currency: str


def account_rows(tx: Transaction, household_id: str) -> tuple[AccountRow, ...]:
    """Return the household's ledger accounts with their balances, reckoned from all postings."""
    pending = {entry.id for entry in tx.every(JournalEntry, household_id) if entry.pending}
    sums: dict[tuple[str, bool], int] = {}
    for posting in tx.every(Posting, household_id):
        key = (posting.account_id, posting.journal_id in pending)
        sums[key] = sums.get(key, 0) + posting.amount_minor
    merchants = {merchant.id: merchant.name for merchant in tx.find(MerchantAccount, None)}
    rows = []
    for account in tx.find(Account, household_id):
        settled = sums.get((account.id, False), 0)
        rows.append(
            AccountRow(
                id=account.id,
                code=_code(account),
                name=account_name(account, merchants),
                currency=account.currency,
                balance_minor=settled,
                balance=money(-settled if account.kind in OWED else settled, account.currency),
                pending_minor=sums.get((account.id, True), 0),
            )
        )
    return tuple(sorted(rows, key=lambda row: row.code))


def ledger_csv(tx: Transaction, household_id: str, account_id: str | None = None) -> Iterator[str]:
    """Yield the whole book (or one account's part) as CSV text, a line at a time, oldest first.

    A memo that begins like a formula is written with an apostrophe, so that no spreadsheet runs it.
    """
    accounts = {account.id: _code(account) for account in tx.find(Account, household_id)}
    if account_id is not None:
        accounts = {account_id: _code(tx.get(Account, household_id, account_id))}
    journals = {entry.id: entry for entry in tx.every(JournalEntry, household_id)}
    yield _csv_line(["at", "journal", "kind", "layer", "source", "memo", "account", "amount", "currency"])
    for posting in tx.every(Posting, household_id):
        if posting.account_id in accounts:
            entry = journals[posting.journal_id]
            yield _csv_line(
                [
                    iso(entry.at_us),
                    entry.id,
                    entry.kind,
                    "pending" if entry.pending else "settled",
                    entry.source_id,
                    f"'{entry.memo}" if entry.memo.startswith(FORMULA_STARTS) else entry.memo,
                    accounts[posting.account_id],
                    Money(posting.amount_minor, posting.currency).format(),
                    posting.currency,
                ]
            )


def rows_of_postings(tx: Transaction, household_id: str, postings: list[Posting]) -> tuple[LedgerRow, ...]:
    """Return the postings with what their journals and accounts say about them."""
    wording = Wording(tx.get(Household, household_id, household_id).time_zone)
    merchants = {merchant.id: merchant.name for merchant in tx.find(MerchantAccount, None)}
    accounts = {account.id: account for account in tx.find(Account, household_id)}
    journal_ids = sorted({posting.journal_id for posting in postings})
    journals = {journal_id: tx.get(JournalEntry, household_id, journal_id) for journal_id in journal_ids}
    rows = []
    for posting in postings:
        entry, account = journals[posting.journal_id], accounts[posting.account_id]
        rows.append(
            LedgerRow(
                id=posting.id,
                journal_id=entry.id,
                source_id=entry.source_id,
                at_us=entry.at_us,
                when=wording.day_and_clock(entry.at_us),
                kind=entry.kind,
                memo=entry.memo,
                pending=entry.pending,
                account_id=account.id,
                account_code=_code(account),
                account=account_name(account, merchants),
                amount_minor=posting.amount_minor,
                amount=money(posting.amount_minor, posting.currency),
                currency=posting.currency,
            )
        )
    return tuple(rows)


def _code(account: Account) -> str:
    return f"{account.kind}:{account.owner}" if account.owner else account.kind


def account_name(account: Account, merchants: dict[str, str]) -> str:
    """Return what a person calls an account."""
    words = ACCOUNT_WORDS[account.kind]
    match account.kind:
        case "merchant_payable":
            return f"{words} {merchants.get(account.owner, account.owner)}"
        case "provider_clearing":
            return f"{words} at {account.owner}"
        case _:
            return words


def _csv_line(values: list[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(values)
    return line.getvalue()
