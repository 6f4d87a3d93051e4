"""The rows behind a household's supplies, read once for all of them, so that a page costs a fixed number of queries."""

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from gateway.domain.cart import Cart, CartState, Line
from gateway.domain.household import Household
from gateway.domain.order import OPEN_ORDER_STATES, LineState, Order, OrderLine
from gateway.domain.replenishment import Forecast, Plan, PlanState, Policy
from gateway.domain.stock import Device, DeviceState, Level, PackOption, Slot, Supply
from gateway.steps.ports import Transaction
from gateway.web.wording import Wording

Row = TypeVar("Row")

PENDING_CART_STATES = frozenset({CartState.AWAITING_APPROVAL, CartState.APPROVED, CartState.HELD, CartState.SNOOZED})
"""Carts that still say something about a supply's next refill."""

UNSETTLED_LINE_STATES = frozenset({LineState.OPEN, LineState.SHIPPED, LineState.DELIVERED, LineState.SHORT})


@dataclass(frozen=True, slots=True)
class Stock:
    """One household's rows, by what they belong to."""

    household: Household
    wording: Wording
    now_us: int
    supplies: tuple[Supply, ...]
    slots: dict[str, list[Slot]]
    levels: dict[str, Level]
    devices: dict[str, Device]
    forecasts: dict[str, Forecast]
    policies: dict[str, Policy]
    plans: dict[str, Plan]
    with_product: frozenset[str]
    cart_lines: dict[str, tuple[Cart, Line]]
    order_lines: dict[str, list[tuple[Order, OrderLine]]]

    def devices_of(self, supply_id: str) -> list[Device]:
        """Return the devices that draw on a supply, each once."""
        return list({slot.device_id: self.devices[slot.device_id] for slot in self.slots.get(supply_id, [])}.values())

    def is_kept(self, supply: Supply) -> bool:
        """Whether a supply is still one: something reports it, stands on the shelf, or is on its way."""
        on_its_way = (self.plans, self.cart_lines, self.order_lines)
        return (
            supply.id in self.slots or supply.sealed_quantity > 0 or any(supply.id in coming for coming in on_its_way)
        )


def read_stock(tx: Transaction, household_id: str, *, now_us: int, supply_id: str | None = None) -> Stock:
    """Read the rows of all supplies of a household, or of one; raises NotFound for another household's."""
    household = tx.get(Household, household_id, household_id)
    supplies = [tx.get(Supply, household_id, supply_id)] if supply_id is not None else tx.find(Supply, household_id)
    of_supply: dict[str, Any] = {} if supply_id is None else {"supply_id": supply_id}
    slots = [slot for slot in tx.find(Slot, household_id, **of_supply) if slot.supply_id is not None]
    slot_ids = frozenset(slot.id for slot in slots)
    return Stock(
        household=household,
        wording=Wording(household.time_zone),
        now_us=now_us,
        supplies=tuple(supplies),
        slots=grouped(slots, "supply_id"),
        levels={level.slot_id: level for level in tx.find(Level, household_id, slot_id=slot_ids)},
        devices={device.id: device for device in tx.find(Device, household_id)},
        forecasts={row.supply_id: row for row in tx.find(Forecast, household_id, current=True, **of_supply)},
        policies={row.supply_id: row for row in tx.find(Policy, household_id, **of_supply)},
        plans={row.supply_id: row for row in tx.find(Plan, household_id, state=PlanState.OPEN, **of_supply)},
        with_product=frozenset(row.supply_id for row in tx.find(PackOption, household_id, **of_supply)),
        cart_lines=_cart_lines(tx, household_id, of_supply),
        order_lines=_order_lines(tx, household_id, of_supply),
    )


def grouped(rows: Iterable[Row], column: str) -> dict[Any, list[Row]]:
    """Return the rows in lists by one column's value."""
    groups: defaultdict[Hashable, list[Row]] = defaultdict(list)
    for row in rows:
        groups[getattr(row, column)].append(row)
    return dict(groups)


def is_listening(device: Device) -> bool:
    """Whether a device is connected and counts."""
    return device.online is True and device.state is not DeviceState.REMOVED


def _cart_lines(tx: Transaction, household_id: str, of_supply: dict[str, Any]) -> dict[str, tuple[Cart, Line]]:
    carts = {cart.id: cart for cart in tx.find(Cart, household_id, state=PENDING_CART_STATES)}
    lines = tx.find(Line, household_id, cart_id=frozenset(carts), **of_supply) if carts else []
    return {line.supply_id: (carts[line.cart_id], line) for line in lines}


def _order_lines(
    tx: Transaction, household_id: str, of_supply: dict[str, Any]
) -> dict[str, list[tuple[Order, OrderLine]]]:
    orders = {order.id: order for order in tx.find(Order, household_id, state=OPEN_ORDER_STATES)}
    found: defaultdict[str, list[tuple[Order, OrderLine]]] = defaultdict(list)
    if orders:
        for line in tx.find(
            OrderLine, household_id, order_id=frozenset(orders), state=UNSETTLED_LINE_STATES, **of_supply
        ):
            found[line.supply_id].append((orders[line.order_id], line))
    return dict(found)
