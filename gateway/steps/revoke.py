"""Revoke: a mandate that a member took back is given back at its provider too, however long that one is away."""

from gateway.domain.payment import Mandate, PaymentMethod
from gateway.domain.records import HouseholdItem
from gateway.steps.ports import Services
from payments import adapter
from payments.errors import InvalidRequest, OutcomeUnknown


def revoke(item: HouseholdItem, services: Services) -> None:
    """Tell the provider that one mandate ended (subject: mandate id); here it ended already.

    Raises OutcomeUnknown when the provider's answer is not known, so that the same request goes out again.
    """
    household_id = item.household_id
    with services.unit_of_work.begin() as tx:
        tx.hold(item)
        mandate = tx.get(Mandate, household_id, item.subject_id)
        method = tx.get(PaymentMethod, household_id, mandate.payment_method_id)
    key = f"{mandate.id}/revoke"
    request = adapter.RevokeMandate(key=key, reference=key, mandate_ref=mandate.provider_ref)
    try:
        outcome = services.providers.open(method.adapter).revoke_mandate(request)
    except InvalidRequest:  # the provider knows no such mandate any more: that is what was wanted
        outcome = adapter.MandateRevoked(mandate.provider_ref)
    if isinstance(outcome, adapter.Unknown | adapter.Pending):
        raise OutcomeUnknown("whether the provider ended the mandate")
    with services.unit_of_work.begin() as tx:
        tx.complete(item)
