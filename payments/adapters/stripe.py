"""Stripe: cards, and the wallets that are cards there (Apple Pay, Google Pay).

The customer chooses the card on Stripe's own page (stripe_mandates.py): no number comes here. An order is held by an
off-session PaymentIntent with manual capture. Stripe captures a hold once and lets the rest go, so each parcel that
follows is paid by a hold of its own. Where the bank wants the customer, they confirm on its page.

Settings: `timeout_s` (30), `notice_tolerance_s` (43,200), `title`, `url` (a pretend Stripe on this machine). Secrets:
`api_key` (a restricted key will do: docs in README.md), `notice_secret` (`whsec_…`; two, with a comma between, while
one is being replaced).
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

import stripe

from payments.adapter import (
    Authorize,
    AuthorizeOutcome,
    Capabilities,
    Capture,
    Captured,
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
from payments.adapters.stripe_answers import Intent, Refusal, read, read_hold, read_refusal
from payments.adapters.stripe_connection import asked, connect
from payments.adapters.stripe_disputes import or_reversed
from payments.adapters.stripe_intents import Intents
from payments.adapters.stripe_mandates import Mandates
from payments.adapters.stripe_money import CURRENCIES, from_stripe, to_stripe
from payments.adapters.stripe_notices import read_notice
from payments.adapters.stripe_records import Mandate, Operation, Records
from payments.adapters.stripe_refunds import refund, sync_refund
from payments.adapters.stripe_settlements import list_settlements
from payments.context import AdapterContext
from payments.errors import NOTHING_HELD, InvalidRequest, MoneyError, OutcomeUnknown
from payments.money import Money

NAME = "stripe"
TITLE = "Card, Apple Pay or Google Pay"
HINT = "You choose the card or wallet on Stripe's own page. Its number is never typed, or kept, here."
KEY_WINDOW_S = 86_400
"""Stripe forgets an idempotency key after 24 hours at the earliest (docs.stripe.com/api/idempotent_requests)."""

# Of each hold: the reference of the one operation that captured, or voided, it.
CAPTURED = "captured/"
VOIDED = "voided/"

Outcome = TypeVar("Outcome")


class StripeCards:
    """Cards at Stripe; what must survive is in the context's state."""

    def __init__(self, context: AdapterContext) -> None:
        self._context = context
        self._client = connect(context)
        self._records = Records(context.state)
        self._mandates = Mandates(self._client, self._records, NAME, "card")
        self._intents = Intents(self._client, self._records, NAME, "card")
        self.capabilities = Capabilities(
            title=context.settings.get("title", TITLE),
            account=HostedPage(HINT),
            currencies=CURRENCIES,
            manual_capture=True,
            partial_capture=True,
            multiple_captures=False,
            void=True,
            lookup_by_reference=True,
            idempotency_window_s=KEY_WINDOW_S,
            replays_5xx=True,
            finality="reversible",
            refund_right_days=0,
            prenotify_days=0,
        )

    def setup_mandate(self, request: SetupMandate) -> SetupMandateOutcome:
        """Lead the customer to Stripe's page."""
        return self._mandates.set_up(request)

    def revoke_mandate(self, request: RevokeMandate) -> RevokeMandateOutcome:
        """Take the card off Stripe's books."""
        return self._mandates.revoke(request)

    def authorize(self, request: Authorize) -> AuthorizeOutcome:
        """Hold money without the customer; where the bank wants them, say where they confirm."""
        to_stripe(request.amount)
        mandate = self._mandates.standing(
            request.mandate_ref, request.method_token, request.amount, self._context.now_us()
        )
        if isinstance(mandate, Declined):
            return self._sent_before(request, mandate)
        wanted = Operation(
            key=request.key,
            kind="authorize",
            on=request.mandate_ref,
            amount_minor=request.amount.amount_minor,
            currency=request.amount.currency,
            customer=mandate.customer,
        )
        operation = self._records.begin_operation(request.reference, wanted)
        try:
            if operation.made:
                made: Intent | Refusal = self._intents.retrieve(operation.made)
            else:
                made = self._intents.make(request.reference, operation, mandate, manual=True)
            return self._held(request, operation, mandate, made)
        except OutcomeUnknown as lost:
            return Unknown(lost.reason)

    def _sent_before(self, request: Authorize, ended: Declined) -> AuthorizeOutcome:
        """Say no where nothing was sent before the permission ended; else what became of that."""
        operation = self._records.find(Operation, request.reference)
        if operation is None:
            return ended
        try:
            intent = self._intents.sent_before(request.reference, operation)
        except OutcomeUnknown as lost:
            return Unknown(lost.reason)
        return read_hold(intent, request.reference, request.amount)

    def capture(self, request: Capture) -> CaptureOutcome:
        """Take the held money, or a part of it; Stripe lets the rest go."""
        minor, _ = to_stripe(request.amount)
        claim = f"{CAPTURED}{request.authorization_ref}"
        operation = self._begin(request, request.amount)
        if self._records.claim(claim, request.reference) != request.reference:
            raise InvalidRequest("captured_before", "Stripe captures a hold once, and this one was captured")
        try:
            made = asked(
                lambda: self._client.v1.payment_intents.capture(
                    request.authorization_ref,
                    {"amount_to_capture": minor, "expand": ["latest_charge"]},
                    {"idempotency_key": request.key},
                )
            )
            outcome = _captured(read(made, Intent), operation.amount)
        except stripe.CardError as error:
            self._records.give_up(claim, request.reference)
            return read_refusal(error).declined
        except OutcomeUnknown as lost:
            return Unknown(lost.reason)
        except InvalidRequest:
            outcome = self._now(request.authorization_ref, lambda intent: _captured(intent, operation.amount))
            if not isinstance(outcome, Captured | Unknown):
                self._records.give_up(claim, request.reference)
                raise
        return Unknown("Stripe did not say that it captured") if isinstance(outcome, NotFound) else outcome

    def void(self, request: Void) -> VoidOutcome:
        """Let what is held go; raises InvalidRequest(NOTHING_HELD) for a hold that was captured, or let go before."""
        claim = f"{VOIDED}{request.authorization_ref}"
        self._begin(request, None)
        if self._records.claim(claim, request.reference) != request.reference:
            raise InvalidRequest(NOTHING_HELD, "it was given back before")
        outcome: Voided | Captured | NotFound | Unknown
        try:
            made = asked(
                lambda: self._client.v1.payment_intents.cancel(
                    request.authorization_ref, {"expand": ["latest_charge"]}, {"idempotency_key": request.key}
                )
            )
            outcome = _voided(read(made, Intent))
        except stripe.CardError as error:
            return Unknown(f"Stripe answered a void with {read_refusal(error).declined.code}")
        except OutcomeUnknown as lost:
            return Unknown(lost.reason)
        except InvalidRequest:
            outcome = self._now(request.authorization_ref, _let_go)
            if not isinstance(outcome, Voided | Unknown):
                self._records.give_up(claim, request.reference)
                if isinstance(outcome, Captured):
                    raise InvalidRequest(NOTHING_HELD, "nothing of it is held") from None
                raise  # it is held still: that it could not be given back now is for a person to see
        return outcome if isinstance(outcome, Voided | Unknown) else Unknown("Stripe did not say that it gave it back")

    def refund(self, request: Refund) -> RefundOutcome:
        """Give captured money back."""
        return refund(self._client, self._records, NAME, request, now_us=self._context.now_us())

    def sync(self, request: Sync) -> SyncOutcome:
        """Look an operation up: by Stripe's id of it where that came, else in the list of its customer."""
        reference = request.reference
        try:
            match request.kind:
                case OperationKind.SETUP_MANDATE:
                    return self._mandates.sync(reference)
                case OperationKind.REFUND:
                    return sync_refund(self._client, self._records, reference, self._context.now_us())
                case OperationKind.AUTHORIZE | OperationKind.CAPTURE | OperationKind.VOID:
                    operation = self._records.find(Operation, reference)
                    return NotFound() if operation is None else self._look_up(request, operation)
                case _:
                    return NotFound()
        except OutcomeUnknown as lost:
            return Unknown(lost.reason)

    def list_settlements(self, since_us: int) -> tuple[Settlement, ...]:
        """Stripe's pay-outs that arrived, with the part that is this adapter's and all that is nobody's."""
        return list_settlements(self._client, self._records, since_us, adapter=NAME, takes_strangers=True)

    def parse_notice(self, headers: Mapping[str, str], body: bytes) -> Notice:
        """Check the signature, then say what is to be looked up."""
        return read_notice(self._context, self._records, NAME, headers, body)

    def _look_up(self, request: Sync, operation: Operation) -> SyncOutcome:
        if request.kind is OperationKind.AUTHORIZE:
            intent = self._intents.find(request.reference, operation)
            if (
                intent is None or intent.wants_the_customer
            ):  # then the page is still to be asked for, under the same key
                return NotFound()
            return read_hold(intent, request.reference, operation.amount)
        is_capture = request.kind is OperationKind.CAPTURE
        if self._records.word(f"{CAPTURED if is_capture else VOIDED}{operation.on}") != request.reference:
            return NotFound()
        intent = self._intents.retrieve(operation.on)
        return or_reversed(self._client, intent, _captured(intent, operation.amount) if is_capture else _voided(intent))

    def _held(
        self, request: Authorize, operation: Operation, mandate: Mandate, made: Intent | Refusal
    ) -> AuthorizeOutcome:
        """Read what became of a hold; where the bank wants the customer, get the page where they confirm."""
        intent = made.intent if isinstance(made, Refusal) else made
        if intent is not None and intent.wants_the_customer and request.return_url is not None:
            made = self._intents.let_customer_confirm(operation, intent, mandate, request.return_url)
        if isinstance(made, Refusal):
            return made.declined
        return read_hold(made, request.reference, request.amount)

    def _begin(self, request: Capture | Void, amount: Money | None) -> Operation:
        if not request.authorization_ref.startswith("pi_"):
            raise InvalidRequest("no_such_hold", "Stripe has no such hold")
        wanted = Operation(
            key=request.key,
            kind="capture" if isinstance(request, Capture) else "void",
            on=request.authorization_ref,
            amount_minor=0 if amount is None else amount.amount_minor,
            currency="" if amount is None else amount.currency,
        )
        return self._records.begin_operation(request.reference, wanted)

    def _now(self, intent_id: str, reader: Callable[[Intent], Outcome]) -> Outcome | Unknown:
        """Read what an intent is now, after a request about it was refused."""
        try:
            return reader(self._intents.retrieve(intent_id))
        except OutcomeUnknown as lost:
            return Unknown(lost.reason)


