"""The SQL the unit of work runs, each shape built once: building a statement costs more than running it."""

from collections.abc import Iterator
from functools import cache
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Delete,
    Insert,
    Select,
    Update,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from gateway.store import mapping
from gateway.store.tables import AccountRow, CursorRow, JournalRow, PostingRow, WorkRow

Comparison = Literal["equals", "is_null", "is_one_of"]
# Parameters beside the columns' own names; no column is called so.
HOUSEHOLD, BEFORE, AFTER, LIMIT, KEY = "p_household", "p_before", "p_after_", "p_limit", "p_key_"

work: Any = WorkRow.__table__  # type: ignore[attr-defined]  # SQLModel makes it
cursors: Any = CursorRow.__table__  # type: ignore[attr-defined]  # SQLModel makes it
accounts: Any = AccountRow.__table__  # type: ignore[attr-defined]  # SQLModel makes it
journals: Any = JournalRow.__table__  # type: ignore[attr-defined]  # SQLModel makes it
postings: Any = PostingRow.__table__  # type: ignore[attr-defined]  # SQLModel makes it


def table(entity: Any) -> Any:
    """Return the SQLAlchemy table of an entity type."""
    return mapping.row_type(entity).__table__


def _select(entity: Any) -> Select[Any]:
    """Return the statement that reads whole rows, the columns in the order of the entity's fields."""
    return select(*(table(entity).c[name] for name in mapping.columns(entity)))


@cache
def find(
    entity: Any, compared: tuple[tuple[str, Comparison], ...], *, scoped: bool, newest_first: bool, has_before: bool
) -> Select[Any]:
    """Return the statement that reads an entity's rows by these columns, ordered by id and limited."""
    rows = table(entity)
    query = _select(entity).where(*_comparisons(rows, compared, scoped=scoped))
    if has_before:
        query = query.where(rows.c.id < bindparam(BEFORE))
    order = rows.c.id.desc() if newest_first else rows.c.id
    return query.order_by(order).limit(bindparam(LIMIT))


def beginning(entity: Any, prefix: str, most: int) -> Select[Any]:
    """Return the statement that reads the rows whose id begins so, ordered by id."""
    rows = table(entity)
    return _select(entity).where(rows.c.id.startswith(prefix, autoescape=True)).order_by(rows.c.id).limit(most)


@cache
def count(entity: Any, compared: tuple[tuple[str, Comparison], ...], *, scoped: bool) -> Select[Any]:
    """Return the statement that counts an entity's rows by these columns."""
    rows = table(entity)
    return select(func.count()).select_from(rows).where(*_comparisons(rows, compared, scoped=scoped))


@cache
def seek(entity: Any) -> Select[Any]:
    """Return the statement that reads one row by its id, of one household where it belongs to one."""
    rows = table(entity)
    query = _select(entity).where(rows.c.id == bindparam("id"))
    return query.where(rows.c.household_id == bindparam(HOUSEHOLD)) if "household_id" in rows.c else query


def place(entity: Any, *, scoped: bool) -> tuple[str, ...]:
    """Return the columns that order an entity's rows: the id, or the whole key where several households are read."""
    rows = table(entity)
    return ("id",) if scoped or "household_id" not in rows.primary_key.columns else ("household_id", "id")


@cache
def page(entity: Any, compared: tuple[tuple[str, Comparison], ...], *, scoped: bool, is_first: bool) -> Select[Any]:
    """Return the statement that reads one page of an entity's rows by these columns, after a place."""
    rows = table(entity)
    names = place(entity, scoped=scoped)
    order = [rows.c[name] for name in names]
    query = _select(entity).where(*_comparisons(rows, compared, scoped=scoped))
    if not is_first:
        query = query.where(tuple_(*order) > tuple_(*(bindparam(AFTER + name) for name in names)))
    return query.order_by(*order).limit(bindparam(LIMIT))


