"""MQTT 3.1.1 by hand, so that a test can also do what no client library would."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

CONNACK, PUBLISH, PUBACK, SUBACK, PINGRESP = 2, 3, 4, 9, 13
WAIT_SECONDS = 60.0


def eventually(condition: Callable[[], object], timeout_seconds: float = WAIT_SECONDS) -> None:
    """Wait until the condition holds; fails after the timeout."""
    give_up_at = time.monotonic() + timeout_seconds
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < give_up_at, "it did not come true in time"
        pause.wait(0.01)


def text(value: str | bytes) -> bytes:
    encoded = value.encode() if isinstance(value, str) else value
    return len(encoded).to_bytes(2) + encoded


def packet(first_byte: int, body: bytes) -> bytes:
    length, encoded = len(body), bytearray()
    while True:
        length, digit = divmod(length, 128)
        encoded.append(digit | (0x80 if length else 0))
        if not length:
            return bytes([first_byte]) + bytes(encoded) + body


def publish_packet(topic: str, payload: bytes, packet_id: int | None = None, qos: int = 1) -> bytes:
    if packet_id is None:
        return packet(0x30, text(topic) + payload)
    return packet(0x30 | qos << 1, text(topic) + packet_id.to_bytes(2) + payload)


@dataclass(frozen=True)
class Packet:
    kind: int
    body: bytes

    @property
    def topic(self) -> str:
        return self.body[2 : 2 + int.from_bytes(self.body[:2])].decode()

    @property
    def payload(self) -> bytes:
        return self.body[2 + int.from_bytes(self.body[:2]) :]

    @property
    def packet_id(self) -> int:
        return int.from_bytes(self.body[:2])


class ConnectionEnded(Exception):
    """The broker hung up."""


class Client:
    """One connection; every read is bounded."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def connect(
        self,
        client_id: str,
        username: str | None = None,
        secret: str | None = None,
        *,
        clean: bool = True,
        keep_alive: int = 60,
        will: tuple[str, bytes] | None = None,
    ) -> int:
        """Send CONNECT and return the answer's code; 0 is welcome, -1 that the broker hung up without one."""
        flags = (0x02 if clean else 0) | (0x80 if username else 0) | (0x40 if secret else 0) | (0x2C if will else 0)
        body = text("MQTT") + bytes([4, flags]) + keep_alive.to_bytes(2) + text(client_id)
        for part in (*(will or ()), username, secret):
            body += text(part) if part is not None else b""
        self.send(packet(0x10, body))
        try:
            answer = self.read()
        except ConnectionEnded:
            return -1
        assert answer.kind == CONNACK
        return answer.body[1]

    def send(self, data: bytes) -> None:
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise ConnectionEnded from error

    def publish(self, topic: str, payload: bytes, packet_id: int | None = None) -> None:
        self.send(publish_packet(topic, payload, packet_id))

    def subscribe(self, topic_filter: str) -> int:
        """Return the code the broker granted; 0x80 is a refusal."""
        self.send(packet(0x82, (1).to_bytes(2) + text(topic_filter) + b"\x00"))
        return self.expect(SUBACK).body[2]

    def read(self, timeout_seconds: float = WAIT_SECONDS) -> Packet:
        """The next packet.

        Raises:
            ConnectionEnded: there is none any more.
            TimeoutError: there was none in time.
        """
        self.socket.settimeout(timeout_seconds)
        kind = self._exactly(1)[0] >> 4
        length, shift = 0, 0
        while True:
            digit = self._exactly(1)[0]
            length |= (digit & 0x7F) << shift
            shift += 7
            if not digit & 0x80:
                return Packet(kind, self._exactly(length))

    def expect(self, kind: int) -> Packet:
        answer = self.read()
        assert answer.kind == kind, answer
        return answer

    def read_until_end(self) -> list[Packet]:
        """Every packet until the broker hangs up."""
        packets: list[Packet] = []
        try:
            while True:
                packets.append(self.read())
        except ConnectionEnded:
            return packets

    def is_answered(self) -> bool:
        """Whether a ping comes back: the connection lives, and all that was sent before has been read."""
        self.send(b"\xc0\x00")
        while self.read().kind != PINGRESP:
            pass
        return True

    def disconnect(self) -> None:
        self.send(b"\xe0\x00")
        self.close()

    def finish_sending(self) -> None:
        """Tell the broker that nothing more comes; it may have hung up already."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def disconnect_and_read(self) -> list[Packet]:
        """Say goodbye, then read what was still on its way, as a careful client does."""
        self.send(b"\xe0\x00")
        self.finish_sending()
        return self.read_until_end()

    def close(self) -> None:
        self.socket.close()

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            try:
                more = self.socket.recv(count - len(data))
            except TimeoutError:
                raise
            except OSError as error:
                raise ConnectionEnded from error
            if not more:
                raise ConnectionEnded
            data += more
        return data
