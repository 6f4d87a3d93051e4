"""Capture: money moves for what was shipped, one capture per shipment, never above what was approved."""

from dataclasses import dataclass, replace

from gateway.domain.household import Household
from gateway.domain.order import Order, Shipment
from gateway.domain.payment import (
    Attempt,
    MethodState,
    Operation,
    OperationKind,
    OperationState,
    PaymentMethod,
)
from gateway.domain.records import WorkItem
from gateway.domain.replenishment import MINUTE_US
from gateway.steps.calls import call_provider
from gateway.steps.messages import tell
from gateway.steps.outcomes import settle_operation
from gateway.steps.ports import Services, Transaction
from payments import adapter
from payments.money import Money

ENDED = frozenset({OperationState.DECLINED, OperationState.FAILED})


@dataclass(frozen=True, slots=True)
class _Prepared:
    operation: Operation
    method: PaymentMethod
    authorization_ref: str


def capture(item: WorkItem, services: Services) -> None:
    """Bill one shipment (subject: shipment id)."""
    now_us = services.clock.now_us()
    with services.unit_of_work.begin() as tx:
        tx.hold(item)
        prepared = _prepare(tx, item, now_us, services.clock.wall_us())
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
    outcome = call_provider(lambda: provider.capture(request))
    with services.unit_of_work.begin() as tx:
        tx.complete(item)
        wall_us = services.clock.wall_us()
        settle_operation(tx, operation.id, operation.household_id, outcome, now_us=now_us, wall_us=wall_us)


def _prepare(tx: Transaction, item: WorkItem, now_us: int, wall_us: int) -> _Prepared | None:
    household_id = item.household_id or ""
    shipment = tx.get(Shipment, household_id, item.subject_id)
    order = tx.get(Order, household_id, shipment.order_id)
    attempt = tx.get(Attempt, household_id, order.attempt_id)
    tx.save(attempt)  # the row lock under which the sum of captures is counted
    operations = tx.find(Operation, household_id, attempt_id=attempt.id)
    captures = [one for one in operations if one.kind is OperationKind.CAPTURE and one.state not in ENDED]
    method = tx.get(PaymentMethod, household_id, attempt.payment_method_id)
    authorization_ref = next(
        one.provider_ref
        for one in operations
        if one.kind is OperationKind.AUTHORIZE and one.state is OperationState.SUCCEEDED
    )
    for mine in captures:
        if mine.subject_id == shipment.id:
            if mine.state in {OperationState.SUCCEEDED, OperationState.MANUAL_REVIEW}:
                return None
            operation = replace(mine, state=OperationState.UNKNOWN)
            tx.save(operation)
            return _Prepared(operation, method, authorization_ref)
    if tx.get(Household, household_id, household_id).frozen_since_us is not None or method.state is MethodState.FROZEN:
        tx.enqueue("capture", household_id, shipment.id, due_us=now_us + 10 * MINUTE_US)
        return None
    amount_minor = min(shipment.amount_minor, attempt.amount_minor - sum(one.amount_minor for one in captures))
    if amount_minor < shipment.amount_minor:
        text = "The shop billed more than you approved; only the approved amount was debited."
        tell(tx, household_id, "over_billed", text, f"orders/{order.id}", now_us)
    if amount_minor <= 0:
        return None
    operation = Operation(
        id=tx.new_id(),
        household_id=household_id,
        attempt_id=attempt.id,
        kind=OperationKind.CAPTURE,
        subject_id=shipment.id,
        amount_minor=amount_minor,
        currency=attempt.currency,
        state=OperationState.UNKNOWN,
        provider_ref="",
        note="",
        created_us=now_us,
        sent_wall_us=wall_us,
        closed_us=None,
        syncs=0,
    )
    tx.add(operation)
    return _Prepared(operation, method, authorization_ref)
