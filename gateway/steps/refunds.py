"""Writes down what is owed back; the refund step sends it."""

from gateway.domain.payment import Attempt, Operation, OperationKind, OperationState
from gateway.steps.ports import Transaction

NOT_COUNTED = frozenset({OperationState.DECLINED, OperationState.FAILED})


def owe_refund(tx: Transaction, attempt: Attempt, subject_id: str, amount_minor: int, *, now_us: int) -> bool:
    """Write one refund for a shipment (lost) or an order line (short), if the capture behind it has so much left.

    Returns whether the refund stands, now or from before; False when nothing captured is left to give back yet.
    """
    operations = tx.find(Operation, attempt.household_id, attempt_id=attempt.id)
    for one in operations:
        if one.kind is OperationKind.REFUND and one.subject_id == subject_id and one.state not in NOT_COUNTED:
            return True
    if amount_minor <= 0 or _refundable_capture(operations, subject_id, amount_minor) is None:
        return False
    operation = Operation(
        id=tx.new_id(),
        household_id=attempt.household_id,
        attempt_id=attempt.id,
        kind=OperationKind.REFUND,
        subject_id=subject_id,
        amount_minor=amount_minor,
        currency=attempt.currency,
        state=OperationState.CREATED,
        provider_ref="",
        note="",
        created_us=now_us,
        sent_wall_us=None,
        closed_us=None,
        syncs=0,
    )
    tx.add(operation)
    tx.enqueue("refund", attempt.household_id, operation.id, due_us=now_us)
    return True


def capture_behind(tx: Transaction, refund: Operation) -> Operation:
    """Return the capture a refund gives back from; raises LookupError when none has so much left."""
    operations = [
        one for one in tx.find(Operation, refund.household_id, attempt_id=refund.attempt_id) if one.id != refund.id
    ]
    found = _refundable_capture(operations, refund.subject_id, refund.amount_minor)
    if found is None:
        raise LookupError(f"refund {refund.id}: no capture has {refund.amount_minor} minor units left to give back")
    return found


def _refundable_capture(operations: list[Operation], subject_id: str, amount_minor: int) -> Operation | None:
    """Return the capture of the same shipment, else the first, from which so much has not been given back yet.

    Every capture is given back from in turn, the oldest first, so the split of earlier refunds follows from the rows.
    """
    captures = [
        one for one in operations if one.kind is OperationKind.CAPTURE and one.state is OperationState.SUCCEEDED
    ]
    left = {one.id: one.amount_minor for one in captures}
    for earlier in operations:
        if earlier.kind is OperationKind.REFUND and earlier.state not in NOT_COUNTED:
            source = _first_with(captures, left, earlier.subject_id, earlier.amount_minor)
            if source is not None:
                left[source.id] -= earlier.amount_minor
    return _first_with(captures, left, subject_id, amount_minor)


def _first_with(
    captures: list[Operation], left: dict[str, int], subject_id: str, amount_minor: int
) -> Operation | None:
    same_shipment_first = sorted(captures, key=lambda one: one.subject_id != subject_id)
    return next((one for one in same_shipment_first if left[one.id] >= amount_minor), None)
