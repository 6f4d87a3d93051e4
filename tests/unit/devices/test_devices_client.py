"""The client against a real Mosquitto, with a small gateway beside it that acknowledges."""

import asyncio
import contextlib
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import aiomqtt
import pytest

from devices import (
    Command,
    Identity,
    OutboxNotDrained,
    Reading,
    Rejection,
    Report,
    acknowledge,
    build_topic,
    decode_report,
    decode_status,
    encode_acknowledgement,
    encode_command,
    fingerprint,
    open_envelope,
    parse_topic,
)
from devices.client import Broker, DeviceClient

FRIDGE = Identity.from_seed("fridge-0001", 7)
WAIT_S = 20


def milk(litres: float) -> Report:
    return Report(None, (Reading("milk", "left", litres, "l"),))


class Mosquitto:
    """A broker of its own for one test, which can be stopped and started on the same port."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._configuration = folder / "mosquitto.conf"
        self._configuration.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            ["/usr/sbin/mosquitto", "-c", str(self._configuration)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(WAIT_S)
            self._process = None


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    broker = Mosquitto(tmp_path)
    broker.start()
    yield broker
    broker.stop()


class Gateway:
    """Opens what it receives and acknowledges it, except where `answer` says otherwise."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []
        self.reports: dict[tuple[int, int], Report] = {}
        self.statuses: list[bool] = []
        self.changed = asyncio.Event()
        self.answer: Callable[[int, bytes], str] = lambda _seq, _payload: "commit"

    async def run(self, mqtt: aiomqtt.Client) -> None:
        async for message in mqtt.messages:
            topic = parse_topic(str(message.topic))
            payload = bytes(message.payload)
            if topic.channel == "status":
                self.statuses.append(decode_status(payload))
            else:
                await self._take(mqtt, topic.device_id, payload)
            self.changed.set()

    async def _take(self, mqtt: aiomqtt.Client, device_id: str, payload: bytes) -> None:
        opened = open_envelope(payload, device_id, FRIDGE.public_key)
        assert opened.signature == "valid"
        self.seen.append((opened.epoch, opened.seq))
        match self.answer(opened.seq, payload):
            case "commit":
                self.reports[opened.epoch, opened.seq] = decode_report(opened.body, opened.content_type)
                answers = acknowledge([(opened.epoch, opened.seq)])
            case "silence":
                return
            case reason:
                answers = acknowledge([], [Rejection(fingerprint(payload), reason)])
        for answer in answers:
            await mqtt.publish(build_topic(device_id, "ack"), encode_acknowledgement(answer))

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


async def connect(stack: contextlib.AsyncExitStack, port: int) -> aiomqtt.Client:
    """A connection as soon as the broker answers."""
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                return await stack.enter_async_context(aiomqtt.Client("127.0.0.1", port))
            except aiomqtt.MqttError:
                await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def serving(port: int) -> AsyncIterator[tuple[Gateway, aiomqtt.Client]]:
    gateway = Gateway()
    async with contextlib.AsyncExitStack() as stack:
        mqtt = await connect(stack, port)
        await mqtt.subscribe([("replenish/v1/+/telemetry", 1), ("replenish/v1/+/status", 1)])
        task = asyncio.create_task(gateway.run(mqtt))
        try:
            yield gateway, mqtt
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def client(port: int, folder: Path, **options: object) -> DeviceClient:
    settings: dict[str, object] = {"new_epoch": lambda: 3, "first_resend_s": 0.1} | options
    return DeviceClient(FRIDGE, Broker("127.0.0.1", port), folder / "outbox.sqlite3", **settings)  # type: ignore[arg-type]


def test_what_is_reported_arrives_and_the_outbox_empties(mosquitto: Mosquitto, tmp_path: Path) -> None:
    async def play() -> None:
        async with serving(mosquitto.port) as (gateway, _), client(mosquitto.port, tmp_path) as device:
            device.report(*(milk(number / 100) for number in range(200)))
            await device.drained(WAIT_S)
            assert [gateway.reports[3, seq] for seq in range(1, 201)] == [milk(number / 100) for number in range(200)]
            assert device.waiting() == 0

    asyncio.run(play())


def test_a_message_is_resent_until_the_gateway_has_committed_it(mosquitto: Mosquitto, tmp_path: Path) -> None:
    async def play() -> None:
        async with serving(mosquitto.port) as (gateway, _), client(mosquitto.port, tmp_path) as device:
            gateway.answer = lambda _seq, _payload: "commit" if len(gateway.seen) >= 3 else "silence"
            device.report(milk(1))
            await device.drained(WAIT_S)
            assert gateway.seen[:3] == [(3, 1)] * 3

    asyncio.run(play())


