"""What a merchant was asked for, what it shipped, what came and whether the refill was seen."""

from dataclasses import dataclass, replace
from enum import StrEnum

ORDER_PREFIX = "order/"
"""What sync is asked to look up: an order's id behind this, an operation's without it."""


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

    `looks`: how often the merchant was asked what became of it while its answer was missing. `cancel_asked_us`: when it
    was asked to cancel; None once it said that it cannot. `abandoned_us`: when looking at it was left to a person.
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
    cancel_asked_us: int | None = None
    abandoned_us: int | None = None


class LineState(StrEnum):
    """How one ordered line ended: open until all of it came or never will, then seen in a device or closed otherwise.

    Lost: nothing of it came. Short: less came than was asked for.
    """

    OPEN = "open"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    SHORT = "short"
    LOST = "lost"
    RETURNED = "returned"
    CANCELLED = "cancelled"
    CLOSED = "closed"


COMING_LINE_STATES = frozenset({LineState.OPEN, LineState.SHIPPED})
ENDED_LINE_STATES = frozenset({LineState.LOST, LineState.RETURNED, LineState.CANCELLED, LineState.CLOSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What the merchant's parcels say of one line, in packs: the rest of `shipped` is still on its way.

    `missing`: not inside a parcel that came. `lost`: in a parcel that will not come. `delivered_us`: the first arrival.
    """

    shipped: int = 0
    delivered: int = 0
    missing: int = 0
    lost: int = 0
    delivered_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """One line of an order: packs asked, shipped, delivered; whether the refill was seen in a device.

    `packs_refunded`: packs that never came, whose money was given back or never taken.
    `delivered_us`: when the first of its packs came.
    """

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

    @property
    def is_all_sent(self) -> bool:
        """Whether no parcel with any of it is expected any more."""
        return self.state is not LineState.OPEN and (
            self.state is not LineState.SHIPPED or self.packs_shipped >= self.packs
        )

    def counted(self, tally: Tally, *, nothing_follows: bool) -> "OrderLine":
        """Return the line as the parcels say; `nothing_follows`: the merchant will send no more of it.

        While a part is on its way or still to be sent, the line is open, however much of it came already: its supply
        is not planned anew, and nothing is refunded for what may yet come.
        """
        counted = replace(
            self,
            packs_shipped=tally.shipped,
            packs_delivered=tally.delivered,
            delivered_us=tally.delivered_us if self.delivered_us is None else self.delivered_us,
        )
        if self.state in ENDED_LINE_STATES:
            return counted
        to_come = not nothing_follows and tally.shipped < self.packs
        if to_come or tally.shipped > tally.delivered + tally.missing + tally.lost:
            return replace(counted, state=LineState.SHIPPED if tally.shipped else LineState.OPEN)
        if tally.delivered == 0:
            return replace(counted, state=LineState.LOST if tally.shipped else LineState.CANCELLED)
        if self.refill_seen:
            return replace(counted, state=LineState.CLOSED)
        whole = tally.delivered >= self.packs
        return replace(counted, state=LineState.DELIVERED if whole else LineState.SHORT)


class ShipmentState(StrEnum):
    """A parcel on its way, come, come short or never."""

    SHIPPED = "shipped"
    DELIVERED = "delivered"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """One parcel. `amount_minor` is what it is billed at: its goods, and the delivery fee on the first.

    `missing_minor`: the part of it that was known never to come before it was billed, and is not billed.
    Where the scheme wants a debit announced: `announced_minor` was, to be debited from `debit_from_us` on, by the
    attempt `announced_for`.
    """

    id: str
    household_id: str
    order_id: str
    merchant_ref: str
    state: ShipmentState
    amount_minor: int
    currency: str
    shipped_us: int
    delivered_us: int | None
    missing_minor: int = 0
    announced_minor: int = 0
    announced_for: str = ""
    debit_from_us: int | None = None

    @property
    def owed_minor(self) -> int:
        """What is to be debited for it."""
        return self.amount_minor - self.missing_minor
