"""A bank in a process of its own, somebody who takes its notices, and a customer."""

import json
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from payments.adapter import Authorize, Authorized, Capture, MandateActive, SetupMandate
from payments.adapters.sandbox import SandboxAdapter
from payments.money import Money

TOKEN = "pretend-token"
NOTICE_SECRET = "pretend-notice-secret"


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


@dataclass
class BankProcess:
    """`python -m simulators.bank` on a port it chose, with its book in `state`."""

    state: Path
    options: tuple[str, ...] = ()
    process: subprocess.Popen[str] = field(init=False)
    url: str = field(init=False)

    def start(self) -> None:
        command = [sys.executable, "-m", "simulators.bank", "--port", "0", "--state", str(self.state)]
        command += ["--token", TOKEN, "--notice-secret", NOTICE_SECRET, "--exit-with-parent", *self.options]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        ready = json.loads(self.process.stdout.readline())
        assert ready["ready"] is True
        self.url = f"http://127.0.0.1:{ready['port']}"

    def kill(self) -> None:
        """As a power cut would."""
        self.process.kill()
        self._wait()

    def stop(self) -> int:
        self.process.terminate()
        return self._wait()

    def end_parent(self) -> int:
        """Close the bank's standard input, as the death of its parent would."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self._wait()

    def post(self, path: str, **body: object) -> dict[str, Any]:
        answer = httpx.post(self.url + path, json=body, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60)
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def get(self, path: str) -> dict[str, Any]:
        answer = httpx.get(self.url + path, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60)
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def script(self, account: str, *entries: str) -> None:
        self.post("/script", account=account, next=list(entries))

    def _wait(self) -> int:
        status = self.process.wait(timeout=60)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()
        return status


class Customer:
    """Somebody with 100 EUR at the bank and a mandate; names are unique in the bank."""

    numbers = count(1)

    def __init__(self, bank: BankProcess, adapter: SandboxAdapter) -> None:
        self.bank = bank
        self.adapter = adapter
        self.token = f"customer-{next(self.numbers)}"
        bank.post("/accounts", token=self.token, currency="EUR", balance_minor=10_000)
        active = adapter.setup_mandate(SetupMandate(f"key-{self.token}", f"m-{self.token}", self.token, eur(50_000)))
        assert isinstance(active, MandateActive)
        self.mandate = active.mandate_ref

    def authorize(self, name: str = "a", minor: int = 3_000) -> Authorize:
        return Authorize(f"key-{name}-{self.token}", f"{name}-{self.token}", eur(minor), self.token, self.mandate)

    def capture(self, held: Authorized, name: str = "c", minor: int = 3_000) -> Capture:
        return Capture(f"key-{name}-{self.token}", f"{name}-{self.token}", eur(minor), held.provider_ref)

    def held(self, name: str = "a", minor: int = 3_000) -> Authorized:
        outcome = self.adapter.authorize(self.authorize(name, minor))
        assert isinstance(outcome, Authorized)
        return outcome

    def balance(self) -> int:
        minor = self.bank.get(f"/accounts/{self.token}")["balance_minor"]
        assert isinstance(minor, int)
        return minor


class NoticeInbox:
    """An HTTP server that takes notices, or refuses the first ones."""

    def __init__(self) -> None:
        self.taken: list[tuple[dict[str, str], bytes]] = []
        self.refuse = 0
        self.came = threading.Condition()
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with inbox.came:
                    refused = inbox.refuse > 0
                    inbox.refuse -= refused
                    if not refused:
                        inbox.taken.append((dict(self.headers), body))
                    inbox.came.notify_all()
                self.send_response(503 if refused else 204)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 — the parent's name
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/notices"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self._thread.start()

    def wait_for(self, number: int) -> list[tuple[dict[str, str], bytes]]:
        with self.came:
            assert self.came.wait_for(lambda: len(self.taken) >= number, timeout=60)
            return list(self.taken)

    def close(self) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()
