"""One writer at a time for each household, on PostgreSQL; SQLite has one writer for all (BEGIN IMMEDIATE).

Steps and acts read, decide and write back: a limit is counted and then reserved, captures are summed and then one more
is made. With two writers under READ COMMITTED one of them would decide on what the other is changing. So a writing
transaction takes a household's place before it reads or writes anything of that household, and keeps it until its
end; another's statement, begun after the wait, sees all that was committed. It is an advisory lock, kept in memory:
no row is written for it, and the foreign keys' own row locks do not meet it.

What was weighed: SERIALIZABLE gives the same, but by refusing whoever comes second, and each act of a person would
need a way to be run again; FOR UPDATE on what is read locks no row that is not there yet, such as one more
reservation, and takes rows in as many orders as there are steps, which is how deadlocks come about.

Several households are taken in one order (`take`). Rows of work are touched after the place of their household.
"""

from collections.abc import Iterable
from hashlib import blake2b

from sqlalchemy import Connection, text

OURS = 0x5250
"""Begins all our locks' numbers, beside those of other programs on the same database."""
PLACES = 1_024
"""Households share so many places, for a server keeps some thousand locks in all; who shares one only waits longer."""
NOBODYS = ""
"""Whose place stands for rows that belong to no household."""

_TAKE = text("SELECT pg_advisory_xact_lock(:ours, place) FROM unnest(CAST(:places AS integer[])) AS place")


class Writers:
    """The places one transaction holds. They end with it; those taken inside a savepoint that is undone end there."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._held: frozenset[int] = frozenset()

    def take(self, household_ids: Iterable[str | None]) -> bool:
        """Wait for the places not held yet, in the order all take them; say whether there were such.

        Raises StoreBusy when that takes too long, or when two wait for each other.
        """
        wanted = sorted({_place(one) for one in household_ids} - self._held)
        if wanted:
            self._connection.execute(_TAKE, {"ours": OURS, "places": wanted})
            self._held |= frozenset(wanted)
        return bool(wanted)

    def holds(self, household_id: str | None) -> bool:
        """Say whether this transaction is the household's one writer."""
        return _place(household_id) in self._held

    @property
    def held(self) -> frozenset[int]:
        """All places, to go back to when a savepoint is undone."""
        return self._held

    def go_back(self, held: frozenset[int]) -> None:
        """Forget what the server has let go with a savepoint."""
        self._held = held


def _place(household_id: str | None) -> int:
    """Return the household's place, the same in every process."""
    digest = blake2b((household_id or NOBODYS).encode(errors="replace"), digest_size=4).digest()
    return int.from_bytes(digest, "big") % PLACES
