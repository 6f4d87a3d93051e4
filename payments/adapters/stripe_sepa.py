"""Stripe: SEPA direct debit.

The customer gives IBAN and mandate on Stripe's own page. A bank account cannot be held: authorize checks the
permission and remembers the amount, each capture is a debit of its own, takes days, and may come back.

Settings and secrets are those of the cards (stripe.py), given again under this adapter's name, and `prenotify_days`
(2): how long before a debit the customer is told, as the mandate on Stripe's page promises.
"""

from collections.abc import Mapping

import msgspec
import stripe

from payments.adapter import (
    Authorize,
    Authorized,
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
    SetupMandate,
    SetupMandateOutcome,
    Sync,
    SyncOutcome,
    Unknown,
    Void,
    Voided,
    VoidOutcome,
)
from payments.adapters.stripe_answers import Intent, Refusal, read_debit
from payments.adapters.stripe_connection import connect
from payments.adapters.stripe_disputes import or_reversed
from payments.adapters.stripe_intents import Intents
from payments.adapters.stripe_mandates import Mandates
from payments.adapters.stripe_money import to_stripe
from payments.adapters.stripe_notices import read_notice
from payments.adapters.stripe_records import MOST_RACES, Hold, Mandate, Operation, Records
from payments.adapters.stripe_refunds import refund, sync_refund
from payments.adapters.stripe_settlements import list_settlements
from payments.context import AdapterContext
from payments.errors import NO_SUCH_MANDATE, NOTHING_HELD, ConfigError, InvalidRequest, OutcomeUnknown
from payments.money import Money

NAME = "stripe_sepa"
TITLE = "SEPA direct debit"
HINT = "You give the account and the mandate on Stripe's own page. The IBAN is never typed, or kept, here."
KEY_WINDOW_S = 86_400
REFUND_RIGHT_DAYS = 56
PRENOTIFY_DAYS = 2
HOLD_PREFIX = "hold:"


