"""The intake on an external broker: the gateway's own session, with paho-mqtt.

The session is a durable one (fixed client id, no clean session), the broker keeps what comes in while we are away, and
a message is acknowledged to the broker only after its batch is committed. A broker sends again only when a client
reconnects: so a batch that was not committed ends the connection.
"""

import socket
import ssl
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from devices.control import decode_status
from devices.errors import BadInput, BadTopic
from devices.topics import ROOT, build_topic, parse_topic
from gateway.intake.answers import acknowledgements
from gateway.intake.batcher import Batcher
from gateway.intake.credentials import Credentials, Roster
from gateway.steps.ports import Clock
from gateway.steps.receive import Arrival, InboxWriter, Receipt

KEEP_ALIVE_SECONDS = 30
BACK_OFF_SECONDS = (1, 5)
COMMANDS_WAITING_LIMIT = 1_000
SUBSCRIPTIONS = [(f"{ROOT}/+/telemetry", 1), (f"{ROOT}/+/status", 1)]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class BrokerMessage:
    """What has to be acknowledged to the broker: a packet id, valid on the connection it came by and on no other."""

    connection: int
    packet_id: int
    qos: int


class SessionIntake:
    """The gateway's session on a broker such as Mosquitto; start and stop it once, from any thread.

    The sender of a message is the device of its topic: the broker's access rules see to it that only that device can
    write there (see ``mosquitto.conf``). A device that is revoked here loses its name within a second.
    """

    def __init__(
        self,
        inbox: InboxWriter,
        credentials: Credentials,
        clock: Clock,
        *,
        host: str,
        port: int,
        username: str,
        secret: str,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._batcher: Batcher[BrokerMessage] = Batcher(inbox, clock, self)
        self._roster = Roster(credentials)
        self._host = host
        self._port = port
        self._connection = 0
        self._connection_lock = threading.Lock()
        self._subscribed = threading.Event()
        self._gone: set[str] = set()
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=username,
            clean_session=False,
            protocol=MQTTProtocolVersion.MQTTv311,
            manual_ack=True,
        )
        self._client.username_pw_set(username, secret)
        if tls is not None:
            self._client.tls_set_context(tls)
        self._client.reconnect_delay_set(*BACK_OFF_SECONDS)
        self._client.max_queued_messages_set(COMMANDS_WAITING_LIMIT)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message

    def start(self) -> None:
        """Begin to connect; returns at once, and goes on trying while the broker cannot be reached."""
        self._batcher.start()
        self._client.connect_async(self._host, self._port, KEEP_ALIVE_SECONDS)
        self._client.loop_start()

    def stop(self) -> None:
        """Commit and acknowledge what was read, leave the broker (which keeps the session), and end."""
        self._batcher.stop()
        self._client.disconnect()
        self._client.loop_stop()

    def is_listening(self) -> bool:
        """Whether the broker is reached and has confirmed the subscriptions."""
        return self._subscribed.is_set()

    def publish_command(self, device_id: str, payload: bytes) -> bool:
        """Send to the device's command topic by way of the broker; False when the broker is not reached.

        False as well when the device said that it leaves, or the broker did for it (its last will): nothing is queued.
        A device that says nothing of itself and has a durable session gets it when it comes back, at least once.
        """
        if not self._client.is_connected() or device_id in self._gone:
            return False
        sent = self._client.publish(build_topic(device_id, "command"), payload, qos=1)
        return sent.rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    def committed(self, receipts: Sequence[tuple[BrokerMessage, Receipt]]) -> None:
        """Acknowledge a committed batch, in order (called by the batcher, on its thread)."""
        for message, _ in receipts:
            # Under the lock: a packet id of a connection that is gone may by now belong to another message.
            with self._connection_lock:
                if message.connection == self._connection:
                    self._client.ack(message.packet_id, message.qos)
        for device_id, payloads in acknowledgements(receipt for _, receipt in receipts).items():
            for payload in payloads:
                self._client.publish(build_topic(device_id, "ack"), payload, qos=0)

    def failed(self, tickets: Sequence[BrokerMessage]) -> None:
        """Drop the connection of a batch that was not committed (called by the batcher, on its thread)."""
        with self._connection_lock:
            if any(ticket.connection == self._connection for ticket in tickets):
                self._drop()

    def _drop(self) -> None:
        """Break the socket; paho then reconnects after its back-off, as it does for any lost connection."""
        connected = self._client.socket()
        if isinstance(connected, socket.socket):
            try:
                connected.shutdown(socket.SHUT_RDWR)
            except OSError as error:
                _log.info("connection_already_lost", error=str(error))

    def _on_connect(
        self,
        client: Client,
        _userdata: object,
        _flags: ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            _log.error("broker_refused_us", host=self._host, port=self._port, reason=str(reason))
            return
        with self._connection_lock:
            self._connection += 1
        client.subscribe(SUBSCRIPTIONS)

    def _on_subscribe(
        self,
        _client: Client,
        _userdata: object,
        _mid: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            _log.error(
                "broker_refused_subscription", host=self._host, port=self._port, reasons=[str(r) for r in reasons]
            )
            return
        _log.info("listening", broker="session", host=self._host, port=self._port)
        self._subscribed.set()

    def _on_disconnect(
        self,
        _client: Client,
        _userdata: object,
        _flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        with self._connection_lock:
            self._connection += 1
        self._subscribed.clear()
        _log.info("broker_left", host=self._host, port=self._port, reason=str(reason))

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        # Only this thread changes the number, so that it cannot change between here and the offer.
        ticket = BrokerMessage(self._connection, message.mid, message.qos)
        try:
            arrival = Arrival(message.topic, bytes(message.payload), self._sender(message.topic))
            self._note_presence(arrival)
            self._batcher.offer(arrival, ticket)
        except Exception:  # noqa: BLE001 — see below
            # The outermost line of paho's loop: the message is not acknowledged, and comes again with the connection.
            _log.exception("message_not_taken", packet_id=message.mid)
            self._drop()

    def _note_presence(self, arrival: Arrival) -> None:
        """Remember who is gone; what cannot be read changes nothing. Retained ones come again with each connection."""
        if arrival.sender is None or parse_topic(arrival.topic).channel != "status":
            return
        with suppress(BadInput):
            if decode_status(arrival.payload):
                self._gone.discard(arrival.sender)
            else:
                self._gone.add(arrival.sender)

    def _sender(self, topic: str) -> str | None:
        try:
            device_id = parse_topic(topic).device_id
        except BadTopic:
            return None
        return device_id if self._roster.welcomes(device_id) else None
