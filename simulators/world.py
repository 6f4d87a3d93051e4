"""The pretend household: what is used, what is refilled, and what the appliances say of it. Pure and seeded.

Time goes in ticks of fifteen simulated minutes, counted from 1970, so that cutting it into steps changes nothing.
Chance comes from the seed and the devices' names, never from their ids.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from random import Random
from typing import Self
from zoneinfo import ZoneInfo

import msgspec

from devices import DeviceKind, Report, SlotKind, convert, kinds
from simulators.dice import dice
from simulators.habits import HABITS, ApplianceHabit, SlotHabit
from simulators.people import (
    Change,
    Cupboard,
    SlotState,
    is_empty,
    refill,
    shop_elsewhere,
)
from simulators.sensors import look

TICK_US = 15 * 60 * 1_000_000
REPORT_EVERY_TICKS = 12
TICKS_IN_HOUR = 4
WAKING_HOURS = range(7, 22)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Delivery(msgspec.Struct):
    """What stands at the door: a quantity of a kind of supply, from an instant on."""

    kind: str
    quantity: float
    unit: str
    at_us: int


class DeviceState(msgspec.Struct):
    """What is true of one device. `speak` asks for a report at the next tick, whatever the schedule says."""

    slots: dict[str, SlotState]
    speak: bool = True


class WorldState(msgspec.Struct):
    """All that must be remembered between steps. `tick` is the last one that was lived through."""

    tick: int
    devices: dict[str, DeviceState]
    cupboard: Cupboard
    door: list[Delivery]


@dataclass(frozen=True, slots=True)
class Said:
    """A device reports."""

    device: str
    report: Report


@dataclass(frozen=True, slots=True)
class CounterBeganAgain:
    """A device's counter starts at zero: what it says from now on belongs to a new epoch."""

    device: str


@dataclass(frozen=True, slots=True)
class SaidAgain:
    """A device sends one of its old messages again; `which` in [0, 1) chooses among those it keeps."""

    device: str
    which: float


Event = Said | CounterBeganAgain | SaidAgain


@dataclass(frozen=True, slots=True)
class Thing:
    """One device of the household; its name is what chance depends on."""

    name: str
    kind: DeviceKind

    @property
    def habit(self) -> ApplianceHabit:
        """How it is used."""
        return HABITS[self.kind.name]


@dataclass(frozen=True, slots=True)
class _Moment:
    """A tick as the household sees it."""

    tick: int
    day: int
    weekday: int
    hour: int
    away: bool

    @property
    def at_us(self) -> int:
        return self.tick * TICK_US

    @property
    def people_are_up(self) -> bool:
        return not self.away and self.hour in WAKING_HOURS


@dataclass(frozen=True, slots=True)
class _Draw:
    """Whether a portion is taken, and how large it is."""

    chance: float
    size: float

    @classmethod
    def of(cls, throw: Random) -> Self:
        return cls(throw.random(), throw.uniform(0.6, 1.4))


