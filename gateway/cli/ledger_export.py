"""The ledger as text for accountants: CSV, beancount or ledger, a journal at a time and the same each time."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.domain.payment import Account, JournalEntry, Posting
from gateway.steps.ports import Transaction
from payments.ledger import AccountKind
from payments.money import Money

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
OPENED = "1970-01-01"
ROOTS = {
    AccountKind.PROVIDER_CLEARING: "Assets:Provider",
    AccountKind.HOUSEHOLD_BALANCE: "Liabilities:Balance",
    AccountKind.MERCHANT_PAYABLE: "Liabilities:Merchant",
    AccountKind.BANK: "Assets:Bank",
    AccountKind.FEES: "Expenses:Fees",
    AccountKind.GIFT_EXPENSE: "Expenses:Gifts",
    AccountKind.SUSPENSE: "Equity:Suspense",
}
COLUMNS = ("date", "household", "journal", "kind", "layer", "source", "memo", "account", "amount", "currency")


@dataclass(frozen=True, slots=True)
class Entry:
    """One journal with its legs: (account's name, amount). A pending one stands on accounts of its own."""

    journal: JournalEntry
    legs: tuple[tuple[str, Money], ...]

    @property
    def day(self) -> str:
        """The day in UTC, as 2026-11-24."""
        return datetime.fromtimestamp(self.journal.at_us / 1_000_000, UTC).date().isoformat()


def entries(tx: Transaction, household_id: str | None, since_us: int, until_us: int | None) -> Iterator[Entry]:
    """Yield the journals of one household or all, in the order in which they were written."""
    names = {(one.household_id, one.id): account_name(one) for one in tx.every(Account, household_id)}
    for journal in tx.every(JournalEntry, household_id):
        if journal.at_us < since_us or (until_us is not None and journal.at_us >= until_us):
            continue
        suffix = ":Pending" if journal.pending else ""
        yield Entry(
            journal,
            tuple(
                (names[journal.household_id, leg.account_id] + suffix, Money(leg.amount_minor, leg.currency))
                for leg in tx.find(Posting, journal.household_id, journal_id=journal.id)
            ),
        )


def account_name(account: Account) -> str:
    """Return a name that both programs take: letters, digits and hyphens; whose it is stays told apart."""
    owner = "".join(one if one.isascii() and one.isalnum() else f"-{ord(one):x}-" for one in account.owner)
    return f"{ROOTS[AccountKind(account.kind)]}:X-{owner}" if owner else ROOTS[AccountKind(account.kind)]


def as_csv(found: Iterator[Entry]) -> Iterator[str]:
    """Yield a line for each posting; a text that a spreadsheet would run is written with an apostrophe."""
    yield _csv_line(COLUMNS)
    for entry in found:
        one = entry.journal
        layer = "pending" if one.pending else "settled"
        told = (entry.day, one.household_id, one.id, one.kind, layer, one.source_id, one.memo)
        for name, amount in entry.legs:
            texts = (f"'{text}" if text.startswith(FORMULA_STARTS) else text for text in (*told, name))
            yield _csv_line((*texts, amount.format(), amount.currency))


def as_beancount(found: Iterator[Entry]) -> Iterator[str]:
    """Yield transactions, each account opened before its first use."""
    opened: set[str] = set()
    for entry in found:
        one = entry.journal
        for name, _ in entry.legs:
            if name not in opened:
                opened.add(name)
                yield f"{OPENED} open {name}\n"
        yield f"{entry.day} {'!' if one.pending else '*'} {_quoted(one.kind)} {_quoted(one.memo)}\n"
        for key, value in (("journal", one.id), ("source", one.source_id), ("household", one.household_id)):
            yield f"  {key}: {_quoted(value)}\n"
        for name, amount in entry.legs:
            yield f"  {name}  {amount.format()} {amount.currency}\n"
        yield "\n"


def as_ledger(found: Iterator[Entry]) -> Iterator[str]:
    """Yield transactions for ledger and hledger."""
    for entry in found:
        one = entry.journal
        yield f"{entry.day} {'!' if one.pending else '*'} {_plain(one.kind)}: {_plain(one.memo)}\n"
        for key, value in (("journal", one.id), ("source", one.source_id), ("household", one.household_id)):
            yield f"    ; {key}: {_plain(value)}\n"
        for name, amount in entry.legs:
            yield f"    {name}  {amount.format()} {amount.currency}\n"
        yield "\n"


def _quoted(text: str) -> str:
    escaped = _plain(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _plain(text: str) -> str:
    """Return a text as one line without what would begin a comment or end a field."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).replace(";", ",").split())


def _csv_line(values: tuple[str, ...]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.getvalue()
