"""Telling clients what happened: security event tokens (RFC 8417) of the open banking kinds, sent until taken."""

import secrets
import sqlite3
import sys
import threading
from collections.abc import Callable

import httpx

from simulators.vrp_bank_book import Row, VrpBook
from simulators.vrp_bank_jose import BankKey

FIRST_PAUSE_US = 500_000
LONGEST_PAUSE_US = 60_000_000
TRIES = 20
BATCH = 500
ALWAYS_US = 2**62
TIMEOUT_S = 5.0
UPDATED = "urn:uk:org:openbanking:events:resource-update"
REVOKED = "urn:uk:org:openbanking:events:consent-authorization-revoked"
_CLAIM = "http://openbanking.org.uk"


class VrpNoticeSender:
    """Signs, queues and sends. One at a time, so that a notice goes out once for each time it should."""

    def __init__(self, book: VrpBook, key: BankKey, target: str | None, wall_us: Callable[[], int]) -> None:
        self.target = target
        self.issuer = ""
        self._book = book
        self._key = key
        self._wall_us = wall_us
        self._sending = threading.Lock()
        self._http = httpx.Client(timeout=TIMEOUT_S, trust_env=False)

    def queue(
        self, db: sqlite3.Connection, client: str, event: str, kind: str, resource: str, fault: str | None, now_us: int
    ) -> None:
        """Remember to tell a client that something of a resource (`kind` is its collection) changed."""
        if self.target is None or fault == "no_notice":
            return
        subject = {
            "subject_type": f"{_CLAIM}/rid_{_CLAIM}/rty",
            f"{_CLAIM}/rid": resource,
            f"{_CLAIM}/rty": kind,
            f"{_CLAIM}/rlk": [{"version": "v4.0", "link": f"{self.issuer}/open-banking/v4.0/pisp/{kind}s/{resource}"}],
        }
        claims = {
            "iss": self.issuer,
            "iat": now_us // 1_000_000,
            "toe": now_us // 1_000_000,
            "jti": secrets.token_hex(16),
            "aud": client,
            "sub": f"{self.issuer}/open-banking/v4.0/pisp/{kind}s/{resource}",
            "txn": secrets.token_hex(8),
            "events": {event: {"subject": subject}},
        }
        sends = 2 if fault == "duplicate_notice" else 1
        db.execute(
            "INSERT INTO notices (client, token, sends_left, tries, due_wall_us) VALUES (?, ?, ?, 0, ?)",
            (client, self._key.sign(claims), sends, self._wall_us()),
        )

    def send_due(self) -> None:
        """Send a batch of what is due."""
        self._send_until(self._wall_us())

    def send_all(self) -> dict[str, int]:
        """Send everything now, due or not; return how many were taken or not."""
        return self._send_until(ALWAYS_US)

    def close(self) -> None:
        """Let the connections go."""
        self._http.close()

    def _send_until(self, until_wall_us: int) -> dict[str, int]:
        counts = {"sent": 0, "failed": 0}
        if self.target is None:
            return counts
        with self._sending:
            for row in self._read(until_wall_us):
                for _ in range(row["sends_left"]):
                    counts["sent" if self._send(self.target, row) else "failed"] += 1
        return counts

    def _read(self, until_wall_us: int) -> list[Row]:
        with self._book.transaction() as db:
            rows: list[Row] = db.execute(
                "SELECT * FROM notices WHERE due_wall_us <= ? ORDER BY number LIMIT ?", (until_wall_us, BATCH)
            ).fetchall()
        return rows

    def _send(self, target: str, row: Row) -> bool:
        headers = {"Content-Type": "application/jwt", "x-fapi-interaction-id": secrets.token_hex(16)}
        try:
            taken = self._http.post(target, content=row["token"], headers=headers).is_success
        except httpx.HTTPError:
            taken = False
        with self._book.transaction() as db:
            if taken:
                db.execute("UPDATE notices SET sends_left = sends_left - 1 WHERE number = ?", (row["number"],))
            else:
                pause_us = min(FIRST_PAUSE_US << min(row["tries"], 10), LONGEST_PAUSE_US)
                due_us = self._wall_us() + pause_us
                db.execute(
                    "UPDATE notices SET tries = tries + 1, due_wall_us = ? WHERE number = ?", (due_us, row["number"])
                )
            db.execute(
                "DELETE FROM notices WHERE number = ? AND (sends_left < 1 OR tries >= ?)", (row["number"], TRIES)
            )
        if not taken and row["tries"] + 1 >= TRIES:
            sys.stderr.write(f"vrp-bank: gave up on a notice after {TRIES} tries\n")
        return taken
