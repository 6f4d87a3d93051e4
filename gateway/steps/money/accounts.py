"""Which ledger accounts an attempt moves between."""

from gateway.domain.cart import Cart
from gateway.domain.payment import Attempt, PaymentMethod
from gateway.steps.ports import Transaction
from payments import ledger

STORED_BALANCE = "balance"


def clearing_of(tx: Transaction, attempt: Attempt) -> ledger.Account:
    """Return where the money comes from: the provider's clearing, or the household's stored balance."""
    method = tx.get(PaymentMethod, attempt.household_id, attempt.payment_method_id)
    if method.adapter == STORED_BALANCE:
        return ledger.household_balance(attempt.household_id)
    return ledger.provider_clearing(method.adapter)


def payable_of(tx: Transaction, attempt: Attempt) -> ledger.Account:
    """Return whom the money is owed to: the cart's merchant."""
    return ledger.merchant_payable(tx.get(Cart, attempt.household_id, attempt.cart_id).merchant_id)
