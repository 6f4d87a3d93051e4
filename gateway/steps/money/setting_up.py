"""Setting up a mandate: asked for, confirmed by the customer, in force, refused, or replaced by another.

A mandate row is written before its provider is asked, and its id is the key and reference of the request: whatever
crashes or is lost, it is looked up by that, or sent again under it. A change that the provider must hear of is asked
for in a row of its own; once it stands the old row takes over its limits and reference, so that what counts against
the limits goes on counting, and the new row ends with the reference that is given back.
"""

from dataclasses import replace
from typing import TypeAlias

from gateway.domain.payment import (
    UNCLOSED_OPERATION_STATES,
    Attempt,
    Mandate,
    MandateState,
    MethodState,
    Operation,
    OperationKind,
    PaymentMethod,
)
from gateway.domain.replenishment import DAY_US, SECOND_US
from gateway.steps.messages import tell
from gateway.steps.money.calls import Refused
from gateway.steps.money.ended_there import end_as_there
from gateway.steps.money.idle import watch_idle
from gateway.steps.money.undecided import SYNC_AFTER_S
from gateway.steps.ports import Transaction
from payments import adapter
from payments.money import Money

MANDATE_PREFIX = "mandate/"
WAITING = frozenset({MandateState.PENDING, MandateState.REQUIRES_ACTION})
MOST_LOOKS = 40
LONGEST_LABEL = 80
# Who asks waits this long for the answer; after that the row is looked up by the worker.
WHILE_ASKED_US = 60 * SECOND_US
WHILE_IN_USE_US = 5 * SECOND_US

Answer: TypeAlias = adapter.SyncOutcome | Refused


def begin_set_up(tx: Transaction, mandate: Mandate, *, now_us: int, wall_us: int) -> None:
    """Write a mandate that is about to be asked for, and the row that looks it up should nobody live to settle it."""
    tx.add(mandate)
    ask_again(tx, mandate, now_us=now_us, not_before_wall_us=wall_us + WHILE_ASKED_US)


def ask_again(tx: Transaction, mandate: Mandate, *, now_us: int, not_before_wall_us: int = 0) -> None:
    """Leave a row that looks up what became of the request."""
    subject = MANDATE_PREFIX + mandate.id
    tx.enqueue("sync", mandate.household_id, subject, due_us=now_us, not_before_wall_us=not_before_wall_us)


def set_up_request(mandate: Mandate, token: str, public_url: str) -> adapter.SetupMandate:
    """Return what the provider is asked, the same each time; its own page leads the customer back to the Money page."""
    return adapter.SetupMandate(
        key=mandate.id,
        reference=mandate.id,
        method_token=token,
        per_order_limit=Money(mandate.per_order_minor, mandate.currency),
        expires_at_us=mandate.valid_until_us,
        return_url=f"{public_url}/money/mandates/{mandate.id}/back",
        per_period_limit=Money(mandate.per_period_minor, mandate.currency),
        period_days=mandate.period_days,
        begins_at_us=mandate.valid_from_us,
    )


def settle_set_up(
    tx: Transaction, asked: Mandate, answer: Answer, *, now_us: int, wall_us: int, may_send_again: bool = True
) -> Mandate:
    """Write what the provider answered; what was settled before stays. Returns the mandate that was asked for."""
    mandate = tx.get(Mandate, asked.household_id, asked.id)
    if mandate.state is MandateState.REVOKED and not mandate.provider_ref:
        return _settle_given_up(tx, mandate, answer, now_us=now_us, wall_us=wall_us)
    if mandate.state not in WAITING:
        if isinstance(answer, adapter.MandateRevoked):
            end_as_there(tx, mandate.household_id, mandate.payment_method_id, answer.mandate_ref, now_us)
        return mandate
    match answer:
        case adapter.MandateActive():
            settled = _in_force(tx, mandate, answer, now_us=now_us, wall_us=wall_us)
        case adapter.Declined(message=message) | Refused(message=message):
            settled = _refused(tx, mandate, message, now_us)
        case adapter.MandateRevoked():
            settled = _refused(tx, mandate, "It was taken back at the provider.", now_us)
        case adapter.RequiresAction(url=url):
            settled = _customer_must_act(tx, mandate, url, now_us=now_us, wall_us=wall_us)
        case adapter.NotFound() if may_send_again and mandate.looks < len(SYNC_AFTER_S):
            settled = mandate
            wait_us = wall_us + SYNC_AFTER_S[mandate.looks] * SECOND_US
            tx.enqueue("set_up", mandate.household_id, mandate.id, due_us=now_us, not_before_wall_us=wait_us)
        case _:
            settled = _wait(tx, mandate, _why_waiting(answer), now_us=now_us, wall_us=wall_us)
    return settled


