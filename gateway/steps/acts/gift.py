"""Gift: the operator lets a household's stored balance grow at the operator's own expense."""

from gateway.domain.credit import MOST_GIFT_MINOR, Credit, CreditOrigin
from gateway.domain.errors import Invalid
from gateway.domain.household import Household
from gateway.domain.records import Act
from gateway.steps.messages import tell
from gateway.steps.money.credits import let_grow, owe_credit, stored_balance
from gateway.steps.ports import Transaction
from payments.money import Money


def give_credit(tx: Transaction, household_id: str, amount_minor: int, *, by: str, reason: str, now_us: int) -> Credit:
    """Write a gift and the act behind it; the worker lets the balance grow. Raises NotFound and Invalid."""
    household = tx.get(Household, household_id, household_id)
    if not 1 <= amount_minor <= MOST_GIFT_MINOR:
        raise Invalid("amount", f"give an amount above zero, and at most {Money(MOST_GIFT_MINOR, household.currency)}")
    amount = Money(amount_minor, household.currency)
    method = stored_balance(tx, household_id)
    act = Act(
        id=tx.new_id(),
        household_id=household_id,
        by=by,
        verb="give_credit",
        subject=f"methods/{method.id}",
        reason=reason,
        evidence=str(amount),
        at_us=now_us,
    )
    tx.add(act)
    tell(tx, household_id, "gift", f"You are given {amount} for {method.label}: {reason}", "money", now_us)
    given = owe_credit(tx, method, amount, CreditOrigin.GIFT, act.id, note=reason, now_us=now_us)
    let_grow(tx, given, now_us)
    return given
