"""Settle: a provider pays out what it captured, less its fee; merchants are paid what they are owed.

Each pay-out becomes one settlement journal per household, and one pay-out journal per household and merchant. What the
gateway keeps itself (a stored balance) is there already: of that the merchants are paid daily.
"""

from collections.abc import Sequence

from gateway.domain.payment import Account, Funding, Operation, PaymentMethod
from gateway.domain.records import WorkItem
from gateway.domain.replenishment import DAY_US
from gateway.steps.money.payouts import book_settlement, pay_merchants, settlements_cursor
from gateway.steps.ports import Services, Transaction
from payments.adapter import FileExchange, Settlement
from payments.ledger import AccountKind

LOOKED_UP = 1_000  # operations at once
PAGE = 200  # of an adapter's list_settlements


def settle(item: WorkItem, services: Services) -> None:
    """Book one adapter's new pay-outs (subject: adapter name) and look again tomorrow."""
    now_us, adapter = services.clock.now_us(), item.subject_id
    cursor = settlements_cursor(adapter)
    with services.unit_of_work.begin() as tx:
        tx.hold(item)
        since_us = tx.cursor(cursor)
    provider = services.providers.open(adapter)
    settlements = provider.list_settlements(since_us)
    reversible = provider.capabilities.finality == "reversible"
    with services.unit_of_work.begin() as tx:
        _take_households(tx, settlements)
        tx.complete(item)
        for settlement in settlements:
            book_settlement(tx, adapter, settlement, now_us, reversible=reversible)
            tx.move_cursor(cursor, settlement.settled_at_us)
        _pay_from_balances(tx, adapter, now_us)
        if isinstance(provider, FileExchange) and not tx.is_waiting("exchange", adapter):
            tx.enqueue("exchange", None, adapter, due_us=now_us)
        more = len(settlements) >= PAGE and settlements[-1].settled_at_us > since_us
        tx.enqueue("settle", None, adapter, due_us=now_us if more else now_us + DAY_US)


def _take_households(tx: Transaction, settlements: Sequence[Settlement]) -> None:
    """Take all their households together, and before the row of work, as whoever asks for that row again does."""
    references = sorted({line.reference for one in settlements for line in one.lines})
    pages = (references[start : start + LOOKED_UP] for start in range(0, len(references), LOOKED_UP))
    tx.take({found.household_id for page in pages for found in tx.find(Operation, None, id=frozenset(page))})


def _pay_from_balances(tx: Transaction, adapter: str, now_us: int) -> None:
    """Pay the merchants of the households whose money this adapter lets us keep, at most once a day."""
    households = {one.household_id for one in tx.every(PaymentMethod, None, adapter=adapter, funding=Funding.BALANCE)}
    tx.take(households)
    for household_id in sorted(households):
        payables = tx.find(Account, household_id, kind=AccountKind.MERCHANT_PAYABLE)
        for currency in sorted({one.currency for one in payables}):
            merchants = {one.owner for one in payables if one.currency == currency}
            reference = f"{adapter}/{now_us // DAY_US}"
            pay_merchants(tx, household_id, merchants, currency, reference=reference, now_us=now_us)
