"""A bank that is a process, and a process that makes processes of the gateway."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from devices.clock import ClockSetting, write_clock
from gateway.store.engine import sqlite_url
from tests.fakes import START_US
from tests.integration.crashes.crash_process import Processes
from tests.integration.crashes.world import Site
from tests.integration.payments.bank_process import TOKEN, BankProcess
from tests.rig import _migrated

_numbers = count(1)


@pytest.fixture(scope="session")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BankProcess]:
    """One bank for all tests, in the time of the tests' clock; every account is new."""
    folder = tmp_path_factory.mktemp("bank")
    write_clock(folder / "clock.json", ClockSetting(real_anchor_us=0, sim_anchor_us=START_US, speed=0))
    process = BankProcess(folder / "state", ("--clock", str(folder / "clock.json")))
    process.start()
    yield process
    assert process.stop() == 0


@pytest.fixture(scope="session")
def processes() -> Iterator[Processes]:
    with Processes() as maker:
        yield maker


@pytest.fixture
def new_site(bank: BankProcess, tmp_path: Path) -> Callable[[], Site]:
    def make() -> Site:
        number = next(_numbers)
        folder = tmp_path / f"site-{number}"
        folder.mkdir()
        (folder / "replenish.db").write_bytes(_migrated())
        return Site(folder, sqlite_url(folder), bank.url, TOKEN, f"ana-{number}")

    return make
