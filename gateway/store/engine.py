"""Opens the main database: SQLite, or PostgreSQL through psycopg.

Either way a commit is on the disk before it is told, nothing waits without end, and what was read under the writer's
place is not changed by another before the commit (see gateway.store.writers for PostgreSQL).
"""

import time
from pathlib import Path
from typing import Any

import psycopg
from psycopg.types.string import StrDumper
from sqlalchemy import URL, Engine, ExceptionContext, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from gateway.steps.ports import StoreBusy, StoreUnavailable

BUSY_TIMEOUT_MS = 15_000
"""How long a writer waits for its turn before it says that the database is busy."""
STATEMENT_TIMEOUT_MS = 60_000
IDLE_TIMEOUT_MS = 120_000
"""A transaction that does nothing for so long belongs to a process that hangs: the others must not wait for it."""
CONNECT_TIMEOUT_S = 10
PING_AFTER_S = 1.0
"""A connection that lay idle for so long is asked whether it lives."""
IDLE_SINCE = "idle_since_s"
CALLS_AT_ONCE = 16
BESIDE_CALLS = 8
"""Connections for the worker's own rounds and for the pages, beside one for each call to the outside."""

# PostgreSQL's words (SQLSTATE) for "another was in the way": nothing is wrong, and at once the same may go well.
BUSY = frozenset({"40001", "40P01", "55P03"})
# Told in other ways, and yet no fault of a statement: idle too long, fallen over to a replica, and no rights.
LOST = frozenset({"25P03", "25006", "42501"})


class UnknownDatabase(Exception):
    """REPLENISH_DATABASE_URL names no database this program can use; the URL itself may hold a password."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"REPLENISH_DATABASE_URL {reason}; it begins with sqlite:/// or postgresql://")
        self.reason = reason


def sqlite_url(data_dir: Path) -> str:
    """Return the URL of the main database in a data directory."""
    return f"sqlite:///{data_dir / 'replenish.db'}"


def open_engine(url: str, *, calls_at_once: int = CALLS_AT_ONCE) -> Engine:
    """Return an engine; nothing is created and nobody is called yet. Raises UnknownDatabase.

    `calls_at_once` is how many calls the worker makes side by side: each may need a connection of its own.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise UnknownDatabase("is not a URL") from None
    match parsed.get_backend_name():
        case "sqlite":
            engine = _open_sqlite(parsed)
        case "postgresql" | "postgres":
            engine = _open_postgresql(parsed.set(drivername="postgresql+psycopg"), calls_at_once + BESIDE_CALLS)
        case other:
            raise UnknownDatabase(f"names {other!r}")
    event.listen(engine, "handle_error", _say_unavailable)
    return engine


def _open_sqlite(url: URL) -> Engine:
    """Open as DESIGN.md says: WAL, synchronous=FULL; writing transactions start with BEGIN IMMEDIATE."""
    engine = create_engine(
        url, hide_parameters=True, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000, "check_same_thread": False}
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        # The driver's own implicit BEGIN would start deferred; the unit of work starts every writer instead.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "cache_size=-32000",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return engine


def _open_postgresql(url: URL, most_connections: int) -> Engine:
    """Open with READ COMMITTED, under which a statement sees all that was committed before it began.

    That is what the writer's place of a household needs: what is read after it was waited for is what its last holder
    left. A snapshot for the whole transaction (REPEATABLE READ, SERIALIZABLE) would be older than the wait, and each
    wait would end in a refusal. Reading transactions take such a snapshot, for one consistent view (unit_of_work).
    """
    engine = create_engine(
        url,
        hide_parameters=True,
        isolation_level="READ COMMITTED",
        pool_size=most_connections,
        max_overflow=0,
        pool_timeout=BUSY_TIMEOUT_MS / 1000,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_S, "application_name": "replenish"},
    )

    @event.listens_for(engine, "checkin")
    def _note(_connection: Any, record: ConnectionPoolEntry) -> None:
        record.info[IDLE_SINCE] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _look(connection: Any, record: ConnectionPoolEntry, _fairy: Any) -> None:
        # To ask before each transaction would cost as much as a statement; a server that went in between is told of.
        if time.monotonic() - record.info.get(IDLE_SINCE, time.monotonic()) > PING_AFTER_S:
            try:
                engine.dialect.do_ping(connection)
            except psycopg.Error:
                raise DisconnectionError from None  # the pool opens another one

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.adapters.register_dumper(str, _WithoutNul)
        connection.autocommit = True
        connection.execute(
            f"SET statement_timeout={STATEMENT_TIMEOUT_MS}; SET lock_timeout={BUSY_TIMEOUT_MS};"
            f"SET idle_in_transaction_session_timeout={IDLE_TIMEOUT_MS}"
        )
        # Money and acknowledgements wait for the disk whatever the server's default is; a replica may be asked for.
        connection.execute(
            "SELECT set_config('synchronous_commit', 'on', false)"
            " WHERE current_setting('synchronous_commit') IN ('off', 'local')"
        )
        connection.autocommit = False

    return engine


class _WithoutNul(StrDumper):
    """Writes U+FFFD for the one character PostgreSQL's text cannot hold: a device or a URL may well bring it."""

    oid = 0  # the server infers the type, as for the driver's own text

    def dump(self, obj: str) -> Any:
        return super().dump(obj.replace("\x00", "\N{REPLACEMENT CHARACTER}") if "\x00" in obj else obj)


def _say_unavailable(context: ExceptionContext) -> Exception | None:
    """Turn what the driver says of a locked, full or lost database into the steps' own word for it."""
    error, original = context.sqlalchemy_exception, context.original_exception
    if context.is_pre_ping or not isinstance(error, DBAPIError):
        return None
    state = getattr(original, "sqlstate", None)
    reason = " ".join(str(original).split())
    if state in BUSY:
        return StoreBusy(reason)
    is_lost = error.connection_invalidated or state in LOST or context.connection is None
    return StoreUnavailable(reason) if is_lost or isinstance(error, OperationalError) else None