class StripeSepaDebit:
    """Bank accounts at Stripe; what must survive is in the context's state."""

    def __init__(self, context: AdapterContext) -> None:
        self._context = context
        self._client: stripe.StripeClient = connect(context)
        self._records = Records(context.state)
        self._mandates = Mandates(self._client, self._records, NAME, "sepa_debit")
        self._intents = Intents(self._client, self._records, NAME, "sepa_debit")
        try:
            prenotify_days = int(context.settings.get("prenotify_days", PRENOTIFY_DAYS))
        except ValueError as error:
            raise ConfigError("the stripe_sepa adapter's setting prenotify_days is a number of days") from error
        self.capabilities = Capabilities(
            title=context.settings.get("title", TITLE),
            account=HostedPage(HINT),
            currencies=frozenset({"EUR"}),
            manual_capture=False,
            partial_capture=True,
            multiple_captures=True,
            void=True,
            lookup_by_reference=True,
            idempotency_window_s=KEY_WINDOW_S,
            replays_5xx=True,
            finality="reversible",
            refund_right_days=REFUND_RIGHT_DAYS,
            prenotify_days=prenotify_days,
        )

    def setup_mandate(self, request: SetupMandate) -> SetupMandateOutcome:
        """Lead the customer to Stripe's page."""
        return self._mandates.set_up(request)

    def revoke_mandate(self, request: RevokeMandate) -> RevokeMandateOutcome:
        """Take the account off Stripe's books."""
        return self._mandates.revoke(request)

    def authorize(self, request: Authorize) -> AuthorizeOutcome:
        """Check the permission and remember the amount; Stripe hears nothing of it."""
        to_stripe(request.amount)
        ref = f"{HOLD_PREFIX}{request.reference}"
        wanted = Hold(
            reference=request.reference,
            mandate=request.mandate_ref,
            amount_minor=request.amount.amount_minor,
            currency=request.amount.currency,
        )
        hold = self._records.find(Hold, ref)
        if hold is None:
            mandate = self._mandates.standing(
                request.mandate_ref, request.method_token, request.amount, self._context.now_us()
            )
            if isinstance(mandate, Declined):
                return mandate
            hold = self._records.begin(ref, wanted)
        if (hold.mandate, hold.amount) != (wanted.mandate, wanted.amount):
            raise InvalidRequest("key_reused", "the key was used for another request")
        return Authorized(ref, hold.amount)

    def capture(self, request: Capture) -> CaptureOutcome:
        """Debit the account, within what was authorized; the bank decides in days."""
        to_stripe(request.amount)
        hold = self._take(request)
        mandate = self._records.find(Mandate, hold.mandate)
        if mandate is None:
            raise InvalidRequest(NO_SUCH_MANDATE, "Stripe has no such permission")
        if mandate.revoked and self._records.find(Operation, request.reference) is None:
            self._give_back(request.authorization_ref, request.reference)
            return Declined(DeclineKind.MANDATE, "mandate_revoked", "The permission was given back.")
        wanted = Operation(
            key=request.key,
            kind="capture",
            on=request.authorization_ref,
            amount_minor=request.amount.amount_minor,
            currency=request.amount.currency,
            customer=mandate.customer,
        )
        operation = self._records.begin_operation(request.reference, wanted)
        try:
            made: Intent | Refusal
            if operation.made:
                made = self._intents.retrieve(operation.made)
            elif mandate.revoked:
                made = self._intents.sent_before(request.reference, operation)
            else:
                made = self._intents.make(request.reference, operation, mandate, manual=False)
        except OutcomeUnknown as lost:
            return Unknown(lost.reason)
        except InvalidRequest:
            self._give_back(request.authorization_ref, request.reference)
            raise
        if isinstance(made, Refusal):
            outcome: CaptureOutcome = made.declined
        else:
            self._records.keep(f"captured/{made.id}", request.reference)  # a dispute names the payment alone
            outcome = read_debit(made, request.reference, request.amount, now_us=self._context.now_us())
        if isinstance(outcome, Declined):
            self._give_back(request.authorization_ref, request.reference)
        return outcome

    def void(self, request: Void) -> VoidOutcome:
        """Forget what is left of an amount; raises InvalidRequest(NOTHING_HELD) where nothing is."""
        for _ in range(MOST_RACES):
            hold = self._hold(request.authorization_ref)
            if hold.voided_by == request.reference:
                return Voided(f"void:{request.reference}", Money(hold.voided_minor, hold.currency))
            if hold.left_minor <= 0:
                raise InvalidRequest(NOTHING_HELD, "nothing is left of it")
            voided = msgspec.structs.replace(hold, voided_by=request.reference, voided_minor=hold.left_minor)
            if self._records.change(request.authorization_ref, hold, voided):
                self._records.keep(f"voids/{request.reference}", request.authorization_ref)
        return Unknown("too many changed it at once")

    def refund(self, request: Refund) -> RefundOutcome:
        """Give debited money back, by a credit transfer of Stripe's."""
        return refund(self._client, self._records, NAME, request, now_us=self._context.now_us())

    def sync(self, request: Sync) -> SyncOutcome:
        """Look an operation up: by Stripe's id of it where that came, else in the list of its customer."""
        try:
            match request.kind:
                case OperationKind.SETUP_MANDATE:
                    return self._mandates.sync(request.reference)
                case OperationKind.REFUND:
                    return sync_refund(self._client, self._records, request.reference, self._context.now_us())
                case OperationKind.CAPTURE:
                    return self._debited(request.reference)
                case _:
                    return self._remembered(request)
        except OutcomeUnknown as lost:
            return Unknown(lost.reason)

    def list_settlements(self, since_us: int) -> tuple[Settlement, ...]:
        """Of each pay-out the direct debits and what was given back of them."""
        return list_settlements(self._client, self._records, since_us, adapter=NAME, takes_strangers=False)

    def parse_notice(self, headers: Mapping[str, str], body: bytes) -> Notice:
        """Check the signature, then say what is to be looked up."""
        return read_notice(self._context, self._records, NAME, headers, body)

    def _hold(self, ref: str) -> Hold:
        hold = self._records.find(Hold, ref)
        if hold is None:
            raise InvalidRequest("no_such_hold", "there is no such authorization")
        return hold

    def _take(self, request: Capture) -> Hold:
        """Count a capture against its authorization, once; raises InvalidRequest for more than is left of it."""
        for _ in range(MOST_RACES):
            hold = self._hold(request.authorization_ref)
            before = hold.taken.get(request.reference)
            if before is not None:
                if before not in {0, request.amount.amount_minor}:  # 0: it came to nothing, and is said so again
                    raise InvalidRequest("key_reused", "the key was used for another request")
                return hold
            if request.amount.currency != hold.currency or request.amount.amount_minor > hold.left_minor:
                raise InvalidRequest("over_capture", f"{request.amount} is more than is left")
            taken = {**hold.taken, request.reference: request.amount.amount_minor}
            if self._records.change(request.authorization_ref, hold, msgspec.structs.replace(hold, taken=taken)):
                return hold
        raise OutcomeUnknown("too many changed it at once")

    def _give_back(self, ref: str, reference: str) -> None:
        """Take a capture that came to nothing off its authorization: what was not debited may be debited later."""
        for _ in range(MOST_RACES):
            hold = self._hold(ref)
            if not hold.taken.get(reference):
                return
            given_back = msgspec.structs.replace(hold, taken={**hold.taken, reference: 0})
            if self._records.change(ref, hold, given_back):
                return

    def _debited(self, reference: str) -> SyncOutcome:
        operation = self._records.find(Operation, reference)
        intent = None if operation is None else self._intents.find(reference, operation)
        if operation is None or intent is None:
            return NotFound()
        outcome = read_debit(intent, reference, operation.amount, now_us=self._context.now_us())
        if isinstance(outcome, Declined):
            self._give_back(operation.on, reference)
        self._records.keep(f"captured/{intent.id}", reference)
        return or_reversed(self._client, intent, outcome)

    def _remembered(self, request: Sync) -> SyncOutcome:
        """Return what only this adapter knows of: an authorization, or its end."""
        is_void = request.kind is OperationKind.VOID
        ref = self._records.word(f"voids/{request.reference}") if is_void else f"{HOLD_PREFIX}{request.reference}"
        hold = None if ref is None else self._records.find(Hold, ref)
        if ref is None or hold is None:
            return NotFound()
        if not is_void:
            return Authorized(ref, hold.amount)
        return Voided(f"void:{request.reference}", Money(hold.voided_minor, hold.currency))
