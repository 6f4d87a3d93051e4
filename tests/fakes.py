"""What tests put in the place of the outside world: a database in memory and a clock that is set by hand."""

import dataclasses
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from gateway.domain.errors import NotFound
from gateway.domain.payment import Account, JournalEntry, Posting
from gateway.domain.records import HouseholdItem, WorkItem
from gateway.steps.ports import LeaseLost, Scalar

Entity = TypeVar("Entity")

START_US = 1_795_539_900_000_000
"""Tuesday 24 November 2026, 18:05 in Madrid."""


@dataclass
class FakeClock:
    """A clock that stands still until a test moves it; both times move together unless only one is set."""

    now: int = START_US
    wall: int = START_US

    def now_us(self) -> int:
        return self.now

    def wall_us(self) -> int:
        return self.wall

    def advance(self, microseconds: int) -> None:
        self.now += microseconds
        self.wall += microseconds


@dataclass(frozen=True, slots=True)
class FakeWork:
    """A row for the worker as `enqueue` left it."""

    step: str
    household_id: str | None
    subject_id: str
    due_us: int
    not_before_wall_us: int
    generation: int = 1


@dataclass
class FakeTables:
    """All rows: entities by class and id, the worker's rows by (step, subject), cursors by name."""

    entities: dict[type[Any], dict[str, Any]] = field(default_factory=dict)
    work: dict[tuple[str, str], FakeWork] = field(default_factory=dict)
    cursors: dict[str, int] = field(default_factory=dict)

    def copy(self) -> "FakeTables":
        return FakeTables(
            {kind: dict(rows) for kind, rows in self.entities.items()}, dict(self.work), dict(self.cursors)
        )


class FakeUnitOfWork:
    """Transactions over rows in memory: one writer at a time, all or nothing, as the store does it.

    `lost_leases` holds (step, subject) pairs that another worker has taken over: hold and complete refuse them.
    """

    def __init__(self, *entities: object) -> None:
        self.tables = FakeTables()
        self.lost_leases: set[tuple[str, str]] = set()
        self._ids = 0
        self._lock = threading.RLock()
        if entities:
            with self.begin() as tx:
                for entity in entities:
                    tx.add(entity)

    def next_id(self) -> str:
        with self._lock:
            self._ids += 1
            return f"{self._ids:08x}-0000-7000-8000-{self._ids:012x}"

    @contextmanager
    def begin(self) -> "Iterator[FakeTransaction]":
        with self._lock:
            tx = FakeTransaction(self, self.tables.copy(), writes=True)
            yield tx
            self.tables = tx.tables

    @contextmanager
    def read(self) -> "Iterator[FakeTransaction]":
        with self._lock:
            tables = self.tables.copy()
        yield FakeTransaction(self, tables, writes=False)

    def rows(self, entity: type[Entity]) -> list[Entity]:
        """Every committed row of one kind, oldest first."""
        with self.read() as tx:
            return tx.find(entity, None)

    @property
    def work(self) -> list[FakeWork]:
        """What was left for the worker, in the order it was asked for."""
        return list(self.tables.work.values())


