"""For makers of devices: connect, keep every report on disk until the gateway has committed it, resend, obey.

    async with DeviceClient(identity, Broker("gateway.local", 8883, secret, tls), Path("outbox.sqlite3")) as client:
        client.report(Report(ts_us, (Reading("milk", "left", 0.35, "l"),)))
        await client.drained(30)

A broker's PUBACK is not durability: only the gateway's own acknowledgement, sent after its commit, empties the outbox.
"""

import asyncio
import contextlib
import functools
import logging
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import aiomqtt
from aiomqtt.exceptions import MqttConnectError

from devices.acknowledgement import Acknowledgement, decode_acknowledgement
from devices.clock import RealClock
from devices.control import Command, decode_command, encode_status
from devices.envelope import ContentType, seal
from devices.errors import BadInput, OutboxNotDrained
from devices.formats.native import encode_report
from devices.identity import Identity
from devices.outbox import DEFAULT_LIMIT, NewEpoch, Outbox, Queued, Refused
from devices.ranges import Ranges
from devices.readings import Report
from devices.topics import Channel, build_topic, parse_topic

logger = logging.getLogger(__name__)

OnCommand = Callable[[Command], Awaitable[None]]

MAX_IN_FLIGHT = 64
FIRST_RECONNECT_S = 0.2
LAST_RECONNECT_S = 5.0
LAST_RESEND_S = 60.0
KEEPALIVE_S = 30
CLOSE_S = 5.0


@dataclass(frozen=True, slots=True)
class Broker:
    """Where to connect. The secret only opens the connection; trust comes from the signature."""

    host: str
    port: int = 1883
    secret: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None


@dataclass(slots=True)
class _Flight:
    """When a message was last sent in this connection, and how patiently it is awaited."""

    due_s: float
    pause_s: float


def _reason(error: aiomqtt.MqttError) -> str:
    if isinstance(error, MqttConnectError):
        return f"the broker refuses its id and secret {error}"
    return str(error)


def _seconds_now() -> int:
    return RealClock().wall_us() // 1_000_000


