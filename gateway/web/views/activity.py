"""What things said lately, in sentences."""

import string
from dataclasses import dataclass
from typing import Literal

from gateway.domain.household import Household
from gateway.domain.stock import Device, Measure, Reading, Refill, Slot, Supply, Verdict
from gateway.steps.ports import Transaction
from gateway.web.wording import Wording, amount

MAX_ACTIVITY = 40
PREVIEW_CHARACTERS = 160

Dot = Literal["ok", "low", "off"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """One line of the feed: who, what it said, when."""

    dot: Dot
    device_id: str
    device: str
    words: str
    signed: bool
    when: str
    at_us: int


def device_activity(
    tx: Transaction, household_id: str, *, now_us: int, device_id: str | None = None, limit: int = MAX_ACTIVITY
) -> tuple[Activity, ...]:
    """Return what things said lately, newest first, in sentences; one device's if named."""
    wording = _wording(tx, household_id)
    devices = {device.id: device for device in tx.find(Device, household_id)}
    slots = {slot.id: slot for slot in tx.find(Slot, household_id)}
    supplies = {supply.id: supply for supply in tx.find(Supply, household_id)}
    if device_id is None:
        readings = tx.find(Reading, household_id, newest=limit)
    else:
        readings = tx.find(Reading, household_id, newest=limit, device_id=device_id)
    refill_by_reading = {
        refill.reading_id: refill for refill in tx.find(Refill, household_id, newest=limit) if refill.reading_id
    }
    items = []
    for reading in readings:
        slot = slots[reading.slot_id]
        named = supplies[slot.supply_id].name if slot.supply_id else slot.name
        dot, words = _sentence(reading, slot, named, refill_by_reading.get(reading.id))
        items.append(
            Activity(
                dot=dot,
                device_id=reading.device_id,
                device=devices[reading.device_id].name,
                words=words,
                signed=reading.signed,
                when=wording.when(reading.at_us, now_us),
                at_us=reading.at_us,
            )
        )
    return tuple(items)


def preview(payload: bytes) -> str:
    """Return the beginning of a payload: as text where it is text, else in hexadecimal.

    >>> preview(b'{"ts":1}'), preview(bytes([82, 80, 49, 0]))
    ('{"ts":1}', '52 50 31 00')
    """
    head = payload[:PREVIEW_CHARACTERS]
    readable = set(string.printable.encode()) - {0x0B, 0x0C}
    if all(octet in readable for octet in head):
        return head.decode("ascii")
    return payload[: PREVIEW_CHARACTERS // 3].hex(" ")


def _sentence(reading: Reading, slot: Slot, named: str, refill: Refill | None) -> tuple[Dot, str]:
    match reading.verdict:
        case Verdict.REFILL:
            size = f" by {amount(refill.size, slot.unit)}" if refill is not None and refill.size else ""
            return "ok", f"saw {named} refilled{size}"
        case Verdict.OUTLIER:
            return "low", f"said something unlikely about {named}; not counted"
        case Verdict.LATE:
            return "ok", f"sent a late reading of {named}"
        case _:
            return _said(reading, slot, named)


def _said(reading: Reading, slot: Slot, named: str) -> tuple[Dot, str]:
    if reading.quantity is None:
        words = {"ok": "is fine", "low": "is low", "empty": "is empty"}.get(
            reading.state or "", "is at a level it cannot tell"
        )
        return "ok" if reading.state == "ok" else "low", f"says {named} {words}"
    quantity = amount(reading.quantity, reading.unit)
    match slot.measure:
        case Measure.INCREMENT:
            return "ok", f"used {quantity} of {named}"
        case Measure.COUNTER:
            return "ok", f"has counted {quantity} in all for {named}"
        case _:
            return "ok", f"says of {named}: {quantity} left"


def _wording(tx: Transaction, household_id: str) -> Wording:
    return Wording(tx.get(Household, household_id, household_id).time_zone)
