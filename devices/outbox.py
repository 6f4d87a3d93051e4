"""What a device has said and the gateway has not yet acknowledged, on disk.

A message leaves only when the gateway names its (epoch, seq) as committed. The file also proves the last seq: when it
cannot (it is new, or broken), the epoch is raised, so that no number is ever used twice.
"""

import contextlib
import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from devices.acknowledgement import fingerprint
from devices.formats.native import MAX_LOST_RANGES
from devices.ranges import Range, Ranges, normalize

logger = logging.getLogger(__name__)

NewEpoch = Callable[[], int]
# Given epoch, seq and what has been lost, makes the sealed message.
Sealer = Callable[[int, int, Ranges], bytes]

DEFAULT_LIMIT = 10_000
MAX_REJECTED = 100

_SCHEMA = """
CREATE TABLE IF NOT EXISTS counter (epoch INTEGER NOT NULL, next_seq INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS message (
    epoch INTEGER NOT NULL, seq INTEGER NOT NULL, payload BLOB NOT NULL, sha256 TEXT NOT NULL, PRIMARY KEY (epoch, seq)
);
CREATE INDEX IF NOT EXISTS message_sha256 ON message (sha256);
CREATE TABLE IF NOT EXISTS lost (first INTEGER NOT NULL, last INTEGER NOT NULL, declared_by INTEGER);
CREATE TABLE IF NOT EXISTS rejected (
    place INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, seq INTEGER NOT NULL, payload BLOB NOT NULL, reason TEXT NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class Queued:
    """A sealed message and its number."""

    epoch: int
    seq: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """A message the gateway could not open, set aside with its reason."""

    message: Queued
    reason: str


class Outbox:
    """The file. Not for several threads or processes at once.

    `new_epoch` gives an epoch higher than any used before a loss (seconds of a clock do). When more than `limit`
    messages wait, the oldest are given up and declared lost in the next message.
    """

    def __init__(self, path: Path, new_epoch: NewEpoch, limit: int = DEFAULT_LIMIT) -> None:
        self._limit = limit
        self._new_epoch = new_epoch
        try:
            self._database = _open(path)
        except sqlite3.DatabaseError as error:
            # Only a file that is no database is set aside: a full disk or a lock is the owner's to solve.
            if isinstance(error, sqlite3.OperationalError):
                raise
            logger.warning("outbox %s cannot be read (%s): set aside, a new epoch begins", path, error)
            _set_aside(path)
            self._database = _open(path)
        row = self._database.execute("SELECT epoch, next_seq FROM counter").fetchone()
        if row is None:
            row = (new_epoch(), 1)
            self._database.execute("INSERT INTO counter VALUES (?, ?)", row)
        self._epoch: int
        self._next_seq: int
        self._epoch, self._next_seq = row

    @property
    def epoch(self) -> int:
        """The epoch of the next message."""
        return self._epoch

    @property
    def next_seq(self) -> int:
        """The number of the next message."""
        return self._next_seq

    def add(self, seals: list[Sealer]) -> tuple[Queued, ...]:
        """Number, seal and keep messages; they are on disk when this returns."""
        queued: list[Queued] = []
        seq = self._next_seq
        with self._transaction() as database:
            room = self._limit - self.waiting()
            for seal in seals:
                if room <= 0:
                    self._give_up_oldest(database)
                room -= 1
                message = Queued(self._epoch, seq, seal(self._epoch, seq, self._declare(database, seq)))
                self._insert(database, message)
                queued.append(message)
                seq += 1
            database.execute("UPDATE counter SET next_seq = ?", (seq,))
        self._next_seq = seq
        return tuple(queued)

    def restore(self, message: Queued) -> None:
        """Put an already sealed message back, as a device does that cannot tell whether it was acknowledged."""
        with self._transaction() as database:
            if self.waiting() >= self._limit:
                self._give_up_oldest(database)
            self._insert(database, message)

    def oldest(self, count: int) -> tuple[Queued, ...]:
        """The messages that have waited longest."""
        rows = self._database.execute("SELECT epoch, seq, payload FROM message ORDER BY epoch, seq LIMIT ?", (count,))
        return tuple(Queued(*row) for row in rows)

    def waiting(self) -> int:
        """How many messages are not acknowledged."""
        return int(self._database.execute("SELECT count(*) FROM message").fetchone()[0])

    def acknowledge(self, committed: Iterable[tuple[int, Range]]) -> None:
        """Let go of what the gateway has committed: ranges of numbers, each with its epoch."""
        with self._transaction() as database:
            for epoch, (first, last) in committed:
                database.execute("DELETE FROM message WHERE epoch = ? AND seq BETWEEN ? AND ?", (epoch, first, last))
                if epoch == self._epoch:
                    database.execute("DELETE FROM lost WHERE declared_by BETWEEN ? AND ?", (first, last))

    def set_aside(self, sha256: str, reason: str) -> None:
        """Move a message the gateway could not open out of the way; the newest `MAX_REJECTED` are kept to look at."""
        with self._transaction() as database:
            database.execute(
                "INSERT INTO rejected (epoch, seq, payload, reason) "
                "SELECT epoch, seq, payload, ? FROM message WHERE sha256 = ?",
                (reason, sha256),
            )
            database.execute("DELETE FROM message WHERE sha256 = ?", (sha256,))
            database.execute(
                "DELETE FROM rejected WHERE place <= (SELECT max(place) FROM rejected) - ?", (MAX_REJECTED,)
            )

    def refused(self) -> tuple[Refused, ...]:
        """What the gateway could not open, oldest first."""
        rows = self._database.execute("SELECT epoch, seq, payload, reason FROM rejected ORDER BY place")
        return tuple(Refused(Queued(epoch, seq, payload), reason) for epoch, seq, payload, reason in rows)

    def raise_epoch(self) -> int:
        """Begin a new epoch (a counter began again, or the last seq cannot be proved); numbers start at 1."""
        epoch = max(self._epoch + 1, self._new_epoch())
        with self._transaction() as database:
            database.execute("UPDATE counter SET epoch = ?, next_seq = 1", (epoch,))
            # Losses are declared within their epoch; across epochs a level is unknown anyway.
            database.execute("DELETE FROM lost")
        self._epoch, self._next_seq = epoch, 1
        return epoch

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield self._database
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def _give_up_oldest(self, database: sqlite3.Connection) -> None:
        epoch, seq = database.execute("SELECT epoch, seq FROM message ORDER BY epoch, seq LIMIT 1").fetchone()
        database.execute("DELETE FROM message WHERE epoch = ? AND seq = ?", (epoch, seq))
        if epoch == self._epoch:
            # What the dropped message would have declared must be declared again.
            database.execute("UPDATE lost SET declared_by = NULL WHERE declared_by = ?", (seq,))
            database.execute("INSERT INTO lost VALUES (?, ?, NULL)", (seq, seq))
        logger.warning("outbox is full: message %d of epoch %d is given up", seq, epoch)

    def _declare(self, database: sqlite3.Connection, seq: int) -> Ranges:
        pairs: list[Range] = database.execute("SELECT first, last FROM lost WHERE declared_by IS NULL").fetchall()
        lost = normalize(pairs)
        if pairs:
            database.execute("DELETE FROM lost WHERE declared_by IS NULL")
            database.executemany("INSERT INTO lost VALUES (?, ?, ?)", [(*pair, seq) for pair in lost[:MAX_LOST_RANGES]])
            database.executemany("INSERT INTO lost VALUES (?, ?, NULL)", lost[MAX_LOST_RANGES:])
        return lost[:MAX_LOST_RANGES]

    @staticmethod
    def _insert(database: sqlite3.Connection, message: Queued) -> None:
        database.execute(
            "INSERT OR IGNORE INTO message VALUES (?, ?, ?, ?)",
            (message.epoch, message.seq, message.payload, fingerprint(message.payload)),
        )


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, timeout=5)
    try:
        _prepare(database)
    except BaseException:
        database.close()
        raise
    return database


def _prepare(database: sqlite3.Connection) -> None:
    database.execute("PRAGMA journal_mode = WAL")
    # A message said to be kept survives a power cut; NORMAL would lose the newest.
    database.execute("PRAGMA synchronous = FULL")
    if database.execute("PRAGMA quick_check").fetchone()[0] != "ok":
        raise sqlite3.DatabaseError("the quick check found damage")
    database.executescript(_SCHEMA)


def _set_aside(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.replace(path.with_name(f"{path.name}.broken{suffix}"))
