"""What an appliance can tell of what is truly in a slot: noise, steps, states, and now and then rubbish."""

from random import Random

from devices import Reading, SlotKind, State
from simulators.habits import SlotHabit
from simulators.people import SlotState, is_empty

LOW_SHARE = 0.15
# A scale that is out of its range, and one that answers with its error code.
RUBBISH = (9999.0, -1.0)


def look(state: SlotState, slot: SlotKind, habit: SlotHabit, throw: Random, *, in_use: bool) -> Reading:
    """The reading of one slot."""
    noise = throw.gauss(0, habit.noise_in_use if in_use and habit.noise_in_use else habit.noise)
    rubbish, which = throw.random() < habit.rubbish_share, throw.choice(RUBBISH)
    match slot.measure:
        case "level":
            seen = which if rubbish else _step(min(max(0.0, state.held + noise), 1.05 * slot.capacity), habit.quantum)
            return Reading(slot.name, "left", seen, slot.unit)
        case "counter" | "increment":
            used = _step(state.used_total, habit.quantum)
            return Reading(slot.name, "used_total", used, slot.unit, _state(state, slot))
        case "ordinal":
            return Reading(slot.name, "state", None, None, _state(state, slot))


def _state(state: SlotState, slot: SlotKind) -> State:
    if is_empty(state, slot):
        return "empty"
    return "low" if state.held < LOW_SHARE * slot.capacity else "ok"


def _step(quantity: float, quantum: float) -> float:
    """The nearest multiple of the sensor's step, without the tail of binary fractions."""
    return round(round(quantity / quantum) * quantum, 6)
