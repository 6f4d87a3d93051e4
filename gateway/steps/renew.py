"""Renew: what is still due for an order is held anew.

Before a hold lapses, after a capture where the provider's hold ends with it, or when a member pays again.
What the try before holds is given back first and its outcome known, so that never two live at once; what was captured
stays, and the new try is for the rest alone.
"""

from dataclasses import replace

from gateway.domain.approval import Approval
from gateway.domain.cart import Cart
from gateway.domain.errors import Invalid
from gateway.domain.order import Order, OrderState
from gateway.domain.payment import (
    UNCLOSED_OPERATION_STATES,
    Attempt,
    AttemptState,
    Mandate,
    Operation,
    OperationKind,
    OperationState,
    PaymentMethod,
)
from gateway.domain.records import HouseholdItem
from gateway.domain.replenishment import SECOND_US
from gateway.steps.freeze import WHILE_FROZEN_US, is_frozen
from gateway.steps.messages import tell
from gateway.steps.money.attempts import HOLDING, begin_attempt, end_held, has_lapsed
from gateway.steps.money.billing import operations_for, still_due_minor, uncaptured_minor
from gateway.steps.money.mandates import permission
from gateway.steps.money.operations import begin_operation
from gateway.steps.ports import PaymentProviders, Services, Transaction

RENEWABLE = frozenset({OrderState.PLACED, OrderState.SHIPPED, OrderState.DELIVERED, OrderState.PAYMENT_DUE})
PAUSE_US = 5 * SECOND_US


def renew(item: HouseholdItem, services: Services) -> None:
    """Hold anew what is due for one order (subject: order id/method id)."""
    now_us, wall_us = services.clock.now_us(), services.clock.wall_us()
    order_id, _, method_id = item.subject_id.partition("/")
    with services.unit_of_work.begin() as tx:
        tx.hold(item)
        tx.complete(item)
        order = tx.get(Order, item.household_id, order_id)
        if order.state not in RENEWABLE:
            return
        if is_frozen(tx, item.household_id):
            tx.enqueue("renew", item.household_id, item.subject_id, due_us=now_us + WHILE_FROZEN_US)
            return
        attempt = tx.get(Attempt, item.household_id, order.attempt_id)
        operations = [one for one in operations_for(tx, attempt) if one.kind is not OperationKind.REFUND]
        if any(one.state is OperationState.MANUAL_REVIEW for one in operations):
            return  # a person looks at it first
        amount_minor = still_due_minor(tx, order, attempt)
        if amount_minor <= 0:
            return
        if not _is_given_back(tx, attempt, operations, now_us):
            wait_us = wall_us + PAUSE_US
            tx.enqueue("renew", item.household_id, item.subject_id, due_us=now_us, not_before_wall_us=wait_us)
            return
        ended = tx.get(Attempt, item.household_id, attempt.id)
        _hold_anew(tx, services.providers, order, ended, method_id, amount_minor, now_us=now_us)


def _is_given_back(tx: Transaction, attempt: Attempt, operations: list[Operation], now_us: int) -> bool:
    """Say whether nothing is held any more by the try before; see to it that it will be."""
    if any(one.state in UNCLOSED_OPERATION_STATES for one in operations):
        return False
    if attempt.state not in HOLDING:
        return True
    if has_lapsed(attempt, now_us):
        end_held(tx, attempt, AttemptState.EXPIRED, reference=attempt.id, note="the hold lapsed", now_us=now_us)
        return True
    rest = uncaptured_minor(attempt, operations)
    begin_operation(tx, attempt, OperationKind.VOID, attempt.id, rest, now_us=now_us, sent_wall_us=None)
    tx.enqueue("release", attempt.household_id, attempt.id, due_us=now_us)
    return False


def _hold_anew(
    tx: Transaction,
    providers: PaymentProviders,
    order: Order,
    ended: Attempt,
    method_id: str,
    amount_minor: int,
    *,
    now_us: int,
) -> None:
    cart = tx.get(Cart, order.household_id, order.cart_id)
    try:
        mandate: Mandate = permission(tx, cart, method_id, now_us)
    except Invalid:
        text = "The amount for an order is not held any more, and its account may not be debited."
        tx.save(replace(order, state=OrderState.PAYMENT_DUE, note=text))
        more = " Pay again on its page, with another account."
        tell(tx, order.household_id, "payment_due", text + more, f"orders/{order.id}", now_us)
        return
    if ended.state in {AttemptState.CAPTURED, AttemptState.REVERSED}:
        tx.save(replace(ended, state=AttemptState.REPLACED))
    approval = tx.get(Approval, order.household_id, ended.approval_id)
    method = tx.get(PaymentMethod, order.household_id, mandate.payment_method_id)
    attempt, _ = begin_attempt(
        tx,
        approval,
        mandate,
        amount_minor,
        cart.merchant_id,
        capabilities=providers.open(method.adapter).capabilities,
        now_us=now_us,
        sent_wall_us=None,
    )
    tx.save(replace(order, attempt_id=attempt.id))
    tx.enqueue("authorize", order.household_id, cart.id, due_us=now_us)
