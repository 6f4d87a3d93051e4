"""The pure world: seeded, indifferent to how time is cut, and lifelike where the forecasts look."""

import functools
import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices import BadBody, Reading, decode_report, encode_report, kinds
from simulators.dice import dice
from simulators.habits import HABITS
from simulators.people import Change, SlotState, refill
from simulators.world import (
    TICK_US,
    CounterBeganAgain,
    Delivery,
    Event,
    Said,
    SaidAgain,
    World,
    WorldState,
    is_away,
    thing,
)

# A midnight.
START_US = 1_795_046_400_000_000
DAY_US = 86_400_000_000


def household(seed: int = 7) -> World:
    return World(seed, [thing(kind.title, kind.name) for kind in kinds().values()], "Europe/Berlin")


@functools.cache
def lived(days: float, seed: int = 7, step_us: int = DAY_US) -> tuple[list[Event], WorldState]:
    """The events and the last state of a household to which nothing is delivered."""
    world = household(seed)
    state = world.begin(START_US)
    events: list[Event] = []
    until_us = START_US + round(days * DAY_US)
    for now_us in range(START_US + step_us, until_us + 1, step_us):
        events += world.advance(state, now_us)
    return events, state


def readings(events: list[Event], device: str, slot: str) -> list[Reading]:
    reports = [event.report for event in events if isinstance(event, Said) and event.device == device]
    return [reading for report in reports for reading in report.readings if reading.slot == slot]


def test_every_kind_of_device_has_a_habit_for_each_of_its_slots() -> None:
    assert {name: {slot.name for slot in kind.slots} for name, kind in kinds().items()} == {
        name: set(habit.slots) for name, habit in HABITS.items()
    }
    for name, kind in kinds().items():
        for slot in kind.slots:
            assert not slot.packs or HABITS[name].slots[slot.name].unit_pack <= slot.capacity


def test_the_same_seed_tells_the_same_story_and_another_seed_another() -> None:
    assert lived(5)[0] == lived(5)[0]
    assert lived(5)[0] != lived(5, seed=8)[0]


