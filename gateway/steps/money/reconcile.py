"""Compares three books: the ledger, the operations, and what each provider says it paid out and moved.

Nothing is changed here; mend.py does that. What the ledger and the operations say of each other the store finds in
whole tables; what a provider says is read page by page, with no transaction open while it is asked. What is still on
its way (an operation that is open and followed, a pay-out that is about to be booked) is no difference yet.
"""

from collections.abc import Iterator

from gateway.domain.payment import PaymentMethod
from gateway.domain.reconciliation import Cause, Difference
from gateway.domain.replenishment import DAY_US
from gateway.steps.money.open_books import compare_open_book
from gateway.steps.money.settlements import compare_settlements
from gateway.steps.ports import Finding, PaymentProviders, UnitOfWork
from payments.money import Money

EXAMINED = (
    Cause.JOURNAL_UNBALANCED,
    Cause.CURRENCY_DIFFERS,
    Cause.JOURNAL_MISSING,
    Cause.JOURNAL_WITHOUT_OPERATION,
    Cause.AMOUNT_DIFFERS,
    Cause.ACCOUNT_DIFFERS,
    Cause.HOLD_BOOKED_OTHERWISE,
    Cause.CAPTURE_ABOVE_APPROVAL,
    Cause.REFUND_ABOVE_CAPTURE,
    Cause.RESERVATION_NOT_FREED,
    Cause.RESERVATION_MISSING,
    Cause.OPERATION_NOT_FOLLOWED,
)
"""What ledger and operations can be asked about without a provider, in this order."""

COMPARES_AMOUNTS = frozenset(
    {
        Cause.AMOUNT_DIFFERS,
        Cause.HOLD_BOOKED_OTHERWISE,
        Cause.CAPTURE_ABOVE_APPROVAL,
        Cause.REFUND_ABOVE_CAPTURE,
    }
)
LATE_AFTER_US = 14 * DAY_US
"""A provider that pays out at all has paid out by then what it took."""


def reconcile(
    unit_of_work: UnitOfWork,
    providers: PaymentProviders,
    *,
    now_us: int,
    adapter: str | None = None,
    household_id: str | None = None,
    since_us: int = 0,
) -> Iterator[Difference]:
    """Yield every difference with its cause.

    `adapter`: ask this provider alone; `household_id`: compare this household's book alone, and no pay-outs, which are
    for all; `since_us`: pay-outs from that instant on. Raises payments' errors when a provider cannot be asked.
    """
    with unit_of_work.read() as tx:
        examination = tx.examination()
        for cause in EXAMINED:
            for finding in examination.findings(cause, household_id):
                yield Difference(cause, finding.subject_id, _detail(cause, finding), finding.household_id)
        methods = list(tx.every(PaymentMethod, household_id))
    names = {one.adapter for one in methods} if adapter is None else {adapter}
    for name in sorted(names):
        if household_id is None:
            yield from compare_settlements(
                unit_of_work,
                providers.open(name),
                name,
                since_us=since_us,
                late_before_us=now_us - LATE_AFTER_US,
                now_us=now_us,
            )
        accounts: dict[tuple[str, str], list[PaymentMethod]] = {}
        for method in methods:
            if method.adapter == name:  # unlinked and linked again it is one account at the provider
                accounts.setdefault((method.household_id, providers.token(method)), []).append(method)
        for (_, token), linked in accounts.items():
            yield from compare_open_book(unit_of_work, providers.open(name), token, linked)


def _detail(cause: Cause, finding: Finding) -> str:
    """Say in a sentence what differs, with its amounts."""
    if cause in COMPARES_AMOUNTS:
        wanted, found = (Money(minor, finding.currency) for minor in (finding.wanted_minor, finding.found_minor))
        return f"{found} where it should be {wanted} ({finding.about})"
    amount = finding.wanted_minor or finding.found_minor
    if cause is Cause.CURRENCY_DIFFERS:
        return f"a journal in {finding.currency} {finding.about}"
    if amount and finding.currency:
        return f"{Money(amount, finding.currency)} ({finding.about})"
    return finding.about
