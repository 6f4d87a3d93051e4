"""Nobody speaks or listens in another's name, on either broker, and the one they aim at does not notice."""

import json

import pytest

from tests.integration.intake.conftest import Gateway
from tests.integration.intake.wire import PUBACK, PUBLISH, Client, ConnectionEnded, eventually, publish_packet

A, B = "fridge-a", "fridge-b"
READING = b'{"epoch":1,"seq":%d,"readings":[]}'


def telemetry(device_id: str) -> str:
    return f"replenish/v1/{device_id}/telemetry"


def assert_undisturbed(victim: Client, gateway: Gateway, seq: int) -> None:
    """The victim's old connection still counts, and its acknowledgement still comes to it."""
    victim.publish(telemetry(B), READING % seq, 7)
    answers = [victim.read(), victim.read()]
    assert sorted(answer.kind for answer in answers) == [PUBLISH, PUBACK]
    (acknowledgement,) = [json.loads(answer.payload) for answer in answers if answer.kind == PUBLISH]
    assert acknowledgement == {"epoch": 1, "committed": [[seq, seq]]}
    assert (B, seq) in gateway.stored()


@pytest.mark.parametrize(
    ("client_id", "username", "secret"),
    [
        ("fridge-a", None, None),
        ("", None, None),
        ("fridge-a", "fridge-a", None),
        ("fridge-a", "fridge-a", "not-the-secret"),
        ("fridge-b", "fridge-b", "of fridge-a"),
        ("fridge-c", "fridge-c", "of fridge-a"),
        ("x", "replenish/v1/#", "of fridge-a"),
        ("_gateway", "_gateway", "of fridge-a"),
    ],
)
@pytest.mark.parametrize("clean", [True, False])
def test_who_does_not_know_the_secret_is_refused_and_the_victim_undisturbed(
    gateway: Gateway, client_id: str, username: str | None, secret: str | None, clean: bool
) -> None:
    if secret == "of fridge-a":
        secret = gateway.devices[A].secret
    with gateway.connected(B) as victim:
        assert_undisturbed(victim, gateway, 1)
        with Client(gateway.port) as impostor:
            assert impostor.connect(client_id, username, secret, clean=clean) != 0
        assert_undisturbed(victim, gateway, 2)


def test_a_device_cannot_take_the_client_id_of_another(gateway: Gateway) -> None:
    with gateway.connected(B) as victim, Client(gateway.port) as impostor:
        # The embedded broker refuses; Mosquitto puts the user's name in the place of the claimed client id.
        if impostor.connect(B, A, gateway.devices[A].secret) == 0:
            impostor.publish(telemetry(B), READING % 66, 1)
            assert impostor.is_answered()
        assert_undisturbed(victim, gateway, 1)
        assert (B, 66) not in gateway.stored()


def test_a_device_that_writes_to_the_topic_of_another_is_not_counted_as_the_other(gateway: Gateway) -> None:
    with gateway.connected(B) as victim, gateway.connected(A) as impostor:
        impostor.publish(telemetry(B), READING % 66, 1)
        assert impostor.is_answered()
        impostor.publish(telemetry(A), READING % 5, 2)
        eventually(lambda: (A, 5) in gateway.stored())
        assert_undisturbed(victim, gateway, 1)
        assert gateway.stored() == [(A, 5), (B, 1)]


def test_the_embedded_broker_keeps_what_was_written_to_the_topic_of_another_with_its_sender(embedded: Gateway) -> None:
    with embedded.connected(A) as impostor:
        impostor.publish(telemetry(B), READING % 66, 1)
        assert impostor.expect(PUBACK).packet_id == 1
        answer = json.loads(impostor.expect(PUBLISH).payload)
        assert [one["reason"] for one in answer["rejected"]] == ["not-its-own-topic"]
    (kept,) = embedded.inbox.read_rejected_after(0, 10)
    assert (kept.sender, kept.topic, kept.payload) == (A, telemetry(B), READING % 66)


