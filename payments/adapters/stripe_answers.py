"""What Stripe answers, read once, at the edge: objects to outcomes. What cannot be read is never a decline.

The shapes are those of API version 2026-10-28 (https://docs.stripe.com/api); only what is needed of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

import msgspec
import stripe

from payments.adapter import (
    Authorized,
    Captured,
    Declined,
    DeclineKind,
    Pending,
    Refunded,
    RefundOutcome,
    RequiresAction,
    Reversed,
    Unknown,
)
from payments.adapters.stripe_declines import AUTHENTICATION_REQUIRED, kind_of
from payments.adapters.stripe_money import from_stripe
from payments.errors import MoneyError, OutcomeUnknown
from payments.money import Money

REFERENCE = "replenish_reference"
"""The name of the metadata under which our reference travels with every object."""

ADAPTER = "replenish_adapter"
SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US

DEBIT_DECIDED_DAYS = (6, 22)
"""After how many days a SEPA debit is decided at the earliest (a success takes six business days) and at the latest (14
business days, with a holiday or two): https://docs.stripe.com/payments/sepa-debit and
https://support.stripe.com/questions/changes-to-sepa-direct-debit-payment-behavior. What fails, fails before."""

REFUND_DECIDED_DAYS = (1, 30)
"""The same of a refund that waits: for its bank, five to ten business days (https://docs.stripe.com/refunds), or until
there is money on the account at Stripe to pay it."""

Shape = TypeVar("Shape", bound=msgspec.Struct)


class Failure(msgspec.Struct):
    """Why a card or account said no."""

    code: str | None = None
    decline_code: str | None = None
    message: str | None = None


class _Card(msgspec.Struct):
    capture_before: int | None = None


class _Details(msgspec.Struct):
    card: _Card | None = None


class Charge(msgspec.Struct):
    """One debit as the bank sees it."""

    id: str
    status: str = ""
    disputed: bool = False
    failure_code: str | None = None
    failure_message: str | None = None
    payment_method_details: _Details | None = None


class _Redirect(msgspec.Struct):
    url: str


class _NextAction(msgspec.Struct):
    redirect_to_url: _Redirect | None = None


class Intent(msgspec.Struct):
    """A PaymentIntent, its latest charge expanded."""

    id: str
    status: str
    amount: int
    currency: str
    created: int
    amount_received: int = 0
    metadata: dict[str, str] = {}
    latest_charge: Charge | str | None = None
    last_payment_error: Failure | None = None
    next_action: _NextAction | None = None

    @property
    def charge(self) -> Charge | None:
        """The latest charge where the answer brought it along."""
        return self.latest_charge if isinstance(self.latest_charge, Charge) else None

    @property
    def wants_the_customer(self) -> bool:
        """Whether the bank said no because the customer was not there to confirm."""
        error = self.last_payment_error
        codes = (error.code, error.decline_code) if error is not None else ()
        return self.status == "requires_payment_method" and AUTHENTICATION_REQUIRED in codes


class RefundObject(msgspec.Struct):
    """A Refund."""

    id: str
    amount: int
    currency: str
    created: int
    status: str | None = None
    failure_reason: str | None = None
    failure_balance_transaction: str | None = None
    metadata: dict[str, str] | None = None


HoldOutcome: TypeAlias = Authorized | Pending | RequiresAction | Declined | Unknown


@dataclass(frozen=True, slots=True)
class Refusal:
    """A 402: the card or account said no; `intent` is the PaymentIntent it happened to, where Stripe names it."""

    failure: Failure
    intent: Intent | None = None
    declined: Declined = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "declined", declined(self.failure))


def read(found: stripe.StripeObject | Mapping[str, Any], shape: type[Shape]) -> Shape:
    """Return an object of Stripe's as we know it; raises OutcomeUnknown."""
    document = found.to_dict() if isinstance(found, stripe.StripeObject) else found
    try:
        return msgspec.convert(document, shape)
    except msgspec.ValidationError as error:
        raise OutcomeUnknown(f"Stripe's {shape.__name__} cannot be read: {error}") from error


def read_refusal(error: stripe.CardError) -> Refusal:
    """Return what a 402 says; raises OutcomeUnknown."""
    body = error.json_body
    said = body.get("error") if isinstance(body, dict) else None
    if not isinstance(said, dict):
        raise OutcomeUnknown("Stripe answered 402 with something we do not know")
    intent = said.get("payment_intent")
    return Refusal(read(said, Failure), read(intent, Intent) if isinstance(intent, dict) else None)


def declined(failure: Failure) -> Declined:
    """Return a refusal as an outcome."""
    code = failure.decline_code or failure.code or "declined"
    return Declined(kind_of(failure.code, failure.decline_code), code, failure.message or "It was declined.")


