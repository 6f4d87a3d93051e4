"""Whatever comes in, it is kept with its reason or its connection ends; the intake goes on."""

import json
import random

import pytest

from devices.acknowledgement import fingerprint
from tests.integration.intake.conftest import Gateway
from tests.integration.intake.wire import (
    PINGRESP,
    PUBACK,
    PUBLISH,
    SUBACK,
    Client,
    ConnectionEnded,
    Packet,
    eventually,
    packet,
    publish_packet,
    text,
)

TOPIC = "replenish/v1/fridge-a/telemetry"
READING = b'{"epoch":1,"seq":1,"readings":[]}'


def acknowledgement(device: Client) -> dict[str, object]:
    answer: Packet = device.read()
    while answer.kind != PUBLISH:
        answer = device.read()
    decoded = json.loads(answer.payload)
    assert isinstance(decoded, dict)
    return decoded


def assert_goes_on(gateway: Gateway) -> None:
    with gateway.connected("fridge-b") as other:
        other.publish("replenish/v1/fridge-b/telemetry", READING, 1)
        assert acknowledgement(other) == {"epoch": 1, "committed": [[1, 1]]}


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "empty"),
        (b"\x00\xff rubbish", "not-an-envelope"),
        (b"{", "not-json"),
        (b'{"epoch":-1,"seq":1}', "bad-counters"),
        (b'{"epoch":1,"seq":1.5}', "bad-counters"),
        (b"RP1\x00short", "truncated"),
        (b"{" + b" " * 8_192, "too-big"),
        (b"x" * 60_000, "too-big"),
    ],
)
def test_what_cannot_be_opened_is_kept_and_named_to_its_sender(gateway: Gateway, payload: bytes, reason: str) -> None:
    with gateway.connected("fridge-a") as device:
        device.publish(TOPIC, payload, 1)
        assert acknowledgement(device) == {
            "epoch": None,
            "committed": [],
            "rejected": [{"sha256": fingerprint(payload), "reason": reason}],
        }
        device.publish(TOPIC, READING, 2)
        assert acknowledgement(device) == {"epoch": 1, "committed": [[1, 1]]}
    (kept,) = gateway.inbox.read_rejected_after(0, 10)
    assert (kept.sender, kept.reason, kept.size_bytes) == ("fridge-a", reason, len(payload))
    assert kept.payload == payload[:8_192]


@pytest.mark.parametrize("seed", range(20))
def test_garbage_on_the_port_ends_its_own_connection_only(gateway: Gateway, seed: int) -> None:
    with gateway.connected("fridge-a") as device:
        with Client(gateway.port) as stranger:
            stranger.send(random.Random(seed).randbytes(200))  # noqa: S311 — a seed to replay, no secret
            stranger.finish_sending()
            stranger.read_until_end()
        device.publish(TOPIC, READING, 1)
        assert acknowledgement(device) == {"epoch": 1, "committed": [[1, 1]]}


@pytest.mark.parametrize(
    "data",
    [
        publish_packet(TOPIC, READING, 1, qos=2),
        publish_packet(TOPIC, READING, 1, qos=3),
        packet(0x32, text(TOPIC)),
        packet(0x30, b"\x00"),
        packet(0x30, text(b"\xff\xfe") + READING),
        packet(0x32, text(TOPIC) + b"\x00\x00" + READING),
        packet(0x10, text("MQTT")),
        packet(0xF0, b""),
        packet(0x20, b"\x00\x00"),
        packet(0x82, b""),
        packet(0x82, b"\x00\x01" + b"\x00\x99short"),
        b"\x30\xff\xff\xff\x7f" + b"x" * 100,
        b"\x30\xff\xff\xff\xff\x7f",
    ],
)
def test_a_device_that_breaks_the_protocol_is_hung_up_on(embedded: Gateway, data: bytes) -> None:
    with embedded.connected("fridge-a") as device:
        device.send(data)
        device.finish_sending()
        assert [answer.kind for answer in device.read_until_end() if answer.kind not in (SUBACK, PINGRESP)] == []
    assert_goes_on(embedded)
    assert embedded.stored() == [("fridge-b", 1)]


def test_a_packet_that_claims_to_be_huge_is_not_waited_for(embedded: Gateway) -> None:
    with embedded.connected("fridge-a") as device:
        device.send(b"\x30\xff\xff\xff\x7f")
        assert device.read_until_end() == []


def test_random_packets_of_an_enrolled_device_stop_nothing(embedded: Gateway) -> None:
    source = random.Random(7)  # noqa: S311 — a seed to replay, no secret
    for _ in range(100):
        with embedded.connected("fridge-a") as device:
            try:
                for _ in range(source.randrange(1, 5)):
                    device.send(packet(source.randrange(256), source.randbytes(source.randrange(40))))
                device.finish_sending()
                device.read_until_end()
            except (ConnectionEnded, OSError):
                continue
    assert_goes_on(embedded)


def test_a_status_is_kept_as_its_own_kind(gateway: Gateway) -> None:
    with gateway.connected("fridge-a") as device:
        device.publish("replenish/v1/fridge-a/status", b'{"online":true}', 1)
        assert device.expect(PUBACK).packet_id == 1
        eventually(gateway.stored)
    (row,) = gateway.inbox.read_after(0, 10)
    assert (row.kind, row.device_id, row.epoch, row.seq) == ("status", "fridge-a", None, None)
    assert row.payload == b'{"online":true}'


def test_the_last_will_comes_when_a_device_is_cut_off_and_not_when_it_says_goodbye(gateway: Gateway) -> None:
    will = ("replenish/v1/fridge-a/status", b'{"online":false}')
    gateway.connected("fridge-a", will=will).disconnect()
    cut_off = gateway.connected("fridge-b", will=("replenish/v1/fridge-b/status", b'{"online":false}'))
    cut_off.close()
    eventually(gateway.stored)
    assert_goes_on(gateway)
    assert gateway.stored() == [("fridge-b", None), ("fridge-b", 1)]


def test_a_message_at_qos_0_is_kept_and_acknowledged_by_the_gateway_alone(gateway: Gateway) -> None:
    with gateway.connected("fridge-a") as device:
        device.publish(TOPIC, READING)
        answer = device.expect(PUBLISH)
        assert json.loads(answer.payload) == {"epoch": 1, "committed": [[1, 1]]}


def test_a_command_reaches_the_device_that_listens(gateway: Gateway) -> None:
    with gateway.connected("fridge-a") as device:
        assert device.subscribe("replenish/v1/fridge-a/command") == 0
        assert gateway.intake.publish_command("fridge-a", b'{"reset":true}')
        command = device.expect(PUBLISH)
        assert (command.topic, command.payload) == ("replenish/v1/fridge-a/command", b'{"reset":true}')


def test_a_command_to_nobody_is_said_to_have_reached_nobody(embedded: Gateway) -> None:
    assert not embedded.intake.publish_command("fridge-a", b"{}")


def test_a_device_silent_beyond_its_keep_alive_is_hung_up_on(embedded: Gateway) -> None:
    with embedded.connected("fridge-a", keep_alive=1) as device:
        assert device.read_until_end() == []
