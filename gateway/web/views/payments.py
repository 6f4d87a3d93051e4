"""Payments in a list: what was held, debited and given back under each approval."""

from dataclasses import dataclass

from gateway.domain.cart import Cart
from gateway.domain.household import Household
from gateway.domain.order import Order
from gateway.domain.payment import (
    Attempt,
    AttemptState,
    Funding,
    Operation,
    OperationKind,
    OperationState,
    PaymentMethod,
)
from gateway.domain.records import MerchantAccount
from gateway.steps.ports import Transaction
from gateway.web.wording import Wording, money

MAX_PAYMENTS = 50


ATTEMPT_WORDS = {
    AttemptState.UNKNOWN: "Outcome not known yet; we are asking",
    AttemptState.REQUIRES_ACTION: "Needs your confirmation at the provider",
    AttemptState.AUTHORIZED: "Held",
    AttemptState.CAPTURE_PENDING: "Being debited",
    AttemptState.CAPTURED: "Debited",
    AttemptState.VOIDED: "Released, nothing debited",
    AttemptState.DECLINED: "Declined",
    AttemptState.EXPIRED: "Expired, nothing debited",
    AttemptState.REPLACED: "Debited in part, the rest by a later payment",
    AttemptState.REVERSED: "Debited, and taken back by the bank since",
    AttemptState.MANUAL_REVIEW: "Looked at by a person",
}
BY_THE_SHOP_WORDS = ATTEMPT_WORDS | {
    AttemptState.AUTHORIZED: "Allowed; the shop debits it itself",
    AttemptState.CAPTURE_PENDING: "Being debited by the shop itself",
    AttemptState.CAPTURED: "Debited by the shop itself",
    AttemptState.VOIDED: "Taken back, nothing debited",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRow:
    """One attempt in a list: what was held, debited and given back."""

    id: str
    cart_id: str
    order_id: str | None
    merchant: str
    method: str
    funding: Funding
    state: AttemptState
    words: str
    currency: str
    amount_minor: int
    amount: str
    captured_minor: int
    captured: str
    refunded_minor: int
    refunded: str
    created_us: int
    when: str


@dataclass(frozen=True, slots=True)
class StepUp:
    """A payment that waits for the customer at their bank, and the bank's page for it."""

    attempt_id: str
    url: str


def step_up_of(tx: Transaction, household_id: str, attempt_id: str | None) -> StepUp | None:
    """Return where the customer must confirm a payment; None where nothing waits for them."""
    attempt = None if attempt_id is None else tx.get(Attempt, household_id, attempt_id)
    if attempt is None or attempt.state is not AttemptState.REQUIRES_ACTION:
        return None
    return StepUp(attempt.id, attempt.note)


def payment_rows(
    tx: Transaction, household_id: str, *, limit: int = MAX_PAYMENTS, before: str | None = None
) -> tuple[PaymentRow, ...]:
    """Return the household's payments, newest first."""
    return tuple(payment_row(tx, attempt) for attempt in tx.find(Attempt, household_id, newest=limit, before=before))


def payment_row(tx: Transaction, attempt: Attempt) -> PaymentRow:
    """Build one payment of a list."""
    household_id = attempt.household_id
    wording = Wording(tx.get(Household, household_id, household_id).time_zone)
    done = tx.find(Operation, household_id, attempt_id=attempt.id, state=OperationState.SUCCEEDED)
    captured = sum(one.amount_minor for one in done if one.kind is OperationKind.CAPTURE)
    refunded = sum(one.amount_minor for one in done if one.kind is OperationKind.REFUND)
    cart = tx.get(Cart, household_id, attempt.cart_id)
    method = tx.get(PaymentMethod, household_id, attempt.payment_method_id)
    words = BY_THE_SHOP_WORDS if method.funding is Funding.MERCHANT else ATTEMPT_WORDS
    orders = tx.find(Order, household_id, attempt_id=attempt.id)
    return PaymentRow(
        id=attempt.id,
        cart_id=attempt.cart_id,
        order_id=orders[0].id if orders else None,
        merchant=tx.get(MerchantAccount, household_id, cart.merchant_id).name,
        method=method.label,
        funding=method.funding,
        state=attempt.state,
        words=words[attempt.state],
        currency=attempt.currency,
        amount_minor=attempt.amount_minor,
        amount=money(attempt.amount_minor, attempt.currency),
        captured_minor=captured,
        captured=money(captured, attempt.currency),
        refunded_minor=refunded,
        refunded=money(refunded, attempt.currency),
        created_us=attempt.created_us,
        when=wording.day_and_clock(attempt.created_us),
    )
