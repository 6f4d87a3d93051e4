"""Open banking (UK): variable recurring payments (VRP) under a consent that the customer gives at their own bank.

Nothing is ever held: authorize asks whether the funds are there and remembers the amount, each capture is a payment of
its own, a void is ours alone. Money arrives at once in the operator's account at the bank. Refunds, the list of what
arrived and to find a payment by our name of it are each bank's own; here they are those of simulators/vrp_bank.py.

Settings: `url` of the bank, `client_id`, `redirect_uri` (the gateway's /money/returned/openbanking, as the bank has it
registered), `creditor_account` (sort code and account number of the operator) and `creditor_name`; where they differ
from what follows from these: `api`, `issuer`, `jwks_url`, `kid`, `timeout_s` (10), `title`. Secret: `signing_key`, a
PEM whose public half the bank knows under `kid`. README.md tells how to try it.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

from msgspec.structs import replace

from payments.adapter import (
    Authorize,
    AuthorizeOutcome,
    Capabilities,
    Capture,
    CaptureOutcome,
    Declined,
    DeclineKind,
    HostedPage,
    NotFound,
    Notice,
    OperationKind,
    Refund,
    RefundOutcome,
    RevokeMandate,
    RevokeMandateOutcome,
    Settlement,
    SettlementLine,
    SetupMandate,
    SetupMandateOutcome,
    Sync,
    SyncOutcome,
    Unknown,
    Void,
    VoidOutcome,
)
from payments.adapters.openbanking_access import Access, AccessLost, BankSettings
from payments.adapters.openbanking_answers import DUPLICATE, Said, money_of
from payments.adapters.openbanking_bank import Bank
from payments.adapters.openbanking_consents import Consents
from payments.adapters.openbanking_notices import EventReader
from payments.adapters.openbanking_operations import (
    LONGEST_NAME,
    authorized,
    begin,
    captured,
    closed,
    declined,
    outcome_of,
    refunded,
    voided,
)
from payments.adapters.openbanking_state import Consent, Hold, Memory, Operation, PaymentName, fingerprint, short
from payments.context import AdapterContext
from payments.errors import NO_SUCH_MANDATE, NOTHING_HELD, InvalidRequest, OutcomeUnknown
from payments.money import Money

TITLE = "Bank account (open banking)"
HINT = "You choose the account at your bank, and agree there to how much may be taken and how often."
CURRENCY = "GBP"
KEY_WINDOW_S = 86_400
NO_FUNDS = ("insufficient_funds", "There is not enough money in the account.")
ACCESS_LOST = ("access_lost", "Your bank wants you to confirm the permission anew.")

Answer = TypeVar("Answer")


class OpenBankingAdapter:
    """One bank; what it must remember is in its state."""

    def __init__(self, context: AdapterContext) -> None:
        self._settings = BankSettings.of(context.settings)
        self._context = context
        self._memory = Memory(context.state)
        access = Access(context, self._settings, self._memory)
        self._bank = Bank(context, self._settings, access)
        self._consents = Consents(context, self._bank, access, self._memory)
        self._events = EventReader(context, self._settings)
        self.capabilities = Capabilities(
            title=context.settings.get("title", TITLE),
            account=HostedPage(HINT),
            currencies=frozenset({CURRENCY}),
            manual_capture=False,
            partial_capture=True,
            multiple_captures=True,
            void=True,
            lookup_by_reference=True,
            idempotency_window_s=KEY_WINDOW_S,
            replays_5xx=False,
            finality="final",
            refund_right_days=0,
            prenotify_days=0,
            creditor=self._settings.creditor_name,
        )

    # The permission

    def setup_mandate(self, request: SetupMandate) -> SetupMandateOutcome:
        """Ask for a consent; the customer agrees to it on the bank's page."""
        if request.per_order_limit.currency != CURRENCY or request.per_order_limit.amount_minor <= 0:
            raise InvalidRequest("limit", f"a limit is an amount above zero in {CURRENCY}")
        return _or_unknown(lambda: self._consents.ask(request))

    def whose_return(self, query: Mapping[str, str]) -> str | None:
        """The reference whose customer comes back with this query; None for one that nobody was sent away with."""
        return self._consents.whose_return(query)

    def customer_returned(self, reference: str, query: Mapping[str, str]) -> SetupMandateOutcome:
        """Take what the customer brings back from the bank's page, once; a second time is InvalidRequest."""
        return _or_unknown(lambda: self._consents.returned(reference, query))

    def revoke_mandate(self, request: RevokeMandate) -> RevokeMandateOutcome:
        """Give the consent back; its tokens are forgotten."""
        return _or_unknown(lambda: self._consents.give_back(request.mandate_ref))

    # Money

    def authorize(self, request: Authorize) -> AuthorizeOutcome:
        """Ask whether the consent stands and the funds are there, and remember the amount. Nothing is held."""
        consent = self._memory.find(Consent, request.mandate_ref)
        _require_amount(request.amount)
        if consent is None or consent.method_token != request.method_token:
            raise InvalidRequest(NO_SUCH_MANDATE, f"no consent of this account is called {request.mandate_ref}")
        name = short(request.reference, LONGEST_NAME)
        parts = (request.key, request.reference, request.amount, request.method_token, request.mandate_ref)
        operation = Operation(
            kind=OperationKind.AUTHORIZE,
            reference=request.reference,
            fingerprint=fingerprint(*parts),
            parent=consent.id,
            amount_minor=request.amount.amount_minor,
            currency=request.amount.currency,
        )
        known = self._memory.find(Operation, name)
        if known is not None:
            return authorized(begin(self._memory, name, operation))
        return _or_unknown(lambda: self._authorize(name, operation, consent, request.amount))

    def _authorize(self, name: str, operation: Operation, consent: Consent, amount: Money) -> AuthorizeOutcome:
        refusal = self._consents.refusal(consent, amount)
        if refusal is None:
            try:
                funds = self._bank.has_funds(consent, amount)
            except AccessLost:
                funds = Declined(DeclineKind.MANDATE, *ACCESS_LOST)
            refusal = funds if isinstance(funds, Declined) else None
            if funds is False:
                refusal = Declined(DeclineKind.SOFT, *NO_FUNDS)
        if refusal is not None:
            return authorized(begin(self._memory, name, declined(operation, refusal)))
        hold = f"hold-{name}"
        self._memory.add(hold, Hold(operation.reference, consent.id, amount.amount_minor, amount.currency))
        done = replace(operation, status="done", provider_ref=hold, expires_at_us=consent.valid_to_us)
        return authorized(begin(self._memory, name, done))

    def capture(self, request: Capture) -> CaptureOutcome:
        """Take one payment; what was sent before is looked up first, and goes out again under its own key."""
        _require_amount(request.amount)
        hold = self._memory.find(Hold, request.authorization_ref)
        if hold is None:
            raise InvalidRequest("no_such_hold", f"no hold is called {request.authorization_ref}")
        name = short(request.reference, LONGEST_NAME)
        operation = _operation(OperationKind.CAPTURE, request, request.authorization_ref)
        is_repeat = self._memory.find(Operation, name) is not None
        if not is_repeat:
            self._take(request.authorization_ref, name, request.amount.amount_minor)
        known = begin(self._memory, name, operation)
        if known.status in {"done", "declined"}:
            self._let_go_if_declined(known, name)
            return captured(known)
        # Refused as wrong it was let go of: what goes out again counts again.
        self._take(request.authorization_ref, name, request.amount.amount_minor)
        return _or_unknown(lambda: self._pay(request, name, hold.consent_id, is_repeat=is_repeat))

    def _pay(self, request: Capture, name: str, consent_id: str, *, is_repeat: bool) -> CaptureOutcome:
        said: Said | Declined | None = self._bank.find_payment(name) if is_repeat else None
        if said is None:
            consent = self._memory.find(Consent, consent_id)
            if consent is None:
                raise OutcomeUnknown(f"the consent {consent_id} is not remembered")
            said = self._ask_to_pay(request, name, consent)
            if is_repeat and isinstance(said, Declined):  # the one before may still be on its way
                raise OutcomeUnknown(f"the bank takes no repeat of it: {said.code}")
        known = closed(self._memory, name, said, consent_id)
        self._let_go_if_declined(known, name)
        return captured(known)

    def _ask_to_pay(self, request: Capture, name: str, consent: Consent) -> Said | Declined:
        if (ended := self._consents.ended(consent)) is not None:
            return ended
        try:
            return self._bank.pay(consent, request.key, name, request.amount)
        except AccessLost:
            return Declined(DeclineKind.MANDATE, *ACCESS_LOST)
        except InvalidRequest as refused:
            if refused.code == DUPLICATE:
                raise OutcomeUnknown("the bank has it already, and its key no more") from refused
            self._forget_capture(request.authorization_ref, name)
            raise

    def void(self, request: Void) -> VoidOutcome:
        """Let go what no capture took: nothing of it ever was at the bank."""
        hold = self._memory.find(Hold, request.authorization_ref)
        if hold is None:
            raise InvalidRequest("no_such_hold", f"no hold is called {request.authorization_ref}")

        def let_go(present: Hold) -> Hold:
            if present.voided_by == request.reference:
                return present
            if present.left_minor == 0:
                raise InvalidRequest(NOTHING_HELD, "nothing is left of it")
            released = present.released_minor + present.left_minor
            return replace(present, voided_by=request.reference, released_minor=released)

        released = self._memory.change(Hold, request.authorization_ref, let_go).released_minor
        name = short(request.reference, LONGEST_NAME)
        operation = Operation(
            kind=OperationKind.VOID,
            reference=request.reference,
            fingerprint=fingerprint(request.key, request.reference, request.authorization_ref),
            parent=request.authorization_ref,
            amount_minor=released,
            currency=hold.currency,
            status="done",
            provider_ref=f"void-{name}",
        )
        return voided(begin(self._memory, name, operation))

    def refund(self, request: Refund) -> RefundOutcome:
        """Pay money back from the operator's account; the bank sees to it that it is not more than was taken."""
        _require_amount(request.amount)
        name = short(request.reference, LONGEST_NAME)
        is_repeat = self._memory.find(Operation, name) is not None
        known = begin(self._memory, name, _operation(OperationKind.REFUND, request, request.capture_ref))
        if known.status in {"done", "declined"}:
            return refunded(known)

        def pay_back() -> RefundOutcome:
            said = self._bank.find_refund(name) if is_repeat else None
            if said is None:
                said = self._bank.refund(request.key, name, request.capture_ref, request.amount)
            return refunded(closed(self._memory, name, said, None))

        return _or_unknown(pay_back)

    # Afterwards

    def sync(self, request: Sync) -> SyncOutcome:
        """What became of an operation, by our own name of it."""
        if request.kind is OperationKind.SETUP_MANDATE:
            return _or_unknown(lambda: self._consents.look(request.reference))
        name = short(request.reference, LONGEST_NAME)
        known = self._memory.find(Operation, name)
        if known is None or known.kind is not request.kind:
            return NotFound()
        if known.status in {"done", "declined"}:
            self._let_go_if_declined(known, name)
            return outcome_of(known)
        return _or_unknown(lambda: self._look(name, known))

    def _look(self, name: str, known: Operation) -> SyncOutcome:
        if known.kind is OperationKind.REFUND:
            said, consent_id = self._bank.find_refund(name), None
        else:
            hold = self._memory.find(Hold, known.parent)
            said, consent_id = self._bank.find_payment(name), None if hold is None else hold.consent_id
        if said is None:
            return NotFound()
        now = closed(self._memory, name, said, consent_id)
        self._let_go_if_declined(now, name)
        return outcome_of(now)

    def list_settlements(self, since_us: int) -> tuple[Settlement, ...]:
        """Each payment and refund is a settlement by itself: it is in the operator's account at once, without a fee."""
        found = []
        for line in self._bank.transactions(since_us):
            amount = money_of(line)
            known = self._memory.find(Operation, line.InstructionIdentification)
            reference = line.InstructionIdentification if known is None else known.reference
            lines = (SettlementLine(reference, amount),)
            nothing = Money(0, amount.currency)
            found.append(Settlement(line.TransactionId, line.at_us, amount, nothing, amount, lines))
        return tuple(found)

    def parse_notice(self, headers: Mapping[str, str], body: bytes) -> Notice:
        """Verify a security event token; it names what to look up, where we know it."""
        del headers
        notice_id, events = self._events.read(body)
        references = []
        for event in events:
            if event.kind.startswith("domestic-vrp-consent"):
                consent = self._memory.find(Consent, event.resource)
                references += [] if consent is None else [consent.reference]
            else:
                payment = self._memory.find(PaymentName, event.resource)
                references += [] if payment is None else [payment.reference]
        return Notice(notice_id, tuple(references))

    # What a hold counts

    def _take(self, hold_ref: str, name: str, amount_minor: int) -> None:
        """Count a capture against its hold before the bank is asked; raises InvalidRequest for more than is left."""

        def count(present: Hold) -> Hold:
            if name in present.taken:
                return present
            if amount_minor > present.left_minor:
                raise InvalidRequest("over_capture", f"{present.left_minor} is left, not {amount_minor}")
            return replace(present, taken=present.taken | {name: amount_minor})

        self._memory.change(Hold, hold_ref, count)

    def _forget_capture(self, hold_ref: str, name: str) -> None:
        def forget(present: Hold) -> Hold:
            return replace(present, taken={one: minor for one, minor in present.taken.items() if one != name})

        self._memory.change(Hold, hold_ref, forget)

    def _let_go_if_declined(self, known: Operation, name: str) -> None:
        if known.kind is OperationKind.CAPTURE and known.status == "declined":
            self._forget_capture(known.parent, name)


def _operation(kind: OperationKind, request: Capture | Refund, parent: str) -> Operation:
    return Operation(
        kind=kind,
        reference=request.reference,
        fingerprint=fingerprint(request.key, request.reference, request.amount, parent),
        parent=parent,
        amount_minor=request.amount.amount_minor,
        currency=request.amount.currency,
    )


def _require_amount(amount: Money) -> None:
    if amount.currency != CURRENCY or amount.amount_minor <= 0:
        raise InvalidRequest("amount", f"an amount above zero in {CURRENCY} is needed, not {amount}")


def _or_unknown(ask: Callable[[], Answer]) -> Answer | Unknown:
    """Ask; an answer that was lost or cannot be read is Unknown."""
    try:
        return ask()
    except OutcomeUnknown as lost:
        return Unknown(lost.reason)
