"""What a member asks goes to a device in a maker's client, by either broker, and its answer is committed."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import devices
from devices import Identity, Reading, Report
from devices.client import Broker, DeviceClient
from gateway.domain.command import WAIT_US, Command, CommandState
from gateway.domain.household import Household, Member
from gateway.domain.stock import Device
from gateway.intake import CommandSender
from gateway.steps.acts.commands import ask_to_report
from gateway.steps.ports import StoreUnavailable
from tests.builders import build
from tests.fakes import START_US, FakeClock, FakeUnitOfWork
from tests.integration.intake.conftest import Gateway
from tests.integration.intake.wire import eventually


class Faulty:
    """An outlet that fails before it sends."""

    def __init__(self, *faults: Exception) -> None:
        self._faults = list(faults)

    def publish_command(self, device_id: str, payload: bytes) -> bool:
        if self._faults:
            raise self._faults.pop()
        return bool(device_id and payload)


@pytest.fixture
def rows() -> FakeUnitOfWork:
    return FakeUnitOfWork(build(Household), build(Member), build(Device, id="fridge-a"))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def sending(gateway: Gateway, rows: FakeUnitOfWork, clock: FakeClock) -> Iterator[None]:
    with CommandSender(gateway.intake, rows, clock):
        yield


def ask(rows: FakeUnitOfWork, clock: FakeClock) -> None:
    with rows.begin() as tx:
        ask_to_report(tx, build(Member), "fridge-a", now_us=clock.now, wall_us=clock.wall)


def state(rows: FakeUnitOfWork) -> CommandState:
    (command,) = rows.rows(Command)
    return command.state


@asynccontextmanager
async def fridge(gateway: Gateway, folder: Path) -> AsyncIterator[DeviceClient]:
    """A fridge in a maker's client that reports when it is asked to; connected when the block begins."""

    async def obey(command: devices.Command) -> None:
        assert command == "report-now"
        client.report(Report(START_US, (Reading("milk", "left", 0.35, "l"),)))

    broker = Broker("127.0.0.1", gateway.port, gateway.devices["fridge-a"].secret)
    client = DeviceClient(Identity.from_seed("fridge-a", 1), broker, folder / "outbox.db", on_command=obey)
    async with client:
        await until(lambda: client.trouble is None)
        yield client


async def until(condition: Callable[[], object]) -> None:
    await asyncio.to_thread(eventually, condition)


def telemetry(gateway: Gateway) -> int:
    return sum(row.kind == "telemetry" for row in gateway.inbox.read_after(0, 100))


@pytest.mark.usefixtures("sending")
def test_a_device_that_is_asked_reports_and_is_acknowledged(
    gateway: Gateway, rows: FakeUnitOfWork, clock: FakeClock, tmp_path: Path
) -> None:
    async def be_asked() -> int:
        async with fridge(gateway, tmp_path) as client:
            ask(rows, clock)
            await until(lambda: telemetry(gateway))
            await client.drained(10)
            return client.waiting()

    assert asyncio.run(be_asked()) == 0
    assert telemetry(gateway) == 1
    assert state(rows) is CommandState.SENT


@pytest.mark.usefixtures("sending")
def test_a_device_that_left_is_asked_when_it_is_back_in_time(
    gateway: Gateway, rows: FakeUnitOfWork, clock: FakeClock, tmp_path: Path
) -> None:
    async def leave_and_come_back() -> None:
        async with fridge(gateway, tmp_path):
            pass
        # Its goodbye is known when it is committed; the broker has it before its connection is gone.
        await until(lambda: any(b"false" in row.payload for row in gateway.inbox.read_after(0, 100)))
        ask(rows, clock)
        assert not gateway.intake.publish_command("fridge-a", b"{}")
        assert state(rows) is CommandState.WAITING
        async with fridge(gateway, tmp_path):
            await until(lambda: telemetry(gateway))

    asyncio.run(leave_and_come_back())
    assert state(rows) is CommandState.SENT


def test_a_device_that_stays_away_could_not_be_asked(embedded: Gateway, rows: FakeUnitOfWork, clock: FakeClock) -> None:
    ask(rows, clock)
    with CommandSender(embedded.intake, rows, clock):
        clock.advance(WAIT_US)
        eventually(lambda: state(rows) is CommandState.EXPIRED)


def test_a_look_that_fails_is_followed_by_another(
    rows: FakeUnitOfWork, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.intake.commands.LOOK_EVERY_S", 0.01)
    ask(rows, clock)
    with CommandSender(Faulty(ValueError("a fault"), StoreUnavailable("locked")), rows, clock):
        eventually(lambda: state(rows) is CommandState.SENT)
