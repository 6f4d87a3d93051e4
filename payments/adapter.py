"""What the gateway needs of a payment provider, and nothing else. README.md shows how to write one.

Every call carries an idempotency `key` and our `reference` (the operation's id). The same key with the same request
takes effect once and answers the same; with another request it is refused (InvalidRequest). What the provider decided
comes back as an outcome; raised are only NotSent, RateLimited, InvalidRequest and ConfigError (errors.py). Whatever
else happens after the request left (a timeout, a 500, an unreadable answer, another amount than asked) is `Unknown`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from payments.errors import SettlementMismatch
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


class DeclineKind(StrEnum):
    """What a decline leaves to be done."""

    SOFT = "soft"  # a new attempt later may succeed, a bounded number of times
    HARD = "hard"  # this payment method is of no use any more: suspend it
    MANDATE = "mandate"  # the method is good, the permission is not: ask for a new mandate


# Requests


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


# Outcomes. `provider_ref` is the provider's own id of what the operation made.


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


@dataclass(frozen=True, slots=True)
class SettlementLine:
    """One capture (positive), or refund or reversal of a capture (negative) inside a pay-out; `reference`: ours."""

    reference: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Settlement:
    """One pay-out of the provider to the operator: `gross` is the sum of the lines, `net` = gross - fee arrived.

    Raises:
        SettlementMismatch: it does not add up, or speaks of several currencies.
    """

    provider_ref: str
    settled_at_us: int
    gross: Money
    fee: Money
    net: Money
    lines: tuple[SettlementLine, ...]

    def __post_init__(self) -> None:
        """Refuse what does not add up, before anybody books it."""
        amounts = [self.gross, self.fee, self.net, *(line.amount for line in self.lines)]
        currencies = {amount.currency for amount in amounts}
        if len(currencies) != 1:
            raise SettlementMismatch(self.provider_ref, f"it speaks of {', '.join(sorted(currencies))}")
        lines_minor = sum(line.amount.amount_minor for line in self.lines)
        if lines_minor != self.gross.amount_minor:
            raise SettlementMismatch(self.provider_ref, f"its lines are {lines_minor}, its gross is {self.gross}")
        if self.net != self.gross - self.fee:
            raise SettlementMismatch(self.provider_ref, f"{self.gross} less {self.fee} is not {self.net}")


@dataclass(frozen=True, slots=True)
class Movement:
    """Money under one of our references, as one side's book has it; AUTHORIZE is what is still held."""

    reference: str
    kind: OperationKind
    amount: Money


@dataclass(frozen=True, slots=True)
class Notice:
    """A verified hint that something happened; `notice_id` is for deduplication, `references` are to be synced."""

    notice_id: str
    references: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AccountPrompt:
    """What a person is asked for to link an account: the field's `label`, and what to write there."""

    label: str
    hint: str


@dataclass(frozen=True, slots=True)
class HostedPage:
    """The customer chooses the account on the provider's own page: nothing is typed here, several may be linked.

    `method_token` is then the payment method's own id, and the mandate is asked for there (RequiresAction).
    """

    hint: str


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider is called and can do."""

    title: str  # what people call it
    account: AccountPrompt | HostedPage | None  # None: nothing is asked, the gateway names the household's one account
    currencies: frozenset[str] | None  # None: every currency
    manual_capture: bool  # authorize truly holds; else it only checks and remembers, and capture may still be declined
    partial_capture: bool  # a capture below the held amount
    multiple_captures: bool  # several captures of one hold; else the first capture ends it, whatever it leaves
    void: bool
    lookup_by_reference: bool  # sync works; else an unknown outcome waits for a notice or a person
    idempotency_window_s: int | None  # how long a key is remembered; None: for ever
    replays_5xx: bool  # a key whose first answer was a 5xx answers the same 5xx for ever
    finality: Literal["final", "reversible"]  # reversible: captured money may be taken back without us
    refund_right_days: int  # the customer's own right to undo a debit
    prenotify_days: int  # how long before a debit the customer must be told; the gateway tells, and captures after it
    merchant_debits: bool = False  # the merchant takes the money itself: it never is ours, and no journal has it
    creditor: str = ""  # who debits, as the customer's statement names them: told with what is announced
    idle_lapse_days: int | None = None  # a mandate nobody debited by for so long is void; None: never


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


@runtime_checkable
class OpenBook(Protocol):
    """What an adapter whose provider shows its whole book can do besides, so that ours can be checked against it."""

    def movements(self, method_token: str) -> tuple[Movement, ...]:
        """Every open hold (authorize), capture not taken back, refund and top-up of one customer.

        May raise OutcomeUnknown.
        """
        ...


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What came of an exchange of files: `references` of ours that changed, and when to exchange again."""

    references: tuple[str, ...]
    again_us: int


@dataclass(frozen=True, slots=True)
class SetAside:
    """Something a provider sent that an operator must look at: its name, why, and when it came."""

    name: str
    reason: str
    at_us: int


@runtime_checkable
class FileExchange(Protocol):
    """What an adapter whose provider is reached by files can do besides."""

    def exchange(self, held_back: frozenset[str] = frozenset()) -> Exchanged:
        """Read what came, and hand over what is due; may die at any line and be called again.

        `held_back`: references of captures that are accepted and may not be handed over for now (a freeze): they wait.
        """
        ...

    def heard(self, references: tuple[str, ...]) -> None:
        """Be told that these were written down: `exchange` names them until then."""
        ...

    def set_aside(self) -> tuple[SetAside, ...]:
        """Return what could not be read or belongs to nothing of ours, newest first, at most 100."""
        ...


@runtime_checkable
class Returning(Protocol):
    """What an adapter can do besides whose provider sends the customer back with something that the adapter needs.

    Every customer comes back to the same address of the gateway, which hands on what stands behind the `?`.
    """

    def whose_return(self, query: Mapping[str, str]) -> str | None:
        """The reference of the set-up that this customer was sent away for; None where nobody was."""
        ...

    def customer_returned(self, reference: str, query: Mapping[str, str]) -> SetupMandateOutcome:
        """Take it, once: the same again is InvalidRequest. Nothing in `query` is proven, whoever brings it."""
        ...


@runtime_checkable
class StoredBalance(Protocol):
    """What an adapter that keeps the customers' money itself can do besides."""

    def top_up(self, request: TopUp) -> TopUpOutcome:
        """Add money that arrived."""
        ...

    def balance(self, method_token: str, currency: str) -> tuple[Money, Money]:
        """(available, held)."""
        ...
