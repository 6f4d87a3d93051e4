"""The pretend bank for variable recurring payments in a thread, the operator at it, and customers who walk its page."""

import html
import re
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from payments.adapter import (
    Authorize,
    Authorized,
    Capture,
    MandateActive,
    Refund,
    RequiresAction,
    SetupMandate,
    SetupMandateOutcome,
)
from payments.adapters.openbanking import OpenBankingAdapter
from payments.memory import MemoryContext, MemoryState
from payments.money import Money
from payments.transport import HttpxClient
from simulators.vrp_bank import VrpBank
from simulators.vrp_bank_jose import public_jwk
from tests.fakes import FakeClock

ADMIN = "pretend-admin"
CLIENT = "replenish-test"
REDIRECT = "https://home.example/money/returned/openbanking"
KEY, BANK_KEY = (rsa.generate_private_key(public_exponent=65_537, key_size=2048) for _ in range(2))
PEM, BANK_PEM = (
    key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    for key in (KEY, BANK_KEY)
)


def gbp(minor: int) -> Money:
    return Money(minor, "GBP")


class Vrp:
    """One bank, its clock and the adapter's world; `adapter` makes one more worker over the same memory."""

    def __init__(self, state: Path, clock: FakeClock, client: httpx.Client, *, notify: str | None = None) -> None:
        self.clock = clock
        self.client = client
        state.mkdir(exist_ok=True)
        (state / "signing-key.pem").write_text(BANK_PEM)
        self.bank = VrpBank(state, clock, token=ADMIN, notify=notify, port=0)  # type: ignore[arg-type]  # a clock
        # No test here cuts the power.
        with self.bank._book._lock:
            self.bank._book._db.execute("PRAGMA synchronous=OFF")
        self.bank.start()
        self.url = f"http://127.0.0.1:{self.bank.port}"
        self.state = MemoryState()
        self.control(
            "clients", client_id=CLIENT, redirect_uri=REDIRECT, jwks={"keys": [public_jwk(KEY.public_key(), CLIENT)]}
        )

    @property
    def settings(self) -> dict[str, str]:
        return {
            "url": self.url,
            "client_id": CLIENT,
            "redirect_uri": REDIRECT,
            "creditor_account": "30949300000001",
            "creditor_name": "Replenish of the test",
            "timeout_s": "30",
        }

    def adapter(self, **settings: str) -> OpenBankingAdapter:
        context = MemoryContext(self.settings | settings, {"signing_key": PEM}, HttpxClient(self.client))
        context.state = self.state
        context.now_us = self.clock.now_us  # type: ignore[method-assign]
        return OpenBankingAdapter(context)

    def control(self, path: str, **body: object) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {ADMIN}"}
        answer = self.client.post(f"{self.url}/control/{path}", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def script(self, account: str, *entries: str) -> None:
        self.control("script", account=account, next=list(entries))

    def book(self) -> dict[str, Any]:
        document: dict[str, Any] = self.client.get(
            f"{self.url}/book", headers={"Authorization": f"Bearer {ADMIN}"}
        ).json()
        return document

    def walk(self, url: str, account: str, decision: str = "approve") -> dict[str, str]:
        """Do what a customer does on the bank's page; returns the query with which they come back."""
        page = self.client.get(url)
        assert page.status_code == 200, page.text
        (request,) = re.findall(r'name="request" value="([^"]+)"', page.text)
        form = {"request": html.unescape(request), "account": account, "decision": decision}
        back = self.client.post(f"{self.url}/authorize", data=form)
        assert back.status_code == 303, back.text
        assert back.headers["location"].startswith(REDIRECT + "?")
        return dict(parse_qsl(urlsplit(back.headers["location"]).query))

    def close(self) -> None:
        self.bank.close()


class Payer:
    """Somebody with 100 GBP at the bank who has agreed to 500 GBP a payment and 1,000 GBP a month."""

    numbers = count(1)

    def __init__(self, vrp: Vrp, **setup: object) -> None:
        self.vrp = vrp
        self.adapter = vrp.adapter()
        self.account = f"payer-{next(self.numbers)}"
        vrp.control("accounts", token=self.account, balance_minor=10_000, label="Everyday")
        limits = {"per_order_limit": gbp(50_000), "per_period_limit": gbp(100_000), "period_days": 30} | setup
        self.setup = SetupMandate(f"k-m-{self.account}", f"m-{self.account}", self.account, **limits)  # type: ignore[arg-type]
        self.mandate = ""

    def asked(self) -> RequiresAction:
        outcome = self.adapter.setup_mandate(self.setup)
        assert isinstance(outcome, RequiresAction)
        return outcome

    def come_back(self, query: Mapping[str, str]) -> SetupMandateOutcome:
        reference = self.adapter.whose_return(query)
        assert reference == self.setup.reference
        return self.adapter.customer_returned(reference, query)

    def agreed(self) -> "Payer":
        outcome = self.come_back(self.vrp.walk(self.asked().url, self.account))
        assert isinstance(outcome, MandateActive)
        self.mandate = outcome.mandate_ref
        return self

    def authorize(self, name: str = "a", minor: int = 3_000) -> Authorize:
        return Authorize(f"k-{name}-{self.account}", f"{name}-{self.account}", gbp(minor), self.account, self.mandate)

    def impatient(self) -> OpenBankingAdapter:
        """Return a worker that waits for no answer for long; it asks for no token first."""
        worker = self.vrp.adapter(timeout_s="0.3")
        worker._consents._access._own = self.adapter._consents._access.own()
        return worker

    def held(self, name: str = "a", minor: int = 3_000) -> Authorized:
        outcome = self.adapter.authorize(self.authorize(name, minor))
        assert isinstance(outcome, Authorized), outcome
        return outcome

    def capture(self, held: Authorized, name: str = "c", minor: int = 3_000) -> Capture:
        return Capture(f"k-{name}-{self.account}", f"{name}-{self.account}", gbp(minor), held.provider_ref)

    def refund(self, payment: str, name: str = "r", minor: int = 1_000) -> Refund:
        return Refund(f"k-{name}-{self.account}", f"{name}-{self.account}", gbp(minor), payment)

    def balance(self) -> int:
        (found,) = [one["balance_minor"] for one in self.vrp.book()["accounts"] if one["token"] == self.account]
        assert isinstance(found, int)
        return found
