"""What a provider was asked for one payment: each operation with its outcome, its parcel and its journals."""

from dataclasses import dataclass

from gateway.domain.order import Shipment
from gateway.domain.payment import (
    JournalEntry,
    Operation,
    OperationKind,
    OperationState,
)
from gateway.steps.ports import Transaction
from gateway.web.wording import Wording, money

OPERATION_WORDS = {
    OperationKind.AUTHORIZE: "Hold",
    OperationKind.CAPTURE: "Debit",
    OperationKind.VOID: "Release",
    OperationKind.REFUND: "Refund",
}
OPERATION_STATE_WORDS = {
    OperationState.CREATED: "about to be asked for",
    OperationState.UNKNOWN: "outcome not known yet",
    OperationState.PENDING: "pending",
    OperationState.SUCCEEDED: "done",
    OperationState.DECLINED: "declined",
    OperationState.FAILED: "failed",
    OperationState.REVERSED: "done, and taken back since",
    OperationState.MANUAL_REVIEW: "looked at by a person",
}
MADE_UNDER_THE_PAYMENT = {OperationKind.AUTHORIZE: "hold", OperationKind.VOID: "release"}
"""Journals that name the payment, not the operation that asked for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationLink:
    """One request to the provider; `journals` are the ledger entries it made."""

    id: str
    kind: OperationKind
    state: OperationState
    words: str
    subject: str
    amount_minor: int
    amount: str
    provider_ref: str
    note: str
    created_us: int
    closed_us: int | None
    when: str
    journals: tuple[str, ...]


def operation_link(tx: Transaction, operation: Operation, wording: Wording) -> OperationLink:
    """Build one operation."""
    household_id = operation.household_id
    journals = tx.find(JournalEntry, household_id, source_id=operation.id)
    if operation.kind in MADE_UNDER_THE_PAYMENT and operation.state is OperationState.SUCCEEDED:
        kind = MADE_UNDER_THE_PAYMENT[operation.kind]
        journals += tx.find(JournalEntry, household_id, source_id=operation.attempt_id, kind=kind)
    subject = ""
    if operation.kind in {OperationKind.CAPTURE, OperationKind.REFUND}:
        # What is given back names the parcel, then why.
        shipment = tx.seek(Shipment, household_id, operation.subject_id.partition("/")[0])
        of_it = "for" if operation.kind is OperationKind.CAPTURE else "of"
        subject = f"{of_it} the parcel shipped {wording.day(shipment.shipped_us)}" if shipment else ""
    return OperationLink(
        id=operation.id,
        kind=operation.kind,
        state=operation.state,
        words=f"{OPERATION_WORDS[operation.kind]}, {OPERATION_STATE_WORDS[operation.state]}",
        subject=subject,
        amount_minor=operation.amount_minor,
        amount=money(operation.amount_minor, operation.currency),
        provider_ref=operation.provider_ref,
        note=operation.note,
        created_us=operation.created_us,
        closed_us=operation.closed_us,
        when=wording.day_and_clock(operation.created_us),
        journals=tuple(entry.id for entry in journals),
    )
