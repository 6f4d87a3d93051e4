"""Which of an order's parcels were billed, and which are still to be: captures are one for each shipment."""

from enum import StrEnum

from gateway.domain.order import Order, OrderLine, Shipment
from gateway.domain.payment import Attempt, Operation, OperationKind, OperationState
from gateway.domain.records import Act
from gateway.steps.ports import Transaction

NEVER_MOVED = frozenset({OperationState.DECLINED, OperationState.FAILED})
NOT_COUNTED = NEVER_MOVED | {OperationState.REVERSED}
PAY_AGAIN = "pay_again"
"""The act by which somebody asks for a payment that is due."""


class Billing(StrEnum):
    """Where the billing of a parcel stands while nothing was captured for it."""

    TO_COME = "to_come"  # not yet asked for, or its outcome is not known yet
    DECLINED = "declined"  # asked for, and refused or taken back since
    NOT_OWED = "not_owed"  # nothing of it will come, which was known before it was billed
    NOTHING_LEFT = "nothing_left"  # other parcels took all that was approved and ordered


def operations_for(tx: Transaction, attempt: Attempt) -> list[Operation]:
    """Return the operations of every attempt to pay the attempt's cart: what one captured another must not."""
    attempts = tx.find(Attempt, attempt.household_id, cart_id=attempt.cart_id)
    return tx.find(Operation, attempt.household_id, attempt_id=frozenset(one.id for one in attempts))


def billing_of(order: Order, attempt: Attempt, operations: list[Operation], shipment: Shipment) -> Operation | Billing:
    """Return the parcel's capture once it took effect, else where it stands; `operations` are all of the cart's."""
    captures = [one for one in operations if one.kind is OperationKind.CAPTURE]
    mine = [one for one in captures if one.subject_id == shipment.id]
    for one in mine:
        if one.state is OperationState.SUCCEEDED:
            return one
        if one.state not in NOT_COUNTED:
            return Billing.TO_COME
    if shipment.owed_minor <= 0:
        return Billing.NOT_OWED
    if undebited_minor(order, operations) <= 0:
        return Billing.NOTHING_LEFT
    if mine:
        return Billing.DECLINED
    # A hold that ended with its first capture is followed by another for what is still due.
    has_room = attempt.captures_once or uncaptured_minor(attempt, operations) > 0
    return Billing.TO_COME if has_room else Billing.NOTHING_LEFT


def undebited_minor(order: Order, operations: list[Operation]) -> int:
    """Return what may still be debited for an order: its total, which no bill of the shop's and no new try can raise.

    The total is at most what was approved. All captures of the cart's tries count that were not refused or taken back.
    """
    taken = sum(
        one.amount_minor for one in operations if one.kind is OperationKind.CAPTURE and one.state not in NOT_COUNTED
    )
    return order.total_minor - taken


def uncaptured_minor(attempt: Attempt, operations: list[Operation]) -> int:
    """Return what is left of this try's hold: its amount less all its captures that were not refused.

    What was taken back since does not come back to the hold: it needs a new one.
    """
    captures = captures_of(attempt, operations)
    if captures and attempt.captures_once:
        return 0
    return attempt.amount_minor - sum(one.amount_minor for one in captures)


def captures_of(attempt: Attempt, operations: list[Operation]) -> list[Operation]:
    """Return this try's captures that were not refused, taken back since or not."""
    return [
        one
        for one in operations
        if one.attempt_id == attempt.id and one.kind is OperationKind.CAPTURE and one.state not in NEVER_MOVED
    ]


def still_due_minor(tx: Transaction, order: Order, attempt: Attempt) -> int:
    """Return what is still to be debited for an order: of what is yet to come its rest, else what was sent.

    Whatever the shop bills, it is never more than is left of the order's total over all tries to pay it. What was taken
    back and not asked for since is no part of it.
    """
    operations = operations_for(tx, attempt)
    withheld = {one.id for one in unpaid(tx, attempt) if is_withheld(tx, order, operations, one)}
    left_minor = undebited_minor(order, operations) - sum(
        max(one.amount_minor for one in _taken_back(operations) if one.subject_id == shipment_id)
        for shipment_id in withheld
    )
    due = [one for one in [*to_bill(tx, attempt), *unpaid(tx, attempt)] if one.id not in withheld]
    sent_minor = sum(one.owed_minor for one in due)
    if all(line.is_all_sent for line in tx.find(OrderLine, order.household_id, order_id=order.id)):
        return min(sent_minor, left_minor)
    shipments = tx.find(Shipment, order.household_id, order_id=order.id)
    missing = sum(one.missing_minor for one in shipments if one.id not in withheld)
    return min(left_minor, max(sent_minor, left_minor - missing))


def to_bill(tx: Transaction, attempt: Attempt) -> list[Shipment]:
    """Return the parcels of this attempt's order whose capture is still to come."""
    return _standing(tx, attempt, Billing.TO_COME)


def unpaid(tx: Transaction, attempt: Attempt) -> list[Shipment]:
    """Return the parcels that were sent and could not be billed."""
    return _standing(tx, attempt, Billing.DECLINED)


def awaits_hold(tx: Transaction, attempt: Attempt) -> bool:
    """Say whether a parcel was sent that is still to be billed from this try's hold; what was taken back is not."""
    operations = operations_for(tx, attempt)
    return bool(to_bill(tx, attempt)) or any(
        not may_not_be_billed(tx, order, attempt, operations, shipment)
        for order in tx.find(Order, attempt.household_id, attempt_id=attempt.id)
        for shipment in unpaid(tx, attempt)
    )


def may_not_be_billed(
    tx: Transaction, order: Order, attempt: Attempt, operations: list[Operation], shipment: Shipment
) -> bool:
    """Say whether a parcel was taken back from this try, which has no room for it, or nobody asked for it since."""
    mine = [one for one in operations if one.attempt_id == attempt.id]
    return is_taken_back(mine, shipment) or is_withheld(tx, order, operations, shipment)


def is_withheld(tx: Transaction, order: Order, operations: list[Operation], shipment: Shipment) -> bool:
    """Say whether a parcel was taken back and nobody has asked since to pay it again: no hold may bill it by itself."""
    taken_back = [one.answered_us or 0 for one in _taken_back(operations) if one.subject_id == shipment.id]
    if not taken_back:
        return False
    asked = tx.find(Act, order.household_id, subject=f"orders/{order.id}", verb=PAY_AGAIN)
    return all(act.at_us < max(taken_back) for act in asked)


def is_taken_back(operations: list[Operation], shipment: Shipment) -> bool:
    """Say whether a capture of the parcel took effect and its provider took it back."""
    return any(one.subject_id == shipment.id for one in _taken_back(operations))


def _taken_back(operations: list[Operation]) -> list[Operation]:
    return [one for one in operations if one.kind is OperationKind.CAPTURE and one.state is OperationState.REVERSED]


def is_asked(operations: list[Operation], shipment: Shipment) -> bool:
    """Say whether a capture of the parcel was asked for, and was neither refused nor taken back."""
    return any(
        one.kind is OperationKind.CAPTURE and one.subject_id == shipment.id and one.state not in NOT_COUNTED
        for one in operations
    )


def _standing(tx: Transaction, attempt: Attempt, billing: Billing) -> list[Shipment]:
    operations = operations_for(tx, attempt)
    return [
        shipment
        for order in tx.find(Order, attempt.household_id, attempt_id=attempt.id)
        for shipment in tx.find(Shipment, attempt.household_id, order_id=order.id)
        if billing_of(order, attempt, operations, shipment) is billing
    ]
