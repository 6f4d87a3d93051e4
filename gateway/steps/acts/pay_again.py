"""Pay again: a payment that is due is asked for once more, of the same account or of another."""

from dataclasses import replace

from gateway.domain.cart import Cart
from gateway.domain.errors import Conflict
from gateway.domain.household import Member
from gateway.domain.order import Order, OrderState
from gateway.domain.payment import (
    UNCLOSED_OPERATION_STATES,
    Attempt,
    MethodState,
    OperationKind,
    OperationState,
    PaymentMethod,
)
from gateway.domain.records import Act
from gateway.steps.money.attempts import HOLDING, has_lapsed
from gateway.steps.money.billing import PAY_AGAIN, is_taken_back, operations_for, to_bill, unpaid
from gateway.steps.money.mandates import permission
from gateway.steps.ports import Transaction


def pay_order_again(
    tx: Transaction, member: Member, order_id: str, method_id: str | None = None, *, now_us: int
) -> Order:
    """Pay again as a member wishes; raises NotFound, NotAllowed, Conflict and Invalid."""
    member.may_decide("pay again")
    order = tx.get(Order, member.household_id, order_id)
    return pay_again(tx, order, method_id, by=member.id, reason="a member asked for it", now_us=now_us)


def pay_again(tx: Transaction, order: Order, method_id: str | None, *, by: str, reason: str, now_us: int) -> Order:
    """Leave rows that debit what is due: by the hold that stands, else by a new one of the account chosen.

    Raises Conflict unless the payment is due and what became of every try before is known, Invalid for an account that
    may not be debited.
    """
    if order.state is not OrderState.PAYMENT_DUE:
        raise Conflict("order", order.id, order.state, "pay again for")
    attempt = tx.get(Attempt, order.household_id, order.attempt_id)
    _require_known(tx, order, attempt)
    mandate = permission(tx, tx.get(Cart, order.household_id, order.cart_id), _wished(tx, attempt, method_id), now_us)
    tx.add(
        Act(
            id=tx.new_id(),
            household_id=order.household_id,
            by=by,
            verb=PAY_AGAIN,
            subject=f"orders/{order.id}",
            reason=reason,
            evidence=f"the payment before ended {attempt.state}: {order.note}",
            at_us=now_us,
        )
    )
    shipments, operations = [*to_bill(tx, attempt), *unpaid(tx, attempt)], operations_for(tx, attempt)
    is_held = attempt.state in HOLDING and not has_lapsed(attempt, now_us)
    needs_new_hold = any(is_taken_back(operations, shipment) for shipment in shipments)
    if is_held and not needs_new_hold and mandate.payment_method_id == attempt.payment_method_id:
        for shipment in shipments:
            tx.enqueue("capture", order.household_id, shipment.id, due_us=now_us)
        return order
    method = tx.get(PaymentMethod, order.household_id, mandate.payment_method_id)
    asked = replace(order, note=f"It is being paid again, by {method.label}.")
    tx.save(asked)
    tx.enqueue("renew", order.household_id, f"{order.id}/{method.id}", due_us=now_us)
    return asked


def _wished(tx: Transaction, attempt: Attempt, method_id: str | None) -> str | None:
    """Return the account to ask: the one named, else the same while it may be debited, else whichever comes first."""
    if method_id is not None:
        return method_id
    method = tx.get(PaymentMethod, attempt.household_id, attempt.payment_method_id)
    return method.id if method.state is MethodState.ACTIVE else None


def _require_known(tx: Transaction, order: Order, attempt: Attempt) -> None:
    for method in tx.find(PaymentMethod, order.household_id):
        if tx.is_waiting("renew", f"{order.id}/{method.id}"):
            raise Conflict("order", order.id, "being paid again already", "pay again for")
    for one in operations_for(tx, attempt):
        if one.kind is OperationKind.REFUND:
            continue
        if one.state in UNCLOSED_OPERATION_STATES:
            raise Conflict("order", order.id, "waiting for the provider's answer", "pay again for")
        if one.state is OperationState.MANUAL_REVIEW:
            hint = "Nothing is debited twice; the operator is looking."
            raise Conflict("order", order.id, "still being looked into", "pay again for", hint=hint)
