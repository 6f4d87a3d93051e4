"""Linked accounts, mandates, attempts and their operations, and the ledger's rows."""

from dataclasses import dataclass
from enum import StrEnum


class MethodState(StrEnum):
    """A linked account: only an active one is debited. Frozen by a member, suspended by a final no of its provider."""

    PENDING = "pending"
    ACTIVE = "active"
    FROZEN = "frozen"
    SUSPENDED = "suspended"
    REVOKED = "revoked"


class Funding(StrEnum):
    """Who holds the money of a debit until its merchant is paid: which side of the ledger it comes from."""

    PROVIDER = "provider"  # the provider took it for us and pays it out
    BALANCE = "balance"  # the gateway itself keeps it, as the household's balance
    MERCHANT = "merchant"  # the merchant takes it itself: the ledger has nothing of it


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentMethod:
    """A linked account: a provider's token, encrypted at rest, never a card number. `note`: why it is suspended.

    `named`: a member gave the label; else it is the provider's word for the account.
    `funding` is what its adapter said when it was linked, and stays: what is booked one way is refunded that way.
    """

    id: str
    household_id: str
    adapter: str
    token_sealed: bytes
    label: str
    currency: str
    state: MethodState
    rank: int
    created_us: int
    note: str = ""
    named: bool = True
    funding: Funding = Funding.PROVIDER


class MandateState(StrEnum):
    """The field's terms for a mandate. Suspended: the provider does not take it any more; it must be set up anew."""

    PENDING = "pending"
    REQUIRES_ACTION = "requires_action"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    EXPIRED = "expired"


IDLE_DAYS = 400
"""Not debited for so long, a permission ends by itself: what is bought once a year still finds it standing, with a
month to spare, and what nobody uses any more cannot be misused."""
IDLE_NOTICE_DAYS = 30
"""So long before that the household is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mandate:
    """The permission to debit one method within limits; `standing` ones may also approve carts by themselves.

    Limits are minor units; None means no limit of that sort. The scopes (merchants, devices, supplies) narrow it; None
    means any. `per_period_count`: how many debits may fall into one period.

    Its id is the key and reference under which the provider was asked to set it up, at `sent_wall_us` (real time).
    `looks` counts how often what became of that was looked up; `confirm_url` is where the customer must confirm it.
    `replaces_id`: the mandate whose limits these become once the provider agrees. `idle_days`: not debited for so long
    it ends; its provider's own rule where it has one.
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
    merchant_ids: tuple[str, ...] | None
    device_ids: tuple[str, ...] | None
    supply_ids: tuple[str, ...] | None
    price_tolerance_percent: float
    valid_from_us: int
    valid_until_us: int | None
    per_period_count: int | None = None
    confirm_url: str = ""
    note: str = ""
    sent_wall_us: int | None = None
    looks: int = 0
    replaces_id: str | None = None
    idle_days: int = IDLE_DAYS


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
    """The field's terms for one try to pay; it begins unknown, for it is written before the provider is asked.

    Expired: the hold lapsed before anything was captured. Reversed: its provider took back all that was captured.
    Replaced: a later try pays what this one did not, or what was taken back of it.
    """

    UNKNOWN = "unknown"
    REQUIRES_ACTION = "requires_action"
    AUTHORIZED = "authorized"
    CAPTURE_PENDING = "capture_pending"
    CAPTURED = "captured"
    VOIDED = "voided"
    DECLINED = "declined"
    EXPIRED = "expired"
    REPLACED = "replaced"
    REVERSED = "reversed"
    MANUAL_REVIEW = "manual_review"


LIVE_ATTEMPT_STATES = frozenset(
    {
        AttemptState.UNKNOWN,
        AttemptState.REQUIRES_ACTION,
        AttemptState.AUTHORIZED,
        AttemptState.CAPTURE_PENDING,
        AttemptState.CAPTURED,
        AttemptState.REVERSED,
        AttemptState.MANUAL_REVIEW,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try to pay one cart by one method under one mandate. At most one live attempt per cart, held by the store.

    `hold_expires_us`: until when the provider holds the amount; None where it sets no end. `captures_once`: its first
    capture ends the hold, and what is still due then is held anew by a later try of the same approval.
    """

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
    hold_expires_us: int | None = None
    captures_once: bool = False


class OperationKind(StrEnum):
    """What an attempt asks of the provider."""

    AUTHORIZE = "authorize"
    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"


class OperationState(StrEnum):
    """Created is written before the call, unknown from the call until the outcome is known.

    Declined: the provider decided against it. Failed: it did nothing, for the request was wrong or never came to it.
    Reversed: what had taken effect and was taken back since (a debit returned, a dispute, a refund that came back).
    """

    CREATED = "created"
    UNKNOWN = "unknown"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    FAILED = "failed"
    REVERSED = "reversed"
    MANUAL_REVIEW = "manual_review"


UNCLOSED_OPERATION_STATES = frozenset({OperationState.CREATED, OperationState.UNKNOWN, OperationState.PENDING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One request to a provider, with its own idempotency key (its id), committed before the call.

    `subject_id`: the shipment that a capture bills or a refund gives back (perhaps with /cause), the cart of an
    authorize, the attempt of a void. `note` is the provider's last answer in words, `answered_us` when it came.
    `settled_ref` is the pay-out that brought it, `reversed_ref` the one that took it back; empty before.
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
    answered_us: int | None = None
    settled_ref: str = ""
    reversed_ref: str = ""


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
