"""What a provider decided. `provider_ref` is the provider's own id of what the operation made."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from payments.money import Money


class DeclineKind(StrEnum):
    """What a decline leaves to be done."""

    SOFT = "soft"  # a new attempt later may succeed, a bounded number of times
    HARD = "hard"  # this payment method is of no use any more: suspend it
    MANDATE = "mandate"  # the method is good, the permission is not: ask for a new mandate


@dataclass(frozen=True, slots=True)
class MandateActive:
    """The permission to debit stands; `label` is what the provider calls the account, such as "Visa •••• 4242"."""

    mandate_ref: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class MandateRevoked:
    """The permission is gone; to revoke it again changes nothing."""

    mandate_ref: str


@dataclass(frozen=True, slots=True)
class Authorized:
    """Held, until `expires_at_us` where the provider says so."""

    provider_ref: str
    amount: Money
    expires_at_us: int | None = None


@dataclass(frozen=True, slots=True)
class Captured:
    """Money moved."""

    provider_ref: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Voided:
    """`amount` is what was still held and is free again."""

    provider_ref: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Refunded:
    """Money moved back."""

    provider_ref: str
    amount: Money


@dataclass(frozen=True, slots=True)
class ToppedUp:
    """The stored balance grew."""

    provider_ref: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Pending:
    """Accepted and not yet decided: a notice will come, or sync later, where it is known not before `decides_us`."""

    provider_ref: str
    decides_us: int | None = None


@dataclass(frozen=True, slots=True)
class Declined:
    """Refused by a decision; nothing moved. `code` is the provider's, `message` may be shown to a person."""

    kind: DeclineKind
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Reversed:
    """Money that moved and was taken back since: a debit returned, a card dispute lost, a refund that came back.

    Only sync says so, of a capture or refund; from then on always. `amount` is all that was taken back: of less than
    moved the operator is told. `kind` is what that leaves to be done, as for a decline.
    """

    provider_ref: str
    amount: Money
    code: str
    message: str
    kind: DeclineKind = DeclineKind.SOFT


@dataclass(frozen=True, slots=True)
class RequiresAction:
    """The customer must act at `url` (strong authentication).

    Of an authorization `provider_ref` can be voided where the provider lets what is not confirmed be called off.
    """

    provider_ref: str
    url: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may have taken effect. Sync; never a new key, never a failure by itself."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotFound:
    """The provider has nothing under our reference, so far: the operation may still be on its way."""


SetupMandateOutcome: TypeAlias = MandateActive | Pending | RequiresAction | Declined | Unknown
RevokeMandateOutcome: TypeAlias = MandateRevoked | Pending | Declined | Unknown
AuthorizeOutcome: TypeAlias = Authorized | Pending | RequiresAction | Declined | Unknown
CaptureOutcome: TypeAlias = Captured | Pending | Declined | Unknown
VoidOutcome: TypeAlias = Voided | Pending | Declined | Unknown
RefundOutcome: TypeAlias = Refunded | Pending | Declined | Unknown
TopUpOutcome: TypeAlias = ToppedUp | Pending | Declined | Unknown
Outcome: TypeAlias = (
    MandateActive
    | MandateRevoked
    | Authorized
    | Captured
    | Voided
    | Refunded
    | ToppedUp
    | Pending
    | Declined
    | RequiresAction
    | Unknown
)
SyncOutcome: TypeAlias = Outcome | Reversed | NotFound
