"""Plans: those behind a cart and what becomes of them when it ends, and whether one more may follow."""

from dataclasses import replace

from gateway.domain.cart import Cart, Line
from gateway.domain.order import COMING_LINE_STATES, OrderLine
from gateway.domain.replenishment import DAY_US, LIVE_PLAN_STATES, Plan, PlanState
from gateway.domain.stock import Supply
from gateway.steps.ports import Transaction


def plans_of(tx: Transaction, cart: Cart) -> list[Plan]:
    """Return the plans behind the cart's lines."""
    lines = tx.find(Line, cart.household_id, cart_id=cart.id)
    return [tx.get(Plan, cart.household_id, line.plan_id) for line in lines]


def drop_plans(tx: Transaction, cart: Cart, *, now_us: int, again_after_days: float) -> None:
    """Free the supplies of a cart that ends without an order; each is looked at again after so many days."""
    for plan in plans_of(tx, cart):
        if plan.state in LIVE_PLAN_STATES:
            drop_plan(tx, plan, again_us=now_us + round(again_after_days * DAY_US))


def drop_plan(tx: Transaction, plan: Plan, *, again_us: int) -> None:
    """Drop one plan; nothing is planned for its supply before `again_us`."""
    tx.save(replace(plan, state=PlanState.DROPPED))
    supply = tx.get(Supply, plan.household_id, plan.supply_id)
    tx.save(replace(supply, quiet_until_us=again_us))
    tx.enqueue("plan", plan.household_id, plan.supply_id, due_us=again_us)


def judge_now(tx: Transaction, household_id: str, supply_id: str, *, now_us: int) -> None:
    """Let a supply be forecast and planned at once: what kept it from being bought is gone, and may have been long."""
    tx.enqueue("forecast", household_id, supply_id, due_us=now_us)
    tx.enqueue("plan", household_id, supply_id, due_us=now_us)


def fill_subject(household_id: str, merchant_id: str) -> str:
    """Return the subject under which the plans of one household for one merchant are filled together."""
    return f"{household_id}/{merchant_id}"


def is_coming(tx: Transaction, household_id: str, supply_id: str, *, besides: Plan | None = None) -> bool:
    """Say whether something is planned, in a cart or on its way: never two open orders for one supply."""
    plans = tx.find(Plan, household_id, supply_id=supply_id, state=LIVE_PLAN_STATES)
    if any(besides is None or plan.id != besides.id for plan in plans):
        return True
    return bool(tx.find(OrderLine, household_id, supply_id=supply_id, state=COMING_LINE_STATES))
