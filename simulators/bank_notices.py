"""Telling the operator what happened: signed, sent again until taken, perhaps twice, perhaps out of order."""

import hashlib
import hmac
import json
import sqlite3
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from simulators.bank_book import Book, Row

LATE_US = 5_000_000
FIRST_PAUSE_US = 500_000
LONGEST_PAUSE_US = 60_000_000
TRIES = 20
BATCH = 1_000
ALWAYS_US = 2**62
TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Target:
    """Where notices go, and the secret they are signed with."""

    url: str
    secret: str


def sign(secret: str, body: bytes) -> str:
    """What stands in the header `Bank-Signature`: HMAC-SHA256 over the body, in hex."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def queue_notice(db: sqlite3.Connection, reference: str, fault: str | None, *, at_us: int, wall_us: int) -> None:
    """Remember to tell that an operation was decided."""
    if fault == "no_notice":
        return
    notice = "notice_" + hashlib.sha256(reference.encode()).hexdigest()[:24]
    due_us = wall_us + (LATE_US if fault == "late_notice" else 0)
    db.execute(
        "INSERT INTO notices (notice, reference, at_us, sends_left, tries, due_wall_us) VALUES (?, ?, ?, ?, 0, ?)",
        (notice, reference, at_us, 2 if fault == "duplicate_notice" else 1, due_us),
    )


class NoticeSender:
    """Sends what is queued. One at a time, so that a notice goes out once for each time it should."""

    def __init__(self, book: Book, target: Target | None, wall_us: Callable[[], int]) -> None:
        self.target = target
        self._book = book
        self._wall_us = wall_us
        self._sending = threading.Lock()
        self._http = httpx.Client(timeout=TIMEOUT_S, trust_env=False)

    def send_due(self) -> None:
        """Send a batch of what is due."""
        if self.target is not None:
            with self._sending:
                for row in self._read(self._wall_us()):
                    self._send(self.target, row)

    def send_all(self) -> dict[str, int]:
        """Send everything now, due or not, each notice as often as it should go; return how many were taken or not."""
        counts = {"sent": 0, "failed": 0}
        if self.target is None:
            return counts
        with self._sending:
            for row in self._read(ALWAYS_US):
                for _ in range(row["sends_left"]):
                    counts["sent" if self._send(self.target, row) else "failed"] += 1
        return counts

    def close(self) -> None:
        """Let the connections go."""
        self._http.close()

    def _read(self, until_wall_us: int) -> list[Row]:
        with self._book.transaction() as db:
            rows: list[Row] = db.execute(
                "SELECT * FROM notices WHERE due_wall_us <= ? ORDER BY due_wall_us, number LIMIT ?",
                (until_wall_us, BATCH),
            ).fetchall()
        return rows

    def _send(self, target: Target, row: Row) -> bool:
        body = json.dumps({"id": row["notice"], "references": [row["reference"]], "at_us": row["at_us"]}).encode()
        headers = {"Content-Type": "application/json", "Bank-Signature": sign(target.secret, body)}
        try:
            taken = self._http.post(target.url, content=body, headers=headers).is_success
        except httpx.HTTPError:
            taken = False
        with self._book.transaction() as db:
            if taken:
                db.execute("UPDATE notices SET sends_left = sends_left - 1 WHERE number = ?", (row["number"],))
            else:
                pause_us = min(FIRST_PAUSE_US << min(row["tries"], 10), LONGEST_PAUSE_US)
                db.execute(
                    "UPDATE notices SET tries = tries + 1, due_wall_us = ? WHERE number = ?",
                    (self._wall_us() + pause_us, row["number"]),
                )
            db.execute(
                "DELETE FROM notices WHERE number = ? AND (sends_left = 0 OR tries >= ?)", (row["number"], TRIES)
            )
        if not taken and row["tries"] + 1 >= TRIES:
            sys.stderr.write(f"bank: gave up on notice {row['notice']} after {TRIES} tries\n")
        return taken
