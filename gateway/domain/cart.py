"""The cart: what is proposed to the household at one merchant, and what a person may do with it."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from gateway.domain.errors import Conflict, Invalid
from gateway.domain.replenishment import MAX_PACKS_PER_LINE

MAX_LINES = 30


class CartState(StrEnum):
    """Where a cart stands.

    awaiting_approval → approved → held → ordered;
    or skipped, snoozed, expired, dropped (nothing of it is needed any more, or to be had), declined (by the payment
    provider), rejected (by the merchant).
    """

    AWAITING_APPROVAL = "awaiting_approval"
    APPROVED = "approved"
    HELD = "held"
    ORDERED = "ordered"
    SKIPPED = "skipped"
    SNOOZED = "snoozed"
    EXPIRED = "expired"
    DROPPED = "dropped"
    DECLINED = "declined"
    REJECTED = "rejected"


UNDOABLE_STATES = frozenset({CartState.APPROVED, CartState.HELD})


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One product in a cart. Prices are minor units of the cart's currency, for one pack.

    `alternatives`: packs the merchant quoted beside the usual one (sku, name, detail, pack_size, unit_price_minor).
    `price_before_minor`: what one pack cost last time, None on a first purchase.
    """

    id: str
    household_id: str
    cart_id: str
    plan_id: str
    supply_id: str
    pack_option_id: str
    sku: str
    gtin: str
    name: str
    detail: str
    pack_size: float
    packs: int
    unit_price_minor: int
    price_before_minor: int | None
    alternatives: tuple[dict[str, Any], ...]
    why: str

    @property
    def amount_minor(self) -> int:
        """What this line costs."""
        return self.packs * self.unit_price_minor

    def with_packs(self, packs: int) -> "Line":
        """Return the line with another quantity."""
        if not 1 <= packs <= MAX_PACKS_PER_LINE:
            raise Invalid("packs", f"choose between 1 and {MAX_PACKS_PER_LINE} packs")
        return replace(self, packs=packs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cart:
    """A proposal to one merchant. `version` grows with every edit, so that nobody approves what they did not see.

    `decide_by_us` and `promised_us` are policy time, `quoted_us` is when the merchant was last asked for all of it.
    `signed` is false when any reading behind it was unsigned or stale at drafting: such a cart always needs a person.
    `needs_person` says why a mandate did not decide.
    """

    id: str
    household_id: str
    merchant_id: str
    state: CartState
    version: int
    currency: str
    goods_minor: int
    delivery_minor: int
    free_delivery_from_minor: int | None
    delivery_price_minor: int
    quote_ref: str
    promised_us: int | None
    decide_by_us: int | None
    snoozed_until_us: int | None
    signed: bool
    needs_person: tuple[str, ...]
    note: str
    created_us: int
    quoted_us: int = 0

    @property
    def total_minor(self) -> int:
        """Goods and delivery."""
        return self.goods_minor + self.delivery_minor

    def comes_us(self, now_us: int) -> int | None:
        """Return when it would come if it were sent now: as long after as the shop quoted; None where it did not say.

        The one date there is of a cart until the shop has taken the order: then the order's promise counts.
        """
        if self.promised_us is None:
            return None
        return now_us + max(0, self.promised_us - (self.quoted_us or self.created_us))

    def require(self, act: str, *states: CartState) -> None:
        """Raise Conflict unless the cart is in one of the states that permit the act."""
        if self.state not in states:
            raise Conflict("cart", self.id, self.state, act)

    def priced(self, lines: list[Line]) -> "Cart":
        """Return the cart with its sums made anew from its lines: delivery is free from the merchant's threshold."""
        goods = sum(line.amount_minor for line in lines)
        free = self.free_delivery_from_minor is not None and goods >= self.free_delivery_from_minor
        return replace(
            self, goods_minor=goods, delivery_minor=0 if free else self.delivery_price_minor, version=self.version + 1
        )
