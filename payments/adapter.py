"""What the gateway needs of a payment provider, and nothing else. README.md shows how to write one.

Every call carries an idempotency `key` and our `reference` (the operation's id). The same key with the same request
takes effect once and answers the same; with another request it is refused (InvalidRequest). What the provider decided
comes back as an outcome; raised are only NotSent, RateLimited, InvalidRequest and ConfigError (errors.py). Whatever
else happens after the request left (a timeout, a 500, an unreadable answer, another amount than asked) is `Unknown`.

The whole interface is named here; its parts stand in requests.py, outcomes.py, capabilities.py, settlements.py and
offers.py (what an adapter may offer besides).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from payments.capabilities import (
    AccountPrompt,
    Capabilities,
    HostedPage,
)
from payments.offers import (
    Exchanged,
    FileExchange,
    OpenBook,
    Returning,
    SetAside,
    StoredBalance,
)
from payments.outcomes import (
    Authorized,
    AuthorizeOutcome,
    Captured,
    CaptureOutcome,
    Declined,
    DeclineKind,
    MandateActive,
    MandateRevoked,
    NotFound,
    Outcome,
    Pending,
    Refunded,
    RefundOutcome,
    RequiresAction,
    Reversed,
    RevokeMandateOutcome,
    SetupMandateOutcome,
    SyncOutcome,
    ToppedUp,
    TopUpOutcome,
    Unknown,
    Voided,
    VoidOutcome,
)
from payments.requests import (
    Authorize,
    Capture,
    OperationKind,
    Refund,
    RevokeMandate,
    SetupMandate,
    Sync,
    TopUp,
    Void,
)
from payments.settlements import (
    Movement,
    Settlement,
    SettlementLine,
)

__all__ = [
    "AccountPrompt",
    "Authorize",
    "AuthorizeOutcome",
    "Authorized",
    "Capabilities",
    "Capture",
    "CaptureOutcome",
    "Captured",
    "DeclineKind",
    "Declined",
    "Exchanged",
    "FileExchange",
    "HostedPage",
    "MandateActive",
    "MandateRevoked",
    "Movement",
    "NotFound",
    "Notice",
    "OpenBook",
    "OperationKind",
    "Outcome",
    "PaymentAdapter",
    "Pending",
    "Refund",
    "RefundOutcome",
    "Refunded",
    "RequiresAction",
    "Returning",
    "Reversed",
    "RevokeMandate",
    "RevokeMandateOutcome",
    "SetAside",
    "Settlement",
    "SettlementLine",
    "SetupMandate",
    "SetupMandateOutcome",
    "StoredBalance",
    "Sync",
    "SyncOutcome",
    "TopUp",
    "TopUpOutcome",
    "ToppedUp",
    "Unknown",
    "Void",
    "VoidOutcome",
    "Voided",
]


@dataclass(frozen=True, slots=True)
class Notice:
    """A verified hint that something happened; `notice_id` is for deduplication, `references` are to be synced."""

    notice_id: str
    references: tuple[str, ...]


class PaymentAdapter(Protocol):
    """One provider. Made as `Adapter(context)`, synchronous, safe to call from several threads."""

    @property
    def capabilities(self) -> Capabilities:
        """What this provider can do; constant, no call."""
        ...

    def setup_mandate(self, request: SetupMandate) -> SetupMandateOutcome:
        """Ask for the permission to debit."""
        ...

    def revoke_mandate(self, request: RevokeMandate) -> RevokeMandateOutcome:
        """Give the permission back."""
        ...

    def authorize(self, request: Authorize) -> AuthorizeOutcome:
        """Hold money."""
        ...

    def capture(self, request: Capture) -> CaptureOutcome:
        """Move held money; more than is held is InvalidRequest."""
        ...

    def void(self, request: Void) -> VoidOutcome:
        """Free what is still held; a hold with nothing left is InvalidRequest."""
        ...

    def refund(self, request: Refund) -> RefundOutcome:
        """Give captured money back; more than was captured is InvalidRequest."""
        ...

    def sync(self, request: Sync) -> SyncOutcome:
        """What became of an operation: itself only, not what later operations did to it."""
        ...

    def list_settlements(self, since_us: int) -> tuple[Settlement, ...]:
        """Pay-outs at or after `since_us`, oldest first, a page of at most 200: ask again from the last one's instant.

        Empty where nothing is paid out. May raise OutcomeUnknown: nothing was changed, ask again.
        """
        ...

    def parse_notice(self, headers: Mapping[str, str], body: bytes) -> Notice:
        """Verify and read what the provider sent us; raises NoticeRejected unless proven."""
        ...
