"""Release: what is held and no longer needed is given back, the hold voided and the limit freed."""

from dataclasses import dataclass

from gateway.domain.payment import (
    UNCLOSED_OPERATION_STATES,
    Attempt,
    AttemptState,
    Operation,
    OperationKind,
    OperationState,
    PaymentMethod,
)
from gateway.domain.records import HouseholdItem
from gateway.domain.replenishment import SECOND_US
from gateway.steps.money.attempts import captured_minor, end_held, has_lapsed
from gateway.steps.money.billing import awaits_hold
from gateway.steps.money.calls import call_provider
from gateway.steps.money.operations import begin_operation, send_again
from gateway.steps.money.outcomes import settle_operation
from gateway.steps.money.undecided import SYNC_AFTER_S
from gateway.steps.ports import Services, Transaction
from payments import adapter

ENDED_ATTEMPTS = frozenset(
    {
        AttemptState.VOIDED,
        AttemptState.DECLINED,
        AttemptState.EXPIRED,
        AttemptState.REPLACED,
        AttemptState.REVERSED,
        AttemptState.MANUAL_REVIEW,
    }
)


@dataclass(frozen=True, slots=True)
class _Prepared:
    operation: Operation
    is_repeat: bool
    method: PaymentMethod
    authorization_ref: str


def release(item: HouseholdItem, services: Services) -> None:
    """Void what is left of one attempt's hold (subject: attempt id)."""
    now_us = services.clock.now_us()
    with services.unit_of_work.begin() as tx:
        tx.hold(item)
        prepared = _prepare(tx, item, services, now_us)
        if prepared is None:
            tx.complete(item)
            return
    operation = prepared.operation
    provider = services.providers.open(prepared.method.adapter)
    request = adapter.Void(key=operation.id, reference=operation.id, authorization_ref=prepared.authorization_ref)
    outcome = call_provider(lambda: provider.void(request), is_repeat=prepared.is_repeat)
    with services.unit_of_work.begin() as tx:
        tx.complete(item)
        wall_us = services.clock.wall_us()
        settle_operation(tx, operation.id, operation.household_id, outcome, now_us=now_us, wall_us=wall_us)


def _prepare(tx: Transaction, item: HouseholdItem, services: Services, now_us: int) -> _Prepared | None:
    household_id, wall_us = item.household_id, services.clock.wall_us()
    attempt = tx.get(Attempt, household_id, item.subject_id)
    operations = tx.find(Operation, household_id, attempt_id=attempt.id)
    if attempt.state in ENDED_ATTEMPTS:
        return None
    is_given_up = any(one.kind is OperationKind.VOID and one.state in UNCLOSED_OPERATION_STATES for one in operations)
    if not is_given_up and _must_wait(tx, attempt, operations, now_us=now_us, wall_us=wall_us):
        return None
    holds = [one for one in operations if one.kind is OperationKind.AUTHORIZE and _may_be_voided(attempt, one)]
    if not holds:
        end_held(tx, attempt, AttemptState.VOIDED, reference=attempt.id, note=attempt.note, now_us=now_us)
        return None
    if has_lapsed(attempt, now_us) and not is_given_up:
        end_held(tx, attempt, AttemptState.EXPIRED, reference=attempt.id, note="the hold lapsed", now_us=now_us)
        return None
    captured = captured_minor(tx, attempt)
    amount_minor = 0 if captured and attempt.captures_once else attempt.amount_minor - captured
    voids = [one for one in operations if one.kind is OperationKind.VOID]
    if amount_minor <= 0 or any(one.state is OperationState.SUCCEEDED for one in voids):
        return None
    method = tx.get(PaymentMethod, household_id, attempt.payment_method_id)
    operation: Operation | None
    is_repeat = False
    for one in voids:
        if one.state in UNCLOSED_OPERATION_STATES:
            capabilities = services.providers.open(method.adapter).capabilities
            is_repeat = one.sent_wall_us is not None
            operation = send_again(tx, one, capabilities, now_us=now_us, wall_us=wall_us)
            break
    else:
        operation = begin_operation(
            tx, attempt, OperationKind.VOID, attempt.id, amount_minor, now_us=now_us, sent_wall_us=wall_us
        )
    return None if operation is None else _Prepared(operation, is_repeat, method, holds[0].provider_ref)


def _may_be_voided(attempt: Attempt, authorize: Operation) -> bool:
    """Say whether a hold stands, or waits for a customer: what nobody confirmed is called off and not waited for."""
    waits = attempt.state is AttemptState.REQUIRES_ACTION and authorize.state is OperationState.PENDING
    return authorize.state is OperationState.SUCCEEDED or (waits and bool(authorize.provider_ref))


def _must_wait(tx: Transaction, attempt: Attempt, operations: list[Operation], *, now_us: int, wall_us: int) -> bool:
    """Say whether the hold may not be voided yet, and see to it that this is asked for again."""
    for one in operations:
        is_open = one.kind is OperationKind.AUTHORIZE and one.state in UNCLOSED_OPERATION_STATES
        if is_open and not _may_be_voided(attempt, one):
            # First learn what became of it, as patiently as sync does: a hold nobody knows of cannot be voided.
            pause_us = SYNC_AFTER_S[min(one.syncs, len(SYNC_AFTER_S) - 1)] * SECOND_US
            tx.enqueue(
                "release", attempt.household_id, attempt.id, due_us=now_us, not_before_wall_us=wall_us + pause_us
            )
            return True
    # What was sent is billed from this hold first; observe asks for the release again after that.
    return awaits_hold(tx, attempt)
