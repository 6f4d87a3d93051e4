"""When to order and how much to keep: a depletion set against the delivery, the policy and the room there is."""

from dataclasses import replace

import forecasting
from gateway.domain.records import MerchantAccount
from gateway.domain.replenishment import MAX_PACKS_PER_LINE, Aims, Forecast, Policy, aims
from gateway.domain.stock import PackOption, Supply
from gateway.steps.ports import Transaction

BAND_DAYS = 31
LEAST_SERVICE = 0.01


def with_dates(
    tx: Transaction, unknown: Forecast, supply: Supply, policy: Policy, outcome: forecasting.Depletion
) -> Forecast:
    """Return the forecast with its quantiles, the order-by date, the stock to order at and the stock to order up to."""
    usual = min(
        tx.find(PackOption, supply.household_id, supply_id=supply.id), key=lambda option: option.rank, default=None
    )
    lead_days = _lead_days(tx, policy, usual)
    lead, slowness_days = lead_time(lead_days), policy.approval_days
    asked_minimum, pack_size = policy.minimum_quantity, None if usual is None else usual.pack_size
    if pack_size is not None:
        # More than one order can bring would be ordered for again and again and never be reached.
        most = unknown.capacity + MAX_PACKS_PER_LINE * pack_size
        policy = replace(policy, minimum_quantity=min(asked_minimum, most))
    # The minimum the household wants to keep is not there to be used: the date is set against what lies above it.
    above = (
        outcome
        if policy.minimum_quantity <= 0
        else replace(outcome, level=replace(outcome.level, mean=max(0.0, outcome.level.mean - policy.minimum_quantity)))
    )
    wanted = forecasting.reorder_level(above, lead, policy.service_level, slowness_days=slowness_days)
    wanted += policy.minimum_quantity
    wait_days = lead.mean_days + slowness_days
    found = aims(
        policy, wanted_reorder=wanted, daily_use=outcome.demand.daily, wait_days=wait_days, pack_size=pack_size
    )
    held = policy.service_level
    if found.reorder_quantity < wanted:
        left = max(0.0, found.reorder_quantity - policy.minimum_quantity)
        held = max(LEAST_SERVICE, forecasting.service_held(above, lead, left, slowness_days=slowness_days))
    order_by = forecasting.order_by(above, lead, held, slowness_days=slowness_days)
    return replace(
        unknown,
        on_hand=max(0.0, outcome.level.mean),
        p10_us=outcome.p10_us,
        p50_us=outcome.p50_us,
        p90_us=outcome.p90_us,
        beyond=outcome.p90_us is None,
        order_by_us=order_by.at_us,
        reorder_quantity=found.reorder_quantity,
        target_quantity=found.target_quantity,
        service_held=held,
        advice=_advice(
            supply.unit,
            policy,
            found,
            wanted=wanted,
            held=held,
            wait_days=wait_days,
            capacity=unknown.capacity,
            pack_size=pack_size,
            asked_minimum=asked_minimum,
        ),
        daily_use=outcome.demand.daily,
        band=tuple(
            (float(low), float(middle), float(high)) for low, middle, high in forecasting.band(outcome, BAND_DAYS)
        ),
    )


def lead_time(mean_days: float) -> forecasting.LeadTime:
    """Return the distribution of a delivery around its usual days: a fifth comes a day early, a fifth a day late."""
    days = max(1, round(mean_days))
    return forecasting.LeadTime((0.0,) * (days - 1) + (0.2, 0.6, 0.2))


def _lead_days(tx: Transaction, policy: Policy, usual: PackOption | None) -> float:
    """Return the days a delivery takes: the usual merchant's, else the policy's."""
    accounts = tx.find(MerchantAccount, None, id=usual.merchant_id) if usual is not None else []
    return accounts[0].lead_time_days if accounts else policy.lead_time_days


def _advice(
    unit: str,
    policy: Policy,
    found: Aims,
    *,
    wanted: float,
    held: float,
    wait_days: float,
    capacity: float,
    pack_size: float | None,
    asked_minimum: float,
) -> tuple[str, ...]:
    """Say where the policy asks for more than its limits allow, and what would help."""
    if pack_size is None:
        return ()
    said, sure = [], _percent(policy.service_level)
    if asked_minimum > policy.minimum_quantity:
        said.append(
            f"No order can bring as much as is never to be missing, {forecasting.amount(asked_minimum, unit)}: "
            f"{forecasting.amount(policy.minimum_quantity, unit)} is kept."
        )
    if found.reorder_quantity < wanted:
        room = forecasting.amount(policy.maximum_quantity or 0.0, unit)
        most = forecasting.amount(wanted + pack_size, unit)
        said.append(
            f"With room for {room} you can be about {_percent(held)} sure not to run out, not {sure}. "
            f"Keep up to {most} in store, or accept that it runs out more often."
        )
    elif wanted > capacity:
        said.append(
            f"To be {sure} sure not to run out, order while {forecasting.amount(wanted, unit)} are in store: more than "
            f"the {forecasting.amount(capacity, unit)} the device holds, so sealed packs stand beside it. "
            f"If there is no room for them, say how much you can keep, or accept that it runs out more often."
        )
    if found.cycle_days > policy.target_days:
        said.append(
            f"An order takes about {wait_days:.0f} days to be approved and to come. So it is bought for "
            f"{found.cycle_days:.0f} days at a time and not {policy.target_days:g}: "
            f"else the next would be due before this one came."
        )
    if found.target_quantity - found.reorder_quantity > MAX_PACKS_PER_LINE * pack_size:
        said.append(
            f"One order holds at most {MAX_PACKS_PER_LINE} packs, which is less than you want to keep. "
            f"Choose a larger pack as the usual one."
        )
    return tuple(said)


def _percent(share: float) -> str:
    return f"{100 * share:.3g}\u202f%"
