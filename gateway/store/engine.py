"""Opens the main database: SQLite as DESIGN.md says (WAL, synchronous=FULL, one writer at a time)."""

from pathlib import Path
from typing import Any

from sqlalchemy import Engine, ExceptionContext, create_engine, event
from sqlalchemy.exc import OperationalError

from gateway.steps.ports import StoreUnavailable

BUSY_TIMEOUT_MS = 15_000


def _say_unavailable(context: ExceptionContext) -> Exception | None:
    """Turn what the driver says of a locked, full or lost database into the steps' own word for it."""
    if isinstance(context.sqlalchemy_exception, OperationalError) and not context.is_pre_ping:
        return StoreUnavailable(str(context.original_exception))
    return None


def sqlite_url(data_dir: Path) -> str:
    """Return the URL of the main database in a data directory."""
    return f"sqlite:///{data_dir / 'replenish.db'}"


def open_engine(url: str) -> Engine:
    """Return an engine; nothing is created. Writing transactions start with BEGIN IMMEDIATE (see unit_of_work)."""
    if not url.startswith("sqlite"):
        engine = create_engine(url, pool_pre_ping=True)
        event.listen(engine, "handle_error", _say_unavailable)
        return engine
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000, "check_same_thread": False})
    event.listen(engine, "handle_error", _say_unavailable)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        # The driver's own implicit BEGIN would start deferred; begin_immediate below starts every writer instead.
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
