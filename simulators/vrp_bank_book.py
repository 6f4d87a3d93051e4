"""The book of the pretend bank for variable recurring payments: a SQLite file, every change durable before its answer.

Amounts are integer pence, instants UTC microseconds. Money is conserved: what customers have and what the operator's
account has add up to what was deposited.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Row = dict[str, Any]
TRANSACTIONS_PER_PAGE = 50

_SCHEMA = """
CREATE TABLE IF NOT EXISTS clients (
    id TEXT PRIMARY KEY, redirect_uri TEXT NOT NULL, jwks TEXT NOT NULL, balance_minor INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS accounts (
    token TEXT PRIMARY KEY, number TEXT NOT NULL UNIQUE, label TEXT NOT NULL, deposited_minor INTEGER NOT NULL,
    balance_minor INTEGER NOT NULL CHECK (balance_minor >= 0), closed INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS consents (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, client TEXT NOT NULL REFERENCES clients, data TEXT NOT NULL,
    status TEXT NOT NULL, account TEXT REFERENCES accounts, created_us INTEGER NOT NULL, updated_us INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS codes (
    hash TEXT PRIMARY KEY, consent TEXT NOT NULL, redirect_uri TEXT NOT NULL, challenge TEXT NOT NULL,
    until_wall_us INTEGER NOT NULL, used INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS tokens (
    hash TEXT PRIMARY KEY, kind TEXT NOT NULL, client TEXT NOT NULL, consent TEXT, parent TEXT,
    until_wall_us INTEGER NOT NULL, state TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS assertions (jti TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS payments (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, client TEXT NOT NULL REFERENCES clients, consent TEXT NOT NULL,
    account TEXT NOT NULL REFERENCES accounts, instruction TEXT NOT NULL, data TEXT NOT NULL,
    amount_minor INTEGER NOT NULL CHECK (amount_minor > 0), status TEXT NOT NULL, code TEXT, reason TEXT,
    created_us INTEGER NOT NULL, seen_from_wall_us INTEGER NOT NULL, UNIQUE (client, instruction));
CREATE TABLE IF NOT EXISTS refunds (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, client TEXT NOT NULL REFERENCES clients,
    payment TEXT NOT NULL REFERENCES payments (id), account TEXT NOT NULL, instruction TEXT NOT NULL,
    amount_minor INTEGER NOT NULL CHECK (amount_minor > 0), status TEXT NOT NULL, created_us INTEGER NOT NULL,
    seen_from_wall_us INTEGER NOT NULL, UNIQUE (client, instruction));
CREATE TABLE IF NOT EXISTS transactions (
    number INTEGER PRIMARY KEY, client TEXT NOT NULL, instruction TEXT NOT NULL, account TEXT NOT NULL,
    amount_minor INTEGER NOT NULL, at_us INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS keys (
    client TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL, status INTEGER NOT NULL, thing TEXT NOT NULL,
    at_wall_us INTEGER NOT NULL, PRIMARY KEY (client, key));
CREATE TABLE IF NOT EXISTS script (number INTEGER PRIMARY KEY, account TEXT NOT NULL, kind TEXT, fault TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS notices (
    number INTEGER PRIMARY KEY, client TEXT NOT NULL, token TEXT NOT NULL, sends_left INTEGER NOT NULL,
    tries INTEGER NOT NULL, due_wall_us INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS payments_of_consent ON payments (consent, created_us);
CREATE INDEX IF NOT EXISTS refunds_of_payment ON refunds (payment);
CREATE INDEX IF NOT EXISTS transactions_of_client ON transactions (client, at_us);
"""


class VrpBook:
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


def one(db: sqlite3.Connection, query: str, *values: object) -> Row | None:
    """The one row, None where there is none."""
    row: Row | None = db.execute(query, values).fetchone()
    return row


def open_account(db: sqlite3.Connection, token: str, label: str, balance_minor: int) -> Row:
    """Open a customer's account with a first deposit; one that is open already stays as it is."""
    taken = one(db, "SELECT COUNT(*) AS many FROM accounts") or {"many": 0}
    number = f"309493{taken['many'] + 1:08d}"
    db.execute(
        "INSERT INTO accounts VALUES (?, ?, ?, ?, ?, 0) ON CONFLICT DO NOTHING",
        (token, number, label, balance_minor, balance_minor),
    )
    return one(db, "SELECT * FROM accounts WHERE token = ?", token) or {}


def add_client(db: sqlite3.Connection, client_id: str, redirect_uri: str, jwks: dict[str, Any]) -> None:
    """Let a client in, or change its keys and where its customers are sent back to."""
    db.execute(
        "INSERT INTO clients VALUES (?, ?, ?, 0)"
        " ON CONFLICT (id) DO UPDATE SET redirect_uri = excluded.redirect_uri, jwks = excluded.jwks",
        (client_id, redirect_uri, json.dumps(jwks)),
    )


def move(db: sqlite3.Connection, client: str, instruction: str, account: str, amount_minor: int, at_us: int) -> None:
    """Move money at once from a customer to the operator, or back where the amount is negative."""
    db.execute("UPDATE accounts SET balance_minor = balance_minor - ? WHERE token = ?", (amount_minor, account))
    db.execute("UPDATE clients SET balance_minor = balance_minor + ? WHERE id = ?", (amount_minor, client))
    db.execute(
        "INSERT INTO transactions (client, instruction, account, amount_minor, at_us) VALUES (?, ?, ?, ?, ?)",
        (client, instruction, account, amount_minor, at_us),
    )


def whole_book(db: sqlite3.Connection) -> dict[str, list[Row]]:
    """Everything that the bank knows about money, for whoever checks a ledger against it."""
    tables = ("accounts", "consents", "payments", "refunds", "transactions")
    found = {table: db.execute(f"SELECT * FROM {table} ORDER BY rowid").fetchall() for table in tables}  # noqa: S608 — our names
    return found | {"clients": db.execute("SELECT id, balance_minor FROM clients ORDER BY id").fetchall()}


def _as_dict(cursor: sqlite3.Cursor, values: tuple[object, ...]) -> Row:
    return {column[0]: value for column, value in zip(cursor.description, values, strict=True)}
