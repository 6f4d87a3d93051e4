"""Revoke: a mandate that a member took back is given back at its provider too, however long that one is away."""

from dataclasses import replace

from gateway.domain.payment import Attempt, AttemptState, Mandate, PaymentMethod
from gateway.domain.records import HouseholdItem
from gateway.domain.replenishment import DAY_US
from gateway.steps.money.review import NEVER_ENDED
from gateway.steps.ports import Services, Transaction
from payments import adapter
from payments.errors import NO_SUCH_MANDATE, InvalidRequest, OutcomeUnknown

# Later each time, up to an hour: two days and a half.
MOST_TRIES = 72
HELD = frozenset({AttemptState.UNKNOWN, AttemptState.REQUIRES_ACTION, AttemptState.AUTHORIZED})


def revoke(item: HouseholdItem, services: Services) -> None:
    """Tell the provider that one mandate ended (subject: mandate id); here it ended already.

    Raises OutcomeUnknown when the provider's answer is not known, so that the same request goes out again; after the
    last time, or where the provider refuses, it is left to the operator.
    """
    household_id, now_us = item.household_id, services.clock.now_us()
    with services.unit_of_work.begin() as tx:
        tx.hold(item)
        mandate = tx.get(Mandate, household_id, item.subject_id)
        method = tx.get(PaymentMethod, household_id, mandate.payment_method_id)
        if item.tries > MOST_TRIES:
            tx.save(replace(mandate, note=NEVER_ENDED))
            tx.complete(item)
            return
        if _is_held_under(tx, mandate):
            tx.enqueue("revoke", household_id, mandate.id, due_us=now_us + DAY_US)
            tx.complete(item)
            return
    key = f"{mandate.id}/revoke"
    request = adapter.RevokeMandate(key=key, reference=key, mandate_ref=mandate.provider_ref)
    why_not = ""
    try:
        match services.providers.open(method.adapter).revoke_mandate(request):
            case adapter.Unknown() | adapter.Pending():
                raise OutcomeUnknown("whether the provider ended the mandate")
            case adapter.Declined(message=message):
                why_not = message
            case adapter.MandateRevoked():
                pass
    except InvalidRequest as refusal:
        # What the provider does not know has ended there, as was wanted; any other refusal ended nothing.
        why_not = "" if refusal.code == NO_SUCH_MANDATE else str(refusal)
    with services.unit_of_work.begin() as tx:
        tx.complete(item)
        if why_not:
            tx.save(replace(tx.get(Mandate, household_id, mandate.id), note=f"{NEVER_ENDED}: {why_not}"))


def _is_held_under(tx: Transaction, mandate: Mandate) -> bool:
    """Say whether money is held under what another mandate replaced; taken back by a member it ends at once."""
    if mandate.replaces_id is None:
        return False
    attempts = tx.find(Attempt, mandate.household_id, mandate_id=mandate.replaces_id, state=HELD)
    return any(one.created_us <= mandate.valid_from_us for one in attempts)
