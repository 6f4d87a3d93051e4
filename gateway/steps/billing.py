"""Which of an order's parcels were billed, and which are still to be: captures are one for each shipment."""

from enum import StrEnum

from gateway.domain.order import Order, Shipment, ShipmentState
from gateway.domain.payment import Attempt, Operation, OperationKind, OperationState
from gateway.steps.ports import Transaction

NOT_COUNTED = frozenset({OperationState.DECLINED, OperationState.FAILED})


class Billing(StrEnum):
    """Where the billing of a parcel stands while nothing was captured for it."""

    TO_COME = "to_come"  # not yet asked for, or its outcome is not known yet
    DECLINED = "declined"
    NOTHING_LEFT = "nothing_left"  # other parcels took all that was approved


def billing_of(attempt: Attempt, operations: list[Operation], shipment: Shipment) -> Operation | Billing:
    """Return the parcel's capture once it took effect; until then, where it stands."""
    captures = [one for one in operations if one.kind is OperationKind.CAPTURE]
    mine = [one for one in captures if one.subject_id == shipment.id]
    for one in mine:
        if one.state is OperationState.SUCCEEDED:
            return one
        if one.state not in NOT_COUNTED:
            return Billing.TO_COME
    if mine:
        return Billing.DECLINED
    return Billing.TO_COME if uncaptured_minor(attempt, operations) > 0 else Billing.NOTHING_LEFT


def uncaptured_minor(attempt: Attempt, operations: list[Operation]) -> int:
    """Return what may still be captured: the approved amount less all captures that were not refused."""
    taken = sum(
        one.amount_minor for one in operations if one.kind is OperationKind.CAPTURE and one.state not in NOT_COUNTED
    )
    return attempt.amount_minor - taken


def to_bill(tx: Transaction, attempt: Attempt) -> list[Shipment]:
    """Return the parcels of this attempt's order whose capture is still to come."""
    return _standing(tx, attempt, Billing.TO_COME)


def unpaid(tx: Transaction, attempt: Attempt) -> list[Shipment]:
    """Return the parcels that were sent and could not be billed; a lost one is not owed."""
    return [one for one in _standing(tx, attempt, Billing.DECLINED) if one.state is not ShipmentState.LOST]


def _standing(tx: Transaction, attempt: Attempt, billing: Billing) -> list[Shipment]:
    operations = tx.find(Operation, attempt.household_id, attempt_id=attempt.id)
    return [
        shipment
        for order in tx.find(Order, attempt.household_id, attempt_id=attempt.id)
        for shipment in tx.find(Shipment, attempt.household_id, order_id=order.id)
        if billing_of(attempt, operations, shipment) is billing
    ]