def _why_waiting(answer: Answer) -> str:
    match answer:
        case adapter.Unknown(reason=reason):
            return reason
        case adapter.Pending():
            return "the provider has not decided yet"
        case _:
            return f"an answer that settles nothing: {answer!r}"


def _settle_given_up(tx: Transaction, mandate: Mandate, answer: Answer, *, now_us: int, wall_us: int) -> Mandate:
    """Give back at the provider what was taken back here while it was on its way; else go on asking for a while."""
    match answer:
        case adapter.MandateActive(mandate_ref=mandate_ref):
            return _give_back(tx, mandate, mandate_ref, now_us)
        case adapter.Unknown() | adapter.Pending() | adapter.RequiresAction():
            return _wait(tx, mandate, "taken back before the provider answered", now_us=now_us, wall_us=wall_us)
        case _:
            return mandate


def _wait(tx: Transaction, mandate: Mandate, note: str, *, now_us: int, wall_us: int) -> Mandate:
    """Look it up later: soon at first, then daily, and not for ever; who waits so long is seen by the operator."""
    waiting = replace(mandate, note=note)
    tx.save(waiting)
    if mandate.looks < len(SYNC_AFTER_S):
        ask_again(tx, mandate, now_us=now_us, not_before_wall_us=wall_us + SYNC_AFTER_S[mandate.looks] * SECOND_US)
    elif mandate.looks < MOST_LOOKS:
        ask_again(tx, mandate, now_us=now_us + DAY_US)
    elif mandate.state is MandateState.REQUIRES_ACTION:
        return _refused(tx, mandate, "It was never confirmed.", now_us)
    return waiting


def _customer_must_act(tx: Transaction, mandate: Mandate, url: str, *, now_us: int, wall_us: int) -> Mandate:
    is_news = mandate.state is MandateState.PENDING
    mandate = replace(mandate, state=MandateState.REQUIRES_ACTION, confirm_url=url)
    if is_news:
        text = "Your bank wants you to confirm a permission to debit. The Money page leads you there."
        tell(tx, mandate.household_id, "mandate_step_up", text, "money", now_us)
    return _wait(tx, mandate, "waits for the customer", now_us=now_us, wall_us=wall_us)


def _in_force(tx: Transaction, mandate: Mandate, said: adapter.MandateActive, *, now_us: int, wall_us: int) -> Mandate:
    if mandate.replaces_id is not None:
        return _take_over(tx, mandate, said, now_us=now_us, wall_us=wall_us)
    active = replace(mandate, state=MandateState.ACTIVE, provider_ref=said.mandate_ref, confirm_url="", note="")
    tx.save(active)
    method = _called(tx.get(PaymentMethod, mandate.household_id, mandate.payment_method_id), said.label)
    tx.save(replace(method, state=MethodState.ACTIVE) if method.state is MethodState.PENDING else method)
    if not tx.is_waiting("settle", method.adapter):
        tx.enqueue("settle", None, method.adapter, due_us=now_us + DAY_US)
    tx.cancel_work("sync", MANDATE_PREFIX + mandate.id)
    _stands(tx, active, now_us, looks=mandate.looks)
    return active


def _called(method: PaymentMethod, label: str) -> PaymentMethod:
    """Return the account under the provider's word for it, where it has one and no member gave another."""
    word = " ".join(label.split())[:LONGEST_LABEL]
    return replace(method, label=word) if word and not method.named else method


