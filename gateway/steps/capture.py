"""Capture: money moves for what was shipped, one capture per shipment, never above what was approved."""

from dataclasses import dataclass

from gateway.domain.approval import Approval
from gateway.domain.cart import Cart
from gateway.domain.order import Order, Shipment
from gateway.domain.payment import (
    UNCLOSED_OPERATION_STATES,
    Attempt,
    AttemptState,
    MethodState,
    Operation,
    OperationKind,
    OperationState,
    PaymentMethod,
)
from gateway.domain.records import HouseholdItem
from gateway.steps.freeze import WHILE_FROZEN_US, distrusted, is_frozen
from gateway.steps.messages import tell
from gateway.steps.money.announce import debit_from_us
from gateway.steps.money.attempts import HOLDING
from gateway.steps.money.billing import (
    NOT_COUNTED,
    captures_of,
    may_not_be_billed,
    operations_for,
    uncaptured_minor,
    undebited_minor,
)
from gateway.steps.money.calls import call_provider
from gateway.steps.money.operations import begin_operation, send_again
from gateway.steps.money.outcomes import settle_operation
from gateway.steps.ports import Services, Transaction
from payments import adapter
from payments.money import Money


@dataclass(frozen=True, slots=True)
class _Prepared:
    operation: Operation
    is_repeat: bool
    method: PaymentMethod
    authorization_ref: str


def capture(item: HouseholdItem, services: Services) -> None:
    """Bill one shipment (subject: shipment id)."""
    now_us = services.clock.now_us()
    with services.unit_of_work.begin() as tx:
        tx.hold(item)
        prepared = _prepare(tx, item, services, now_us)
        if prepared is None:
            tx.complete(item)
            return
    operation = prepared.operation
    provider = services.providers.open(prepared.method.adapter)
    request = adapter.Capture(
        key=operation.id,
        reference=operation.id,
        amount=Money(operation.amount_minor, operation.currency),
        authorization_ref=prepared.authorization_ref,
    )
    outcome = call_provider(lambda: provider.capture(request), is_repeat=prepared.is_repeat)
    with services.unit_of_work.begin() as tx:
        tx.complete(item)
        wall_us = services.clock.wall_us()
        settle_operation(tx, operation.id, operation.household_id, outcome, now_us=now_us, wall_us=wall_us)


def _prepare(tx: Transaction, item: HouseholdItem, services: Services, now_us: int) -> _Prepared | None:
    household_id, wall_us = item.household_id, services.clock.wall_us()
    shipment = tx.get(Shipment, household_id, item.subject_id)
    order = tx.get(Order, household_id, shipment.order_id)
    attempt = tx.get(Attempt, household_id, order.attempt_id)
    operations = operations_for(tx, attempt)
    method = tx.get(PaymentMethod, household_id, attempt.payment_method_id)
    if _is_frozen(tx, order, attempt, method):
        # What was shipped is owed: it is billed once the freeze is over. What went out before is only looked up.
        tx.enqueue("capture", household_id, shipment.id, due_us=now_us + WHILE_FROZEN_US)
        return None
    mine = [one for one in operations if one.kind is OperationKind.CAPTURE and one.subject_id == shipment.id]
    operation: Operation | None = None
    for one in mine:
        if one.state in UNCLOSED_OPERATION_STATES:
            capabilities = services.providers.open(method.adapter).capabilities
            operation = send_again(tx, one, capabilities, now_us=now_us, wall_us=wall_us)
    is_repeat = operation is not None
    if all(one.state in NOT_COUNTED for one in mine):
        amount_minor = _to_debit_minor(tx, order, attempt, shipment, operations, now_us)
        operation = _begin(tx, attempt, shipment, method, services, amount_minor)
    if operation is None:
        return None
    authorization_ref = next(
        one.provider_ref
        for one in operations
        if one.attempt_id == attempt.id
        and one.kind is OperationKind.AUTHORIZE
        and one.state is OperationState.SUCCEEDED
    )
    return _Prepared(operation, is_repeat, method, authorization_ref)


def _is_frozen(tx: Transaction, order: Order, attempt: Attempt, method: PaymentMethod) -> bool:
    """Say whether a freeze holds this debit up; that of a device only where no person said yes to what it asked for."""
    if is_frozen(tx, order.household_id) or method.state is MethodState.FROZEN:
        return True
    approval = tx.get(Approval, order.household_id, attempt.approval_id)
    return approval.by_mandate and bool(distrusted(tx, tx.get(Cart, order.household_id, order.cart_id)))


def _to_debit_minor(
    tx: Transaction, order: Order, attempt: Attempt, shipment: Shipment, operations: list[Operation], now_us: int
) -> int:
    """Return what one shipment is to be debited at; 0 while nothing may be, or nothing is left of the order's total."""
    mine = [one for one in operations if one.attempt_id == attempt.id]
    is_given_back = any(one.kind is OperationKind.VOID and one.state not in NOT_COUNTED for one in mine)
    is_held = attempt.state in {*HOLDING, AttemptState.CAPTURED} and not is_given_back
    if not is_held or may_not_be_billed(tx, order, attempt, operations, shipment):
        # Looked into by a person, or nothing is held: observe, or the next hold, asks for this one again.
        return 0
    if attempt.captures_once and captures_of(attempt, operations):
        # The one capture ends the hold: once it is known, the rest is held anew, and that asks for this one again.
        if attempt.state is AttemptState.CAPTURED:
            renewal = f"{order.id}/{attempt.payment_method_id}"
            tx.enqueue("renew", shipment.household_id, renewal, due_us=now_us)
        return 0
    left_minor = min(uncaptured_minor(attempt, operations), undebited_minor(order, operations))
    amount_minor = min(shipment.owed_minor, left_minor)
    if amount_minor < shipment.owed_minor:
        text = "The shop billed more than was ordered; nothing beyond what you approved was debited."
        tell(tx, shipment.household_id, "over_billed", text, f"orders/{shipment.order_id}", now_us)
    return max(0, amount_minor)


def _begin(
    tx: Transaction, attempt: Attempt, shipment: Shipment, method: PaymentMethod, services: Services, amount_minor: int
) -> Operation | None:
    """Write the capture of one shipment; None where there is nothing to debit, or the customer must be told before."""
    if amount_minor == 0:
        return None
    now_us, capabilities = services.clock.now_us(), services.providers.open(method.adapter).capabilities
    from_us = debit_from_us(tx, attempt, shipment, amount_minor, capabilities, now_us)
    if from_us > now_us:
        tx.enqueue("capture", shipment.household_id, shipment.id, due_us=from_us)
        return None
    return begin_operation(
        tx,
        attempt,
        OperationKind.CAPTURE,
        shipment.id,
        amount_minor,
        now_us=now_us,
        sent_wall_us=services.clock.wall_us(),
    )
