"""A permission that nobody debits by lapses: the household is told a month before, then it ends here and there.

One row of work waits for the day to tell, a second for the day it ends; each looks at what was debited meanwhile, so a
use only postpones them.
"""

from dataclasses import replace

from gateway.domain.payment import (
    IDLE_DAYS,
    IDLE_NOTICE_DAYS,
    Attempt,
    AttemptState,
    Mandate,
    MandateState,
    Operation,
    OperationKind,
    OperationState,
    PaymentMethod,
)
from gateway.domain.replenishment import DAY_US
from gateway.steps.messages import tell
from gateway.steps.ports import Transaction
from payments.adapter import Capabilities

IDLE_PREFIX = "idle/"
LAPSE_PREFIX = "lapse/"
STANDS = frozenset({MandateState.ACTIVE, MandateState.SUSPENDED})
# Under these a debit may still come: nothing ends below them.
UNDER_WAY = frozenset(
    {
        AttemptState.UNKNOWN,
        AttemptState.REQUIRES_ACTION,
        AttemptState.AUTHORIZED,
        AttemptState.CAPTURE_PENDING,
        AttemptState.MANUAL_REVIEW,
    }
)
DEBITED = frozenset({OperationState.SUCCEEDED, OperationState.REVERSED})
LATEST = 50  # attempts that are looked at for the last debit


def idle_days_of(capabilities: Capabilities) -> int:
    """Return for how long a permission there may go unused: the scheme's rule, else the gateway's own."""
    return IDLE_DAYS if capabilities.idle_lapse_days is None else capabilities.idle_lapse_days


def watch_idle(tx: Transaction, mandate: Mandate, from_us: int) -> None:
    """Leave a row for the day on which the household is told that a permission was not used since `from_us`."""
    tx.cancel_work("expire", LAPSE_PREFIX + mandate.id)
    due_us = from_us + mandate.idle_days * DAY_US - _notice_us(mandate)
    tx.enqueue("expire", mandate.household_id, IDLE_PREFIX + mandate.id, due_us=due_us)


def stop_watching_idle(tx: Transaction, mandate: Mandate) -> None:
    """Take back the rows of a permission that ended otherwise."""
    for prefix in (IDLE_PREFIX, LAPSE_PREFIX):
        tx.cancel_work("expire", prefix + mandate.id)


def warn_of_idle(tx: Transaction, mandate: Mandate, now_us: int) -> None:
    """Tell the household that a permission is about to lapse, unless it was used."""
    if mandate.state not in STANDS or _is_postponed(tx, mandate, now_us + _notice_us(mandate), now_us):
        return
    days = _notice_us(mandate) // DAY_US
    text = (
        f"Nothing was debited from {_label(tx, mandate)} for long, so the permission to debit it ends in {days} days."
        " Any debit keeps it; afterwards it can be set up anew on the Money page."
    )
    tell(tx, mandate.household_id, "mandate_idle", text, "money", now_us)
    tx.enqueue("expire", mandate.household_id, LAPSE_PREFIX + mandate.id, due_us=now_us + _notice_us(mandate))


def lapse(tx: Transaction, mandate: Mandate, now_us: int) -> None:
    """End a permission that was not used, unless it was meanwhile, and leave a row that tells its provider.

    What is given back stands in a row of its own: set up anew, this one has another reference at the provider.
    """
    if mandate.state not in STANDS or _is_postponed(tx, mandate, now_us, now_us):
        return
    note = f"nothing was debited by it for {mandate.idle_days} days"
    tx.save(replace(mandate, state=MandateState.EXPIRED, provider_ref="", note=note))
    tx.cancel_work("expire", f"mandate/{mandate.id}")
    given_back = replace(
        mandate,
        id=tx.new_id(),
        state=MandateState.REVOKED,
        replaces_id=mandate.id,
        valid_from_us=now_us,
        confirm_url="",
        note=note,
    )
    tx.add(given_back)
    tx.enqueue("revoke", mandate.household_id, given_back.id, due_us=now_us)
    text = (
        f"The permission to debit {_label(tx, mandate)} has ended: {note}. Set it up anew on the Money page by"
        " confirming its limits, if it is still wanted."
    )
    tell(tx, mandate.household_id, "mandate_lapsed", text, "money", now_us)


def _is_postponed(tx: Transaction, mandate: Mandate, ends_us: int, now_us: int) -> bool:
    """Say whether it may not lapse by `ends_us` after all; then the household is told so long after its last use."""
    attempts = tx.find(Attempt, mandate.household_id, mandate_id=mandate.id, newest=LATEST)
    captures = tx.find(
        Operation,
        mandate.household_id,
        attempt_id=frozenset(one.id for one in attempts),
        kind=OperationKind.CAPTURE,
        state=DEBITED,
    )
    used_us = [one.closed_us for one in captures if one.closed_us is not None]
    if any(one.state in UNDER_WAY for one in attempts):
        used_us.append(now_us)
    if not used_us or max(used_us) + mandate.idle_days * DAY_US <= ends_us:
        return False
    watch_idle(tx, mandate, max(used_us))
    return True


def _notice_us(mandate: Mandate) -> int:
    """Return how long before its end the household is told: a month, or half of what is shorter than two."""
    return min(IDLE_NOTICE_DAYS * DAY_US, mandate.idle_days * DAY_US // 2)


def _label(tx: Transaction, mandate: Mandate) -> str:
    return tx.get(PaymentMethod, mandate.household_id, mandate.payment_method_id).label
