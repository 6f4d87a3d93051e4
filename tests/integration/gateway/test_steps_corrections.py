"""A level put right by hand, through the real steps: what devices say afterwards, the shelf, refills and the chart."""

from collections.abc import Callable

import pytest

from gateway.domain.household import Member
from gateway.domain.replenishment import DAY_US, HOUR_US, Forecast
from gateway.domain.stock import Level, Reading, Refill, Slot, Supply, Verdict
from gateway.steps.acts.equipment import correct_level, put_in_pack
from gateway.web.views.levels import read_history
from tests.builders import HOME
from tests.homes import home, left, telling
from tests.rig import Rig

OpenRig = Callable[..., Rig]


@pytest.fixture
def rig(open_rig: OpenRig) -> Rig:
    """A home whose fridge has said twice that 0.6 l of milk are left."""
    rig = open_rig(*home(pack_size=1.0, sealed=2.0))
    say(rig, 1, 0.6, 0.6)
    return rig


def say(rig: Rig, first_seq: int, *quantities: float) -> None:
    """Let the fridge say these levels, one an hour."""
    for seq, quantity in enumerate(quantities, first_seq):
        rig.inbox.append(telling(1, seq, left("milk", quantity)), rig.clock.now)
        rig.work_off()
        rig.clock.advance(HOUR_US)


def correct(rig: Rig, quantity: float) -> None:
    with rig.store.begin() as tx:
        correct_level(tx, tx.get(Member, HOME, "ana"), "milk-slot", quantity, now_us=rig.clock.now)
    rig.work_off()
    rig.clock.advance(HOUR_US)


@pytest.mark.parametrize("quantity", [0.1, 0.95])
def test_what_the_device_says_next_neither_overrules_the_person_nor_is_a_refill(rig: Rig, quantity: float) -> None:
    correct(rig, quantity)
    say(rig, 3, 0.6, 0.6, 0.6)
    level = rig.the(Level)
    assert level.quantity == pytest.approx(quantity, abs=0.01)
    assert level.by_hand
    assert rig.rows(Refill) == []
    assert rig.the(Supply).sealed_quantity == 2.0
    assert {one.verdict for one in rig.rows(Reading)} <= {Verdict.COUNTED, Verdict.UNCHANGED}


def test_the_forecast_counts_on_from_the_correction_and_says_so(rig: Rig) -> None:
    correct(rig, 0.9)
    say(rig, 3, 0.6, 0.5)
    made = rig.the(Forecast, current=True)
    assert made.on_hand == pytest.approx(0.8 + 2.0, abs=0.02)
    assert any(one.startswith("Corrected by you on") and "0.3" in one for one in made.reasons)


def test_a_refill_after_a_correction_is_seen_and_ends_it(rig: Rig) -> None:
    correct(rig, 0.2)
    say(rig, 3, 0.55, 0.98, 0.98)
    refill = rig.the(Refill)
    assert refill.level_before == pytest.approx(0.15, abs=0.02)
    assert rig.the(Level).quantity == pytest.approx(0.98, abs=0.01)
    assert not rig.the(Level).by_hand
    assert not any("Corrected" in one for one in rig.the(Forecast, current=True).reasons)


def test_a_pack_put_in_by_hand_and_then_seen_by_the_device_is_one_refill(rig: Rig) -> None:
    with rig.store.begin() as tx:
        put_in_pack(tx, tx.get(Member, HOME, "ana"), "milk-slot", size=None, now_us=rig.clock.now)
    rig.work_off()
    rig.clock.advance(HOUR_US)
    say(rig, 3, 0.6, 0.99, 0.99)
    assert len(rig.rows(Refill)) == 1
    assert rig.the(Supply).sealed_quantity == 1.0
    assert rig.the(Level).quantity == pytest.approx(0.99, abs=0.01)


def test_a_reading_that_waited_is_settled_by_the_correction(rig: Rig) -> None:
    say(rig, 3, 0.98)
    assert rig.rows(Reading)[-1].verdict is Verdict.PENDING
    correct(rig, 0.95)
    settled = rig.rows(Reading)[-1]
    assert (settled.verdict, settled.reason) == (Verdict.UNCHANGED, "a person then said what is left")


def test_the_chart_goes_on_from_the_correction(rig: Rig) -> None:
    rig.clock.advance(6 * HOUR_US)
    corrected_us = rig.clock.now
    correct(rig, 0.3)
    say(rig, 3, *[0.6] * 20)
    with rig.store.read() as tx:
        slots, levels = tx.find(Slot, HOME), {one.id: one for one in tx.find(Level, HOME)}
        since_us = corrected_us - DAY_US // 2
        points = read_history(tx, HOME, slots, levels, since_us=since_us, now_us=rig.clock.now)
    before = [quantity for at_us, quantity in points if at_us < corrected_us and quantity is not None]
    after = [quantity for at_us, quantity in points if at_us > corrected_us + HOUR_US]
    assert before == pytest.approx([0.6] * len(before), abs=0.01)
    assert after == pytest.approx([0.3] * len(after), abs=0.01)
