"""The pretend shop's memory: one SQLite file that survives a kill at any moment."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from simulators.shop_story import Outcome, PlannedParcel

MAX_SCRIPTED = 1000
DOORSTEP_PAGE = 100

_SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    number INTEGER PRIMARY KEY,
    reference TEXT NOT NULL UNIQUE,
    household_ref TEXT NOT NULL,
    story TEXT NOT NULL,
    record BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS orders_by_story ON orders (household_ref, story);
CREATE TABLE IF NOT EXISTS arrivals (
    household_ref TEXT NOT NULL,
    arrives_us INTEGER NOT NULL,
    sku TEXT NOT NULL,
    reference TEXT NOT NULL,
    packs INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS arrivals_by_household ON arrivals (household_ref, arrives_us, sku, reference);
CREATE TABLE IF NOT EXISTS households (
    household_ref TEXT PRIMARY KEY,
    name TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS script (
    id INTEGER PRIMARY KEY,
    household_ref TEXT NOT NULL,
    outcome TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS notices (
    id INTEGER PRIMARY KEY,
    notice_id TEXT NOT NULL,
    reference TEXT NOT NULL,
    event TEXT NOT NULL,
    due_us INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    not_before_wall_us INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS notices_by_due ON notices (due_us, id);
"""


class Record(msgspec.Struct, frozen=True):
    """One order as it was answered. `refused_code` set: nothing was ordered. The story lies in the parcels."""

    reference: str
    household_ref: str
    content_sha256: str
    merchant_ref: str
    refused_code: str | None
    message: str
    ordered_us: int
    promised_us: int
    total_minor: int
    parcels: tuple[PlannedParcel, ...]
    cancelled_us: int | None = None


class Arrival(msgspec.Struct, frozen=True):
    """Packs of one product found at a household's door."""

    arrives_us: int
    sku: str
    packs: int


class DueNotice(msgspec.Struct, frozen=True):
    """One notice to send; `tries` counts the sendings that failed."""

    id: int
    notice_id: str
    reference: str
    event: str
    due_us: int
    tries: int


