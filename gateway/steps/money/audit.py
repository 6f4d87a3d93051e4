"""Whether a household's ledger, its operations and the providers' own books agree: nothing is changed, all is said."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from gateway.domain.approval import Approval
from gateway.domain.payment import (
    UNCLOSED_OPERATION_STATES,
    Attempt,
    AttemptState,
    Funding,
    JournalEntry,
    Operation,
    OperationKind,
    OperationState,
    PaymentMethod,
)
from gateway.steps.money.books import journals_of, unbalanced_in
from gateway.steps.ports import PaymentProviders, Transaction
from payments import adapter, ledger
from payments.money import Money

JOURNAL_OF_KIND = {OperationKind.CAPTURE: ledger.JournalKind.CAPTURE, OperationKind.REFUND: ledger.JournalKind.REFUND}

# What each kind of operation does to what is still held.
HELD_BY = {OperationKind.AUTHORIZE: 1, OperationKind.CAPTURE: -1, OperationKind.VOID: -1, OperationKind.REFUND: 0}


# Of these the provider holds nothing: it was given back, captured whole, or lapsed.
NOTHING_HELD = frozenset(
    {
        AttemptState.VOIDED,
        AttemptState.DECLINED,
        AttemptState.EXPIRED,
        AttemptState.REPLACED,
        AttemptState.CAPTURED,
        AttemptState.REVERSED,
    }
)
TOOK_EFFECT = frozenset({OperationState.SUCCEEDED, OperationState.REVERSED})


def audit(tx: Transaction, providers: PaymentProviders, household_id: str) -> list[ledger.Difference]:
    """Return every difference in one household; raises the payments room's errors when a provider cannot be asked."""
    if wrong := unbalanced_in(tx, household_id):  # nothing more can be said of a book that is broken in itself
        return [_unbalanced(entry, left) for entry, left in wrong]
    journals = journals_of(tx, household_id)
    operations = list(tx.every(Operation, household_id))
    found = ledger.check(journals)
    found.extend(_operations_against_journals(operations, journals, _at_the_shop(tx, household_id)))
    found.extend(_captures_against_approvals(tx, household_id, operations))
    for methods in _by_account(tx, providers, household_id):
        found.extend(_against_provider(tx, providers, methods, operations))
    return found


def _by_account(tx: Transaction, providers: PaymentProviders, household_id: str) -> Iterable[list[PaymentMethod]]:
    """Return the linked accounts, those together that are one at the provider: unlinked and linked again, say."""
    accounts: defaultdict[tuple[str, str], list[PaymentMethod]] = defaultdict(list)
    for method in tx.every(PaymentMethod, household_id):
        accounts[method.adapter, providers.token(method)].append(method)
    return accounts.values()


def _unbalanced(entry: JournalEntry, left: dict[str, int]) -> ledger.Difference:
    amounts = " and ".join(str(Money(minor, currency)) for currency, minor in left.items())
    return ledger.Difference(entry.source_id, f"its {entry.kind} journal does not sum to zero: {amounts} left over")


def _operations_against_journals(
    operations: list[Operation], journals: list[ledger.Journal], at_the_shop: set[str]
) -> Iterator[ledger.Difference]:
    """Every capture and refund that took effect has its one journal of that amount, and no journal is without one.

    `at_the_shop`: the attempts whose money the merchant takes itself; of them there is no journal.
    """
    booked: dict[tuple[str, ledger.JournalKind], int] = {}
    for journal in journals:
        if journal.kind in {*JOURNAL_OF_KIND.values(), ledger.JournalKind.REVERSAL}:
            debits = sum(one.amount.amount_minor for one in journal.postings if one.amount.amount_minor > 0)
            booked[journal.reference, journal.kind] = debits
    for operation in operations:
        for kind in _journals_wanted(operation, at_the_shop):
            amount = booked.pop((operation.id, kind), None)
            wanted = Money(operation.amount_minor, operation.currency)
            if amount is None:
                yield ledger.Difference(operation.id, f"a {kind} of {wanted} took effect and has no journal")
            elif amount != operation.amount_minor:
                has = Money(amount, operation.currency)
                yield ledger.Difference(operation.id, f"a {kind} of {wanted} took effect, the ledger has {has}")
    for reference, kind in booked:
        yield ledger.Difference(reference, f"a {kind} journal without an operation that took effect")


def _at_the_shop(tx: Transaction, household_id: str) -> set[str]:
    methods = frozenset(one.id for one in tx.find(PaymentMethod, household_id, funding=Funding.MERCHANT))
    return {one.id for one in tx.every(Attempt, household_id, payment_method_id=methods)}


