"""Who signs is believed when it signs: what comes over its connection without its signature moves nothing."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import Engine, MetaData

from devices.envelope import seal_plain
from devices.readings import Reading as Said
from gateway.domain.approval import Approval
from gateway.domain.household import Household, Member
from gateway.domain.payment import Mandate
from gateway.domain.replenishment import HOUR_US, Forecast
from gateway.domain.stock import Device, Level, Measure, Quarantined, Reading, Sequence, Slot, Supply
from gateway.steps.acts.equipment import correct_level, put_in_pack
from gateway.steps.record import MAX_EPOCHS
from gateway.store import mapping, migrate
from tests.builders import HOME, build
from tests.homes import home, left, supply, telling, telling_unsigned, used, used_total, word
from tests.rig import Rig

OpenRig = Callable[..., Rig]

BEANS = {"unit": "g", "capacity": 1000.0, "pack_size": 1000.0}


def hear(rig: Rig, *payloads: bytes, every_us: int = HOUR_US) -> None:
    for payload in payloads:
        rig.inbox.append(payload, rig.clock.now)
        rig.clock.advance(every_us)
    rig.work_off()


def reasons(rig: Rig) -> list[str]:
    return [one.reason for one in rig.rows(Quarantined, None)]


def fill_by_hand(rig: Rig, slot_id: str) -> None:
    with rig.store.begin() as tx:
        put_in_pack(tx, tx.get(Member, HOME, "ana"), slot_id, size=None, now_us=rig.clock.now)


# A device that signs


def test_what_is_not_signed_of_a_device_that_has_signed_is_kept_and_moves_nothing(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    hear(rig, telling(1, 1, left("milk", 0.9)))
    level, sequence = rig.the(Level), rig.the(Sequence)
    hear(rig, telling_unsigned(1, 2, left("milk", 0.1)), telling_unsigned(7, 1, left("milk", 0.1)))
    assert (rig.the(Level), rig.the(Sequence), len(rig.rows(Reading))) == (level, sequence, 1)
    assert reasons(rig) == ["unsigned", "unsigned"]
    assert rig.rows(Quarantined, None)[0].detail == (
        "it has signed before; a message without a signature is not believed"
    )


def test_a_message_nobody_signed_swallows_none_that_are_signed(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    hear(rig, telling(1, 1, left("milk", 0.9)))
    hear(rig, seal_plain(1, 5001, b'{"ts":null,"readings":[],"lost":[[2,5000]]}'))
    hear(rig, *(telling(1, seq, left("milk", 0.2)) for seq in range(2, 6)))
    assert [one.seq for one in rig.rows(Reading)] == [1, 2, 3, 4, 5]


def test_one_forged_increment_leads_to_no_debit_by_mandate(open_rig: OpenRig) -> None:
    rig = open_rig(*home(), *supply("beans", kind="coffee-beans", measure=Measure.INCREMENT, price_minor=900, **BEANS))
    rig.save(replace(rig.the(Mandate), standing=True, per_order_minor=50000, per_period_minor=90000))
    rig.shop.sell("beans-usual", 900, pack_size=1000.0, unit="g")
    fill_by_hand(rig, "beans-slot")
    for seq in range(1, 34):
        forged = seq == 13
        said = telling_unsigned(1, seq, used("beans", 700.0)) if forged else telling(1, seq, used("beans", 8.0))
        hear(rig, said)
        rig.pass_days(0.25)
    assert rig.rows(Approval) == []
    assert rig.bank.held_minor == 0
    assert reasons(rig) == ["unsigned"]


def test_forged_refills_take_nothing_off_the_shelf(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    rig.save(replace(rig.the(Supply), sealed_quantity=6.0))
    hear(rig, *(telling(1, seq, left("milk", 0.9)) for seq in range(1, 4)))
    for seq in range(4, 36, 4):
        low = [telling_unsigned(1, seq + one, left("milk", 0.03)) for one in (0, 1)]
        full = [telling(1, seq + one, left("milk", 0.9)) for one in (2, 3)]
        hear(rig, *low, *full)
    assert rig.the(Supply).sealed_quantity == 6.0


# A device that does not sign, or not yet


def test_a_device_with_a_key_that_has_not_signed_yet_is_counted_as_unsigned(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    assert rig.the(Device).public_key is not None
    hear(rig, telling_unsigned(1, 1, left("milk", 0.5)), telling_unsigned(1, 2, left("milk", 0.4)))
    assert reasons(rig) == []
    assert (rig.the(Level).signed, rig.the(Device).has_signed) == (False, False)


def test_what_was_counted_unsigned_does_not_swallow_the_first_signed_message(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    hear(rig, seal_plain(1, 5001, b'{"ts":null,"readings":[],"lost":[[1,5000]]}'))
    hear(rig, *(telling_unsigned(2**32 - 1 - epoch, 1, left("milk", 0.9)) for epoch in range(MAX_EPOCHS)))
    hear(rig, telling(1, 1, left("milk", 0.8)), telling(1, 2, left("milk", 0.7)))
    assert [(one.epoch, one.seq) for one in rig.rows(Reading) if one.signed] == [(1, 1), (1, 2)]
    assert rig.the(Sequence).epoch == 1


def test_a_device_that_begins_to_sign_where_it_was_goes_on_without_a_gap(open_rig: OpenRig) -> None:
    rig = open_rig(*home(), *supply("beans", kind="coffee-beans", measure=Measure.INCREMENT, **BEANS))
    hear(rig, telling_unsigned(1, 1, used("beans", 8.0)))
    fill_by_hand(rig, "beans-slot")
    hear(rig, telling(1, 2, used("beans", 8.0)))
    assert rig.the(Level).quantity == pytest.approx(992.0)


def test_what_was_said_unsigned_and_is_said_again_signed_leaves_increments_unknown(open_rig: OpenRig) -> None:
    rig = open_rig(*home(), *supply("beans", kind="coffee-beans", measure=Measure.INCREMENT, **BEANS))
    fill_by_hand(rig, "beans-slot")
    hear(rig, telling_unsigned(1, 1, used("beans", 8.0)), telling(1, 1, used("beans", 8.0)))
    assert rig.the(Level).quantity is None


def use_of_beans(measure: Measure, seq: int) -> Said:
    return used("beans", 8.0) if measure is Measure.INCREMENT else used_total("beans", 8.0 * seq)


@pytest.mark.parametrize("measure", [Measure.INCREMENT, Measure.COUNTER])
def test_a_count_that_began_unsigned_stays_so_until_a_person_says_what_is_left(
    open_rig: OpenRig, measure: Measure
) -> None:
    rig = open_rig(*home(), *supply("beans", kind="coffee-beans", measure=measure, **BEANS))
    fill_by_hand(rig, "beans-slot")
    hear(rig, *(telling_unsigned(1, seq, use_of_beans(measure, seq)) for seq in (1, 2)))
    hear(rig, *(telling(1, seq, use_of_beans(measure, seq)) for seq in range(3, 23)))
    assert all(one.signed for one in rig.rows(Reading, newest=20))
    assert rig.the(Level).signed is False
    assert rig.the(Forecast, supply_id="beans", current=True).signed is False
    with rig.store.begin() as tx:
        correct_level(tx, tx.get(Member, HOME, "ana"), "beans-slot", 500.0, now_us=rig.clock.now)
    hear(rig, telling(1, 23, use_of_beans(measure, 23)))
    assert rig.the(Level).signed is True
    assert rig.the(Forecast, supply_id="beans", current=True).signed is True


def test_a_count_that_began_unsigned_is_anchored_by_a_signed_word_that_nothing_is_left(open_rig: OpenRig) -> None:
    rig = open_rig(*home(), *supply("beans", kind="coffee-beans", measure=Measure.COUNTER, **BEANS))
    fill_by_hand(rig, "beans-slot")
    hear(rig, telling_unsigned(1, 1, used_total("beans", 8.0)), telling(1, 2, used_total("beans", 16.0)))
    assert rig.the(Level).signed is False
    hear(rig, telling(1, 3, used_total("beans", 24.0, state="empty")))
    assert rig.the(Level).signed is True


def test_a_slot_that_says_words_rests_on_its_last_one(open_rig: OpenRig) -> None:
    rig = open_rig(*home(), *supply("salt", measure=Measure.ORDINAL))
    hear(rig, telling_unsigned(1, 1, word("salt", "low")))
    assert rig.the(Level).signed is False
    hear(rig, telling(1, 2, word("salt", "low")))
    assert rig.the(Level).signed is True


# How much is remembered


@pytest.mark.parametrize("tell", [telling, telling_unsigned])
def test_of_a_device_that_begins_anew_without_end_the_newest_epochs_are_kept(
    open_rig: OpenRig, tell: Callable[..., bytes]
) -> None:
    rig = open_rig(*home())
    hear(rig, *(tell(epoch, 1, left("milk", 0.9)) for epoch in range(1, 51)), every_us=1)
    assert sorted(one.epoch for one in rig.rows(Sequence)) == list(range(51 - MAX_EPOCHS, 51))


def test_a_message_of_an_epoch_that_is_forgotten_is_not_counted_again(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    hear(rig, *(telling(epoch, 1, left("milk", 0.9)) for epoch in range(1, MAX_EPOCHS + 2)))
    hear(rig, telling(1, 1, left("milk", 0.9)), telling(2, 1, left("milk", 0.9)))
    assert reasons(rig) == ["old-epoch"]
    assert len(rig.rows(Reading)) == MAX_EPOCHS + 1


# A data directory from before


def test_devices_with_signed_readings_count_as_having_signed(bare: Engine) -> None:
    engine = bare
    migrate.upgrade(engine, "0006")
    with engine.begin() as connection:
        before = MetaData()
        before.reflect(connection)

        def put(entity: object) -> None:
            table = before.tables[mapping.row_type(type(entity)).__tablename__]
            values = {name: value for name, value in mapping.to_values(entity).items() if name in table.c}
            connection.execute(table.insert(), values)

        put(build(Household))
        for name, signed in (("fridge", True), ("scale", False)):
            put(build(Device, id=name))
            put(build(Slot, id=f"{name}-slot", device_id=name, supply_id=None))
            slot_id = f"{name}-slot"
            put(build(Reading, id=f"{name}-1", device_id=name, slot_id=slot_id, signed=False))
            put(build(Reading, id=f"{name}-2", device_id=name, slot_id=slot_id, signed=signed))
            for epoch in range(20):
                put(build(Sequence, id=f"{name}-{epoch}", device_id=name, epoch=epoch))
    migrate.upgrade(engine)
    with engine.connect() as connection:
        after = MetaData()
        after.reflect(connection)
        device, sequence = after.tables["device"], after.tables["sequence"]
        assert dict(connection.execute(device.select().with_only_columns(device.c.id, device.c.has_signed)).all()) == {
            "fridge": True,
            "scale": False,
        }
        epochs = connection.execute(sequence.select().where(sequence.c.device_id == "fridge")).all()
        assert sorted(one.epoch for one in epochs) == list(range(20 - MAX_EPOCHS, 20))