@pytest.mark.parametrize(
    "topic_filter", ["replenish/v1/fridge-b/ack", "replenish/v1/+/ack", "replenish/#", "#", "$SYS/#"]
)
def test_a_device_hears_nothing_that_is_meant_for_another(gateway: Gateway, topic_filter: str) -> None:
    with gateway.connected(B) as victim, Client(gateway.port) as listener:
        assert listener.connect(A, A, gateway.devices[A].secret) == 0
        # Mosquitto grants the subscription and filters what it delivers; the embedded broker refuses it.
        granted = listener.subscribe(topic_filter)
        assert gateway.broker == "mosquitto" or granted == 0x80
        assert_undisturbed(victim, gateway, 1)
        listener.send(b"\xc0\x00")
        assert listener.read().kind != PUBLISH


def test_a_device_cannot_acknowledge_or_command_another(gateway: Gateway) -> None:
    with gateway.connected(B) as victim, gateway.connected(A) as impostor:
        for packet_id, channel in enumerate(("ack", "command"), start=1):
            impostor.publish(f"replenish/v1/{B}/{channel}", b'{"epoch":1,"committed":[[1,99]]}', packet_id)
            impostor.publish(f"replenish/v1/{A}/{channel}", b'{"epoch":1,"committed":[[1,99]]}', packet_id + 2)
        assert impostor.is_answered()
        assert_undisturbed(victim, gateway, 1)


def test_a_will_on_the_topic_of_another_is_not_counted(gateway: Gateway) -> None:
    with gateway.connected(B) as victim:
        with Client(gateway.port) as impostor:
            impostor.connect(A, A, gateway.devices[A].secret, will=(f"replenish/v1/{B}/status", b"{}"))
        assert_undisturbed(victim, gateway, 1)
        assert gateway.stored() == [(B, 1)]


def test_the_device_itself_may_come_back_before_its_old_connection_is_missed(gateway: Gateway) -> None:
    with gateway.connected(B) as old, gateway.connected(B) as new:
        assert old.read_until_end() == []
        assert_undisturbed(new, gateway, 1)


def test_a_device_revoked_on_the_embedded_broker_is_cut_off_and_not_let_in_again(embedded: Gateway) -> None:
    secret = embedded.devices[A].secret
    with embedded.connected(A) as revoked, embedded.connected(B) as other:
        embedded.revoke(A)
        with pytest.raises(ConnectionEnded):
            revoked.read(timeout_seconds=30.0)
        with Client(embedded.port) as again:
            assert again.connect(A, A, secret) == 5
        assert_undisturbed(other, embedded, 1)


def test_a_device_revoked_behind_mosquitto_loses_its_name_within_a_second(on_mosquitto: Gateway) -> None:
    secret = on_mosquitto.devices[A].secret
    with on_mosquitto.connected(A) as revoked:
        on_mosquitto.revoke(A)

        def is_refused() -> bool:
            revoked.send(publish_packet(telemetry(A), READING % 1, 1))
            return bool(on_mosquitto.inbox.read_rejected_after(0, 1))

        eventually(is_refused, timeout_seconds=30.0)
        (kept,) = on_mosquitto.inbox.read_rejected_after(0, 1)
        assert (kept.sender, kept.reason) == (None, "unknown-sender")
        on_mosquitto.tell_mosquitto()

        def is_shut_out() -> bool:
            with Client(on_mosquitto.port) as again:
                return again.connect(A, A, secret) != 0

        eventually(is_shut_out)


def test_a_new_device_is_let_in_by_a_running_broker(gateway: Gateway) -> None:
    gateway.enrol("printer-c")

    def is_let_in() -> bool:
        with Client(gateway.port) as client:
            return client.connect("printer-c", "printer-c", gateway.devices["printer-c"].secret) == 0

    eventually(is_let_in)
