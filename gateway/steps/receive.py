"""Receive: what devices sent becomes committed rows, and only then may anyone be told so.

The first step of the river, called by the intake with a batch. It opens nothing but the envelope, so that its cost does
not depend on what is inside and a bad body cannot stop it; decoding, signatures and counting once belong to *record*.
What cannot even be opened is kept too, beside the inbox, with its reason, its bytes and its sender.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from devices.acknowledgement import fingerprint
from devices.envelope import MAX_PAYLOAD_BYTES, peek
from devices.errors import BadInput
from devices.topics import parse_topic

TOPIC_KEPT_CHARACTERS = 256

Kind: TypeAlias = Literal["telemetry", "status"]


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message as the broker handed it over.

    ``sender`` is the device the broker vouches for (its authenticated connection, or a topic that only this device may
    write); None when nobody can be vouched for any more, as after a revocation.
    """

    topic: str
    payload: bytes
    sender: str | None


@dataclass(frozen=True, slots=True)
class Committed:
    """A reading that is durable: it may be acknowledged as (epoch, seq)."""

    device_id: str
    epoch: int
    seq: int


@dataclass(frozen=True, slots=True)
class StatusKept:
    """A status (online, last will) that is durable; it has no sequence and needs no acknowledgement of ours."""

    device_id: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """What could not be opened: kept with its reason, and named to its sender by the digest of its bytes.

    ``reason`` is a stable machine word: what ``devices.topics.parse_topic`` and ``devices.envelope.peek`` raise,
    or ``too-big``, ``unknown-sender``, ``not-its-own-topic``, ``not-for-devices``.
    """

    sender: str | None
    sha256: str
    reason: str


Receipt: TypeAlias = Committed | StatusKept | Rejected


@dataclass(frozen=True, slots=True)
class InboxEntry:
    """A row to be: an opened envelope, its payload untouched. ``epoch`` and ``seq`` are None for a status."""

    kind: Kind
    device_id: str
    sender: str
    topic: str
    epoch: int | None
    seq: int | None
    payload: bytes
    received_at_us: int


@dataclass(frozen=True, slots=True)
class RejectedEntry:
    """A row to be: at most the first 8192 bytes of what was rejected, its whole size, and the digest of all of it."""

    sender: str | None
    topic: str
    sha256: str
    reason: str
    payload: bytes
    size_bytes: int
    received_at_us: int


class InboxUnavailable(Exception):
    """The inbox took nothing. Nothing of the batch may be acknowledged; the devices will send it again."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"The inbox {path} cannot be used: {reason}.")
        self.path = path
        self.reason = reason


class InboxWriter(Protocol):
    """Where received messages are made durable: append-only, so that the intake is never slower than the disk."""

    def append(self, entries: Sequence[InboxEntry], rejected: Sequence[RejectedEntry]) -> None:
        """Add all of them, in order, in one transaction that is committed (and on the disk) before this returns.

        Raises:
            InboxUnavailable: nothing was added.
        """


def receive(arrivals: Sequence[Arrival], inbox: InboxWriter, now_us: int) -> list[Receipt]:
    """Commit a batch to the inbox and return one receipt per arrival, in the same order.

    Every row of the batch is stamped with ``now_us``, the instant it was received.

    Raises:
        InboxUnavailable: nothing was committed, nothing may be acknowledged.
    """
    entries: list[InboxEntry] = []
    rejected: list[RejectedEntry] = []
    receipts: list[Receipt] = []
    for arrival in arrivals:
        opened = _open(arrival, now_us)
        match opened:
            case InboxEntry(epoch=int() as epoch, seq=int() as seq):
                entries.append(opened)
                receipts.append(Committed(opened.device_id, epoch, seq))
            case InboxEntry():
                entries.append(opened)
                receipts.append(StatusKept(opened.device_id))
            case RejectedEntry():
                rejected.append(opened)
                receipts.append(Rejected(opened.sender, opened.sha256, opened.reason))
    inbox.append(entries, rejected)
    return receipts


def _open(arrival: Arrival, now_us: int) -> InboxEntry | RejectedEntry:
    try:
        return _entry(arrival, now_us)
    except BadInput as error:
        return RejectedEntry(
            sender=arrival.sender,
            topic=arrival.topic[:TOPIC_KEPT_CHARACTERS],
            sha256=fingerprint(arrival.payload),
            reason=error.reason,
            payload=arrival.payload[:MAX_PAYLOAD_BYTES],
            size_bytes=len(arrival.payload),
            received_at_us=now_us,
        )


def _entry(arrival: Arrival, now_us: int) -> InboxEntry:
    if len(arrival.payload) > MAX_PAYLOAD_BYTES:
        raise BadInput("too-big", f"{len(arrival.payload)} bytes")
    topic = parse_topic(arrival.topic)
    if arrival.sender is None:
        raise BadInput("unknown-sender", topic.device_id)
    if topic.device_id != arrival.sender:
        raise BadInput("not-its-own-topic", arrival.topic)
    epoch: int | None = None
    seq: int | None = None
    match topic.channel:
        case "telemetry":
            seen = peek(arrival.payload)
            epoch, seq = seen.epoch, seen.seq
        case "status":
            pass
        case "ack" | "command":
            raise BadInput("not-for-devices", arrival.topic)
    return InboxEntry(
        topic.channel, topic.device_id, arrival.sender, arrival.topic, epoch, seq, arrival.payload, now_us
    )
