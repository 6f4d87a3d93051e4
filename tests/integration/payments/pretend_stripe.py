"""localstripe as a process of its own, and in front of it what it lacks of Stripe, and all that goes wrong on the way.

localstripe takes every key as new, knows no Checkout, no funds, no pay-outs with their lines, lists no payments of one
customer, captures what was cancelled, gives back more than was taken, and answers an off-session payment that wants
the customer with 200. This proxy answers as Stripe's documentation says (docs.stripe.com/api, /error-low-level,
/api/idempotent_requests); the SetupIntents, PaymentIntents, captures, cancellations and refunds behind it are
localstripe's own.
"""

import json
import socket
import subprocess
import sys
import threading
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx

Json: TypeAlias = dict[str, Any]
Fault = Literal[
    "drop_before",  # the connection breaks before the request arrives
    "drop_after",  # it takes effect, and the connection breaks
    "hang",  # it takes effect, and no answer comes
    "500_before",  # it has no effect, and its key answers 500 for ever
    "500_after",  # it takes effect, and its key answers 500 for ever
    "429",
    "409",
    "401",
]
CARD = "4242424242424242"
CARD_THAT_WANTS_THE_CUSTOMER = "4000002760003184"
CARD_THAT_IS_DECLINED = "4000000000000341"
IBAN = "DE89370400440532013000"
IBAN_THAT_FAILS = "DE62370400440532013001"
CAPTURE_BEFORE_S = 1_800_000_000
FEE_MINOR = 25
WANTS_CUSTOMER = {
    "code": "authentication_required",
    "decline_code": "authentication_required",
    "message": "Your card was declined. This transaction requires authentication.",
}
NO_FUNDS = {
    "code": "card_declined",
    "decline_code": "insufficient_funds",
    "message": "Your card has insufficient funds.",
}


class Dropped(Exception):
    """The connection breaks here."""


