"""A bank in a process of its own, and an adapter that speaks to it over real HTTP."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from payments.adapters.sandbox import SandboxAdapter
from payments.memory import MemoryContext
from payments.transport import HttpxClient
from tests.integration.payments.bank_process import NOTICE_SECRET, TOKEN, BankProcess, NoticeInbox
from tests.integration.payments.pretend_stripe import localstripe


@pytest.fixture(scope="session")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BankProcess]:
    """One bank for all tests that do not harm it; every customer is new."""
    process = BankProcess(tmp_path_factory.mktemp("bank"))
    process.start()
    yield process
    assert process.stop() == 0


@pytest.fixture(scope="session")
def localstripe_url() -> Iterator[str]:
    """One localstripe for all tests; each puts a proxy of its own in front of it."""
    with localstripe() as url:
        yield url


@pytest.fixture
def own_bank(tmp_path: Path) -> Iterator[BankProcess]:
    """A bank to be killed, not started yet; it is gone when the test is over."""
    process = BankProcess(tmp_path / "bank")
    yield process
    if process.process.poll() is None:
        process.stop()


@pytest.fixture
def http() -> Iterator[HttpxClient]:
    with httpx.Client(trust_env=False) as client:
        yield HttpxClient(client)


@pytest.fixture
def connect(http: HttpxClient) -> Callable[..., SandboxAdapter]:
    """Make an adapter for a bank."""

    def make(bank: BankProcess, timeout_s: float = 10.0) -> SandboxAdapter:
        settings = {"url": bank.url, "timeout_s": str(timeout_s)}
        return SandboxAdapter(MemoryContext(settings, {"token": TOKEN, "notice_secret": NOTICE_SECRET}, http))

    return make


@pytest.fixture
def notices() -> Iterator[NoticeInbox]:
    inbox = NoticeInbox()
    yield inbox
    inbox.close()
