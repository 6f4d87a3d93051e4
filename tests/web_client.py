"""A client that speaks HTTP to the web application in this process, in the order a test reads."""

import asyncio
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeAlias, cast

import httpx

from gateway.domain.household import Member
from gateway.steps.ports import Inbox, Merchants, Services
from gateway.web import WebServices, create_app, issue_api_token
from gateway.web.sessions import open_session
from payments.adapter import PaymentAdapter
from payments.adapters.balance import BalanceAdapter
from payments.memory import MemoryContext
from tests.fake_bank import FakeBank, FakeProviders
from tests.fakes import FakeClock, FakeUnitOfWork

Sent: TypeAlias = Any
"""What httpx takes with a request: headers, json, data, content."""

HOST = "http://localhost:8000"
UNDO_US = 20_000_000


class Unused:
    """Stands where a test's path does not lead; any use of it fails."""


@dataclass
class TwoProviders(FakeProviders):
    """A bank that asks for an account, and the balance the gateway keeps itself."""

    balance: BalanceAdapter = field(default_factory=lambda: BalanceAdapter(MemoryContext()))

    @property
    def names(self) -> tuple[str, ...]:
        return ("balance", "sandbox")

    def open(self, name: str) -> PaymentAdapter:  # type: ignore[override]  # the bank is one of them
        return self.balance if name == "balance" else super().open(name)


def services_of(unit_of_work: FakeUnitOfWork, clock: FakeClock, *, undo_us: int = UNDO_US) -> Services:
    """What the steps are handed when nothing outside may be called."""
    unused = Unused()
    return Services(
        unit_of_work=unit_of_work,
        clock=clock,
        inbox=cast("Inbox", unused),
        merchants=cast("Merchants", unused),
        providers=TwoProviders(FakeBank()),
        public_url=HOST,
        undo_us=undo_us,
        keep_inbox_us=0,
    )


class WebClient:
    """Sends requests to the application without a socket; cookies are kept, redirects are not followed."""

    def __init__(
        self,
        unit_of_work: FakeUnitOfWork,
        clock: FakeClock,
        *,
        base_url: str = HOST,
        secure_cookies: bool = False,
        not_ready: tuple[str, ...] = (),
        raises: bool = True,
    ) -> None:
        self.unit_of_work = unit_of_work
        self.clock = clock
        self.app = create_app(
            WebServices(
                steps=services_of(unit_of_work, clock),
                base_url=base_url,
                secure_cookies=secure_cookies,
                not_ready=lambda: not_ready,
            )
        )
        self._runner = asyncio.Runner()
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=raises)
        self.http = httpx.AsyncClient(transport=transport, base_url=base_url)

    def __enter__(self) -> Self:
        self._runner.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.run(self.http.aclose())
        self._runner.__exit__(kind, error, trace)

    def request(self, method: str, path: str, **sent: Sent) -> httpx.Response:
        return self._runner.run(self.http.request(method, path, **sent))

    def get(self, path: str, **sent: Sent) -> httpx.Response:
        return self.request("GET", path, **sent)

    def post(self, path: str, **sent: Sent) -> httpx.Response:
        return self.request("POST", path, **sent)

    def patch(self, path: str, **sent: Sent) -> httpx.Response:
        return self.request("PATCH", path, **sent)

    def bearer(self, member_id: str) -> dict[str, str]:
        """Return the header of a new token that acts as the member."""
        with self.unit_of_work.begin() as tx:
            (member,) = tx.find(Member, None, id=member_id)
            return {"Authorization": f"Bearer {issue_api_token(tx, member, name='test', wall_us=self.clock.wall_us())}"}

    def sign_in(self, member_id: str) -> None:
        """Give this client the member's session, as the sign-in page would."""
        with self.unit_of_work.begin() as tx:
            (member,) = tx.find(Member, None, id=member_id)
            token = open_session(tx, member, user_agent="test", wall_us=self.clock.wall_us())
        self.http.cookies.set("replenish", token)
