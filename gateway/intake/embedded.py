"""The intake with its own broker: what `replenish serve` runs when no other broker is configured."""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TypeVar

import structlog
from amqtt.errors import BrokerError

from devices.topics import build_topic
from gateway.intake.batcher import Batcher
from gateway.intake.broker import Delivery, HardenedBroker
from gateway.intake.credentials import Credentials
from gateway.intake.errors import ListenFailed
from gateway.steps.ports import Clock
from gateway.steps.receive import InboxWriter, Receipt

START_TIMEOUT_SECONDS = 30.0
ANSWER_TIMEOUT_SECONDS = 10.0

_log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")


class EmbeddedIntake:
    """Broker and intake in one, in threads of their own; start and stop it once, from any thread.

    Loopback by default: the secrets travel in the clear, so that a wider address is for a trusted network only.
    """

    def __init__(
        self,
        inbox: InboxWriter,
        credentials: Credentials,
        clock: Clock,
        *,
        host: str = "127.0.0.1",
        port: int = 1883,
        connection_limit: int = 1_000,
    ) -> None:
        self._batcher: Batcher[Delivery] = Batcher(inbox, clock, self)
        self._credentials = credentials
        self._host = host
        self._port = port
        self._connection_limit = connection_limit
        self._started: Future[tuple[asyncio.AbstractEventLoop, HardenedBroker, asyncio.Event]] = Future()
        self._thread = threading.Thread(target=self._run, name="intake-broker", daemon=True)

    @property
    def port(self) -> int:
        """The port devices connect to: the one asked for, or the one found free when 0 was asked for."""
        _, broker, _ = self._started.result(START_TIMEOUT_SECONDS)
        return broker.port

    def start(self) -> None:
        """Listen; returns when devices can connect.

        Raises:
            ListenFailed: nothing listens; the object cannot be started again.
        """
        self._batcher.start()
        self._thread.start()
        try:
            self._started.result(START_TIMEOUT_SECONDS)
        except ListenFailed:
            self._batcher.stop()
            raise

    def stop(self) -> None:
        """Hang up on every device, commit what was read, and end; returns when all has ended."""
        loop, _, stopping = self._started.result(START_TIMEOUT_SECONDS)
        loop.call_soon_threadsafe(stopping.set)
        self._thread.join()

    def is_listening(self) -> bool:
        """Whether devices can connect."""
        return self._thread.is_alive() and self._started.done()

    def publish_command(self, device_id: str, payload: bytes) -> bool:
        """Send to the device's command topic; False when it is not connected or does not listen (nothing is queued)."""
        loop, broker, _ = self._started.result(START_TIMEOUT_SECONDS)
        return _call(loop, lambda: broker.publish(device_id, build_topic(device_id, "command"), payload))

    def committed(self, receipts: Sequence[tuple[Delivery, Receipt]]) -> None:
        """Answer a committed batch (called by the batcher, on its thread)."""
        loop, broker, _ = self._started.result(START_TIMEOUT_SECONDS)
        loop.call_soon_threadsafe(broker.settled, receipts)

    def failed(self, tickets: Sequence[Delivery]) -> None:
        """Hang up on a batch that was not committed (called by the batcher, on its thread)."""
        loop, broker, _ = self._started.result(START_TIMEOUT_SECONDS)
        loop.call_soon_threadsafe(broker.unsettled, tickets)

    def _run(self) -> None:
        # amqtt tells every packet and every stranger in prose; what matters is logged by the classes made of it.
        for name in ("amqtt", "transitions"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        broker = HardenedBroker(
            self._batcher,
            self._credentials,
            host=self._host,
            port=self._port,
            connection_limit=self._connection_limit,
        )
        try:
            await broker.start()
        except BrokerError as error:
            self._started.set_exception(ListenFailed(self._host, self._port, str(error.__cause__ or error)))
            return
        stopping = asyncio.Event()
        self._started.set_result((asyncio.get_running_loop(), broker, stopping))
        _log.info("listening", broker="embedded", host=self._host, port=broker.port)
        await stopping.wait()
        await broker.shutdown()
        # Off the loop, because settling the last batches needs the loop.
        await asyncio.to_thread(self._batcher.stop)


def _call(loop: asyncio.AbstractEventLoop, function: Callable[[], Answer]) -> Answer:
    """Run a function on the loop from another thread and wait for what it returns."""

    async def run() -> Answer:
        return function()

    return asyncio.run_coroutine_threadsafe(run(), loop).result(ANSWER_TIMEOUT_SECONDS)
