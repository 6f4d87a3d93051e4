"""The inbox on SQLite: its own file, append-only, written by the intake alone and read by *record* behind a cursor.

One file apart from the main database, so that no long transaction there can hold back an acknowledgement. WAL and
synchronous=FULL: what was committed survives a power cut. Several connections (the intake's, a worker's) may be open on
the same file, in one process or in several; each is one ``SqliteInbox``, safe to share between threads.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from gateway.steps.receive import InboxEntry, InboxUnavailable, Kind, RejectedEntry

BUSY_TIMEOUT_SECONDS = 5.0
READ_LIMIT = 10_000
REJECTED_KEPT = 20_000
REJECTED_KEPT_PER_SENDER = 1_000
"""One device that talks rubbish may not push out what the others are accused of."""

_MIGRATIONS: Final = (
    """
    CREATE TABLE message (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        device_id TEXT NOT NULL,
        sender TEXT NOT NULL,
        topic TEXT NOT NULL,
        epoch INTEGER,
        seq INTEGER,
        payload BLOB NOT NULL,
        received_at_us INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE rejected (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        sender TEXT,
        topic TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        reason TEXT NOT NULL,
        payload BLOB NOT NULL,
        size_bytes INTEGER NOT NULL,
        received_at_us INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX rejected_by_sender ON rejected (sender, id);
    """,
)
"""Each entry takes the schema from its index to the next number, kept in PRAGMA user_version."""


@dataclass(frozen=True, slots=True)
class InboxMessage:
    """A committed row: ``id`` grows in the order of commits and is never used twice, so it serves as the cursor."""

    id: int
    kind: Kind
    device_id: str
    sender: str
    topic: str
    epoch: int | None
    seq: int | None
    payload: bytes
    received_at_us: int


@dataclass(frozen=True, slots=True)
class RejectedMessage:
    """A rejected row: the first 8192 bytes of a payload of ``size_bytes``; ``sha256`` is of the whole."""

    id: int
    sender: str | None
    topic: str
    sha256: str
    reason: str
    payload: bytes
    size_bytes: int
    received_at_us: int


class SqliteInbox:
    """One connection to the inbox file; creates and migrates it when it is opened.

    Raises:
        InboxUnavailable: the file cannot be opened, or was written by a newer version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            # Payloads are a household's private life: nobody else on the machine may read them.
            path.touch(mode=0o600)
            self._connection = sqlite3.connect(
                path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
            )
        except OSError as error:
            raise InboxUnavailable(path, (error.strerror or str(error)).lower()) from error
        except sqlite3.Error as error:
            raise InboxUnavailable(path, str(error)) from error
        try:
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.execute("PRAGMA journal_size_limit=67108864")
            self._migrate()
        except sqlite3.Error as error:
            self._connection.close()
            raise InboxUnavailable(path, str(error)) from error
        except InboxUnavailable:
            self._connection.close()
            raise

    def append(self, entries: Sequence[InboxEntry], rejected: Sequence[RejectedEntry]) -> None:
        """Add all in one committed transaction; see ``gateway.steps.receive.InboxWriter``."""
        with self._transaction() as connection:
            connection.executemany(
                "INSERT INTO message (kind, device_id, sender, topic, epoch, seq, payload, received_at_us)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (e.kind, e.device_id, e.sender, e.topic, e.epoch, e.seq, e.payload, e.received_at_us)
                    for e in entries
                ],
            )
            if rejected:
                self._keep_rejected(connection, rejected)

    def read_after(self, cursor: int, limit: int) -> list[InboxMessage]:
        """Up to ``limit`` (at most 10,000) committed messages with an id above the cursor, oldest first."""
        rows = self._rows(
            "SELECT id, kind, device_id, sender, topic, epoch, seq, payload, received_at_us"
            " FROM message WHERE id > ? ORDER BY id LIMIT ?",
            (cursor, min(limit, READ_LIMIT)),
        )
        return [InboxMessage(*row) for row in rows]

    def read_rejected_after(self, cursor: int, limit: int) -> list[RejectedMessage]:
        """Up to ``limit`` (at most 10,000) rejected messages with an id above the cursor, oldest first."""
        rows = self._rows(
            "SELECT id, sender, topic, sha256, reason, payload, size_bytes, received_at_us"
            " FROM rejected WHERE id > ? ORDER BY id LIMIT ?",
            (cursor, min(limit, READ_LIMIT)),
        )
        return [RejectedMessage(*row) for row in rows]

    def last_id(self) -> int:
        """The id of the newest committed message, 0 before the first."""
        rows = self._rows("SELECT seq FROM sqlite_sequence WHERE name = 'message'", ())
        return int(rows[0][0]) if rows else 0

    def prune(self, recorded: int, rejected: int, *, before_us: int, limit: int) -> int:
        """Forget at most ``limit`` of the oldest messages that came before and are recorded; of the rejected likewise.

        The cursors must be committed ones. Returns the larger of the two numbers: whether more is left to do. The file
        does not shrink; what comes next is written into the room that became free.
        """
        with self._transaction() as connection:
            return max(
                connection.execute(
                    f"DELETE FROM {table} WHERE id IN ("  # noqa: S608 — the two names below
                    f" SELECT id FROM (SELECT id, received_at_us FROM {table} WHERE id <= ? ORDER BY id LIMIT ?)"
                    " WHERE received_at_us < ?)",
                    (cursor, limit, before_us),
                ).rowcount
                for table, cursor in (("message", recorded), ("rejected", rejected))
            )

    def close(self) -> None:
        """Close the connection; the file stays."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _keep_rejected(self, connection: sqlite3.Connection, rejected: Sequence[RejectedEntry]) -> None:
        connection.executemany(
            "INSERT INTO rejected (sender, topic, sha256, reason, payload, size_bytes, received_at_us)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(r.sender, r.topic, r.sha256, r.reason, r.payload, r.size_bytes, r.received_at_us) for r in rejected],
        )
        for sender in {r.sender for r in rejected}:
            connection.execute(
                "DELETE FROM rejected WHERE sender IS ? AND id <= ("
                " SELECT id FROM rejected WHERE sender IS ? ORDER BY id DESC LIMIT 1 OFFSET ?)",
                (sender, sender, REJECTED_KEPT_PER_SENDER),
            )
        connection.execute(
            "DELETE FROM rejected WHERE id <= (SELECT id FROM rejected ORDER BY id DESC LIMIT 1 OFFSET ?)",
            (REJECTED_KEPT,),
        )

    def _rows(self, query: str, parameters: tuple[int, ...]) -> list[Any]:
        with self._lock:
            try:
                return self._connection.execute(query, parameters).fetchall()
            except sqlite3.Error as error:
                raise InboxUnavailable(self.path, str(error)) from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield self._connection
                    self._connection.execute("COMMIT")
                finally:
                    # Still open means that COMMIT was not reached, or was refused (a full disk).
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
            except sqlite3.Error as error:
                raise InboxUnavailable(self.path, str(error)) from error

    def _migrate(self) -> None:
        with self._transaction() as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > len(_MIGRATIONS):
                raise InboxUnavailable(self.path, f"its schema is {version}, newer than this program knows")
            for number, script in enumerate(_MIGRATIONS[version:], start=version + 1):
                for statement in script.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version={number:d}")
