"""A household's book as the payments room reads it: what its rows sum to."""

from gateway.domain.payment import Account, JournalEntry, Posting
from gateway.steps.ports import Transaction
from payments import ledger
from payments.money import Money


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
