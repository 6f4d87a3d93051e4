"""What the operator does by hand where no rule can decide: checked against what the other side says, and kept.

A payment is settled only as its provider's own answer allows, asked just before; an order is given up only after its
shop was asked to cancel it.
"""

from dataclasses import replace
from enum import StrEnum

from gateway.domain.errors import Conflict, NotFound
from gateway.domain.order import LineState, Order, OrderLine, OrderState, Shipment
from gateway.domain.payment import Attempt, AttemptState, Operation, OperationKind, OperationState, PaymentMethod
from gateway.domain.records import Act
from gateway.domain.replenishment import DAY_US
from gateway.steps.goods.order_status import free_supply
from gateway.steps.money.attempts import captured_minor
from gateway.steps.money.effects import declined
from gateway.steps.money.outcomes import settle_operation
from gateway.steps.ports import Services, Transaction
from payments import adapter
from payments.errors import OutcomeUnknown

OPERATOR = "operator"
# What the provider does not know a day after it was sent does not arrive any more.
LONGEST_WAY_US = DAY_US


class Verdict(StrEnum):
    """How an operation that nobody could judge is to end."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"


def settle_by_hand(services: Services, operation_id: str, verdict: Verdict, reason: str) -> Operation:
    """End an operation under review as the provider's own answer allows; raises NotFound and Conflict.

    What took effect cannot be settled as failed, nor the other way round; while the provider says neither, nothing is.
    """
    with services.unit_of_work.read() as tx:
        operation = _the(tx, operation_id)
        _require_review(operation)
        attempt = tx.get(Attempt, operation.household_id, operation.attempt_id)
        method = tx.get(PaymentMethod, operation.household_id, attempt.payment_method_id)
    provider = services.providers.open(method.adapter)
    try:
        said = provider.sync(adapter.Sync(operation.id, adapter.OperationKind(operation.kind.value)))
    except OutcomeUnknown as error:
        said = adapter.Unknown(error.reason)
    wall_us, now_us = services.clock.wall_us(), services.clock.now_us()
    _require_agreement(operation, verdict, said, wall_us)
    with services.unit_of_work.begin() as tx:
        operation = _the(tx, operation_id)
        _require_review(operation)
        tx.add(
            _act(tx, operation.household_id, f"settle_{verdict}", f"operations/{operation.id}", reason, said, now_us)
        )
        if isinstance(said, adapter.NotFound):
            _never_came(tx, operation, reason, now_us)
        else:
            settle_operation(tx, operation.id, operation.household_id, said, now_us=now_us, wall_us=wall_us)
        settled = _the(tx, operation_id)
        if settled.state is OperationState.MANUAL_REVIEW:
            # Nothing is kept of an act that did nothing: the exception takes the transaction back.
            raise Conflict("operation", operation_id, settled.state, "settle", hint=f"The provider said: {said!r}.")
    return settled


def give_up(tx: Transaction, order: Order, *, reason: str, now_us: int) -> Order:
    """End an order that its shop neither sends nor cancels: the hold is given back, the supply freed.

    Raises Conflict for one that was not asked to be cancelled before, or of which something was sent.
    """
    if order.state not in {OrderState.PLACED, OrderState.PAYMENT_DUE} or order.cancel_asked_us is None:
        raise Conflict("order", order.id, order.state, "give up", hint="Ask the shop to cancel it first.")
    if tx.find(Shipment, order.household_id, order_id=order.id):
        raise Conflict("order", order.id, "on its way", "give up", hint="Let the shop say that its parcel is lost.")
    for line in tx.find(OrderLine, order.household_id, order_id=order.id):
        ended = replace(line, state=LineState.CANCELLED)
        tx.save(ended)
        free_supply(tx, ended, now_us)
    given_up = replace(order, state=OrderState.CANCELLED, closed_us=now_us, note=f"Given up by the operator: {reason}")
    tx.save(given_up)
    tx.add(_act(tx, order.household_id, "give_up", f"orders/{order.id}", reason, order.note, now_us))
    tx.cancel_work("observe", order.id)
    tx.enqueue("release", order.household_id, order.attempt_id, due_us=now_us)
    return given_up


def _the(tx: Transaction, operation_id: str) -> Operation:
    found = tx.find(Operation, None, id=operation_id)
    if not found:
        raise NotFound("operation", operation_id)
    return found[0]


def _require_review(operation: Operation) -> None:
    if operation.state is not OperationState.MANUAL_REVIEW:
        raise Conflict(
            "operation", operation.id, operation.state, "settle", hint="Only what waits for a person can be."
        )


def _require_agreement(operation: Operation, verdict: Verdict, said: adapter.SyncOutcome, wall_us: int) -> None:
    """Raise Conflict unless the provider's answer is the verdict's own."""
    match said:
        case adapter.NotFound():
            sent_us = operation.sent_wall_us or 0
            fits = verdict is Verdict.FAILED and wall_us - sent_us >= LONGEST_WAY_US
            why = "the provider knows nothing of it"
            if verdict is Verdict.FAILED:
                why += ", but it may still be on its way; wait until a day after it was sent"
        case adapter.Declined(code=code, message=message):
            fits, why = verdict is Verdict.FAILED, f"the provider declined it: {code}: {message}"
        case adapter.Unknown(reason=reason):
            fits, why = False, f"the provider gives no clear answer: {reason}"
        case adapter.Pending() | adapter.RequiresAction():
            fits, why = False, "the provider has not decided yet"
        case _:
            fits, why = verdict is Verdict.SUCCEEDED, f"the provider says that it took effect: {said!r}"
    if not fits:
        raise Conflict("operation", operation.id, operation.state, f"settle as {verdict}", hint=f"Asked now, {why}.")


def _never_came(tx: Transaction, operation: Operation, reason: str, now_us: int) -> None:
    """Fail what the provider never got; what it was for goes on: a debit is due, a hold or refund is asked for anew."""
    failed = replace(
        operation, state=OperationState.FAILED, note=f"never came to the provider: {reason}", closed_us=now_us
    )
    tx.save(failed)
    tx.cancel_work("sync", operation.id)
    match operation.kind:
        case OperationKind.AUTHORIZE | OperationKind.CAPTURE:
            declined(tx, failed, "it never came to the provider", now_us)
        case OperationKind.VOID:
            attempt = tx.get(Attempt, operation.household_id, operation.attempt_id)
            state = AttemptState.CAPTURE_PENDING if captured_minor(tx, attempt) else AttemptState.AUTHORIZED
            tx.save(replace(attempt, state=state, note=""))
            tx.enqueue("release", attempt.household_id, attempt.id, due_us=now_us)
        case OperationKind.REFUND:
            shipment = tx.get(Shipment, operation.household_id, operation.subject_id.partition("/")[0])
            tx.enqueue("observe", operation.household_id, shipment.order_id, due_us=now_us)


def _act(
    tx: Transaction, household_id: str, verb: str, subject: str, reason: str, evidence: object, now_us: int
) -> Act:
    return Act(
        id=tx.new_id(),
        household_id=household_id,
        by=OPERATOR,
        verb=verb,
        subject=subject,
        reason=reason,
        evidence=str(evidence),
        at_us=now_us,
    )
