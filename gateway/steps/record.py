"""Record: inbox rows become readings, levels and refills, each message counted once; or quarantine with a reason.

The cursor into the inbox moves in the transaction that writes what was recorded, so a crash repeats nothing.
"""

from dataclasses import dataclass, replace

import structlog

from devices.control import decode_status
from devices.envelope import Opened, open_envelope
from devices.errors import BadInput, BadUnit
from devices.formats.native import decode_report
from devices.identity import PublicKey
from devices.ranges import Ranges, add, contains, subtract, union
from devices.readings import Report
from devices.units import convert
from gateway.domain.records import WorkItem
from gateway.domain.replenishment import DAY_US
from gateway.domain.stock import Device, DeviceState, Sequence, Slot
from gateway.steps.goods.levels import MEASURED_BY, Message, record_reading
from gateway.steps.goods.quarantine import quarantine, quarantine_rejected
from gateway.steps.ports import InboxRow, Services, StoreUnavailable, Transaction

log = structlog.get_logger()

CURSOR = "inbox"
REJECTED_CURSOR = "rejected"
BATCH = 500
FUTURE_LIMIT_US = DAY_US
SEQUENCE_JUMP_LIMIT = 1_000_000
MAX_GAP_RANGES = 256
MAX_EPOCHS = 16
"""Of one device: what is older is no longer counted, since nobody could say whether it was counted before."""
BEFORE_FIRST = -1
LAST_FIRST = 1  # an epoch may begin at 0 or at 1


class _Refused(Exception):
    """A message that cannot be counted, with its stable reason."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class _Counted:
    """A message counted for the first time; `gap`: others before it are missing; `newest`: none after it came yet."""

    gap: bool
    newest: bool


def record(item: WorkItem, services: Services) -> None:
    """Record one batch of the inbox (subject: the inbox)."""
    now_us = services.clock.now_us()
    with services.unit_of_work.begin() as tx:
        rows = services.inbox.read_after(tx.cursor(CURSOR), BATCH)
        tx.complete(item)
        # All senders' households at once: taken one after the other they would be taken in any order.
        tx.find(Device, None, id=frozenset(row.device_id for row in rows))
        for row in rows:
            try:
                with tx.savepoint():
                    _record_row(tx, row, now_us)
            except StoreUnavailable:  # no fault of the message: the whole batch comes again
                raise
            except Exception:  # a fault of ours in one message must not hold up all the others
                log.exception("a message could not be recorded", inbox_id=row.id, device_id=row.device_id)
                fault = "a fault in the gateway; see its log"
                quarantine(tx, row, _device(tx, row.device_id), reason="internal-error", detail=fault)
        if rows:
            tx.move_cursor(CURSOR, rows[-1].id)
        rejected = services.inbox.read_rejected_after(tx.cursor(REJECTED_CURSOR), BATCH)
        for refusal in rejected:
            quarantine_rejected(tx, refusal)
        if rejected:
            tx.move_cursor(REJECTED_CURSOR, rejected[-1].id)
        if BATCH in {len(rows), len(rejected)}:
            tx.enqueue("record", None, item.subject_id, due_us=now_us)


def _record_row(tx: Transaction, row: InboxRow, now_us: int) -> None:
    device = _device(tx, row.device_id)
    try:
        device = _registered(device)
        if row.kind == "status":
            tx.save(replace(device, online=decode_status(row.payload)))
            return
        opened = _open(device, row)
        begins_to_sign = opened.signature == "valid" and not device.has_signed
        report = decode_report(opened.body, opened.content_type)
        at_us = _instant(report, row, device)
        slots = _slots(tx, device, report)
        counted = _count_once(tx, device, opened, report, begins_to_sign=begins_to_sign)
        if counted is None:
            return  # counted before: a repeat changes nothing
    except (BadInput, _Refused) as refused:
        quarantine(tx, row, device, reason=refused.reason, detail=refused.detail)
        return
    last_seen_us = max(device.last_seen_us or 0, row.received_at_us)
    tx.save(replace(device, last_seen_us=last_seen_us, has_signed=device.has_signed or begins_to_sign))
    message = Message(
        row=row,
        epoch=opened.epoch,
        seq=opened.seq,
        at_us=at_us,
        device_us=report.ts_us,
        signed=opened.signature == "valid",
        gap=counted.gap,
        newest=counted.newest,
    )
    for reading in report.readings:
        record_reading(tx, device, slots[reading.slot], reading, message, now_us=now_us)


def _device(tx: Transaction, device_id: str) -> Device | None:
    found = tx.find(Device, None, id=device_id)
    return found[0] if found else None


def _registered(device: Device | None) -> Device:
    if device is None or device.state is DeviceState.REMOVED:
        raise _Refused("unknown-device", "no device of that id is registered")
    return device


def _open(device: Device, row: InboxRow) -> Opened:
    """Open the message; raises for one nobody signed of a device that can: who has its connection has not its key."""
    key = None if device.public_key is None else PublicKey.from_hex(device.public_key)
    opened = open_envelope(row.payload, device.id, key)
    if opened.signature == "unsigned" and device.has_signed:
        raise _Refused("unsigned", "it has signed before; a message without a signature is not believed")
    return opened


def _instant(report: Report, row: InboxRow, device: Device) -> int:
    """Return when it was so: the device's time, never after its arrival; the arrival for a thing without a clock.

    A time from before the household had the device is that of a clock that was never set.
    """
    if report.ts_us is None or report.ts_us < device.owned_from_us - DAY_US:
        return row.received_at_us
    if report.ts_us > row.received_at_us + FUTURE_LIMIT_US:
        ahead_days = (report.ts_us - row.received_at_us) / DAY_US
        raise _Refused("future-time", f"the device's clock is {ahead_days:.1f} days ahead")
    return min(report.ts_us, row.received_at_us)


def _slots(tx: Transaction, device: Device, report: Report) -> dict[str, Slot]:
    """Return the device's slots by name; raises for a slot it does not have: nothing of the message is counted then."""
    slots = {slot.name: slot for slot in tx.find(Slot, device.household_id, device_id=device.id)}
    for reading in report.readings:
        if reading.slot not in slots:
            raise _Refused("unknown-slot", f"{device.name} has no slot {reading.slot!r}")
        slot = slots[reading.slot]
        if reading.measure not in {"state", MEASURED_BY.get(slot.measure)}:
            raise _Refused("wrong-measure", f"slot {slot.name} says {slot.measure}, not {reading.measure}")
        if reading.unit is not None and not _fits(reading.unit, slot.unit):
            raise _Refused("wrong-unit", f"slot {slot.name} is in {slot.unit}, not {reading.unit}")
    return slots


