"""Credits as rows: written with what they stand for, so that a balance grows by nothing that is not there."""

from gateway.domain.credit import Credit, CreditOrigin, CreditState
from gateway.domain.errors import Invalid
from gateway.domain.payment import Funding, MethodState, PaymentMethod
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
    """Write that a balance is owed an amount, and the row that lets it grow; what is written already stays."""
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
    tx.enqueue("credit", credit.household_id, credit.id, due_us=now_us)
    return credit


def stored_balance(tx: Transaction, household_id: str) -> PaymentMethod:
    """Return the household's stored balance, frozen or not: to grow is no debit. Raises Invalid where there is none."""
    kept = tx.find(PaymentMethod, household_id, funding=Funding.BALANCE)
    for method in kept:
        if method.state not in {MethodState.PENDING, MethodState.REVOKED}:
            return method
    raise Invalid("account", "this household has no stored balance; an owner links one on the Money page")
