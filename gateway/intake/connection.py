"""One device's connection to the embedded broker: amqtt's protocol handler, with what it leaves open closed.

Stock amqtt 0.12.1 starts a task for every packet without a bound, acknowledges before anything is stored, drops what is
in hand when a device disconnects, reads packets of any size, does not enforce the keep-alive and lets a will go to any
topic. Here one task reads one packet at a time, and a PUBLISH is answered by the batcher after its commit.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from amqtt.adapters import BufferReader, ReaderAdapter, StreamWriterAdapter
from amqtt.broker import BrokerContext
from amqtt.errors import AMQTTError, CodecError, MQTTError, NoDataError
from amqtt.mqtt.packet import CONNECT, DISCONNECT, PINGREQ, PUBACK, PUBLISH, SUBSCRIBE, UNSUBSCRIBE, MQTTFixedHeader
from amqtt.mqtt.pingresp import PingRespPacket
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.mqtt.publish import PublishPacket
from amqtt.mqtt.suback import SubackPacket
from amqtt.mqtt.subscribe import SubscribePacket
from amqtt.mqtt.unsuback import UnsubackPacket
from amqtt.mqtt.unsubscribe import UnsubscribePacket
from amqtt.plugins.manager import PluginManager
from amqtt.session import Session

from devices.topics import build_topic

CONNECT_LIMIT_BYTES = 4_096
PACKET_LIMIT_BYTES = 65_536
"""Above the payload limit of 8192, so that a somewhat too large message is kept and named; beyond it we hang up."""

IN_FLIGHT_LIMIT = 100
UNREAD_LIMIT_BYTES = 1_048_576
"""A device that does not read what we answer is hung up on."""

SILENCE_LIMIT_SECONDS = 3_600
"""For a device that declared no keep-alive, or a very long one."""

SUBSCRIPTION_REFUSED = 0x80

PROTOCOL_ERRORS: Final = (AMQTTError, MQTTError, CodecError, NoDataError, ValueError)
"""What amqtt and this file raise over bytes that are not MQTT as we speak it: the connection ends, nothing else."""


class Refused(Exception):
    """A connection that was not let in. ``client_id`` is what it claimed."""

    def __init__(self, client_id: str | None, reason: str) -> None:
        super().__init__(f"{client_id!r}: {reason}")
        self.client_id = client_id
        self.reason = reason


class DeviceConnection(BrokerProtocolHandler):  # type: ignore[misc]  # amqtt publishes no types
    """An authenticated connection. All methods run on the broker's event loop."""

    def __init__(
        self,
        plugins_manager: PluginManager[BrokerContext],
        session: Session,
        reader: ReaderAdapter,
        stream: asyncio.StreamWriter,
        secret_hash: str,
    ) -> None:
        super().__init__(plugins_manager)
        self.attach(session, reader, StreamWriterAdapter(stream))
        assert session.client_id is not None
        self.device_id: Final[str] = session.client_id
        self.secret_hash: Final = secret_hash
        self.room: Final = asyncio.Semaphore(IN_FLIGHT_LIMIT)
        self.session: Session = session
        self.heard_at_s = asyncio.get_running_loop().time()
        keep_alive_s: int = session.keep_alive
        self.silence_limit_s: Final = min(1.5 * keep_alive_s or SILENCE_LIMIT_SECONDS, SILENCE_LIMIT_SECONDS)
        self.revoked = False
        self._input = reader
        self._stream = stream
        self._subscribed: set[str] = set()
        self._allowed: Final = {build_topic(self.device_id, "ack"), build_topic(self.device_id, "command")}

    @property
    def will(self) -> tuple[str, bytes] | None:
        """Topic and payload of the last will, if the device left one."""
        if not self.session.will_flag:
            return None
        return str(self.session.will_topic), bytes(self.session.will_message or b"")

    async def serve(self, take: Callable[[str, bytes, int | None], Awaitable[None]]) -> bool:
        """Read packets until the end; True when the device said goodbye, so that its will is void.

        ``take`` gets topic, payload and packet id (None at QoS 0) of each PUBLISH and may hold the reading back.

        Raises:
            PROTOCOL_ERRORS: the device does not speak MQTT 3.1.1 at QoS 0 or 1.
        """
        loop = asyncio.get_running_loop()
        while (packet := await read_packet(self._input, PACKET_LIMIT_BYTES)) is not None:
            self.heard_at_s = loop.time()
            header, body = packet
            if header.packet_type == PUBLISH:
                await take(*_publish_fields(header, body))
            elif header.packet_type == SUBSCRIBE:
                await self._subscribe(header, body)
            elif header.packet_type == UNSUBSCRIBE:
                await self._unsubscribe(header, body)
            elif header.packet_type == PINGREQ:
                self.send(PingRespPacket.build().to_bytes())
            elif header.packet_type == DISCONNECT:
                return True
            elif header.packet_type != PUBACK:
                raise MQTTError(f"packet type {header.packet_type} is not for a device to send")
        return False

    def send(self, packets: bytes) -> None:
        """Write without waiting. A connection that is gone, or does not read, gets nothing: devices ask again."""
        if self._stream.is_closing():
            return
        self._stream.write(packets)
        if self._stream.transport.get_write_buffer_size() > UNREAD_LIMIT_BYTES:
            self.hang_up()

    def publication(self, topic: str, payload: bytes) -> bytes | None:
        """The packet that publishes at QoS 0, or None if the device did not subscribe to the topic."""
        if topic not in self._subscribed:
            return None
        packet: bytes = PublishPacket.build(topic, payload, None, False, 0, False).to_bytes()
        return packet

    def hang_up(self) -> None:
        """Cut the connection at once: what was not acknowledged will be sent again."""
        self._stream.transport.abort()

    async def _subscribe(self, header: MQTTFixedHeader, body: bytes) -> None:
        packet = await SubscribePacket.from_stream(BufferReader(body), fixed_header=header)
        codes: list[int] = []
        for topic_filter, _ in packet.payload.topics:
            # No wildcard can be among the allowed, so a device sees what is addressed to itself and nothing else.
            if topic_filter in self._allowed:
                self._subscribed.add(topic_filter)
                codes.append(0)
            else:
                codes.append(SUBSCRIPTION_REFUSED)
        self.send(SubackPacket.build(packet.variable_header.packet_id, codes).to_bytes())

    async def _unsubscribe(self, header: MQTTFixedHeader, body: bytes) -> None:
        packet = await UnsubscribePacket.from_stream(BufferReader(body), fixed_header=header)
        self._subscribed.difference_update(packet.payload.topics)
        self.send(UnsubackPacket.build(packet.variable_header.packet_id).to_bytes())


