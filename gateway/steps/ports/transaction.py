"""A transaction over the main database, and where transactions come from."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from gateway.domain.payment import Account
from gateway.domain.records import WorkItem
from gateway.steps.ports.examination import Examination

Entity = TypeVar("Entity")
Scalar = str | int | float | bool | None


class LeaseLost(Exception):
    """Another worker took this item over; nothing may be written for it any more."""

    def __init__(self, item: WorkItem) -> None:
        super().__init__(f"the lease of {item.step} {item.subject_id} passed on (fence {item.fence})")
        self.item = item


class StoreUnavailable(Exception):
    """The database is locked, full or out of reach; later the same may go well.

    Nothing of the transaction is kept; only of one whose connection was lost during the commit itself it is not known,
    and the rows tell whoever begins again.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"the database cannot be used: {reason}")
        self.reason = reason


class StoreBusy(StoreUnavailable):
    """Another writer was in the way for too long, or waited for this one. At once the same may go well."""


class TooManyRows(Exception):
    """More rows were found than are read at once; `every` reads them in pages. A part is never taken for the whole."""

    def __init__(self, entity: type, most: int) -> None:
        super().__init__(f"there are more than {most} rows of {entity.__name__}; read them with every()")
        self.entity = entity
        self.most = most


class Transaction(Protocol):
    """One transaction over the main database. Nothing is visible before the commit.

    A read is of one household, which it names; None, for the operator's own rows and for audits, has to be said.

    Entities are the frozen dataclasses of gateway.domain; the store keeps one table for each.
    """

    def new_id(self) -> str:
        """Return a new UUIDv7."""
        ...

    def take(self, household_ids: Iterable[str]) -> None:
        """Come to be the one writer of these households now: for a transaction that writes for several of them.

        Otherwise this happens at the first thing that is read or written of a household in a writing transaction; two
        that come by the same households in different orders would wait for each other.
        """
        ...

    def get(self, entity: type[Entity], household_id: str, entity_id: str) -> Entity:
        """Return the household's entity; raises NotFound, also for another household's."""
        ...

    def seek(self, entity: type[Entity], household_id: str, entity_id: str) -> Entity | None:
        """Return the household's entity, or None."""
        ...

    def find(
        self,
        entity: type[Entity],
        household_id: str | None,
        /,
        *,
        newest: int | None = None,
        oldest: int | None = None,
        before: str | None = None,
        **equals: Scalar | frozenset[str],
    ) -> list[Entity]:
        """Return the household's entities whose columns equal the values (a frozenset means any of them).

        Ordered by id, oldest first; `newest=N` returns the N newest, newest first, `oldest=N` the N oldest; `before`
        leaves out that id and all above it, for the next page of a newest-first list. `household_id` None reads all
        households and is for the operator's work alone. Raises TooManyRows for more than fit in one answer.
        """
        ...

    def beginning(self, entity: type[Entity], prefix: str, *, most: int) -> list[Entity]:
        """Return at most so many entities of all households whose id begins so: for the operator, who types a part."""
        ...

    def count(self, entity: type[Entity], household_id: str | None, /, **equals: Scalar | frozenset[str]) -> int:
        """Return how many such entities there are, without reading them; compared as in `find`."""
        ...

    def settled_minor(self, household_id: str, kind: str, owner: str, currency: str) -> int:
        """Return what one ledger account holds in journals that are not pending: minor units, debit positive."""
        ...

    def examination(self) -> Examination:
        """Return what answers the questions of a reconciliation in this transaction."""
        ...

    def every(
        self, entity: type[Entity], household_id: str | None, /, **equals: Scalar | frozenset[str]
    ) -> Iterator[Entity]:
        """Yield all of the household's entities, however many, read in pages and ordered by id; compared as in `find`.

        `household_id` None yields those of all households, one household after the other.
        """
        ...

    def account(self, household_id: str, kind: str, owner: str, currency: str) -> Account:
        """Return this account of the household's ledger; it is made when it is first used, and then stays."""
        ...

    def add(self, entity: object, *more: object) -> None:
        """Insert one entity, or several of one kind at once."""
        ...

    def save(self, entity: object) -> None:
        """Write back one entity that was read or added before; raises NotFound if it is gone."""
        ...

    def remove(self, entity: object) -> None:
        """Delete one entity (only what is derived, such as a forecast nobody refers to)."""
        ...

    def enqueue(
        self, step: str, household_id: str | None, subject_id: str, *, due_us: int, not_before_wall_us: int = 0
    ) -> None:
        """Leave a row for the worker: run `step` on the subject when policy time and real time allow.

        One row per step and subject: asking again replaces the due time, also while the step is running (it then
        runs once more).
        """
        ...

    def cancel_work(self, step: str, subject_id: str) -> None:
        """Take back a row that is not needed any more; a running step finishes."""
        ...

    def is_waiting(self, step: str, subject_id: str, *, due_by_us: int | None = None) -> bool:
        """Say whether such a row waits or runs, due by that policy time (None: at any time)."""
        ...

    def savepoint(self) -> AbstractContextManager[None]:
        """Undo only what was written inside when an exception leaves the block."""
        ...

    def hold(self, item: WorkItem) -> None:
        """Raise LeaseLost unless the item's lease and fence still stand; lengthens the lease."""
        ...

    def complete(self, item: WorkItem) -> None:
        """Close the item in this transaction; raises LeaseLost when the fence passed on."""
        ...

    def cursor(self, name: str) -> int:
        """Return how far a reader of the inbox has come, 0 at first."""
        ...

    def move_cursor(self, name: str, position: int) -> None:
        """Move the reader on, in the same transaction as what it wrote."""
        ...


class UnitOfWork(Protocol):
    """Where transactions come from."""

    def begin(self) -> AbstractContextManager[Transaction]:
        """Open a writing transaction; commits at the end, rolls back on any exception.

        What it has read of a household nobody else changes before its end. Of what it read of all households (None)
        that holds for `find`, not for `count` and `every`.
        """
        ...

    def read(self) -> AbstractContextManager[Transaction]:
        """Open a reading transaction; it writes nothing."""
        ...
