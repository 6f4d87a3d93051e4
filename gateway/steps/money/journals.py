"""The journals of a try to pay: what is held, taken back, captured and refunded. None where the merchant debits."""

from gateway.domain.payment import Attempt, JournalEntry, Operation, OperationKind
from gateway.steps.money.accounts import route_of
from gateway.steps.money.books import post
from gateway.steps.money.credits import credit_instead_of
from gateway.steps.ports import Transaction
from payments import ledger
from payments.money import Money


def book_hold(tx: Transaction, attempt: Attempt, *, at_us: int) -> None:
    """Write the pending journal of an amount that is to be held."""
    if route := route_of(tx, attempt):
        amount = Money(attempt.amount_minor, attempt.currency)
        journal = ledger.hold(attempt.id, route.funding, route.payable, amount)
        post(tx, attempt.household_id, [journal], memo="held for an approved cart", at_us=at_us)


def book_release(
    tx: Transaction, attempt: Attempt, amount_minor: int, *, reference: str, memo: str, at_us: int
) -> None:
    """Take back what is left of the pending journal; `reference` is the operation that ended it, or the attempt."""
    if (route := route_of(tx, attempt)) and amount_minor > 0:
        amount = Money(amount_minor, attempt.currency)
        journal = ledger.release(reference, route.funding, route.payable, amount)
        post(tx, attempt.household_id, [journal], memo=memo, at_us=at_us)


def book_capture(tx: Transaction, capture: Operation, *, at_us: int) -> None:
    """Write that money moved, and that so much is not held any more."""
    if route := route_of(tx, _attempt(tx, capture)):
        amount = Money(capture.amount_minor, capture.currency)
        journals = ledger.capture(capture.id, route.funding, route.payable, amount)
        post(tx, capture.household_id, journals, memo="captured at shipment", at_us=at_us)


def book_reversal(tx: Transaction, operation: Operation, *, at_us: int) -> None:
    """Write that a capture or refund was taken back, as the opposite of its journal."""
    if route := route_of(tx, _attempt(tx, operation)):
        amount = Money(operation.amount_minor, operation.currency)
        if operation.kind is OperationKind.REFUND:
            moved = ledger.refund(operation.id, route.funding, route.payable, amount)
        else:
            _, moved = ledger.capture(operation.id, route.funding, route.payable, amount)
        entries = tx.find(JournalEntry, operation.household_id, source_id=operation.id, kind=moved.kind.value)
        memo = f"taken back by the provider: {operation.note}"
        journals = [ledger.reversal(operation.id, moved)]
        post(tx, operation.household_id, journals, memo=memo, at_us=at_us, reverses_id=entries[0].id)


def book_refund(tx: Transaction, refund: Operation, *, at_us: int) -> None:
    """Write that money moved back, to where it came from or to the household's stored balance."""
    if route := route_of(tx, _attempt(tx, refund)):
        amount, funding, memo = Money(refund.amount_minor, refund.currency), route.funding, "refunded"
        if credit_instead_of(tx, refund) is not None:
            funding, memo = ledger.household_balance(refund.household_id), "refunded to the stored balance"
        journal = ledger.refund(refund.id, funding, route.payable, amount)
        post(tx, refund.household_id, [journal], memo=memo, at_us=at_us)


def _attempt(tx: Transaction, operation: Operation) -> Attempt:
    return tx.get(Attempt, operation.household_id, operation.attempt_id)
