"""Money that moved and was taken back since: the book says so, and somebody sees to what follows.

A capture: the order's payment is due again. The customer has the money already, so a refund that was not sent yet
never is; one that was given before stays a fact of its own. What is due is paid again by a new hold alone, which a
member asks for.
A refund that the customer's bank returned: it is never sent again by itself, for it would come back again; the operator
pays in another way, or gives it back anew.
"""

from dataclasses import replace

from gateway.domain.order import Order, Shipment
from gateway.domain.payment import (
    UNCLOSED_OPERATION_STATES,
    Attempt,
    AttemptState,
    Operation,
    OperationKind,
    OperationState,
)
from gateway.domain.records import Act
from gateway.steps.messages import tell
from gateway.steps.money.attempts import HOLDING, kept_minor, use_of_limit
from gateway.steps.money.credits import call_credit_off
from gateway.steps.money.effects import payment_due
from gateway.steps.money.journals import book_reversal
from gateway.steps.money.suspend import suspend_after
from gateway.steps.ports import Transaction
from payments.adapter import Reversed
from payments.money import Money

PARTLY = "partly_taken_back"
CALLED_OFF = "the debit itself was taken back by its provider"


def take_back(tx: Transaction, operation: Operation, outcome: Reversed, now_us: int) -> None:
    """Write that what took effect was reversed, and what follows; of another amount the operator sees to it."""
    if outcome.amount != Money(operation.amount_minor, operation.currency):
        _partly(tx, operation, outcome, now_us)
        return
    taken_back = replace(
        operation, state=OperationState.REVERSED, note=f"{outcome.code}: {outcome.message}", answered_us=now_us
    )
    tx.save(taken_back)
    book_reversal(tx, taken_back, at_us=now_us)
    if operation.kind is OperationKind.REFUND:
        text = f"{outcome.amount} that were given back to you came back from your bank. The operator is looking."
        tell(tx, operation.household_id, "payment_review", text, f"payments/{operation.attempt_id}", now_us)
    else:
        _due_again(tx, taken_back, outcome, now_us)


def _partly(tx: Transaction, operation: Operation, outcome: Reversed, now_us: int) -> None:
    """Set before the operator, once, that a part of it was taken back: nothing is booked that nobody understood."""
    why = f"{outcome.code}: {outcome.message}"
    note = f"its provider says that {outcome.amount} of it were taken back ({why}); the operator looks"
    tx.save(replace(operation, note=note, answered_us=now_us))
    subject = f"operations/{operation.id}"
    if not tx.find(Act, operation.household_id, subject=subject, verb=PARTLY, reason=note):
        tx.add(
            Act(
                id=tx.new_id(),
                household_id=operation.household_id,
                by="provider",
                verb=PARTLY,
                subject=subject,
                reason=note,
                evidence=outcome.provider_ref,
                at_us=now_us,
            )
        )


def _due_again(tx: Transaction, capture: Operation, outcome: Reversed, now_us: int) -> None:
    """End what a debit that was taken back had paid for: its order is due."""
    amount = outcome.amount
    attempt = tx.get(Attempt, capture.household_id, capture.attempt_id)
    _end(tx, attempt)
    shipment = tx.get(Shipment, capture.household_id, capture.subject_id)
    for one in tx.find(Operation, attempt.household_id, attempt_id=attempt.id, kind=OperationKind.REFUND):
        if one.subject_id.partition("/")[0] == shipment.id and one.state in UNCLOSED_OPERATION_STATES:
            call_off(tx, one, now_us)
    order = tx.get(Order, capture.household_id, shipment.order_id)
    said = outcome.message.rstrip(".")
    payment_due(tx, order, f"{amount} that were debited for an order were taken back by your bank: {said}", now_us)
    suspend_after(tx, capture, outcome.kind, outcome.message, now_us)
    tx.enqueue("observe", order.household_id, order.id, due_us=now_us)


def call_off(tx: Transaction, refund: Operation, now_us: int) -> None:
    """End a refund that never left; one that may have is looked up and not sent again."""
    if refund.sent_wall_us is not None:
        tx.enqueue("sync", refund.household_id, refund.id, due_us=now_us)
        return
    tx.save(replace(refund, state=OperationState.FAILED, note=CALLED_OFF, closed_us=now_us))
    tx.cancel_work("refund", refund.id)
    call_credit_off(tx, refund)


def _end(tx: Transaction, attempt: Attempt) -> None:
    """Let a try of which nothing is left say so; what came back does not count against the mandate's limit."""
    if attempt.state in HOLDING or attempt.state is AttemptState.MANUAL_REVIEW:
        return
    kept = kept_minor(tx, attempt)
    if attempt.state is AttemptState.CAPTURED and not kept:
        tx.save(replace(attempt, state=AttemptState.REVERSED))
    use_of_limit(tx, attempt, kept)
