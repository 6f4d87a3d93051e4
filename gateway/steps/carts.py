"""A cart that waits for a person again, because a yes was taken back or covers it no longer; or waits for nothing."""

from dataclasses import replace

from gateway.domain.cart import Cart, CartState
from gateway.domain.replenishment import HOUR_US
from gateway.steps.ports import Transaction

DECIDE_AGAIN_US = 24 * HOUR_US


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


def end_unneeded(tx: Transaction, cart: Cart, why: str) -> None:
    """End a waiting cart of which nothing is left to decide; nobody can say yes to it any more."""
    tx.save(replace(cart, state=CartState.EXPIRED, version=cart.version + 1, note=why))
    tx.cancel_work("expire", cart.id)
