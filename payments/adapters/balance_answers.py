"""From a stored record to the outcome that was answered first, and is answered ever after."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from payments.adapter import (
    Authorized,
    Captured,
    Declined,
    DeclineKind,
    MandateActive,
    MandateRevoked,
    OperationKind,
    Outcome,
    Refunded,
    ToppedUp,
    Voided,
)
from payments.adapters.balance_book import Record
from payments.money import Money

Success = TypeVar("Success")


def read_record(record: Record, read: Callable[[Record], Success]) -> Success | Declined:
    """The outcome of an operation: what `read` makes of it, unless it was declined."""
    return Declined(DeclineKind(record.decline_kind), record.code, record.message) if record.code else read(record)


def mandate_active(record: Record) -> MandateActive:
    """The permission stands."""
    return MandateActive(record.reference)


def mandate_revoked(record: Record) -> MandateRevoked:
    """The permission is gone."""
    return MandateRevoked(record.parent)


def authorized(record: Record) -> Authorized:
    """Money is held."""
    return Authorized(record.reference, _amount(record))


def captured(record: Record) -> Captured:
    """Money moved."""
    return Captured(record.reference, _amount(record))


def voided(record: Record) -> Voided:
    """What was held is free."""
    return Voided(record.reference, _amount(record))


def refunded(record: Record) -> Refunded:
    """Money moved back."""
    return Refunded(record.reference, _amount(record))


def topped_up(record: Record) -> ToppedUp:
    """Money came in."""
    return ToppedUp(record.reference, _amount(record))


def _amount(record: Record) -> Money:
    return Money(record.amount_minor, record.currency)


READERS: Mapping[OperationKind, Callable[[Record], Outcome]] = {
    OperationKind.SETUP_MANDATE: mandate_active,
    OperationKind.REVOKE_MANDATE: mandate_revoked,
    OperationKind.AUTHORIZE: authorized,
    OperationKind.CAPTURE: captured,
    OperationKind.VOID: voided,
    OperationKind.REFUND: refunded,
    OperationKind.TOP_UP: topped_up,
}
