"""Which ledger accounts a try to pay moves between, if its money is in the ledger at all."""

from dataclasses import dataclass

from gateway.domain.cart import Cart
from gateway.domain.payment import Attempt, Funding, PaymentMethod
from gateway.steps.ports import Transaction
from payments import adapter, ledger


@dataclass(frozen=True, slots=True)
class Route:
    """Where the money of a debit comes from, and whom it is owed to."""

    funding: ledger.Account
    payable: ledger.Account


def funding_of(provider: adapter.PaymentAdapter) -> Funding:
    """Return who holds what this adapter debits."""
    if provider.capabilities.merchant_debits:
        return Funding.MERCHANT
    return Funding.BALANCE if isinstance(provider, adapter.StoredBalance) else Funding.PROVIDER


def route_of(tx: Transaction, attempt: Attempt) -> Route | None:
    """Return the accounts between which an attempt moves money; None where the merchant takes it itself."""
    method = tx.get(PaymentMethod, attempt.household_id, attempt.payment_method_id)
    if method.funding is Funding.MERCHANT:
        return None
    merchant_id = tx.get(Cart, attempt.household_id, attempt.cart_id).merchant_id
    return Route(funding_account(method), ledger.merchant_payable(merchant_id))


def funding_account(method: PaymentMethod) -> ledger.Account:
    """Return the account from which a linked account's debits are booked; none is the merchant's own affair."""
    match method.funding:
        case Funding.PROVIDER:
            return ledger.provider_clearing(method.adapter)
        case Funding.BALANCE:
            return ledger.household_balance(method.household_id)
        case Funding.MERCHANT:
            raise LookupError(f"{method.adapter} lets the merchant debit: no account of ours has that money")
