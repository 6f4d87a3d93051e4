"""What a provider is asked for. `key` is the idempotency key, `reference` our own id of the operation."""

from dataclasses import dataclass
from enum import StrEnum

from payments.money import Money


class OperationKind(StrEnum):
    """The kinds of operation a provider is asked for."""

    SETUP_MANDATE = "setup_mandate"
    REVOKE_MANDATE = "revoke_mandate"
    AUTHORIZE = "authorize"
    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"
    TOP_UP = "top_up"


@dataclass(frozen=True, slots=True)
class SetupMandate:
    """Ask the customer's provider for the permission to debit; `return_url` is where the customer comes back to.

    `per_period_limit` in any `period_days`, for a provider that binds itself to that too, as to the instants between
    which it is valid: from `begins_at_us` (None: at once), until before `expires_at_us`.
    """

    key: str
    reference: str
    method_token: str
    per_order_limit: Money
    expires_at_us: int | None = None
    return_url: str | None = None
    per_period_limit: Money | None = None
    period_days: int | None = None
    begins_at_us: int | None = None


@dataclass(frozen=True, slots=True)
class RevokeMandate:
    """Give the permission back."""

    key: str
    reference: str
    mandate_ref: str


@dataclass(frozen=True, slots=True)
class Authorize:
    """Hold `amount` for a later capture, under a mandate. `method_token` is the provider's, never a card number.

    `return_url` is where the customer comes back to, should they have to confirm it.
    """

    key: str
    reference: str
    amount: Money
    method_token: str
    mandate_ref: str
    return_url: str | None = None


@dataclass(frozen=True, slots=True)
class Capture:
    """Move held money, all of it or a part; `authorization_ref` is the provider_ref of `Authorized`."""

    key: str
    reference: str
    amount: Money
    authorization_ref: str


@dataclass(frozen=True, slots=True)
class Void:
    """Free what is still held."""

    key: str
    reference: str
    authorization_ref: str


@dataclass(frozen=True, slots=True)
class Refund:
    """Give captured money back; `capture_ref` is the provider_ref of `Captured`."""

    key: str
    reference: str
    amount: Money
    capture_ref: str


@dataclass(frozen=True, slots=True)
class Sync:
    """Ask what became of an earlier operation of ours."""

    reference: str
    kind: OperationKind


@dataclass(frozen=True, slots=True)
class TopUp:
    """Money that arrived for a stored balance."""

    key: str
    reference: str
    amount: Money
    method_token: str