@contextmanager
def localstripe() -> Iterator[str]:
    """Run localstripe on a port of its own; yields its address."""
    with socket.socket(socket.AF_INET6) as free:
        free.bind(("::", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-m", "localstripe", "--from-scratch", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            waited = threading.Event()
            for _ in range(1000):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                waited.wait(0.02)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


class PretendStripe:
    """The proxy. `faults` are met one each by the next requests that change something."""

    def __init__(self, behind: str) -> None:
        self.http = httpx.Client(base_url=behind, auth=("sk_test_12345", ""), trust_env=False)
        self.http.delete("/_config/data")
        self.faults: deque[Fault] = deque()
        self.requests: list[tuple[str, str, str]] = []
        """(method, path, body) of all that came."""
        self.versions: list[str] = []
        """The version of its interface that each asked for."""
        self.wallet: str | None = None
        """The kind of wallet that the customers' cards are in."""
        self.funds: dict[str, int] = {}
        """What each customer has; who is not named has no end of it."""
        self.answers: dict[str, tuple[str, int, Json]] = {}
        self.sessions: dict[str, Json] = {}
        self.disputes: list[Json] = []
        self.returned: set[str] = set()
        self.payouts: list[tuple[Json, list[Json]]] = []
        self.taken: dict[str, int] = {}
        self._refused: dict[str, Json] = {}
        self._confirming: dict[str, str] = {}
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._lock = threading.RLock()
        self._released = threading.Event()
        handler = type("Handler", (_Handler,), {"stripe": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def close(self) -> None:
        """Stop; what hangs is let go."""
        self._released.set()
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()
        self.http.close()

    # What a test does as the customer, or as Stripe

    def choose(self, page_url: str, number: str = CARD, *, funds: int | None = None) -> str:
        """Fill in the page as the customer does; returns the customer's id at Stripe."""
        session = self.sessions[page_url.rsplit("/", 1)[1]]
        data = {
            "type": "card",
            "card[exp_month]": "12",
            "card[exp_year]": "2030",
            "card[cvc]": "123",
            "card[number]": number,
        }
        if number[:2].isalpha():
            data = {"type": "sepa_debit", "sepa_debit[iban]": number}
        form = {f"payment_method_data[{key.replace('[', '][', 1).rstrip(']')}]": value for key, value in data.items()}
        intent = self._behind("POST", f"/v1/setup_intents/{session['setup_intent']}/confirm", form)
        if intent["status"] == "requires_action":  # the bank asks, and the customer says yes
            intent = self._behind("POST", f"/v1/setup_intents/{session['setup_intent']}/confirm", {})
        self._behind(
            "POST", f"/v1/payment_methods/{intent['payment_method']}/attach", {"customer": session["customer"]}
        )
        session["status"], session["url"] = "complete", None
        if funds is not None:
            self.funds[session["customer"]] = funds
        return str(session["customer"])

    def lapse(self, page_url: str) -> None:
        """Let a page end that nobody filled in."""
        self.sessions[page_url.rsplit("/", 1)[1]].update(status="expired", url=None)

    def confirm(self, page_url: str, *, success: bool = True) -> None:
        """Confirm one payment at the bank, or fail to."""
        intent_id = page_url.rsplit("/", 1)[1]
        intent = self._behind("GET", f"/v1/payment_intents/{intent_id}")
        del self._refused[intent_id], self._confirming[intent_id]
        form = {"client_secret": intent["client_secret"], "success": str(success).lower()}
        self._behind("POST", f"/v1/payment_intents/{intent_id}/_authenticate", form)

    def lapse_hold(self, intent_id: str) -> None:
        """Let Stripe cancel a hold that nobody captured in time."""
        self._behind("POST", f"/v1/payment_intents/{intent_id}/cancel", {})

    def pay_out(self, at_s: int) -> Json:
        """Pay out all that was taken and given back since the last time."""
        paid = {line["id"] for _, lines in self.payouts for line in lines}
        lines = [line for line in self._lines() if line["id"] not in paid]
        amount = sum(line["amount"] - line["fee"] for line in lines)
        payout = {"id": f"po_{len(self.payouts) + 1}", "object": "payout", "amount": amount, "currency": "eur"}
        payout |= {"arrival_date": at_s, "status": "paid"}
        self.payouts.append((payout, lines))
        return payout

    def return_refund(self, refund_id: str) -> None:
        """Let the customer's bank send back a refund that had succeeded."""
        self.returned.add(refund_id)

    def dispute(self, intent_id: str, reason: str, *, status: str = "lost", minor: int | None = None) -> None:
        """Let the customer's bank take a debit back, or a part of it."""
        _, intent = self._intent(intent_id)
        dispute = {
            "id": f"du_{len(self.disputes) + 1}",
            "object": "dispute",
            "amount": minor or intent["amount_received"],
        }
        dispute |= {"payment_intent": intent_id, "reason": reason, "status": status, "currency": intent["currency"]}
        self.disputes = [one for one in self.disputes if one["payment_intent"] != intent_id] + [dispute]

    def decide(self) -> None:
        """Wait until localstripe has decided every direct debit."""
        waited = threading.Event()
        for _ in range(500):
            if all(one["status"] != "processing" for one in self.intents()):
                return
            waited.wait(0.02)

    def intents(self) -> list[Json]:
        """Every payment there is."""
        found = self._behind("GET", "/v1/payment_intents?limit=100")["data"]
        return [self._dressed(intent) for intent in found]

    @property
    def debited_minor(self) -> int:
        """What left the customers' accounts, less what came back."""
        took = sum(one["amount_received"] for one in self.intents() if one["status"] == "succeeded")
        return took - sum(one["amount"] for one in self._refunds())

    # How it answers

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: str) -> tuple[int, Json]:
        """Answer one request, or meet a fault; raises Dropped."""
        url = urlsplit(target)
        query = dict(parse_qsl(url.query))
        self.requests.append((method, url.path, body))
        self.versions.append(headers.get("Stripe-Version", ""))
        if method == "GET":
            with self._lock:
                return self._look(url.path, query)
        key = headers["Idempotency-Key"]
        with self._locks[key]:
            return self._once(key, url.path, body)

    def _once(self, key: str, path: str, body: str) -> tuple[int, Json]:
        asked = f"{path}?{body}"
        if key in self.answers:
            before, status, said = self.answers[key]
            if before != asked:
                text = "Keys for idempotent requests can only be used with the same parameters."
                return 400, {"error": {"type": "idempotency_error", "message": text}}
            return status, said
        fault = self.faults.popleft() if self.faults else None
        if fault == "drop_before":
            raise Dropped
        if fault in {"429", "409", "401"}:
            return int(fault), {"error": {"type": "invalid_request_error", "message": "not now"}}
        failure: Json = {"error": {"type": "api_error", "message": "Something went wrong on Stripe's end."}}
        if fault == "500_before":
            self.answers[key] = (asked, 500, failure)
            return 500, failure
        with self._lock:
            status, said = self._act(path, dict(parse_qsl(body)))
        if fault == "500_after":
            status, said = 500, failure
        if status < 400 or status in {402, 500}:  # what was refused as wrong was never begun, and its key is free
            self.answers[key] = (asked, status, said)
        if fault == "hang":
            self._released.wait(5)
        if fault in {"drop_after", "hang"}:
            raise Dropped
        return status, said

    def _act(self, path: str, form: dict[str, str]) -> tuple[int, Json]:  # noqa: PLR0911 — one line an endpoint
        form = {name: value for name, value in form.items() if not name.startswith("expand")}
        types = form.pop("allowed_payment_method_types[0]", "card")
        match path.strip("/").split("/"):
            case ["v1", "checkout", "sessions"]:
                return self._open_page(form, types)
            case ["v1", "payment_intents"]:
                return self._pay(form)
            case ["v1", "payment_intents", intent_id, "confirm"] if intent_id in self._refused:
                self._confirming[intent_id] = f"{self.url}/authenticate/{intent_id}"
                return self._intent(intent_id)
            case ["v1", "payment_intents", intent_id, "capture"]:
                return self._capture(intent_id, form)
            case ["v1", "payment_intents", intent_id, "cancel"]:
                self._refused.pop(intent_id, None)
                self._confirming.pop(intent_id, None)
                return self._cancel(intent_id, form)
            case ["v1", "refunds"]:
                return self._refund(form)
            case _:
                return self._forward("POST", path, form)

    def _look(self, path: str, query: dict[str, str]) -> tuple[int, Json]:  # noqa: PLR0911 — one line an endpoint
        match path.strip("/").split("/"):
            case ["v1", "checkout", "sessions"]:
                return 200, _list([one for one in self.sessions.values() if one["customer"] == query["customer"]])
            case ["v1", "checkout", "sessions", session_id]:
                return 200, self._page(session_id)
            case ["v1", "payment_intents"]:
                return 200, _list([one for one in self.intents() if one["customer"] == query["customer"]])
            case ["v1", "payment_intents", intent_id]:
                return self._intent(intent_id)
            case ["v1", "refunds"]:
                return 200, _list([one for one in self._refunds() if one["payment_intent"] == query["payment_intent"]])
            case ["v1", "refunds", refund_id] if refund_id in self.returned:
                status, said = self._forward("GET", path, {})
                failed = {"status": "failed", "failure_reason": "expired_or_canceled_card"}
                return status, said | failed | {"failure_balance_transaction": "txn_1PgaxNB7WZ01zgkWEV3TLf40"}
            case ["v1", "disputes"]:
                return 200, _list([one for one in self.disputes if one["payment_intent"] == query["payment_intent"]])
            case ["v1", "payouts"]:
                since = int(query["arrival_date[gte]"])
                return 200, _list([one for one, _ in self.payouts if one["arrival_date"] >= since])
            case ["v1", "balance_transactions"]:
                return 200, _list(next(lines for one, lines in self.payouts if one["id"] == query["payout"]))
            case _:
                return self._forward("GET", path, {})

    def _open_page(self, form: dict[str, str], types: str) -> tuple[int, Json]:
        metadata = {name.removeprefix("setup_intent_data"): value for name, value in form.items() if "data[m" in name}
        wanted = {f"metadata{name.removeprefix('[metadata]')}": value for name, value in metadata.items()}
        intent = self._behind(
            "POST", "/v1/setup_intents", {"customer": form["customer"], "payment_method_types[]": types, **wanted}
        )
        session_id = f"cs_test_{len(self.sessions) + 1}"
        self.sessions[session_id] = {
            "id": session_id,
            "object": "checkout.session",
            "mode": form["mode"],
            "customer": form["customer"],
            "client_reference_id": form["client_reference_id"],
            "setup_intent": intent["id"],
            "status": "open",
            "success_url": form["success_url"],
            "url": f"{self.url}/pay/{session_id}",
        }
        return 200, self.sessions[session_id]

    def _page(self, session_id: str) -> Json:
        session = dict(self.sessions[session_id])
        intent = self._behind("GET", f"/v1/setup_intents/{session['setup_intent']}")
        if intent["payment_method"] is not None:
            method = self._behind("GET", f"/v1/payment_methods/{intent['payment_method']}")
            if self.wallet is not None:
                method["card"]["wallet"] = {"type": self.wallet, "dynamic_last4": "9999"}
            intent["payment_method"] = method
        return session | {"setup_intent": intent}

    def _pay(self, form: dict[str, str]) -> tuple[int, Json]:
        has = self.funds.get(form["customer"])
        is_card = form["capture_method"] == "manual"
        if is_card and has is not None and int(form["amount"]) > has:
            del form["confirm"], form["off_session"]
            return self._refuse(self._behind("POST", "/v1/payment_intents", form)["id"], NO_FUNDS)
        status, said = self._forward("POST", "/v1/payment_intents", form)
        if status == 402:  # localstripe names the charge alone
            intents = self._behind("GET", "/v1/payment_intents?limit=100")["data"]
            (made,) = [one for one in intents if (one["latest_charge"] or {}).get("id") == said["error"]["charge"]]
            return 402, {"error": said["error"] | {"type": "card_error", "payment_intent": self._dressed(made)}}
        if status != 200:
            return status, said
        if said["status"] == "requires_action":
            return self._refuse(said["id"], WANTS_CUSTOMER)
        if is_card and has is not None:
            self.funds[form["customer"]] = has - int(form["amount"])
        return 200, self._dressed(said)

    def _refuse(self, intent_id: str, why: Json) -> tuple[int, Json]:
        self._refused[intent_id] = why
        return 402, {"error": {"type": "card_error", **why, "payment_intent": self._intent(intent_id)[1]}}

    def _capture(self, intent_id: str, form: dict[str, str]) -> tuple[int, Json]:
        if self._intent(intent_id)[1].get("status") == "canceled":
            text = "This PaymentIntent could not be captured because it has a status of canceled."
            code = "payment_intent_unexpected_state"
            return 400, {"error": {"type": "invalid_request_error", "code": code, "message": text}}
        status, said = self._forward("POST", f"/v1/payment_intents/{intent_id}/capture", form)
        if status == 200:
            self.taken[intent_id] = int(form["amount_to_capture"])
            self._give(said["customer"], said["amount"] - self.taken[intent_id])
        return (status, self._dressed(said)) if status == 200 else (status, said)

    def _cancel(self, intent_id: str, form: dict[str, str]) -> tuple[int, Json]:
        status, said = self._forward("POST", f"/v1/payment_intents/{intent_id}/cancel", form)
        if status == 200 and said["latest_charge"] is not None:
            self._give(said["customer"], said["amount"])
        return (status, self._dressed(said)) if status == 200 else (status, said)

    def _refund(self, form: dict[str, str]) -> tuple[int, Json]:
        status, intent = self._intent(form["payment_intent"])
        if status != 200:
            return status, intent
        back = sum(one["amount"] for one in self._refunds() if one["payment_intent"] == form["payment_intent"])
        if back + int(form["amount"]) > intent["amount_received"]:
            text = "Refund amount is greater than unrefunded amount on charge"
            return 400, {"error": {"type": "invalid_request_error", "message": text}}
        status, said = self._forward("POST", "/v1/refunds", form)
        if status == 200:
            self._give(intent["customer"], said["amount"])
        return status, said

    def _give(self, customer: str, minor: int) -> None:
        if customer in self.funds:
            self.funds[customer] += minor

    def _intent(self, intent_id: str) -> tuple[int, Json]:
        status, said = self._forward("GET", f"/v1/payment_intents/{intent_id}", {})
        return (200, self._dressed(said)) if status == 200 else (status, said)

    def _dressed(self, intent: Json) -> Json:
        """Return one of localstripe's intents with what Stripe says besides."""
        dressed = dict(intent)
        is_taken = intent["status"] == "succeeded"
        dressed["amount_received"] = self.taken.get(intent["id"], intent["amount"]) if is_taken else 0
        if intent["latest_charge"] is not None:
            details = {"card": {"capture_before": CAPTURE_BEFORE_S}} if intent["capture_method"] == "manual" else {}
            disputed = any(one["payment_intent"] == intent["id"] for one in self.disputes)
            dressed["latest_charge"] = intent["latest_charge"] | {
                "payment_method_details": details,
                "disputed": disputed,
            }
        if intent["id"] in self._confirming:
            url = {"url": self._confirming[intent["id"]]}
            dressed |= {"status": "requires_action", "next_action": {"type": "redirect_to_url", "redirect_to_url": url}}
        elif intent["id"] in self._refused:
            why = self._refused[intent["id"]]
            dressed |= {"status": "requires_payment_method", "next_action": None, "last_payment_error": why}
        return dressed

    def _refunds(self) -> list[Json]:
        """Every refund that was asked for: localstripe writes one too where a part of a hold is captured."""
        return [one for one in self._behind("GET", "/v1/refunds?limit=100")["data"] if one["payment_intent"]]

    def _lines(self) -> Iterator[Json]:
        intents = {one["latest_charge"]["id"]: one for one in self.intents() if one["latest_charge"]}
        refunds = {one["id"]: one for one in self._refunds()}
        for line in self._behind("GET", "/v1/balance_transactions?limit=100")["data"]:
            if line["source"] in refunds:
                yield line | {"source": refunds[line["source"]]}
            elif line["source"] in intents:
                intent = intents[line["source"]]
                charge = intent["latest_charge"] | {"metadata": intent["metadata"], "payment_intent": intent["id"]}
                yield line | {"source": charge, "amount": intent["amount_received"], "fee": FEE_MINOR}

    def _behind(self, method: str, path: str, form: dict[str, str] | None = None) -> Json:
        status, said = self._forward(method, path, form or {})
        assert status == 200, (path, said)
        return said

    def _forward(self, method: str, path: str, form: dict[str, str]) -> tuple[int, Json]:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = self.http.request(method, path, content=urlencode(form) if method == "POST" else None, headers=headers)
        try:
            return answer.status_code, answer.json()
        except json.JSONDecodeError:
            return answer.status_code, {"error": {"type": "api_error", "message": answer.text}}


class _Handler(BaseHTTPRequestHandler):
    stripe: PretendStripe
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def _serve(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        try:
            status, said = self.stripe.answer(method, self.path, self.headers, body)  # type: ignore[arg-type]
        except Dropped:
            self.close_connection = True
            return
        content = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _list(rows: list[Json]) -> Json:
    return {"object": "list", "data": rows, "has_more": False, "url": "/v1/list"}
