"""The measured past of a supply, put together from what its devices said, and the forecast ahead of it.

A level slot says its level. A counter or an increment says use only: its past level is walked back from the present
one. Several slots are summed on one grid of instants, each keeping its last known level.
"""

import itertools
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.domain.replenishment import DAY_US, HOUR_US, SECOND_US, Forecast
from gateway.domain.stock import Level, Measure, Reading, Refill, Slot, Verdict
from gateway.steps.goods.levels import correction_of
from gateway.steps.ports import Transaction

GRID_US = 6 * HOUR_US
AHEAD_DAYS = 60
MAX_READINGS_PER_SLOT = 3000

_TELLS_A_LEVEL = frozenset({Verdict.COUNTED, Verdict.REFILL, Verdict.UNCHANGED})

Point = tuple[int, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What the chart draws, in the supply's unit, on one axis of epoch seconds `x`.

    `history` ends at the present, `low`, `likely` and `high` begin there; elsewhere they are None. `top` is the axis'
    upper end. `delivery_x` marks when a refill is promised, `empty_from_x` to `empty_to_x` when it runs empty.
    """

    x: tuple[int, ...]
    history: tuple[float | None, ...]
    low: tuple[float | None, ...]
    likely: tuple[float | None, ...]
    high: tuple[float | None, ...]
    now_index: int
    reorder: float | None
    capacity: float
    top: float
    unit: str
    delivery_x: int | None
    empty_from_x: int | None
    empty_to_x: int | None
    refills_x: tuple[int, ...]


def read_history(
    tx: Transaction, household_id: str, slots: list[Slot], levels: dict[str, Level], *, since_us: int, now_us: int
) -> list[tuple[int, float | None]]:
    """Return the supply's level every six hours from `since_us` to now; None while any slot's level is unknown."""
    grid = [*range(since_us, now_us, GRID_US), now_us]
    tracks = [_track(tx, household_id, slot, levels.get(slot.id), since_us=since_us) for slot in slots]
    points: list[tuple[int, float | None]] = []
    for at_us in grid:
        values = [_last_before(track, at_us) for track in tracks]
        known = [value for value in values if value is not None]
        points.append((at_us, sum(known) if known and len(known) == len(values) else None))
    return points


def draw(
    history: list[tuple[int, float | None]],
    forecast: Forecast | None,
    *,
    unit: str,
    capacity: float,
    reorder: float | None,
    promised_us: int | None,
    refills: list[Refill],
) -> Chart:
    """Lay history and forecast on one axis. The band's first entry is the present, the next ones a day apart."""
    past = len(history)
    band = _band(forecast, history[-1][0]) if forecast is not None else []
    ahead = [(at_us, None) for at_us, *_ in band[1:]]
    xs = tuple(at_us // SECOND_US for at_us, _ in itertools.chain(history, ahead))
    blank: tuple[float | None, ...] = (None,) * (past - 1)
    measured = tuple(value for _, value in history) + (None,) * len(ahead)
    low, likely, high = (
        (*blank, *(point[column] for point in band)) if band else (None,) * past for column in (1, 2, 3)
    )
    shown = [value for value in (*measured, *high, reorder) if value is not None]
    return Chart(
        x=xs,
        history=measured,
        low=low,
        likely=likely,
        high=high,
        now_index=past - 1,
        reorder=reorder,
        capacity=capacity,
        top=max([capacity * 0.4, *(value * 1.1 for value in shown)]),
        unit=unit,
        delivery_x=_seconds(promised_us),
        empty_from_x=_seconds(forecast.p10_us) if forecast is not None else None,
        empty_to_x=_seconds(forecast.p90_us) if forecast is not None else None,
        refills_x=tuple(refill.at_us // SECOND_US for refill in refills if refill.at_us >= history[0][0]),
    )


def _band(forecast: Forecast, now_us: int) -> list[tuple[int, float, float, float]]:
    """Return (instant, low, likely, high) from now on: the band says where the level is k days after it was made."""
    rows = [
        (forecast.made_us + day * DAY_US, low, likely, high)
        for day, (low, likely, high) in enumerate(forecast.band[: AHEAD_DAYS + 1])
    ]
    ahead = [row for row in rows if row[0] > now_us]
    before = [row for row in rows if row[0] <= now_us]
    if not before or not ahead:
        return []
    return [(now_us, *_between(before[-1], ahead[0], now_us)), *ahead]


def _between(
    left: tuple[int, float, float, float], right: tuple[int, float, float, float], at_us: int
) -> tuple[float, float, float]:
    share = (at_us - left[0]) / (right[0] - left[0])
    low, likely, high = (a + share * (b - a) for a, b in zip(left[1:], right[1:], strict=True))
    return low, likely, high


def _track(tx: Transaction, household_id: str, slot: Slot, level: Level | None, *, since_us: int) -> list[Point]:
    """Return one slot's (instant, level), oldest first, ending with the present estimate."""
    readings = tx.find(Reading, household_id, slot_id=slot.id, newest=MAX_READINGS_PER_SLOT)
    # One before the window says what the level was when the window opened.
    window = [reading for reading in readings if reading.verdict in _TELLS_A_LEVEL]
    cut = next((place for place, reading in enumerate(window) if reading.at_us < since_us), len(window))
    window = window[: cut + 1]
    present = [] if level is None or level.quantity is None else [(level.as_of_us, level.quantity)]
    match slot.measure:
        case Measure.LEVEL:
            said = [(reading.at_us, reading.quantity) for reading in window if reading.quantity is not None]
            return sorted([*_corrected(said, level), *present])
        case Measure.COUNTER | Measure.INCREMENT if present:
            refills = tx.find(Refill, household_id, slot_id=slot.id, newest=200)
            return sorted([*_walked_back(slot, window, refills, present[0]), *present])
        case _:
            return present


def _corrected(said: list[Point], level: Level | None) -> Iterator[Point]:
    """Yield what a thing said, from a person's correction on as much higher or lower as that person said."""
    corrected_us, tare = (level and correction_of(level)) or (0, 0.0)
    for at_us, quantity in said:
        yield at_us, max(0.0, quantity + tare) if at_us >= corrected_us else quantity


def _walked_back(slot: Slot, newest_first: list[Reading], refills: list[Refill], present: Point) -> Iterator[Point]:
    """Yield the level after each reading, from the newest back: add what was used since, take what was refilled."""
    quantity = present[1]
    sizes = [(refill.at_us, refill.size or 0.0) for refill in refills]
    for newer, older in itertools.pairwise(newest_first):
        quantity += _used(slot, older, newer)
        quantity -= sum(size for at_us, size in sizes if older.at_us < at_us <= newer.at_us)
        quantity = max(0.0, min(slot.capacity, quantity))
        yield older.at_us, quantity


def _used(slot: Slot, older: Reading, newer: Reading) -> float:
    if newer.quantity is None:
        return 0.0
    if slot.measure is Measure.INCREMENT:
        return newer.quantity
    if older.quantity is None or older.epoch != newer.epoch:
        return 0.0
    return max(0.0, newer.quantity - older.quantity)


def _last_before(track: list[Point], at_us: int) -> float | None:
    place = bisect_right(track, (at_us, float("inf")))
    return track[place - 1][1] if place else None


def _seconds(at_us: int | None) -> int | None:
    return None if at_us is None else at_us // SECOND_US