def _take_over(tx: Transaction, wanted: Mandate, said: adapter.MandateActive, *, now_us: int, wall_us: int) -> Mandate:
    """Let the old row have the new limits and reference; the new row ends with what is given back."""
    old = tx.get(Mandate, wanted.household_id, wanted.replaces_id or "")
    if old.state is MandateState.REVOKED:
        return _give_back(tx, wanted, said.mandate_ref, now_us)
    if _is_being_used(tx, old):
        # A request on its way names the old reference: sent again it must be the same.
        ask_again(tx, wanted, now_us=now_us, not_before_wall_us=wall_us + WHILE_IN_USE_US)
        return wanted
    changed = replace(
        wanted,
        id=old.id,
        state=MandateState.ACTIVE,
        provider_ref=said.mandate_ref,
        valid_from_us=old.valid_from_us,
        confirm_url="",
        note="",
        replaces_id=None,
    )
    tx.save(changed)
    tx.save(_called(tx.get(PaymentMethod, wanted.household_id, wanted.payment_method_id), said.label))
    # What lapsed was given back before; without a reference the new row would be taken for one never answered.
    reference = old.provider_ref or said.mandate_ref
    ended = replace(wanted, state=MandateState.REVOKED, provider_ref=reference, confirm_url="", note="it was replaced")
    tx.save(ended)
    if old.provider_ref:
        tx.enqueue("revoke", ended.household_id, ended.id, due_us=now_us)
    tx.cancel_work("sync", MANDATE_PREFIX + wanted.id)
    _stands(tx, changed, now_us, looks=wanted.looks)
    return ended


def _is_being_used(tx: Transaction, mandate: Mandate) -> bool:
    attempts = tx.find(Attempt, mandate.household_id, mandate_id=mandate.id)
    return bool(
        tx.find(
            Operation,
            mandate.household_id,
            attempt_id=frozenset(one.id for one in attempts),
            kind=OperationKind.AUTHORIZE,
            state=frozenset(UNCLOSED_OPERATION_STATES),
        )
    )


def _stands(tx: Transaction, mandate: Mandate, now_us: int, *, looks: int) -> None:
    """Say that it stands, and see to its end."""
    watch_end(tx, mandate)
    watch_idle(tx, mandate, now_us)
    if looks:  # who asked is not waiting for the answer any more
        text = f"The permission to debit stands: up to {Money(mandate.per_order_minor, mandate.currency)} an order."
        tell(tx, mandate.household_id, "mandate_active", text, "money", now_us)


def watch_end(tx: Transaction, mandate: Mandate) -> None:
    """Leave a row for the day on which a mandate ends, or take it back."""
    subject = MANDATE_PREFIX + mandate.id
    if mandate.valid_until_us is None:
        tx.cancel_work("expire", subject)
    else:
        tx.enqueue("expire", mandate.household_id, subject, due_us=mandate.valid_until_us)


def _give_back(tx: Transaction, mandate: Mandate, mandate_ref: str, now_us: int) -> Mandate:
    ended = replace(mandate, state=MandateState.REVOKED, provider_ref=mandate_ref, confirm_url="")
    tx.save(ended)
    tx.enqueue("revoke", ended.household_id, ended.id, due_us=now_us)
    return ended


def _refused(tx: Transaction, mandate: Mandate, why: str, now_us: int) -> Mandate:
    """End what the provider did not agree to; limits that were to be changed stay as they were."""
    refused = replace(mandate, state=MandateState.REVOKED, confirm_url="", note=why)
    tx.save(refused)
    tx.cancel_work("sync", MANDATE_PREFIX + mandate.id)
    text = f"The new limits were not agreed to, the old ones stand: {why}"
    if mandate.replaces_id is None:
        method = tx.get(PaymentMethod, mandate.household_id, mandate.payment_method_id)
        if method.state is MethodState.PENDING:
            tx.save(replace(method, state=MethodState.REVOKED))
        text = f"{method.label} could not be linked: {why}"
    if mandate.looks:  # who asked is not waiting for the answer any more
        tell(tx, mandate.household_id, "mandate_refused", text, "money", now_us)
    return refused