@given(st.integers(1, 200).map(lambda ticks: ticks * TICK_US // 3))
@settings(max_examples=8, deadline=None)
def test_how_time_is_cut_changes_nothing(step_us: int) -> None:
    events, _ = lived(3, step_us=step_us)
    whole, _ = lived(4)
    assert events == whole[: len(events)]


def test_a_state_saved_and_read_again_goes_on_the_same() -> None:
    world = household()
    state = world.begin(START_US)
    list(world.advance(state, START_US + 3 * DAY_US))
    again = msgspec.json.decode(msgspec.json.encode(state), type=WorldState)
    assert list(world.advance(state, START_US + 6 * DAY_US)) == list(world.advance(again, START_US + 6 * DAY_US))


def test_every_device_says_hello_at_once_and_then_about_every_three_hours() -> None:
    events, _ = lived(10)
    said = [event.device for event in events if isinstance(event, Said)]
    # On the first day nobody but a printer that is switched off may be silent.
    assert set(said[:6]) >= {kind.title for kind in kinds().values()} - {"Printer"} - set(said[6:7])
    for kind in kinds().values():
        most = 100 if kind.name != "fridge" else 130
        assert 60 <= said.count(kind.title) <= most


def test_the_next_report_is_announced_for_when_it_comes() -> None:
    one = World(7, [thing("Fridge", "fridge")], "Europe/Berlin")
    state = one.begin(START_US)
    list(one.advance(state, START_US + DAY_US))
    due_us = one.next_report_us(state)
    assert state.tick * TICK_US < due_us <= START_US + DAY_US + DAY_US // 8
    assert not [event for event in one.advance(state, due_us - TICK_US) if isinstance(event, Said)]
    assert [event for event in one.advance(state, due_us) if isinstance(event, Said)]


def test_use_follows_the_weekdays() -> None:
    world = household()
    state = world.begin(START_US)
    state.devices["Car"].slots["fuel"].held = 50
    by_weekday = [0.0] * 7
    for day in range(140):
        before = state.devices["Car"].slots["fuel"].used_total
        list(world.advance(state, START_US + (day + 1) * DAY_US))
        by_weekday[(day + (START_US // DAY_US + 3)) % 7] += state.devices["Car"].slots["fuel"].used_total - before
    assert by_weekday[6] < min(by_weekday[:5])


def test_people_are_away_now_and_then_but_mostly_at_home() -> None:
    away = sum(is_away(seed, 740_000 + day) for seed in range(10) for day in range(365))
    assert 0.03 * 3650 < away < 0.14 * 3650


def test_the_eggs_scale_now_and_then_says_rubbish_that_the_format_refuses_or_no_fridge_could_hold() -> None:
    said = {reading.quantity for reading in readings(lived(60)[0], "Fridge", "eggs")}
    assert {9999.0, -1.0} <= said
    bad = next(
        event.report
        for event in lived(60)[0]
        if isinstance(event, Said) and any(reading.quantity == -1.0 for reading in event.report.readings)
    )
    with pytest.raises(BadBody, match="negative"):
        decode_report(encode_report(bad, "cbor"), "cbor")


def test_the_printer_is_silent_on_some_days_and_knows_no_number_for_yellow() -> None:
    events, _ = lived(60)
    days = {
        (event.report.ts_us or 0) // DAY_US for event in events if isinstance(event, Said) and event.device == "Printer"
    }
    assert 48 <= len(days) <= 60
    assert all(one.measure == "state" and one.quantity is None for one in readings(events, "Printer", "toner-yellow"))


def test_the_car_runs_ahead_and_the_filter_has_no_clock() -> None:
    events, _ = lived(1)
    stamps = {event.device: event.report.ts_us for event in events if isinstance(event, Said)}
    assert stamps["Water filter"] is None
    assert (stamps["Car"] or 0) % TICK_US == 90_000_000


def test_the_feeder_sends_old_messages_again() -> None:
    assert {event.device for event in lived(30)[0] if isinstance(event, SaidAgain)} == {"Pet feeder"}


def test_a_counter_only_grows_until_the_cartridge_is_changed_in_a_new_epoch() -> None:
    world = household()
    state = world.begin(START_US)
    world.deliver(state, Delivery("water-filter", 450, "l", START_US))
    events = list(world.advance(state, START_US + 100 * DAY_US))
    last, changes = 0.0, 0
    for event in events:
        match event:
            case CounterBeganAgain("Water filter"):
                last, changes = 0.0, changes + 1
            case Said("Water filter", report):
                used = report.readings[0].quantity
                assert used is not None
                assert used >= last
                last = used
            case _:
                pass
    assert changes >= 2


def test_a_delivery_waits_at_the_door_until_its_time_and_until_somebody_is_up() -> None:
    world = household()
    state = world.begin(START_US)
    world.deliver(state, Delivery("milk", 6000, "ml", START_US + 2 * DAY_US))
    list(world.advance(state, START_US + 2 * DAY_US - TICK_US))
    assert len(state.door) == 1
    list(world.advance(state, START_US + 9 * DAY_US))
    assert state.door == []
    assert state.devices["Fridge"].slots["milk"].used_total > 3


def test_when_nothing_is_delivered_somebody_shops_elsewhere_after_two_days() -> None:
    events, _ = lived(60)
    milk = [reading.quantity or 0 for reading in readings(events, "Fridge", "milk")]
    first_empty = next(place for place, left in enumerate(milk) if left == 0)
    refills = [place for place in range(1, len(milk)) if milk[place] > milk[place - 1] + 0.5]
    assert refills
    assert refills[0] - first_empty >= 2 * 8 - 1


def test_fuel_is_bought_on_the_way_without_an_order() -> None:
    fuel = [reading.quantity or 0 for reading in readings(lived(60)[0], "Car", "fuel")]
    assert sum(later - earlier > 25 for earlier, later in itertools.pairwise(fuel)) >= 3


@pytest.mark.parametrize(
    ("place", "held", "stock", "change", "after"),
    [
        ("fridge/milk", 0.4, 6.0, Change.TOPPED_UP, (3.4, 3.0)),
        ("fridge/milk", 3.2, 6.0, Change.NONE, (3.2, 6.0)),
        ("fridge/eggs", 3.0, 10.0, Change.TOPPED_UP, (9.0, 4.0)),
        ("fridge/eggs", 3.0, 4.0, Change.TOPPED_UP, (7.0, 0.0)),
        ("printer/toner-black", 2.0, 200.0, Change.REPLACED, (100.0, 100.0)),
        ("printer/toner-black", 20.0, 200.0, Change.NONE, (20.0, 200.0)),
        ("coffee-machine/beans", 10.0, 500.0, Change.TOPPED_UP, (510.0, 0.0)),
        ("coffee-machine/beans", 10.0, 3000.0, Change.TOPPED_UP, (1000.0, 2010.0)),
        ("washing-machine/softener", 400.0, 750.0, Change.NONE, (400.0, 750.0)),
        ("washing-machine/softener", 200.0, 750.0, Change.TOPPED_UP, (950.0, 0.0)),
    ],
)
def test_a_pack_is_opened_when_it_fits_or_when_the_old_one_is_used_up(
    place: str, held: float, stock: float, change: Change, after: tuple[float, float]
) -> None:
    kind, name = place.split("/")
    state = SlotState(held=held, used_total=5.0, empty_since_us=1)
    slot = kinds()[kind].slot(name)
    cupboard = {slot.supply: stock}
    assert refill(state, slot, HABITS[kind].slots[name], cupboard, dice(1)) is change
    assert (state.held, cupboard.get(slot.supply, 0.0)) == after
    assert (state.empty_since_us is None) == (change is not Change.NONE)
