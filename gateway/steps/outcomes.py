"""What a provider's answer does to an operation, its attempt, its cart and the ledger: the one place that says so.

The steps that call (authorize, capture, release, refund) and sync all end here. An operation that is closed stays
closed: a late, repeated or contradicting answer changes nothing. One under review is ended by a definite answer alone.
"""

from collections.abc import Callable
from dataclasses import replace

from gateway.domain.approval import Approval, ApprovalState
from gateway.domain.cart import Cart, CartState
from gateway.domain.order import Order, OrderState, Shipment
from gateway.domain.payment import (
    UNCLOSED_OPERATION_STATES,
    Attempt,
    AttemptState,
    Operation,
    OperationKind,
    OperationState,
    Reservation,
    ReservationState,
)
from gateway.domain.replenishment import DAY_US, SECOND_US
from gateway.steps.accounts import clearing_of, payable_of
from gateway.steps.books import post
from gateway.steps.messages import tell
from gateway.steps.plans import drop_plans
from gateway.steps.ports import Transaction
from payments import ledger
from payments.adapter import (
    Authorized,
    Captured,
    Declined,
    NotFound,
    Pending,
    Refunded,
    RequiresAction,
    SyncOutcome,
    Unknown,
    Voided,
)
from payments.money import Money

SYNC_AFTER_S = (1, 2, 5, 20, 60, 300, 1800, 3600, 21_600, 86_400)
MOST_SYNCS = 40
MOST_CAPTURE_TRIES = 5

STEP_OF_KIND = {
    OperationKind.AUTHORIZE: "authorize",
    OperationKind.CAPTURE: "capture",
    OperationKind.VOID: "release",
    OperationKind.REFUND: "refund",
}


def settle_operation(
    tx: Transaction,
    operation_id: str,
    household_id: str,
    outcome: SyncOutcome,
    *,
    now_us: int,
    wall_us: int,
    may_send_again: bool = False,
) -> None:
    """Write an outcome into the operation it belongs to; all that follows from it in the same transaction.

    `may_send_again`: the provider still knows the operation's key, so what it never got may go out once more.
    """
    operation = tx.get(Operation, household_id, operation_id)
    if operation.state is OperationState.MANUAL_REVIEW:
        if isinstance(outcome, Unknown | Pending | RequiresAction | NotFound):
            _ask_daily(tx, operation, now_us)
            return
    elif operation.state not in UNCLOSED_OPERATION_STATES:
        return
    match outcome:
        case Unknown(reason=reason):
            _ask_later(tx, operation, OperationState.UNKNOWN, reason, now_us=now_us, wall_us=wall_us)
        case Pending(provider_ref=provider_ref):
            pending = replace(operation, provider_ref=provider_ref)
            _ask_later(
                tx, pending, OperationState.PENDING, "the provider has not decided yet", now_us=now_us, wall_us=wall_us
            )
        case RequiresAction(provider_ref=provider_ref, url=url):
            _step_up(tx, replace(operation, provider_ref=provider_ref), url, now_us=now_us, wall_us=wall_us)
        case NotFound():
            _not_found(tx, operation, now_us=now_us, wall_us=wall_us, may_send_again=may_send_again)
        case Declined(code=code, message=message):
            closed = _close(tx, operation, OperationState.DECLINED, "", f"{code}: {message}", now_us)
            _declined(tx, closed, message, now_us)
        case Authorized() | Captured() | Voided() | Refunded() if _belongs(operation, outcome):
            closed = _close(tx, operation, OperationState.SUCCEEDED, outcome.provider_ref, "", now_us)
            FOLLOWS[operation.kind][1](tx, closed, now_us)
        case _:
            note = f"an answer that does not belong to {operation.kind}: {outcome!r}"
            for_review(tx, operation, note, now_us=now_us)


def for_review(tx: Transaction, operation: Operation, note: str, *, now_us: int) -> None:
    """Hand an operation to the operator with everything known: never failed by itself, never under a new key."""
    if operation.state is OperationState.MANUAL_REVIEW:
        return
    tx.save(replace(operation, state=OperationState.MANUAL_REVIEW, note=note))
    _ask_daily(tx, operation, now_us)
    attempt = tx.get(Attempt, operation.household_id, operation.attempt_id)
    if operation.kind is OperationKind.REFUND:  # what is still to be debited or given back goes on
        text = "Money could not be given back yet. The operator is looking."
    else:
        tx.save(replace(attempt, state=AttemptState.MANUAL_REVIEW, note=note))
        text = "We could not learn what became of a payment. Nothing more is debited until the operator has looked."
    tell(tx, operation.household_id, "payment_review", text, f"payments/{attempt.id}", now_us)


def _ask_daily(tx: Transaction, operation: Operation, now_us: int) -> None:
    """Go on asking while a person looks, once a day and not for ever."""
    if operation.syncs < MOST_SYNCS:
        tx.enqueue("sync", operation.household_id, operation.id, due_us=now_us + DAY_US)


