"""Ended there: the customer took a mandate back at the provider itself; here it ends too, and asks nobody."""

from dataclasses import replace

from gateway.domain.payment import Mandate, MandateState, MethodState, PaymentMethod
from gateway.steps.messages import tell
from gateway.steps.money.idle import stop_watching_idle
from gateway.steps.ports import Transaction

STOOD = frozenset({MandateState.ACTIVE, MandateState.SUSPENDED, MandateState.EXPIRED})


def end_as_there(tx: Transaction, household_id: str, method_id: str, mandate_ref: str, now_us: int) -> None:
    """End what stood under the provider's reference; an account that nothing allows to debit any more is unlinked.

    What is approved and not sent goes back to a person, what was sent and cannot be debited is due: both are told
    where they are found.
    """
    mandates = tx.find(Mandate, household_id, payment_method_id=method_id)
    ended = [one for one in mandates if one.provider_ref == mandate_ref and one.state in STOOD]
    if not ended:
        return
    method = tx.get(PaymentMethod, household_id, method_id)
    for mandate in ended:
        note = "taken back at the provider"
        tx.save(replace(mandate, state=MandateState.REVOKED, confirm_url="", note=note))
        tx.cancel_work("expire", f"mandate/{mandate.id}")
        stop_watching_idle(tx, mandate)
    left = [one for one in mandates if one.state is not MandateState.REVOKED and one not in ended]
    if not left:
        tx.save(replace(method, state=MethodState.REVOKED))
    text = f"{method.label} is not debited any more: the permission was taken back at its provider."
    more = "" if left else " Link it again on the Money page if that was not meant."
    tell(tx, household_id, "mandate_ended", text + more, "money", now_us)
