"""Suspend: what a provider said no to for good is not tried again until a member has looked at it."""

from dataclasses import replace

from gateway.domain.payment import Attempt, Mandate, MandateState, MethodState, Operation, OperationKind, PaymentMethod
from gateway.steps.messages import tell
from gateway.steps.ports import Transaction
from payments.adapter import DeclineKind

# A void or refund gives money back: that it was refused says nothing of the account's worth.
DEBITS = frozenset({OperationKind.AUTHORIZE, OperationKind.CAPTURE})


def suspend_after(tx: Transaction, operation: Operation, kind: DeclineKind, message: str, now_us: int) -> None:
    """Suspend the account after a hard decline, the permission after the provider does not take it any more."""
    if operation.kind not in DEBITS:
        return
    attempt = tx.get(Attempt, operation.household_id, operation.attempt_id)
    match kind:
        case DeclineKind.HARD:
            _suspend_method(tx, tx.get(PaymentMethod, attempt.household_id, attempt.payment_method_id), message, now_us)
        case DeclineKind.MANDATE:
            mandate = tx.get(Mandate, attempt.household_id, attempt.mandate_id)
            if operation.amount_minor <= mandate.per_order_minor:  # beyond its limit it was not the permission's fault
                _suspend_mandate(tx, mandate, message, now_us)
        case DeclineKind.SOFT:
            return


def _suspend_method(tx: Transaction, method: PaymentMethod, message: str, now_us: int) -> None:
    if method.state not in {MethodState.ACTIVE, MethodState.FROZEN}:
        return
    tx.save(replace(method, state=MethodState.SUSPENDED, note=message))
    text = f"{method.label} is suspended: {message} Lift that on the Money page once it is put right, or link another."
    tell(tx, method.household_id, "account_suspended", text, "money", now_us)


def _suspend_mandate(tx: Transaction, mandate: Mandate, message: str, now_us: int) -> None:
    if mandate.state is not MandateState.ACTIVE:
        return
    tx.save(replace(mandate, state=MandateState.SUSPENDED, note=message))
    text = f"A permission to debit is suspended: {message} Confirm its limits on the Money page to have it set up anew."
    tell(tx, mandate.household_id, "mandate_suspended", text, "money", now_us)
