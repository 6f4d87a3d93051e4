"""HTTP/1.1 in front of the desk for variable recurring payments, and what can go wrong on a wire."""

import contextlib
import json
import traceback
from http.server import BaseHTTPRequestHandler
from socket import socket
from urllib.parse import parse_qsl, urlsplit

from simulators.bounded_server import BoundedServer
from simulators.vrp_bank_desk import VrpDesk
from simulators.vrp_bank_shapes import Answer, Request

MAX_BODY = 65_536
IDLE_S = 60.0
SILENT_S = 120.0


class VrpServer(BoundedServer):
    """The desk, listening. Raises OSError when the port is taken."""

    def __init__(self, port: int, desk: VrpDesk) -> None:
        self.desk = desk
        super().__init__(port, _Handler)
        desk.site = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_S
    # Header and body leave in one packet; else Nagle's algorithm adds 40 ms to every answer.
    wbufsize = -1
    server: VrpServer
    connection: socket

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 — the parent's name
        """Say nothing: the book is the log."""

    def _serve(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > MAX_BODY or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            self._send(Answer(413, {"Message": f"{MAX_BODY} bytes at most"}))
            return
        body = self.rfile.read(int(length))
        url = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            answer = self.server.desk.answer(Request(self.command, url.path, dict(parse_qsl(url.query)), headers, body))
        except Exception:  # noqa: BLE001 — a request's outermost line: the traceback is shown, the bank goes on
            traceback.print_exc()
            answer = Answer(500, {"Message": "see the bank's log"})
        self._send_with_fault(answer)

    def _send_with_fault(self, answer: Answer) -> None:
        match answer.fault:
            case "drop_before" | "drop_after" | "delayed" | "lookup_lag":
                self.close_connection = True
            case "timeout_before" | "timeout_after":
                self._stay_silent()
            case "500_after":
                self._send(Answer(500, {"Message": "something broke"}))
            case "garbage_after":
                self._send(Answer(200, "<html>Bad gateway"))
            case "wrong_amount":
                told = json.dumps(answer.body).replace('"Amount": "', '"Amount": "1')
                self._send(Answer(answer.status, json.loads(told)))
            case _:
                self._send(answer)

    def _stay_silent(self) -> None:
        """Hold the connection without a word until the client gives up."""
        self.close_connection = True
        self.connection.settimeout(SILENT_S)
        with contextlib.suppress(OSError):
            self.connection.recv(1)

    def _send(self, answer: Answer) -> None:
        is_page = isinstance(answer.body, str)
        body = (
            b"" if answer.body is None else str(answer.body).encode() if is_page else json.dumps(answer.body).encode()
        )
        self.send_response(answer.status)
        self.send_header("Content-Type", "text/html; charset=utf-8" if is_page else "application/json")
        if answer.status != 204:
            self.send_header("Content-Length", str(len(body)))
        if answer.status == 429:
            self.send_header("Retry-After", "1")
        if interaction := self.headers.get("x-fapi-interaction-id", "")[:100]:
            self.send_header("x-fapi-interaction-id", interaction)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
