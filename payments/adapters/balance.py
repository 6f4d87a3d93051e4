"""A stored balance: the operator keeps the customer's money, and a debit is a change in our own memory.

No settings, no secrets, no network. `method_token` names the balance; a mandate or a first top-up opens it, in one
currency for ever. Money comes in by `top_up`, which whoever sees the incoming payment calls.
"""

import hashlib
from collections.abc import Callable, Mapping

import msgspec
from msgspec.structs import replace

from payments.adapter import (
    Authorize,
    AuthorizeOutcome,
    Capabilities,
    Capture,
    CaptureOutcome,
    DeclineKind,
    Movement,
    NotFound,
    Notice,
    OperationKind,
    Refund,
    RefundOutcome,
    RevokeMandate,
    RevokeMandateOutcome,
    Settlement,
    SetupMandate,
    SetupMandateOutcome,
    Sync,
    SyncOutcome,
    TopUp,
    TopUpOutcome,
    Unknown,
    Void,
    VoidOutcome,
)
from payments.adapters.balance_answers import (
    READERS,
    authorized,
    captured,
    mandate_active,
    mandate_revoked,
    read_record,
    refunded,
    topped_up,
    voided,
)
from payments.adapters.balance_book import (
    MAX_OPEN_HOLDS,
    MAX_REFUNDS,
    AccountDocument,
    BalanceBook,
    Hold,
    MandateDocument,
    Record,
    RefundsDocument,
)
from payments.context import AdapterContext
from payments.errors import NO_SUCH_MANDATE, NOTHING_HELD, InvalidRequest, NoticeRejected
from payments.money import LARGEST_MINOR, Money

Refusal = tuple[DeclineKind, str, str]


