"""Confirm: a member comes back from the page where their bank let them confirm a payment; what came of it is asked."""

from gateway.domain.household import Member
from gateway.domain.payment import Attempt, AttemptState, Operation, OperationKind, OperationState
from gateway.steps.ports import Transaction


def payment_confirmed(tx: Transaction, member: Member, attempt_id: str, *, now_us: int) -> Attempt:
    """Look at once what became of a payment; coming back proves nothing. Raises NotFound and NotAllowed."""
    member.may_decide("confirm a payment")
    attempt = tx.get(Attempt, member.household_id, attempt_id)
    if attempt.state is AttemptState.REQUIRES_ACTION:
        for one in tx.find(
            Operation,
            attempt.household_id,
            attempt_id=attempt.id,
            kind=OperationKind.AUTHORIZE,
            state=OperationState.PENDING,
        ):
            tx.enqueue("sync", attempt.household_id, one.id, due_us=now_us)
    return attempt
