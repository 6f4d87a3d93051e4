"""What a writing transaction knows of rows without asking again.

Within it nobody else writes a household's rows: on SQLite it is the only writer (BEGIN IMMEDIATE), on PostgreSQL it
holds the household's place before it reads (writers.py). So what it read or wrote is how the row stands, until it ends
or goes back to a savepoint. Rows that belong to no household are not kept: nobody holds a place for them.
"""

import threading
from collections.abc import Iterable
from typing import Any

from gateway.domain.payment import Account
from gateway.store import mapping

MOST_AT_ONCE = 64
"""Of a longer list nothing is kept: it is read to be summed, not to be looked at again."""
MOST_ACCOUNTS = 50_000


class Seen:
    """The rows of one writing transaction, by kind, household and id."""

    def __init__(self) -> None:
        self._rows: dict[tuple[Any, str, str], Any] = {}

    def get(self, kind: Any, household_id: str, entity_id: str) -> Any:
        """Return the row as it stands, None where it was not read."""
        return self._rows.get((kind, household_id, entity_id))

    def keep(self, entity: Any) -> None:
        """Note how a row stands now."""
        kind: Any = type(entity)
        if mapping.is_immutable(kind):
            self._rows[kind, entity.household_id, entity.id] = entity

    def keep_all(self, entities: list[Any]) -> None:
        """Note a list that was read."""
        if len(entities) <= MOST_AT_ONCE:
            for entity in entities:
                self.keep(entity)

    def before(self, entity: Any) -> Any:
        """Return the row that this entity replaces as it stands, None where that is not known."""
        kind: Any = type(entity)
        return self._rows.get((kind, entity.household_id, entity.id)) if mapping.is_immutable(kind) else None

    def forget(self, entity: Any) -> None:
        """Note that a row is gone."""
        self._rows.pop((type(entity), getattr(entity, "household_id", ""), getattr(entity, "id", "")), None)

    def go_back(self) -> None:
        """Forget all: a savepoint was undone, and rows stand as they stood before it."""
        self._rows.clear()


class KnownAccounts:
    """The ledger's accounts, which are never changed and never removed, by household, kind, owner and currency.

    Only those that were committed come here: one that its transaction takes back never was.
    """

    def __init__(self) -> None:
        self._accounts: dict[tuple[str, str, str, str], Account] = {}
        self._lock = threading.Lock()

    def get(self, household_id: str, kind: str, owner: str, currency: str) -> Account | None:
        """Return the account, None where it is not known."""
        return self._accounts.get((household_id, kind, owner, currency))

    def keep(self, accounts: Iterable[Account]) -> None:
        """Note accounts that were committed."""
        with self._lock:
            if len(self._accounts) > MOST_ACCOUNTS:
                self._accounts.clear()
            for one in accounts:
                self._accounts[one.household_id, one.kind, one.owner, one.currency] = one
