"""The embedded broker: amqtt's broker, hardened by subclass.

amqtt keeps the listener, the states and the codecs. Replaced is everything between a socket and a session: who may
connect is decided before anything of a session is touched; no session outlives its connection, so there is none to
hijack; nothing is distributed to subscribers or retained, because the only reader of what devices say is the gateway,
and its reading is *receive*, inside the publish handler: the PUBACK follows the commit.
"""

import asyncio
import ssl
from collections import defaultdict
from collections.abc import Sequence
from functools import partial

import structlog
from amqtt.adapters import StreamReaderAdapter
from amqtt.broker import Broker
from amqtt.contexts import BrokerConfig, ListenerConfig, ListenerType
from amqtt.mqtt.connack import CONNECTION_ACCEPTED, NOT_AUTHORIZED, ConnackPacket
from amqtt.mqtt.puback import PubackPacket
from amqtt.session import Session

from devices.provisioning import verify_secret
from devices.topics import build_topic, is_device_id
from gateway.intake.answers import acknowledgements
from gateway.intake.batcher import Batcher
from gateway.intake.connection import PROTOCOL_ERRORS, DeviceConnection, Refused, greet
from gateway.intake.credentials import Credentials, stored_hashes
from gateway.steps.receive import Arrival, Receipt

CONNECT_TIMEOUT_SECONDS = 10.0
CLOSE_TIMEOUT_SECONDS = 5.0
WATCH_SECONDS = 0.5
"""How often revoked and silent connections are looked for."""

STREAM_LIMIT_BYTES = 65_536

_log = structlog.get_logger(__name__)


class Delivery:
    """Where one arrival came from: its connection, and the packet id to acknowledge (None at QoS 0 and for a will)."""

    __slots__ = ("connection", "packet_id")

    def __init__(self, connection: DeviceConnection, packet_id: int | None) -> None:
        self.connection = connection
        self.packet_id = packet_id


class LastingReader(asyncio.StreamReader):
    """A stream whose reset is read as its end, after all that came before it.

    A device that sends and hangs up without reading its PUBACKs resets the connection; the standard reader would then
    refuse to hand out what has arrived already.
    """

    def set_exception(self, _: Exception) -> None:
        """Take the loss of the connection for the end of the stream."""
        self.feed_eof()


