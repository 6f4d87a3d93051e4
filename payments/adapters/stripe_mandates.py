"""Permissions to debit at Stripe: the customer chooses card, wallet or bank account on Stripe's own page (Checkout).

Behind the page is a SetupIntent, which asks the bank for the strong authentication that later debits stand on. What
the customer types there never comes here. Stripe keeps no limit for it: the adapter does, and holds nothing beyond.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec
import stripe

from payments.adapter import (
    Declined,
    DeclineKind,
    MandateActive,
    MandateRevoked,
    NotFound,
    Pending,
    RequiresAction,
    RevokeMandate,
    RevokeMandateOutcome,
    SetupMandate,
    SetupMandateOutcome,
    SyncOutcome,
    Unknown,
)
from payments.adapters.stripe_answers import ADAPTER, REFERENCE, Failure, declined, read, read_refusal
from payments.adapters.stripe_connection import asked
from payments.adapters.stripe_records import Mandate, Records, Setup
from payments.errors import NO_SUCH_MANDATE, InvalidRequest, OutcomeUnknown
from payments.money import Money

if TYPE_CHECKING:
    from stripe.params.checkout import SessionCreateParams

MOST_LISTED = 100
MethodType = Literal["card", "sepa_debit"]


class _Wallet(msgspec.Struct):
    type: str


class _CardFace(msgspec.Struct):
    brand: str = "card"
    last4: str = ""
    wallet: _Wallet | None = None


class _BankFace(msgspec.Struct):
    last4: str = ""


class _Method(msgspec.Struct):
    id: str
    card: _CardFace | None = None
    sepa_debit: _BankFace | None = None


class _SetupIntent(msgspec.Struct):
    id: str
    status: str
    payment_method: _Method | str | None = None
    last_setup_error: Failure | None = None


class _Session(msgspec.Struct):
    id: str
    status: str | None = None
    url: str | None = None
    client_reference_id: str | None = None
    setup_intent: _SetupIntent | str | None = None


class _Object(msgspec.Struct):
    id: str


@dataclass(frozen=True, slots=True)
class Mandates:
    """Asks for permissions of one kind of account and gives them back."""

    client: stripe.StripeClient
    records: Records
    adapter: str
    method_type: MethodType

    def set_up(self, request: SetupMandate) -> SetupMandateOutcome:
        """Open Stripe's page for the customer, or say what became of the one that was opened."""
        if request.return_url is None:
            raise InvalidRequest("no_return_url", "Stripe's page must know where it leads the customer back to")
        wanted = Setup(
            token=request.method_token,
            customer=self._customer(request.method_token),
            limit_minor=request.per_order_limit.amount_minor,
            currency=request.per_order_limit.currency,
            return_url=request.return_url,
            expires_at_us=request.expires_at_us,
        )
        setup = self.records.begin(request.reference, wanted)
        if msgspec.structs.replace(setup, session="") != wanted:
            raise InvalidRequest("key_reused", "the key was used for another request")
        try:
            found = self._retrieve(setup.session) if setup.session else self._open(request, setup)
            return self._read(request.reference, setup, found)
        except OutcomeUnknown as lost:
            return Unknown(lost.reason)

    def sync(self, reference: str) -> SyncOutcome:
        """What became of a permission that was asked for."""
        setup = self.records.find(Setup, reference)
        if setup is None:
            return NotFound()
        found = self._retrieve(setup.session) if setup.session else self._search(reference, setup)
        if found is None:
            return NotFound()
        self._note_session(reference, setup, found.id)
        return self._read(reference, setup, found)

    def revoke(self, request: RevokeMandate) -> RevokeMandateOutcome:
        """Debit nothing under it any more, then take the account off Stripe's books; a second time changes nothing."""
        mandate = self.records.find(Mandate, request.mandate_ref)
        if mandate is None:
            raise InvalidRequest(NO_SUCH_MANDATE, "Stripe has no such permission")
        # Nothing else of the record ever changes: who loses this race finds it revoked.
        self.records.change(request.mandate_ref, mandate, msgspec.structs.replace(mandate, revoked=True))
        try:
            asked(
                lambda: self.client.v1.payment_methods.detach(
                    mandate.payment_method, options={"idempotency_key": request.key}
                )
            )
        except OutcomeUnknown as lost:
            return Unknown(lost.reason)
        except InvalidRequest:
            pass  # it is not attached any more: that is what was wanted
        return MandateRevoked(request.mandate_ref)

    def standing(self, mandate_ref: str, token: str, amount: Money, now_us: int) -> Mandate | Declined:
        """Return the permission an amount may be debited under; raises InvalidRequest for one of another account."""
        mandate = self.records.find(Mandate, mandate_ref)
        if mandate is None:
            raise InvalidRequest(NO_SUCH_MANDATE, "Stripe has no such permission")
        if mandate.token != token:
            raise InvalidRequest("wrong_account", "the permission is for another account")
        if amount.currency != mandate.currency:
            raise InvalidRequest("currency_mismatch", f"the permission is in {mandate.currency}")
        if mandate.revoked:
            return Declined(DeclineKind.MANDATE, "mandate_revoked", "The permission was given back.")
        if mandate.expires_at_us is not None and now_us >= mandate.expires_at_us:
            return Declined(DeclineKind.MANDATE, "mandate_expired", "The permission has ended.")
        if amount > mandate.limit:
            return Declined(DeclineKind.MANDATE, "over_limit", f"The permission allows {mandate.limit} an order.")
        return mandate

    def _customer(self, token: str) -> str:
        known = self.records.word(f"customer/{token}")
        if known is not None:
            return known
        made = asked(
            lambda: self.client.v1.customers.create(
                {"metadata": {REFERENCE: token, ADAPTER: self.adapter}},
                {"idempotency_key": f"{self.adapter}/{token}/customer"},
            )
        )
        return self.records.keep(f"customer/{token}", read(made, _Object).id)

    def _open(self, request: SetupMandate, setup: Setup) -> _Session:
        metadata = {REFERENCE: request.reference, ADAPTER: self.adapter}
        page: SessionCreateParams = {
            "mode": "setup",
            "customer": setup.customer,
            "allowed_payment_method_types": [self.method_type],
            "client_reference_id": request.reference,
            "success_url": setup.return_url,
            "cancel_url": setup.return_url,
            "metadata": metadata,
            "setup_intent_data": {"metadata": metadata},
        }
        try:
            made = asked(lambda: self.client.v1.checkout.sessions.create(page, {"idempotency_key": request.key}))
        except stripe.CardError as error:
            raise OutcomeUnknown(f"Stripe declined a page: {read_refusal(error).declined.code}") from None
        session = read(made, _Session)
        self._note_session(request.reference, setup, session.id)
        return session

    def _note_session(self, reference: str, setup: Setup, session: str) -> None:
        if setup.session != session:
            self.records.change(reference, setup, msgspec.structs.replace(setup, session=session))

    def _retrieve(self, session: str) -> _Session:
        found = asked(
            lambda: self.client.v1.checkout.sessions.retrieve(session, {"expand": ["setup_intent.payment_method"]})
        )
        return read(found, _Session)

    def _search(self, reference: str, setup: Setup) -> _Session | None:
        """Find a page whose answer was lost among those of this customer: a list is never behind."""
        page = asked(lambda: self.client.v1.checkout.sessions.list({"customer": setup.customer, "limit": MOST_LISTED}))
        for row in page.data:
            session = read(row, _Session)
            if session.client_reference_id == reference:
                return self._retrieve(session.id)
        return None

    def _read(self, reference: str, setup: Setup, found: _Session) -> SetupMandateOutcome:
        if found.client_reference_id != reference:
            return Unknown(f"Stripe answered about {found.client_reference_id}")
        match found.status:
            case "open" if found.url is not None:
                return RequiresAction(found.id, found.url)
            case "expired":
                text = "Its page was not finished in time. Link it anew."
                return Declined(DeclineKind.SOFT, "setup_expired", text)
            case "complete" if isinstance(found.setup_intent, _SetupIntent):
                return self._completed(setup, found.setup_intent)
            case status:
                return Unknown(f"Stripe's page {found.id} is {status}, which says nothing")

    def _completed(self, setup: Setup, intent: _SetupIntent) -> SetupMandateOutcome:
        method = intent.payment_method
        match intent.status:
            case "succeeded" if isinstance(method, _Method):
                mandate = Mandate(
                    token=setup.token,
                    customer=setup.customer,
                    payment_method=method.id,
                    limit_minor=setup.limit_minor,
                    currency=setup.currency,
                    return_url=setup.return_url,
                    expires_at_us=setup.expires_at_us,
                )
                self.records.begin(intent.id, mandate)
                return MandateActive(intent.id, _label(method))
            case "processing":
                return Pending(intent.id)
            case "canceled" | "requires_payment_method":
                return declined(intent.last_setup_error or Failure("setup_failed", None, "It was not confirmed."))
            case status:
                return Unknown(f"Stripe's permission {intent.id} is {status}, which says nothing")


def _label(method: _Method) -> str:
    """Return what Stripe calls an account: "Visa •••• 4242", "Apple Pay (Visa •••• 4242)", "IBAN •••• 3000"."""
    if method.sepa_debit is not None:
        return f"IBAN •••• {method.sepa_debit.last4}"
    if method.card is None:
        return ""
    face = f"{_words(method.card.brand)} •••• {method.card.last4}"
    return f"{_words(method.card.wallet.type)} ({face})" if method.card.wallet is not None else face


def _words(code: str) -> str:
    return code.replace("_", " ").title()
