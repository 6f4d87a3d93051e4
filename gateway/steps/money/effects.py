"""What follows when an operation took effect or was declined: attempt, limit, cart, ledger and the next row."""

from collections.abc import Callable
from dataclasses import replace

from gateway.domain.approval import Approval, ApprovalState
from gateway.domain.cart import Cart, CartState
from gateway.domain.order import OPEN_ORDER_STATES, Order, OrderState, Shipment
from gateway.domain.payment import (
    UNCLOSED_OPERATION_STATES,
    Attempt,
    AttemptState,
    Funding,
    MethodState,
    Operation,
    OperationKind,
    OperationState,
    PaymentMethod,
)
from gateway.domain.replenishment import DAY_US
from gateway.steps.messages import tell
from gateway.steps.money.attempts import captured_minor, end_held
from gateway.steps.money.billing import to_bill, unpaid
from gateway.steps.money.credits import credit_instead_of, let_grow
from gateway.steps.money.journals import book_capture, book_refund
from gateway.steps.money.next_account import next_mandate, nothing_bought, tell_which_account
from gateway.steps.money.undecided import for_review
from gateway.steps.ports import Transaction
from payments.adapter import Authorized, Captured, Refunded, Voided
from payments.money import Money

MOST_CAPTURE_TRIES = 5
RENEW_BEFORE_US = 2 * DAY_US
HOLD_PREFIX = "hold/"
ENDED = frozenset(
    {
        AttemptState.VOIDED,
        AttemptState.DECLINED,
        AttemptState.EXPIRED,
        AttemptState.REPLACED,
        AttemptState.CAPTURED,
    }
)


def declined(tx: Transaction, operation: Operation, message: str, now_us: int, *, is_soft: bool = False) -> None:
    """End what was declined: nothing is bought, a shipment stays due, or a person looks; never a second key at once.

    A soft decline of a hold may go on to another account, which is a try of its own.
    """
    attempt = tx.get(Attempt, operation.household_id, operation.attempt_id)
    match operation.kind:
        case OperationKind.AUTHORIZE if attempt.state not in ENDED:  # else it was called off, and that was known first
            _hold_declined(tx, attempt, message, now_us, is_soft=is_soft)
        case OperationKind.AUTHORIZE:
            return
        case OperationKind.CAPTURE:
            shipment = tx.get(Shipment, attempt.household_id, operation.subject_id)
            order = tx.get(Order, attempt.household_id, shipment.order_id)
            _capture_again_later(tx, attempt, operation, now_us)
            payment_due(tx, order, f"A delivery was shipped, but could not be billed: {message}", now_us)
            tx.enqueue("observe", order.household_id, order.id, due_us=now_us)
        case OperationKind.VOID if attempt.state is AttemptState.REQUIRES_ACTION:
            _not_called_off(tx, attempt, message, now_us)
        case OperationKind.VOID | OperationKind.REFUND:
            for_review(tx, operation, f"{operation.kind} was refused: {message}", now_us=now_us)


def _hold_declined(tx: Transaction, attempt: Attempt, message: str, now_us: int, *, is_soft: bool) -> None:
    end_held(tx, attempt, AttemptState.DECLINED, reference=attempt.id, note=message, now_us=now_us)
    cart = tx.get(Cart, attempt.household_id, attempt.cart_id)
    if cart.state is CartState.APPROVED and _is_standing(tx, attempt):
        approval = tx.get(Approval, attempt.household_id, attempt.approval_id)
        # Who was asked at the bank and did not confirm has said no to the debit, not to one account.
        was_refused = attempt.state is AttemptState.REQUIRES_ACTION
        if is_soft and not was_refused and next_mandate(tx, cart, approval, now_us) is not None:
            tx.enqueue("authorize", cart.household_id, cart.id, due_us=now_us)
        else:
            nothing_bought(tx, cart, message, now_us)
    for order in tx.find(Order, attempt.household_id, attempt_id=attempt.id, state=OPEN_ORDER_STATES):
        payment_due(tx, order, f"The amount for an order could not be held again: {message}", now_us)


