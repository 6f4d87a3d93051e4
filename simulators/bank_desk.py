"""The bank's desk: decoded requests in, answers out, no sockets. One order is one transaction of the book."""

import contextlib
import re
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import msgspec

from devices.clock import ClockFile, RealClock
from simulators.bank_book import Book, Row, account, end_days, open_account, settlements, whole_book
from simulators.bank_faults import NO_EFFECT, next_fault, parse_entry, write_script
from simulators.bank_notices import NoticeSender, queue_notice
from simulators.bank_rules import Order, Refused, complete, operation, perform
from simulators.bank_shapes import (
    AccountBody,
    AmountBody,
    Answer,
    HoldBody,
    MandateBody,
    PlainBody,
    Request,
    ScriptBody,
    amount_order,
    decode,
    plain_order,
)

PENDING_US = 60_000_000
DELAY_US = 2_000_000
MAX_DELAYED = 100


@dataclass(frozen=True, slots=True)
class Chance:
    """Random faults: how likely, and from which seed."""

    rate: float
    seed: int


class Desk:
    """All that the bank does when asked, and what it does by itself (`tick`)."""

    def __init__(self, book: Book, clock: RealClock | ClockFile, sender: NoticeSender, chance: Chance) -> None:
        self.site = ""
        self._book = book
        self._clock = clock
        self._sender = sender
        self._chance = chance
        self._delayed: list[tuple[int, Callable[[], Answer]]] = []
        self._delayed_lock = threading.Lock()

    def answer(self, request: Request) -> Answer:
        """Answer one request; what is wrong with it is an answer too."""
        try:
            for pattern, handle in self._routes(request.method):
                if match := re.fullmatch(pattern, request.path):
                    return handle(request, *map(unquote, match.groups()))
        except Refused as refused:
            return Answer(refused.status, _error(refused.code, refused.detail))
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            return Answer(422, _error("invalid_body", str(error)))
        return Answer(404, _error("no_such_page", f"{request.method} {request.path}"))

    def tick(self) -> None:
        """What falls due by itself: late requests, pending decisions, the end of a day, notices."""
        self._deliver_delayed(self._clock.wall_us())
        self._decide_pending(self._clock.now_us() - PENDING_US)
        self._end_days()
        self._sender.send_due()

    def _routes(self, method: str) -> tuple[tuple[str, Callable[..., Answer]], ...]:
        if method == "GET":
            return (
                (r"/healthz", lambda _: Answer(200, {"ok": True})),
                (r"/accounts/([^/]+)", self._account),
                (r"/operations/([^/]+)", self._operation),
                (r"/settlements", self._settlements),
                (r"/book", self._whole_book),
                (r"/authenticate/([^/]+)", self._waiting),
            )
        if method == "POST":
            return (
                (r"/accounts", self._open_account),
                (r"/mandates", self._mandate),
                (r"/mandates/([^/]+)/revoke", self._revoke),
                (r"/holds", self._hold),
                (r"/holds/([^/]+)/captures", self._capture),
                (r"/holds/([^/]+)/void", self._void),
                (r"/captures/([^/]+)/refunds", self._refund),
                (r"/authenticate/([^/]+)", self._confirm),
                (r"/script", self._script),
                (r"/control/settle-notices", self._settle_notices),
            )
        return ()

    # Reading

    def _account(self, _: Request, token: str) -> Answer:
        with self._book.transaction() as db:
            row = account(db, token)
        if row is None:
            raise Refused(404, "no_such_account", f"no account is called {token}")
        return Answer(200, row)

    def _operation(self, _: Request, reference: str) -> Answer:
        with self._book.transaction() as db:
            row = operation(db, reference)
        if row is None:
            raise Refused(404, "no_such_operation", f"nothing was ordered as {reference}")
        return Answer(200, self._shown(row))

    def _settlements(self, request: Request) -> Answer:
        since = request.query.get("since_us", "0")
        if not re.fullmatch(r"-?[0-9]{1,18}", since):
            raise Refused(422, "invalid_query", "since_us is an instant in microseconds")
        self._end_days()
        with self._book.transaction() as db:
            return Answer(200, {"settlements": settlements(db, int(since))})

    def _whole_book(self, request: Request) -> Answer:
        self._end_days()
        with self._book.transaction() as db:
            return Answer(200, whole_book(db, request.query.get("account")))

    def _waiting(self, _: Request, provider_ref: str) -> Answer:
        with self._book.transaction() as db:
            return Answer(200, self._shown(_by_provider_ref(db, provider_ref)))

    # Ordering

    def _open_account(self, request: Request) -> Answer:
        body = decode(request, AccountBody)
        with self._book.transaction() as db:
            return Answer(200, open_account(db, body.token, body.label, body.currency, body.balance_minor))

    def _mandate(self, request: Request) -> Answer:
        body = decode(request, MandateBody)
        limit = (body.limit_minor, body.currency)
        return self._order(
            request,
            lambda _: Order(
                "setup_mandate", body.reference, body.account, body.account, *limit, body.expires_at_us, body.return_url
            ),
        )

    def _revoke(self, request: Request, mandate: str) -> Answer:
        return self._order(request, plain_order("revoke_mandate", decode(request, PlainBody), "mandate", mandate))

    def _hold(self, request: Request) -> Answer:
        body = decode(request, HoldBody)
        order = Order("authorize", body.reference, body.mandate, body.account, body.amount_minor, body.currency)
        return self._order(request, lambda _: order)

    def _capture(self, request: Request, hold: str) -> Answer:
        return self._order(request, amount_order("capture", decode(request, AmountBody), "hold", hold))

    def _void(self, request: Request, hold: str) -> Answer:
        return self._order(request, plain_order("void", decode(request, PlainBody), "hold", hold))

    def _refund(self, request: Request, capture: str) -> Answer:
        return self._order(request, amount_order("refund", decode(request, AmountBody), "capture", capture))

    def _order(self, request: Request, make: Callable[[sqlite3.Connection], Order]) -> Answer:
        """Let an order take effect once per key, unless a fault comes first."""
        key = request.key
        if key is None or not 1 <= len(key) <= 200:
            raise Refused(400, "no_key", "send an Idempotency-Key of at most 200 characters")
        with self._book.transaction() as db:
            order = make(db)
            seen = db.execute("SELECT 1 FROM keys WHERE key = ?", (key,)).fetchone()
            fault = self._fault(db, order, is_new=seen is None)
        if fault in NO_EFFECT:
            return self._no_effect(key, order, fault)
        return self._take(key, order, fault)

    def _take(self, key: str, order: Order, fault: str | None) -> Answer:
        with self._book.transaction() as db:
            row = self._perform(db, key, order, fault)
        status = {"succeeded": 200, "declined": 402}.get(row["status"], 202)
        return Answer(status, self._shown(row), fault)

    def _fault(self, db: sqlite3.Connection, order: Order, *, is_new: bool) -> str | None:
        return next_fault(db, order.account, order.kind, is_new=is_new, seed=self._chance.seed, rate=self._chance.rate)

    def _perform(self, db: sqlite3.Connection, key: str, order: Order, fault: str | None) -> Row:
        seen = db.execute("SELECT * FROM keys WHERE key = ?", (key,)).fetchone()
        if seen is not None:
            if seen["fingerprint"] != order.fingerprint:
                raise Refused(400, "key_reused", "this key was used before, for something else")
            return operation(db, seen["reference"]) or {}
        row = perform(db, order, fault, self._clock.now_us())
        db.execute("INSERT INTO keys VALUES (?, ?, ?)", (key, order.fingerprint, order.reference))
        self._tell(db, row, fault)
        return row

    def _no_effect(self, key: str, order: Order, fault: str | None) -> Answer:
        if fault == "delayed":
            arrival = (self._clock.wall_us() + DELAY_US, lambda: self._take(key, order, None))
            with self._delayed_lock:
                self._delayed = [*self._delayed[-MAX_DELAYED + 1 :], arrival]
        if fault == "rate_limited":
            return Answer(429, _error("rate_limited", "too many requests"), fault)
        return Answer(500, _error("internal_error", "something broke"), fault)

    def _tell(self, db: sqlite3.Connection, row: Row, fault: str | None) -> None:
        if self._sender.target is not None and row["status"] in {"succeeded", "declined"}:
            now_us, wall_us = self._clock.now_us(), self._clock.wall_us()
            queue_notice(db, row["reference"], fault, at_us=now_us, wall_us=wall_us)

    # Deciding later

    def _confirm(self, _: Request, provider_ref: str) -> Answer:
        with self._book.transaction() as db:
            row = _by_provider_ref(db, provider_ref)
            decided = complete(db, row["reference"], self._clock.now_us()) or row
            if decided is not row:
                self._tell(db, decided, None)
        return Answer(200, self._shown(decided))

    def _script(self, request: Request) -> Answer:
        body = decode(request, ScriptBody)
        try:
            entries = [parse_entry(entry) for entry in body.next]
        except ValueError as error:
            raise Refused(422, "unknown_fault", str(error)) from error
        with self._book.transaction() as db:
            write_script(db, body.account, entries)
        return Answer(200, {"added": len(entries)})

    def _settle_notices(self, _: Request) -> Answer:
        """All that would happen later happens now: a lockstep story needs no waiting."""
        self._deliver_delayed(None)
        self._decide_pending(None)
        return Answer(200, dict(self._sender.send_all()))

    def _deliver_delayed(self, until_wall_us: int | None) -> None:
        with self._delayed_lock:
            due = [late for late in self._delayed if until_wall_us is None or late[0] <= until_wall_us]
            self._delayed = [late for late in self._delayed if late not in due]
        for _, arrive in due:
            # What it asks may have become wrong while it was on its way; nobody waits for the answer.
            with contextlib.suppress(Refused):
                arrive()

    def _decide_pending(self, until_us: int | None) -> None:
        with self._book.transaction() as db:
            rows = db.execute("SELECT reference, created_us FROM operations WHERE status = 'pending'").fetchall()
            for row in rows:
                if until_us is None or row["created_us"] <= until_us:
                    decided = complete(db, row["reference"], self._clock.now_us())
                    if decided is not None:
                        self._tell(db, decided, None)

    def _end_days(self) -> None:
        with self._book.transaction() as db:
            end_days(db, self._clock.now_us())

    def _shown(self, row: Row) -> Row:
        shown = {
            key: value for key, value in row.items() if key not in {"decline_kind", "code", "message", "return_url"}
        }
        if row["status"] == "declined":
            shown["decline"] = {"kind": row["decline_kind"], "code": row["code"], "message": row["message"]}
        if row["status"] == "requires_action":
            shown["url"] = f"{self.site}/authenticate/{row['id']}"
        return shown


def _by_provider_ref(db: sqlite3.Connection, provider_ref: str) -> Row:
    row: Row | None = db.execute("SELECT * FROM operations WHERE id = ?", (provider_ref,)).fetchone()
    if row is None:
        raise Refused(404, "no_such_operation", f"nothing is called {provider_ref}")
    return row


def _error(code: str, detail: str) -> dict[str, Any]:
    return {"error": {"code": code, "detail": detail}}
