"""Mends what is provably ours: a journal of what took effect, a limit to free, a row that looks something up.

Never by moving money or making any up, and through the same code as the river. Whether a difference still stands is
asked anew in the transaction that mends it, so that a second run finds nothing to mend.
"""

from collections.abc import Callable
from dataclasses import replace

from gateway.domain.payment import (
    UNCLOSED_OPERATION_STATES,
    Attempt,
    JournalEntry,
    Operation,
    OperationKind,
    OperationState,
    Posting,
    Reservation,
    ReservationState,
)
from gateway.domain.reconciliation import Cause, Difference
from gateway.steps.money.attempts import captured_minor, kept_minor, use_of_limit
from gateway.steps.money.journals import book_capture, book_hold, book_refund, book_release, book_reversal
from gateway.steps.money.open_books import HOLDING, TOOK_EFFECT
from gateway.steps.money.payouts import settlements_cursor
from gateway.steps.ports import Transaction
from payments.ledger import JournalKind

BOOKS = {OperationKind.CAPTURE: book_capture, OperationKind.REFUND: book_refund}


def mend(tx: Transaction, difference: Difference, now_us: int) -> str:
    """Mend one difference and say what was done; empty where it is not ours to mend, or not any more."""
    act = MENDS.get(difference.cause)
    return "" if act is None else act(tx, difference, now_us)


def _book_settlement(tx: Transaction, difference: Difference, now_us: int) -> str:
    cursor = settlements_cursor(difference.adapter)  # read again from there; what is booked stays as it is
    tx.move_cursor(cursor, min(difference.at_us, tx.cursor(cursor)))
    tx.enqueue("settle", None, difference.adapter, due_us=now_us)
    return "it is read again and booked"


def _write_journal(tx: Transaction, difference: Difference, now_us: int) -> str:
    operation = tx.get(Operation, difference.household_id, difference.subject_id)
    if operation.state not in TOOK_EFFECT or operation.kind not in BOOKS:
        return ""
    BOOKS[operation.kind](tx, operation, at_us=operation.closed_us or now_us)
    if operation.state is OperationState.REVERSED:
        book_reversal(tx, operation, at_us=operation.answered_us or now_us)
    return "its journal was written"


def _book_hold(tx: Transaction, difference: Difference, now_us: int) -> str:
    attempt = tx.get(Attempt, difference.household_id, difference.subject_id)
    is_holding = attempt.state in HOLDING
    wanted_minor = attempt.amount_minor - captured_minor(tx, attempt) if is_holding else 0
    booked_minor = _pending_minor(tx, attempt)
    done = ""
    if booked_minor == wanted_minor:  # the journal of its capture, written a moment ago, took the hold back too
        done = "another mend put it right"
    elif is_holding and not _has_journal(tx, attempt, JournalKind.HOLD):
        book_hold(tx, attempt, at_us=attempt.created_us)
        done = "its hold was written"
    elif not is_holding and booked_minor > 0 and not _has_journal(tx, attempt, JournalKind.RELEASE):
        memo = f"hold ended: {attempt.state}"
        book_release(tx, attempt, booked_minor, reference=attempt.id, memo=memo, at_us=now_us)
        done = "its hold was taken back in the ledger"
    return done


def _has_journal(tx: Transaction, attempt: Attempt, kind: JournalKind) -> bool:
    return bool(tx.find(JournalEntry, attempt.household_id, source_id=attempt.id, kind=kind))


def _pending_minor(tx: Transaction, attempt: Attempt) -> int:
    """Return what the ledger has as held for an attempt."""
    sources = {attempt.id} | {one.id for one in tx.find(Operation, attempt.household_id, attempt_id=attempt.id)}
    journals = tx.find(JournalEntry, attempt.household_id, source_id=frozenset(sources), pending=True)
    return sum(
        leg.amount_minor if entry.kind == JournalKind.HOLD else -leg.amount_minor
        for entry in journals
        for leg in tx.find(Posting, attempt.household_id, journal_id=entry.id)
        if leg.amount_minor > 0
    )


def _end_reservation(tx: Transaction, difference: Difference, now_us: int) -> str:  # noqa: ARG001 — a mend has it
    attempt = tx.get(Attempt, difference.household_id, difference.subject_id)
    reservation = tx.get(Reservation, attempt.household_id, attempt.id)
    if attempt.state in HOLDING or reservation.state is not ReservationState.RESERVED:
        return ""
    use_of_limit(tx, attempt, kept_minor(tx, attempt))
    return "its part of the limit was freed"


def _reserve(tx: Transaction, difference: Difference, now_us: int) -> str:  # noqa: ARG001 — a mend has it
    attempt = tx.get(Attempt, difference.household_id, difference.subject_id)
    reservation = tx.get(Reservation, attempt.household_id, attempt.id)
    if attempt.state not in HOLDING or reservation.state is ReservationState.RESERVED:
        return ""
    tx.save(replace(reservation, state=ReservationState.RESERVED, amount_minor=attempt.amount_minor))
    return "its part of the limit was reserved"


def _look_up(tx: Transaction, difference: Difference, now_us: int) -> str:
    operation = tx.get(Operation, difference.household_id, difference.subject_id)
    looked_up = UNCLOSED_OPERATION_STATES | {OperationState.MANUAL_REVIEW, OperationState.SUCCEEDED}
    if operation.state not in looked_up:
        return ""
    tx.enqueue("sync", operation.household_id, operation.id, due_us=now_us)
    return "it is looked up"


MENDS: dict[Cause, Callable[[Transaction, Difference, int], str]] = {
    Cause.JOURNAL_MISSING: _write_journal,
    Cause.HOLD_BOOKED_OTHERWISE: _book_hold,
    Cause.RESERVATION_NOT_FREED: _end_reservation,
    Cause.RESERVATION_MISSING: _reserve,
    Cause.OPERATION_NOT_FOLLOWED: _look_up,
    Cause.SETTLED_WHILE_OPEN: _look_up,
    Cause.TAKEN_BACK_THERE: _look_up,
    Cause.SETTLEMENT_NOT_BOOKED: _book_settlement,
}