def _not_called_off(tx: Transaction, attempt: Attempt, message: str, now_us: int) -> None:
    """Let a person look at a payment that nobody confirmed and that its provider does not let go."""
    for one in tx.find(Operation, attempt.household_id, attempt_id=attempt.id, kind=OperationKind.AUTHORIZE):
        if one.state in UNCLOSED_OPERATION_STATES:
            for_review(tx, one, f"nobody confirmed it, and it cannot be called off: {message}", now_us=now_us)


def lapsed(tx: Transaction, void: Operation, message: str, now_us: int) -> None:
    """End a hold of which the provider found nothing left to void: it lapsed before its time."""
    attempt = tx.get(Attempt, void.household_id, void.attempt_id)
    if not _close_unconfirmed(tx, attempt, now_us):
        return
    end_held(tx, attempt, AttemptState.EXPIRED, reference=void.id, note=message, now_us=now_us)


def payment_due(tx: Transaction, order: Order, text: str, now_us: int) -> Order:
    """Let the household and the operator see that an order stands and its money does not."""
    due = replace(order, state=OrderState.PAYMENT_DUE, note=text)
    tx.save(due)
    more = " Pay again on its page, with this or another account."
    tell(tx, order.household_id, "payment_due", text.rstrip(".") + "." + more, f"orders/{order.id}", now_us)
    return due


def _capture_again_later(tx: Transaction, attempt: Attempt, operation: Operation, now_us: int) -> None:
    """Ask for a declined capture again, a day later each time, a few times; its attempt lives again after review."""
    operations = tx.find(Operation, attempt.household_id, attempt_id=attempt.id)
    in_review = any(one.state is OperationState.MANUAL_REVIEW for one in operations)
    if attempt.state is AttemptState.MANUAL_REVIEW and not in_review:
        some = captured_minor(tx, attempt) > 0
        tx.save(replace(attempt, state=AttemptState.CAPTURE_PENDING if some else AttemptState.AUTHORIZED, note=""))
    declined = [
        one
        for one in operations
        if one.kind is OperationKind.CAPTURE
        and one.subject_id == operation.subject_id
        and one.state in {OperationState.DECLINED, OperationState.FAILED}
    ]
    method = tx.get(PaymentMethod, attempt.household_id, attempt.payment_method_id)
    if method.state is not MethodState.SUSPENDED and len(declined) <= MOST_CAPTURE_TRIES:
        due_us = now_us + len(declined) * DAY_US
        tx.enqueue("capture", attempt.household_id, operation.subject_id, due_us=due_us)


def _authorized(tx: Transaction, operation: Operation, now_us: int) -> None:
    attempt = replace(
        tx.get(Attempt, operation.household_id, operation.attempt_id), state=AttemptState.AUTHORIZED, note=""
    )
    tx.save(attempt)
    if attempt.hold_expires_us is not None:
        watch_hold(tx, attempt, attempt.hold_expires_us, now_us)
    cart = tx.get(Cart, attempt.household_id, attempt.cart_id)
    if cart.state is CartState.APPROVED and _is_standing(tx, attempt):
        tell_which_account(tx, attempt, now_us)
        tx.save(replace(cart, state=CartState.HELD))
        approval = tx.get(Approval, attempt.household_id, attempt.approval_id)
        tx.enqueue(
            "place",
            cart.household_id,
            cart.id,
            due_us=now_us,
            not_before_wall_us=approval.send_not_before_wall_us,
        )
        return
    orders = tx.find(Order, attempt.household_id, attempt_id=attempt.id, state=OPEN_ORDER_STATES)
    if not orders:  # undone while the provider was thinking
        tx.enqueue("release", attempt.household_id, attempt.id, due_us=now_us)
    for order in orders:  # held anew for what is already ordered: what was sent meanwhile is billed from it
        for shipment in [*to_bill(tx, attempt), *unpaid(tx, attempt)]:
            tx.enqueue("capture", attempt.household_id, shipment.id, due_us=now_us)
        tx.enqueue("observe", attempt.household_id, order.id, due_us=now_us)


