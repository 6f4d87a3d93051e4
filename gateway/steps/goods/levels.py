"""What one reading does to its slot: the reading with its verdict, the level, a refill, and a row for forecast."""

from dataclasses import dataclass, replace
from typing import Literal

import forecasting
from devices.catalogue import kinds
from devices.readings import Reading as Said
from devices.units import convert
from gateway.domain.order import LineState, OrderLine
from gateway.domain.replenishment import HOUR_US
from gateway.domain.stock import Device, Level, Measure, PackOption, Reading, Refill, Slot, Supply, Verdict
from gateway.steps.ports import InboxRow, Transaction

MAX_STRETCHES = 400
CLOCK_STEP_US = HOUR_US
WHOLE_UNITS = frozenset({"%", "piece"})
MEASURED_BY = {
    Measure.LEVEL: "left",
    Measure.COUNTER: "used_total",
    Measure.INCREMENT: "used",
}
# A slot that only says words is tracked as a level that is never given as a number.
TRACKED_AS: dict[Measure, Literal["level", "counter", "increment"]] = {
    Measure.LEVEL: "level",
    Measure.COUNTER: "counter",
    Measure.INCREMENT: "increment",
    Measure.ORDINAL: "level",
}
ACCEPTED = frozenset({Verdict.COUNTED, Verdict.UNCHANGED, Verdict.REFILL})
AWAITED = frozenset({LineState.SHIPPED, LineState.DELIVERED, LineState.SHORT})


@dataclass(frozen=True, slots=True)
class Message:
    """What a reading shares with the others of its message; `newest`: nothing its device said after it came before."""

    row: InboxRow
    epoch: int
    seq: int
    at_us: int
    device_us: int | None
    signed: bool
    gap: bool
    newest: bool


def record_reading(tx: Transaction, device: Device, slot: Slot, said: Said, message: Message, *, now_us: int) -> None:
    """Write one reading and all that follows from it; its measure and unit fit the slot (record checks)."""
    quantity = None if said.quantity is None else convert(said.quantity, said.unit or slot.unit, slot.unit)
    level = level_of(tx, device, slot)
    message = _dated(tx, level, message)
    late = level.reading_id is not None and message.at_us < level.as_of_us and slot.measure is not Measure.INCREMENT
    tracker = forecasting.LevelTracker.from_dict(level.tracker)
    if late:
        outcome = forecasting.Outcome("unchanged", "older than what is known already")
    else:
        restarted = slot.measure is Measure.COUNTER and level.epoch is not None and message.epoch > level.epoch
        counter_fell = tracker.counter is not None and quantity is not None and quantity < tracker.counter
        reading = forecasting.Reading(
            at_us=max(message.at_us, tracker.last_us or 0),
            quantity=quantity,
            ordinal=said.state if quantity is None else None,
            restarted=restarted and counter_fell,
            gap=message.gap,
        )
        tracker, outcome = forecasting.track(tracker, reading)
    refill = outcome.refill
    if refill is None and quantity is not None and said.state is not None and not late:
        tracker, refill = _word_beside_counter(tx, slot, tracker, level.state, said.state, message.at_us)
    row = _reading_row(tx, slot, said, message, quantity, outcome, late=late)
    tx.add(row)
    if outcome.settled is not None:
        settle_pending(tx, slot, outcome.settled)
    if late:
        return
    moved = _save_level(
        tx,
        level,
        tracker,
        outcome,
        row,
        keeps_word=slot.measure is Measure.COUNTER,
        signed=_rests_on_signed(level, slot, row, is_refill=refill is not None),
    )
    if refill is not None:
        save_refill(tx, slot, refill, row.id, now_us)
    has_moved = (moved.quantity, moved.state, moved.signed) != (level.quantity, level.state, level.signed)
    # What did not move is forecast once a day: nothing new was learned but that nothing was used.
    if slot.supply_id is not None and (has_moved or refill is not None or level.reading_id is None):
        tx.enqueue("forecast", slot.household_id, slot.supply_id, due_us=now_us)


def _dated(tx: Transaction, level: Level, message: Message) -> Message:
    """Return the message dated by its arrival where its device's clock went back since it last spoke.

    What is said later was measured later, whatever the clock says: else a clock that starts again in 1970 would make
    everything late for ever. A step of less than an hour costs a few readings and is left alone.
    """
    newest = message.newest and message.epoch >= (level.epoch or 0)
    if not newest or message.at_us >= level.as_of_us or message.device_us is None or level.reading_id is None:
        return message
    before = tx.get(Reading, level.household_id, level.reading_id)
    if before.device_us is None:
        return message
    went_back = message.device_us < before.device_us - CLOCK_STEP_US
    is_behind = before.device_us < before.at_us - CLOCK_STEP_US
    return replace(message, at_us=message.row.received_at_us) if went_back or is_behind else message


