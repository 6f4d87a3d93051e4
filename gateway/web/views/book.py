"""The ledger as the Money page shows it: one entry for each journal, in the order of time, each with its legs."""

from dataclasses import dataclass

from gateway.domain.household import Household
from gateway.domain.payment import Account, JournalEntry, Operation, Posting
from gateway.domain.records import MerchantAccount
from gateway.steps.ports import Transaction
from gateway.web.views.ledger import account_name
from gateway.web.views.stock import grouped
from gateway.web.wording import Wording, money

ENTRY_WORDS = {
    "hold": "Held for an order",
    "release": "Hold ended",
    "capture": "Debited at shipment",
    "refund": "Given back",
    "settlement": "Paid out by the provider",
    "payout": "Paid to the shop",
    "top_up": "Topped up",
    "gift": "Given to you",
    "reversal": "Corrected",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BookEntry:
    """One journal: what happened, how much, and between which accounts; `held` while a hold still stands."""

    id: str
    at_us: int
    day: str
    clock: str
    words: str
    memo: str
    held: bool
    amount: str
    legs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BookPage:
    """Some entries, newest first; `older` is the id to go on from, None at the end."""

    entries: tuple[BookEntry, ...]
    older: str | None


def book_page(
    tx: Transaction, household_id: str, *, limit: int, account_id: str | None = None, before: str | None = None
) -> BookPage:
    """Return the newest entries, of one account if chosen, before the one that ended the page above.

    A provider's pay-out is written when it is heard of and dated when it happened: the order is by time, not by id.
    Raises NotFound for another household's account.
    """
    legs = grouped(tx.every(Posting, household_id), "journal_id")
    if account_id is not None:
        tx.get(Account, household_id, account_id)
    entries = [
        entry
        for entry in tx.every(JournalEntry, household_id)
        if account_id is None or any(leg.account_id == account_id for leg in legs.get(entry.id, ()))
    ]
    entries.sort(key=lambda entry: (entry.at_us, entry.id), reverse=True)
    start = next((place + 1 for place, entry in enumerate(entries) if entry.id == before), 0)
    shown = entries[start : start + limit]
    reader = _Reader(tx, household_id, legs)
    return BookPage(
        entries=tuple(reader.entry(entry) for entry in shown),
        older=shown[-1].id if start + limit < len(entries) else None,
    )


class _Reader:
    """What the entries of one page have in common."""

    def __init__(self, tx: Transaction, household_id: str, legs: dict[str, list[Posting]]) -> None:
        self._tx = tx
        self._household_id = household_id
        self._legs = legs
        self._wording = Wording(tx.get(Household, household_id, household_id).time_zone)
        merchants = {merchant.id: merchant.name for merchant in tx.find(MerchantAccount, None)}
        self._names = {account.id: account_name(account, merchants) for account in tx.find(Account, household_id)}

    def entry(self, entry: JournalEntry) -> BookEntry:
        """Build one entry."""
        legs = self._legs.get(entry.id, [])
        moved = sum(leg.amount_minor for leg in legs if leg.amount_minor > 0)
        return BookEntry(
            id=entry.id,
            at_us=entry.at_us,
            day=self._wording.day(entry.at_us),
            clock=self._wording.clock(entry.at_us),
            words=ENTRY_WORDS.get(entry.kind, entry.kind.replace("_", " ").capitalize()),
            memo=entry.memo,
            held=entry.kind == "hold" and self._stands(entry),
            amount=money(moved, legs[0].currency) if legs else "",
            legs=tuple(
                f"{self._names[leg.account_id]} {money(leg.amount_minor, leg.currency, signed=True)}" for leg in legs
            ),
        )

    def _stands(self, hold: JournalEntry) -> bool:
        """Say whether a hold is still held: what its payment wrote as pending does not cancel out yet."""
        tx, household_id = self._tx, self._household_id
        attempt_id = hold.source_id
        sources = frozenset(one.id for one in tx.find(Operation, household_id, attempt_id=attempt_id))
        written = tx.find(JournalEntry, household_id, source_id=sources | {attempt_id}, pending=True)
        account_id = self._legs[hold.id][0].account_id
        left = sum(
            leg.amount_minor
            for entry in written
            for leg in self._legs.get(entry.id, ())
            if leg.account_id == account_id
        )
        return left != 0
