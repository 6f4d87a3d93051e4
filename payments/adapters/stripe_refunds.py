"""Money given back at Stripe: a Refund of the PaymentIntent that took it."""

import stripe

from payments.adapter import NotFound, Refund, RefundOutcome, SyncOutcome, Unknown
from payments.adapters.stripe_answers import ADAPTER, REFERENCE, RefundObject, or_returned, read, read_refund
from payments.adapters.stripe_connection import asked
from payments.adapters.stripe_money import to_stripe
from payments.adapters.stripe_records import Operation, Records
from payments.errors import InvalidRequest, OutcomeUnknown

MOST_LISTED = 100


def refund(
    client: stripe.StripeClient, records: Records, adapter: str, request: Refund, *, now_us: int
) -> RefundOutcome:
    """Give back a part of what one PaymentIntent took; more than it took is InvalidRequest."""
    minor, _ = to_stripe(request.amount)
    if not request.capture_ref.startswith("pi_"):
        raise InvalidRequest("no_such_capture", "Stripe has no such payment")
    wanted = Operation(
        key=request.key,
        kind="refund",
        on=request.capture_ref,
        amount_minor=request.amount.amount_minor,
        currency=request.amount.currency,
    )
    operation = records.begin_operation(request.reference, wanted)
    try:
        if operation.made:
            found = _retrieve(client, operation.made)
        else:
            metadata = {REFERENCE: request.reference, ADAPTER: adapter}
            made = asked(
                lambda: client.v1.refunds.create(
                    {"payment_intent": request.capture_ref, "amount": minor, "metadata": metadata},
                    {"idempotency_key": request.key},
                )
            )
            found = read(made, RefundObject)
            records.note_made(request.reference, operation, found.id)
    except OutcomeUnknown as lost:
        return Unknown(lost.reason)
    return read_refund(found, request.reference, request.amount, now_us=now_us)


def sync_refund(client: stripe.StripeClient, records: Records, reference: str, now_us: int) -> SyncOutcome:
    """What became of a refund."""
    operation = records.find(Operation, reference)
    if operation is None:
        return NotFound()
    found = _retrieve(client, operation.made) if operation.made else _search(client, reference, operation)
    if found is None:
        return NotFound()
    records.note_made(reference, operation, found.id)
    return or_returned(found, read_refund(found, reference, operation.amount, now_us=now_us))


def _retrieve(client: stripe.StripeClient, refund_id: str) -> RefundObject:
    return read(asked(lambda: client.v1.refunds.retrieve(refund_id)), RefundObject)


def _search(client: stripe.StripeClient, reference: str, operation: Operation) -> RefundObject | None:
    """Find a refund whose answer was lost among those of its payment: a list is never behind."""
    page = asked(lambda: client.v1.refunds.list({"payment_intent": operation.on, "limit": MOST_LISTED}))
    for row in page.data:
        found = read(row, RefundObject)
        if (found.metadata or {}).get(REFERENCE) == reference:
            return found
    return None
