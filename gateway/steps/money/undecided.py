"""What becomes of an operation whose outcome is not known: asked about again, sent again, or for a person to judge."""

from dataclasses import replace

from gateway.domain.payment import Attempt, AttemptState, Operation, OperationKind, OperationState
from gateway.domain.replenishment import DAY_US, HOUR_US, SECOND_US
from gateway.steps.messages import tell
from gateway.steps.ports import Transaction
from payments.adapter import NotFound, SyncOutcome

SYNC_AFTER_S = (1, 2, 5, 20, 60, 300, 1800, 3600, 21_600, 86_400)
MOST_SYNCS = 40
SOON = 6  # so often it is asked within minutes
STEP_UP_PREFIX = "step-up/"
CONFIRM_WITHIN_US = DAY_US
NOTHING_THERE = "; asked since, the provider knows nothing of it"

STEP_OF_KIND = {
    OperationKind.AUTHORIZE: "authorize",
    OperationKind.CAPTURE: "capture",
    OperationKind.VOID: "release",
    OperationKind.REFUND: "refund",
}


def for_review(tx: Transaction, operation: Operation, note: str, *, now_us: int) -> None:
    """Hand an operation to the operator with everything known: never failed by itself, never under a new key."""
    if operation.state is OperationState.MANUAL_REVIEW:
        return
    tx.save(replace(operation, state=OperationState.MANUAL_REVIEW, note=note))
    ask_daily(tx, operation, now_us)
    attempt = tx.get(Attempt, operation.household_id, operation.attempt_id)
    if operation.kind is OperationKind.REFUND:  # what is still to be debited or given back goes on
        text = "Money could not be given back yet. The operator is looking."
    else:
        tx.save(replace(attempt, state=AttemptState.MANUAL_REVIEW, note=note))
        text = "We could not learn what became of a payment. Nothing more is debited until the operator has looked."
    tell(tx, operation.household_id, "payment_review", text, f"payments/{attempt.id}", now_us)


def ask_daily(tx: Transaction, operation: Operation, now_us: int) -> None:
    """Go on asking while a person looks, once a day and not for ever."""
    if operation.syncs < MOST_SYNCS:
        tx.enqueue("sync", operation.household_id, operation.id, due_us=now_us + DAY_US)


def still_under_review(tx: Transaction, operation: Operation, said: SyncOutcome, now_us: int) -> None:
    """Keep what was learned for the person who looks, and ask again tomorrow."""
    is_news = isinstance(said, NotFound) and not operation.note.endswith(NOTHING_THERE)
    tx.save(replace(operation, note=operation.note + NOTHING_THERE) if is_news else operation)
    ask_daily(tx, operation, now_us)


def ask_later(
    tx: Transaction, operation: Operation, state: OperationState, note: str, *, now_us: int, wall_us: int
) -> None:
    """Leave a row for sync, later each time; after the last time a person looks."""
    if operation.syncs >= len(SYNC_AFTER_S):
        for_review(tx, operation, f"still unknown after {operation.syncs} questions: {note}", now_us=now_us)
        return
    tx.save(replace(operation, state=state, note=note))
    wait_us = SYNC_AFTER_S[operation.syncs] * SECOND_US
    tx.enqueue("sync", operation.household_id, operation.id, due_us=now_us, not_before_wall_us=wall_us + wait_us)


def await_decision(tx: Transaction, operation: Operation, decides_us: int | None, *, now_us: int, wall_us: int) -> None:
    """Wait for a provider that took the request and decides later: asked when it says, soon where it does not.

    A scheme that takes days says so each time (`decides_us`); after the last time a person looks.
    """
    note = "the provider has not decided yet"
    if decides_us is None or operation.syncs >= MOST_SYNCS:
        ask_later(tx, operation, OperationState.PENDING, note, now_us=now_us, wall_us=wall_us)
    else:
        tx.save(replace(operation, state=OperationState.PENDING, note=note))
        due_us = max(decides_us, now_us + HOUR_US)
        tx.enqueue("sync", operation.household_id, operation.id, due_us=due_us)


def not_found(tx: Transaction, operation: Operation, *, now_us: int, wall_us: int, may_send_again: bool) -> None:
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


def step_up(tx: Transaction, operation: Operation, url: str, *, now_us: int, wall_us: int) -> None:
    """Tell the customer once that the bank wants them, and ask later what they did, until they had time enough."""
    attempt = tx.get(Attempt, operation.household_id, operation.attempt_id)
    if attempt.state is not AttemptState.REQUIRES_ACTION:
        tx.save(replace(attempt, state=AttemptState.REQUIRES_ACTION, note=url))
        text = "Your bank wants you to confirm this payment yourself."
        tell(tx, operation.household_id, "payment_step_up", text, f"payments/{attempt.id}", now_us)
        subject = STEP_UP_PREFIX + attempt.id
        tx.enqueue("expire", operation.household_id, subject, due_us=now_us + CONFIRM_WITHIN_US)
    if operation.syncs < SOON:
        ask_later(tx, operation, OperationState.PENDING, "waits for the customer", now_us=now_us, wall_us=wall_us)
    else:  # for hours it is a person who is waited for, and nobody need look into it
        tx.save(replace(operation, state=OperationState.PENDING, note="waits for the customer", syncs=SOON))
        tx.enqueue("sync", operation.household_id, operation.id, due_us=now_us + HOUR_US)
