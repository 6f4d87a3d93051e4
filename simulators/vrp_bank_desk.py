"""The desk of the bank for variable recurring payments: requests in, answers out, no sockets."""

import re
import sqlite3
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from devices.clock import ClockFile, RealClock
from simulators.vrp_bank_book import Row, VrpBook, one
from simulators.vrp_bank_control import VrpControl
from simulators.vrp_bank_faults import NO_EFFECT, next_fault
from simulators.vrp_bank_jose import BankKey
from simulators.vrp_bank_notices import UPDATED, VrpNoticeSender
from simulators.vrp_bank_oauth import (
    Caller,
    authorise_page,
    caller_of,
    decide_page,
    give_token,
    is_committed,
)
from simulators.vrp_bank_orders import VrpOrders, no_effect
from simulators.vrp_bank_rules import (
    NOT_DECIDED,
    add_consent,
    consent_of,
    consent_shown,
    control_of,
    decide,
    make_id,
    pay,
    payment_row,
    payment_shown,
    refund,
    refund_shown,
    require_usable,
    set_consent,
)
from simulators.vrp_bank_shapes import (
    Answer,
    ConsentBody,
    FundsBody,
    PaymentBody,
    RefundBody,
    Refused,
    Request,
    instant,
    microseconds,
    read,
)
from simulators.vrp_bank_transactions import transactions

API = "/open-banking/v4.0/pisp"
WAIT_US = 60_000_000