def captured_minor(tx: Transaction, attempt: Attempt) -> int:
    """Return the sum of the attempt's captures that took effect."""
    captures = tx.find(
        Operation,
        attempt.household_id,
        attempt_id=attempt.id,
        kind=OperationKind.CAPTURE,
        state=OperationState.SUCCEEDED,
    )
    return sum(capture.amount_minor for capture in captures)


def _close(
    tx: Transaction, operation: Operation, state: OperationState, provider_ref: str, note: str, now_us: int
) -> Operation:
    closed = replace(
        operation, state=state, provider_ref=provider_ref or operation.provider_ref, note=note, closed_us=now_us
    )
    tx.save(closed)
    tx.cancel_work("sync", operation.id)
    return closed


def _ask_later(
    tx: Transaction, operation: Operation, state: OperationState, note: str, *, now_us: int, wall_us: int
) -> None:
    """Leave a row for sync, later each time; after the last time a person looks."""
    if operation.syncs >= len(SYNC_AFTER_S):
        for_review(tx, operation, f"still unknown after {operation.syncs} questions: {note}", now_us=now_us)
        return
    tx.save(replace(operation, state=state, note=note))
    attempt = tx.get(Attempt, operation.household_id, operation.attempt_id)
    if operation.kind is OperationKind.AUTHORIZE and attempt.state in {AttemptState.CREATED, AttemptState.UNKNOWN}:
        tx.save(replace(attempt, state=AttemptState.UNKNOWN))
    wait_us = SYNC_AFTER_S[operation.syncs] * SECOND_US
    tx.enqueue("sync", operation.household_id, operation.id, due_us=now_us, not_before_wall_us=wall_us + wait_us)


def _not_found(tx: Transaction, operation: Operation, *, now_us: int, wall_us: int, may_send_again: bool) -> None:
    """The provider has nothing: inside its key's window the same request goes out again under the same key."""
    if not may_send_again:
        for_review(tx, operation, "the provider knows nothing of it and its key may be forgotten", now_us=now_us)
        return
    if operation.syncs >= len(SYNC_AFTER_S):
        for_review(tx, operation, "the provider never learned of it", now_us=now_us)
        return
    tx.save(replace(operation, note="not found at the provider; sent again under the same key"))
    subject = operation.id if operation.kind is OperationKind.REFUND else operation.subject_id
    wait_us = SYNC_AFTER_S[operation.syncs] * SECOND_US
    tx.enqueue(
        STEP_OF_KIND[operation.kind],
        operation.household_id,
        subject,
        due_us=now_us,
        not_before_wall_us=wall_us + wait_us,
    )


def _step_up(tx: Transaction, operation: Operation, url: str, *, now_us: int, wall_us: int) -> None:
    attempt = tx.get(Attempt, operation.household_id, operation.attempt_id)
    if attempt.state is not AttemptState.REQUIRES_ACTION:
        tx.save(replace(attempt, state=AttemptState.REQUIRES_ACTION, note=url))
        text = "Your bank wants you to confirm this payment yourself."
        tell(tx, operation.household_id, "payment_step_up", text, f"payments/{attempt.id}", now_us)
    _ask_later(tx, operation, OperationState.PENDING, "waits for the customer", now_us=now_us, wall_us=wall_us)


def _declined(tx: Transaction, operation: Operation, message: str, now_us: int) -> None:
    attempt = tx.get(Attempt, operation.household_id, operation.attempt_id)
    match operation.kind:
        case OperationKind.AUTHORIZE:
            _end_attempt(tx, attempt, AttemptState.DECLINED, message, now_us)
            cart = tx.get(Cart, attempt.household_id, attempt.cart_id)
            if cart.state is CartState.APPROVED and _is_standing(tx, attempt):
                tx.save(replace(cart, state=CartState.DECLINED, note=message))
                drop_plans(tx, cart, now_us=now_us, again_after_days=1)
                tell(
                    tx,
                    cart.household_id,
                    "payment_declined",
                    f"Nothing was bought: {message}",
                    f"carts/{cart.id}",
                    now_us,
                )
        case OperationKind.CAPTURE:
            shipment = tx.get(Shipment, attempt.household_id, operation.subject_id)
            order = tx.get(Order, attempt.household_id, shipment.order_id)
            tx.save(replace(order, state=OrderState.PAYMENT_DUE, note=message))
            _capture_again_later(tx, attempt, operation, now_us)
            text = f"A delivery was shipped, but could not be billed: {message}"
            tell(tx, order.household_id, "payment_due", text, f"orders/{order.id}", now_us)
            tx.enqueue("observe", order.household_id, order.id, due_us=now_us)
        case OperationKind.VOID | OperationKind.REFUND:
            for_review(tx, operation, f"{operation.kind} was refused: {message}", now_us=now_us)


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
        and one.state is OperationState.DECLINED
    ]
    if len(declined) <= MOST_CAPTURE_TRIES:
        due_us = now_us + len(declined) * DAY_US
        tx.enqueue("capture", attempt.household_id, operation.subject_id, due_us=due_us)


