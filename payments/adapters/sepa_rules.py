"""The rules of what may be asked of a mandate, a hold and a debit, as changes of their documents."""

from collections.abc import Callable

from msgspec.structs import replace

from payments.adapter import (
    Authorized,
    Declined,
    DeclineKind,
    MandateActive,
    MandateRevoked,
    OperationKind,
    SyncOutcome,
    Unknown,
    Voided,
)
from payments.adapters.sepa_book import Done, HoldDocument, MandateDocument, Promised
from payments.errors import InvalidRequest
from payments.money import Money


def said(done: Done, kind: OperationKind) -> SyncOutcome:
    """Return the answer that was given to an operation that moves nothing."""
    if done.kind != kind:
        return Unknown(f"{done.ref} is {done.kind}, asked was {kind}")
    if done.code:
        return Declined(DeclineKind.MANDATE, done.code, done.message)
    amount = Money(done.amount_minor, "EUR")
    match kind:
        case OperationKind.SETUP_MANDATE:
            return MandateActive(done.ref)
        case OperationKind.REVOKE_MANDATE:
            return MandateRevoked(done.ref)
        case OperationKind.AUTHORIZE:
            return Authorized(done.ref, amount)
        case _:
            return Voided(done.ref, amount)


def inactive(there: MandateDocument | None) -> MandateDocument:
    """End a mandate."""
    assert there is not None, "only a mandate that is there is revoked"
    return replace(there, active=False)


def taking(end_to_end_id: str, minor: int) -> Callable[[HoldDocument | None], HoldDocument]:
    """Let a debit take of what was authorized, once; raises InvalidRequest for more than is left."""

    def rule(there: HoldDocument | None) -> HoldDocument:
        assert there is not None, "the hold was read before"
        if end_to_end_id in there.taken:
            return there
        if minor > there.left_minor:
            raise InvalidRequest("over_capture", "that is more than is left of what was authorized")
        return replace(there, taken=there.taken | {end_to_end_id: minor})

    return rule


def promise(end_to_end_id: str, minor: int, debited_minor: int) -> Callable[[Promised | None], Promised]:
    """Promise a part of a debit back, once; raises InvalidRequest for more than was debited."""

    def rule(there: Promised | None) -> Promised:
        promised = there.promised if there is not None else {}
        if end_to_end_id in promised:
            return Promised(promised)
        if sum(promised.values()) + minor > debited_minor:
            raise InvalidRequest("over_refund", "that is more than can still be given back")
        return Promised(promised | {end_to_end_id: minor})

    return rule


def positive(amount: Money) -> Money:
    """Return an amount that can be debited; raises InvalidRequest."""
    if amount.currency != "EUR":
        raise InvalidRequest("currency_mismatch", f"direct debits are in EUR, not {amount.currency}")
    if amount.amount_minor <= 0:
        raise InvalidRequest("invalid_amount", f"{amount} is not an amount to move")
    return amount
