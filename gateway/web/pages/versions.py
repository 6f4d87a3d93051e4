"""Whether anything that a page shows has changed: a handful of newest rows, cheap enough to ask every second."""

import hashlib

from gateway.domain.cart import Cart
from gateway.domain.household import Household
from gateway.domain.order import Order, OrderLine
from gateway.domain.payment import Attempt, Operation
from gateway.domain.replenishment import Forecast
from gateway.domain.stock import Device, Reading, Supply
from gateway.steps.ports import Transaction

NEWEST = 12


def household_version(tx: Transaction, household_id: str) -> str:
    """Return a word that changes whenever the household's pages would."""
    household = tx.get(Household, household_id, household_id)
    said = (
        household.frozen_since_us,
        household.name,
        [row.id for row in tx.find(Reading, household_id, newest=1)],
        [row.id for row in tx.find(Forecast, household_id, newest=1)],
        [(row.id, row.name, row.sealed_quantity) for row in tx.find(Supply, household_id)],
        [(row.id, row.name, row.state, row.online) for row in tx.find(Device, household_id)],
        [(row.id, row.state, row.version, row.needs_person) for row in tx.find(Cart, household_id, newest=NEWEST)],
        [(row.id, row.state) for row in tx.find(Attempt, household_id, newest=NEWEST)],
        [(row.id, row.state) for row in tx.find(Operation, household_id, newest=NEWEST)],
        [(row.id, row.state, row.late) for row in tx.find(Order, household_id, newest=NEWEST)],
        [(row.id, row.state, row.refill_seen) for row in tx.find(OrderLine, household_id, newest=NEWEST)],
    )
    return hashlib.sha256(repr(said).encode()).hexdigest()[:16]
