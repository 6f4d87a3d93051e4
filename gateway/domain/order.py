"""What a merchant was asked for, what it shipped, what came and whether the refill was seen."""

from dataclasses import dataclass
from enum import StrEnum


class OrderState(StrEnum):
    """DESIGN's order states, and `placing` while the merchant's answer is not known."""

    PLACING = "placing"
    PLACED = "placed"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CLOSED = "closed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    LOST = "lost"
    RETURNED = "returned"
    PAYMENT_DUE = "payment_due"


OPEN_ORDER_STATES = frozenset(
    {OrderState.PLACING, OrderState.PLACED, OrderState.SHIPPED, OrderState.DELIVERED, OrderState.PAYMENT_DUE}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order at a merchant. Its id is the idempotency key and our reference there.

    `looks`: how often the merchant was asked what became of it while its answer was missing.
    """

    id: str
    household_id: str
    cart_id: str
    attempt_id: str
    merchant_id: str
    merchant_ref: str
    state: OrderState
    currency: str
    total_minor: int
    promised_us: int | None
    placed_us: int | None
    closed_us: int | None
    late: bool
    looks: int
    note: str
    created_us: int


class LineState(StrEnum):
    """How one ordered line ended: open until delivered, then seen in a device or closed otherwise."""

    OPEN = "open"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    SHORT = "short"
    LOST = "lost"
    RETURNED = "returned"
    CANCELLED = "cancelled"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """One line of an order: packs asked, shipped, delivered; whether the refill was seen in a device."""

    id: str
    household_id: str
    order_id: str
    cart_line_id: str
    supply_id: str
    sku: str
    name: str
    pack_size: float
    packs: int
    packs_shipped: int
    packs_delivered: int
    packs_refunded: int
    unit_price_minor: int
    state: LineState
    refill_seen: bool
    refill_id: str | None
    delivered_us: int | None


class ShipmentState(StrEnum):
    """A parcel on its way, come, come short or never."""

    SHIPPED = "shipped"
    DELIVERED = "delivered"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """One parcel. `amount_minor` is what it is billed at: its goods, and the delivery fee on the first."""

    id: str
    household_id: str
    order_id: str
    merchant_ref: str
    state: ShipmentState
    amount_minor: int
    currency: str
    shipped_us: int
    delivered_us: int | None
