"""Record: each message counted once, whatever order, repeats and rubbish it comes in."""

import importlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from devices.control import encode_status
from gateway.domain.household import Member
from gateway.domain.replenishment import DAY_US, HOUR_US, Plan
from gateway.domain.stock import (
    Device,
    DeviceState,
    Level,
    Measure,
    PackOption,
    Quarantined,
    Reading,
    Refill,
    Sequence,
    Slot,
    Supply,
    Verdict,
)
from gateway.steps.acts.equipment import correct_level, put_in_pack
from gateway.steps.record import CURSOR, FUTURE_LIMIT_US, MAX_GAP_RANGES, REJECTED_CURSOR, SEQUENCE_JUMP_LIMIT
from gateway.store import unit_of_work
from gateway.store.unit_of_work import SqlTransaction
from tests.builders import FRIDGE, HOME, build
from tests.fakes import START_US
from tests.homes import (
    home,
    left,
    supply,
    telling,
    telling_unsigned,
    used,
    used_total,
    word,
)
from tests.rig import Crash, Rig

OpenRig = Callable[..., Rig]
record_module = importlib.import_module("gateway.steps.record")  # the package's own name `record` is the step


def hear(rig: Rig, *payloads: bytes, every_us: int = HOUR_US) -> None:
    """Let messages arrive one after the other and record them."""
    for payload in payloads:
        rig.inbox.append(payload, rig.clock.now)
        rig.clock.advance(every_us)
    rig.work_off()


def reasons(rig: Rig) -> list[str]:
    return [one.reason for one in rig.rows(Quarantined, None)]


def test_a_device_that_begins_anew_time_and_again_is_still_counted(
    open_rig: OpenRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unit_of_work, "MAX_FOUND", 20)
    rig = open_rig(*home())
    hear(rig, *(telling(epoch, 1, left("milk", 0.9 - epoch / 100)) for epoch in range(1, 25)))
    hear(rig, telling(24, 2, left("milk", 0.4)), telling(24, 2, left("milk", 0.4)))
    assert reasons(rig) == []
    assert [(one.epoch, one.seq) for one in rig.rows(Reading, newest=2)] == [(24, 2), (24, 1)]


def quantities(rig: Rig) -> list[float | None]:
    return [one.quantity for one in rig.rows(Reading)]


# Once


