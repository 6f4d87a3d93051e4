"""A provider's list of pay-outs beside the operations it names and the journals that were written of it."""

from collections.abc import Iterator

from gateway.domain.payment import UNCLOSED_OPERATION_STATES, OperationState
from gateway.domain.reconciliation import Cause, Difference
from gateway.steps.money.payouts import PAID_OUT, settlement_reference, settlements_cursor
from gateway.steps.ports import BookedSettlement, Moved, Transaction, UnitOfWork
from payments.adapter import PaymentAdapter, Settlement, SettlementLine
from payments.errors import SettlementMismatch
from payments.money import Money

MOST_PAGES = 100_000
LOOKED_UP = frozenset({Cause.SETTLED_WHILE_OPEN, Cause.TAKEN_BACK_THERE})
TOOK_EFFECT = frozenset({OperationState.SUCCEEDED, OperationState.REVERSED})
OPEN = UNCLOSED_OPERATION_STATES | {OperationState.MANUAL_REVIEW}


def compare_settlements(
    unit_of_work: UnitOfWork, provider: PaymentAdapter, adapter: str, *, since_us: int, late_before_us: int, now_us: int
) -> Iterator[Difference]:
    """Yield what differs between an adapter's pay-outs of `since_us` and later, the operations and the journals.

    What was taken before `late_before_us` should have been paid out, where the provider ever paid anything out.
    """
    with unit_of_work.read() as tx:
        booked = {one.source_id: one for one in tx.examination().booked_settlements(adapter, since_us)}
    reversible = provider.capabilities.finality == "reversible"
    listed: set[str] = set()
    paid: set[tuple[str, bool]] = set()
    try:
        for page in _pages(provider, since_us):
            with unit_of_work.read() as tx:
                for settlement in page:
                    listed.add(settlement_reference(adapter, settlement))
                    yield from _compare(tx, adapter, settlement, booked, paid, now_us, reversible=reversible)
    except SettlementMismatch as mismatch:
        yield Difference(Cause.SETTLEMENT_DOES_NOT_ADD_UP, f"{adapter}", str(mismatch), adapter=adapter)
        return  # what comes after it was not read: nothing can be said of it
    for source_id in booked.keys() - listed:
        yield Difference(Cause.SETTLEMENT_HERE_ONLY, source_id, "the provider does not list it", adapter=adapter)
    if listed:
        with unit_of_work.read() as tx:
            for late in tx.examination().not_paid_out(adapter, late_before_us):
                if not {(late.subject_id, False), (late.subject_id, True)} & paid and since_us == 0:
                    amount = Money(late.wanted_minor, late.currency)
                    detail = f"{late.about} of {amount}"
                    yield Difference(Cause.PAYOUT_NOT_ARRIVED, late.subject_id, detail, late.household_id, adapter)


def _pages(provider: PaymentAdapter, since_us: int) -> Iterator[list[Settlement]]:
    """Yield the pay-outs in pages, each once, though a page begins at the instant where the last one ended."""
    last: set[str] = set()
    for _ in range(MOST_PAGES):
        answer = provider.list_settlements(since_us)
        page = [one for one in answer if one.provider_ref not in last]
        if not page:
            return
        yield page
        until_us = page[-1].settled_at_us
        last = {one.provider_ref for one in answer if one.settled_at_us == until_us} | (
            last if until_us == since_us else set()
        )
        since_us = until_us


def _compare(
    tx: Transaction,
    adapter: str,
    settlement: Settlement,
    booked: dict[str, BookedSettlement],
    paid: set[tuple[str, bool]],
    now_us: int,
    *,
    reversible: bool,
) -> Iterator[Difference]:
    operations = tx.examination().moved(line.reference for line in settlement.lines)
    for line in settlement.lines:
        operation, named = operations.get(line.reference), (line.reference, line.amount.amount_minor < 0)
        if cause := _cause(adapter, settlement, line, operation, is_repeated=named in paid, reversible=reversible):
            owner = operation.household_id if operation is not None else ""
            detail = f"{line.amount} in pay-out {settlement.provider_ref}"
            if operation is not None:
                moved = Money(operation.amount_minor, operation.currency)
                detail += f", here a {operation.kind} of {moved}, {operation.state}"
            is_under_way = cause in LOOKED_UP and tx.is_waiting("sync", line.reference, due_by_us=now_us)
            if not is_under_way:
                yield Difference(cause, line.reference, detail, owner, adapter)
        paid.add(named)
    source_id = settlement_reference(adapter, settlement)
    yield from _compare_book(tx, adapter, settlement, source_id, booked.get(source_id), now_us)


def _compare_book(
    tx: Transaction, adapter: str, settlement: Settlement, source_id: str, book: BookedSettlement | None, now_us: int
) -> Iterator[Difference]:
    if book is None:
        cursor_us = tx.cursor(settlements_cursor(adapter))
        is_under_way = tx.is_waiting("settle", adapter, due_by_us=now_us) and cursor_us <= settlement.settled_at_us
        if settlement.lines and not is_under_way:
            at_us = settlement.settled_at_us
            yield Difference(Cause.SETTLEMENT_NOT_BOOKED, source_id, f"{settlement.net} came", "", adapter, at_us)
    elif book.fees_minor != settlement.fee.amount_minor:
        fee = Money(book.fees_minor, settlement.fee.currency)
        detail = f"{fee} where it should be {settlement.fee}"
        yield Difference(Cause.FEE_NOT_BOOKED, source_id, detail, "", adapter)
    elif book.bank_minor != settlement.net.amount_minor or book.currency not in {"", settlement.net.currency}:
        has = Money(book.bank_minor, book.currency or settlement.net.currency)
        detail = f"{has} where it should be {settlement.net}"
        yield Difference(Cause.SETTLEMENT_BOOKED_OTHERWISE, source_id, detail, "", adapter)


def _cause(
    adapter: str,
    settlement: Settlement,
    line: SettlementLine,
    operation: Moved | None,
    *,
    is_repeated: bool,
    reversible: bool,
) -> Cause | None:
    """Return why a line of a pay-out does not fit what was moved; None where it does."""
    if operation is None or operation.adapter != adapter:
        return Cause.UNKNOWN_REFERENCE
    brings = PAID_OUT.get(operation.kind, 0)
    takes_back = reversible and brings * line.amount.amount_minor < 0
    if takes_back:
        brings = -brings
    brought_before = operation.reversed_ref if takes_back else operation.settled_ref
    cause: Cause | None = None
    if operation.state in OPEN:
        cause = Cause.SETTLED_WHILE_OPEN
    elif operation.state not in TOOK_EFFECT or operation.kind not in PAID_OUT:
        cause = Cause.SETTLED_BUT_REFUSED
    elif line.amount != Money(brings * operation.amount_minor, operation.currency):
        cause = Cause.SETTLED_OTHER_AMOUNT
    elif is_repeated or brought_before not in {"", settlement.provider_ref}:
        cause = Cause.SETTLED_TWICE
    elif takes_back and operation.state is OperationState.SUCCEEDED:
        cause = Cause.TAKEN_BACK_THERE
    return cause
