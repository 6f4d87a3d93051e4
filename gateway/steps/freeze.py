"""What a freeze holds up: nothing new is bought or debited while it lasts; what waits looks again now and then."""

from gateway.domain.household import Household
from gateway.domain.replenishment import MINUTE_US
from gateway.steps.ports import Transaction

WHILE_FROZEN_US = 10 * MINUTE_US


def is_frozen(tx: Transaction, household_id: str) -> bool:
    """Say whether the household froze everything."""
    return tx.get(Household, household_id, household_id).frozen_since_us is not None
