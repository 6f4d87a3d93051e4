"""A bank that is a process, and a process that makes processes of the gateway."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from devices.clock import ClockSetting, write_clock
from tests.databases import Databases
from tests.fakes import START_US
from tests.integration.crashes.crash_process import Processes
from tests.integration.crashes.world import Site
from tests.integration.payments.bank_process import TOKEN, BankProcess

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
def site(bank: BankProcess, databases: Databases, tmp_path: Path) -> Iterator[Site]:
    """An empty database, and an account at the bank that is not opened yet."""
    with databases.migrated() as engine:
        url = engine.url.render_as_string(hide_password=False)
        yield Site(tmp_path, url, bank.url, TOKEN, f"ana-{next(_numbers)}")
