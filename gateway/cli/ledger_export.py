"""The ledger as text for accountants: CSV, beancount or ledger, a journal at a time and the same each time."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.domain.cart import Cart
from gateway.domain.order import Order
from gateway.domain.payment import Account, Attempt, JournalEntry, Operation, Posting
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
PAGE = 500
"""Journals read together: with at most some legs each they stay below what one question may answer."""
METADATA = ("journal", "source", "household", "operation", "payment", "order", "merchant")
COLUMNS = ("date", "kind", "layer", "memo", *METADATA, "account", "amount", "currency")


@dataclass(frozen=True, slots=True)
class Entry:
    """One journal with its legs: (account's name, amount). A pending one stands on accounts of its own.

    `told` is what METADATA names: ids, the kind of operation, the merchant; empty for what a journal does not have.
    """

    journal: JournalEntry
    told: dict[str, str]
    legs: tuple[tuple[str, Money], ...]

    @property
    def day(self) -> str:
        """The day in UTC, as 2026-11-24."""
        return datetime.fromtimestamp(self.journal.at_us / 1_000_000, UTC).date().isoformat()


def entries(tx: Transaction, household_id: str | None, since_us: int, until_us: int | None) -> Iterator[Entry]:
    """Yield the journals of one household or all, in the order in which they were written."""
    names = {(one.household_id, one.id): account_name(one) for one in tx.every(Account, household_id)}
    page: list[JournalEntry] = []
    for journal in tx.every(JournalEntry, household_id):
        if since_us <= journal.at_us and (until_us is None or journal.at_us < until_us):
            page.append(journal)
        if len(page) == PAGE:
            yield from _read(tx, household_id, page, names)
            page = []
    yield from _read(tx, household_id, page, names)


def _read(
    tx: Transaction, household_id: str | None, page: list[JournalEntry], names: dict[tuple[str, str], str]
) -> Iterator[Entry]:
    """Yield the entries of some journals, each kind of row read once for all of them."""
    legs: defaultdict[str, list[tuple[str, Money]]] = defaultdict(list)
    suffixes = {one.id: ":Pending" if one.pending else "" for one in page}
    for leg in tx.find(Posting, household_id, journal_id=frozenset(suffixes)):
        name = names[leg.household_id, leg.account_id] + suffixes[leg.journal_id]
        legs[leg.journal_id].append((name, Money(leg.amount_minor, leg.currency)))
    sources = frozenset(one.source_id for one in page)
    operations = {one.id: one for one in tx.find(Operation, household_id, id=sources)}
    attempts = sources | {one.attempt_id for one in operations.values()}  # a hold's journal is of the attempt itself
    carts = {one.id: one.cart_id for one in tx.find(Attempt, household_id, id=attempts)}
    merchants = {one.id: one.merchant_id for one in tx.find(Cart, household_id, id=frozenset(carts.values()))}
    orders = {one.cart_id: one.id for one in tx.find(Order, household_id, cart_id=frozenset(carts.values()))}
    for journal in page:
        told = {"journal": journal.id, "source": journal.source_id, "household": journal.household_id}
        payment = journal.source_id
        if (operation := operations.get(journal.source_id)) is not None:
            told["operation"], payment = operation.kind.value, operation.attempt_id
        if (cart_id := carts.get(payment)) is not None:
            told |= {"payment": payment, "order": orders.get(cart_id, ""), "merchant": merchants[cart_id]}
        yield Entry(journal, told, tuple(legs[journal.id]))


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
        told = (entry.day, one.kind, layer, one.memo, *(entry.told.get(key, "") for key in METADATA))
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
        for key, value in entry.told.items():
            yield f"  {key}: {_quoted(value)}\n"
        for name, amount in entry.legs:
            yield f"  {name}  {amount.format()} {amount.currency}\n"
        yield "\n"


def as_ledger(found: Iterator[Entry]) -> Iterator[str]:
    """Yield transactions for ledger and hledger."""
    for entry in found:
        one = entry.journal
        yield f"{entry.day} {'!' if one.pending else '*'} {_plain(one.kind)}: {_plain(one.memo)}\n"
        for key, value in entry.told.items():
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
