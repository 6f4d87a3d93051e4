"""Forecast: a level that moved becomes the slot's learned state and the supply's depletion distribution."""

from dataclasses import dataclass, replace

import forecasting
from gateway.domain.household import Household
from gateway.domain.records import HouseholdItem
from gateway.domain.replenishment import DAY_US, HOUR_US, Forecast, ForecastState, Plan, Policy
from gateway.domain.stock import Device, DeviceState, Level, Reading, Slot, Supply, Verdict
from gateway.steps.goods.order_dates import with_dates
from gateway.steps.goods.waiting import look_again
from gateway.steps.ports import Transaction

STALE_AFTER_US = 3 * DAY_US
EVIDENCE_PER_SLOT = 8
CERTAIN_SHARE = 0.01
CERTAIN_SHARE_LEFT = 0.05
MODEL = "gamma–negative binomial, closed form"
COUNTING = frozenset({Verdict.COUNTED, Verdict.UNCHANGED, Verdict.REFILL, Verdict.UNKNOWN})


@dataclass(frozen=True, slots=True)
class _Part:
    """One slot of the supply, with what is known of it."""

    slot: Slot
    level: Level
    tracker: forecasting.LevelTracker
    state: forecasting.ForecastState


def forecast(tx: Transaction, item: HouseholdItem, now_us: int) -> None:
    """Forecast one supply anew (subject: supply id); leaves a row for plan at its order-by date."""
    household_id = item.household_id
    supply = tx.get(Supply, household_id, item.subject_id)
    household = tx.get(Household, household_id, household_id)
    policy = tx.get(Policy, household_id, supply.id)
    parts = [_learn(tx, slot, level, household.time_zone) for slot, level in _slots(tx, supply)]
    if not parts:  # nothing speaks for it any more: what was forecast from a device that left holds no longer
        _retire_current(tx, supply)
        return
    outcome = _outcome(parts, supply, now_us, household.time_zone)
    made = _forecast_row(tx, supply, policy, parts, outcome, now_us=now_us, zone=household.time_zone)
    _retire_current(tx, supply)
    tx.add(made)
    look_again(tx, supply, made, household.time_zone, now_us)
    # On the next full hour at the earliest: what arrives together, such as after an outage, is judged together. A plan
    # that is due already is not put off, or a thing that speaks every hour on the hour would put it off for ever.
    if made.order_by_us is not None and not tx.is_waiting("plan", supply.id, due_by_us=now_us):
        due_us = max(made.order_by_us, supply.quiet_until_us, (now_us // HOUR_US + 1) * HOUR_US)
        tx.enqueue("plan", household_id, supply.id, due_us=due_us)
    # Silence must move the forecast too: look again tomorrow if nothing is heard.
    tx.enqueue("forecast", household_id, supply.id, due_us=now_us + DAY_US)


def prior_kind(kind: str) -> str:
    """Return the kind of supply whose prior is used: its own, its family's (toner-black: toner), else "other".

    >>> prior_kind("toner-black"), prior_kind("pet-food"), prior_kind("light-bulbs")
    ('toner', 'pet-food', 'other')
    """
    family = kind.split("-", maxsplit=1)[0]
    return next((name for name in (kind, family) if name in forecasting.PRIORS), "other")


def _slots(tx: Transaction, supply: Supply) -> list[tuple[Slot, Level]]:
    """Return the slots that speak for the supply: of devices still owned, and heard at least once."""
    slots = tx.find(Slot, supply.household_id, supply_id=supply.id)
    device_ids = frozenset(slot.device_id for slot in slots)
    removed = {one.id for one in tx.find(Device, supply.household_id, id=device_ids, state=DeviceState.REMOVED)}
    levels = {level.id: level for level in tx.find(Level, supply.household_id, id=frozenset(slot.id for slot in slots))}
    return [(slot, levels[slot.id]) for slot in slots if slot.id in levels and slot.device_id not in removed]


def _learn(tx: Transaction, slot: Slot, level: Level, zone: str) -> _Part:
    """Teach the slot's state what was consumed since it last learned, and take those stretches out of the level."""
    row = tx.seek(ForecastState, slot.household_id, slot.id)
    if row is None:
        state = forecasting.begin(forecasting.prior_for(prior_kind(slot.kind)), slot.capacity)
    else:
        state = forecasting.ForecastState.from_dict(row.state)
    for used, from_us, to_us in level.consumed:
        if from_us >= (state.until_us or 0):
            state = forecasting.update(state, used, from_us, to_us, zone)
    if level.consumed:
        tx.save(replace(level, consumed=()))
    learned = ForecastState(id=slot.id, household_id=slot.household_id, slot_id=slot.id, state=state.to_dict())
    if row is None:
        tx.add(learned)
    elif level.consumed:
        tx.save(learned)
    return _Part(slot, level, forecasting.LevelTracker.from_dict(level.tracker), state)


def _outcome(
    parts: list[_Part], supply: Supply, now_us: int, zone: str
) -> forecasting.Depletion | forecasting.UnknownDepletion:
    pooled = forecasting.pool([(part.state, forecasting.level_of(part.tracker)) for part in parts], now_us)
    if isinstance(pooled, forecasting.UnknownDepletion):
        return pooled
    demand, estimate = pooled
    estimate = replace(estimate, at_us=min(estimate.at_us, now_us))
    capacity = sum(part.slot.capacity for part in parts)
    if estimate.sd < min(CERTAIN_SHARE * capacity, CERTAIN_SHARE_LEFT * (estimate.mean + supply.sealed_quantity)):
        # Surer than anybody can see: as certain, it moves the dates by minutes and costs a tenth.
        estimate = replace(estimate, sd=0.0)
    return forecasting.forecast_demand(demand, estimate, now_us, zone, spare=supply.sealed_quantity)


def _forecast_row(
    tx: Transaction,
    supply: Supply,
    policy: Policy,
    parts: list[_Part],
    outcome: forecasting.Depletion | forecasting.UnknownDepletion,
    *,
    now_us: int,
    zone: str,
) -> Forecast:
    evidence = [
        {
            "slot": part.slot.name,
            "reading_id": reading.id,
            "quantity": reading.quantity,
            "unit": reading.unit,
            "state": reading.state,
            "at_us": reading.at_us,
            "signed": reading.signed,
        }
        for part in parts
        for reading in tx.find(
            Reading, supply.household_id, slot_id=part.slot.id, verdict=COUNTING, newest=EVIDENCE_PER_SLOT
        )
    ]
    first = parts[0]
    reasons = forecasting.explain(outcome, first.state, _pooled_tracker(parts), first.slot.unit, zone).reasons
    unknown = Forecast(
        id=tx.new_id(),
        household_id=supply.household_id,
        supply_id=supply.id,
        made_us=now_us,
        on_hand=None,
        capacity=sum(part.slot.capacity for part in parts),
        p10_us=None,
        p50_us=None,
        p90_us=None,
        beyond=False,
        order_by_us=None,
        reorder_quantity=None,
        daily_use=None,
        model=MODEL,
        # One unsigned reading among those it rests on makes it unsigned, until signed ones have taken its place.
        signed=all(part.level.signed for part in parts) and all(entry["signed"] for entry in evidence),
        fresh_until_us=min(_known_at_us(part) for part in parts) + STALE_AFTER_US,
        reasons=tuple(reason.text for reason in reasons),
        evidence=tuple(evidence),
        band=(),
        current=True,
        sealed_quantity=supply.sealed_quantity,
    )
    if isinstance(outcome, forecasting.UnknownDepletion):
        return unknown
    return with_dates(tx, unknown, supply, policy, outcome)


def _known_at_us(part: _Part) -> int:
    """Return when the level was last known by a reading that counted: talk without a level keeps nothing fresh."""
    estimate = forecasting.level_of(part.tracker)
    if estimate is None:
        return part.level.as_of_us
    return max(estimate.at_us, estimate.alive_us or 0)


def _pooled_tracker(parts: list[_Part]) -> forecasting.LevelTracker:
    """Return what is said of the level in words: the first slot's memory, with the room and readings of all."""
    corrected = [part.tracker.corrected_us for part in parts if part.tracker.corrected_us is not None]
    return replace(
        parts[0].tracker,
        capacity=sum(part.slot.capacity for part in parts),
        readings=sum(part.tracker.readings for part in parts),
        tare=sum(part.tracker.tare for part in parts),
        corrected_us=max(corrected, default=None),
    )


def _retire_current(tx: Transaction, supply: Supply) -> None:
    """Let the supply's forecast no longer be the current one; it is kept only where a plan rests on it."""
    for before in tx.find(Forecast, supply.household_id, supply_id=supply.id, current=True):
        if tx.find(Plan, supply.household_id, forecast_id=before.id, newest=1):
            tx.save(replace(before, current=False))
        else:
            tx.remove(before)
