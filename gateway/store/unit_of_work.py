"""Transactions over the main database: get, find, add, save for every entity, and the rows of work."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, delete, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from gateway.domain.errors import NotFound
from gateway.domain.records import WorkItem
from gateway.steps.ports import LeaseLost, Scalar
from gateway.store import mapping
from gateway.store.tables import CursorRow, WorkRow

Entity = TypeVar("Entity")

LEASE_US = 60_000_000
MAX_FOUND = 5_000
PAGE = 1_000

_work: Any = WorkRow.__table__  # type: ignore[attr-defined]  # SQLModel makes it
_cursor: Any = CursorRow.__table__  # type: ignore[attr-defined]  # SQLModel makes it


def table(entity: type) -> Any:
    """Return the SQLAlchemy table of an entity type."""
    return mapping.row_type(entity).__table__


class SqlTransaction:
    """One transaction; see gateway.steps.ports.Transaction for what each method promises."""

    def __init__(self, connection: Connection, new_id: Callable[[], str], wall_us: Callable[[], int]) -> None:
        self.connection = connection
        self._new_id = new_id
        self._wall_us = wall_us

    def new_id(self) -> str:
        return self._new_id()

    # Entities

    def get(self, entity: type[Entity], household_id: str, entity_id: str) -> Entity:
        found = self.seek(entity, household_id, entity_id)
        if found is None:
            raise NotFound(entity.__name__.lower(), entity_id)
        return found

    def seek(self, entity: type[Entity], household_id: str, entity_id: str) -> Entity | None:
        rows = table(entity)
        query = select(rows).where(rows.c.id == entity_id)
        if "household_id" in rows.c:
            query = query.where(rows.c.household_id == household_id)
        row = self.connection.execute(query).first()
        return None if row is None else mapping.to_entity(entity, row)

    def find(
        self,
        entity: type[Entity],
        household_id: str | None,
        *,
        newest: int | None = None,
        before: str | None = None,
        **equals: Scalar | frozenset[str],
    ) -> list[Entity]:
        rows = table(entity)
        query = select(rows)
        if household_id is not None:
            query = query.where(rows.c.household_id == household_id)
        if before is not None:
            query = query.where(rows.c.id < before)
        for name, value in equals.items():
            column = rows.c[name]
            if isinstance(value, frozenset):
                query = query.where(column.in_(sorted(value)))
            else:
                query = query.where(column.is_(None) if value is None else column == value)
        if newest is None:
            query = query.order_by(rows.c.id).limit(MAX_FOUND)
        else:
            query = query.order_by(rows.c.id.desc()).limit(min(newest, MAX_FOUND))
        return [mapping.to_entity(entity, row) for row in self.connection.execute(query)]

    def every(self, entity: type[Entity], household_id: str) -> Iterator[Entity]:
        rows = table(entity)
        after = ""
        while True:
            query = select(rows).where(rows.c.household_id == household_id, rows.c.id > after)
            page = self.connection.execute(query.order_by(rows.c.id).limit(PAGE)).all()
            for row in page:
                yield mapping.to_entity(entity, row)
            if len(page) < PAGE:
                return
            after = page[-1].id

    def add(self, entity: object) -> None:
        self.connection.execute(insert(table(type(entity))).values(mapping.to_values(entity)))

    def save(self, entity: object) -> None:
        rows = table(type(entity))
        values = mapping.to_values(entity)
        # The key is not written again: SQLite would look through every table that refers to it, once for each.
        key = {column.name for column in rows.primary_key.columns}
        changes = {name: value for name, value in values.items() if name not in key}
        changed = self.connection.execute(update(rows).where(*self._key(rows, values)).values(changes))
        if changed.rowcount != 1:
            raise NotFound(type(entity).__name__.lower(), values["id"])

    def remove(self, entity: object) -> None:
        rows = table(type(entity))
        self.connection.execute(delete(rows).where(*self._key(rows, mapping.to_values(entity))))

    @staticmethod
    def _key(rows: Any, values: dict[str, Any]) -> list[Any]:
        return [rows.c[column.name] == values[column.name] for column in rows.primary_key.columns]

    # Work

    def enqueue(
        self, step: str, household_id: str | None, subject_id: str, *, due_us: int, not_before_wall_us: int = 0
    ) -> None:
        dialect_insert = sqlite_insert if self.connection.dialect.name == "sqlite" else postgresql_insert
        row = dialect_insert(_work).values(
            id=self.new_id(),
            step=step,
            household_id=household_id,
            subject_id=subject_id,
            due_us=due_us,
            not_before_wall_us=not_before_wall_us,
            lease_until_wall_us=0,
            lease_holder="",
            fence=0,
            generation=0,
            tries=0,
            last_error="",
        )
        self.connection.execute(
            row.on_conflict_do_update(
                index_elements=["step", "subject_id"],
                set_={
                    "due_us": due_us,
                    "not_before_wall_us": not_before_wall_us,
                    "generation": _work.c.generation + 1,
                    "tries": 0,
                    "last_error": "",
                },
            )
        )

    def cancel_work(self, step: str, subject_id: str) -> None:
        self.connection.execute(delete(_work).where(_work.c.step == step, _work.c.subject_id == subject_id))

    def is_waiting(self, step: str, subject_id: str, *, due_by_us: int | None = None) -> bool:
        query = select(_work.c.id).where(_work.c.step == step, _work.c.subject_id == subject_id)
        if due_by_us is not None:
            query = query.where(_work.c.due_us <= due_by_us)
        return self.connection.execute(query).first() is not None

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        with self.connection.begin_nested():
            yield

    def hold(self, item: WorkItem) -> None:
        held = self.connection.execute(
            update(_work)
            .where(_work.c.id == item.id, _work.c.fence == item.fence)
            .values(lease_until_wall_us=self._wall_us() + LEASE_US)
        )
        if held.rowcount != 1:
            raise LeaseLost(item)

    def complete(self, item: WorkItem) -> None:
        done = self.connection.execute(
            delete(_work).where(
                _work.c.id == item.id, _work.c.fence == item.fence, _work.c.generation == item.generation
            )
        )
        if done.rowcount == 1:
            return
        # Somebody asked again while the step ran: keep the row and let it be claimed once more.
        freed = self.connection.execute(
            update(_work).where(_work.c.id == item.id, _work.c.fence == item.fence).values(lease_until_wall_us=0)
        )
        if freed.rowcount != 1:
            raise LeaseLost(item)

    # The inbox cursor

    def cursor(self, name: str) -> int:
        return int(self.connection.execute(select(_cursor.c.position).where(_cursor.c.name == name)).scalar() or 0)

    def move_cursor(self, name: str, position: int) -> None:
        moved = self.connection.execute(update(_cursor).where(_cursor.c.name == name).values(position=position))
        if moved.rowcount == 0:
            self.connection.execute(insert(_cursor).values(name=name, position=position))


class SqlUnitOfWork:
    """Where transactions come from: `begin` writes, `read` does not."""

    def __init__(self, engine: Engine, new_id: Callable[[], str], wall_us: Callable[[], int]) -> None:
        self._engine = engine
        self._new_id = new_id
        self._wall_us = wall_us

    @contextmanager
    def begin(self) -> Iterator[SqlTransaction]:
        """Open a writing transaction; commits at the end, rolls back on any exception."""
        with self._engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.execute(text("BEGIN IMMEDIATE"))
            try:
                yield SqlTransaction(connection, self._new_id, self._wall_us)
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    @contextmanager
    def read(self) -> Iterator[SqlTransaction]:
        """Open a reading transaction: one consistent view, nothing written."""
        with self._engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.execute(text("BEGIN"))
            try:
                yield SqlTransaction(connection, self._new_id, self._wall_us)
            finally:
                connection.rollback()
