"""What the people of the house do: open a pack, change a cartridge, fill up at a station, shop elsewhere in need."""

import math
from enum import Enum, auto
from random import Random

import msgspec

from devices import SlotKind
from simulators.habits import SlotHabit

# By kind of supply, in the unit of the slots that take it.
Cupboard = dict[str, float]

NEARLY_EMPTY_SHARE = 0.03
PATIENCE_US = 2 * 24 * 3_600_000_000
# A tick somebody is up, after their patience is over: about one in two a day.
SHOP_ELSEWHERE_CHANCE = 0.012
FUEL_LIGHT_SHARE = 0.17
STATION_CHANCE = 0.12


class SlotState(msgspec.Struct):
    """What is truly in a slot, in its unit, and what was used since its counter began."""

    held: float
    used_total: float
    empty_since_us: int | None = None


class Change(Enum):
    """What somebody did to a slot."""

    NONE = auto()
    TOPPED_UP = auto()
    REPLACED = auto()


def is_empty(state: SlotState, slot: SlotKind) -> bool:
    """Whether nothing useful is left."""
    return state.held <= 0.002 * slot.capacity


def refill(state: SlotState, slot: SlotKind, habit: SlotHabit, cupboard: Cupboard, throw: Random) -> Change:
    """Refill a slot if it is time and there is something to do it with."""
    change = _refill(state, slot, habit, cupboard, throw)
    if change is not Change.NONE:
        state.empty_since_us = None
    return change


def _refill(state: SlotState, slot: SlotKind, habit: SlotHabit, cupboard: Cupboard, throw: Random) -> Change:
    match habit.refill:
        case "driver":
            return _fill_up(state, slot, throw)
        case "replace":
            return _replace(state, slot, habit, cupboard)
        case "room":
            return _top_up(state, slot, habit, cupboard)
        case "pour":
            return _pour(state, slot, cupboard)


def shop_elsewhere(
    state: SlotState, slot: SlotKind, habit: SlotHabit, cupboard: Cupboard, *, now_us: int, throw: Random
) -> None:
    """After two days of nothing left and nothing in the cupboard, now and then somebody brings one pack home."""
    bought = throw.random() < SHOP_ELSEWHERE_CHANCE
    if state.empty_since_us is None or cupboard.get(slot.supply, 0.0) > 0:
        return
    if bought and now_us - state.empty_since_us >= PATIENCE_US:
        cupboard[slot.supply] = habit.unit_pack


def _fill_up(state: SlotState, slot: SlotKind, throw: Random) -> Change:
    stops, full = throw.random() < STATION_CHANCE, throw.uniform(0.95, 1.0) * slot.capacity
    if state.held > FUEL_LIGHT_SHARE * slot.capacity or not stops:
        return Change.NONE
    state.held = round(full, 2)
    return Change.TOPPED_UP


def _replace(state: SlotState, slot: SlotKind, habit: SlotHabit, cupboard: Cupboard) -> Change:
    nearly_empty = state.held <= NEARLY_EMPTY_SHARE * slot.capacity
    if not nearly_empty or cupboard.get(slot.supply, 0.0) < habit.unit_pack:
        return Change.NONE
    _take(cupboard, slot.supply, habit.unit_pack)
    state.held = slot.capacity
    state.used_total = 0.0
    return Change.REPLACED


def _top_up(state: SlotState, slot: SlotKind, habit: SlotHabit, cupboard: Cupboard) -> Change:
    """Whole packs as long as they fit; a rest smaller than a pack goes in whole."""
    pack = min(habit.unit_pack, cupboard.get(slot.supply, 0.0))
    if pack <= 0 or slot.capacity - state.held < pack:
        return Change.NONE
    packs = min(math.floor((slot.capacity - state.held) / pack), math.floor(cupboard[slot.supply] / pack))
    _take(cupboard, slot.supply, packs * pack)
    state.held = round(state.held + packs * pack, 6)
    return Change.TOPPED_UP


def _pour(state: SlotState, slot: SlotKind, cupboard: Cupboard) -> Change:
    amount = min(slot.capacity - state.held, cupboard.get(slot.supply, 0.0))
    if state.held > NEARLY_EMPTY_SHARE * slot.capacity or amount <= 0:
        return Change.NONE
    _take(cupboard, slot.supply, amount)
    state.held = round(state.held + amount, 6)
    return Change.TOPPED_UP


def _take(cupboard: Cupboard, supply: str, amount: float) -> None:
    left = round(cupboard[supply] - amount, 6)
    if left > 0:
        cupboard[supply] = left
    else:
        del cupboard[supply]
