"""A cart that still waits, seen with a new forecast: why each line is there now, and whether it is needed at all."""

from dataclasses import replace

from gateway.domain.cart import Cart, CartState, Line
from gateway.domain.replenishment import DAY_US, Forecast, Plan, PlanState
from gateway.domain.stock import Supply
from gateway.steps.goods.carts import drop
from gateway.steps.messages import tell
from gateway.steps.ports import Transaction
from gateway.steps.wording import why_now

# A line joins a cart when it is due within two days; it leaves it again only when that is clearly over.
NOT_NEEDED_BEFORE_US = 3 * DAY_US


def look_again(tx: Transaction, supply: Supply, current: Forecast, zone: str, now_us: int) -> None:
    """Say anew why the supply is in a waiting cart, or take it out: refilled meanwhile, it is not silently bought."""
    for plan in tx.find(Plan, supply.household_id, supply_id=supply.id, state=PlanState.CARTED):
        for line in tx.find(Line, supply.household_id, plan_id=plan.id):
            cart = tx.get(Cart, supply.household_id, line.cart_id)
            if cart.state is not CartState.AWAITING_APPROVAL:
                continue
            why = why_now(current, zone, now_us)
            if is_needed(current, now_us):
                if why != line.why:
                    tx.save(replace(line, why=why))
                continue
            _take_out(tx, cart, line, plan, f"{supply.name} can wait: {why}", now_us)


def is_needed(current: Forecast, now_us: int) -> bool:
    """Say whether what is in a cart must still be bought. An unknown level takes nothing out."""
    if current.on_hand is None:
        return True
    return current.order_by_us is not None and current.order_by_us <= now_us + NOT_NEEDED_BEFORE_US


def _take_out(tx: Transaction, cart: Cart, line: Line, plan: Plan, why: str, now_us: int) -> None:
    """Take one line out of a waiting cart; a cart of which it was the last ends, and keeps it for the record."""
    tx.save(replace(plan, state=PlanState.DROPPED))
    rest = [one for one in tx.find(Line, cart.household_id, cart_id=cart.id) if one.id != line.id]
    if rest:
        tx.remove(line)
        tx.save(replace(cart, note=f"{why}.").priced(rest))
        text = f"{why}. It was taken out of the order that waits for you."
    else:
        drop(tx, cart, why)
        text = f"{why}. The order that waited for you is closed; nothing was bought."
    tell(tx, cart.household_id, "cart_shrunk", text, f"carts/{cart.id}", now_us)
