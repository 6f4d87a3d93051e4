"""HTTP/1.1 in front of the desk, and what can go wrong on a wire: cut, silent, slow, unreadable."""

import contextlib
import hmac
import html
import json
import traceback
from http.server import BaseHTTPRequestHandler
from socket import socket
from urllib.parse import parse_qsl, urlsplit

from simulators.bank_desk import Desk
from simulators.bank_shapes import Answer, Request
from simulators.bounded_server import BoundedServer

MAX_BODY = 65_536
IDLE_S = 60.0
SILENT_S = 120.0
SLOW_S = 2.0
OPEN_PAGES = ("/healthz", "/authenticate/")


class BankServer(BoundedServer):
    """The bank's desk behind its token. Raises OSError when the port is taken."""

    def __init__(self, port: int, desk: Desk, token: str) -> None:
        self.desk = desk
        self.token = token
        super().__init__(port, _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_S
    # Header and body leave in one packet; else Nagle's algorithm adds 40 ms to every answer.
    wbufsize = -1
    server: BankServer
    connection: socket

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 — the parent's name
        """Say nothing: the book is the log."""

    def _serve(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > MAX_BODY or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            self._send(Answer(413, {"error": {"code": "body_too_large", "detail": f"{MAX_BODY} bytes at most"}}))
            return
        body = self.rfile.read(int(length))
        url = urlsplit(self.path)
        if not url.path.startswith(OPEN_PAGES) and not self._is_known():
            self._send(Answer(401, {"error": {"code": "unauthorized", "detail": "send the bearer token"}}))
            return
        key = self.headers.get("Idempotency-Key")
        request = Request(self.command, url.path, dict(parse_qsl(url.query)), key, body)
        try:
            answer = self.server.desk.answer(request)
        except Exception:  # noqa: BLE001 — a request's outermost line: the traceback is shown, the bank goes on
            traceback.print_exc()
            answer = Answer(500, {"error": {"code": "internal_error", "detail": "see the bank's log"}})
        if url.path.startswith("/authenticate/") and answer.status == 200:
            self._send_page(answer)
        else:
            self._send_with_fault(answer)

    def _is_known(self) -> bool:
        given = self.headers.get("Authorization", "").encode()
        return hmac.compare_digest(given, f"Bearer {self.server.token}".encode())

    def _send_with_fault(self, answer: Answer) -> None:
        match answer.fault:
            case "drop_before" | "drop_after" | "delayed":
                self.close_connection = True
            case "timeout_before" | "timeout_after":
                self._stay_silent()
            case "500_after":
                self._send(Answer(500, {"error": {"code": "internal_error", "detail": "something broke"}}))
            case "garbage_after":
                self._write(200, "text/html", b"<html>Bad gateway")
            case "wrong_amount":
                self._send(Answer(answer.status, answer.body | {"amount_minor": answer.body["amount_minor"] + 1}))
            case "slow":
                self.server.stopping.wait(SLOW_S)
                self._send(answer)
            case _:
                self._send(answer)

    def _stay_silent(self) -> None:
        """Hold the connection without a word until the client gives up."""
        self.close_connection = True
        self.connection.settimeout(SILENT_S)
        with contextlib.suppress(OSError):
            self.connection.recv(1)

    def _send(self, answer: Answer) -> None:
        self._write(answer.status, "application/json", json.dumps(answer.body).encode())

    def _send_page(self, answer: Answer) -> None:
        amount = f"{answer.body['amount_minor']} minor units of {answer.body['currency']}"
        what = html.escape(f"{answer.body['kind']} of {amount} from {answer.body['account']}")
        asked = '<form method="post"><button>Confirm</button></form>'
        done = f"<p>It is {html.escape(answer.body['status'])}. You can close this page.</p>"
        rest = asked if answer.body["status"] == "requires_action" else done
        page = (
            f"<!doctype html><html lang=en><title>Pretend bank</title><h1>Pretend bank</h1><p>{what}</p>{rest}</html>"
        )
        self._write(200, "text/html; charset=utf-8", page.encode())

    def _write(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if status == 429:
            self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(body)