async def greet(
    reader: ReaderAdapter, stream: asyncio.StreamWriter, plugins_manager: PluginManager[BrokerContext]
) -> Session:
    """Read the CONNECT packet into a session that is not yet trusted and has touched nothing.

    Raises:
        Refused: the client is not a device that introduces itself as one.
        PROTOCOL_ERRORS: it is not a CONNECT packet of MQTT 3.1.1 (answered where the protocol has an answer).
    """
    packet = await read_packet(reader, CONNECT_LIMIT_BYTES)
    if packet is None:
        raise NoDataError("closed before CONNECT")
    header, body = packet
    if header.packet_type != CONNECT:
        raise MQTTError(f"packet type {header.packet_type} before CONNECT")
    _, session = await BrokerProtocolHandler.init_from_connect(
        BufferReader(header.to_bytes() + body), StreamWriterAdapter(stream), plugins_manager
    )
    if not session.username or not session.password:
        raise Refused(session.client_id, "no user name or no secret")
    if session.username != session.client_id:
        raise Refused(session.client_id, f"client id is not the user name {session.username!r}")
    return session


async def read_packet(reader: ReaderAdapter, limit_bytes: int) -> tuple[MQTTFixedHeader, bytes] | None:
    """One packet's header and the rest of its bytes; None at the end of the stream.

    Raises:
        MQTTError: the packet claims to be larger than the limit; nothing of it was read.
    """
    header = await MQTTFixedHeader.from_stream(reader)
    if header is None:
        return None
    if header.remaining_length > limit_bytes:
        raise MQTTError(f"a packet of {header.remaining_length} bytes, above {limit_bytes}")
    try:
        return header, await reader.read(header.remaining_length)
    except asyncio.IncompleteReadError:
        return None


def _publish_fields(header: MQTTFixedHeader, body: bytes) -> tuple[str, bytes, int | None]:
    qos = header.flags >> 1 & 3
    if qos > 1:
        raise MQTTError(f"QoS {qos}: a device publishes at QoS 0 or 1")
    topic_end = 2 + int.from_bytes(body[:2])
    payload_start = topic_end + 2 * qos
    if len(body) < payload_start:
        raise MQTTError("a PUBLISH shorter than its topic")
    topic = body[2:topic_end].decode()
    packet_id = int.from_bytes(body[topic_end:payload_start]) if qos else None
    if packet_id == 0:
        raise MQTTError("packet id 0")
    return topic, body[payload_start:], packet_id