async def _within(seconds: float | None, event: asyncio.Event) -> None:
    """Wait for the event, but no longer. Python 3.11's `wait_for` would swallow a cancellation that comes with it."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


class DeviceClient:
    """One device's conversation with the gateway, as an async context manager.

    `on_command` is awaited for each command. `new_epoch` gives the epoch to begin with when the outbox cannot prove the
    last one; a device without a clock passes a number of its own that only grows.
    """

    def __init__(
        self,
        identity: Identity,
        broker: Broker,
        outbox_path: Path,
        *,
        on_command: OnCommand | None = None,
        content_type: ContentType = "cbor",
        new_epoch: NewEpoch = _seconds_now,
        outbox_limit: int = DEFAULT_LIMIT,
        first_resend_s: float = 2.0,
    ) -> None:
        self._identity = identity
        self._broker = broker
        self._on_command = on_command
        self._content_type: ContentType = content_type
        self._first_resend_s = first_resend_s
        self._outbox = Outbox(outbox_path, new_epoch, outbox_limit)
        self._wake = asyncio.Event()
        self._empty = asyncio.Event()
        self._closing = asyncio.Event()
        self._talk: asyncio.Task[None] | None = None
        self._trouble: str | None = "not connected yet"

    async def __aenter__(self) -> Self:
        self._note_waiting()
        self._talk = asyncio.create_task(self._stay_connected(), name=f"device {self.device_id}")
        return self

    async def __aexit__(self, *_raised: object) -> None:
        await self.close()

    @property
    def device_id(self) -> str:
        """Who speaks."""
        return self._identity.device_id

    @property
    def epoch(self) -> int:
        """The epoch of the next message."""
        return self._outbox.epoch

    def report(self, *reports: Report) -> tuple[Queued, ...]:
        """Seal reports and keep them: they are on disk when this returns, and are sent as soon as possible."""
        queued = self._outbox.add([functools.partial(self._seal, report) for report in reports])
        self._note_waiting()
        return queued

    def resend(self, message: Queued) -> None:
        """Send a message again that was already acknowledged; the gateway counts it once."""
        self._outbox.restore(message)
        self._note_waiting()

    def raise_epoch(self) -> int:
        """Begin a new epoch, as when a counter began again; returns it."""
        return self._outbox.raise_epoch()

    @property
    def trouble(self) -> str | None:
        """Why there is no connection to the broker at present; None while there is one."""
        return self._trouble

    def waiting(self) -> int:
        """How many messages the gateway has not acknowledged."""
        return self._outbox.waiting()

    def refused(self) -> tuple[Refused, ...]:
        """What the gateway could not open, with its reasons."""
        return self._outbox.refused()

    async def drained(self, timeout_s: float) -> None:
        """Wait until the gateway has acknowledged everything; raises `OutboxNotDrained` after the time given."""
        if self._talk is not None and self._talk.done():
            self._talk.result()
        try:
            async with asyncio.timeout(timeout_s):
                await self._empty.wait()
        except TimeoutError:
            raise OutboxNotDrained(self.device_id, self.waiting(), timeout_s) from None

    async def close(self) -> None:
        """Say goodbye and stop; what was not acknowledged stays on disk for the next start."""
        self._closing.set()
        if self._talk is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._talk, CLOSE_S)
            self._talk = None
            self._outbox.close()

    def _seal(self, report: Report, epoch: int, seq: int, lost: Ranges) -> bytes:
        body = encode_report(Report(report.ts_us, report.readings, lost), self._content_type)
        return seal(self._identity, epoch, seq, body, self._content_type)

    def _note_waiting(self) -> None:
        if self._outbox.waiting():
            self._empty.clear()
        else:
            self._empty.set()
        self._wake.set()

    async def _stay_connected(self) -> None:
        pause_s = FIRST_RECONNECT_S
        while not self._closing.is_set():
            try:
                async with self._connection() as mqtt:
                    # paho queues nothing by itself when it may have as much in flight as we do.
                    mqtt.pending_calls_threshold = 2 * MAX_IN_FLIGHT
                    await self._greet(mqtt)
                    pause_s, self._trouble = FIRST_RECONNECT_S, None
                    await self._converse(mqtt)
            except aiomqtt.MqttError as error:
                self._trouble = _reason(error)
                logger.info("%s: not connected (%s), again in %.1f s", self.device_id, error, pause_s)
                await _within(pause_s, self._closing)
                pause_s = min(2 * pause_s, LAST_RECONNECT_S)

    def _connection(self) -> aiomqtt.Client:
        return aiomqtt.Client(
            self._broker.host,
            self._broker.port,
            username=self.device_id if self._broker.secret is not None else None,
            password=self._broker.secret,
            identifier=self.device_id,
            # Nothing may pile up at the broker: what matters is in the outbox.
            clean_session=True,
            keepalive=KEEPALIVE_S,
            max_inflight_messages=MAX_IN_FLIGHT,
            tls_context=self._broker.tls,
            will=aiomqtt.Will(self._topic("status"), encode_status(online=False), qos=1, retain=True),
        )

    async def _greet(self, mqtt: aiomqtt.Client) -> None:
        # Subscribed before anything is sent, or an acknowledgement could be missed.
        await mqtt.subscribe([(self._topic("ack"), 0), (self._topic("command"), 1)])
        await mqtt.publish(self._topic("status"), encode_status(online=True), qos=1, retain=True)

    async def _converse(self, mqtt: aiomqtt.Client) -> None:
        tasks = {
            asyncio.create_task(self._listen(mqtt)),
            asyncio.create_task(self._send(mqtt)),
            asyncio.create_task(self._wait_for_closing()),
        }
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await mqtt.publish(self._topic("status"), encode_status(online=False), qos=1, retain=True)

    async def _wait_for_closing(self) -> None:
        await self._closing.wait()

    async def _listen(self, mqtt: aiomqtt.Client) -> None:
        answers: list[Acknowledgement] = []
        async for message in mqtt.messages:
            try:
                if parse_topic(str(message.topic)).channel == "ack":
                    answers.append(decode_acknowledgement(message.payload))
                elif self._on_command is not None:
                    await self._on_command(decode_command(message.payload))
            except BadInput as error:
                logger.warning("%s: ignored a message on %s: %s", self.device_id, message.topic, error)
            # One commit for all that have come; what a crash forgets is sent and acknowledged again.
            if answers and (len(mqtt.messages) == 0 or len(answers) >= MAX_IN_FLIGHT):
                self._take(answers)
                answers = []

    def _take(self, answers: list[Acknowledgement]) -> None:
        self._outbox.acknowledge(
            (answer.epoch, committed)
            for answer in answers
            if answer.epoch is not None
            for committed in answer.committed
        )
        for rejection in (one for answer in answers for one in answer.rejected):
            logger.warning("%s: the gateway could not open a message: %s", self.device_id, rejection.reason)
            self._outbox.set_aside(rejection.sha256, rejection.reason)
        self._note_waiting()

    async def _send(self, mqtt: aiomqtt.Client) -> None:
        """Keep the oldest messages in flight, and each one on its way again when its acknowledgement is overdue."""
        now_s = asyncio.get_running_loop().time
        flights: dict[tuple[int, int], _Flight] = {}
        while True:
            self._wake.clear()
            window = self._outbox.oldest(MAX_IN_FLIGHT)
            flights = {key: flights[key] for message in window if (key := (message.epoch, message.seq)) in flights}
            due = [message for message in window if self._is_due(message, flights, now_s())]
            sent = await asyncio.gather(
                *(mqtt.publish(self._topic("telemetry"), message.payload, qos=1) for message in due),
                return_exceptions=True,
            )
            for failure in sent:
                if isinstance(failure, BaseException):
                    raise failure
            for message in due:
                key = (message.epoch, message.seq)
                pause_s = min(2 * flights[key].pause_s, LAST_RESEND_S) if key in flights else self._first_resend_s
                flights[key] = _Flight(now_s() + pause_s, pause_s)
            overdue_s = min((flight.due_s for flight in flights.values()), default=None)
            await _within(None if overdue_s is None else max(0, overdue_s - now_s()), self._wake)

    @staticmethod
    def _is_due(message: Queued, flights: dict[tuple[int, int], _Flight], now_s: float) -> bool:
        flight = flights.get((message.epoch, message.seq))
        return flight is None or flight.due_s <= now_s

    def _topic(self, channel: Channel) -> str:
        return build_topic(self.device_id, channel)
