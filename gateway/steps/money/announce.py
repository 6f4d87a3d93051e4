"""Where the scheme demands it, the customer is told of a debit days before it, and the debit waits for that."""

from dataclasses import replace

import forecasting
from gateway.domain.household import Household
from gateway.domain.order import Shipment
from gateway.domain.payment import Attempt, Mandate, PaymentMethod
from gateway.domain.replenishment import DAY_US
from gateway.steps.messages import tell
from gateway.steps.ports import Transaction
from payments.adapter import Capabilities
from payments.money import Money


def debit_from_us(
    tx: Transaction, attempt: Attempt, shipment: Shipment, amount_minor: int, capabilities: Capabilities, now_us: int
) -> int:
    """Return from when on a parcel may be debited; the customer is told once, and anew of more or by another try."""
    if capabilities.prenotify_days == 0:
        return now_us
    is_told = shipment.announced_for == attempt.id and amount_minor <= shipment.announced_minor
    if is_told and shipment.debit_from_us is not None:
        return shipment.debit_from_us
    due_us = now_us + capabilities.prenotify_days * DAY_US
    told = replace(shipment, announced_minor=amount_minor, announced_for=attempt.id, debit_from_us=due_us)
    tx.save(told)
    method = tx.get(PaymentMethod, attempt.household_id, attempt.payment_method_id)
    mandate = tx.get(Mandate, attempt.household_id, attempt.mandate_id)
    zone = tx.get(Household, attempt.household_id, attempt.household_id).time_zone
    text = (
        f"{Money(amount_minor, attempt.currency)} will be debited from {method.label}"
        f" on {forecasting.date_range(due_us, due_us, zone, now_us)} or soon after, for what was sent."
        f" Mandate reference {mandate.provider_ref}"
    )
    by = f", creditor {capabilities.creditor}." if capabilities.creditor else f", by {capabilities.title}."
    tell(tx, attempt.household_id, "debit_announced", text + by, f"payments/{attempt.id}", now_us)
    return due_us
