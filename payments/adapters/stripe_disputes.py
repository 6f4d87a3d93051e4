"""Debits that Stripe had to give back: a dispute that is lost. That of a SEPA direct debit is lost at once.

Sources: https://docs.stripe.com/api/disputes/object (reasons and statuses) and
https://docs.stripe.com/payments/sepa-debit#disputed-payments.
"""

import msgspec
import stripe

from payments.adapter import Captured, DeclineKind, Reversed, SyncOutcome
from payments.adapters.stripe_answers import Intent, read
from payments.adapters.stripe_connection import asked
from payments.adapters.stripe_money import from_stripe
from payments.errors import MoneyError, OutcomeUnknown
from payments.money import Money

MOST_LISTED = 100
# What a reason leaves to be done; all others are about the goods, and say nothing of the account.
KINDS = {
    "debit_not_authorized": DeclineKind.MANDATE,
    "subscription_canceled": DeclineKind.MANDATE,
    "customer_initiated": DeclineKind.MANDATE,
    "fraudulent": DeclineKind.HARD,
    "incorrect_account_details": DeclineKind.HARD,
    "unrecognized": DeclineKind.HARD,
}


class _Dispute(msgspec.Struct):
    id: str
    amount: int
    currency: str
    status: str
    reason: str = "general"


def or_reversed(client: stripe.StripeClient, intent: Intent, outcome: SyncOutcome) -> SyncOutcome:
    """Return a capture as it was answered, or how much of it was taken back since; raises OutcomeUnknown.

    Several disputes of one payment, each about a part, are taken together.
    """
    if not isinstance(outcome, Captured) or intent.charge is None or not intent.charge.disputed:
        return outcome
    page = asked(lambda: client.v1.disputes.list({"payment_intent": intent.id, "limit": MOST_LISTED}))
    lost = [one for one in (read(row, _Dispute) for row in page.data) if one.status == "lost"]
    if not lost:
        return outcome
    try:
        taken_back = sum((from_stripe(one.amount, one.currency) for one in lost), Money.zero(outcome.amount.currency))
    except MoneyError as error:
        raise OutcomeUnknown(f"Stripe's dispute {lost[0].id} cannot be read: {error}") from error
    reason = lost[0].reason
    text = f"The bank took the debit back: {reason.replace('_', ' ')}."
    return Reversed(outcome.provider_ref, taken_back, reason, text, KINDS.get(reason, DeclineKind.SOFT))
