"""What the gateway answers after its commit: which messages are durable, and which could not even be opened.

`{"epoch": 3, "committed": [[1040, 1042], [1045, 1045]], "rejected": [{"sha256": "…", "reason": "too-big"}]}`
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, TypeVar

import msgspec

from devices.envelope import MAX_EPOCH, MAX_PAYLOAD_BYTES, MAX_SEQ
from devices.errors import BadAcknowledgement
from devices.ranges import Ranges, collapse, normalize

# With these limits the longest acknowledgement stays inside MAX_PAYLOAD_BYTES.
MAX_RANGES = 64
MAX_REJECTIONS = 16
MAX_REASON_CHARACTERS = 64

_T = TypeVar("_T")

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Rejection:
    """A payload that could not be opened, named by the SHA-256 of its bytes (64 hexadecimal digits)."""

    sha256: str
    reason: str


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """`committed` holds sequence numbers of `epoch`; the epoch is None when there are only rejections."""

    epoch: int | None
    committed: Ranges = ()
    rejected: tuple[Rejection, ...] = ()


class _WireRejection(msgspec.Struct):
    sha256: str
    reason: str


class _WireAcknowledgement(msgspec.Struct):
    epoch: Annotated[int, msgspec.Meta(ge=0, le=MAX_EPOCH)] | None = None
    committed: list[tuple[int, int]] = []
    rejected: list[_WireRejection] = []


_decoder = msgspec.json.Decoder(_WireAcknowledgement)


def fingerprint(payload: bytes) -> str:
    """How a rejected payload is named: the SHA-256 of its bytes, in hexadecimal."""
    return hashlib.sha256(payload).hexdigest()


def acknowledge(counted: Iterable[tuple[int, int]], rejected: Iterable[Rejection] = ()) -> tuple[Acknowledgement, ...]:
    """The acknowledgements for one device's (epoch, seq) pairs of a committed batch and its rejections.

    One for each epoch, more where one would be too long.
    """
    answers: list[Acknowledgement] = []
    by_epoch: dict[int, list[int]] = {}
    for epoch, seq in counted:
        by_epoch.setdefault(epoch, []).append(seq)
    for epoch, numbers in sorted(by_epoch.items()):
        answers.extend(Acknowledgement(epoch, part) for part in _parts(collapse(numbers), MAX_RANGES))
    refused = tuple(Rejection(one.sha256, one.reason[:MAX_REASON_CHARACTERS]) for one in rejected)
    answers.extend(Acknowledgement(None, (), part) for part in _parts(refused, MAX_REJECTIONS))
    return tuple(answers)


def _parts(whole: tuple[_T, ...], size: int) -> Iterator[tuple[_T, ...]]:
    return (whole[start : start + size] for start in range(0, len(whole), size))


def encode_acknowledgement(answer: Acknowledgement) -> bytes:
    """Write the JSON that goes to the ack topic."""
    fields: dict[str, object] = {"epoch": answer.epoch, "committed": answer.committed}
    if answer.rejected:
        fields["rejected"] = [{"sha256": one.sha256, "reason": one.reason} for one in answer.rejected]
    return msgspec.json.encode(fields)


def decode_acknowledgement(payload: bytes) -> Acknowledgement:
    """Read it back.

    Raises `BadAcknowledgement`: `too-big`, `not-json`, `wrong-types`, `bad-range`, `bad-rejection`.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise BadAcknowledgement("too-big", f"{len(payload)} bytes")
    try:
        wire = _decoder.decode(payload)
    except msgspec.ValidationError as error:
        raise BadAcknowledgement("wrong-types", str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadAcknowledgement("not-json", str(error)) from error
    if any(not 0 <= first <= last <= MAX_SEQ for first, last in wire.committed):
        raise BadAcknowledgement("bad-range", f"{wire.committed!r:.120}")
    if wire.committed and wire.epoch is None:
        raise BadAcknowledgement("bad-range", "committed numbers without their epoch")
    if any(_SHA256.fullmatch(one.sha256) is None for one in wire.rejected):
        raise BadAcknowledgement("bad-rejection", "not a SHA-256")
    return Acknowledgement(
        wire.epoch,
        normalize(wire.committed),
        tuple(Rejection(one.sha256, one.reason[:MAX_REASON_CHARACTERS]) for one in wire.rejected),
    )