def test_at_most_64_messages_are_in_flight(mosquitto: Mosquitto, tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            serving(mosquitto.port) as (gateway, _),
            client(mosquitto.port, tmp_path, first_resend_s=30.0) as device,
        ):
            gateway.answer = lambda _seq, _payload: "silence"
            device.report(*(milk(1) for _ in range(100)))
            await gateway.until(lambda: len(gateway.seen) >= 64)
            with pytest.raises(OutboxNotDrained) as undrained:
                await device.drained(0.3)
            assert undrained.value.waiting == 100
            assert len(gateway.seen) == 64

    asyncio.run(play())


def test_a_puback_alone_empties_nothing_and_a_restart_sends_again(mosquitto: Mosquitto, tmp_path: Path) -> None:
    async def play() -> None:
        async with serving(mosquitto.port) as (gateway, _):
            gateway.answer = lambda _seq, _payload: "silence"
            async with client(mosquitto.port, tmp_path) as device:
                device.report(milk(1))
                await gateway.until(lambda: len(gateway.seen) >= 1)
                assert device.waiting() == 1
            gateway.answer = lambda _seq, _payload: "commit"
            async with client(mosquitto.port, tmp_path) as again:
                await again.drained(WAIT_S)
                assert again.epoch == 3
            assert gateway.reports == {(3, 1): milk(1)}

    asyncio.run(play())


def test_readings_survive_a_broker_that_is_killed(mosquitto: Mosquitto, tmp_path: Path) -> None:
    async def play() -> None:
        async with client(mosquitto.port, tmp_path) as device:
            async with serving(mosquitto.port) as (gateway, _):
                device.report(milk(1))
                await device.drained(WAIT_S)
                assert set(gateway.reports) == {(3, 1)}
            mosquitto.stop()
            device.report(milk(2), milk(3))
            mosquitto.start()
            async with serving(mosquitto.port) as (gateway, _):
                await device.drained(WAIT_S)
                assert set(gateway.reports) == {(3, 2), (3, 3)}

    asyncio.run(play())


def test_a_message_the_gateway_cannot_open_is_moved_aside(mosquitto: Mosquitto, tmp_path: Path) -> None:
    async def play() -> None:
        async with serving(mosquitto.port) as (gateway, _), client(mosquitto.port, tmp_path) as device:
            gateway.answer = lambda seq, _payload: "bad-signature" if seq == 1 else "commit"
            device.report(milk(1), milk(2))
            await device.drained(WAIT_S)
            assert [(one.message.seq, one.reason) for one in device.refused()] == [(1, "bad-signature")]
            assert set(gateway.reports) == {(3, 2)}

    asyncio.run(play())


def test_what_an_overflow_lost_is_declared(mosquitto: Mosquitto, tmp_path: Path) -> None:
    async def play() -> None:
        async with client(mosquitto.port, tmp_path, outbox_limit=2) as device:
            device.report(milk(1), milk(2), milk(3))
            async with serving(mosquitto.port) as (gateway, _):
                await device.drained(WAIT_S)
                assert gateway.reports[3, 3].lost == ((1, 1),)

    asyncio.run(play())


def test_a_command_reaches_the_device_and_nonsense_disturbs_nothing(mosquitto: Mosquitto, tmp_path: Path) -> None:
    async def play() -> None:
        heard: asyncio.Queue[Command] = asyncio.Queue()
        async with (
            serving(mosquitto.port) as (gateway, mqtt),
            client(mosquitto.port, tmp_path, on_command=heard.put) as device,
        ):
            await gateway.until(lambda: True in gateway.statuses)
            await mqtt.publish(build_topic(FRIDGE.device_id, "command"), b"nonsense", qos=1)
            await mqtt.publish(build_topic(FRIDGE.device_id, "ack"), b"nonsense", qos=1)
            await mqtt.publish(build_topic(FRIDGE.device_id, "command"), encode_command("report-now"), qos=1)
            assert await asyncio.wait_for(heard.get(), WAIT_S) == "report-now"
            device.report(milk(1))
            await device.drained(WAIT_S)

    asyncio.run(play())


def test_the_status_says_online_and_offline(mosquitto: Mosquitto, tmp_path: Path) -> None:
    async def play() -> None:
        async with serving(mosquitto.port) as (gateway, _):
            async with client(mosquitto.port, tmp_path):
                await gateway.until(lambda: gateway.statuses == [True])
            await gateway.until(lambda: gateway.statuses == [True, False])

    asyncio.run(play())


def test_an_acknowledged_message_can_be_sent_again(mosquitto: Mosquitto, tmp_path: Path) -> None:
    async def play() -> None:
        async with serving(mosquitto.port) as (gateway, _), client(mosquitto.port, tmp_path) as device:
            (message,) = device.report(milk(1))
            await device.drained(WAIT_S)
            device.resend(message)
            await device.drained(WAIT_S)
            assert gateway.seen == [(3, 1), (3, 1)]

    asyncio.run(play())
