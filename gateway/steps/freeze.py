"""What a freeze holds up: nothing new is bought or debited while it lasts; what waits looks again now and then."""

from gateway.domain.cart import Cart, Line
from gateway.domain.household import Household
from gateway.domain.replenishment import MINUTE_US
from gateway.domain.stock import Device, DeviceState, Slot
from gateway.steps.ports import Transaction

WHILE_FROZEN_US = 10 * MINUTE_US


def is_frozen(tx: Transaction, household_id: str) -> bool:
    """Say whether the household froze everything."""
    return tx.get(Household, household_id, household_id).frozen_since_us is not None


def is_read_from_a_frozen_device(tx: Transaction, household_id: str, supply_id: str) -> bool:
    """Say whether a device this supply is read from is frozen: nothing is bought on its word."""
    device_ids = frozenset(slot.device_id for slot in tx.find(Slot, household_id, supply_id=supply_id))
    return bool(tx.find(Device, household_id, id=device_ids, state=DeviceState.FROZEN))


def distrusted(tx: Transaction, cart: Cart) -> tuple[str, ...]:
    """Return why no mandate may let this cart go on: a device it was planned from is frozen by now. A person may."""
    lines = tx.find(Line, cart.household_id, cart_id=cart.id)
    frozen = [one.name for one in lines if is_read_from_a_frozen_device(tx, cart.household_id, one.supply_id)]
    return (f"a device behind it is frozen: {', '.join(frozen)}",) if frozen else ()
