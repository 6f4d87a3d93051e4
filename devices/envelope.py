r"""The envelope around what a device says: who counted it as which message, and who signed it.

Signed form, big-endian: `RP1` | content type u8 (0 JSON, 1 CBOR) | epoch u32 | seq u64 | body | Ed25519 signature
(64 bytes) over `"replenish/v1\0" + device_id + "\0" +` all that stands before it. The device id is signed but not
sent, so a message cannot be moved to another device's topic.

Plain form: a JSON object with `epoch` and `seq` beside the body's own fields. It is unsigned, and stays marked so.
"""

import struct
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from devices.errors import BadEnvelope, BadSignature
from devices.identity import SIGNATURE_BYTES, Identity, PublicKey
from devices.wrong_types import in_words

ContentType = Literal["json", "cbor"]
Form = Literal["signed", "plain"]
Signature = Literal["valid", "unsigned"]

MAX_PAYLOAD_BYTES = 8192
MAX_EPOCH = 2**32 - 1
# A database's signed 64-bit integer holds every seq.
MAX_SEQ = 2**63 - 1

_MAGIC = b"RP1"
_HEADER = struct.Struct(">3sBIQ")
_CONTENT_TYPES: tuple[ContentType, ...] = ("json", "cbor")


@dataclass(frozen=True, slots=True)
class Peek:
    """What can be known without a key: enough to store a message and to acknowledge it."""

    epoch: int
    seq: int
    form: Form


@dataclass(frozen=True, slots=True)
class Opened:
    """An envelope taken apart; the body is still bytes."""

    epoch: int
    seq: int
    content_type: ContentType
    body: bytes
    signature: Signature


class _Counters(msgspec.Struct):
    epoch: Annotated[int, msgspec.Meta(ge=0, le=MAX_EPOCH)]
    seq: Annotated[int, msgspec.Meta(ge=0, le=MAX_SEQ)]


_plain_decoder = msgspec.json.Decoder(_Counters)


def seal(identity: Identity, epoch: int, seq: int, body: bytes, content_type: ContentType = "cbor") -> bytes:
    """Put a body into a signed envelope. Raises `BadEnvelope` when it cannot fit."""
    if not 0 <= epoch <= MAX_EPOCH:
        raise BadEnvelope("epoch-out-of-range", str(epoch))
    if not 0 <= seq <= MAX_SEQ:
        raise BadEnvelope("seq-out-of-range", str(seq))
    head = _HEADER.pack(_MAGIC, _CONTENT_TYPES.index(content_type), epoch, seq) + body
    payload = head + identity.sign(_signed_message(identity.device_id, head))
    _check_size(payload)
    return payload


def seal_plain(epoch: int, seq: int, body: bytes) -> bytes:
    """Put a JSON body into the unsigned form, for a device that cannot sign."""
    fields = {"epoch": epoch, "seq": seq} | msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    payload = msgspec.json.encode(fields)
    _check_size(payload)
    return payload


def peek(payload: bytes) -> Peek:
    """Read epoch and seq without verifying anything.

    Raises `BadEnvelope`: `empty`, `too-big`, `not-an-envelope`, `truncated`, `unknown-content-type`,
    `seq-out-of-range`, `not-json`, `bad-counters`.
    """
    _check_size(payload)
    if payload.startswith(_MAGIC):
        _, epoch, seq = _header(payload)
        return Peek(epoch, seq, "signed")
    if payload.startswith(b"{"):
        counters = _plain_counters(payload)
        return Peek(counters.epoch, counters.seq, "plain")
    raise BadEnvelope("empty" if not payload else "not-an-envelope", f"begins with {payload[:8]!r}")


def open_envelope(payload: bytes, device_id: str, public_key: PublicKey | None) -> Opened:
    """Take an envelope apart and verify it against the key on record for the topic's device.

    Raises what `peek` raises, and `BadSignature` (`bad-signature`, `no-public-key`): a signature nobody can check is
    not the same as none. The plain form opens without a key and is marked unsigned.
    """
    seen = peek(payload)
    if seen.form == "plain":
        return Opened(seen.epoch, seen.seq, "json", payload, "unsigned")
    content_type, epoch, seq = _header(payload)
    if public_key is None:
        raise BadSignature("no-public-key", f"no key is registered for {device_id}")
    head, signature = payload[:-SIGNATURE_BYTES], payload[-SIGNATURE_BYTES:]
    if not public_key.verify(_signed_message(device_id, head), signature):
        raise BadSignature("bad-signature", f"not signed by the key of {device_id}")
    return Opened(epoch, seq, content_type, head[_HEADER.size :], "valid")


def _signed_message(device_id: str, head: bytes) -> bytes:
    return b"replenish/v1\0" + device_id.encode() + b"\0" + head


def _check_size(payload: bytes) -> None:
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise BadEnvelope("too-big", f"{len(payload)} bytes, at most {MAX_PAYLOAD_BYTES}")


def _header(payload: bytes) -> tuple[ContentType, int, int]:
    if len(payload) < _HEADER.size + SIGNATURE_BYTES:
        raise BadEnvelope("truncated", f"{len(payload)} bytes, at least {_HEADER.size + SIGNATURE_BYTES}")
    _, code, epoch, seq = _HEADER.unpack_from(payload)
    if code >= len(_CONTENT_TYPES):
        raise BadEnvelope("unknown-content-type", str(code))
    if seq > MAX_SEQ:
        raise BadEnvelope("seq-out-of-range", str(seq))
    return _CONTENT_TYPES[code], epoch, seq


def _plain_counters(payload: bytes) -> _Counters:
    try:
        return _plain_decoder.decode(payload)
    except msgspec.ValidationError as error:
        raise BadEnvelope("bad-counters", in_words(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadEnvelope("not-json", str(error)) from error