def _captured(intent: Intent, amount: Money) -> Captured | Declined | NotFound | Unknown:
    match intent.status:
        case "succeeded":
            try:
                taken = from_stripe(intent.amount_received, intent.currency)
            except MoneyError as error:
                return Unknown(f"Stripe's answer cannot be read: {error}")
            return Captured(intent.id, amount) if taken == amount else Unknown(f"Stripe took {taken}, not {amount}")
        case "canceled":
            return Declined(DeclineKind.SOFT, "hold_canceled", "The amount is not held any more.")
        case _:
            return NotFound()


def _let_go(intent: Intent) -> Voided | Captured | NotFound | Unknown:
    """Return what a refused void left: let go before, captured before, or (NotFound) as it was."""
    if intent.status != "succeeded":
        return _voided(intent)
    try:
        return Captured(intent.id, from_stripe(intent.amount_received, intent.currency))
    except MoneyError as error:
        return Unknown(f"Stripe's answer cannot be read: {error}")


def _voided(intent: Intent) -> Voided | NotFound | Unknown:
    if intent.status != "canceled":
        return NotFound()
    try:
        return Voided(intent.id, from_stripe(intent.amount, intent.currency))
    except MoneyError as error:
        return Unknown(f"Stripe's answer cannot be read: {error}")
