"""What could not be counted is kept with its reason, its bytes and its sender; the newest of it, and how many went."""

from dataclasses import replace

from gateway.domain.records import Pruned
from gateway.domain.stock import Device, Quarantined
from gateway.steps.ports import InboxRow, RejectedRow, Transaction

MOST_KEPT = 2_000
"""Of one household: enough to see what is wrong with a device, however long it talks rubbish."""
FORGOTTEN_TOGETHER = 100
MAX_DETAIL = 500


def quarantine(tx: Transaction, row: InboxRow, device: Device | None, *, reason: str, detail: str) -> None:
    """Keep a message of the inbox that cannot be counted; the household's oldest above the limit go."""
    _keep(
        tx,
        Quarantined(
            id=tx.new_id(),
            household_id=None if device is None else device.household_id,
            device_id=row.device_id,
            inbox_id=row.id,
            sender=row.sender,
            topic=row.topic,
            reason=reason,
            detail=detail[:MAX_DETAIL],
            payload=row.payload,
            received_us=row.received_at_us,
        ),
    )


def quarantine_rejected(tx: Transaction, refusal: RejectedRow) -> None:
    """Show what could not even be opened beside the other quarantined messages."""
    devices = tx.find(Device, None, id=refusal.sender) if refusal.sender is not None else []
    _keep(
        tx,
        Quarantined(
            id=tx.new_id(),
            household_id=devices[0].household_id if devices else None,
            device_id=refusal.sender,
            inbox_id=None,
            sender=refusal.sender or "",
            topic=refusal.topic,
            reason=refusal.reason,
            detail=f"{refusal.size_bytes} bytes",
            payload=refusal.payload,
            received_us=refusal.received_at_us,
        ),
    )


def _keep(tx: Transaction, message: Quarantined) -> None:
    tx.add(message)
    household_id = message.household_id
    above = tx.count(Quarantined, None, household_id=household_id) - MOST_KEPT
    if above < FORGOTTEN_TOGETHER:
        return
    oldest = tx.find(Quarantined, None, oldest=FORGOTTEN_TOGETHER, household_id=household_id)
    for one in oldest:
        tx.remove(one)
    until_us = max(one.received_us for one in oldest)
    pruned_id = f"quarantined/{household_id or ''}"
    before = tx.find(Pruned, None, id=pruned_id)
    if before:
        tx.save(replace(before[0], count=before[0].count + len(oldest), until_us=until_us))
    else:
        tx.add(
            Pruned(id=pruned_id, household_id=household_id, kind="quarantined", count=len(oldest), until_us=until_us)
        )
