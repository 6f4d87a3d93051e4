"""A gateway that listens, once on the embedded broker and once on a real Mosquitto."""

import socket
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from devices.provisioning import Provisioned, provision
from gateway.intake import EmbeddedIntake, SessionIntake
from gateway.intake.mosquitto import GATEWAY_USER, Mosquitto
from gateway.steps.receive import InboxEntry, InboxUnavailable, RejectedEntry
from gateway.store.inbox import SqliteInbox
from tests.fakes import FakeClock
from tests.integration.intake.wire import Client, eventually


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class BreakableInbox(SqliteInbox):
    """The real inbox, with a disk that can fill up."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.disk_full = threading.Event()
        self.refused = 0

    def append(self, entries: Sequence[InboxEntry], rejected: Sequence[RejectedEntry]) -> None:
        if self.disk_full.is_set():
            self.refused += 1
            raise InboxUnavailable(self.path, "database or disk is full")
        super().append(entries, rejected)


@dataclass
class Gateway:
    broker: str
    port: int
    intake: EmbeddedIntake | SessionIntake
    inbox: BreakableInbox
    devices: dict[str, Provisioned] = field(default_factory=dict)
    mosquitto: Mosquitto | None = None

    def credentials(self, device_ids: Collection[str]) -> Mapping[str, str]:
        return {one: self.devices[one].secret_hash for one in device_ids if one in self.devices}

    def enrol(self, device_id: str) -> None:
        self.devices[device_id] = provision("fridge", device_id=device_id)
        self.tell_mosquitto()

    def revoke(self, device_id: str) -> None:
        del self.devices[device_id]

    def tell_mosquitto(self) -> None:
        if self.mosquitto is not None:
            self.mosquitto.admit([(one, kept.secret_hash) for one, kept in self.devices.items()])

    def connected(self, device_id: str, **options: object) -> Client:
        """A connection of this device that listens to its acknowledgements."""
        client = Client(self.port)
        assert client.connect(device_id, device_id, self.devices[device_id].secret, **options) == 0
        assert client.subscribe(f"replenish/v1/{device_id}/ack") == 0
        return client

    def stored(self) -> list[tuple[str, int | None]]:
        return [(row.device_id, row.seq) for row in self.inbox.read_after(0, 10_000)]


@pytest.fixture(params=["embedded", "mosquitto"])
def gateway(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Gateway]:
    yield from (embedded_gateway(tmp_path) if request.param == "embedded" else mosquitto_gateway(tmp_path))


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Gateway]:
    yield from embedded_gateway(tmp_path)


@pytest.fixture
def on_mosquitto(tmp_path: Path) -> Iterator[Gateway]:
    yield from mosquitto_gateway(tmp_path)


def enrolled() -> dict[str, Provisioned]:
    return {name: provision("fridge", device_id=name) for name in ("fridge-a", "fridge-b")}


def embedded_gateway(directory: Path) -> Iterator[Gateway]:
    devices = enrolled()
    inbox = BreakableInbox(directory / "inbox.db")
    intake = EmbeddedIntake(
        inbox, lambda ids: {one: devices[one].secret_hash for one in ids if one in devices}, FakeClock(), port=0
    )
    intake.start()
    try:
        yield Gateway("embedded", intake.port, intake, inbox, devices)
    finally:
        intake.stop()
        inbox.close()


def mosquitto_gateway(directory: Path) -> Iterator[Gateway]:
    devices = enrolled()
    inbox = BreakableInbox(directory / "inbox.db")
    ours = provision("gateway")
    port = free_port()
    mosquitto = Mosquitto(
        directory / "mosquitto", [(one, kept.secret_hash) for one, kept in devices.items()], ours.secret_hash, port
    )
    mosquitto.start()
    intake = SessionIntake(
        inbox,
        lambda ids: {one: devices[one].secret_hash for one in ids if one in devices},
        FakeClock(),
        host="127.0.0.1",
        port=port,
        username=GATEWAY_USER,
        secret=ours.secret,
    )
    intake.start()
    try:
        eventually(intake.is_listening)
        yield Gateway("mosquitto", port, intake, inbox, devices, mosquitto)
    finally:
        intake.stop()
        mosquitto.stop()
        inbox.close()
