"""Orders at the bank: signed by the client, one effect for each key, one transaction each, and what may go wrong."""

import contextlib
import hashlib
import json
import sqlite3
import threading
from collections.abc import Callable
from typing import Any

from devices.clock import ClockFile, RealClock
from simulators.vrp_bank_book import VrpBook, one
from simulators.vrp_bank_faults import NO_EFFECT, next_fault
from simulators.vrp_bank_jose import BadSignature, check_detached
from simulators.vrp_bank_oauth import Caller, caller_of
from simulators.vrp_bank_shapes import Answer, Refused, Request

KEY_WINDOW_US = 86_400_000_000
DELAY_US = 2_000_000
MAX_DELAYED = 100
MAX_KEY = 40
CRITICAL = {f"http://openbanking.org.uk/{name}" for name in ("iat", "iss", "tan")}
Effect = Callable[[sqlite3.Connection, Caller, str | None], tuple[int, str]]


class VrpOrders:
    """Takes orders for the desk."""

    def __init__(self, book: VrpBook, clock: RealClock | ClockFile) -> None:
        self._book = book
        self._clock = clock
        self._delayed: list[tuple[int, Callable[[], object]]] = []
        self._delayed_lock = threading.Lock()

    def take(
        self,
        request: Request,
        kind: str,
        account: str,
        effect: Effect,
        show: Callable[[sqlite3.Connection, str], dict[str, object]],
    ) -> Answer:
        """Let an order take effect once per key and day, unless a fault comes first."""
        key = request.headers.get("x-idempotency-key", "")
        if not 1 <= len(key) <= MAX_KEY:
            raise Refused(400, "U007", f"send an x-idempotency-key of at most {MAX_KEY} characters")
        with self._book.transaction() as db:
            caller = caller_of(db, request, self._clock.wall_us())
            self.require_signed(db, request, caller)
            fault = next_fault(db, account, kind)

        def perform(fault: str | None) -> Answer:
            with self._book.transaction() as db:
                status, thing = self._once(db, caller, key, request, lambda: effect(db, caller, fault))
                return Answer(status, show(db, thing), fault)

        if fault == "delayed":
            arrival = (self._clock.wall_us() + DELAY_US, lambda: perform(None))
            with self._delayed_lock:
                self._delayed = [*self._delayed[-MAX_DELAYED + 1 :], arrival]
        return no_effect(fault) if fault in NO_EFFECT else perform(fault)

    def _once(
        self,
        db: sqlite3.Connection,
        caller: Caller,
        key: str,
        request: Request,
        effect: Callable[[], tuple[int, str]],
    ) -> tuple[int, str]:
        wall_us = self._clock.wall_us()
        fingerprint = hashlib.sha256(request.path.encode() + b"\n" + request.body).hexdigest()
        db.execute("DELETE FROM keys WHERE at_wall_us <= ?", (wall_us - KEY_WINDOW_US,))
        seen = one(db, "SELECT * FROM keys WHERE client = ? AND key = ?", caller.client, key)
        if seen is not None:
            if seen["fingerprint"] != fingerprint:
                raise Refused(400, "U029", "this key was used before, for something else")
            return seen["status"], seen["thing"]
        status, thing = effect()
        row = (caller.client, key, fingerprint, status, thing, wall_us)
        db.execute("INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?)", row)
        return status, thing

    def require_signed(self, db: sqlite3.Connection, request: Request, caller: Caller) -> None:
        """Every body is signed by the client (x-jws-signature), and says when and by whom."""
        client = one(db, "SELECT * FROM clients WHERE id = ?", caller.client) or {}
        try:
            header = check_detached(
                request.headers.get("x-jws-signature", ""), request.body, json.loads(client["jwks"])
            )
        except BadSignature as error:
            raise Refused(400, "U015", str(error)) from error
        if not set(header.get("crit", ())) >= CRITICAL or header.get("http://openbanking.org.uk/iss") != caller.client:
            raise Refused(400, "U017", "the signature does not say when and by whom")

    def deliver_delayed(self, until_wall_us: int | None) -> None:
        """Let late requests arrive: those due by then, or all."""
        with self._delayed_lock:
            due = [late for late in self._delayed if until_wall_us is None or late[0] <= until_wall_us]
            self._delayed = [late for late in self._delayed if late not in due]
        for _, arrive in due:
            # What it asks may have become wrong while it was on its way; nobody waits for the answer.
            with contextlib.suppress(Refused):
                arrive()


def no_effect(fault: str | None) -> Answer:
    """What is said, or would be, when nothing was done."""
    if fault == "rate_limited":
        return Answer(429, {"Message": "too many requests"}, fault)
    body: dict[str, Any] = {"Code": "500", "Message": "something broke"}
    return Answer(500, body, fault)
