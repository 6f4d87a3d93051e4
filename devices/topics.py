"""Where a device speaks and listens: `replenish/v1/{device_id}/{channel}`."""

import re
from dataclasses import dataclass
from typing import Literal, get_args

from devices.errors import BadIdentity, BadTopic

Channel = Literal["telemetry", "ack", "command", "status"]

ROOT = "replenish/v1"
_CHANNELS: frozenset[str] = frozenset(get_args(Channel))
# No `+`, `#` or `/` can get into a topic or an access rule through an id made of these.
_DEVICE_ID = re.compile(r"[a-z0-9-]{3,64}")


@dataclass(frozen=True, slots=True)
class Topic:
    """A device and the channel of it that a topic names."""

    device_id: str
    channel: Channel


def is_device_id(text: str) -> bool:
    """Whether the text may be a device id: 3 to 64 of a–z, 0–9 and hyphen.

    >>> is_device_id("fridge-3f9a"), is_device_id("Fridge"), is_device_id("a/b")
    (True, False, False)
    """
    return _DEVICE_ID.fullmatch(text) is not None


def build_topic(device_id: str, channel: Channel) -> str:
    """The topic of one channel of one device.

    >>> build_topic("fridge-3f9a", "telemetry")
    'replenish/v1/fridge-3f9a/telemetry'
    """
    if not is_device_id(device_id):
        raise BadIdentity(f"not a device id: {device_id!r} (3 to 64 of a-z, 0-9 and hyphen)")
    return f"{ROOT}/{device_id}/{channel}"


def parse_topic(topic: str) -> Topic:
    """Read a topic back; raises `BadTopic` (`not-our-topic`, `bad-device-id`, `unknown-channel`).

    >>> parse_topic("replenish/v1/fridge-3f9a/ack")
    Topic(device_id='fridge-3f9a', channel='ack')
    """
    head, version, device_id, channel = (*topic.split("/"), "", "", "", "")[:4]
    if f"{head}/{version}" != ROOT or topic.count("/") != 3:
        raise BadTopic("not-our-topic", topic[:120])
    if not is_device_id(device_id):
        raise BadTopic("bad-device-id", topic[:120])
    match channel:
        case "telemetry" | "ack" | "command" | "status":
            return Topic(device_id, channel)
        case _:
            raise BadTopic("unknown-channel", f"one of {', '.join(sorted(_CHANNELS))}, not {channel[:40]!r}")