def test_a_reading_becomes_a_row_a_level_and_a_forecast_to_make(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    rig.inbox.append(telling(1, 1, left("milk", 0.35), ts_us=START_US - HOUR_US), START_US)
    rig.enqueue("record", "inbox", household_id=None)
    rig.run_round()
    reading = rig.the(Reading)
    assert (reading.quantity, reading.at_us, reading.device_us, reading.server_us) == (
        0.35,
        START_US - HOUR_US,
        START_US - HOUR_US,
        START_US,
    )
    assert (reading.signed, reading.verdict, reading.epoch, reading.seq) == (True, Verdict.COUNTED, 1, 1)
    level = rig.the(Level)
    assert (level.quantity, level.reading_id, level.signed) == (0.35, reading.id, True)
    assert ("forecast", "milk", START_US) in rig.waiting()
    assert rig.the(Device).last_seen_us == START_US


def test_a_resent_reading_is_counted_once(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    message = telling(1, 1, left("milk", 0.5))
    hear(rig, message, message, telling(1, 2, left("milk", 0.4)), message)
    assert quantities(rig) == [0.5, 0.4]
    assert reasons(rig) == []


def test_reordered_messages_are_all_counted_and_the_watermark_closes(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    hear(rig, *(telling(1, seq, left("milk", 0.9 - seq / 20)) for seq in (1, 4, 2, 5, 3, 3, 1)))
    assert [one.seq for one in rig.rows(Reading)] == [1, 4, 2, 5, 3]
    sequence = rig.the(Sequence)
    assert (sequence.ranges or ((1, sequence.watermark),))[-1][1] == 5


def test_a_gap_stays_open_for_what_comes_late_and_is_closed_by_what_is_declared_lost(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    hear(rig, telling(1, 0, left("milk", 0.9)), telling(1, 5, left("milk", 0.8)))
    assert rig.the(Sequence).ranges == ((5, 5),)
    hear(rig, telling(1, 2, left("milk", 0.85)))
    assert rig.the(Sequence).ranges == ((2, 2), (5, 5))
    hear(rig, telling(1, 6, left("milk", 0.75), lost=((1, 1), (3, 4))))
    assert (rig.the(Sequence).watermark, rig.the(Sequence).ranges) == (6, ())
    hear(rig, telling(1, 3, left("milk", 0.7)))
    assert len(rig.rows(Reading)) == 4


def test_a_device_cannot_silence_itself_by_declaring_the_future_lost(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    hear(rig, telling(1, 1, left("milk", 0.9), lost=((0, 10**12),)), telling(1, 2, left("milk", 0.8)))
    assert quantities(rig) == [0.9, 0.8]


def test_a_sequence_that_jumps_too_far_is_quarantined_and_the_next_one_counts(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    jump = telling(1, 2 + SEQUENCE_JUMP_LIMIT, left("milk", 0.8))
    hear(rig, telling(1, 1, left("milk", 0.9)), jump, telling(1, 2, left("milk", 0.7)))
    assert reasons(rig) == ["sequence-jump"]
    assert quantities(rig) == [0.9, 0.7]


def test_a_new_epoch_counts_from_its_own_beginning(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    hear(rig, telling(1, 7, left("milk", 0.9)), telling(2, 1, left("milk", 0.8)), telling(1, 7, left("milk", 0.1)))
    assert quantities(rig) == [0.9, 0.8]
    assert [one.epoch for one in rig.rows(Sequence)] == [1, 2]


def test_many_gaps_are_bounded(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    for seq in range(1, 2 * MAX_GAP_RANGES + 20, 2):
        rig.inbox.append(telling(1, seq, left("milk", 0.5)), rig.clock.now)
    rig.work_off()
    assert len(rig.the(Sequence).ranges) <= MAX_GAP_RANGES


# Time


def test_a_late_reading_is_kept_and_moves_no_level(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    hear(
        rig,
        telling(1, 2, left("milk", 0.3), ts_us=START_US),
        telling(1, 1, left("milk", 0.9), ts_us=START_US - DAY_US),
    )
    assert [one.verdict for one in rig.rows(Reading)] == [Verdict.COUNTED, Verdict.LATE]
    assert rig.the(Level).quantity == 0.3


def test_a_clock_that_is_ahead_counts_from_the_arrival_and_too_far_ahead_is_quarantined(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    hear(rig, telling(1, 1, left("milk", 0.9), ts_us=START_US + HOUR_US))
    assert rig.the(Reading).at_us == START_US
    assert rig.the(Reading).device_us == START_US + HOUR_US
    hear(rig, telling(1, 2, left("milk", 0.8), ts_us=rig.clock.now + FUTURE_LIMIT_US + 1))
    assert reasons(rig) == ["future-time"]


def test_a_clock_that_starts_again_in_1970_does_not_silence_its_device(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    hear(rig, telling(1, 1, left("milk", 0.9), ts_us=START_US))
    for seq in (2, 3, 4):
        hear(rig, telling(1, seq, left("milk", 0.9 - seq / 10), ts_us=seq * HOUR_US))
    readings = rig.rows(Reading)
    assert [one.at_us for one in readings] == [START_US + hours * HOUR_US for hours in range(4)]
    assert [one.verdict for one in readings] == [Verdict.COUNTED] * 4
    assert all("its clock is wrong, so dated by arrival" in one.reason for one in readings[1:])
    assert rig.the(Level).quantity == pytest.approx(0.5, abs=0.02)


def test_a_clock_that_went_back_a_day_is_dated_by_its_arrival_from_then_on(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    hear(rig, telling(1, 1, left("milk", 0.9), ts_us=START_US))
    for seq in (2, 3):
        hear(rig, telling(1, seq, left("milk", 0.9 - seq / 10), ts_us=rig.clock.now - DAY_US))
    assert [one.verdict for one in rig.rows(Reading)] == [Verdict.COUNTED] * 3
    assert rig.the(Level).as_of_us == START_US + 2 * HOUR_US


def test_what_was_measured_before_a_correction_and_comes_after_it_stays_late(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    hear(rig, telling(1, 1, left("milk", 0.9), ts_us=START_US))
    rig.clock.advance(DAY_US)
    with rig.store.begin() as tx:
        correct_level(tx, tx.get(Member, HOME, "ana"), "milk-slot", 0.3, now_us=rig.clock.now)
    hear(rig, telling(1, 2, left("milk", 0.8), ts_us=START_US + 2 * HOUR_US))
    assert rig.rows(Reading)[-1].verdict is Verdict.LATE
    assert rig.the(Level).quantity == pytest.approx(0.3)


def test_a_thing_without_a_clock_is_dated_by_its_arrival(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    hear(rig, telling(1, 1, left("milk", 0.9)))
    assert (rig.the(Reading).at_us, rig.the(Reading).device_us) == (START_US, None)


# What is refused


def test_what_cannot_be_counted_is_quarantined_with_its_reason_and_the_rest_goes_on(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    forged = bytearray(telling(1, 3, left("milk", 0.1)))
    forged[-1] ^= 1
    hear(
        rig,
        telling(1, 1, left("beer", 0.5)),
        telling(1, 2, left("milk", 0.5, unit="g")),
        bytes(forged),
        telling(1, 4, used_total("milk", 5, unit="l")),
        b"\x00rubbish",
        b'{"epoch": 1, "seq": 5, "ts": null, "readings": "none"}',
        telling(1, 6, left("milk", 0.4)),
    )
    assert reasons(rig) == [
        "unknown-slot",
        "wrong-unit",
        "bad-signature",
        "wrong-measure",
        "not-an-envelope",
        "wrong-types",
    ]
    assert quantities(rig) == [0.4]
    first = rig.rows(Quarantined)[0]
    assert (first.household_id, first.device_id, first.sender, first.inbox_id) == (HOME, "fridge", "fridge", 1)
    assert first.payload == telling(1, 1, left("beer", 0.5))


def test_nothing_of_a_message_counts_when_one_of_its_slots_is_unknown(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    hear(rig, telling(1, 1, left("milk", 0.5), left("beer", 0.5)))
    assert rig.rows(Reading) == []
    assert rig.rows(Sequence) == []


def test_an_unknown_and_a_removed_device_are_not_heard(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    rig.inbox.append(telling(1, 1, left("milk", 0.5)), START_US, device_id="stranger")
    rig.work_off()
    rig.save(replace(rig.the(Device), state=DeviceState.REMOVED))
    hear(rig, telling(1, 1, left("milk", 0.5)))
    assert reasons(rig) == ["unknown-device", "unknown-device"]
    assert [one.household_id for one in rig.rows(Quarantined, None)] == [None, HOME]
    assert rig.rows(Reading) == []


def test_another_devices_signature_does_not_count(open_rig: OpenRig) -> None:
    rig = open_rig(*home(), build(Device, id="freezer"), *supply("peas", device_id="freezer"))
    assert FRIDGE.device_id == "fridge"
    rig.inbox.append(telling(1, 1, left("peas", 0.5)), START_US, device_id="freezer")
    rig.work_off()
    assert reasons(rig) == ["bad-signature"]


def test_an_unsigned_reading_counts_and_is_marked(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    hear(rig, telling_unsigned(1, 1, left("milk", 0.5)))
    assert rig.the(Reading).signed is False
    assert rig.the(Level).signed is False
    hear(rig, telling(1, 2, left("milk", 0.4)))
    assert rig.the(Level).signed is True


def test_a_fault_of_ours_in_one_message_quarantines_that_message_alone(
    open_rig: OpenRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = open_rig(*home())
    real = record_module.record_reading

    def faulty(tx: SqlTransaction, device: Device, slot: Slot, said: object, message: object, *, now_us: int) -> None:
        real(tx, device, slot, said, message, now_us=now_us)
        if message.seq == 2:
            raise RuntimeError("a fault")

    monkeypatch.setattr(record_module, "record_reading", faulty)
    hear(rig, *(telling(1, seq, left("milk", 0.9 - seq / 10)) for seq in (1, 2, 3)))
    assert [one.seq for one in rig.rows(Reading)] == [1, 3]
    quarantined = rig.the(Quarantined)
    assert (quarantined.reason, quarantined.household_id) == ("internal-error", HOME)


def test_what_was_rejected_at_the_door_is_shown_beside_the_quarantined(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    rig.inbox.reject(b"\x00", START_US)
    rig.inbox.reject(b"\x01", START_US, sender=None)
    rig.work_off()
    shown = rig.rows(Quarantined, None)
    assert [(one.household_id, one.device_id, one.inbox_id) for one in shown] == [
        (HOME, "fridge", None),
        (None, None, None),
    ]
    with rig.store.read() as tx:
        assert tx.cursor(REJECTED_CURSOR) == 2


def test_a_status_says_whether_a_device_is_online(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    rig.inbox.append(encode_status(online=False), START_US, kind="status")
    rig.work_off()
    assert rig.the(Device).online is False
    rig.inbox.append(b"perhaps", START_US, kind="status")
    rig.work_off()
    assert len(rig.rows(Quarantined)) == 1


# The cursor


def test_the_cursor_moves_with_the_rows_or_not_at_all(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    rig.inbox.append(telling(1, 1, left("milk", 0.5)), START_US)
    rig.inbox.around = lambda: rig.bomb.tick("while recording")
    rig.bomb.at = 2  # the row for record is committed, the readings are written and their commit does not come
    with pytest.raises(Crash):
        rig.work_off()
    assert rig.bomb.where == "while recording"
    assert rig.rows(Reading) == []
    with rig.store.read() as tx:
        assert tx.cursor(CURSOR) == 0
    rig.restart()
    rig.work_off()
    assert len(rig.rows(Reading)) == 1
    with rig.store.read() as tx:
        assert tx.cursor(CURSOR) == 1


def test_more_than_a_batch_is_recorded_in_several(open_rig: OpenRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_module, "BATCH", 4)
    rig = open_rig(*home())
    hear(rig, *(telling(1, seq, left("milk", 0.9 - seq / 20)) for seq in range(1, 11)))
    assert len(rig.rows(Reading)) == 10


# Levels


def test_an_unknown_level_is_not_zero_and_keeps_what_is_known(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    hear(rig, telling(1, 1, left("milk", None)))
    assert rig.the(Level).quantity is None
    hear(rig, telling(1, 2, left("milk", 0.5)), telling(1, 3, left("milk", None)))
    assert rig.the(Level).quantity == 0.5
    assert [one.verdict for one in rig.rows(Reading)] == [Verdict.UNKNOWN, Verdict.COUNTED, Verdict.UNKNOWN]


def test_a_unit_is_converted_into_the_slots_own(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    hear(rig, telling(1, 1, left("milk", 350, unit="ml")))
    assert (rig.the(Reading).quantity, rig.the(Reading).unit) == (pytest.approx(0.35), "l")


def test_a_refill_is_seen_when_the_next_reading_confirms_it_and_the_waiting_one_is_settled(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    hear(rig, *(telling(1, seq, left("milk", value)) for seq, value in enumerate((0.3, 0.2, 0.98, 0.97, 0.9), 1)))
    refill = rig.the(Refill)
    assert refill.size == pytest.approx(0.78, abs=0.03)
    assert refill.supply_id == "milk"
    assert Verdict.PENDING not in [one.verdict for one in rig.rows(Reading)]
    assert rig.rows(Reading)[2].verdict is Verdict.REFILL


def test_a_refill_takes_a_sealed_pack_off_the_shelf(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    rig.save(replace(rig.the(Supply), sealed_quantity=3.0))
    hear(rig, *(telling(1, seq, left("milk", value)) for seq, value in enumerate((0.1, 0.95, 0.94), 1)))
    assert rig.the(Supply).sealed_quantity == 2.0
    assert rig.the(Refill).from_shelf == 1.0


def test_a_pack_larger_than_the_slot_is_poured_in_by_and_by(open_rig: OpenRig) -> None:
    rig = open_rig(*home(), *supply("food", kind="pet-food", unit="g", capacity=1000, pack_size=3000, sealed=3000))
    hear(
        rig,
        *(telling(1, seq, left("food", value, "g")) for seq, value in enumerate((100.0, 900.0, 890.0, 880.0), 1)),
    )
    assert rig.rows(Supply, id="food")[0].sealed_quantity == pytest.approx(2200, abs=15)


def test_a_rubbish_level_is_an_outlier_and_moves_nothing(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    hear(rig, *(telling(1, seq, left("milk", value)) for seq, value in enumerate((0.5, 90.0, 0.48), 1)))
    assert [one.verdict for one in rig.rows(Reading)] == [Verdict.COUNTED, Verdict.OUTLIER, Verdict.COUNTED]
    assert rig.the(Level).quantity == pytest.approx(0.48, abs=0.02)


def test_words_alone_make_a_level_and_ok_after_empty_is_a_refill(open_rig: OpenRig) -> None:
    rig = open_rig(*home(), *supply("toner", unit="%", capacity=100, measure=Measure.ORDINAL))
    hear(
        rig,
        *(telling(1, seq, word("toner", state)) for seq, state in enumerate(("ok", "low", "low", "empty", "ok"), 1)),
    )
    level = rig.rows(Level, slot_id="toner-slot")[0]
    assert level.quantity is not None
    assert level.state == "ok"
    assert len(rig.rows(Refill)) == 1


# Counters and increments


def coffee(capacity: float = 1000) -> list[object]:
    return supply("coffee", kind="coffee", unit="g", capacity=capacity, measure=Measure.COUNTER, pack_size=1000)


def test_a_counter_is_used_up_from_the_pack_a_person_put_in(open_rig: OpenRig) -> None:
    rig = open_rig(*home(), *coffee())
    hear(rig, telling(1, 1, used_total("coffee", 5000, state="empty")))
    hear(rig, telling(1, 2, used_total("coffee", 5000, state="ok")))
    hear(rig, telling(1, 3, used_total("coffee", 5140, state="ok")))
    (level,) = rig.rows(Level, slot_id="coffee-slot")
    assert level.quantity == pytest.approx(860, abs=5)
    assert len(rig.rows(Refill)) == 1


def test_low_says_about_how_much_is_left_where_no_count_says_it_better(open_rig: OpenRig) -> None:
    rig = open_rig(*home(), *coffee())
    hear(rig, telling(1, 1, used_total("coffee", 5000, state="ok")), telling(1, 2, used_total("coffee", 5040)))
    assert rig.rows(Level, slot_id="coffee-slot")[0].quantity is None
    hear(rig, telling(1, 3, used_total("coffee", 5100, state="low")))
    assert rig.rows(Level, slot_id="coffee-slot")[0].quantity == 120
    hear(rig, telling(1, 4, used_total("coffee", 5150, state="low")))
    (level,) = rig.rows(Level, slot_id="coffee-slot")
    assert level.quantity == 70
    assert level.sd == 80


def test_a_counter_that_only_ever_said_low_is_planned_for(open_rig: OpenRig) -> None:
    rig = open_rig(*home(), *coffee())
    hear(rig, *(telling(1, seq, used_total("coffee", 5000 + 20 * seq, state="low")) for seq in range(1, 4)))
    rig.clock.advance(2 * HOUR_US)
    rig.work_off()
    assert [plan.supply_id for plan in rig.rows(Plan)] == ["coffee"]


def test_empty_says_that_nothing_is_left_whatever_was_reckoned(open_rig: OpenRig) -> None:
    rig = open_rig(*home(), *coffee())
    hear(
        rig,
        telling(1, 1, used_total("coffee", 0, state="empty")),
        telling(1, 2, used_total("coffee", 0, state="ok")),
        telling(1, 3, used_total("coffee", 700, state="ok")),
        telling(1, 4, used_total("coffee", 720, state="empty")),
    )
    assert rig.rows(Level, slot_id="coffee-slot")[0].quantity == 0


def test_numbers_between_two_words_do_not_make_a_refill_forgotten(open_rig: OpenRig) -> None:
    rig = open_rig(*home(), *coffee())
    hear(
        rig,
        telling(1, 1, used_total("coffee", 100, state="empty")),
        telling(1, 2, used_total("coffee", 101)),
        telling(1, 3, used_total("coffee", 102, state="ok")),
    )
    assert len(rig.rows(Refill)) == 1


def test_a_counter_that_starts_anew_in_a_new_epoch_goes_on_from_its_new_base(open_rig: OpenRig) -> None:
    rig = open_rig(*home(), *coffee())
    hear(
        rig,
        telling(1, 1, used_total("coffee", 500, state="empty")),
        telling(1, 2, used_total("coffee", 500, state="ok")),
        telling(1, 3, used_total("coffee", 600)),
        telling(2, 1, used_total("coffee", 40)),
        telling(2, 2, used_total("coffee", 90)),
    )
    (level,) = rig.rows(Level, slot_id="coffee-slot")
    assert level.quantity == pytest.approx(1000 - 100 - 40 - 50, abs=15)
    assert level.epoch == 2


def feeder() -> list[object]:
    return supply("food", kind="pet-food", unit="g", capacity=1000, measure=Measure.INCREMENT, pack_size=1000)


def start_feeder(rig: Rig) -> None:
    """Let the feeder speak once, and a person fill it."""
    hear(rig, telling(1, 1, used("food", 10)))
    with rig.store.begin() as tx:
        put_in_pack(tx, tx.get(Member, HOME, "ana"), "food-slot", size=None, now_us=rig.clock.now)
    rig.clock.advance(HOUR_US)


def test_increments_are_taken_off_the_level(open_rig: OpenRig) -> None:
    rig = open_rig(*home(), *feeder())
    start_feeder(rig)
    hear(rig, telling(1, 2, used("food", 60)), telling(1, 3, used("food", 40)))
    assert rig.rows(Level, slot_id="food-slot")[0].quantity == 900


def test_increments_across_a_gap_make_the_level_unknown_once(open_rig: OpenRig) -> None:
    rig = open_rig(*home(), *feeder())
    start_feeder(rig)
    hear(rig, telling(1, 2, used("food", 60)), telling(1, 4, used("food", 40)))
    assert rig.rows(Level, slot_id="food-slot")[0].quantity is None
    with rig.store.begin() as tx:
        correct_level(tx, tx.get(Member, HOME, "ana"), "food-slot", 500, now_us=rig.clock.now)
    rig.clock.advance(HOUR_US)
    # Number 3 never comes: the gap was there before, and what follows is counted again.
    hear(rig, telling(1, 5, used("food", 50)))
    assert rig.rows(Level, slot_id="food-slot")[0].quantity == 450


def test_lost_increments_make_the_level_unknown(open_rig: OpenRig) -> None:
    rig = open_rig(*home(), *feeder())
    start_feeder(rig)
    hear(rig, telling(1, 3, used("food", 60), lost=((2, 2),)))
    assert rig.rows(Level, slot_id="food-slot")[0].quantity is None


def test_increments_of_a_new_epoch_make_the_level_unknown(open_rig: OpenRig) -> None:
    rig = open_rig(*home(), *feeder())
    start_feeder(rig)
    hear(rig, telling(2, 1, used("food", 60)))
    assert rig.rows(Level, slot_id="food-slot")[0].quantity is None


def test_what_did_not_move_is_not_forecast_anew(open_rig: OpenRig) -> None:
    rig = open_rig(*home(), *coffee())
    hear(rig, telling(1, 1, used_total("coffee", 100)))
    (due,) = [row[2] for row in rig.waiting("forecast") if row[1] == "coffee"]
    hear(rig, telling(1, 2, used_total("coffee", 100)))
    assert [row[2] for row in rig.waiting("forecast") if row[1] == "coffee"] == [due]


def test_pack_options_do_not_matter_to_what_is_measured(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    with rig.store.begin() as tx:
        tx.remove(tx.get(PackOption, HOME, "milk-pack"))
        tx.save(replace(tx.get(Supply, HOME, "milk"), sealed_quantity=2.0))
    hear(rig, *(telling(1, seq, left("milk", value)) for seq, value in enumerate((0.1, 0.95, 0.94), 1)))
    assert rig.the(Supply).sealed_quantity == pytest.approx(2 - 0.85, abs=0.03)