class HardenedBroker(Broker):  # type: ignore[misc]  # amqtt publishes no types
    """One listener for devices. Lives on the event loop it is made on."""

    def __init__(
        self,
        batcher: Batcher[Delivery],
        credentials: Credentials,
        *,
        host: str,
        port: int,
        connection_limit: int,
    ) -> None:
        # An empty set of plugins, or amqtt would admit anonymous clients and publish its own statistics.
        super().__init__(BrokerConfig(listeners={"default": ListenerConfig(bind=f"{host}:{port}")}, plugins={}))
        self._batcher = batcher
        self._credentials = credentials
        self._connection_limit = connection_limit
        # The queue before the commit never fills beyond this, so that offering to it never blocks the loop.
        self._room = asyncio.Semaphore(batcher.queue_limit)
        self._connections: dict[str, DeviceConnection] = {}
        self._visits: set[asyncio.Task[None]] = set()
        self._stopping = False

    @property
    def port(self) -> int:
        """The port that is listened on, once started."""
        port: int = self._servers["default"].instance.sockets[0].getsockname()[1]
        return port

    async def shutdown(self) -> None:
        """Take no more connections, cut those there are, and stop. What was read is still committed by the batcher."""
        self._stopping = True
        for server in self._servers.values():
            server.instance.close()
        for connection in self._connections.values():
            connection.hang_up()
        visits = list(self._visits)
        if visits:
            _, unfinished = await asyncio.wait(visits, timeout=CONNECT_TIMEOUT_SECONDS)
            for visit in unfinished:
                visit.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)
        await super().shutdown()

    async def stream_connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener_name: str
    ) -> None:
        """See one client from its first byte to its last; nothing it does may reach beyond its own connection."""
        visit = asyncio.current_task()
        assert visit is not None
        if len(self._visits) >= self._connection_limit:
            _log.warning("connection_refused", reason="connection limit", limit=self._connection_limit)
            writer.transport.abort()
            return
        peer = writer.get_extra_info("peername")
        if peer is None:
            writer.transport.abort()
            return
        self._visits.add(visit)
        try:
            connection = await self._admit(reader, writer)
            try:
                await self._serve(connection)
            finally:
                if self._connections.get(connection.device_id) is connection:
                    del self._connections[connection.device_id]
        except Refused as refused:
            _log.warning("connection_refused", client_id=refused.client_id, reason=refused.reason, peer=peer)
            writer.write(ConnackPacket.build(0, NOT_AUTHORIZED).to_bytes())
        except TimeoutError:
            _log.warning("connection_refused", reason="no CONNECT in time", peer=peer)
        except PROTOCOL_ERRORS as error:
            _log.warning("connection_ended", reason=f"not MQTT as spoken here: {error}", peer=peer)
        except Exception:  # noqa: BLE001 — see below
            # The outermost line of a connection: a defect ends this one and leaves the others alone.
            _log.exception("connection_ended", listener=listener_name, peer=peer)
        finally:
            self._visits.discard(visit)
            writer.close()
            # A client that reads nothing would hold a closing connection for ever.
            asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_SECONDS, writer.transport.abort)

    def settled(self, receipts: Sequence[tuple[Delivery, Receipt]]) -> None:
        """Answer a committed batch: each device's PUBACKs in order, then the gateway's own acknowledgement."""
        answers: dict[DeviceConnection, bytearray] = defaultdict(bytearray)
        for delivery, _ in receipts:
            self._room.release()
            delivery.connection.room.release()
            if delivery.packet_id is not None:
                answers[delivery.connection] += PubackPacket.build(delivery.packet_id).to_bytes()
        for connection, packets in answers.items():
            connection.send(bytes(packets))
        for device_id, payloads in acknowledgements(receipt for _, receipt in receipts).items():
            for payload in payloads:
                self.publish(device_id, build_topic(device_id, "ack"), payload)

    def unsettled(self, deliveries: Sequence[Delivery]) -> None:
        """Nothing was committed: acknowledge nobody and hang up, so that the devices send again."""
        for delivery in deliveries:
            self._room.release()
            delivery.connection.room.release()
            delivery.connection.hang_up()

    def publish(self, device_id: str, topic: str, payload: bytes) -> bool:
        """Publish at QoS 0 to the device's present connection; False if it is not there or not listening."""
        connection = self._connections.get(device_id)
        packet = connection.publication(topic, payload) if connection is not None else None
        if connection is None or packet is None:
            return False
        connection.send(packet)
        return True

    async def _admit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> DeviceConnection:
        adapter = StreamReaderAdapter(reader)
        async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
            session = await greet(adapter, writer, self.plugins_manager)
            secret_hash = await asyncio.to_thread(self._check, session)
        connection = DeviceConnection(self.plugins_manager, session, adapter, writer, secret_hash)
        # Who knows the secret may take over: it is the same device, back before its old connection was missed.
        former = self._connections.get(connection.device_id)
        if former is not None:
            former.hang_up()
        self._connections[connection.device_id] = connection
        connection.send(ConnackPacket.build(0, CONNECTION_ACCEPTED).to_bytes())
        return connection

    def _check(self, session: Session) -> str:
        """The stored hash that the session's secret fits; off the event loop, since it asks the database."""
        device_id = session.client_id or ""
        if not is_device_id(device_id):
            raise Refused(session.client_id, "not a device id")
        secret_hash = self._credentials([device_id]).get(device_id)
        if secret_hash is None:
            raise Refused(device_id, "unknown or revoked")
        if not verify_secret(session.password or "", secret_hash):
            raise Refused(device_id, "wrong secret")
        if session.will_flag and session.will_topic != build_topic(device_id, "status"):
            raise Refused(device_id, f"a will on {session.will_topic!r}")
        return secret_hash

    async def _serve(self, connection: DeviceConnection) -> None:
        said_goodbye = False
        try:
            said_goodbye = await connection.serve(partial(self._take, connection))
        finally:
            will = connection.will
            # When we are the ones who leave, the device is not to be called offline.
            if will is not None and not said_goodbye and not self._stopping:
                await self._take(connection, *will, None)

    async def _take(self, connection: DeviceConnection, topic: str, payload: bytes, packet_id: int | None) -> None:
        """Hand one message to the batcher, waiting for room so that a fast sender is read no faster than committed."""
        await connection.room.acquire()
        await self._room.acquire()
        # What a connection had in its pipe when it was revoked is kept, but has lost its sender.
        sender = None if connection.revoked else connection.device_id
        self._batcher.offer(Arrival(topic, payload, sender), Delivery(connection, packet_id))

    async def _create_server_instance(
        self,
        listener_name: str,
        listener_type: ListenerType,
        address: str | None,
        port: int,
        ssl_context: ssl.SSLContext | None,
    ) -> asyncio.Server:
        assert listener_type is ListenerType.TCP
        loop = asyncio.get_running_loop()

        def visitor() -> asyncio.StreamReaderProtocol:
            reader = LastingReader(limit=STREAM_LIMIT_BYTES, loop=loop)
            return asyncio.StreamReaderProtocol(
                reader, partial(self.stream_connected, listener_name=listener_name), loop=loop
            )

        return await loop.create_server(visitor, address, port, ssl=ssl_context)

    async def _session_monitor(self) -> None:
        """Cut who was revoked, or whose secret was changed, and who fell silent; amqtt starts and cancels this."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            watched = list(self._connections.values())
            self._cut_silent(watched)
            try:
                known = await asyncio.to_thread(stored_hashes, self._credentials, [one.device_id for one in watched])
            except Exception:  # noqa: BLE001 — see below
                # The loop's outermost line: an unreachable database cuts nobody off, and is asked again.
                _log.exception("credentials_not_checked")
                continue
            for connection in watched:
                if known.get(connection.device_id) != connection.secret_hash:
                    _log.warning("connection_ended", device_id=connection.device_id, reason="revoked or secret changed")
                    connection.revoked = True
                    connection.hang_up()

    def _cut_silent(self, watched: Sequence[DeviceConnection]) -> None:
        now_s = asyncio.get_running_loop().time()
        for connection in watched:
            if now_s - connection.heard_at_s > connection.silence_limit_s:
                _log.info("connection_ended", device_id=connection.device_id, reason="silent beyond its keep-alive")
                connection.hang_up()
