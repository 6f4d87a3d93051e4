"""The bank's book: a SQLite file of its own, every change durable before it is answered.

Amounts are integer minor units, instants UTC microseconds of the bank's clock. Money is conserved: what customers have,
what the bank owes the operator, what it paid out and what it kept as fees add up to what was deposited.
"""

import hashlib
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DAY_US = 86_400_000_000
FEE_BP = 50
SETTLEMENTS_PER_PAGE = 50

Row = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts (
    token TEXT PRIMARY KEY, iban TEXT NOT NULL, label TEXT NOT NULL, currency TEXT NOT NULL,
    deposited_minor INTEGER NOT NULL, balance_minor INTEGER NOT NULL CHECK (balance_minor >= 0),
    requests INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS mandates (
    id TEXT PRIMARY KEY, account TEXT NOT NULL REFERENCES accounts, limit_minor INTEGER NOT NULL,
    currency TEXT NOT NULL, expires_us INTEGER, state TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS holds (
    id TEXT PRIMARY KEY, reference TEXT NOT NULL UNIQUE, account TEXT NOT NULL REFERENCES accounts,
    mandate TEXT NOT NULL, amount_minor INTEGER NOT NULL, captured_minor INTEGER NOT NULL,
    released_minor INTEGER NOT NULL, currency TEXT NOT NULL, expires_us INTEGER NOT NULL,
    CHECK (captured_minor + released_minor <= amount_minor));
CREATE TABLE IF NOT EXISTS operations (
    reference TEXT PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, account TEXT NOT NULL,
    parent TEXT NOT NULL, amount_minor INTEGER NOT NULL, currency TEXT NOT NULL, status TEXT NOT NULL,
    decline_kind TEXT, code TEXT, message TEXT, expires_us INTEGER, return_url TEXT, created_us INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS movements (
    number INTEGER PRIMARY KEY, reference TEXT NOT NULL UNIQUE REFERENCES operations, provider_ref TEXT NOT NULL,
    kind TEXT NOT NULL, account TEXT NOT NULL, amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
    currency TEXT NOT NULL, at_us INTEGER NOT NULL, settlement TEXT REFERENCES settlements);
CREATE TABLE IF NOT EXISTS settlements (
    id TEXT PRIMARY KEY, at_us INTEGER NOT NULL, currency TEXT NOT NULL, gross_minor INTEGER NOT NULL,
    fee_minor INTEGER NOT NULL, net_minor INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS keys (
    key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, reference TEXT NOT NULL REFERENCES operations);
CREATE TABLE IF NOT EXISTS script (number INTEGER PRIMARY KEY, account TEXT NOT NULL, kind TEXT, fault TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS notices (
    number INTEGER PRIMARY KEY, notice TEXT NOT NULL, reference TEXT NOT NULL, at_us INTEGER NOT NULL,
    sends_left INTEGER NOT NULL, tries INTEGER NOT NULL, due_wall_us INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS holds_of_account ON holds (account);
CREATE INDEX IF NOT EXISTS movements_unsettled ON movements (settlement, at_us);
CREATE INDEX IF NOT EXISTS operations_of_parent ON operations (parent, kind);
CREATE INDEX IF NOT EXISTS operations_pending ON operations (created_us) WHERE status = 'pending';
"""


class Book:
    """One connection behind one lock: the bank does one thing after the other."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.row_factory = _as_dict
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA foreign_keys=ON")
        self._db.executescript(_SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; what is inside must not wait for the network."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def close(self) -> None:
        """Wait for the running transaction and close the file."""
        with self._lock:
            self._db.close()


def open_account(db: sqlite3.Connection, token: str, label: str, currency: str, balance_minor: int) -> Row:
    """Open an account with a first deposit; one that is open already stays as it is."""
    db.execute(
        "INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?, 0) ON CONFLICT DO NOTHING",
        (token, _iban(token), label, currency, balance_minor, balance_minor),
    )
    return account(db, token) or {}


def account(db: sqlite3.Connection, token: str) -> Row | None:
    """The account with what is held of it and what is free."""
    row: Row | None = db.execute("SELECT * FROM accounts WHERE token = ?", (token,)).fetchone()
    return row and _with_held(db, row)


def end_days(db: sqlite3.Connection, now_us: int) -> None:
    """Free holds that ran out, and pay out each UTC day that is over: captures less refunds, less a fee on captures."""
    db.execute(
        "UPDATE holds SET released_minor = amount_minor - captured_minor"
        " WHERE expires_us <= ? AND captured_minor + released_minor < amount_minor",
        (now_us,),
    )
    today_us = now_us - now_us % DAY_US
    days = db.execute(
        "SELECT DISTINCT at_us / ? AS day, currency FROM movements"
        " WHERE settlement IS NULL AND at_us < ? ORDER BY 1, 2",
        (DAY_US, today_us),
    ).fetchall()
    for day in days:
        span = (day["day"] * DAY_US, (day["day"] + 1) * DAY_US, day["currency"])
        sums = db.execute(
            "SELECT SUM(CASE kind WHEN 'capture' THEN amount_minor ELSE 0 END) AS captured,"
            " SUM(CASE kind WHEN 'refund' THEN amount_minor ELSE 0 END) AS refunded, MAX(number) AS last"
            " FROM movements WHERE settlement IS NULL AND at_us >= ? AND at_us < ? AND currency = ?",
            span,
        ).fetchone()
        # The last movement is in the name: a clock that was set back may bring a second batch for one day.
        settlement = f"payout_{day['day']}_{day['currency']}_{sums['last']}"
        gross, fee = sums["captured"] - sums["refunded"], (sums["captured"] * FEE_BP + 5_000) // 10_000
        db.execute(
            "INSERT INTO settlements VALUES (?, ?, ?, ?, ?, ?)",
            (settlement, span[1], day["currency"], gross, fee, gross - fee),
        )
        db.execute(
            "UPDATE movements SET settlement = ?"
            " WHERE settlement IS NULL AND at_us >= ? AND at_us < ? AND currency = ?",
            (settlement, *span),
        )


def settlements(db: sqlite3.Connection, since_us: int) -> list[Row]:
    """Pay-outs at or after an instant, oldest first, a page of them, each with its lines."""
    rows: list[Row] = db.execute(
        "SELECT * FROM settlements WHERE at_us >= ? ORDER BY at_us, id LIMIT ?", (since_us, SETTLEMENTS_PER_PAGE)
    ).fetchall()
    for row in rows:
        row["lines"] = db.execute(
            "SELECT reference, kind, amount_minor, currency FROM movements WHERE settlement = ? ORDER BY number",
            (row["id"],),
        ).fetchall()
    return rows


def whole_book(db: sqlite3.Connection, token: str | None) -> dict[str, list[Row]]:
    """Everything the bank knows, or all about one account, for whoever checks a ledger against it."""

    def rows(table: str, order: str) -> list[Row]:
        column = "token" if table == "accounts" else "account"
        query = f"SELECT * FROM {table} WHERE ?1 IS NULL OR {column} = ?1 ORDER BY {order}"  # noqa: S608 — our names
        found: list[Row] = db.execute(query, (token,)).fetchall()
        return found

    return {
        "accounts": [_with_held(db, row) for row in rows("accounts", "token")],
        "holds": [
            row | {"left_minor": row["amount_minor"] - row["captured_minor"] - row["released_minor"]}
            for row in rows("holds", "rowid")
        ],
        "movements": rows("movements", "number"),
        "operations": rows("operations", "rowid"),
        "settlements": [] if token else db.execute("SELECT * FROM settlements ORDER BY at_us, id").fetchall(),
    }


def _with_held(db: sqlite3.Connection, row: Row) -> Row:
    held = db.execute(
        "SELECT COALESCE(SUM(amount_minor - captured_minor - released_minor), 0) AS held FROM holds WHERE account = ?",
        (row["token"],),
    ).fetchone()["held"]
    return row | {"held_minor": held, "available_minor": row["balance_minor"] - held}


def _as_dict(cursor: sqlite3.Cursor, values: tuple[object, ...]) -> Row:
    return {column[0]: value for column, value in zip(cursor.description, values, strict=True)}


def _iban(token: str) -> str:
    """Make a German-looking IBAN with right check digits (ISO 13616, mod 97); 131400 is "DE00" in digits."""
    digits = f"{int(hashlib.sha256(token.encode()).hexdigest(), 16) % 10**18:018d}"
    return f"DE{98 - int(digits + '131400') % 97:02d}{digits}"
