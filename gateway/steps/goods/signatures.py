"""A counted reading held against the bytes it came in: the device's signature and the content, verified once more.

What was found when the reading was counted is a mark in our own row; the bytes in the inbox are the device's own word,
for as long as they are kept.
"""

import math
from dataclasses import dataclass
from typing import TypeAlias

from devices.envelope import Opened, open_envelope
from devices.errors import BadInput, BadUnit
from devices.formats.native import decode_report
from devices.identity import PublicKey
from devices.readings import Reading as Said
from devices.units import convert
from gateway.domain.stock import Device, Reading, Slot
from gateway.steps.ports import Inbox, InboxRow


@dataclass(frozen=True, slots=True)
class VerifiedNow:
    """The bytes are kept, their signature fits the device's key on record, and they say what was counted."""

    public_key: str


@dataclass(frozen=True, slots=True)
class Unsigned:
    """Nobody signed it; the bytes, where they are kept, say what was counted."""


@dataclass(frozen=True, slots=True)
class NoLongerKept:
    """It was signed and verified when it was counted; its bytes were kept until this instant, as the settings say."""

    since_us: int


@dataclass(frozen=True, slots=True)
class Missing:
    """It was signed, and its bytes are gone although they are to be kept until this instant."""

    kept_until_us: int


@dataclass(frozen=True, slots=True)
class NotProven:
    """The bytes are kept and do not prove the reading: who can write our rows changed one or the other."""

    reason: str


Proof: TypeAlias = VerifiedNow | Unsigned | NoLongerKept | Missing | NotProven


def verify_again(
    reading: Reading, device: Device, slot: Slot, inbox: Inbox, *, keep_inbox_us: int, now_us: int
) -> Proof:
    """Verify one reading by what the inbox still has of it."""
    row = next(iter(inbox.read_after(reading.inbox_id - 1, 1)), None)
    if row is not None and row.id == reading.inbox_id:
        return _proof(reading, device, slot, row)
    if not reading.signed:
        return Unsigned()
    kept_until_us = reading.server_us + keep_inbox_us
    return NoLongerKept(kept_until_us) if kept_until_us <= now_us else Missing(kept_until_us)


def _proof(reading: Reading, device: Device, slot: Slot, row: InboxRow) -> Proof:
    key = None if device.public_key is None else PublicKey.from_hex(device.public_key)
    try:
        opened = open_envelope(row.payload, device.id, key)
        report = decode_report(opened.body, opened.content_type)
    except BadInput as error:
        return NotProven(f"{error.reason}: {error.detail}")
    if (row.device_id, opened.epoch, opened.seq) != (device.id, reading.epoch, reading.seq):
        return NotProven(f"its bytes are message {opened.epoch}/{opened.seq} of {row.device_id}")
    if not any(_is_said(reading, slot, said) for said in report.readings):
        return NotProven("its bytes say something else than what was counted")
    return _by_signature(reading, device, opened)


def _by_signature(reading: Reading, device: Device, opened: Opened) -> Proof:
    if opened.signature == "valid" and device.public_key is not None:
        return VerifiedNow(device.public_key)
    return NotProven("it was counted as signed, its bytes are not") if reading.signed else Unsigned()


def _is_said(reading: Reading, slot: Slot, said: Said) -> bool:
    if said.slot != slot.name or (said.state, said.quantity is None) != (reading.state, reading.quantity is None):
        return False
    if said.quantity is None or reading.quantity is None:
        return True
    try:
        quantity = convert(said.quantity, said.unit or reading.unit, reading.unit)
    except BadUnit:
        return False
    return math.isclose(quantity, reading.quantity, rel_tol=1e-9)
