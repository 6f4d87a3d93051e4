"""A provider's open book of one account beside our operations: holds, captures, refunds and top-ups."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from gateway.domain.credit import Credit, CreditOrigin, CreditState
from gateway.domain.payment import (
    UNCLOSED_OPERATION_STATES,
    AttemptState,
    Funding,
    OperationKind,
    OperationState,
    PaymentMethod,
)
from gateway.domain.reconciliation import Cause, Difference
from gateway.steps.ports import Moved, UnitOfWork
from payments import adapter
from payments.money import Money

# What each kind of operation does to what is still held.
HELD_BY = {OperationKind.AUTHORIZE: 1, OperationKind.CAPTURE: -1, OperationKind.VOID: -1, OperationKind.REFUND: 0}
# Of these the provider holds something: nothing was given back, captured whole, or lapsed.
HOLDING = frozenset(
    {
        AttemptState.UNKNOWN,
        AttemptState.REQUIRES_ACTION,
        AttemptState.AUTHORIZED,
        AttemptState.CAPTURE_PENDING,
        AttemptState.MANUAL_REVIEW,
    }
)
TOOK_EFFECT = frozenset({OperationState.SUCCEEDED, OperationState.REVERSED})
CREDIT_UNDECIDED = {CreditState.OWED, CreditState.MANUAL_REVIEW}
UNDECIDED = UNCLOSED_OPERATION_STATES | {OperationState.MANUAL_REVIEW}


def compare_open_book(
    unit_of_work: UnitOfWork, provider: adapter.PaymentAdapter, token: str, methods: list[PaymentMethod]
) -> Iterator[Difference]:
    """Yield where one account's book differs; what is still open here is left out on both sides.

    `methods`: every time the account was linked. Nothing where the provider shows no book.
    """
    if not isinstance(provider, adapter.OpenBook):
        return
    theirs = provider.movements(token)
    household_id, name = methods[0].household_id, methods[0].adapter
    with unit_of_work.read() as tx:
        undecided: list[Credit] = []
        operations = list(tx.examination().moved_by(household_id, frozenset(one.id for one in methods)))
        as_credit = {one.source_id: one for one in tx.every(Credit, household_id, origin=CreditOrigin.REFUND)}
        if methods[0].funding is not Funding.BALANCE:  # their provider never heard of these
            operations = [one for one in operations if one.id not in as_credit]
        ours = dict(_movements(operations))
        if methods[0].funding is Funding.BALANCE:
            for top_up in tx.examination().top_ups(household_id):
                amount = Money(top_up.found_minor, top_up.currency)
                ours[top_up.subject_id, adapter.OperationKind.TOP_UP] = amount
            for one in as_credit.values():
                if one.state is CreditState.CREDITED:
                    ours[one.id, adapter.OperationKind.TOP_UP] = Money(one.amount_minor, one.currency)
            undecided = tx.find(Credit, household_id, state=frozenset(CREDIT_UNDECIDED))
        strangers = [one.reference for one in theirs if (one.reference, one.kind) not in ours]
        known = tx.examination().moved(strangers)
    left_out = _left_out(operations) | {(one.id, adapter.OperationKind.TOP_UP) for one in undecided}
    if not provider.capabilities.manual_capture:  # its holds are only remembered
        left_out |= {(one.id, adapter.OperationKind.AUTHORIZE) for one in operations}
    for (reference, kind), cause, detail in _differing(ours, theirs, left_out, known):
        yield Difference(cause, reference, f"{kind}: {detail}", household_id, name)


def _differing(
    ours: dict[tuple[str, adapter.OperationKind], Money],
    theirs: Iterable[adapter.Movement],
    left_out: set[tuple[str, adapter.OperationKind]],
    known: dict[str, Moved],
) -> Iterator[tuple[tuple[str, adapter.OperationKind], Cause, str]]:
    """Yield each movement on which two books differ, with the cause and both amounts."""
    there: defaultdict[tuple[str, adapter.OperationKind], list[Money]] = defaultdict(list)
    for movement in theirs:
        if movement.amount.amount_minor:
            there[movement.reference, movement.kind].append(movement.amount)
    for key in sorted((ours.keys() | there.keys()) - left_out):
        mine, other = ours.get(key), there.get(key, [])
        is_hold = key[1] is adapter.OperationKind.AUTHORIZE
        match mine, other:
            case None, [amount, *_]:
                cause = Cause.HOLD_LEFT_THERE if is_hold else Cause.MOVED_THERE_ONLY
                yield key, cause if key[0] in known else Cause.UNKNOWN_REFERENCE, f"they have {amount}, we nothing"
            case Money(), []:
                cause = Cause.HOLD_MISSING_THERE if is_hold else Cause.MOVED_HERE_ONLY
                yield key, cause, f"we have {mine}, they nothing"
            case Money(), [_, _, *_]:
                yield key, Cause.MOVED_TWICE, f"we have {mine} once, they {' and '.join(map(str, other))}"
            case Money(), [amount] if amount != mine:
                yield key, Cause.MOVED_OTHER_AMOUNT, f"we have {mine}, they {amount}"
            case _:
                pass


def _left_out(operations: list[Moved]) -> set[tuple[str, adapter.OperationKind]]:
    """Return what may differ for now: operations not decided here, and the holds they may be taking from."""
    undecided = {one.id for one in operations if one.state in UNDECIDED}
    touched = {one.attempt_id for one in operations if one.id in undecided}
    return {
        (one.id, adapter.OperationKind(one.kind.value))
        for one in operations
        if one.id in undecided or (one.attempt_id in touched and one.kind is OperationKind.AUTHORIZE)
    }


def _movements(operations: list[Moved]) -> Iterator[tuple[tuple[str, adapter.OperationKind], Money]]:
    """Yield what should stand in the provider's book: what is still held, captured and refunded."""
    left: Counter[str] = Counter()
    for one in operations:
        if one.state in TOOK_EFFECT:
            left[one.attempt_id] += HELD_BY[one.kind] * one.amount_minor
    for one in (one for one in operations if one.state is OperationState.SUCCEEDED):
        amount_minor = one.amount_minor
        if one.kind is OperationKind.AUTHORIZE:
            amount_minor = left[one.attempt_id] if one.attempt_state in HOLDING else 0
        if one.kind is not OperationKind.VOID and amount_minor > 0:
            yield (one.id, adapter.OperationKind(one.kind.value)), Money(amount_minor, one.currency)
