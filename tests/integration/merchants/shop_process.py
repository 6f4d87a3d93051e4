"""The real shop as a process with a stepped clock, and servers that listen to it or lie in its place."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import httpx

from devices.clock import ClockSetting, write_clock
from gateway.merchants.context import MerchantContext
from gateway.merchants.http_shop import HttpShop
from gateway.steps.ports import Accepted, Offer, OrderStatus, PlaceLine, Refused, WantedLine

MONDAY_US = 1_772_442_000_000_000  # 2026-03-02 09:00 UTC
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
TOKEN = "shop-token"


def connect(base_url: str, **settings: str | float) -> HttpShop:
    """The adapter to a shop at an address."""
    context = MerchantContext(settings={"base_url": base_url, **settings}, secret=TOKEN, currency="EUR")
    return HttpShop(context)


class ShopProcess:
    """`python -m simulators shop` over a folder that outlives it; use it as a context."""

    def __init__(self, folder: Path, *, seed: int = 1, faults: str = "none", notify: str | None = None) -> None:
        self.folder = folder
        self.clock = folder / "clock.json"
        self.now_us = MONDAY_US
        self._options = ["--seed", str(seed), "--faults", faults]
        if notify is not None:
            self._options += ["--notify", notify]
        folder.mkdir(parents=True, exist_ok=True)
        self.set_clock(MONDAY_US)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        command = [sys.executable, "-m", "simulators", "shop", "--port", "0", "--state", str(self.folder / "state")]
        command += ["--clock", str(self.clock), "--token", TOKEN, "--exit-with-parent", *self._options]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        ready = json.loads(self.process.stdout.readline())
        assert ready["ready"] is True
        self.base_url = f"http://127.0.0.1:{ready['port']}"
        self.merchant = connect(self.base_url)
        self.http = httpx.Client(base_url=self.base_url, headers={"authorization": f"Bearer {TOKEN}"}, trust_env=False)

    def stop(self) -> int:
        """Stop it by SIGTERM and return its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        return self._wait()

    def kill(self) -> None:
        self.process.kill()
        self._wait()

    def leave(self) -> int:
        """Close its input, as a parent that died does."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self._wait()

    def _wait(self) -> int:
        status = self.process.wait(timeout=60)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        self.merchant.close()
        self.http.close()
        return status

    # Time

    def set_clock(self, now_us: int) -> None:
        self.now_us = now_us
        write_clock(self.clock, ClockSetting(real_anchor_us=0, sim_anchor_us=now_us, speed=0))

    def pass_days(self, days: float) -> None:
        self.set_clock(self.now_us + round(days * DAY_US))

    # What a test wants of it

    def script(self, household_ref: str, *outcomes: str) -> None:
        self.http.post("/script", json={"household_ref": household_ref, "next": outcomes}).raise_for_status()

    def name_household(self, household_ref: str, name: str) -> None:
        self.http.post("/households", json={"household_ref": household_ref, "name": name}).raise_for_status()

    def settle_notices(self) -> dict[str, int]:
        return self.http.post("/control/settle-notices").raise_for_status().json()

    def doorstep(self, household_ref: str, after: int = 0) -> list[dict[str, Any]]:
        answer = self.http.get(f"/doorstep/{household_ref}", params={"after": after}).raise_for_status().json()
        return answer["items"]

    def catalogue(self) -> dict[str, dict[str, Any]]:
        answer = self.http.get("/catalogue").raise_for_status().json()
        return {item["sku"]: item for item in answer["items"]}

    def status(self, reference: str) -> OrderStatus:
        found = self.merchant.status(reference)
        assert isinstance(found, OrderStatus)
        return found

    def offers(self, kind: str = "milk", unit: str = "l") -> list[Offer]:
        """What can be had now, the cheapest by quantity first."""
        quote = self.merchant.quote((WantedLine(kind, unit, None, 1),))
        return [offer for offer in quote.lines[0].alternatives if offer.in_stock]

    def order(
        self, reference: str, household_ref: str = "home", *, packs: int = 2, kind: str = "milk", unit: str = "l"
    ) -> Accepted | Refused:
        """Order the cheapest of a kind, as quoted this moment."""
        quote = self.merchant.quote((WantedLine(kind, unit, None, packs),))
        offer = next(offer for offer in quote.lines[0].alternatives if offer.in_stock)
        return self.merchant.place(
            reference=reference,
            household_ref=household_ref,
            quote_ref=quote.quote_ref,
            lines=(PlaceLine(f"{reference}-1", offer.sku, packs, offer.unit_price_minor),),
            total_minor=packs * offer.unit_price_minor + quote.delivery_price_minor,
        )


@dataclass
class Received:
    """One request that a listening server got."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Answering = Callable[[Received], tuple[int, bytes]]


@dataclass
class Listener:
    """A server in this process that keeps what it is sent and answers as told; use it as a context."""

    answer: Answering = lambda _request: (204, b"")
    received: list[Received] = field(default_factory=list)

    def __enter__(self) -> Self:
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", "0")))
                request = Received(self.command, self.path, dict(self.headers.items()), body)
                listener.received.append(request)
                status, payload = listener.answer(request)
                # A client that lost its patience is gone by now.
                with suppress(ConnectionError):
                    self.send_response(status)
                    self.send_header("content-length", str(len(payload)))
                    self.end_headers()
                    self.wfile.write(payload)

            do_GET = do_POST  # noqa: N815 — http.server finds it by this name

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.base_url = f"http://127.0.0.1:{self._server.server_port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