class Book:
    """Orders, arrivals, scripted outcomes and waiting notices. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Let the file go."""
        with self._lock:
            self._db.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction; what is done inside is durable at the end, or undone by an exception."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    # Orders

    def find(self, reference: str) -> Record | None:
        """The order under the customer's reference."""
        with self._lock:
            row = self._db.execute("SELECT record FROM orders WHERE reference = ?", (reference,)).fetchone()
        return None if row is None else msgspec.json.decode(row[0], type=Record)

    def next_number(self) -> int:
        """The number the next order will get, from 1."""
        (newest,) = self._db.execute("SELECT coalesce(max(number), 0) FROM orders").fetchone()
        return int(newest) + 1

    def count_story(self, household_ref: str, story: str) -> int:
        """How many orders of these kinds of supply the household has placed so far."""
        (count,) = self._db.execute(
            "SELECT count(*) FROM orders WHERE household_ref = ? AND story = ?", (household_ref, story)
        ).fetchone()
        return int(count)

    def add(self, record: Record, story: str) -> None:
        """Write down a new order and all that will be found at the door."""
        self._db.execute(
            "INSERT INTO orders (reference, household_ref, story, record) VALUES (?, ?, ?, ?)",
            (record.reference, record.household_ref, story, msgspec.json.encode(record)),
        )
        self._db.executemany(
            "INSERT INTO arrivals VALUES (?, ?, ?, ?, ?)",
            [
                (record.household_ref, parcel.arrives_us, line.sku, record.reference, line.packs_arriving)
                for parcel in record.parcels
                if parcel.arrives_us is not None
                for line in parcel.lines
                if line.packs_arriving > 0
            ],
        )

    def cancel(self, record: Record) -> None:
        """Write down that the order was cancelled: nothing will arrive and nothing more is told of it."""
        self._db.execute(
            "UPDATE orders SET record = ? WHERE reference = ?", (msgspec.json.encode(record), record.reference)
        )
        self._db.execute("DELETE FROM arrivals WHERE reference = ?", (record.reference,))
        self._db.execute("DELETE FROM notices WHERE reference = ?", (record.reference,))

    def arrivals(self, household_ref: str, now_us: int, after: int) -> list[Arrival]:
        """What came after the first `after` arrivals, oldest first, at most DOORSTEP_PAGE.

        Arrivals keep their place: whatever is ordered later also arrives later than the present.
        """
        with self._lock:
            rows = self._db.execute(
                "SELECT arrives_us, sku, packs FROM arrivals WHERE household_ref = ? AND arrives_us <= ? "
                "ORDER BY arrives_us, sku, reference LIMIT ? OFFSET ?",
                (household_ref, now_us, DOORSTEP_PAGE, after),
            ).fetchall()
        return [Arrival(*row) for row in rows]

    # Households and their script

    def name_household(self, household_ref: str, name: str) -> None:
        """Let chance know the household by a name instead of its reference."""
        self._db.execute("INSERT OR REPLACE INTO households VALUES (?, ?)", (household_ref, name))

    def household_name(self, household_ref: str) -> str:
        """The name chance knows it by: the one it was given, else its reference."""
        row = self._db.execute("SELECT name FROM households WHERE household_ref = ?", (household_ref,)).fetchone()
        return household_ref if row is None else str(row[0])

    def add_script(self, household_ref: str, outcomes: Sequence[Outcome]) -> int:
        """Put outcomes behind those that wait for the household, as many as may wait; returns how many do then."""
        self._db.executemany(
            "INSERT INTO script (household_ref, outcome) VALUES (?, ?)", [(household_ref, name) for name in outcomes]
        )
        self._db.execute(
            "DELETE FROM script WHERE id IN"
            " (SELECT id FROM script WHERE household_ref = ? ORDER BY id LIMIT -1 OFFSET ?)",
            (household_ref, MAX_SCRIPTED),
        )
        (waiting,) = self._db.execute(
            "SELECT count(*) FROM script WHERE household_ref = ?", (household_ref,)
        ).fetchone()
        return int(waiting)

    def take_script(self, household_ref: str) -> Outcome | None:
        """Take the next scripted outcome off the list, if there is one."""
        row = self._db.execute(
            "DELETE FROM script WHERE id = (SELECT min(id) FROM script WHERE household_ref = ?) RETURNING outcome",
            (household_ref,),
        ).fetchone()
        return None if row is None else msgspec.convert(row[0], Outcome)

    # Notices

    def add_notices(self, notices: Sequence[tuple[str, str, str, int]]) -> None:
        """Let (notice_id, reference, event, due_us) be sent when due."""
        self._db.executemany("INSERT INTO notices (notice_id, reference, event, due_us) VALUES (?, ?, ?, ?)", notices)

    def due_notices(self, now_us: int, wall_us: int | None, limit: int) -> list[DueNotice]:
        """Notices that are due, oldest first; `wall_us` None disregards the pause after a failed try."""
        with self._lock:
            rows = self._db.execute(
                "SELECT id, notice_id, reference, event, due_us, tries FROM notices "
                "WHERE due_us <= ? AND (? IS NULL OR not_before_wall_us <= ?) ORDER BY due_us, id LIMIT ?",
                (now_us, wall_us, wall_us, limit),
            ).fetchall()
        return [DueNotice(*row) for row in rows]

    def forget_notice(self, notice: DueNotice) -> None:
        """It was taken, or given up."""
        with self.writing():
            self._db.execute("DELETE FROM notices WHERE id = ?", (notice.id,))

    def postpone_notice(self, notice: DueNotice, not_before_wall_us: int) -> None:
        """It was not taken: try again later."""
        with self.writing():
            self._db.execute(
                "UPDATE notices SET tries = tries + 1, not_before_wall_us = ? WHERE id = ?",
                (not_before_wall_us, notice.id),
            )
