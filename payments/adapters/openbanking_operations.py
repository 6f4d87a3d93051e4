"""Operations as the open banking adapter remembers them, and the outcomes they stand for."""

from msgspec.structs import replace

from payments.adapter import (
    Authorized,
    AuthorizeOutcome,
    Captured,
    CaptureOutcome,
    Declined,
    OperationKind,
    Pending,
    Refunded,
    RefundOutcome,
    SyncOutcome,
    Unknown,
    Voided,
    VoidOutcome,
)
from payments.adapters.openbanking_answers import DONE, REJECTED, WAITING, Said
from payments.adapters.openbanking_state import Decline, Memory, Operation, PaymentName
from payments.errors import InvalidRequest, OutcomeUnknown
from payments.money import Money

LONGEST_NAME = 31
"""Of a payment's EndToEndIdentification no more than this goes through the Faster Payments scheme."""


def begin(memory: Memory, name: str, operation: Operation) -> Operation:
    """Write an operation, or return the one that was written; raises InvalidRequest for another under its name."""
    known = memory.add(name, operation)
    if (known.kind, known.fingerprint) != (operation.kind, operation.fingerprint):
        raise InvalidRequest("key_reused", f"{operation.reference} was asked for before, as something else")
    return known


def declined(operation: Operation, said: Declined) -> Operation:
    """The operation, refused by a decision."""
    return replace(operation, status="declined", decline=Decline(said.kind, said.code, said.message))


def closed(memory: Memory, name: str, said: Said | Declined, consent_id: str | None) -> Operation:
    """Write what the bank said of an operation; what was decided stays. Raises OutcomeUnknown for another's answer."""

    def settle(known: Operation) -> Operation:
        if known.status in {"done", "declined"}:
            return known
        if isinstance(said, Declined):
            return declined(known, said)
        asked = (name, Money(known.amount_minor, known.currency), consent_id)
        if (said.instruction, said.amount, said.consent_id) != asked:
            raise OutcomeUnknown(f"the bank answered about {said.amount} for {said.instruction}")
        match said.status:
            case status if status in DONE:
                return replace(known, status="done", provider_ref=said.id)
            case status if status in WAITING:
                return replace(known, status="pending", provider_ref=said.id)
            case status if status in REJECTED and said.decline is not None:
                return declined(replace(known, provider_ref=said.id), said.decline)
            case other:
                raise OutcomeUnknown(f"the bank says {other[:40]!r} of a payment")

    after = memory.change(Operation, name, settle)
    if after.provider_ref and after.kind is OperationKind.CAPTURE:
        memory.add(after.provider_ref, PaymentName(after.reference))
    return after


def authorized(known: Operation) -> AuthorizeOutcome:
    """What an authorize came to."""
    return _undone(known) or Authorized(known.provider_ref, _amount(known), known.expires_at_us)


def captured(known: Operation) -> CaptureOutcome:
    """What a capture came to."""
    return _undone(known) or Captured(known.provider_ref, _amount(known))


def voided(known: Operation) -> VoidOutcome:
    """What a void came to."""
    return _undone(known) or Voided(known.provider_ref, _amount(known))


def refunded(known: Operation) -> RefundOutcome:
    """What a refund came to."""
    return _undone(known) or Refunded(known.provider_ref, _amount(known))


def outcome_of(known: Operation) -> SyncOutcome:
    """What an operation came to, whatever its kind."""
    match known.kind:
        case OperationKind.AUTHORIZE:
            return authorized(known)
        case OperationKind.CAPTURE:
            return captured(known)
        case OperationKind.VOID:
            return voided(known)
        case OperationKind.REFUND:
            return refunded(known)
        case other:
            raise OutcomeUnknown(f"no {other} is remembered as an operation")


def _undone(known: Operation) -> Declined | Pending | Unknown | None:
    if known.decline is not None:
        return Declined(known.decline.kind, known.decline.code, known.decline.message)
    if known.status == "pending":
        return Pending(known.provider_ref)
    return None if known.status == "done" else Unknown("its outcome is not known yet")


def _amount(known: Operation) -> Money:
    return Money(known.amount_minor, known.currency)
