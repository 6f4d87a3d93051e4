"""Operations as rows: written before the provider is called, then sent again under the same key or looked up."""

from dataclasses import replace

from gateway.domain.payment import UNCLOSED_OPERATION_STATES, Attempt, Operation, OperationKind, OperationState
from gateway.domain.replenishment import SECOND_US
from gateway.steps.ports import Transaction
from payments.adapter import Capabilities

# A request may be this long on its way: so long before a provider forgets a key, it is no longer sent under it.
MARGIN_S = 600

# What may be taken back after it took effect: a debit by the customer's bank, a refund that their bank returns.
MOVED_MONEY = frozenset({OperationKind.CAPTURE, OperationKind.REFUND})


def begin_operation(
    tx: Transaction,
    attempt: Attempt,
    kind: OperationKind,
    subject_id: str,
    amount_minor: int,
    *,
    now_us: int,
    sent_wall_us: int | None,
) -> Operation:
    """Write the intention of one operation; without `sent_wall_us` it waits for the step that sends it."""
    operation = Operation(
        id=tx.new_id(),
        household_id=attempt.household_id,
        attempt_id=attempt.id,
        kind=kind,
        subject_id=subject_id,
        amount_minor=amount_minor,
        currency=attempt.currency,
        state=OperationState.CREATED if sent_wall_us is None else OperationState.UNKNOWN,
        provider_ref="",
        note="",
        created_us=now_us,
        sent_wall_us=sent_wall_us,
        closed_us=None,
        syncs=0,
    )
    tx.add(operation)
    return operation


def send_again(
    tx: Transaction, operation: Operation, capabilities: Capabilities, *, now_us: int, wall_us: int
) -> Operation | None:
    """Return an operation that was left open, to go out once more under its own key.

    None when the provider may have forgotten the key: sync then looks up what became of it.
    """
    if not may_send_again(operation, capabilities, wall_us):
        tx.enqueue("sync", operation.household_id, operation.id, due_us=now_us)
        return None
    sent_wall_us = wall_us if operation.sent_wall_us is None else operation.sent_wall_us
    again = replace(operation, state=OperationState.UNKNOWN, sent_wall_us=sent_wall_us)
    tx.save(again)
    return again


def may_send_again(operation: Operation, capabilities: Capabilities, wall_us: int) -> bool:
    """Say whether the provider still knows the operation's key, so that sending it again cannot take effect twice."""
    return key_is_known(operation.sent_wall_us, capabilities, wall_us)


def may_still_change(operation: Operation) -> bool:
    """Say whether its provider may still tell news of it: it is open, or money that may be taken back."""
    has_moved = operation.kind in MOVED_MONEY and operation.state is OperationState.SUCCEEDED
    return has_moved or operation.state in UNCLOSED_OPERATION_STATES | {OperationState.MANUAL_REVIEW}


def key_is_known(sent_wall_us: int | None, capabilities: Capabilities, wall_us: int) -> bool:
    """Say whether a provider still knows a key that went out at that real time (None: it never did)."""
    window_s = capabilities.idempotency_window_s
    if window_s is None or sent_wall_us is None:
        return True
    return wall_us - sent_wall_us < (window_s - MARGIN_S) * SECOND_US
