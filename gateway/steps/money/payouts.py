"""Pay-outs: what a provider paid out is booked, and merchants are paid what they are owed of the money that came.

A merchant is owed, in one household's book, what stands on its payable account, less what its provider has taken and
not paid out yet. What was given back after it was paid is so deducted from its next pay-out; no pay-out is negative.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from gateway.domain.cart import Cart
from gateway.domain.credit import Credit, CreditOrigin
from gateway.domain.payment import Attempt, Funding, Operation, OperationKind, OperationState, PaymentMethod
from gateway.steps.money.books import post
from gateway.steps.ports import Transaction
from payments import ledger
from payments.adapter import Settlement, SettlementLine
from payments.money import Money

OPERATOR = "operator"

# What each kind adds to what a pay-out brings.
PAID_OUT = {OperationKind.CAPTURE: 1, OperationKind.REFUND: -1}


def settlement_reference(adapter: str, settlement: Settlement) -> str:
    """Return the name of a pay-out's journals; two providers may use the same reference."""
    return f"{adapter}/{settlement.provider_ref}"


def settlements_cursor(adapter: str) -> str:
    """Return the name under which is kept how far an adapter's pay-outs were booked."""
    return f"settlements/{adapter}"


def book_settlement(
    tx: Transaction, adapter: str, settlement: Settlement, now_us: int, *, reversible: bool = False
) -> None:
    """Write one pay-out; the same pay-out seen twice finds its journals there already.

    `reversible`: the provider may take captured money back; a pay-out may be the first to tell of it.
    """
    by_household: defaultdict[str, list[tuple[SettlementLine, Operation]]] = defaultdict(list)
    unmatched: list[SettlementLine] = []
    seen: set[SettlementLine] = set()
    for line in settlement.lines:
        found = tx.find(Operation, None, id=line.reference)
        may_be = found and line not in seen and (reversible or not _takes_back(found[0], line))
        if may_be and _is_brought_by(tx, adapter, settlement, line, found[0]):
            by_household[found[0].household_id].append((line, found[0]))
            _note(tx, found[0], line, settlement, now_us)
        else:
            unmatched.append(line)
        seen.add(line)
    shares = fee_shares(
        settlement,
        {household: sum(line.amount.amount_minor for line, _ in rows) for household, rows in by_household.items()},
    )
    reference, clearing = settlement_reference(adapter, settlement), ledger.provider_clearing(adapter)
    for household_id, rows in by_household.items():
        gross = _total(settlement, [line for line, _ in rows])
        journal = ledger.settlement(reference, clearing, gross, Money(shares[household_id], gross.currency))
        post(tx, household_id, [journal], memo=f"{adapter} paid out", at_us=settlement.settled_at_us)
        untold = {one.id for line, one in rows if _takes_back(one, line) and one.state is OperationState.SUCCEEDED}
        # What a merchant is owed is known once the reversal is booked: the next pay-out sees to it.
        merchants = {_merchant_of(tx, one) for _, one in rows} - {
            _merchant_of(tx, one) for _, one in rows if one.id in untold
        }
        pay_merchants(tx, household_id, merchants, gross.currency, reference=reference, now_us=now_us)
    if unmatched or (not by_household and settlement.fee):
        gross = _total(settlement, unmatched)
        fee = Money(0, gross.currency) if by_household else settlement.fee
        journal = ledger.settlement(reference, clearing, gross, fee, unmatched=gross)
        memo = f"{adapter} paid out for something unknown to us"
        post(tx, OPERATOR, [journal], memo=memo, at_us=settlement.settled_at_us)


def pay_merchants(
    tx: Transaction, household_id: str, merchant_ids: Iterable[str], currency: str, *, reference: str, now_us: int
) -> None:
    """Pay each merchant what it is owed; one that owes us is paid nothing until that is made up for."""
    awaited = awaited_minor(tx, household_id, currency)
    for merchant_id in sorted(merchant_ids):
        payable = ledger.merchant_payable(merchant_id)
        owed_minor = -tx.settled_minor(household_id, payable.kind, merchant_id, currency) - awaited[merchant_id]
        if owed_minor > 0:
            journal = ledger.payout(f"{reference}/{merchant_id}", payable, Money(owed_minor, currency))
            post(tx, household_id, [journal], memo="merchant paid", at_us=now_us)


