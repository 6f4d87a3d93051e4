"""Beside telemetry: what the gateway asks (`command`) and whether the device is there (`status`)."""

from typing import Literal, TypeVar

import msgspec

from devices.errors import BadInput

Command = Literal["report-now"]

_T = TypeVar("_T")

_MAX_BYTES = 256


class _WireCommand(msgspec.Struct):
    command: Command


class _WireStatus(msgspec.Struct):
    online: bool


_command_decoder = msgspec.json.Decoder(_WireCommand)
_status_decoder = msgspec.json.Decoder(_WireStatus)


def encode_command(command: Command) -> bytes:
    """Write what goes to the command topic."""
    return msgspec.json.encode(_WireCommand(command))


def decode_command(payload: bytes) -> Command:
    """Read a command; raises `BadInput` (`bad-command`), also for one this version does not know."""
    return _decode(_command_decoder, payload, "bad-command").command


def encode_status(*, online: bool) -> bytes:
    """Write what is retained on the status topic."""
    return msgspec.json.encode(_WireStatus(online))


def decode_status(payload: bytes) -> bool:
    """Whether the device is online; raises `BadInput` (`bad-status`)."""
    return _decode(_status_decoder, payload, "bad-status").online


def _decode(decoder: msgspec.json.Decoder[_T], payload: bytes, reason: str) -> _T:
    if len(payload) > _MAX_BYTES:
        raise BadInput(reason, f"{len(payload)} bytes, at most {_MAX_BYTES}")
    try:
        return decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(reason, str(error)) from error