class BalanceAdapter:
    """Every customer's balance, in the adapter's key-value state."""

    capabilities = Capabilities(
        title="Stored balance",
        account=None,
        currencies=None,
        manual_capture=True,
        partial_capture=True,
        multiple_captures=True,
        void=True,
        lookup_by_reference=True,
        idempotency_window_s=None,
        replays_5xx=False,
        finality="final",
        refund_right_days=0,
        prenotify_days=0,
    )

    def __init__(self, context: AdapterContext) -> None:
        self._context = context
        self._book = BalanceBook(context.state)

    def setup_mandate(self, request: SetupMandate) -> SetupMandateOutcome:
        """Remember the permission; opens the balance where there is none."""
        limit = _positive(request.per_order_limit)
        if request.expires_at_us is not None and request.expires_at_us <= self._context.now_us():
            raise InvalidRequest("expired", "a mandate that has ended cannot begin")
        self._claim(request, request.method_token)
        self._open(request.method_token, limit.currency)
        mandate = MandateDocument(request.method_token, limit.amount_minor, limit.currency, request.expires_at_us)
        self._book.change(f"mandate/{request.reference}", MandateDocument, lambda there: there or mandate)
        record = Record(request.reference, OperationKind.SETUP_MANDATE, limit.amount_minor, limit.currency)
        return read_record(self._book.close(request.reference, record), mandate_active)

    def revoke_mandate(self, request: RevokeMandate) -> RevokeMandateOutcome:
        """Forget the permission."""
        mandate = self._mandate(request.mandate_ref)
        self._claim(request, mandate.token)
        revoked = replace(mandate, active=False)
        self._book.change(f"mandate/{request.mandate_ref}", MandateDocument, lambda _: revoked)
        record = Record(
            request.reference, OperationKind.REVOKE_MANDATE, 0, mandate.currency, parent=request.mandate_ref
        )
        return read_record(self._book.close(request.reference, record), mandate_revoked)

    def authorize(self, request: Authorize) -> AuthorizeOutcome:
        """Move money from available to held."""
        amount = _positive(request.amount)
        mandate = self._mandate(request.mandate_ref)
        if mandate.token != request.method_token:
            raise InvalidRequest("wrong_account", "the permission to debit is for another balance")
        self._claim(request, request.method_token)

        def rule(account: AccountDocument) -> AccountDocument:
            _same_currency(account, amount)
            record = _record(request.reference, OperationKind.AUTHORIZE, amount, request.mandate_ref)
            if refusal := self._refusal(account, amount, request.mandate_ref):
                return _with(account, _declined(record, refusal))
            return _with(
                replace(
                    account,
                    available_minor=account.available_minor - amount.amount_minor,
                    held_minor=account.held_minor + amount.amount_minor,
                    holds=account.holds | {request.reference: Hold(amount.amount_minor)},
                ),
                record,
            )

        return read_record(self._book.apply(request.method_token, request.reference, rule), authorized)

    def capture(self, request: Capture) -> CaptureOutcome:
        """Take held money away."""
        amount = _positive(request.amount)
        token = self._book.place(request.authorization_ref)
        self._claim(request, token)

        def rule(account: AccountDocument) -> AccountDocument:
            _same_currency(account, amount)
            left = _left(account, request.authorization_ref) - amount.amount_minor
            if left < 0:
                raise InvalidRequest("over_capture", f"{amount} is more than is left of the hold")
            holds = dict(account.holds) | {request.authorization_ref: Hold(left)}
            if left == 0:
                del holds[request.authorization_ref]
            return _with(
                replace(account, held_minor=account.held_minor - amount.amount_minor, holds=holds),
                _record(request.reference, OperationKind.CAPTURE, amount, request.authorization_ref),
            )

        return read_record(self._book.apply(token, request.reference, rule), captured)

    def void(self, request: Void) -> VoidOutcome:
        """Make what is left of a hold available again."""
        token = self._book.place(request.authorization_ref)
        self._claim(request, token)

        def rule(account: AccountDocument) -> AccountDocument:
            left = _left(account, request.authorization_ref)
            if left == 0:
                raise InvalidRequest(NOTHING_HELD, "nothing is left of the hold")
            freed = replace(
                account,
                available_minor=account.available_minor + left,
                held_minor=account.held_minor - left,
                holds={held: hold for held, hold in account.holds.items() if held != request.authorization_ref},
            )
            amount = Money(left, account.currency)
            return _with(freed, _record(request.reference, OperationKind.VOID, amount, request.authorization_ref))

        return read_record(self._book.apply(token, request.reference, rule), voided)

    def refund(self, request: Refund) -> RefundOutcome:
        """Give captured money back: promised first, so that two refunds together never exceed the capture."""
        amount = _positive(request.amount)
        capture = self._book.record(request.capture_ref)
        if capture is None or capture.kind is not OperationKind.CAPTURE:
            raise InvalidRequest("no_such_capture", f"nothing was captured as {request.capture_ref}")
        if capture.currency != amount.currency:
            raise InvalidRequest("currency_mismatch", f"it was captured in {capture.currency}")
        token = self._book.place(request.capture_ref)
        self._claim(request, token)
        promise = _promise(request.reference, amount, capture.amount_minor)
        self._book.change(f"refunds/{request.capture_ref}", RefundsDocument, promise)

        def rule(account: AccountDocument) -> AccountDocument:
            record = _record(request.reference, OperationKind.REFUND, amount, request.capture_ref)
            return _with(_grown(account, amount), record)

        return read_record(self._book.apply(token, request.reference, rule), refunded)

    def top_up(self, request: TopUp) -> TopUpOutcome:
        """Add money that arrived; opens the balance where there is none."""
        amount = _positive(request.amount)
        self._claim(request, request.method_token)
        self._open(request.method_token, amount.currency)

        def rule(account: AccountDocument) -> AccountDocument:
            _same_currency(account, amount)
            return _with(_grown(account, amount), _record(request.reference, OperationKind.TOP_UP, amount, ""))

        return read_record(self._book.apply(request.method_token, request.reference, rule), topped_up)

    def balance(self, method_token: str, currency: str) -> tuple[Money, Money]:
        """(available, held); of an unknown balance, nothing."""
        account = self._book.read(f"account/{method_token}", AccountDocument) or AccountDocument(currency)
        _same_currency(account, Money.zero(currency))
        return Money(account.available_minor, currency), Money(account.held_minor, currency)

    def movements(self, method_token: str) -> tuple[Movement, ...]:
        """Open holds and all that ever moved."""
        account = self._book.read(f"account/{method_token}", AccountDocument)
        if account is None:
            return ()
        held = [
            Movement(reference, OperationKind.AUTHORIZE, Money(hold.left_minor, account.currency))
            for reference, hold in account.holds.items()
        ]
        moving = {OperationKind.CAPTURE, OperationKind.REFUND, OperationKind.TOP_UP}
        moved = [
            Movement(record.reference, record.kind, Money(record.amount_minor, record.currency))
            for record in reversed(self._book.history(method_token))
            if record.kind in moving and not record.code
        ]
        return (*held, *moved)

    def sync(self, request: Sync) -> SyncOutcome:
        """Look into our own memory."""
        record = self._book.record(request.reference)
        if record is None:
            return NotFound()
        if record.kind is not request.kind:
            return Unknown(f"{request.reference} is {record.kind}, asked was {request.kind}")
        return read_record(record, READERS[record.kind])

    def list_settlements(self, since_us: int) -> tuple[Settlement, ...]:  # noqa: ARG002 — the interface has it
        """Nobody pays out: the money was the operator's all along."""
        return ()

    def parse_notice(self, headers: Mapping[str, str], body: bytes) -> Notice:  # noqa: ARG002 — the interface has it
        """Refuse: there is no provider who could send one."""
        raise NoticeRejected("a stored balance sends no notices")

    def _claim(
        self, request: SetupMandate | RevokeMandate | Authorize | Capture | Void | Refund | TopUp, token: str
    ) -> None:
        what = type(request).__name__.encode() + msgspec.json.encode(request)
        self._book.claim(request.key, hashlib.sha256(what).hexdigest(), request.reference, token)

    def _open(self, token: str, currency: str) -> None:
        account = self._book.change(
            f"account/{token}", AccountDocument, lambda there: there or AccountDocument(currency)
        )
        _same_currency(account, Money.zero(currency))

    def _mandate(self, mandate_ref: str) -> MandateDocument:
        mandate = self._book.read(f"mandate/{mandate_ref}", MandateDocument)
        if mandate is None:
            raise InvalidRequest(NO_SUCH_MANDATE, f"no mandate is called {mandate_ref}")
        return mandate

    def _refusal(self, account: AccountDocument, amount: Money, mandate_ref: str) -> Refusal | None:
        mandate = self._mandate(mandate_ref)
        if not mandate.active:
            return DeclineKind.MANDATE, "mandate_revoked", "The permission to debit was given back."
        if mandate.expires_at_us is not None and self._context.now_us() >= mandate.expires_at_us:
            return DeclineKind.MANDATE, "mandate_expired", "The permission to debit has ended."
        if amount.amount_minor > mandate.limit_minor:
            return DeclineKind.MANDATE, "over_limit", "The amount is above the limit of the permission to debit."
        if amount.amount_minor > account.available_minor:
            return DeclineKind.SOFT, "insufficient_funds", "There is not enough in the balance."
        if len(account.holds) >= MAX_OPEN_HOLDS:
            return DeclineKind.SOFT, "too_many_holds", "Too many orders are open at once."
        return None


