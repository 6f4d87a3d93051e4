"""Never acknowledged before it is committed, whatever is killed, full or in a hurry."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from devices.acknowledgement import decode_acknowledgement
from devices.provisioning import provision
from gateway.intake import EmbeddedIntake, ListenFailed
from gateway.intake.mosquitto import Mosquitto
from gateway.store.inbox import SqliteInbox
from tests.fakes import FakeClock
from tests.integration.intake.conftest import Gateway, free_port
from tests.integration.intake.wire import (
    PUBACK,
    PUBLISH,
    Client,
    ConnectionEnded,
    Packet,
    eventually,
    publish_packet,
)

TOPIC = "replenish/v1/fridge-a/telemetry"


def reading(seq: int) -> bytes:
    return b'{"epoch":1,"seq":%d,"readings":[]}' % seq


def committed_in(packets: list[Packet]) -> set[int]:
    """The sequence numbers acknowledged on the ack topic."""
    numbers: set[int] = set()
    for answer in packets:
        if answer.kind == PUBLISH:
            for first, last in decode_acknowledgement(answer.payload).committed:
                numbers.update(range(first, last + 1))
    return numbers


def test_the_row_is_there_when_the_acknowledgement_comes(gateway: Gateway) -> None:
    with gateway.connected("fridge-a") as device:
        for seq in range(1, 51):
            device.publish(TOPIC, reading(seq), seq)
            while seq not in committed_in([device.read()]):
                pass
            assert gateway.stored()[-1] == ("fridge-a", seq)


def test_pubacks_come_in_the_order_of_the_messages(embedded: Gateway) -> None:
    with embedded.connected("fridge-a") as device:
        device.send(b"".join(publish_packet(TOPIC, reading(seq), seq) for seq in range(1, 301)))
        order: list[int] = []
        while len(order) < 300:
            answer = device.read()
            if answer.kind == PUBACK:
                order.append(answer.packet_id)
        assert order == list(range(1, 301))
        assert [seq for _, seq in embedded.stored()] == order


def test_a_message_sent_twice_is_acknowledged_twice(gateway: Gateway) -> None:
    with gateway.connected("fridge-a") as device:
        for packet_id in (1, 2):
            device.publish(TOPIC, reading(8), packet_id)
            while committed_in([device.read()]) != {8}:
                pass
    assert gateway.stored() == [("fridge-a", 8), ("fridge-a", 8)]


def test_when_nothing_can_be_committed_the_embedded_broker_acknowledges_nothing_and_hangs_up(embedded: Gateway) -> None:
    embedded.inbox.disk_full.set()
    with embedded.connected("fridge-a") as device:
        device.publish(TOPIC, reading(1), 1)
        assert device.read_until_end() == []
    embedded.inbox.disk_full.clear()
    with embedded.connected("fridge-a") as device:
        device.publish(TOPIC, reading(1), 1)
        assert {device.read().kind, device.read().kind} == {PUBACK, PUBLISH}
    assert embedded.stored() == [("fridge-a", 1)]


def test_what_could_not_be_committed_comes_again_from_mosquitto(on_mosquitto: Gateway) -> None:
    on_mosquitto.inbox.disk_full.set()
    with on_mosquitto.connected("fridge-a") as device:
        for seq in (1, 2, 3):
            device.publish(TOPIC, reading(seq), seq)
        eventually(lambda: on_mosquitto.inbox.refused >= 2)
        assert [device.read().kind for _ in range(3)] == [PUBACK] * 3
        on_mosquitto.inbox.disk_full.clear()
        eventually(lambda: {seq for _, seq in on_mosquitto.stored()} == {1, 2, 3})
        acknowledged: set[int] = set()
        while acknowledged != {1, 2, 3}:
            acknowledged |= committed_in([device.read()])


def twenty_devices_send_and_leave(gateway: Gateway, *, carefully: bool) -> None:
    """Twenty devices send 50 messages each, all at once, without waiting for an answer."""
    names = [f"fridge-{number:02d}" for number in range(20)]
    for name in names:
        gateway.enrol(name)

    def can_connect() -> bool:
        with Client(gateway.port) as client:
            return client.connect(names[-1], names[-1], gateway.devices[names[-1]].secret) == 0

    eventually(can_connect)

    def send_and_leave(name: str) -> None:
        with Client(gateway.port) as client:
            assert client.connect(name, name, gateway.devices[name].secret) == 0
            topic = f"replenish/v1/{name}/telemetry"
            client.send(b"".join(publish_packet(topic, reading(seq), seq) for seq in range(1, 51)))
            if carefully:
                client.disconnect_and_read()
            else:
                client.disconnect()

    threads = [threading.Thread(target=send_and_leave, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    eventually(lambda: len(gateway.stored()) == 1_000)
    assert sorted(gateway.stored()) == [(name, seq) for name in names for seq in range(1, 51)]


def test_twenty_devices_that_send_fifty_messages_and_leave_are_stored_whole(gateway: Gateway) -> None:
    twenty_devices_send_and_leave(gateway, carefully=True)


def test_the_embedded_broker_stores_also_what_came_before_a_reset(embedded: Gateway) -> None:
    # Closing with unread PUBACKs resets the connection. Mosquitto then drops what it has not read; the outbox resends.
    twenty_devices_send_and_leave(embedded, carefully=False)


def test_stopping_commits_what_was_read(tmp_path: Path) -> None:
    device = provision("fridge")
    with SqliteInbox(tmp_path / "inbox.db") as inbox:
        intake = EmbeddedIntake(inbox, lambda _: {device.device_id: device.secret_hash}, FakeClock(), port=0)
        intake.start()
        with Client(intake.port) as client:
            assert client.connect(device.device_id, device.device_id, device.secret) == 0
            client.send(
                b"".join(
                    publish_packet(f"replenish/v1/{device.device_id}/telemetry", reading(seq), seq)
                    for seq in range(1, 201)
                )
            )
            assert client.expect(PUBACK).packet_id == 1
            intake.stop()
            acknowledged = 1 + sum(answer.kind == PUBACK for answer in client.read_until_end())
        assert inbox.last_id() >= acknowledged


def test_a_taken_port_is_said_in_one_sentence(embedded: Gateway, tmp_path: Path) -> None:
    with SqliteInbox(tmp_path / "other.db") as inbox:
        second = EmbeddedIntake(inbox, lambda _: {}, FakeClock(), port=embedded.port)
        with pytest.raises(ListenFailed, match=f"Cannot listen for devices on 127.0.0.1:{embedded.port}"):
            second.start()


@contextmanager
def ingest(kind: str, inbox: Path, port: int, secrets: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.intake.ingest_process", kind, str(inbox), str(port), str(secrets)],
        stdout=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def devices_send(port: int, device_id: str, secret: str, killed: threading.Event, acknowledged: set[int]) -> None:
    """Send until the ingest is killed, collecting what it acknowledged on the ack topic."""

    def is_heard() -> bool:
        with suppress(OSError, ConnectionEnded), Client(port) as probe:
            return probe.connect(device_id, device_id, secret) == 0
        return False

    eventually(is_heard)
    seq = max(acknowledged, default=0)
    with suppress(ConnectionEnded), Client(port) as device:
        assert device.connect(device_id, device_id, secret) == 0
        assert device.subscribe(f"replenish/v1/{device_id}/ack") == 0
        while not killed.is_set():
            for _ in range(20):
                seq += 1
                device.publish(f"replenish/v1/{device_id}/telemetry", reading(seq), seq % 65_535 + 1)
            with suppress(TimeoutError):
                while True:
                    acknowledged |= committed_in([device.read(timeout_seconds=0.02)])


@pytest.mark.parametrize("kind", ["embedded", "mosquitto"])
def test_a_killed_ingest_has_lost_nothing_that_it_acknowledged(kind: str, tmp_path: Path) -> None:
    device = provision("fridge", device_id="fridge-a")
    ours = provision("gateway")
    secrets = tmp_path / "secrets.json"
    secrets.write_text(json.dumps({"hashes": {"fridge-a": device.secret_hash}, "gateway_secret": ours.secret}))
    port = free_port()
    inbox_path = tmp_path / "inbox.db"
    mosquitto = Mosquitto(tmp_path / "broker", [("fridge-a", device.secret_hash)], ours.secret_hash, port)
    if kind == "mosquitto":
        mosquitto.start()
    acknowledged: set[int] = set()
    try:
        for round_number in (1, 2, 3):
            killed = threading.Event()
            with ingest(kind, inbox_path, port, secrets) as process:
                sender = threading.Thread(
                    target=devices_send, args=(port, "fridge-a", device.secret, killed, acknowledged)
                )
                sender.start()
                enough = len(acknowledged) + 100 * round_number
                eventually(lambda enough=enough: len(acknowledged) >= enough, timeout_seconds=120)
                process.kill()
                process.wait()
            killed.set()
            sender.join()
            with SqliteInbox(inbox_path) as inbox:
                stored = {row.seq for row in inbox.read_after(0, 10_000)}
            assert acknowledged <= stored
    finally:
        mosquitto.stop()
