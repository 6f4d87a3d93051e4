"""What a thing says, who it is, and how it came to be trusted. No framework; imports nothing of ours.

Read in this order: `topics` (where it speaks), `identity` (its key), `envelope` (bytes, counted and signed),
`readings` and `formats` (what they mean), `acknowledgement` (what the gateway answers), `provisioning` (how it is
enrolled), `catalogue` (the kinds known by name), `clock` (the present). For makers of devices: `devices.client`.
"""

from devices.acknowledgement import (
    Acknowledgement,
    Rejection,
    acknowledge,
    decode_acknowledgement,
    encode_acknowledgement,
    fingerprint,
)
from devices.catalogue import DeviceKind, SlotKind, kinds
from devices.clock import ClockFile, ClockSetting, RealClock, write_clock
from devices.control import Command, decode_command, decode_status, encode_command, encode_status
from devices.envelope import (
    MAX_EPOCH,
    MAX_PAYLOAD_BYTES,
    MAX_SEQ,
    ContentType,
    Opened,
    Peek,
    Signature,
    open_envelope,
    peek,
    seal,
    seal_plain,
)
from devices.errors import (
    BadAcknowledgement,
    BadBody,
    BadClock,
    BadEnvelope,
    BadIdentity,
    BadInput,
    BadSecretHash,
    BadSignature,
    BadTopic,
    BadUnit,
    DeviceError,
    OutboxNotDrained,
)
from devices.formats.native import decode_report, encode_report, is_gtin
from devices.identity import Identity, PublicKey
from devices.provisioning import Provisioned, hash_secret, password_line, provision, verify_secret
from devices.ranges import Range, Ranges
from devices.readings import Measure, Reading, Report, State
from devices.topics import Channel, Topic, build_topic, is_device_id, parse_topic
from devices.units import UNITS, Unit, convert

__all__ = [
    "MAX_EPOCH",
    "MAX_PAYLOAD_BYTES",
    "MAX_SEQ",
    "UNITS",
    "Acknowledgement",
    "BadAcknowledgement",
    "BadBody",
    "BadClock",
    "BadEnvelope",
    "BadIdentity",
    "BadInput",
    "BadSecretHash",
    "BadSignature",
    "BadTopic",
    "BadUnit",
    "Channel",
    "ClockFile",
    "ClockSetting",
    "Command",
    "ContentType",
    "DeviceError",
    "DeviceKind",
    "Identity",
    "Measure",
    "Opened",
    "OutboxNotDrained",
    "Peek",
    "Provisioned",
    "PublicKey",
    "Range",
    "Ranges",
    "Reading",
    "RealClock",
    "Rejection",
    "Report",
    "Signature",
    "SlotKind",
    "State",
    "Topic",
    "Unit",
    "acknowledge",
    "build_topic",
    "convert",
    "decode_acknowledgement",
    "decode_command",
    "decode_report",
    "decode_status",
    "encode_acknowledgement",
    "encode_command",
    "encode_report",
    "encode_status",
    "fingerprint",
    "hash_secret",
    "is_device_id",
    "is_gtin",
    "kinds",
    "open_envelope",
    "parse_topic",
    "password_line",
    "peek",
    "provision",
    "seal",
    "seal_plain",
    "verify_secret",
    "write_clock",
]