def _record(reference: str, kind: OperationKind, amount: Money, parent: str) -> Record:
    return Record(reference, kind, amount.amount_minor, amount.currency, parent=parent)


def _declined(record: Record, refusal: Refusal) -> Record:
    kind, code, message = refusal
    return replace(record, decline_kind=kind, code=code, message=message)


def _with(account: AccountDocument, record: Record) -> AccountDocument:
    return replace(account, records=account.records | {record.reference: record})


def _grown(account: AccountDocument, amount: Money) -> AccountDocument:
    if account.available_minor + account.held_minor + amount.amount_minor > LARGEST_MINOR:
        raise InvalidRequest("too_large", "the balance would grow beyond what an amount can be")
    return replace(account, available_minor=account.available_minor + amount.amount_minor)


def _promise(reference: str, amount: Money, captured_minor: int) -> Callable[[RefundsDocument | None], RefundsDocument]:
    def rule(there: RefundsDocument | None) -> RefundsDocument:
        promised = there.promised if there is not None else {}
        if reference in promised:
            return RefundsDocument(promised)
        if sum(promised.values()) + amount.amount_minor > captured_minor or len(promised) >= MAX_REFUNDS:
            raise InvalidRequest("over_refund", f"{amount} is more than can still be refunded")
        return RefundsDocument(promised | {reference: amount.amount_minor})

    return rule


def _positive(amount: Money) -> Money:
    if amount.amount_minor <= 0:
        raise InvalidRequest("invalid_amount", f"{amount} is not an amount to move")
    return amount


def _same_currency(account: AccountDocument, amount: Money) -> None:
    if account.currency != amount.currency:
        raise InvalidRequest("currency_mismatch", f"the balance is kept in {account.currency}, not {amount.currency}")


def _left(account: AccountDocument, authorization_ref: str) -> int:
    hold = account.holds.get(authorization_ref)
    return hold.left_minor if hold is not None else 0
