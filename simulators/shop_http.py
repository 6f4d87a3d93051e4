"""The pretend shop over HTTP: routes, the token, limits. JSON in and out; problems as problem+json.

A bounded number of connections, a thread each; a body and an idle connection have limits.
"""

import hmac
import logging
import re
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from typing import Any, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from simulators.shop_counter import Counter
from simulators.shop_notices import Notifier
from simulators.shop_requests import AnswerLost, HouseholdRequest, OrderRequest, Problem, QuoteRequest, ScriptRequest

MAX_BODY_BYTES = 256 * 1024
MAX_CONNECTIONS = 64
IDLE_TIMEOUT_S = 30.0
LOST_ANSWER_S = 2.0  # how long a customer waits in vain for an answer that is lost by script

log = logging.getLogger(__name__)

Request = TypeVar("Request", bound=msgspec.Struct)
Route = Callable[["ShopServer", "Call"], Any]


class Call(msgspec.Struct, frozen=True):
    """One request as a route sees it: what the path named, the query, the body."""

    named: tuple[str, ...]
    query: dict[str, list[str]]
    body: bytes

    def decode(self, kind: type[Request]) -> Request:
        """The body as that kind of request; raises a 400 that says what is wrong."""
        try:
            return msgspec.json.decode(self.body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Problem(400, "unreadable", str(error)) from error

    def number(self, name: str) -> int:
        """A whole number of the query, 0 where it is missing."""
        text = self.query.get(name, ["0"])[0]
        if not (text.isascii() and text.isdecimal() and len(text) <= 12):
            raise Problem(400, "unreadable", f"{name} is not a whole number")
        return int(text)


class ShopServer(ThreadingHTTPServer):
    """Listens on loopback; `port` 0 takes a free one."""

    daemon_threads = True

    def __init__(self, port: int, *, counter: Counter, notifier: Notifier | None, token: str) -> None:
        self.counter = counter
        self.notifier = notifier
        self.token = token
        self.stopping = threading.Event()
        self._free = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__(("127.0.0.1", port), ShopHandler)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 — as the base class has it
        """Give the connection a thread, or hang up when too many are open."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 — as the base class has it
        """Serve the connection and free its place."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: socket | tuple[bytes, socket], client_address: Any) -> None:  # noqa: ANN401, ARG002 — as the base class has it
        """A customer that hangs up is no error of the shop; what a route raises was logged where it was answered."""
        log.debug("connection of %s ended: %s", client_address, sys.exception())


def _settle_notices(server: ShopServer, _call: Call) -> dict[str, int]:
    return {"sent": 0, "failed": 0} if server.notifier is None else server.notifier.settle()


ROUTES: tuple[tuple[str, re.Pattern[str], Route], ...] = (
    ("GET", re.compile(r"/healthz"), lambda _server, _call: {"status": "ok"}),
    ("GET", re.compile(r"/catalogue"), lambda server, _call: server.counter.list_products()),
    ("POST", re.compile(r"/quotes"), lambda server, call: server.counter.quote(call.decode(QuoteRequest))),
    ("POST", re.compile(r"/orders"), lambda server, call: server.counter.place(call.decode(OrderRequest))),
    ("GET", re.compile(r"/orders/([^/]+)"), lambda server, call: server.counter.status(call.named[0])),
    ("POST", re.compile(r"/orders/([^/]+)/cancel"), lambda server, call: server.counter.cancel(call.named[0])),
    (
        "GET",
        re.compile(r"/doorstep/([^/]+)"),
        lambda server, call: server.counter.doorstep(call.named[0], call.number("after")),
    ),
    (
        "POST",
        re.compile(r"/households"),
        lambda server, call: server.counter.name_household(call.decode(HouseholdRequest)),
    ),
    ("POST", re.compile(r"/script"), lambda server, call: server.counter.script(call.decode(ScriptRequest))),
    ("POST", re.compile(r"/control/settle-notices"), _settle_notices),
)


class ShopHandler(BaseHTTPRequestHandler):
    """One connection."""

    server: ShopServer
    server_version = "Shop"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = IDLE_TIMEOUT_S
    # Small answers at once: without it the kernel waits 40 ms for a second packet on a kept-alive connection.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer a GET."""
        self._answer("GET")

    def do_POST(self) -> None:
        """Answer a POST."""
        self._answer("POST")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 — as the base class has it
        """Requests are not worth a line each."""
        log.debug(format, *args)

    def _answer(self, method: str) -> None:
        try:
            body = self._read_body()
            answer, status = self._route(method, body), 200
        except AnswerLost:
            self.server.stopping.wait(LOST_ANSWER_S)
            self.close_connection = True
            return
        except Problem as problem:
            status = problem.status
            answer = {"status": status, "code": problem.code, "title": problem.code, "detail": problem.detail}
        except Exception:  # the request's outermost line
            log.exception("%s %s failed", method, self.path)
            status = 500
            answer = {"status": status, "code": "internal", "title": "internal", "detail": "The shop has a fault."}
        payload = msgspec.json.encode(answer)
        self.send_response(status)
        self.send_header("content-type", "application/json" if status == 200 else "application/problem+json")
        self.send_header("content-length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def _read_body(self) -> bytes:
        length = self.headers.get("content-length", "0")
        if not (length.isascii() and length.isdecimal()) or "transfer-encoding" in self.headers:
            self.close_connection = True
            raise Problem(411, "length_required", "State the length of the body.")
        if int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            raise Problem(413, "too_large", f"A body has at most {MAX_BODY_BYTES} bytes.")
        return self.rfile.read(int(length))

    def _route(self, method: str, body: bytes) -> Any:  # noqa: ANN401 — any answer that is JSON
        address = urlsplit(self.path)
        if address.path != "/healthz":
            self._check_token()
        found_path = False
        for route_method, pattern, serve in ROUTES:
            match = pattern.fullmatch(address.path)
            if match is None:
                continue
            found_path = True
            if route_method == method:
                named = tuple(unquote(part) for part in match.groups())
                return serve(self.server, Call(named, parse_qs(address.query), body))
        if found_path:
            raise Problem(405, "method_not_allowed", f"{method} is not possible here.")
        raise Problem(404, "no_such_page", "There is nothing at this address.")

    def _check_token(self) -> None:
        given = self.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode("utf-8", "replace"), f"Bearer {self.server.token}".encode()):
            raise Problem(401, "not_authenticated", "The token is missing or wrong.")
