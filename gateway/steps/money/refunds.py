"""Writes down what is owed back, a refund for each parcel; the refund step sends it."""

from enum import StrEnum

from gateway.domain.order import Order, Shipment
from gateway.domain.payment import Attempt, Operation, OperationKind, OperationState
from gateway.steps.money.billing import NEVER_MOVED, NOT_COUNTED, Billing, billing_of, operations_for
from gateway.steps.money.operations import begin_operation
from gateway.steps.ports import Transaction


class Owed(StrEnum):
    """What became of a wish to give money back."""

    WRITTEN = "written"  # a refund stands, now or from before
    NOTHING = "nothing"  # nothing was debited for the parcel
    WAITS = "waits"  # its capture is still to come


def owe_refund(
    tx: Transaction, attempt: Attempt, shipment: Shipment, amount_minor: int, *, now_us: int, because: str = ""
) -> Owed:
    """Write one refund for a parcel, once for each cause, never more than what is left of the parcel's own capture."""
    operations = operations_for(tx, attempt)
    subject_id = f"{shipment.id}/{because}" if because else shipment.id
    for one in operations:
        # One that the customer's bank returned would come back again: the operator sees to it.
        if one.kind is OperationKind.REFUND and one.subject_id == subject_id and one.state not in NEVER_MOVED:
            return Owed.WRITTEN
    order = tx.get(Order, shipment.household_id, shipment.order_id)
    match billing_of(order, attempt, operations, shipment):
        case Billing.TO_COME:
            return Owed.WAITS
        case Billing.DECLINED | Billing.NOTHING_LEFT | Billing.NOT_OWED:
            return Owed.NOTHING
        case Operation() as captured:
            return _write(tx, captured, operations, shipment, subject_id, amount_minor, now_us=now_us)


def _write(
    tx: Transaction,
    captured: Operation,
    operations: list[Operation],
    shipment: Shipment,
    subject_id: str,
    amount_minor: int,
    *,
    now_us: int,
) -> Owed:
    amount_minor = min(amount_minor, captured.amount_minor - given_back_minor(operations, shipment))
    if amount_minor <= 0:
        return Owed.NOTHING
    payer = tx.get(Attempt, captured.household_id, captured.attempt_id)
    operation = begin_operation(
        tx, payer, OperationKind.REFUND, subject_id, amount_minor, now_us=now_us, sent_wall_us=None
    )
    tx.enqueue("refund", captured.household_id, operation.id, due_us=now_us)
    return Owed.WRITTEN


def capture_behind(tx: Transaction, refund: Operation) -> Operation:
    """Return the capture a refund gives back from, taken back since or not; raises LookupError when there is none."""
    shipment_id = refund.subject_id.partition("/")[0]
    for one in tx.find(Operation, refund.household_id, attempt_id=refund.attempt_id, subject_id=shipment_id):
        if one.kind is OperationKind.CAPTURE and one.state in {OperationState.SUCCEEDED, OperationState.REVERSED}:
            return one
    raise LookupError(f"refund {refund.id}: nothing was captured for shipment {shipment_id}")


def given_back_minor(operations: list[Operation], shipment: Shipment) -> int:
    """Return what was given back for a parcel, or may be."""
    return sum(
        one.amount_minor
        for one in operations
        if one.kind is OperationKind.REFUND
        and one.subject_id.partition("/")[0] == shipment.id
        and one.state not in NOT_COUNTED
    )
