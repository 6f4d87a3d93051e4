"""Linked accounts, mandates, attempts and their operations, and the ledger's rows."""

from dataclasses import dataclass
from enum import StrEnum


class MethodState(StrEnum):
    """A linked account: only an active one is debited."""

    PENDING = "pending"
    ACTIVE = "active"
    FROZEN = "frozen"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentMethod:
    """A linked account: a provider's token, encrypted at rest, never a card number."""

    id: str
    household_id: str
    adapter: str
    token_sealed: bytes
    label: str
    currency: str
    state: MethodState
    rank: int
    created_us: int


class MandateState(StrEnum):
    """The field's terms for a mandate."""

    PENDING = "pending"
    REQUIRES_ACTION = "requires_action"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mandate:
    """The permission to debit one method within limits; `standing` ones may also approve carts by themselves.

    Limits are minor units; None means no limit of that sort. The scopes (merchant, device, supply) narrow it.
    """

    id: str
    household_id: str
    payment_method_id: str
    provider_ref: str
    state: MandateState
    standing: bool
    currency: str
    per_order_minor: int
    per_period_minor: int
    period_days: int
    per_merchant_minor: int | None
    merchant_id: str | None
    supply_id: str | None
    price_tolerance_percent: float
    valid_from_us: int
    valid_until_us: int | None


class ReservationState(StrEnum):
    """A mandate's limit taken by an attempt: reserved, then used by captures, or freed."""

    RESERVED = "reserved"
    USED = "used"
    FREED = "freed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """The part of a mandate's limit that one attempt holds (id = attempt id)."""

    id: str
    household_id: str
    mandate_id: str
    merchant_id: str
    amount_minor: int
    at_us: int
    state: ReservationState


class AttemptState(StrEnum):
    """The field's terms for one try to pay (facts of the payments room)."""

    CREATED = "created"
    UNKNOWN = "unknown"
    REQUIRES_ACTION = "requires_action"
    AUTHORIZED = "authorized"
    CAPTURE_PENDING = "capture_pending"
    CAPTURED = "captured"
    VOIDED = "voided"
    DECLINED = "declined"
    EXPIRED = "expired"
    MANUAL_REVIEW = "manual_review"


LIVE_ATTEMPT_STATES = frozenset(
    {
        AttemptState.CREATED,
        AttemptState.UNKNOWN,
        AttemptState.REQUIRES_ACTION,
        AttemptState.AUTHORIZED,
        AttemptState.CAPTURE_PENDING,
        AttemptState.CAPTURED,
        AttemptState.MANUAL_REVIEW,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try to pay one cart by one method under one mandate. At most one live attempt per cart, held by the store."""

    id: str
    household_id: str
    cart_id: str
    approval_id: str
    payment_method_id: str
    mandate_id: str
    amount_minor: int
    currency: str
    state: AttemptState
    note: str
    created_us: int


class OperationKind(StrEnum):
    """What an attempt asks of the provider."""

    AUTHORIZE = "authorize"
    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"


class OperationState(StrEnum):
    """Created is written before the call, unknown from the call until the outcome is known."""

    CREATED = "created"
    UNKNOWN = "unknown"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    FAILED = "failed"
    MANUAL_REVIEW = "manual_review"


UNCLOSED_OPERATION_STATES = frozenset({OperationState.CREATED, OperationState.UNKNOWN, OperationState.PENDING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One request to a provider, with its own idempotency key (its id), committed before the call.

    `subject_id`: the shipment a capture bills or the order line a refund gives back; the attempt otherwise.
    """

    id: str
    household_id: str
    attempt_id: str
    kind: OperationKind
    subject_id: str
    amount_minor: int
    currency: str
    state: OperationState
    provider_ref: str
    note: str
    created_us: int
    sent_wall_us: int | None
    closed_us: int | None
    syncs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account of one household's book; kind and owner are those of the payments room's chart of accounts."""

    id: str
    household_id: str
    kind: str
    owner: str
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One journal, append-only, one per (source, kind): `source_id` is the operation, settlement or payout."""

    id: str
    household_id: str
    source_id: str
    kind: str
    memo: str
    reverses_id: str | None
    pending: bool
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """One leg of a journal: signed minor units, debit positive, credit negative."""

    id: str
    household_id: str
    journal_id: str
    account_id: str
    amount_minor: int
    currency: str
