"""Writes the payments room's journals as rows: accounts made when first used, one journal per (source, kind)."""

from collections.abc import Iterable

from gateway.domain.payment import Account, JournalEntry, Posting
from gateway.steps.ports import Transaction
from payments import ledger
from payments.money import Money


def post(
    tx: Transaction,
    household_id: str,
    journals: Iterable[ledger.Journal],
    *,
    memo: str,
    at_us: int,
    reverses_id: str | None = None,
) -> None:
    """Write journals into the household's book; a journal that is there already (a repeat) is left as it is.

    `reverses_id`: the entry that they take back.
    """
    wanted = list(journals)
    references = frozenset(journal.reference for journal in wanted)
    written = {(one.source_id, one.kind) for one in tx.find(JournalEntry, household_id, source_id=references)}
    entries: list[JournalEntry] = []
    postings: list[Posting] = []
    for journal in wanted:
        if (journal.reference, journal.kind.value) in written:
            continue
        written.add((journal.reference, journal.kind.value))
        entry = JournalEntry(
            id=tx.new_id(),
            household_id=household_id,
            source_id=journal.reference,
            kind=journal.kind.value,
            memo=memo,
            reverses_id=reverses_id,
            pending=journal.pending,
            at_us=at_us,
        )
        entries.append(entry)
        for posting in journal.postings:
            account, currency = posting.account, posting.amount.currency
            postings.append(
                Posting(
                    id=tx.new_id(),
                    household_id=household_id,
                    journal_id=entry.id,
                    account_id=tx.account(household_id, account.kind.value, account.owner, currency).id,
                    amount_minor=posting.amount.amount_minor,
                    currency=currency,
                )
            )
    if entries:
        tx.add(*entries)
        tx.add(*postings)


def unbalanced_in(tx: Transaction, household_id: str) -> list[tuple[JournalEntry, dict[str, int]]]:
    """Return the journals whose rows do not sum to zero, each with what is left over per currency, in minor units."""
    sums: dict[str, list[ledger.Posting]] = {}
    nobody = ledger.SUSPENSE  # whose account it is does not matter for a sum
    for row in tx.every(Posting, household_id):
        sums.setdefault(row.journal_id, []).append(ledger.Posting(nobody, Money(row.amount_minor, row.currency)))
    left = {journal_id: ledger.unbalanced(legs) for journal_id, legs in sums.items()}
    return [(entry, left[entry.id]) for entry in tx.every(JournalEntry, household_id) if left.get(entry.id)]


def journals_of(tx: Transaction, household_id: str) -> list[ledger.Journal]:
    """Return the household's book as journals; raises Unbalanced for rows that do not sum to zero."""
    accounts = {
        row.id: ledger.Account(ledger.AccountKind(row.kind), row.owner) for row in tx.find(Account, household_id)
    }
    legs: dict[str, list[ledger.Posting]] = {}
    for row in tx.every(Posting, household_id):
        legs.setdefault(row.journal_id, []).append(
            ledger.Posting(accounts[row.account_id], Money(row.amount_minor, row.currency))
        )
    return [
        ledger.Journal(
            ledger.JournalKind(entry.kind), entry.source_id, tuple(legs.get(entry.id, ())), pending=entry.pending
        )
        for entry in tx.every(JournalEntry, household_id)
    ]
