"""Exchange: a provider that is reached by files is given the day's, and what it sent is read; all changed is looked up.

Whatever dies between: the adapter keeps what it has to tell until it was heard, and hands no file over twice.
"""

from gateway.domain.household import Household
from gateway.domain.payment import (
    Attempt,
    MethodState,
    Operation,
    OperationKind,
    OperationState,
    PaymentMethod,
)
from gateway.domain.records import WorkItem
from gateway.steps.money.operations import may_still_change
from gateway.steps.ports import Services, Transaction
from payments.adapter import FileExchange

LOOKED_UP = 1_000  # operations at once


def exchange(item: WorkItem, services: Services) -> None:
    """Exchange files by one adapter (subject: adapter name), and again when it says."""
    now_us = services.clock.now_us()
    with services.unit_of_work.begin() as tx:
        tx.hold(item)
    provider = services.providers.open(item.subject_id)
    if not isinstance(provider, FileExchange):
        with services.unit_of_work.begin() as tx:
            tx.complete(item)
        return
    with services.unit_of_work.read() as tx:
        held_back = _frozen(tx, item.subject_id)
    exchanged = provider.exchange(held_back)
    with services.unit_of_work.begin() as tx:
        changed = [one for part in _parts(exchanged.references) for one in tx.find(Operation, None, id=part)]
        tx.take({one.household_id for one in changed})
        tx.complete(item)
        for operation in changed:
            if may_still_change(operation):
                tx.enqueue("sync", operation.household_id, operation.id, due_us=now_us)
        tx.enqueue("exchange", None, item.subject_id, due_us=max(exchanged.again_us, now_us + 1))
    provider.heard(exchanged.references)


def _frozen(tx: Transaction, adapter: str) -> frozenset[str]:
    """Return the debits that wait for a file while their household or account is frozen: they go once that is over."""
    households = {one.id for one in tx.every(Household, None) if one.frozen_since_us is not None}
    frozen_methods = tx.every(PaymentMethod, None, adapter=adapter, state=MethodState.FROZEN)
    methods = {one.id: one.household_id for one in frozen_methods}
    for household_id in households:
        methods |= dict.fromkeys((one.id for one in tx.find(PaymentMethod, household_id)), household_id)
    attempts = [
        attempt.id
        for method_id, household_id in methods.items()
        for attempt in tx.every(Attempt, household_id, payment_method_id=method_id)
    ]
    captures = {"kind": OperationKind.CAPTURE, "state": OperationState.PENDING}
    pages = _parts(tuple(attempts))
    return frozenset(one.id for page in pages for one in tx.every(Operation, None, attempt_id=page, **captures))


def _parts(references: tuple[str, ...]) -> list[frozenset[str]]:
    return [frozenset(references[start : start + LOOKED_UP]) for start in range(0, len(references), LOOKED_UP)]
