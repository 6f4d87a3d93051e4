"""The bank and the shop of a town as a test sees them: what is to go wrong next, and their own books."""

from pathlib import Path
from typing import Any, TypeAlias

import httpx

from tests.e2e.programs import simulator

START_WITHIN_S = 120
ASK_WITHIN_S = 120
Answer: TypeAlias = Any
"""What a body of JSON holds."""

SECRET = "a-secret-of-the-town"


class Outside:
    """A bank or a shop: a process that keeps its book in a folder and answers over HTTP."""

    def __init__(self, name: str, folder: Path, options: list[str]) -> None:
        arguments = ["--port", "0", "--state", str(folder / name), "--clock", str(folder / "clock.json")]
        arguments += ["--token", SECRET, *options]
        self.program = simulator(name, arguments, folder / f"{name}.log")
        self.url = ""
        self._http: httpx.Client | None = None

    def start(self) -> None:
        """Start it; it listens when this returns."""
        self.program.start()
        self.url = f"http://127.0.0.1:{self.program.read(START_WITHIN_S)['port']}"
        headers = {"authorization": f"Bearer {SECRET}"}
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=ASK_WITHIN_S, trust_env=False)

    def stop(self) -> None:
        """Stop it; its book stays."""
        if self._http is not None:
            self._http.close()
        self.program.stop()

    def get(self, path: str, **query: str | int) -> Answer:
        """Ask for something."""
        return self._client.get(path, params=query).raise_for_status().json()

    def post(self, path: str, body: dict[str, Any] | None = None) -> Answer:
        """Tell it something."""
        return self._client.post(path, json=body or {}).raise_for_status().json()

    def send_notices(self) -> dict[str, int]:
        """Let it tell the gateway all that is due; returns how many notices were taken and how many were not."""
        told: dict[str, int] = self.post("/control/settle-notices")
        return told

    @property
    def _client(self) -> httpx.Client:
        assert self._http is not None, "it is started first"
        return self._http


class Bank(Outside):
    """The sandbox bank."""

    def __init__(self, folder: Path, notify: str) -> None:
        target = f"{notify}/notices/payment/sandbox"
        super().__init__("bank", folder, ["--notify", target, "--notice-secret", SECRET])

    def open_account(self, token: str, balance_minor: int) -> None:
        """Open an account with so much in it."""
        self.post("/accounts", {"token": token, "currency": "EUR", "balance_minor": balance_minor})

    def next(self, account: str, *faults: str) -> None:
        """Decide what goes wrong with an account next, such as "authorize:decline" (simulators/bank_faults.py)."""
        self.post("/script", {"account": account, "next": list(faults)})

    def book(self) -> dict[str, Any]:
        """All that the bank has written down."""
        book: dict[str, Any] = self.get("/book")
        return book


class Shop(Outside):
    """The simulated shop."""

    def __init__(self, folder: Path, notify: str, shop_id: str, seed: int) -> None:
        target = f"{notify}/notices/merchant/{shop_id}"
        super().__init__("shop", folder, ["--notify", target, "--seed", str(seed), "--faults", "none"])

    def introduce(self, household_id: str, name: str) -> None:
        """Tell it a household's name, on which its story depends, not on an id made by chance."""
        self.post("/households", {"household_ref": household_id, "name": name})

    def next(self, household_id: str, *outcomes: str) -> None:
        """Decide what becomes of a household's next orders, such as "late" (simulators/shop_story.py)."""
        self.post("/script", {"household_ref": household_id, "next": list(outcomes)})

    def order(self, reference: str) -> dict[str, Any]:
        """Where an order stands, with its parcels."""
        order: dict[str, Any] = self.get(f"/orders/{reference}")
        return order

    def doorstep(self, household_id: str) -> list[dict[str, Any]]:
        """All that was ever put at a household's door."""
        items: list[dict[str, Any]] = []
        while page := self.get(f"/doorstep/{household_id}", after=len(items))["items"]:
            items += page
        return items