def level_of(tx: Transaction, device: Device, slot: Slot) -> Level:
    """Return the slot's level; of a slot nothing is known of yet, an unknown one, which is added."""
    known = tx.seek(Level, slot.household_id, slot.id)
    if known is None:
        known = _unknown_level(device, slot)
        tx.add(known)
    return known


def _unknown_level(device: Device, slot: Slot) -> Level:
    tracker = forecasting.start_tracking(
        TRACKED_AS[slot.measure],
        capacity=slot.capacity,
        quantum=1.0 if slot.unit in WHOLE_UNITS else 0.0,
        cartridge=_is_cartridge(device, slot),
    )
    return Level(
        id=slot.id,
        household_id=slot.household_id,
        slot_id=slot.id,
        quantity=None,
        sd=0.0,
        state=None,
        consumed=(),
        as_of_us=0,
        epoch=None,
        reading_id=None,
        signed=True,
        by_hand=False,
        tracker=tracker.to_dict(),
    )


def with_tracker(level: Level, tracker: forecasting.LevelTracker) -> Level:
    """Return the level as the tracker now estimates it."""
    estimate = forecasting.level_of(tracker)
    if estimate is None:
        return replace(level, quantity=None, sd=0.0, tracker=tracker.to_dict())
    return replace(level, quantity=estimate.mean, sd=estimate.sd, tracker=tracker.to_dict())


def correction_of(level: Level) -> tuple[int, float] | None:
    """Return when a person corrected the level and what that adds to the thing's own numbers, while it bears on it."""
    tracker = forecasting.LevelTracker.from_dict(level.tracker)
    return None if tracker.corrected_us is None else (tracker.corrected_us, tracker.tare)


def save_refill(tx: Transaction, slot: Slot, refill: forecasting.Refill, reading_id: str | None, now_us: int) -> None:
    """Write a refill, take its pack off the shelf, and let the orders that wait for it be looked at."""
    row = Refill(
        id=tx.new_id(),
        household_id=slot.household_id,
        slot_id=slot.id,
        supply_id=slot.supply_id,
        at_us=refill.at_us,
        size=refill.size,
        level_before=refill.before,
        level_after=refill.after,
        reading_id=reading_id,
        order_line_id=None,
    )
    tx.add(row)
    if slot.supply_id is None:
        return
    supply = tx.get(Supply, slot.household_id, slot.supply_id)
    if supply.sealed_quantity > 0:
        taken = min(supply.sealed_quantity, packs_worth(tx, supply, slot.id, refill.size))
        tx.save(replace(supply, sealed_quantity=supply.sealed_quantity - taken))
        tx.save(replace(row, from_shelf=taken))
    for line in tx.find(OrderLine, slot.household_id, supply_id=supply.id, state=AWAITED, refill_seen=False):
        tx.enqueue("observe", slot.household_id, line.order_id, due_us=now_us)


def packs_worth(tx: Transaction, supply: Supply, slot_id: str, size: float | None) -> float:
    """Return the quantity of sealed packs a refill took: what it filled, rounded to whole packs, at least one.

    A pack larger than the slot is poured in by and by: such a refill takes what it filled.
    """
    options = tx.find(PackOption, supply.household_id, supply_id=supply.id)
    if not options:
        return size or 0.0
    pack_size = min(options, key=lambda option: option.rank).pack_size
    if size is not None and pack_size > tx.get(Slot, supply.household_id, slot_id).capacity:
        return min(size, pack_size)
    return pack_size * max(1, round((size or pack_size) / pack_size))


