"""Transactions over the main database: get, find, add, save for every entity, and the rows of work."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Select, text
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from gateway.domain.errors import NotFound
from gateway.domain.payment import Account
from gateway.domain.records import WorkItem
from gateway.steps.counterparts import counterpart_of
from gateway.steps.ports import LeaseLost, Scalar, StoreBusy, StoreUnavailable, TooManyRows
from gateway.store import mapping, statements
from gateway.store.examination import SqlExamination
from gateway.store.seen import KnownAccounts, Seen
from gateway.store.writers import Writers

Entity = TypeVar("Entity")

LEASE_US = 60_000_000
MAX_FOUND = 5_000
PAGE = 1_000
MOST_LOOKS = 5
"""How often rows of several households are looked for again, when meanwhile others have come to be among them."""


class SqlTransaction:
    """One transaction; see gateway.steps.ports.Transaction for what each method promises."""

    def __init__(
        self,
        connection: Connection,
        new_id: Callable[[], str],
        wall_us: Callable[[], int],
        writers: Writers | None = None,
        seen: Seen | None = None,
        known: KnownAccounts | None = None,
    ) -> None:
        self.connection = connection
        self._new_id = new_id
        self._wall_us = wall_us
        # None: a reading transaction, or the only writer there is.
        self._writers = writers
        # None: a reading transaction, which others write beside.
        self._seen = seen
        self._known = KnownAccounts() if known is None else known
        self.new_accounts: list[Account] = []
        """Accounts made in this transaction, to be known to others once it is committed."""
        self._accounts_stay = True

    def new_id(self) -> str:
        return self._new_id()

    def take(self, household_ids: Iterable[str]) -> None:
        if self._writers is not None:
            self._writers.take(household_ids)

    def _of(self, household_id: str | None) -> None:
        """Come to be the household's one writer before anything of it is read or written."""
        if self._writers is not None and household_id is not None:
            self._writers.take((household_id,))

    # Entities

    def get(self, entity: type[Entity], household_id: str, entity_id: str) -> Entity:
        found = self.seek(entity, household_id, entity_id)
        if found is None:
            raise NotFound(entity.__name__.lower(), entity_id)
        return found

    def seek(self, entity: type[Entity], household_id: str, entity_id: str) -> Entity | None:
        kind: Any = entity
        self._of(household_id)
        if self._seen is not None:
            seen: Entity | None = self._seen.get(kind, household_id, entity_id)
            if seen is not None:
                return seen
        parameters = {"id": entity_id, statements.HOUSEHOLD: household_id}
        row = self.connection.execute(statements.seek(kind), parameters).first()
        if row is None:
            return None
        found: Entity = mapping.to_entity(entity, row)
        if self._seen is not None:
            self._seen.keep(found)
        return found

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
        kind: Any = entity
        compared, parameters = _comparisons(household_id, equals)
        wanted = newest if newest is not None else oldest
        # One more than is given: what is cut off would be taken for all there is.
        parameters[statements.LIMIT] = MAX_FOUND + 1 if wanted is None else wanted
        if before is not None:
            parameters[statements.BEFORE] = before
        query = statements.find(
            kind,
            compared,
            scoped=household_id is not None,
            newest_first=newest is not None,
            has_before=before is not None,
        )
        if wanted is not None and wanted > MAX_FOUND:
            raise TooManyRows(entity, MAX_FOUND)
        self._of(household_id)
        rows = self._looked_for(kind, query, parameters, scoped=household_id is not None)
        if len(rows) > MAX_FOUND:
            raise TooManyRows(entity, MAX_FOUND)
        found = [mapping.to_entity(entity, row) for row in rows]
        if self._seen is not None:
            self._seen.keep_all(found)
        return found

    def _looked_for(self, kind: Any, query: Select[Any], parameters: dict[str, Any], *, scoped: bool) -> Sequence[Any]:
        """Return the rows; those of several households are read again once the places of all of them are held."""
        for _ in range(MOST_LOOKS):
            rows = self.connection.execute(query, parameters).all()
            if scoped or self._writers is None or "household_id" not in mapping.columns(kind):
                return rows
            if not self._writers.take({row.household_id for row in rows}):
                return rows
        raise StoreBusy(f"rows of {kind.__name__} went from household to household while they were read")

    def beginning(self, entity: type[Entity], prefix: str, *, most: int) -> list[Entity]:
        kind: Any = entity
        rows = self.connection.execute(statements.beginning(kind, prefix, most)).all()
        return [mapping.to_entity(entity, row) for row in rows]

    def count(self, entity: type[Entity], household_id: str | None, /, **equals: Scalar | frozenset[str]) -> int:
        kind: Any = entity
        compared, parameters = _comparisons(household_id, equals)
        self._of(household_id)
        query = statements.count(kind, compared, scoped=household_id is not None)
        return int(self.connection.execute(query, parameters).scalar_one())

    def settled_minor(self, household_id: str, kind: str, owner: str, currency: str) -> int:
        self._of(household_id)
        self._of(household_id)
        account = {"p_kind": kind, "p_owner": owner, "p_currency": currency}
        found = self.connection.execute(statements.SETTLED, account | {statements.HOUSEHOLD: household_id})
        return int(found.scalar() or 0)

    def examination(self) -> SqlExamination:
        return SqlExamination(self.connection)

    def every(
        self, entity: type[Entity], household_id: str | None, /, **equals: Scalar | frozenset[str]
    ) -> Iterator[Entity]:
        kind: Any = entity
        scoped = household_id is not None
        compared, parameters = _comparisons(household_id, equals)
        parameters[statements.LIMIT] = PAGE
        self._of(household_id)
        query = statements.page(kind, compared, scoped=scoped, is_first=True)
        while True:
            page = self.connection.execute(query, parameters).all()
            for row in page:
                yield mapping.to_entity(entity, row)
            if len(page) < PAGE:
                return
            query = statements.page(kind, compared, scoped=scoped, is_first=False)
            for name in statements.place(kind, scoped=scoped):
                parameters[statements.AFTER + name] = getattr(page[-1], name)

    def account(self, household_id: str, kind: str, owner: str, currency: str) -> Account:
        account = self._known.get(household_id, kind, owner, currency)
        if account is not None:
            return account
        found = self.find(Account, household_id, kind=kind, owner=owner, currency=currency)
        if found:
            if self._accounts_stay:
                self._known.keep(one for one in found if one not in self.new_accounts)
            return found[0]
        account = Account(id=self.new_id(), household_id=household_id, kind=kind, owner=owner, currency=currency)
        self.add(account)
        self.new_accounts.append(account)
        return account

    def add(self, entity: object, *more: object) -> None:
        entities = (entity, *more)
        kind: Any = type(entity)
        rows = [mapping.to_values(one) for one in entities]
        if self._writers is not None and "household_id" in rows[0]:
            self._writers.take({values["household_id"] for values in rows})
        self.connection.execute(statements.add(kind), rows if more else rows[0])
        if self._seen is not None:
            self._seen.keep_all(list(entities))

    def save(self, entity: object) -> None:
        kind: Any = type(entity)
        values = mapping.to_values(entity)
        self._must_hold(values)
        before = None if self._seen is None else self._seen.before(entity)
        changes = statements.changes_of(kind, values, None if before is None else mapping.to_values(before))
        if not changes:
            return  # the row stands like this already
        parameters = changes | statements.key_of(kind, values)
        changed = self.connection.execute(statements.save(kind, tuple(changes)), parameters)
        if changed.rowcount != 1:
            raise NotFound(kind.__name__.lower(), values["id"])
        if self._seen is not None:
            self._seen.keep(entity)

    def remove(self, entity: object) -> None:
        kind: Any = type(entity)
        values = mapping.to_values(entity)
        self._must_hold(values)
        self.connection.execute(statements.remove(kind), statements.key_of(kind, values))
        if self._seen is not None:
            self._seen.forget(entity)

    def _must_hold(self, values: dict[str, Any]) -> None:
        # What was read before the household's place was taken may have changed since; to write it back would undo that.
        if self._writers is not None and "household_id" in values and not self._writers.holds(values["household_id"]):
            raise RuntimeError(f"row {values['id']} is written, and was not read, in this transaction")

    # Work

    def enqueue(
        self, step: str, household_id: str | None, subject_id: str, *, due_us: int, not_before_wall_us: int = 0
    ) -> None:
        self._of(household_id)
        row = {
            "id": self.new_id(),
            "step": step,
            "household_id": household_id,
            "subject_id": subject_id,
            "due_us": due_us,
            "not_before_wall_us": not_before_wall_us,
            "lease_until_wall_us": 0,
            "lease_holder": "",
            "fence": 0,
            "generation": 0,
            "tries": 0,
            "last_error": "",
            "counterpart": counterpart_of(self, step, household_id, subject_id),
        }
        self.connection.execute(statements.enqueue(self.connection.dialect.name), row)

    def cancel_work(self, step: str, subject_id: str) -> None:
        self.connection.execute(statements.CANCEL_WORK, {"p_step": step, "p_subject": subject_id})

    def is_waiting(self, step: str, subject_id: str, *, due_by_us: int | None = None) -> bool:
        due_us = self.connection.execute(statements.WAITING, {"p_step": step, "p_subject": subject_id}).scalar()
        return due_us is not None and (due_by_us is None or due_us <= due_by_us)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        held = frozenset[int]() if self._writers is None else self._writers.held
        try:
            with self.connection.begin_nested():
                yield
        except BaseException:
            if self._writers is not None:
                self._writers.go_back(held)
            if self._seen is not None:
                self._seen.go_back()
            # One found from now on may be of this transaction, made before the savepoint, and not be there in the end.
            self._accounts_stay = False
            self.new_accounts.clear()
            raise

    def hold(self, item: WorkItem) -> None:
        self._of(item.household_id)
        mine = {"p_id": item.id, "p_fence": item.fence}
        held = self.connection.execute(statements.HOLD, mine | {"p_until": self._wall_us() + LEASE_US})
        if held.rowcount != 1:
            raise LeaseLost(item)

    def complete(self, item: WorkItem) -> None:
        self._of(item.household_id)
        mine = {"p_id": item.id, "p_fence": item.fence}
        done = self.connection.execute(statements.COMPLETE, mine | {"p_generation": item.generation})
        if done.rowcount == 1:
            return
        # Somebody asked again while the step ran: keep the row and let it be claimed once more.
        if self.connection.execute(statements.FREE, mine).rowcount != 1:
            raise LeaseLost(item)

    # The inbox cursor

    def cursor(self, name: str) -> int:
        return int(self.connection.execute(statements.CURSOR, {"p_name": name}).scalar() or 0)

    def move_cursor(self, name: str, position: int) -> None:
        moved = self.connection.execute(statements.MOVE_CURSOR, {"p_name": name, "p_position": position})
        if moved.rowcount == 0:
            self.connection.execute(statements.ADD_CURSOR, {"name": name, "position": position})