def _journals_wanted(operation: Operation, at_the_shop: set[str]) -> list[ledger.JournalKind]:
    kind = JOURNAL_OF_KIND.get(operation.kind)
    if kind is None or operation.state not in TOOK_EFFECT or operation.attempt_id in at_the_shop:
        return []
    return [kind, ledger.JournalKind.REVERSAL] if operation.state is OperationState.REVERSED else [kind]


def _captures_against_approvals(
    tx: Transaction, household_id: str, operations: list[Operation]
) -> Iterator[ledger.Difference]:
    """What was captured never exceeds what was approved, what was refunded never what was captured."""
    sums: defaultdict[tuple[str, OperationKind], int] = defaultdict(int)
    taken_back: defaultdict[str, int] = defaultdict(int)
    for operation in operations:
        if operation.state in TOOK_EFFECT:
            sums[operation.attempt_id, operation.kind] += operation.amount_minor
        if operation.state is OperationState.REVERSED:
            taken_back[operation.attempt_id] += operation.amount_minor
    approved = {one.id: one.amount_minor for one in tx.every(Approval, household_id)}
    by_approval: defaultdict[str, int] = defaultdict(int)
    for attempt in tx.every(Attempt, household_id):
        captured = sums[attempt.id, OperationKind.CAPTURE]
        by_approval[attempt.approval_id] += captured - taken_back[attempt.id]
        if captured > attempt.amount_minor:
            yield ledger.Difference(attempt.id, f"captured {captured} of {attempt.amount_minor} approved")
        if sums[attempt.id, OperationKind.REFUND] > captured:
            yield ledger.Difference(attempt.id, f"refunded more than the {captured} captured")
    for approval_id, captured in by_approval.items():
        if captured > approved[approval_id]:
            yield ledger.Difference(approval_id, f"captured {captured} of {approved[approval_id]} approved")


def _against_provider(
    tx: Transaction, providers: PaymentProviders, methods: list[PaymentMethod], operations: list[Operation]
) -> list[ledger.Difference]:
    """Set one account's movements against the provider's book; operations still open are left out on both sides.

    `methods`: every time the account was linked.
    """
    method = methods[0]
    provider = providers.open(method.adapter)
    if not isinstance(provider, adapter.OpenBook):
        return []
    linked = frozenset(one.id for one in methods)
    attempts = {one.id: one.state for one in tx.every(Attempt, method.household_id, payment_method_id=linked)}
    mine = [one for one in operations if one.attempt_id in attempts]
    undecided = {one.id for one in mine if one.state in UNCLOSED_OPERATION_STATES | {OperationState.MANUAL_REVIEW}}
    touched = {one.attempt_id for one in mine if one.id in undecided}
    skip = undecided | {one.id for one in mine if one.attempt_id in touched and one.kind is OperationKind.AUTHORIZE}
    holding = {attempt_id for attempt_id, state in attempts.items() if state not in NOTHING_HELD}
    if not provider.capabilities.manual_capture:  # its holds are only remembered
        skip |= {one.id for one in mine if one.kind is OperationKind.AUTHORIZE}
    ours = [movement for movement in _movements(tx, method, mine, holding) if movement.reference not in skip]
    theirs = [
        movement
        for movement in provider.movements(providers.token(method))
        if movement.reference not in skip and movement.amount.amount_minor
    ]
    return ledger.reconcile(ours, theirs)


def _movements(
    tx: Transaction, method: PaymentMethod, operations: list[Operation], holding: set[str]
) -> Iterator[adapter.Movement]:
    """Yield what should stand in the provider's book: what is still held, captured, refunded and topped up."""
    left: defaultdict[str, int] = defaultdict(int)
    for one in operations:
        if one.state in TOOK_EFFECT:
            left[one.attempt_id] += HELD_BY[one.kind] * one.amount_minor
    for one in operations:
        if one.state is not OperationState.SUCCEEDED:
            continue
        amount_minor = one.amount_minor
        if one.kind is OperationKind.AUTHORIZE:
            amount_minor = left[one.attempt_id] if one.attempt_id in holding else 0
        if one.kind is not OperationKind.VOID and amount_minor > 0:
            yield adapter.Movement(one.id, adapter.OperationKind(one.kind.value), Money(amount_minor, one.currency))
    if method.funding is Funding.BALANCE:
        for journal in journals_of(tx, method.household_id):
            if journal.kind is ledger.JournalKind.TOP_UP:
                amount = max(one.amount for one in journal.postings)
                yield adapter.Movement(journal.reference, adapter.OperationKind.TOP_UP, amount)
