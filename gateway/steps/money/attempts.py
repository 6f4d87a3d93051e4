"""One try to pay, from its first row to its last: what it reserves of a mandate, holds in the ledger and gives back."""

from dataclasses import replace

from gateway.domain.approval import Approval
from gateway.domain.payment import (
    Attempt,
    AttemptState,
    Mandate,
    Operation,
    OperationKind,
    OperationState,
    Reservation,
    ReservationState,
)
from gateway.steps.money.journals import book_hold, book_release
from gateway.steps.money.operations import begin_operation
from gateway.steps.ports import Transaction
from payments.adapter import Capabilities

HOLDING = frozenset({AttemptState.AUTHORIZED, AttemptState.CAPTURE_PENDING})


def begin_attempt(
    tx: Transaction,
    approval: Approval,
    mandate: Mandate,
    amount_minor: int,
    merchant_id: str,
    *,
    capabilities: Capabilities,
    now_us: int,
    sent_wall_us: int | None,
) -> tuple[Attempt, Operation]:
    """Write a try to hold an amount that was approved: attempt, reservation, operation and the pending journal.

    `capabilities` are those of the provider of the mandate's account.
    """
    attempt = Attempt(
        id=tx.new_id(),
        household_id=approval.household_id,
        cart_id=approval.cart_id,
        approval_id=approval.id,
        payment_method_id=mandate.payment_method_id,
        mandate_id=mandate.id,
        amount_minor=amount_minor,
        currency=approval.currency,
        state=AttemptState.UNKNOWN,
        note="",
        created_us=now_us,
        captures_once=not capabilities.multiple_captures,
    )
    reservation = Reservation(
        id=attempt.id,
        household_id=attempt.household_id,
        mandate_id=mandate.id,
        merchant_id=merchant_id,
        amount_minor=amount_minor,
        at_us=now_us,
        state=ReservationState.RESERVED,
    )
    tx.add(attempt)
    tx.add(reservation)
    operation = begin_operation(
        tx, attempt, OperationKind.AUTHORIZE, approval.cart_id, amount_minor, now_us=now_us, sent_wall_us=sent_wall_us
    )
    book_hold(tx, attempt, at_us=now_us)
    return attempt, operation


def captured_minor(tx: Transaction, attempt: Attempt) -> int:
    """Return the sum of the attempt's captures that took effect: what is gone from its hold."""
    return _captured_and_kept(tx, attempt)[0]


def kept_minor(tx: Transaction, attempt: Attempt) -> int:
    """Return the sum of the attempt's captures that took effect and were not taken back since."""
    return _captured_and_kept(tx, attempt)[1]


def has_lapsed(attempt: Attempt, now_us: int) -> bool:
    """Say whether the provider holds nothing for it any more, as it said when it held it."""
    return attempt.hold_expires_us is not None and now_us >= attempt.hold_expires_us


def end_held(
    tx: Transaction, attempt: Attempt, unused: AttemptState, *, reference: str, note: str, now_us: int
) -> Attempt:
    """End a try of which nothing is held any more: in state `unused`, or captured if a part of it was.

    `reference` names the journal that takes the rest of the hold back.
    """
    captured, kept = _captured_and_kept(tx, attempt)
    rest_minor = attempt.amount_minor - captured
    book_release(tx, attempt, rest_minor, reference=reference, memo=f"hold released: {unused}", at_us=now_us)
    if captured:
        unused = AttemptState.CAPTURED if kept else AttemptState.REVERSED
    ended = replace(attempt, state=unused, note=note)
    tx.save(ended)
    use_of_limit(tx, ended, kept)
    return ended


def use_of_limit(tx: Transaction, attempt: Attempt, kept: int) -> None:
    """Count what an ended try kept against its mandate's limit, and free the rest."""
    reservation = tx.seek(Reservation, attempt.household_id, attempt.id)
    if reservation is not None and kept:
        tx.save(replace(reservation, state=ReservationState.USED, amount_minor=kept))
    elif reservation is not None:
        tx.save(replace(reservation, state=ReservationState.FREED))


def _captured_and_kept(tx: Transaction, attempt: Attempt) -> tuple[int, int]:
    captures = tx.find(Operation, attempt.household_id, attempt_id=attempt.id, kind=OperationKind.CAPTURE)
    kept = sum(one.amount_minor for one in captures if one.state is OperationState.SUCCEEDED)
    taken_back = sum(one.amount_minor for one in captures if one.state is OperationState.REVERSED)
    return kept + taken_back, kept