def _comparisons(
    household_id: str | None, equals: dict[str, Scalar | frozenset[str]]
) -> tuple[tuple[tuple[str, statements.Comparison], ...], dict[str, Any]]:
    """Return how each column is compared, and the parameters of the comparisons."""
    compared: list[tuple[str, statements.Comparison]] = []
    parameters: dict[str, Any] = {} if household_id is None else {statements.HOUSEHOLD: household_id}
    for name, value in equals.items():
        match value:
            case None:
                compared.append((name, "is_null"))
            case frozenset() if len(value) == 1:  # a list of one is dearer to compare with than the one
                compared.append((name, "equals"))
                (parameters[name],) = value
            case frozenset():
                compared.append((name, "is_one_of"))
                parameters[name] = sorted(value)
            case _:
                compared.append((name, "equals"))
                parameters[name] = value
    return tuple(compared), parameters


class SqlUnitOfWork:
    """Where transactions come from: `begin` writes, `read` does not."""

    def __init__(self, engine: Engine, new_id: Callable[[], str], wall_us: Callable[[], int]) -> None:
        self._engine = engine
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._reading = (
            engine
            if self._is_sqlite
            else engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        )
        self._new_id = new_id
        self._wall_us = wall_us
        self._known = KnownAccounts()

    @contextmanager
    def begin(self) -> Iterator[SqlTransaction]:
        """Open a writing transaction; commits at the end, rolls back on any exception."""
        with _connected(self._engine) as connection:
            if self._is_sqlite:
                connection.execute(text("BEGIN IMMEDIATE"))
            writers = None if self._is_sqlite else Writers(connection)
            tx = SqlTransaction(connection, self._new_id, self._wall_us, writers, Seen(), self._known)
            try:
                yield tx
            except BaseException:
                connection.rollback()
                raise
            connection.commit()
            self._known.keep(tx.new_accounts)

    @contextmanager
    def read(self) -> Iterator[SqlTransaction]:
        """Open a reading transaction: one consistent view, nothing written."""
        with _connected(self._reading) as connection:
            if self._is_sqlite:
                connection.execute(text("BEGIN"))
            try:
                yield SqlTransaction(connection, self._new_id, self._wall_us)
            finally:
                connection.rollback()


@contextmanager
def _connected(engine: Engine) -> Iterator[Connection]:
    try:
        connection = engine.connect()
    except NoConnectionFree as error:
        raise StoreUnavailable(f"all connections are in use: {error}") from None
    with connection:
        yield connection
