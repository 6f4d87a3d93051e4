"""Challenge: each night a statsmodels model gives its second opinion on a supply; it is shown, and orders nothing."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

import forecasting
from forecasting import challengers
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

Answer = challengers.SecondOpinion | challengers.NotEnoughHistory | challengers.DidNotConverge


def challenge(item: HouseholdItem, services: Services) -> None:
    """Ask the challenger about one supply (subject: supply id); again next night, or once there are days enough."""
    now_us, household_id = services.clock.now_us(), item.household_id
    with services.unit_of_work.read() as tx:
        household = tx.get(Household, household_id, household_id)
        forecasts = tx.find(Forecast, household_id, supply_id=item.subject_id, current=True)
        daily = _daily_use(tx, household, item.subject_id, now_us)
    on_hand = forecasts[0].on_hand if forecasts else None
    opinion, pause_us, nights = None, REAL_PAUSE_US, 1
    if on_hand is not None and daily is not None:
        answer = challengers.second_opinion(daily, on_hand, SEED)
        opinion = _opinion(household_id, item.subject_id, answer, now_us)
        if isinstance(answer, challengers.NotEnoughHistory):
            pause_us, nights = 0, answer.days_needed
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
            due_us=next_night_us(now_us + (nights - 1) * DAY_US, household.time_zone),
            not_before_wall_us=services.clock.wall_us() + pause_us,
        )


def next_night_us(now_us: int, zone: str) -> int:
    """Return the next 03:00 of the household's own time.

    >>> next_night_us(0, "UTC") // 3_600_000_000
    3
    """
    here = _local(now_us, zone)
    night = here.replace(hour=NIGHT_HOUR, minute=0, second=0, microsecond=0)
    if night <= here:
        night += timedelta(days=1)
    return round(night.timestamp() * SECOND_US)


def _local(at_us: int, zone: str) -> datetime:
    return datetime.fromtimestamp(at_us / SECOND_US, UTC).astimezone(ZoneInfo(zone))


def _daily_use(tx: Transaction, household: Household, supply_id: str, now_us: int) -> np.ndarray | None:
    """Return the supply's use per local day up to yesterday, oldest first, NaN where unknown.

    None when the history of one of its slots is not known. Today is not over, so it is no day of use yet.
    """
    today = _local(now_us, household.time_zone).toordinal()
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
    return np.array([total.get(day, np.nan) for day in range(min(total), today)])


def _opinion(household_id: str, supply_id: str, answer: Answer, now_us: int) -> SecondOpinion:
    model = ""
    quantiles: tuple[float | None, float | None, float | None] = (None, None, None)
    match answer:
        case challengers.NotEnoughHistory():
            note = (
                f"It needs {challengers.LEAST_DAYS} known days, and use on {challengers.LEAST_DAYS_WITH_USE} of them."
            )
        case challengers.DidNotConverge(model=model, message=message):
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