class World:
    """The rules of one household, for its seed and its things."""

    def __init__(self, seed: int, things: Sequence[Thing], time_zone: str = "UTC") -> None:
        self._seed = seed
        self._things = tuple(things)
        self._zone: tzinfo = ZoneInfo(time_zone)

    def begin(self, start_us: int) -> WorldState:
        """The first state: slots partly used, an empty cupboard, every device about to say hello."""
        state = WorldState(start_us // TICK_US - 1, {}, {}, [])
        self.complete(state)
        return state

    def complete(self, state: WorldState) -> None:
        """Give a state to the things that have none yet (they have just been bought)."""
        for thing in self._things:
            if thing.name not in state.devices:
                slots = {slot.name: self._first(thing, slot) for slot in thing.kind.slots}
                state.devices[thing.name] = DeviceState(slots)

    def deliver(self, state: WorldState, delivery: Delivery) -> None:
        """Put something at the door."""
        state.door.append(delivery)

    def advance(self, state: WorldState, until_us: int) -> Iterator[Event]:
        """Live through every tick up to an instant; the state has moved on as far as events were taken."""
        while (state.tick + 1) * TICK_US <= until_us:
            moment = self._moment(state.tick + 1)
            if moment.people_are_up:
                self._fetch(state, moment)
            for thing in self._things:
                yield from self._live(state, thing, moment)
            state.tick = moment.tick

    def next_report_us(self, state: WorldState) -> int:
        """Return when the next of the things reports by its schedule, whatever else makes it speak before."""
        ticks = (
            state.tick + 1 + (phase(self._seed, thing.name) - state.tick - 1) % REPORT_EVERY_TICKS
            for thing in self._things
        )
        return min(ticks) * TICK_US

    def look(self, state: WorldState, name: str, at_us: int) -> Report:
        """What a device would say at an instant."""
        thing = next(thing for thing in self._things if thing.name == name)
        return self._report(state, thing, at_us, frozenset())

    def _first(self, thing: Thing, slot: SlotKind) -> SlotState:
        share = dice(self._seed, thing.name, slot.name, "first").uniform(0.45, 0.95)
        held = round(share * slot.capacity, 2)
        if thing.habit.slots[slot.name].whole:
            held = float(round(held))
        # A cartridge's counter tells of this cartridge alone; the others count since the machine was new.
        used = slot.capacity - held if thing.habit.slots[slot.name].refill == "replace" else 0.0
        return SlotState(held=held, used_total=used)

    def _moment(self, tick: int) -> _Moment:
        local = (_EPOCH + timedelta(microseconds=tick * TICK_US)).astimezone(self._zone)
        day = local.toordinal()
        return _Moment(tick, day, local.weekday(), local.hour, is_away(self._seed, day))

    def _fetch(self, state: WorldState, moment: _Moment) -> None:
        units = {slot.supply: slot.unit for thing in self._things for slot in thing.kind.slots}
        arrived = [delivery for delivery in state.door if delivery.at_us <= moment.at_us]
        for delivery in arrived:
            quantity = convert(delivery.quantity, delivery.unit, units.get(delivery.kind, delivery.unit))
            state.cupboard[delivery.kind] = state.cupboard.get(delivery.kind, 0.0) + quantity
            state.door.remove(delivery)

    def _live(self, state: WorldState, thing: Thing, moment: _Moment) -> Iterator[Event]:
        own = state.devices[thing.name]
        throw = dice(self._seed, thing.name, moment.tick)
        in_use = self._use(own, thing, moment, throw)
        began_again = False
        for slot in thing.kind.slots:
            habit = thing.habit.slots[slot.name]
            held = own.slots[slot.name]
            if moment.people_are_up:
                shop_elsewhere(held, slot, habit, state.cupboard, now_us=moment.at_us, throw=throw)
                change = refill(held, slot, habit, state.cupboard, throw)
                own.speak |= change is not Change.NONE
                began_again |= change is Change.REPLACED and slot.measure == "counter"
        if began_again:
            yield CounterBeganAgain(thing.name)
        yield from self._speak(state, thing, moment, throw, in_use)

    def _use(self, own: DeviceState, thing: Thing, moment: _Moment, throw: Random) -> frozenset[str]:
        draw = _Draw.of(throw)
        in_use: set[str] = set()
        for slot in thing.kind.slots:
            habit = thing.habit.slots[slot.name]
            draw = draw if thing.habit.together else _Draw.of(throw)
            wanted = self._wanted(thing.name, slot, habit, moment, draw) + _burst(habit, moment, throw)
            held = own.slots[slot.name]
            before = is_empty(held, slot)
            used = min(float(round(wanted)) if habit.whole else wanted, held.held)
            if used > 0:
                in_use.add(slot.name)
                held.held = round(held.held - used, 6)
                held.used_total = round(held.used_total + used, 6)
            if is_empty(held, slot) and not before:
                held.empty_since_us = moment.at_us
                own.speak = True
        return frozenset(in_use)

    def _wanted(self, name: str, slot: SlotKind, habit: SlotHabit, moment: _Moment, draw: _Draw) -> float:
        """A portion now and then, so often that the day's mean comes out."""
        if moment.hour not in habit.hours:
            return 0.0
        presence = habit.away_share if moment.away else 1.0
        daily = habit.per_day * appetite(self._seed, name, slot.name) * habit.week[moment.weekday] * presence
        happens = draw.chance < daily / habit.portion / (len(habit.hours) * TICKS_IN_HOUR)
        return habit.portion * draw.size if happens else 0.0

    def _speak(
        self, state: WorldState, thing: Thing, moment: _Moment, throw: Random, in_use: frozenset[str]
    ) -> Iterator[Event]:
        own = state.devices[thing.name]
        if not own.speak and (moment.tick - phase(self._seed, thing.name)) % REPORT_EVERY_TICKS:
            return
        habit = thing.habit
        if dice(self._seed, thing.name, "silent", moment.day).random() < habit.silent_day_share:
            return
        own.speak = False
        yield Said(thing.name, self._report(state, thing, moment.at_us, in_use))
        if throw.random() < habit.resend_share:
            yield SaidAgain(thing.name, throw.random())

    def _report(self, state: WorldState, thing: Thing, at_us: int, in_use: frozenset[str]) -> Report:
        own = state.devices[thing.name]
        throw = dice(self._seed, thing.name, "look", at_us)
        readings = tuple(
            look(own.slots[slot.name], slot, thing.habit.slots[slot.name], throw, in_use=slot.name in in_use)
            for slot in thing.kind.slots
        )
        return Report(at_us + thing.habit.clock_ahead_us if thing.habit.has_clock else None, readings)


def _burst(habit: SlotHabit, moment: _Moment, throw: Random) -> float:
    """Rarely, much at once. Both numbers are drawn whatever comes of them, so that the next question's are the same."""
    happens = throw.random() < habit.burst_per_day / (len(habit.hours) * TICKS_IN_HOUR)
    much = throw.uniform(*habit.burst)
    return much if happens and moment.hour in habit.hours and not moment.away else 0.0


def thing(name: str, kind: str) -> Thing:
    """A device by its name and kind; `KeyError` for an unknown kind."""
    return Thing(name, kinds()[kind])


@functools.lru_cache(maxsize=4096)
def phase(seed: int, name: str) -> int:
    """The tick of its three hours at which a device reports."""
    return dice(seed, name, "phase").randrange(REPORT_EVERY_TICKS)


@functools.lru_cache(maxsize=4096)
def appetite(seed: int, name: str, slot: str) -> float:
    """How much more or less than the ordinary household this one uses of a slot."""
    return dice(seed, name, slot, "appetite").uniform(0.8, 1.25)


@functools.lru_cache(maxsize=4096)
def is_away(seed: int, day: int) -> bool:
    """Whether nobody is home on a day (a proleptic ordinal): about one week in seven has two to six days of it."""
    for week in (day // 7, day // 7 - 1):
        throw = dice(seed, "away", week)
        leaves = throw.random() < 0.14
        first = 7 * week + throw.randrange(7)
        if leaves and first <= day < first + throw.randint(2, 6):
            return True
    return False
