"""A cart that waits for a person again: a yes was taken back, or a skip or snooze; or a cart that waits for nothing."""

from dataclasses import replace

from gateway.domain.cart import Cart, CartState
from gateway.domain.errors import Conflict
from gateway.domain.replenishment import HOUR_US, PlanState
from gateway.domain.stock import Supply
from gateway.steps.goods.plans import drop_plans, is_coming, plans_of
from gateway.steps.ports import Transaction

DECIDE_AGAIN_US = 24 * HOUR_US
QUOTE_IS_FRESH_US = 24 * HOUR_US


def reopen(tx: Transaction, cart: Cart, reasons: tuple[str, ...], *, now_us: int) -> Cart:
    """Let a cart wait for a person again, with a day left to decide at least."""
    decide_by_us = max(cart.decide_by_us or 0, now_us + DECIDE_AGAIN_US)
    reopened = replace(
        cart,
        state=CartState.AWAITING_APPROVAL,
        decide_by_us=decide_by_us,
        version=cart.version + 1,
        needs_person=reasons,
    )
    tx.save(reopened)
    tx.enqueue("expire", cart.household_id, cart.id, due_us=decide_by_us)
    return reopened


def ask_again(tx: Transaction, cart: Cart, *, now_us: int) -> Cart:
    """Ask at once about a cart that was skipped or snoozed: as it is for a day, later drafted anew at new prices.

    Raises Conflict where one of its supplies is planned, in another cart or on its way by now: never two orders.
    """
    cart.require("ask about", CartState.SNOOZED, CartState.SKIPPED)
    plans = plans_of(tx, cart)
    if any(is_coming(tx, plan.household_id, plan.supply_id, besides=plan) for plan in plans):
        raise Conflict("cart", cart.id, "followed by another", "ask about")
    for plan in plans:
        # The way back from a skip: its supplies were to be left alone for a week.
        tx.save(replace(plan, state=PlanState.CARTED))
        tx.save(replace(tx.get(Supply, plan.household_id, plan.supply_id), quiet_until_us=0))
        tx.enqueue("forecast", plan.household_id, plan.supply_id, due_us=now_us)  # it may be needed no longer
    awake = replace(cart, snoozed_until_us=None)
    if now_us - cart.created_us <= QUOTE_IS_FRESH_US:
        return reopen(tx, awake, ("you asked to see it now",), now_us=now_us)
    ended = replace(awake, state=CartState.EXPIRED, note="you asked to see it now; asked anew at today's prices")
    tx.save(ended)
    tx.cancel_work("expire", cart.id)
    drop_plans(tx, cart, now_us=now_us, again_after_days=0)
    return ended


def drop(tx: Transaction, cart: Cart, why: str) -> None:
    """End a waiting cart of which nothing is left to decide; nobody can say yes to it any more."""
    tx.save(replace(cart, state=CartState.DROPPED, version=cart.version + 1, note=why))
    tx.cancel_work("expire", cart.id)