def awaited_minor(tx: Transaction, household_id: str, currency: str) -> defaultdict[str, int]:
    """Return, for each merchant, what was captured for it and no provider has paid out yet.

    A refund that went to the stored balance is not among it: its provider never takes it off a pay-out.
    """
    awaited: defaultdict[str, int] = defaultdict(int)
    as_credit = {one.source_id for one in tx.every(Credit, household_id, origin=CreditOrigin.REFUND)}
    unpaid = tx.every(Operation, household_id, state=OperationState.SUCCEEDED, kind=frozenset(PAID_OUT), settled_ref="")
    for operation in unpaid:
        if operation.id in as_credit:
            continue
        attempt = tx.get(Attempt, household_id, operation.attempt_id)
        method = tx.get(PaymentMethod, household_id, attempt.payment_method_id)
        if method.funding is Funding.PROVIDER and operation.currency == currency:
            awaited[_merchant_of(tx, operation)] += PAID_OUT[operation.kind] * operation.amount_minor
    for refund in tx.every(
        Operation, household_id, state=OperationState.REVERSED, kind=OperationKind.REFUND, reversed_ref=""
    ):
        if refund.settled_ref and refund.currency == currency:  # it was taken off a pay-out, and is yet to come back
            awaited[_merchant_of(tx, refund)] += refund.amount_minor
    return awaited


def _is_brought_by(
    tx: Transaction, adapter: str, settlement: Settlement, line: SettlementLine, operation: Operation
) -> bool:
    """Say whether a line pays out what this operation moved, or takes it back, whole and for the first time.

    Else it is unknown to us.
    """
    attempt = tx.get(Attempt, operation.household_id, operation.attempt_id)
    brought_before, brings = operation.settled_ref, PAID_OUT.get(operation.kind, 0)
    if _takes_back(operation, line):
        brought_before, brings = operation.reversed_ref, -brings
    return (
        operation.state in {OperationState.SUCCEEDED, OperationState.REVERSED}
        and line.amount == Money(brings * operation.amount_minor, operation.currency)
        and tx.get(PaymentMethod, operation.household_id, attempt.payment_method_id).adapter == adapter
        and brought_before in {"", settlement.provider_ref}
    )


def _takes_back(operation: Operation, line: SettlementLine) -> bool:
    return PAID_OUT.get(operation.kind, 0) * line.amount.amount_minor < 0


def _note(tx: Transaction, operation: Operation, line: SettlementLine, settlement: Settlement, now_us: int) -> None:
    """Write which pay-out brought it or took it back; a reversal that nobody told of yet is looked up."""
    if not _takes_back(operation, line):
        tx.save(replace(operation, settled_ref=settlement.provider_ref))
        return
    tx.save(replace(operation, reversed_ref=settlement.provider_ref))
    if operation.state is OperationState.SUCCEEDED:
        tx.enqueue("sync", operation.household_id, operation.id, due_us=now_us)


def _merchant_of(tx: Transaction, operation: Operation) -> str:
    attempt = tx.get(Attempt, operation.household_id, operation.attempt_id)
    return tx.get(Cart, operation.household_id, attempt.cart_id).merchant_id


def _total(settlement: Settlement, lines: list[SettlementLine]) -> Money:
    return Money(sum(line.amount.amount_minor for line in lines), settlement.gross.currency)


def fee_shares(settlement: Settlement, gross: dict[str, int]) -> dict[str, int]:
    """Split the provider's fee over households by their gross, to the last minor unit (largest remainder)."""
    fee, whole = settlement.fee.amount_minor, sum(max(0, amount) for amount in gross.values())
    if not gross:
        return {}
    if whole == 0:
        first = min(gross)
        return {household: fee if household == first else 0 for household in gross}
    shares = {household: fee * max(0, amount) // whole for household, amount in gross.items()}
    rest = fee - sum(shares.values())
    by_remainder = sorted(gross, key=lambda household: (-(fee * max(0, gross[household]) % whole), household))
    for household in by_remainder[:rest]:
        shares[household] += 1
    return shares
