"""PaymentIntents: made under a key, found again by their id or in the list of their customer."""

from dataclasses import dataclass
from itertools import islice

import stripe

from payments.adapters.stripe_answers import ADAPTER, REFERENCE, Intent, Refusal, read, read_refusal
from payments.adapters.stripe_connection import asked
from payments.adapters.stripe_mandates import MethodType
from payments.adapters.stripe_money import to_stripe
from payments.adapters.stripe_records import Mandate, Operation, Records
from payments.errors import OutcomeUnknown

MOST_LISTED = 100
MOST_LOOKED_AT = 1_000


@dataclass(frozen=True, slots=True)
class Intents:
    """Debits of one kind of account."""

    client: stripe.StripeClient
    records: Records
    adapter: str
    method_type: MethodType

    def make(self, reference: str, operation: Operation, mandate: Mandate, *, manual: bool) -> Intent | Refusal:
        """Debit off session, or hold where `manual`; raises what `asked` raises, but no refusal."""
        minor, currency = to_stripe(operation.amount)
        try:
            made = asked(
                lambda: self.client.v1.payment_intents.create(
                    {
                        "amount": minor,
                        "currency": currency,
                        "customer": mandate.customer,
                        "payment_method": mandate.payment_method,
                        "allowed_payment_method_types": [self.method_type],
                        "capture_method": "manual" if manual else "automatic",
                        "confirm": True,
                        "off_session": True,
                        "metadata": {REFERENCE: reference, ADAPTER: self.adapter},
                        "expand": ["latest_charge"],
                    },
                    {"idempotency_key": operation.key},
                )
            )
        except stripe.CardError as error:
            return self._refused(reference, operation, read_refusal(error))
        return self._noted(reference, operation, read(made, Intent))

    def let_customer_confirm(
        self, operation: Operation, intent: Intent, mandate: Mandate, back: str
    ) -> Intent | Refusal:
        """Ask the bank again with the customer there: it answers with the page where they confirm."""
        try:
            asked_again = asked(
                lambda: self.client.v1.payment_intents.confirm(
                    intent.id,
                    {"payment_method": mandate.payment_method, "return_url": back, "expand": ["latest_charge"]},
                    {"idempotency_key": f"{operation.key}/confirm"},
                )
            )
        except stripe.CardError as error:
            return read_refusal(error)
        return read(asked_again, Intent)

    def find(self, reference: str, operation: Operation) -> Intent | None:
        """Return the intent an operation made, None where there is none so far."""
        if operation.made:
            return self.retrieve(operation.made)
        page = asked(
            lambda: self.client.v1.payment_intents.list(
                {"customer": operation.customer, "limit": MOST_LISTED, "expand": ["data.latest_charge"]}
            )
        )
        for row in asked(lambda: list(islice(page.auto_paging_iter(), MOST_LOOKED_AT))):
            intent = read(row, Intent)
            if intent.metadata.get(REFERENCE) == reference:
                return self._noted(reference, operation, intent)
        return None

    def sent_before(self, reference: str, operation: Operation) -> Intent:
        """Return the intent of an operation that may not be sent any more; raises OutcomeUnknown where none is found.

        The permission ended after it went out, or was about to: that it is not there yet does not say it never will be.
        """
        found = self.find(reference, operation)
        if found is None:
            raise OutcomeUnknown("the permission has ended, and what was sent before may still be on its way")
        return found

    def retrieve(self, intent_id: str) -> Intent:
        """Return an intent as it is now."""
        return read(
            asked(lambda: self.client.v1.payment_intents.retrieve(intent_id, {"expand": ["latest_charge"]})), Intent
        )

    def _refused(self, reference: str, operation: Operation, refusal: Refusal) -> Refusal:
        if refusal.intent is not None:
            self._noted(reference, operation, refusal.intent)
        return refusal

    def _noted(self, reference: str, operation: Operation, intent: Intent) -> Intent:
        self.records.note_made(reference, operation, intent.id)
        return intent