def _authorized(tx: Transaction, operation: Operation, now_us: int) -> None:
    attempt = replace(
        tx.get(Attempt, operation.household_id, operation.attempt_id), state=AttemptState.AUTHORIZED, note=""
    )
    tx.save(attempt)
    cart = tx.get(Cart, attempt.household_id, attempt.cart_id)
    if cart.state is CartState.APPROVED and _is_standing(tx, attempt):
        tx.save(replace(cart, state=CartState.HELD))
        approval = tx.get(Approval, attempt.household_id, attempt.approval_id)
        tx.enqueue(
            "place",
            cart.household_id,
            cart.id,
            due_us=now_us,
            not_before_wall_us=approval.send_not_before_wall_us,
        )
    else:  # undone while the provider was thinking
        tx.enqueue("release", attempt.household_id, attempt.id, due_us=now_us)


def _captured(tx: Transaction, operation: Operation, now_us: int) -> None:
    attempt = tx.get(Attempt, operation.household_id, operation.attempt_id)
    journals = ledger.capture(
        operation.id,
        clearing_of(tx, attempt),
        payable_of(tx, attempt),
        Money(operation.amount_minor, operation.currency),
    )
    post(tx, operation.household_id, journals, memo="captured at shipment", at_us=now_us)
    whole = captured_minor(tx, attempt) == attempt.amount_minor
    state = AttemptState.CAPTURED if whole else AttemptState.CAPTURE_PENDING
    tx.save(replace(attempt, state=state, note=""))
    if whole:
        _use_reservation(tx, attempt, attempt.amount_minor)
    shipment = tx.get(Shipment, operation.household_id, operation.subject_id)
    # What observe put off until the money had moved (a refund, the release of the rest) can go on now.
    tx.enqueue("observe", operation.household_id, shipment.order_id, due_us=now_us)


def _voided(tx: Transaction, operation: Operation, now_us: int) -> None:
    attempt = tx.get(Attempt, operation.household_id, operation.attempt_id)
    captured = captured_minor(tx, attempt)
    if captured:
        journal = ledger.release(
            operation.id,
            clearing_of(tx, attempt),
            payable_of(tx, attempt),
            Money(attempt.amount_minor - captured, attempt.currency),
        )
        post(tx, attempt.household_id, [journal], memo="rest of the hold released", at_us=now_us)
        tx.save(replace(attempt, state=AttemptState.CAPTURED, note=""))
        _use_reservation(tx, attempt, captured)
    else:
        _end_attempt(tx, attempt, AttemptState.VOIDED, attempt.note, now_us)


def _refunded(tx: Transaction, operation: Operation, now_us: int) -> None:
    attempt = tx.get(Attempt, operation.household_id, operation.attempt_id)
    amount = Money(operation.amount_minor, operation.currency)
    journal = ledger.refund(operation.id, clearing_of(tx, attempt), payable_of(tx, attempt), amount)
    post(tx, operation.household_id, [journal], memo="refunded", at_us=now_us)
    tell(tx, operation.household_id, "refunded", f"{amount} came back to you.", f"payments/{attempt.id}", now_us)


def end_unheld(tx: Transaction, attempt: Attempt, *, now_us: int) -> None:
    """Close an attempt for which the provider holds nothing: the limit is freed, the pending hold taken back."""
    _end_attempt(tx, attempt, AttemptState.VOIDED, attempt.note, now_us)


def _end_attempt(tx: Transaction, attempt: Attempt, state: AttemptState, note: str, now_us: int) -> None:
    amount = Money(attempt.amount_minor, attempt.currency)
    journal = ledger.release(attempt.id, clearing_of(tx, attempt), payable_of(tx, attempt), amount)
    post(tx, attempt.household_id, [journal], memo=f"hold released: {state}", at_us=now_us)
    tx.save(replace(attempt, state=state, note=note))
    reservation = tx.seek(Reservation, attempt.household_id, attempt.id)
    if reservation is not None:
        tx.save(replace(reservation, state=ReservationState.FREED))


def _use_reservation(tx: Transaction, attempt: Attempt, amount_minor: int) -> None:
    reservation = tx.get(Reservation, attempt.household_id, attempt.id)
    tx.save(replace(reservation, state=ReservationState.USED, amount_minor=amount_minor))


def _belongs(operation: Operation, outcome: Authorized | Captured | Voided | Refunded) -> bool:
    """Say whether an answer is about this operation: its kind, and its amount but for a void, which says what is left.

    An answer about another amount than was asked for is never taken for a yes.
    """
    if FOLLOWS[operation.kind][0] is not type(outcome):
        return False
    return isinstance(outcome, Voided) or outcome.amount == Money(operation.amount_minor, operation.currency)


def _is_standing(tx: Transaction, attempt: Attempt) -> bool:
    return tx.get(Approval, attempt.household_id, attempt.approval_id).state is ApprovalState.STANDING


# What each kind of operation hopes for, and what follows when it comes true.
FOLLOWS: dict[OperationKind, tuple[type, Callable[[Transaction, Operation, int], None]]] = {
    OperationKind.AUTHORIZE: (Authorized, _authorized),
    OperationKind.CAPTURE: (Captured, _captured),
    OperationKind.VOID: (Voided, _voided),
    OperationKind.REFUND: (Refunded, _refunded),
}
