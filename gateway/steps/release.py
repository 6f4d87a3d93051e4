"""Release: what is held and no longer needed is given back, the hold voided and the limit freed."""

from dataclasses import dataclass, replace

from gateway.domain.payment import (
    UNCLOSED_OPERATION_STATES,
    Attempt,
    AttemptState,
    Operation,
    OperationKind,
    OperationState,
    PaymentMethod,
)
from gateway.domain.records import WorkItem
from gateway.domain.replenishment import SECOND_US
from gateway.steps.calls import call_provider
from gateway.steps.outcomes import captured_minor, end_unheld, settle_operation
from gateway.steps.ports import Services, Transaction
from payments import adapter

ENDED_ATTEMPTS = frozenset(
    {AttemptState.VOIDED, AttemptState.DECLINED, AttemptState.EXPIRED, AttemptState.MANUAL_REVIEW}
)


@dataclass(frozen=True, slots=True)
class _Prepared:
    operation: Operation
    method: PaymentMethod
    authorization_ref: str


def release(item: WorkItem, services: Services) -> None:
    """Void what is left of one attempt's hold (subject: attempt id)."""
    now_us = services.clock.now_us()
    with services.unit_of_work.begin() as tx:
        tx.hold(item)
        prepared = _prepare(tx, item, now_us, services.clock.wall_us())
        if prepared is None:
            tx.complete(item)
            return
    operation = prepared.operation
    provider = services.providers.open(prepared.method.adapter)
    request = adapter.Void(key=operation.id, reference=operation.id, authorization_ref=prepared.authorization_ref)
    outcome = call_provider(lambda: provider.void(request))
    with services.unit_of_work.begin() as tx:
        tx.complete(item)
        wall_us = services.clock.wall_us()
        settle_operation(tx, operation.id, operation.household_id, outcome, now_us=now_us, wall_us=wall_us)


def _prepare(tx: Transaction, item: WorkItem, now_us: int, wall_us: int) -> _Prepared | None:
    household_id = item.household_id or ""
    attempt = tx.get(Attempt, household_id, item.subject_id)
    if attempt.state in ENDED_ATTEMPTS:
        return None
    operations = tx.find(Operation, household_id, attempt_id=attempt.id)
    unclosed = [one for one in operations if one.state in UNCLOSED_OPERATION_STATES]
    if any(one.kind in {OperationKind.AUTHORIZE, OperationKind.CAPTURE} for one in unclosed):
        # First learn what became of it; a hold that nobody knows of cannot be voided.
        wait_us = wall_us + SECOND_US
        tx.enqueue("release", household_id, attempt.id, due_us=now_us, not_before_wall_us=wait_us)
        return None
    authorized = [
        one for one in operations if one.kind is OperationKind.AUTHORIZE and one.state is OperationState.SUCCEEDED
    ]
    if not authorized:
        end_unheld(tx, attempt, now_us=now_us)
        return None
    amount_minor = attempt.amount_minor - captured_minor(tx, attempt)
    if amount_minor <= 0 or any(
        one.kind is OperationKind.VOID and one.state is OperationState.SUCCEEDED for one in operations
    ):
        return None
    method = tx.get(PaymentMethod, household_id, attempt.payment_method_id)
    for mine in unclosed:
        if mine.kind is OperationKind.VOID:
            operation = replace(mine, state=OperationState.UNKNOWN)
            tx.save(operation)
            return _Prepared(operation, method, authorized[0].provider_ref)
    operation = Operation(
        id=tx.new_id(),
        household_id=household_id,
        attempt_id=attempt.id,
        kind=OperationKind.VOID,
        subject_id=attempt.id,
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
    return _Prepared(operation, method, authorized[0].provider_ref)
