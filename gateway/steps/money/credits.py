"""Credits as rows: written with what they stand for, so that a balance grows by nothing that is not there."""

from dataclasses import replace

from gateway.domain.credit import Credit, CreditOrigin, CreditState
from gateway.domain.errors import Invalid
from gateway.domain.payment import Funding, MethodState, Operation, PaymentMethod
from gateway.steps.ports import Transaction
from payments.money import Money


def owe_credit(
    tx: Transaction,
    method: PaymentMethod,
    amount: Money,
    origin: CreditOrigin,
    source_id: str,
    *,
    note: str,
    now_us: int,
) -> Credit:
    """Write that a balance is owed an amount; what is written already stays. `let_grow` leaves the row that does it."""
    written = tx.find(Credit, method.household_id, origin=origin, source_id=source_id)
    if written:
        return written[0]
    credit = Credit(
        id=tx.new_id(),
        household_id=method.household_id,
        payment_method_id=method.id,
        origin=origin,
        source_id=source_id,
        amount_minor=amount.amount_minor,
        currency=amount.currency,
        state=CreditState.OWED,
        note=note,
        created_us=now_us,
    )
    tx.add(credit)
    return credit


def let_grow(tx: Transaction, credit: Credit, now_us: int) -> None:
    """Leave the row that asks the keeper: what the credit stands for has come true."""
    tx.enqueue("credit", credit.household_id, credit.id, due_us=now_us)


def credit_instead_of(tx: Transaction, refund: Operation) -> Credit | None:
    """Return the credit by which a refund is given to the stored balance; None where it goes back to its provider."""
    found = tx.find(Credit, refund.household_id, origin=CreditOrigin.REFUND, source_id=refund.id)
    return found[0] if found else None


def call_credit_off(tx: Transaction, refund: Operation) -> None:
    """End the credit of a refund that is not given any more."""
    credit = credit_instead_of(tx, refund)
    if credit is not None:
        tx.save(replace(credit, state=CreditState.CALLED_OFF, note="the refund was called off"))


def seek_balance(tx: Transaction, household_id: str) -> PaymentMethod | None:
    """Return the household's stored balance, frozen or not: to grow is no debit."""
    kept = tx.find(PaymentMethod, household_id, funding=Funding.BALANCE)
    for method in kept:
        if method.state not in {MethodState.PENDING, MethodState.REVOKED}:
            return method
    return None


def stored_balance(tx: Transaction, household_id: str) -> PaymentMethod:
    """Return the household's stored balance as above; raises Invalid where there is none."""
    method = seek_balance(tx, household_id)
    if method is not None:
        return method
    raise Invalid("account", "this household has no stored balance; an owner links one on the Money page")