def _word_beside_counter(
    tx: Transaction,
    slot: Slot,
    tracker: forecasting.LevelTracker,
    before: str | None,
    word: str,
    at_us: int,
) -> tuple[forecasting.LevelTracker, forecasting.Refill | None]:
    """Let a counter's word anchor its level: empty means nothing is left, ok after empty means a pack went in.

    Low says about how much is left where no count says it better: of increments as well, once some were lost.
    """
    at_us = max(at_us, tracker.last_us or 0)
    if word == "low" and slot.measure in {Measure.COUNTER, Measure.INCREMENT}:
        return forecasting.sunk_beside_count(tracker, at_us), None
    if slot.measure is not Measure.COUNTER or word == before:
        return tracker, None
    if word == "empty":
        return forecasting.correct_level(tracker, at_us, 0.0, by_person=False)[0], None
    if word == "ok" and before in {"empty", "low"}:
        size = None
        if slot.supply_id is not None:
            options = tx.find(PackOption, slot.household_id, supply_id=slot.supply_id)
            sizes = [min(option.pack_size, slot.capacity) for option in sorted(options, key=lambda one: one.rank)]
            size = sizes[0] if sizes else None
        filled, refill = forecasting.add_pack(tracker, at_us, size, by_person=False)
        if refill.after is not None and refill.after > slot.capacity:  # a hopper holds no more than it holds
            filled, _ = forecasting.correct_level(filled, at_us, slot.capacity, by_person=False)
            refill = replace(refill, after=slot.capacity)
        return filled, refill
    return tracker, None


def _save_level(
    tx: Transaction,
    level: Level,
    tracker: forecasting.LevelTracker,
    outcome: forecasting.Outcome,
    row: Reading,
    *,
    keeps_word: bool,
    signed: bool,
) -> Level:
    stretches = (*level.consumed, *((one.used, one.from_us, one.to_us) for one in outcome.consumed))
    counted = row.verdict in ACCEPTED
    moved = replace(
        with_tracker(level, tracker),
        # Between two words a counter keeps the last one: only a change of word says something of its level.
        state=row.state or (level.state if row.quantity is None or keeps_word else None),
        consumed=stretches[-MAX_STRETCHES:],
        as_of_us=max(level.as_of_us, row.at_us),
        epoch=max(row.epoch, level.epoch or 0),
        reading_id=row.id if counted or level.reading_id is None else level.reading_id,
        signed=signed,
        by_hand=tracker.corrected_us is not None,
    )
    tx.save(moved)
    return moved


def _rests_on_signed(level: Level, slot: Slot, row: Reading, *, is_refill: bool) -> bool:
    """Say whether all that the level now rests on was signed.

    A count goes on from what was known: what nobody signed stays in it until something signed says anew what is left.
    """
    if row.verdict not in ACCEPTED:
        return level.signed
    if not row.signed or level.signed or level.quantity is None or is_refill:
        return row.signed
    if row.quantity is None:
        return slot.measure is Measure.ORDINAL or row.verdict is Verdict.COUNTED
    emptied = slot.measure is Measure.COUNTER and row.state == "empty" != level.state
    return slot.measure is Measure.LEVEL or emptied


def settle_pending(tx: Transaction, slot: Slot, settled: forecasting.Settled) -> None:
    """Write the verdict on the readings that waited for this one."""
    for waiting in tx.find(Reading, slot.household_id, slot_id=slot.id, verdict=Verdict.PENDING, newest=20):
        if settled.from_us <= waiting.at_us <= settled.to_us:
            tx.save(replace(waiting, verdict=Verdict(settled.verdict), reason=settled.reason))


def _reading_row(
    tx: Transaction,
    slot: Slot,
    said: Said,
    message: Message,
    quantity: float | None,
    outcome: forecasting.Outcome,
    *,
    late: bool,
) -> Reading:
    return Reading(
        id=tx.new_id(),
        household_id=slot.household_id,
        device_id=slot.device_id,
        slot_id=slot.id,
        inbox_id=message.row.id,
        epoch=message.epoch,
        seq=message.seq,
        at_us=message.at_us,
        device_us=message.device_us,
        server_us=message.row.received_at_us,
        measure=said.measure,
        quantity=quantity,
        unit=slot.unit,
        state=said.state,
        signed=message.signed,
        verdict=Verdict.LATE if late else Verdict(outcome.verdict),
        reason=outcome.reason
        if _trusts_clock(message)
        else f"{outcome.reason}; its clock is wrong, so dated by arrival",
    )


def _trusts_clock(message: Message) -> bool:
    """Say whether the reading is dated by its device's clock, as far as it has one and it is not a little ahead."""
    return message.device_us is None or message.device_us >= message.at_us - CLOCK_STEP_US


def _is_cartridge(device: Device, slot: Slot) -> bool:
    """Say whether the slot's pack is changed whole: its one pack size is its capacity."""
    kind = kinds().get(device.kind)
    if kind is None:
        return False
    return any(one.name == slot.name and one.packs == (one.capacity,) for one in kind.slots)
