"""What a provider's answer does to an operation: the one place that says so.

The steps that call (authorize, capture, release, refund) and sync all end here. An operation that is closed stays
closed: a late, repeated or contradicting answer changes nothing, but that its money was taken back since. One under
review is ended by a definite answer alone.
What is not decided yet goes on in undecided.py, what follows from a decision in effects.py.
"""

from dataclasses import replace

from gateway.domain.payment import UNCLOSED_OPERATION_STATES, Attempt, Operation, OperationKind, OperationState
from gateway.steps.money.calls import Refused
from gateway.steps.money.effects import FOLLOWS, declined, lapsed
from gateway.steps.money.operations import MOVED_MONEY, may_still_change
from gateway.steps.money.reversals import take_back
from gateway.steps.money.suspend import suspend_after
from gateway.steps.money.undecided import ask_later, await_decision, for_review, not_found, step_up, still_under_review
from gateway.steps.ports import Transaction
from payments.adapter import (
    Authorized,
    Captured,
    Declined,
    DeclineKind,
    NotFound,
    Pending,
    Refunded,
    RequiresAction,
    Reversed,
    SyncOutcome,
    Unknown,
    Voided,
)
from payments.errors import NOTHING_HELD
from payments.money import Money


def settle_operation(
    tx: Transaction,
    operation_id: str,
    household_id: str,
    outcome: SyncOutcome | Refused,
    *,
    now_us: int,
    wall_us: int,
    may_send_again: bool = False,
) -> None:
    """Write an outcome into the operation it belongs to; all that follows from it in the same transaction.

    `may_send_again`: the provider still knows the operation's key, so what it never got may go out once more.
    """
    operation = replace(tx.get(Operation, household_id, operation_id), answered_us=now_us)
    if operation.state is OperationState.MANUAL_REVIEW:
        if isinstance(outcome, Unknown | Pending | RequiresAction | NotFound):
            still_under_review(tx, operation, outcome, now_us)
            return
    elif operation.state not in UNCLOSED_OPERATION_STATES:
        _after_its_close(tx, operation, outcome, now_us)
        return
    match outcome:
        case Unknown() | Pending() | RequiresAction():
            _wait(tx, operation, outcome, now_us=now_us, wall_us=wall_us)
        case NotFound():
            not_found(tx, operation, now_us=now_us, wall_us=wall_us, may_send_again=may_send_again)
        case Declined(kind=kind, code=code, message=message):
            closed = _close(tx, operation, OperationState.DECLINED, "", f"{code}: {message}", now_us)
            suspend_after(tx, closed, kind, message, now_us)
            declined(tx, closed, message, now_us, is_soft=kind is DeclineKind.SOFT)
        case Refused(code=code, message=message):
            closed = _close(tx, operation, OperationState.FAILED, "", f"{code}: {message}", now_us)
            end = lapsed if operation.kind is OperationKind.VOID and code == NOTHING_HELD else declined
            end(tx, closed, message, now_us)
        case Authorized() | Captured() | Voided() | Refunded() | Reversed() if _belongs(operation, outcome):
            _took_effect(tx, operation, outcome, now_us)
        case _:
            note = f"an answer that does not belong to {operation.kind}: {outcome!r}"
            for_review(tx, operation, note, now_us=now_us)


def _took_effect(
    tx: Transaction, operation: Operation, outcome: Authorized | Captured | Voided | Refunded | Reversed, now_us: int
) -> None:
    closed = _close(tx, operation, OperationState.SUCCEEDED, outcome.provider_ref, "", now_us)
    if isinstance(outcome, Authorized):
        attempt = tx.get(Attempt, operation.household_id, operation.attempt_id)
        tx.save(replace(attempt, hold_expires_us=outcome.expires_at_us))
    FOLLOWS[operation.kind][1](tx, closed, now_us)
    if isinstance(outcome, Reversed):  # both came to pass before we learned of either
        take_back(tx, closed, outcome, now_us)


def _after_its_close(tx: Transaction, operation: Operation, outcome: SyncOutcome | Refused, now_us: int) -> None:
    if may_still_change(operation) and isinstance(outcome, Reversed):
        take_back(tx, operation, outcome, now_us)


def _wait(
    tx: Transaction, operation: Operation, outcome: Unknown | Pending | RequiresAction, *, now_us: int, wall_us: int
) -> None:
    """Leave a row that asks later for what is not decided yet."""
    match outcome:
        case Unknown(reason=reason):
            ask_later(tx, operation, OperationState.UNKNOWN, reason, now_us=now_us, wall_us=wall_us)
        case Pending(provider_ref=provider_ref, decides_us=decides_us):
            await_decision(
                tx, replace(operation, provider_ref=provider_ref), decides_us, now_us=now_us, wall_us=wall_us
            )
        case RequiresAction(provider_ref=provider_ref, url=url):
            step_up(tx, replace(operation, provider_ref=provider_ref), url, now_us=now_us, wall_us=wall_us)


def _close(
    tx: Transaction, operation: Operation, state: OperationState, provider_ref: str, note: str, now_us: int
) -> Operation:
    closed = replace(
        operation, state=state, provider_ref=provider_ref or operation.provider_ref, note=note, closed_us=now_us
    )
    tx.save(closed)
    tx.cancel_work("sync", operation.id)
    return closed


def _belongs(operation: Operation, outcome: Authorized | Captured | Voided | Refunded | Reversed) -> bool:
    """Say whether an answer is about this operation: its kind, and its amount but for a void, which says what is left.

    An answer about another amount than was asked for is never taken for a yes.
    """
    if isinstance(outcome, Reversed):
        fits = operation.kind in MOVED_MONEY
    else:
        fits = FOLLOWS[operation.kind][0] is type(outcome)
    if not fits:
        return False
    return isinstance(outcome, Voided) or outcome.amount == Money(operation.amount_minor, operation.currency)