def watch_hold(tx: Transaction, attempt: Attempt, expires_us: int, now_us: int) -> None:
    """Leave a row for the time when a hold must be renewed: two days before it lapses, or half-way if it is short."""
    due_us = expires_us - min(RENEW_BEFORE_US, max(0, expires_us - now_us) // 2)
    tx.enqueue("expire", attempt.household_id, f"{HOLD_PREFIX}{attempt.id}", due_us=due_us)


def _captured(tx: Transaction, operation: Operation, now_us: int) -> None:
    attempt = tx.get(Attempt, operation.household_id, operation.attempt_id)
    book_capture(tx, operation, at_us=now_us)
    shipment = tx.get(Shipment, operation.household_id, operation.subject_id)
    if attempt.captures_once or captured_minor(tx, attempt) == attempt.amount_minor:
        end_held(tx, attempt, AttemptState.CAPTURED, reference=attempt.id, note="", now_us=now_us)
        if attempt.captures_once:  # what is still due, if anything, is held anew
            renewal = f"{shipment.order_id}/{attempt.payment_method_id}"
            tx.enqueue("renew", attempt.household_id, renewal, due_us=now_us)
    else:
        tx.save(replace(attempt, state=AttemptState.CAPTURE_PENDING, note=""))
    # What observe put off until the money had moved (a refund, the release of the rest) can go on now.
    tx.enqueue("observe", operation.household_id, shipment.order_id, due_us=now_us)


def _voided(tx: Transaction, operation: Operation, now_us: int) -> None:
    attempt = tx.get(Attempt, operation.household_id, operation.attempt_id)
    if not _close_unconfirmed(tx, attempt, now_us):
        return
    is_unconfirmed = attempt.state is AttemptState.REQUIRES_ACTION
    end, note = (AttemptState.EXPIRED, "never confirmed") if is_unconfirmed else (AttemptState.VOIDED, attempt.note)
    end_held(tx, attempt, end, reference=operation.id, note=note, now_us=now_us)


def _close_unconfirmed(tx: Transaction, attempt: Attempt, now_us: int) -> bool:
    """Close the authorization of a try that was called off; False where the try had ended before."""
    if attempt.state in ENDED:
        return False
    for one in tx.find(Operation, attempt.household_id, attempt_id=attempt.id, kind=OperationKind.AUTHORIZE):
        if one.state in UNCLOSED_OPERATION_STATES:  # whatever was said of it meanwhile, nothing of it is left
            tx.save(replace(one, state=OperationState.DECLINED, note="never confirmed", closed_us=now_us))
            tx.cancel_work("sync", one.id)
    return True


def _refunded(tx: Transaction, operation: Operation, now_us: int) -> None:
    attempt = tx.get(Attempt, operation.household_id, operation.attempt_id)
    amount = Money(operation.amount_minor, operation.currency)
    book_refund(tx, operation, at_us=now_us)
    method = tx.get(PaymentMethod, attempt.household_id, attempt.payment_method_id)
    credit = credit_instead_of(tx, operation)
    if credit is not None:  # its own message comes once the balance has it
        let_grow(tx, credit, now_us)
        return
    text = f"The shop gives you {amount} back." if method.funding is Funding.MERCHANT else f"{amount} came back to you."
    tell(tx, operation.household_id, "refunded", text, f"payments/{attempt.id}", now_us)


def _is_standing(tx: Transaction, attempt: Attempt) -> bool:
    return tx.get(Approval, attempt.household_id, attempt.approval_id).state is ApprovalState.STANDING


# What each kind of operation hopes for, and what follows when it comes true.
FOLLOWS: dict[OperationKind, tuple[type, Callable[[Transaction, Operation, int], None]]] = {
    OperationKind.AUTHORIZE: (Authorized, _authorized),
    OperationKind.CAPTURE: (Captured, _captured),
    OperationKind.VOID: (Voided, _voided),
    OperationKind.REFUND: (Refunded, _refunded),
}