class FakeTransaction:
    """One transaction; see FakeUnitOfWork."""

    def __init__(self, unit_of_work: FakeUnitOfWork, tables: FakeTables, *, writes: bool) -> None:
        self.tables = tables
        self._unit_of_work = unit_of_work
        self._writes = writes
        self._read: set[tuple[type[Any], str]] = set()

    def new_id(self) -> str:
        return self._unit_of_work.next_id()

    def take(self, household_ids: Iterable[str]) -> None:  # noqa: ARG002 — the only writer has them all
        self._must_write()

    def get(self, entity: type[Entity], household_id: str, entity_id: str) -> Entity:
        found = self.seek(entity, household_id, entity_id)
        if found is None:
            raise NotFound(_word(entity), entity_id)
        return found

    def seek(self, entity: type[Entity], household_id: str, entity_id: str) -> Entity | None:
        self._read.add((entity, entity_id))
        found = self._rows(entity).get(entity_id)
        return cast("Entity | None", found if found is not None and _of_household(found, household_id) else None)

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
        known = {one.name for one in dataclasses.fields(cast("Any", entity))}
        if strangers := equals.keys() - known:
            raise AttributeError(f"{entity.__name__} has no {', '.join(sorted(strangers))}")
        rows = [
            row
            for row_id, row in sorted(self._rows(entity).items())
            if (before is None or row_id < before)
            and (household_id is None or _of_household(row, household_id))
            and _matches(row, equals)
        ]
        self._read.update((entity, cast("Any", row).id) for row in rows)
        return rows[:oldest] if newest is None else rows[::-1][:newest]

    def count(self, entity: type[Entity], household_id: str | None, /, **equals: Scalar | frozenset[str]) -> int:
        return len(self.find(entity, household_id, **equals))

    def settled_minor(self, household_id: str, kind: str, owner: str, currency: str) -> int:
        accounts = self.find(Account, household_id, kind=kind, owner=owner, currency=currency)
        settled = {entry.id for entry in self.find(JournalEntry, household_id, pending=False)}
        mine = {account.id for account in accounts}
        legs = self.find(Posting, household_id)
        return sum(leg.amount_minor for leg in legs if leg.account_id in mine and leg.journal_id in settled)

    def every(
        self, entity: type[Entity], household_id: str | None, /, **equals: Scalar | frozenset[str]
    ) -> Iterator[Entity]:
        yield from self.find(entity, household_id, **equals)

    def account(self, household_id: str, kind: str, owner: str, currency: str) -> Account:
        found = self.find(Account, household_id, kind=kind, owner=owner, currency=currency)
        if not found:
            account = Account(id=self.new_id(), household_id=household_id, kind=kind, owner=owner, currency=currency)
            self.add(account)
            return account
        return found[0]

    def add(self, entity: object, *more: object) -> None:
        for one in (entity, *more):
            self._add(one)

    def _add(self, entity: object) -> None:
        self._read.add((type(entity), cast("Any", entity).id))
        rows = self._written(entity)
        entity_id = cast("Any", entity).id
        if entity_id in rows:
            raise ValueError(f"{type(entity).__name__} {entity_id} is there already")
        rows[entity_id] = entity

    def save(self, entity: object) -> None:
        rows = self._written(entity)
        entity_id = cast("Any", entity).id
        if entity_id not in rows:
            raise NotFound(_word(type(entity)), entity_id)
        rows[entity_id] = entity

    def remove(self, entity: object) -> None:
        self._written(entity).pop(cast("Any", entity).id, None)

    def enqueue(
        self, step: str, household_id: str | None, subject_id: str, *, due_us: int, not_before_wall_us: int = 0
    ) -> None:
        self._must_write()
        before = self.tables.work.get((step, subject_id))
        generation = 1 if before is None else before.generation + 1
        self.tables.work[step, subject_id] = FakeWork(
            step, household_id, subject_id, due_us, not_before_wall_us, generation
        )

    def cancel_work(self, step: str, subject_id: str) -> None:
        self._must_write()
        self.tables.work.pop((step, subject_id), None)

    def is_waiting(self, step: str, subject_id: str, *, due_by_us: int | None = None) -> bool:
        row = self.tables.work.get((step, subject_id))
        return row is not None and (due_by_us is None or row.due_us <= due_by_us)

    def hold(self, item: WorkItem) -> None:
        if (item.step, item.subject_id) in self._unit_of_work.lost_leases:
            raise LeaseLost(item)

    def complete(self, item: WorkItem) -> None:
        self._must_write()
        self.hold(item)
        row = self.tables.work.get((item.step, item.subject_id))
        # Asked for again while it ran: it stays and runs once more.
        if row is not None and row.generation <= item.generation:
            del self.tables.work[item.step, item.subject_id]

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        before = self.tables.copy()
        try:
            yield
        except BaseException:
            self.tables = before
            raise

    def cursor(self, name: str) -> int:
        return self.tables.cursors.get(name, 0)

    def move_cursor(self, name: str, position: int) -> None:
        self._must_write()
        self.tables.cursors[name] = position

    def _rows(self, entity: type[Any]) -> dict[str, Any]:
        return self.tables.entities.setdefault(entity, {})

    def _written(self, entity: object) -> dict[str, Any]:
        self._must_write()
        if (type(entity), cast("Any", entity).id) not in self._read:
            raise RuntimeError("what was not read in this transaction may have changed since; the store refuses it too")
        return self._rows(type(entity))

    def _must_write(self) -> None:
        if not self._writes:
            raise RuntimeError("a reading transaction writes nothing")


def claim(work: FakeWork, *, fence: int = 1, tries: int = 0) -> WorkItem:
    """Return the row as the worker would hand it to a step."""
    claimed: dict[str, Any] = {
        "id": f"{work.step}:{work.subject_id}",
        "step": work.step,
        "subject_id": work.subject_id,
        "fence": fence,
        "generation": work.generation,
        "tries": tries,
    }
    if work.household_id is None:
        return WorkItem(household_id=None, **claimed)
    return HouseholdItem(household_id=work.household_id, **claimed)


def _of_household(row: object, household_id: str) -> bool:
    # What belongs to nobody in particular, such as a merchant, is found under any household.
    return getattr(row, "household_id", household_id) == household_id


def _matches(row: object, equals: dict[str, Any]) -> bool:
    return all(
        getattr(row, name) in wanted if isinstance(wanted, frozenset) else getattr(row, name) == wanted
        for name, wanted in equals.items()
    )


def _word(entity: type[Any]) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", entity.__name__).lower()
