"""Challenge: each night a statsmodels model gives its second opinion on a supply; it is shown, and orders nothing."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

import forecasting
from forecasting.challengers import DidNotConverge, NotEnoughHistory, second_opinion
from gateway.domain.household import Household
from gateway.domain.records import HouseholdItem
from gateway.domain.replenishment import DAY_US, SECOND_US, Forecast, SecondOpinion
from gateway.domain.stock import Level, Measure, Reading, Slot
from gateway.steps.ports import Services, Transaction

NIGHT_HOUR = 3
# A demonstration's nights come every minute; a model that only advises may not keep the machine busy.
REAL_PAUSE_US = 45 * SECOND_US
MOST_READINGS = 4000
SEED = 20_261_121


def challenge(item: HouseholdItem, services: Services) -> None:
    """Ask the challenger about one supply (subject: supply id) and again tomorrow night."""
    now_us, household_id = services.clock.now_us(), item.household_id
    with services.unit_of_work.read() as tx:
        household = tx.get(Household, household_id, household_id)
        forecasts = tx.find(Forecast, household_id, supply_id=item.subject_id, current=True)
        daily = _daily_use(tx, household, item.subject_id)
    on_hand = forecasts[0].on_hand if forecasts else None
    opinion = None
    if on_hand is not None and daily is not None:
        opinion = _opinion(household_id, item.subject_id, daily, on_hand, now_us)
    with services.unit_of_work.begin() as tx:
        tx.complete(item)
        if opinion is not None:
            for before in tx.find(SecondOpinion, household_id, id=item.subject_id):
                tx.remove(before)
            tx.add(opinion)
        tx.enqueue(
            "challenge",
            household_id,
            item.subject_id,
            due_us=next_night_us(now_us, household.time_zone),
            not_before_wall_us=services.clock.wall_us() + REAL_PAUSE_US,
        )


def next_night_us(now_us: int, zone: str) -> int:
    """Return the next 03:00 of the household's own time.

    >>> next_night_us(0, "UTC") // 3_600_000_000
    3
    """
    here = datetime.fromtimestamp(now_us / SECOND_US, UTC).astimezone(ZoneInfo(zone))
    night = here.replace(hour=NIGHT_HOUR, minute=0, second=0, microsecond=0)
    if night <= here:
        night += timedelta(days=1)
    return round(night.timestamp() * SECOND_US)


def _daily_use(tx: Transaction, household: Household, supply_id: str) -> np.ndarray | None:
    """Return the supply's use per local day, oldest first, NaN where unknown; None when no slot's history is known."""
    total: dict[int, float] = {}
    slots = tx.find(Slot, household.id, supply_id=supply_id)
    for slot in slots:
        readings = sorted(
            tx.find(Reading, household.id, slot_id=slot.id, newest=MOST_READINGS), key=lambda one: one.at_us
        )
        if not readings or slot.measure is Measure.ORDINAL:
            return None
        tracker = forecasting.LevelTracker.from_dict(tx.get(Level, household.id, slot.id).tracker)
        cleaned = forecasting.clean(
            [reading.at_us for reading in readings],
            [np.nan if reading.quantity is None else reading.quantity for reading in readings],
            measure=tracker.measure,
            capacity=tracker.capacity,
            quantum=tracker.quantum,
            cartridge=tracker.cartridge,
            restarted=[
                later.epoch > earlier.epoch for earlier, later in zip([readings[0], *readings], readings, strict=False)
            ],
        )
        days, used = forecasting.daily_use(cleaned.consumed, household.time_zone)
        for day, amount in zip(days.tolist(), used.tolist(), strict=True):
            total[day] = total.get(day, 0.0) + amount
    if not total:
        return None
    return np.array([total.get(day, np.nan) for day in range(min(total), max(total) + 1)])


def _opinion(household_id: str, supply_id: str, daily: np.ndarray, on_hand: float, now_us: int) -> SecondOpinion:
    model = ""
    quantiles: tuple[float | None, float | None, float | None] = (None, None, None)
    match second_opinion(daily, on_hand, SEED):
        case NotEnoughHistory(days_needed=days):
            note = f"It needs about {days} more days of history."
        case DidNotConverge(model=model, message=message):
            note = f"{model} found no stable answer: {message}"
        case found:
            note, model = found.note, found.model
            quantiles = (found.p10_days, found.p50_days, found.p90_days)
    p10_us, p50_us, p90_us = (None if left is None else now_us + round(left * DAY_US) for left in quantiles)
    return SecondOpinion(
        id=supply_id,
        household_id=household_id,
        supply_id=supply_id,
        made_us=now_us,
        model=model,
        p10_us=p10_us,
        p50_us=p50_us,
        p90_us=p90_us,
        note=note,
    )