class VrpDesk:
    """All that the bank does when asked, and what it does by itself (`tick`)."""

    def __init__(
        self, book: VrpBook, clock: RealClock | ClockFile, key: BankKey, sender: VrpNoticeSender, admin_token: str
    ) -> None:
        self._site = ""
        self._book = book
        self._clock = clock
        self._key = key
        self._sender = sender
        self._control = VrpControl(book, clock, sender, admin_token)
        self._orders = VrpOrders(book, clock)
        self._routes: tuple[tuple[str, str, Callable[..., Answer]], ...] = (
            ("GET", r"/healthz", lambda _: Answer(200, {"ok": True})),
            ("GET", r"/jwks\.json", lambda _: Answer(200, self._key.jwks())),
            ("POST", r"/token", self._token),
            ("GET", r"/authorize", self._page),
            ("POST", r"/authorize", self._decided),
            ("POST", rf"{API}/domestic-vrp-consents", self._ask_consent),
            ("GET", rf"{API}/domestic-vrp-consents/([^/]+)", self._consent),
            ("DELETE", rf"{API}/domestic-vrp-consents/([^/]+)", self._give_back),
            ("POST", rf"{API}/domestic-vrp-consents/([^/]+)/funds-confirmation", self._funds),
            ("POST", rf"{API}/domestic-vrps", self._pay),
            ("GET", rf"{API}/domestic-vrps", self._find_payment),
            ("GET", rf"{API}/domestic-vrps/([^/]+)(/payment-details)?", self._payment),
            ("POST", r"/operator/refunds", self._refund),
            ("GET", r"/operator/refunds", self._find_refund),
            ("GET", r"/operator/transactions", self._transactions),
            ("GET", r"/book", self._control.whole_book),
            ("POST", r"/control/accounts", self._control.open_account),
            ("POST", r"/control/accounts/([^/]+)/close", self._control.close_account),
            ("POST", r"/control/clients", self._control.add_client),
            ("POST", r"/control/script", self._control.script),
            ("POST", r"/control/consents/([^/]+)/revoke", self._control.revoke_in_app),
            ("POST", r"/control/expire-tokens", self._control.expire_tokens),
            ("POST", r"/control/forget-refresh-tokens", self._control.forget_refresh_tokens),
            ("POST", r"/control/settle", self._settle),
        )

    @property
    def site(self) -> str:
        """Where the bank is reached; also its name as an issuer."""
        return self._site

    @site.setter
    def site(self, site: str) -> None:
        self._site = site
        self._sender.issuer = site

    def answer(self, request: Request) -> Answer:
        """Answer one request; what is wrong with it is an answer too."""
        try:
            for method, pattern, handle in self._routes:
                if method == request.method and (match := re.fullmatch(pattern, request.path)):
                    if request.path.startswith(("/control/", "/book")):
                        self._control.require_token(request)
                    return handle(request, *(unquote(part or "") for part in match.groups()))
        except Refused as refused:
            return Answer(refused.status, refused.body)
        return Answer(404, {"Message": f"{request.method} {request.path}"})

    def tick(self) -> None:
        """What falls due by itself: late requests, payments on their way, notices."""
        self._orders.deliver_delayed(self._clock.wall_us())
        self._decide_waiting(self._clock.now_us() - WAIT_US)
        self._sender.send_due()

    # Who may ask

    def _token(self, request: Request) -> Answer:
        with self._book.transaction() as db:
            fault = next_fault(db, "*", "token")
        if fault in NO_EFFECT:
            return no_effect(fault)
        refused: Refused
        with self._book.transaction() as db:
            now_us, wall_us = self._clock.now_us(), self._clock.wall_us()
            try:
                return Answer(200, give_token(db, request, self.site, now_us=now_us, wall_us=wall_us), fault)
            except Refused as error:
                if not is_committed(error):
                    raise
                refused = error
        raise refused

    def _page(self, request: Request) -> Answer:
        with self._book.transaction() as db:
            return Answer(200, authorise_page(db, request, self.site, self._clock.now_us()))

    def _decided(self, request: Request) -> Answer:
        with self._book.transaction() as db:
            now_us, wall_us = self._clock.now_us(), self._clock.wall_us()
            answer, consent_id = decide_page(db, request, self.site, now_us=now_us, wall_us=wall_us)
            client = (one(db, "SELECT client FROM consents WHERE id = ?", consent_id) or {})["client"]
            self._sender.queue(db, client, UPDATED, "domestic-vrp-consent", consent_id, None, now_us)
        return answer

    # Consents

    def _ask_consent(self, request: Request) -> Answer:
        body = read(request, ConsentBody)

        def effect(db: sqlite3.Connection, caller: Caller, _fault: str | None) -> tuple[int, str]:
            consent_id = make_id("vrp-consent", caller.client, request.headers["x-idempotency-key"])
            row = add_consent(db, caller.client, consent_id, body.Data, self._clock.now_us())
            return 201, str(row["id"])

        return self._orders.take(request, "consent", "*", effect, self._shown_consent)

    def _consent(self, request: Request, consent_id: str) -> Answer:
        with self._book.transaction() as db:
            caller = caller_of(db, request, self._clock.wall_us())
            return Answer(200, consent_shown(db, self._aged(consent_of(db, caller.client, consent_id))))

    def _aged(self, row: Row) -> Row:
        ends = control_of(row).ValidToDateTime
        is_over = ends is not None and self._clock.now_us() >= microseconds(ends)
        return row | {"status": "EXPD"} if row["status"] == "AUTH" and is_over else row

    def _give_back(self, request: Request, consent_id: str) -> Answer:
        with self._book.transaction() as db:
            caller = caller_of(db, request, self._clock.wall_us())
            consent_of(db, caller.client, consent_id)
            fault = next_fault(db, "*", "revoke")
            if fault in NO_EFFECT:
                return no_effect(fault)
            set_consent(db, consent_id, "gone", None, self._clock.now_us())
        return Answer(204, None, fault)

    def _funds(self, request: Request, consent_id: str) -> Answer:
        body = read(request, FundsBody)
        with self._book.transaction() as db:
            caller = caller_of(db, request, self._clock.wall_us())
            self._orders.require_signed(db, request, caller)
            consent = consent_of(db, caller.client, consent_id)
            fault = next_fault(db, consent["account"] or "*", "funds")
            if fault in NO_EFFECT:
                return no_effect(fault)
            if caller.consent != consent_id or body.Data.ConsentId != consent_id:
                raise Refused(403, "U008", "the token is for another consent")
            require_usable(consent, self._clock.now_us())
            account = one(db, "SELECT * FROM accounts WHERE token = ?", consent["account"]) or {}
            minor = body.Data.InstructedAmount.minor
        is_there = minor <= account["balance_minor"] and not account["closed"]
        now = instant(self._clock.now_us())
        amount = {"Amount": body.Data.InstructedAmount.Amount, "Currency": body.Data.InstructedAmount.Currency}
        result = {"FundsAvailableDateTime": now, "FundsAvailable": "Available" if is_there else "NotAvailable"}
        data: dict[str, Any] = {"FundsConfirmationId": make_id("funds", consent_id, now), "ConsentId": consent_id}
        data |= {"CreationDateTime": now, "FundsAvailableResult": result, "InstructedAmount": amount}
        return Answer(201, {"Data": data}, fault)

    # Payments and refunds

    def _pay(self, request: Request) -> Answer:
        body = read(request, PaymentBody)
        with self._book.transaction() as db:
            consent = one(db, "SELECT account FROM consents WHERE id = ?", body.Data.ConsentId) or {"account": None}

        def effect(db: sqlite3.Connection, caller: Caller, fault: str | None) -> tuple[int, str]:
            if caller.consent != body.Data.ConsentId:
                raise Refused(403, "U008", "the token is for another consent")
            payment_id = make_id("vrp", caller.client, request.headers["x-idempotency-key"])
            row = consent_of(db, caller.client, body.Data.ConsentId)
            seen = self._clock.wall_us() + (WAIT_US if fault == "lookup_lag" else 0)
            made = pay(db, row, payment_id, body.Data, fault, now_us=self._clock.now_us(), seen=seen)
            self._tell_payment(db, made, fault)
            return 201, payment_id

        return self._orders.take(
            request, "payment", consent["account"] or "*", effect, lambda db, one_: payment_shown(payment_row(db, one_))
        )

    def _payment(self, request: Request, payment_id: str, details: str) -> Answer:
        with self._book.transaction() as db:
            caller = caller_of(db, request, self._clock.wall_us())
            row = payment_row(db, payment_id)
            if row["client"] != caller.client:
                raise Refused(400, "U011", f"no payment is called {payment_id}")
        if not details:
            return Answer(200, payment_shown(row))
        status = {"PaymentTransactionId": row["id"], "Status": row["status"]}
        return Answer(200, {"Data": {"PaymentStatus": [status | {"StatusUpdateDateTime": instant(row["created_us"])}]}})

    def _find_payment(self, request: Request) -> Answer:
        return self._find(request, "payments", payment_shown)

    def _find_refund(self, request: Request) -> Answer:
        return self._find(request, "refunds", refund_shown)

    def _find(self, request: Request, table: str, show: Callable[[Row], dict[str, object]]) -> Answer:
        """By the client's own name of it. The standard has no such thing: this is the bank's own."""
        with self._book.transaction() as db:
            caller = caller_of(db, request, self._clock.wall_us())
            fault = next_fault(db, "*", "lookup")
            if fault in NO_EFFECT:
                return no_effect(fault)
            row = one(
                db,
                f"SELECT * FROM {table} WHERE client = ? AND instruction = ? AND seen_from_wall_us <= ?",  # noqa: S608 — our names
                caller.client,
                request.query.get("InstructionIdentification", ""),
                self._clock.wall_us(),
            )
        return Answer(200, {"Data": [] if row is None else [show(row)["Data"]]}, fault)

    def _refund(self, request: Request) -> Answer:
        body = read(request, RefundBody)
        with self._book.transaction() as db:
            row = one(db, "SELECT account FROM payments WHERE id = ?", body.Data.DomesticVRPId) or {"account": "*"}

        def effect(db: sqlite3.Connection, caller: Caller, fault: str | None) -> tuple[int, str]:
            refund_id = make_id("refund", caller.client, request.headers["x-idempotency-key"])
            seen = self._clock.wall_us() + (WAIT_US if fault == "lookup_lag" else 0)
            refund(db, caller.client, refund_id, body.Data, now_us=self._clock.now_us(), seen=seen)
            return 201, refund_id

        return self._orders.take(
            request,
            "refund",
            row["account"],
            effect,
            lambda db, one_: refund_shown(one(db, "SELECT * FROM refunds WHERE id = ?", one_) or {}),
        )

    def _transactions(self, request: Request) -> Answer:
        since = request.query.get("since_us", "0")
        if not re.fullmatch(r"-?[0-9]{1,18}", since):
            raise Refused(400, "U002", "since_us is an instant in microseconds")
        with self._book.transaction() as db:
            caller = caller_of(db, request, self._clock.wall_us())
            return Answer(200, {"Data": {"Transaction": transactions(db, caller.client, int(since))}})

    def _shown_consent(self, db: sqlite3.Connection, consent_id: str) -> dict[str, object]:
        return consent_shown(db, one(db, "SELECT * FROM consents WHERE id = ?", consent_id) or {})

    def _tell_payment(self, db: sqlite3.Connection, row: Row, fault: str | None) -> None:
        if row["status"] not in NOT_DECIDED:
            now_us = self._clock.now_us()
            self._sender.queue(db, row["client"], UPDATED, "domestic-vrp", row["id"], fault, now_us)

    # What happens later

    def _settle(self, _: Request) -> Answer:
        """All that would happen later happens now: a lockstep story needs no waiting."""
        self._orders.deliver_delayed(None)
        self._decide_waiting(None)
        with self._book.transaction() as db:
            db.execute("UPDATE payments SET seen_from_wall_us = 0")
            db.execute("UPDATE refunds SET seen_from_wall_us = 0")
        return Answer(200, dict(self._sender.send_all()))

    def _decide_waiting(self, until_us: int | None) -> None:
        with self._book.transaction() as db:
            rows = db.execute("SELECT id, created_us FROM payments WHERE status IN ('PDNG', 'ACSP')").fetchall()
            for row in rows:
                if until_us is None or row["created_us"] <= until_us:
                    self._tell_payment(db, decide(db, row["id"], None, self._clock.now_us()), None)