def _comparisons(
    rows: Any, compared: tuple[tuple[str, Comparison], ...], *, scoped: bool
) -> Iterator[ColumnElement[bool]]:
    if scoped:
        yield rows.c.household_id == bindparam(HOUSEHOLD)
    for name, comparison in compared:
        column = rows.c[name]
        match comparison:
            case "is_null":
                yield column.is_(None)
            case "equals":
                yield column == bindparam(name)
            case "is_one_of":
                yield column.in_(bindparam(name, expanding=True))


@cache
def add(entity: Any) -> Insert:
    """Return the statement that writes one new row."""
    return insert(table(entity))


@cache
def save(entity: Any, changed: tuple[str, ...]) -> Update:
    """Return the statement that writes these columns of a row by its key; its parameters are theirs and `key_of`.

    The key itself is not written again, and no parameter may bear its name: SQLite would look for a changed key through
    every table that refers to it, once for each.
    """
    rows = table(entity)
    changes: dict[str, Any] = {name: bindparam(name) for name in changed}
    return update(rows).where(*(rows.c[name] == bindparam(KEY + name) for name in key(entity))).values(changes)


@cache
def remove(entity: Any) -> Delete:
    """Return the statement that deletes one row by its key."""
    rows = table(entity)
    return delete(rows).where(*(rows.c[name] == bindparam(KEY + name) for name in key(entity)))


@cache
def key(entity: Any) -> tuple[str, ...]:
    """Return the names of the columns that are the rows' key."""
    return tuple(column.name for column in table(entity).primary_key.columns)


def key_of(entity: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters that name a row by its key."""
    return {KEY + name: values[name] for name in key(entity)}


def changes_of(entity: Any, values: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
    """Return what of a row is to be written, never its key; all else where it is not known how the row stands."""
    return {
        name: value
        for name, value in values.items()
        if name not in key(entity) and (before is None or before[name] != value)
    }


# Work


@cache
def enqueue(dialect: str) -> Insert:
    """Return the statement that leaves a row of work, or asks for the one that is there once more."""
    row: Any = (sqlite_insert if dialect == "sqlite" else postgresql_insert)(work).values(
        {column.name: bindparam(column.name) for column in work.columns}
    )
    asked_again = {
        "counterpart": row.excluded.counterpart,
        "due_us": row.excluded.due_us,
        "not_before_wall_us": row.excluded.not_before_wall_us,
        "generation": work.c.generation + 1,
        "tries": 0,
        "last_error": "",
    }
    statement: Insert = row.on_conflict_do_update(index_elements=["step", "subject_id"], set_=asked_again)
    return statement


CANCEL_WORK = delete(work).where(work.c.step == bindparam("p_step"), work.c.subject_id == bindparam("p_subject"))
WAITING = select(work.c.due_us).where(work.c.step == bindparam("p_step"), work.c.subject_id == bindparam("p_subject"))
_is_mine = (work.c.id == bindparam("p_id"), work.c.fence == bindparam("p_fence"))
HOLD = update(work).where(*_is_mine).values(lease_until_wall_us=bindparam("p_until"))
COMPLETE = delete(work).where(*_is_mine, work.c.generation == bindparam("p_generation"))
FREE = update(work).where(*_is_mine).values(lease_until_wall_us=0)

# The ledger

SETTLED = (
    select(func.sum(postings.c.amount_minor))
    .join(accounts, and_(accounts.c.household_id == postings.c.household_id, accounts.c.id == postings.c.account_id))
    .join(journals, and_(journals.c.household_id == postings.c.household_id, journals.c.id == postings.c.journal_id))
    .where(
        accounts.c.household_id == bindparam(HOUSEHOLD),
        accounts.c.kind == bindparam("p_kind"),
        accounts.c.owner == bindparam("p_owner"),
        accounts.c.currency == bindparam("p_currency"),
        journals.c.pending.is_(False),
    )
)

# The inbox cursor

CURSOR = select(cursors.c.position).where(cursors.c.name == bindparam("p_name"))
MOVE_CURSOR = update(cursors).where(cursors.c.name == bindparam("p_name")).values(position=bindparam("p_position"))
ADD_CURSOR = insert(cursors)
