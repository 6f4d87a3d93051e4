"""Plan: a depletion that comes before a delivery could becomes a plan with its reasons."""

from dataclasses import asdict

from gateway.domain.records import HouseholdItem, MerchantAccount
from gateway.domain.replenishment import DAY_US, HOUR_US, Forecast, Plan, PlanState, Policy, packs_to_buy
from gateway.domain.stock import PackOption, Supply
from gateway.steps.freeze import is_frozen, is_read_from_a_frozen_device
from gateway.steps.goods.plans import fill_subject, is_coming
from gateway.steps.ports import Transaction
from gateway.steps.wording import days_long

GATHER_US = HOUR_US
TOGETHER_WITHIN_US = 2 * DAY_US


def plan(tx: Transaction, item: HouseholdItem, now_us: int) -> None:
    """Plan one supply if it is due (subject: supply id); leaves a row for fill, and one for plans due soon after."""
    household_id = item.household_id
    supply = tx.get(Supply, household_id, item.subject_id)
    policy = tx.get(Policy, household_id, supply.id)
    if is_frozen(tx, household_id) or not policy.enabled:
        return
    if now_us < supply.quiet_until_us:
        tx.enqueue("plan", household_id, supply.id, due_us=supply.quiet_until_us)
        return
    options = sorted(tx.find(PackOption, household_id, supply_id=supply.id), key=lambda option: option.rank)
    forecasts = tx.find(Forecast, household_id, supply_id=supply.id, current=True)
    if (
        not options
        or not forecasts
        or is_coming(tx, household_id, supply.id)
        or is_read_from_a_frozen_device(tx, household_id, supply.id)
    ):
        return
    current, usual = forecasts[0], options[0]
    if current.sealed_quantity != tx.get(Supply, household_id, supply.id).sealed_quantity:
        return  # a delivery came since: whoever changed the shelf asked for a forecast, and that asks for a plan
    if current.order_by_us is None or current.on_hand is None or current.target_quantity is None:
        return
    subject = fill_subject(household_id, usual.merchant_id)
    waiting = tx.find(Plan, household_id, merchant_id=usual.merchant_id, state=PlanState.OPEN)
    if current.order_by_us > now_us + (TOGETHER_WITHIN_US if waiting else 0):
        tx.enqueue("plan", household_id, supply.id, due_us=current.order_by_us)
        return
    lead_days = tx.get(MerchantAccount, household_id, usual.merchant_id).lead_time_days
    tx.add(_plan_row(tx, supply, policy, current, usual, lead_days=lead_days, now_us=now_us))
    if not waiting:
        tx.enqueue("fill", household_id, subject, due_us=now_us + GATHER_US)
        _wake_neighbours(tx, supply, usual.merchant_id, now_us)


def _plan_row(
    tx: Transaction,
    supply: Supply,
    policy: Policy,
    current: Forecast,
    usual: PackOption,
    *,
    lead_days: float,
    now_us: int,
) -> Plan:
    packs = packs_to_buy(
        target_quantity=current.target_quantity or 0.0,
        on_hand=current.on_hand or 0.0,
        in_transit=0.0,
        pack_size=usual.pack_size,
        has_room=policy.maximum_quantity is None,
    )
    daily_use = current.daily_use or 0.0
    lasts_days = packs * usual.pack_size / daily_use if daily_use > 0 else policy.target_days
    service_percent = f"{100 * (current.service_held or policy.service_level):.3g}\u202f%"
    reasons = (
        *current.reasons,
        *current.advice,
        f"To be {service_percent} sure not to run out, order now: delivery takes about {days_long(lead_days)}.",
        f"{packs} × {usual.name} should last about {days_long(round(lasts_days))}.",
    )
    return Plan(
        id=tx.new_id(),
        household_id=supply.household_id,
        supply_id=supply.id,
        forecast_id=current.id,
        merchant_id=usual.merchant_id,
        pack_option_id=usual.id,
        packs=packs,
        order_by_us=now_us if current.order_by_us is None else current.order_by_us,
        needed_by_us=current.p10_us,
        signed=current.signed,
        fresh_until_us=current.fresh_until_us,
        state=PlanState.OPEN,
        reasons=reasons,
        policy=asdict(policy),
        created_us=now_us,
    )


def _wake_neighbours(tx: Transaction, supply: Supply, merchant_id: str, now_us: int) -> None:
    """Let supplies of the same merchant that are due soon join: one cart, one delivery."""
    neighbours = {
        option.supply_id for option in tx.find(PackOption, supply.household_id, merchant_id=merchant_id, rank=0)
    }
    for neighbour in sorted(neighbours - {supply.id}):
        for due in tx.find(Forecast, supply.household_id, supply_id=neighbour, current=True):
            if due.order_by_us is not None and due.order_by_us <= now_us + TOGETHER_WITHIN_US:
                tx.enqueue("plan", supply.household_id, neighbour, due_us=now_us)
