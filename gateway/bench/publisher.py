"""Many devices in one process of their own, for the intake's benchmark: `python -m gateway.bench.publisher`.

It speaks MQTT 3.1.1 by hand, because any client library would be what is measured. Commands come on standard input, one
JSON object a line: first where and who, then `{"round": N}` for each round of N messages a device. Each is answered by
a line: `{"ready": true}` when the messages are sealed, and after the next line (an empty one) `{"seconds": …}`.
"""

import asyncio
import json
import sys
from dataclasses import dataclass
from time import perf_counter
from typing import TextIO

from devices import Identity, Reading, Report, build_topic, encode_report, seal

MAX_IN_FLIGHT = 64
CONNECT, PUBLISH_QOS_1, PUBACK, CONNACK = 0x10, 0x32, 0x40, 0x20
PUBACK_BYTES = 4
KEEP_ALIVE_S = 300
START_US = 1_795_503_600_000_000


class BrokerLeft(Exception):
    """The broker refused a device or hung up; the figures of this run are void."""


@dataclass(slots=True)
class _Device:
    identity: Identity
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    seq: int = 0

    def sealed(self, count: int) -> list[bytes]:
        """The next messages as whole packets."""
        topic = _text(build_topic(self.identity.device_id, "telemetry"))
        packets = []
        for _ in range(count):
            self.seq += 1
            report = Report(
                START_US + self.seq, (Reading("milk", "left", 0.5, "l"), Reading("eggs", "left", 6, "piece"))
            )
            payload = seal(self.identity, 1, self.seq, encode_report(report, "cbor"), "cbor")
            packet_id = (self.seq % 65_535 + 1).to_bytes(2)
            packets.append(_packet(PUBLISH_QOS_1, topic + packet_id + payload))
        return packets

    async def publish(self, packets: list[bytes]) -> None:
        """Send all, at most 64 in flight; returns when the last is acknowledged."""
        sent = acknowledged = 0
        unread = b""
        while acknowledged < len(packets):
            window = packets[sent : acknowledged + MAX_IN_FLIGHT]
            if window:
                self.writer.write(b"".join(window))
                sent += len(window)
                await self.writer.drain()
            data = await self.reader.read(65_536)
            if not data:
                raise BrokerLeft(f"{self.identity.device_id} was cut off after {acknowledged} messages")
            unread += data
            whole = len(unread) // PUBACK_BYTES
            if any(unread[place * PUBACK_BYTES] != PUBACK for place in range(whole)):
                raise BrokerLeft(f"{self.identity.device_id} was answered with something else")
            acknowledged += whole
            unread = unread[whole * PUBACK_BYTES :]


async def run(commands: TextIO) -> None:
    """Obey until the input ends."""
    who = json.loads(commands.readline())
    devices = [await _connected(who["port"], one["device_id"], one["secret"]) for one in who["devices"]]
    for line in commands:
        packets = [device.sealed(json.loads(line)["round"]) for device in devices]
        _answer({"ready": True})
        commands.readline()
        start = perf_counter()
        await asyncio.gather(*(device.publish(mine) for device, mine in zip(devices, packets, strict=True)))
        _answer({"seconds": perf_counter() - start})
    for device in devices:
        device.writer.close()


async def _connected(port: int, device_id: str, secret: str) -> _Device:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    flags = b"\xc2" + KEEP_ALIVE_S.to_bytes(2)  # user name, password, clean session
    writer.write(_packet(CONNECT, _text("MQTT") + b"\x04" + flags + _text(device_id) * 2 + _text(secret)))
    answer = await reader.readexactly(4)
    if answer[0] != CONNACK or answer[3] != 0:
        raise BrokerLeft(f"{device_id} may not connect")
    return _Device(Identity.from_seed(device_id, 1), reader, writer)


def _text(value: str) -> bytes:
    return len(value).to_bytes(2) + value.encode()


def _packet(first_byte: int, body: bytes) -> bytes:
    length, encoded = len(body), bytearray()
    while True:
        length, digit = divmod(length, 128)
        encoded.append(digit | (0x80 if length else 0))
        if not length:
            return bytes([first_byte]) + bytes(encoded) + body


def _answer(fields: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(run(sys.stdin))