def _fits(unit: str, slot_unit: str) -> bool:
    try:
        convert(0.0, unit, slot_unit)
    except BadUnit:
        return False
    return True


def _count_once(
    tx: Transaction, device: Device, opened: Opened, report: Report, *, begins_to_sign: bool
) -> _Counted | None:
    """Note (device, epoch, seq) as counted; None when it was counted before."""
    of_epoch = tx.find(Sequence, device.household_id, device_id=device.id, epoch=opened.epoch)
    before = of_epoch[0] if of_epoch else None
    if begins_to_sign:
        return _begin_to_sign(tx, device, opened, report, before)
    if before is None:
        spoke_before = _begin_epoch(tx, device, opened, report)
        # A device raises its epoch when it cannot prove what it said last.
        return _Counted(gap=spoke_before or opened.seq > LAST_FIRST, newest=True)
    if _is_counted(before, opened.seq):
        return None
    last = before.ranges[-1][1] if before.ranges else before.watermark
    if opened.seq > last + SEQUENCE_JUMP_LIMIT:
        raise _Refused("sequence-jump", f"{opened.seq} after {last}")
    tx.save(_advance(before, opened.seq, report.lost))
    return _Counted(gap=_has_gap(before, opened.seq, report.lost), newest=opened.seq > last)


def _begin_to_sign(
    tx: Transaction, device: Device, opened: Opened, report: Report, before: Sequence | None
) -> _Counted:
    """Count a device's first signed message, and begin its numbers anew.

    Those that were counted before may be another's, who had its connection and not its key: they may not swallow what
    it signs. Where they do not lead up to this message, there is a gap.
    """
    unsigned = tx.find(Sequence, device.household_id, device_id=device.id)
    for sequence in unsigned:
        tx.remove(sequence)
    _begin_epoch(tx, device, opened, report)
    follows = (
        before is not None and not _is_counted(before, opened.seq) and not _has_gap(before, opened.seq, report.lost)
    )
    return _Counted(gap=not follows and (bool(unsigned) or opened.seq > LAST_FIRST), newest=True)


def _begin_epoch(tx: Transaction, device: Device, opened: Opened, report: Report) -> bool:
    """Begin to count an epoch, and forget the oldest of too many; returns whether there were others.

    Raises for an epoch before all that are kept.
    """
    kept = sorted(tx.find(Sequence, device.household_id, device_id=device.id), key=lambda one: one.epoch)
    if len(kept) >= MAX_EPOCHS:
        if opened.epoch < kept[0].epoch:
            raise _Refused("old-epoch", f"{opened.epoch} is before the {MAX_EPOCHS} newest; it may have been counted")
        tx.remove(kept[0])
    begun = Sequence(
        id=tx.new_id(),
        household_id=device.household_id,
        device_id=device.id,
        epoch=opened.epoch,
        watermark=BEFORE_FIRST,
        ranges=(),
    )
    tx.add(_advance(begun, opened.seq, report.lost))
    return bool(kept)


def _is_counted(sequence: Sequence, seq: int) -> bool:
    return seq <= sequence.watermark or contains(sequence.ranges, seq)


def _advance(sequence: Sequence, seq: int, lost: Ranges) -> Sequence:
    """Return the sequence with this message counted and the numbers the device declared lost closed.

    Only what came before a message can be lost: a device that declares more may not silence itself for ever.
    """
    past = [(first, min(last, seq - 1)) for first, last in lost if first < seq]
    ranges = union(add(sequence.ranges, seq), [one for one in past if one[1] > sequence.watermark])
    watermark = sequence.watermark
    while ranges and (ranges[0][0] <= watermark + 1 or len(ranges) > MAX_GAP_RANGES):
        watermark = max(watermark, ranges[0][1])
        ranges = ranges[1:]
    return replace(sequence, watermark=watermark, ranges=ranges)


def _has_gap(before: Sequence, seq: int, lost: Ranges) -> bool:
    """Say whether the message right before this one is missing, or others are declared lost for the first time."""
    counted = ((BEFORE_FIRST, before.watermark), *before.ranges)
    return (seq > LAST_FIRST and not contains(counted, seq - 1)) or bool(subtract(lost, counted))