def difference(found: Intent | RefundObject, reference: str, amount: Money) -> str | None:
    """Return in what an answer is about something else than was asked."""
    named = (found.metadata or {}).get(REFERENCE)
    if named != reference:
        return f"Stripe answered about {named}"
    try:
        about = from_stripe(found.amount, found.currency)
    except MoneyError as error:
        return f"Stripe's answer cannot be read: {error}"
    return None if about == amount else f"Stripe answered about {about}, asked were {amount}"


def read_hold(intent: Intent, reference: str, amount: Money) -> HoldOutcome:
    """Return what became of an authorization: itself, not what a later capture or void did to it."""
    was_held = intent.charge is not None and intent.charge.status == "succeeded"
    redirect = None if intent.next_action is None else intent.next_action.redirect_to_url
    outcome: HoldOutcome = Unknown(f"Stripe's payment {intent.id} is {intent.status}, which says nothing")
    if wrong := difference(intent, reference, amount):
        return Unknown(wrong)
    match intent.status:
        case "canceled" if not was_held:
            outcome = Declined(DeclineKind.SOFT, "canceled", "It was called off before it was confirmed.")
        case "requires_capture" | "succeeded" | "canceled":
            outcome = _authorized(intent, amount)
        case "processing":
            outcome = Pending(intent.id)
        case "requires_action" if redirect is not None:
            outcome = RequiresAction(intent.id, redirect.url)
        case "requires_payment_method" if intent.last_payment_error is not None:
            outcome = declined(intent.last_payment_error)
    return outcome


def read_debit(
    intent: Intent, reference: str, amount: Money, *, now_us: int
) -> Captured | Pending | Declined | Unknown:
    """Return what became of a direct debit, which takes days."""
    if wrong := difference(intent, reference, amount):
        return Unknown(wrong)
    match intent.status:
        case "succeeded":
            return Captured(intent.id, amount)
        case "processing":
            return Pending(intent.id, _decides_us(intent.created, DEBIT_DECIDED_DAYS, now_us))
        case "canceled":
            return Declined(DeclineKind.SOFT, "canceled", "It was called off.")
        case "requires_payment_method":
            failure = _failure_of(intent)
            return Unknown(f"Stripe's debit {intent.id} failed for no reason") if failure is None else declined(failure)
        case status:
            return Unknown(f"Stripe's debit {intent.id} is {status}, which says nothing")


def read_refund(
    found: RefundObject, reference: str, amount: Money, *, now_us: int
) -> Refunded | Pending | Declined | Unknown:
    """Return what became of money given back; a bank may take days, and may say no."""
    if wrong := difference(found, reference, amount):
        return Unknown(wrong)
    match found.status:
        case "succeeded":
            return Refunded(found.id, amount)
        case "pending" | "requires_action":
            return Pending(found.id, _decides_us(found.created, REFUND_DECIDED_DAYS, now_us))
        case "failed" | "canceled":
            reason = found.failure_reason or found.status
            return Declined(DeclineKind.SOFT, reason, "The bank did not take the money back.")
        case status:
            return Unknown(f"Stripe's refund {found.id} is {status}, which says nothing")


def _decides_us(created_s: int, days: tuple[int, int], now_us: int) -> int | None:
    """Return when to ask next: once it may have been decided, then daily; None once it should have been long ago."""
    first_us, last_us = (created_s * SECOND_US + day * DAY_US for day in days)
    return max(first_us, now_us + DAY_US) if now_us < last_us else None


def or_returned(found: RefundObject, outcome: RefundOutcome) -> RefundOutcome | Reversed:
    """Return a refund as it was answered, or that its bank did not take it and the money came back to Stripe.

    That may be days after it succeeded (`refund.failed`): https://docs.stripe.com/refunds#failed-refunds.
    """
    if not isinstance(outcome, Declined) or found.failure_balance_transaction is None:
        return outcome
    amount = from_stripe(found.amount, found.currency)
    return Reversed(found.id, amount, outcome.code, "The customer's bank did not take the refund.")


def _authorized(intent: Intent, amount: Money) -> Authorized:
    details = intent.charge.payment_method_details if intent.charge is not None else None
    until_s = details.card.capture_before if details is not None and details.card is not None else None
    return Authorized(intent.id, amount, None if until_s is None else until_s * SECOND_US)


def _failure_of(intent: Intent) -> Failure | None:
    if intent.last_payment_error is not None:
        return intent.last_payment_error
    charge = intent.charge
    return (
        None
        if charge is None or charge.failure_code is None
        else Failure(charge.failure_code, None, charge.failure_message)
    )
