"""Settle: a provider pays out what it captured, less its fee; merchants are paid what they are owed.

Each pay-out becomes one settlement journal per household, and one pay-out journal per household and merchant.
"""

from collections import defaultdict
from dataclasses import replace

from gateway.domain.cart import Cart
from gateway.domain.payment import Attempt, Operation, OperationKind, OperationState, PaymentMethod
from gateway.domain.records import WorkItem
from gateway.domain.replenishment import DAY_US
from gateway.steps.money.accounts import STORED_BALANCE
from gateway.steps.money.books import post
from gateway.steps.ports import Services, Transaction
from payments import ledger
from payments.adapter import Settlement, SettlementLine
from payments.money import Money

OPERATOR = "operator"
PAGE = 200  # of an adapter's list_settlements


def settle(item: WorkItem, services: Services) -> None:
    """Book one adapter's new pay-outs (subject: adapter name) and look again tomorrow."""
    now_us, adapter = services.clock.now_us(), item.subject_id
    cursor = f"settlements/{adapter}"
    with services.unit_of_work.begin() as tx:
        tx.hold(item)
        since_us = tx.cursor(cursor)
    settlements = services.providers.open(adapter).list_settlements(since_us)
    with services.unit_of_work.begin() as tx:
        tx.complete(item)
        for settlement in settlements:
            _book(tx, adapter, settlement, now_us)
            tx.move_cursor(cursor, settlement.settled_at_us)
        more = len(settlements) >= PAGE and settlements[-1].settled_at_us > since_us
        tx.enqueue("settle", None, adapter, due_us=now_us if more else now_us + DAY_US)


def _book(tx: Transaction, adapter: str, settlement: Settlement, now_us: int) -> None:
    """Write one pay-out; the same pay-out seen twice finds its journals there already."""
    by_household: defaultdict[str, list[tuple[SettlementLine, Operation]]] = defaultdict(list)
    unmatched: list[SettlementLine] = []
    for line in settlement.lines:
        found = tx.find(Operation, None, id=line.reference)
        if found and _is_brought_by(tx, adapter, settlement, line, found[0]):
            by_household[found[0].household_id].append((line, found[0]))
            tx.save(replace(found[0], settled_ref=settlement.provider_ref))
        else:
            unmatched.append(line)
    shares = _fee_shares(
        settlement,
        {household: sum(line.amount.amount_minor for line, _ in rows) for household, rows in by_household.items()},
    )
    for household_id, rows in by_household.items():
        gross = _total(settlement, [line for line, _ in rows])
        fee = Money(shares[household_id], gross.currency)
        clearing = (
            ledger.household_balance(household_id) if adapter == STORED_BALANCE else ledger.provider_clearing(adapter)
        )
        journal = ledger.settlement(settlement.provider_ref, clearing, gross, fee)
        post(tx, household_id, [journal], memo=f"{adapter} paid out", at_us=settlement.settled_at_us)
        _pay_merchants(tx, household_id, settlement, rows, now_us)
    if unmatched or (not by_household and settlement.fee):
        gross = _total(settlement, unmatched)
        fee = Money(0, gross.currency) if by_household else settlement.fee
        clearing = ledger.provider_clearing(adapter)
        journal = ledger.settlement(settlement.provider_ref, clearing, gross, fee, unmatched=gross)
        post(
            tx,
            OPERATOR,
            [journal],
            memo=f"{adapter} paid out for something unknown to us",
            at_us=settlement.settled_at_us,
        )


def _is_brought_by(
    tx: Transaction, adapter: str, settlement: Settlement, line: SettlementLine, operation: Operation
) -> bool:
    """Say whether a line pays out what this operation moved, whole and for the first time; else it is unknown to us."""
    sign = {OperationKind.CAPTURE: 1, OperationKind.REFUND: -1}.get(operation.kind, 0)
    attempt = tx.get(Attempt, operation.household_id, operation.attempt_id)
    return (
        operation.state is OperationState.SUCCEEDED
        and line.amount == Money(sign * operation.amount_minor, operation.currency)
        and tx.get(PaymentMethod, operation.household_id, attempt.payment_method_id).adapter == adapter
        and operation.settled_ref in {"", settlement.provider_ref}
    )


def _pay_merchants(
    tx: Transaction,
    household_id: str,
    settlement: Settlement,
    rows: list[tuple[SettlementLine, Operation]],
    now_us: int,
) -> None:
    """Pay each merchant what this pay-out brought for it; after more refunds than sales it owes us, and that stays."""
    owed: defaultdict[str, list[SettlementLine]] = defaultdict(list)
    for line, operation in rows:
        attempt = tx.get(Attempt, household_id, operation.attempt_id)
        owed[tx.get(Cart, household_id, attempt.cart_id).merchant_id].append(line)
    for merchant_id, lines in owed.items():
        amount = _total(settlement, lines)
        if amount.amount_minor > 0:
            payable = ledger.merchant_payable(merchant_id)
            journal = ledger.payout(f"{settlement.provider_ref}/{merchant_id}", payable, amount)
            post(tx, household_id, [journal], memo="merchant paid", at_us=now_us)


def _total(settlement: Settlement, lines: list[SettlementLine]) -> Money:
    return Money(sum(line.amount.amount_minor for line in lines), settlement.gross.currency)


def _fee_shares(settlement: Settlement, gross: dict[str, int]) -> dict[str, int]:
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
