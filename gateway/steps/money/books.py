"""Writes the payments room's journals as rows: accounts made when first used, one journal per (source, kind)."""

from collections.abc import Iterable

from gateway.domain.payment import JournalEntry, Posting
from gateway.steps.ports import Transaction
from payments import ledger


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
    if postings:  # what comes to nothing, a debit and its return in one pay-out, moves nothing
        tx.add(*postings)
