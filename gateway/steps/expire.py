"""Expire: a deadline has come. Nobody answered a cart: nothing is bought. A snooze is over: plan anew, ask anew.

A permission to debit has come to its end: nothing is debited by it.
"""

from dataclasses import replace

from gateway.domain.approval import Approval, ApprovalState
from gateway.domain.cart import Cart, CartState
from gateway.domain.order import OPEN_ORDER_STATES, Order
from gateway.domain.payment import Attempt, AttemptState, Mandate, MandateState
from gateway.domain.records import HouseholdItem
from gateway.steps.goods.carts import reopen
from gateway.steps.goods.plans import drop_plans
from gateway.steps.messages import tell
from gateway.steps.money.attempts import HOLDING
from gateway.steps.money.effects import HOLD_PREFIX, payment_due
from gateway.steps.money.idle import IDLE_PREFIX, LAPSE_PREFIX, lapse, warn_of_idle
from gateway.steps.money.setting_up import MANDATE_PREFIX
from gateway.steps.money.undecided import STEP_UP_PREFIX
from gateway.steps.ports import Transaction


def expire(tx: Transaction, item: HouseholdItem, now_us: int) -> None:
    """End what has outlived its time.

    Subject: a cart's id; mandate/, idle/ or lapse/ with a mandate's; hold/ or step-up/ with an attempt's.
    """
    if item.subject_id.startswith(HOLD_PREFIX):
        _renew_hold(tx, tx.get(Attempt, item.household_id, item.subject_id.removeprefix(HOLD_PREFIX)), now_us)
    elif item.subject_id.startswith(STEP_UP_PREFIX):
        _give_up(tx, tx.get(Attempt, item.household_id, item.subject_id.removeprefix(STEP_UP_PREFIX)), now_us)
    elif item.subject_id.startswith(MANDATE_PREFIX):
        _end_mandate(tx, tx.get(Mandate, item.household_id, item.subject_id.removeprefix(MANDATE_PREFIX)), now_us)
    elif item.subject_id.startswith(IDLE_PREFIX):
        warn_of_idle(tx, tx.get(Mandate, item.household_id, item.subject_id.removeprefix(IDLE_PREFIX)), now_us)
    elif item.subject_id.startswith(LAPSE_PREFIX):
        lapse(tx, tx.get(Mandate, item.household_id, item.subject_id.removeprefix(LAPSE_PREFIX)), now_us)
    else:
        _end_cart(tx, item, now_us)


def _renew_hold(tx: Transaction, attempt: Attempt, now_us: int) -> None:
    """See to a hold that is about to lapse: what is ordered is held anew, what was never sent asks a person again."""
    if attempt.state not in HOLDING or attempt.hold_expires_us is None:
        return
    orders = tx.find(Order, attempt.household_id, attempt_id=attempt.id, state=OPEN_ORDER_STATES)
    if not orders:
        _ask_again(tx, attempt, now_us)
    for order in orders:
        tx.enqueue("renew", order.household_id, f"{order.id}/{attempt.payment_method_id}", due_us=now_us)


def _give_up(tx: Transaction, attempt: Attempt, now_us: int) -> None:
    """Call off a payment that the customer never confirmed: nothing is bought, or what is ordered is due."""
    if attempt.state is not AttemptState.REQUIRES_ACTION:
        return
    why = "you did not confirm the payment at your bank in time"
    cart = tx.get(Cart, attempt.household_id, attempt.cart_id)
    approval = tx.get(Approval, attempt.household_id, attempt.approval_id)
    if cart.state is CartState.APPROVED and approval.state is ApprovalState.STANDING:
        tx.save(replace(approval, state=ApprovalState.UNDONE))
        reopen(tx, cart, (why,), now_us=now_us)
        text = f"An order waits for you again: {why}. Nothing was bought or debited."
        tell(tx, cart.household_id, "cart_waiting", text, f"carts/{cart.id}", now_us)
    for order in tx.find(Order, attempt.household_id, attempt_id=attempt.id, state=OPEN_ORDER_STATES):
        payment_due(tx, order, f"The amount for an order is not held: {why}", now_us)
    tx.enqueue("release", attempt.household_id, attempt.id, due_us=now_us)


def _ask_again(tx: Transaction, attempt: Attempt, now_us: int) -> None:
    cart = tx.get(Cart, attempt.household_id, attempt.cart_id)
    approval = tx.get(Approval, attempt.household_id, attempt.approval_id)
    if cart.state is CartState.HELD and approval.state is ApprovalState.STANDING:
        tx.save(replace(approval, state=ApprovalState.UNDONE))
        reopen(tx, cart, ("the amount was held so long that the hold ends",), now_us=now_us)
        text = "An order waits for you again: it could not be sent while its amount was held."
        tell(tx, cart.household_id, "cart_waiting", text, f"carts/{cart.id}", now_us)
    tx.enqueue("release", attempt.household_id, attempt.id, due_us=now_us)


def _end_mandate(tx: Transaction, mandate: Mandate, now_us: int) -> None:
    if mandate.valid_until_us is None or mandate.state not in {MandateState.ACTIVE, MandateState.SUSPENDED}:
        return
    if now_us < mandate.valid_until_us:
        tx.enqueue("expire", mandate.household_id, MANDATE_PREFIX + mandate.id, due_us=mandate.valid_until_us)
        return
    tx.save(replace(mandate, state=MandateState.EXPIRED))
    text = (
        "A permission to debit has ended. Say on the Money page how long it shall go on, or nothing is debited by it."
    )
    tell(tx, mandate.household_id, "mandate_expired", text, "money", now_us)


def _end_cart(tx: Transaction, item: HouseholdItem, now_us: int) -> None:
    cart = tx.get(Cart, item.household_id, item.subject_id)
    ends_us = cart.snoozed_until_us if cart.state is CartState.SNOOZED else cart.decide_by_us
    if ends_us is not None and now_us < ends_us:
        tx.enqueue("expire", cart.household_id, cart.id, due_us=ends_us)
        return
    match cart.state:
        case CartState.AWAITING_APPROVAL:
            tx.save(replace(cart, state=CartState.EXPIRED, note="nobody answered in time; nothing was bought"))
            drop_plans(tx, cart, now_us=now_us, again_after_days=1)
            text = "Nobody answered, so nothing was bought. We ask again while it is needed."
            tell(tx, cart.household_id, "cart_expired", text, f"carts/{cart.id}", now_us)
        case CartState.SNOOZED:
            tx.save(replace(cart, state=CartState.EXPIRED, note="snoozed until now; asked anew at today's prices"))
            # What was planned before the snooze is old: level, quantity and evidence are judged anew.
            drop_plans(tx, cart, now_us=now_us, again_after_days=0)
        case _:
            return  # it was decided in time
