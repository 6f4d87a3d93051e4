"""Orders at merchants and their shipments."""

from typing import Any

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlmodel import Field

from gateway.store.tables.columns import Owned, big, json, maybe_big, of


class OrderRow(Owned, table=True):
    __tablename__ = "purchase_order"
    __table_args__ = (
        of("cart", "cart_id"),
        of("attempt", "attempt_id"),
        ForeignKeyConstraint(["merchant_id"], ["merchant.id"]),
        UniqueConstraint("id"),  # a merchant names our reference and not the household
        Index(
            "one_live_order_per_cart",
            "household_id",
            "cart_id",
            unique=True,
            sqlite_where=text("state NOT IN ('rejected', 'cancelled')"),
            postgresql_where=text("state NOT IN ('rejected', 'cancelled')"),
        ),
    )
    cart_id: str
    attempt_id: str
    merchant_id: str
    merchant_ref: str
    state: str
    currency: str = Field(max_length=3)
    total_minor: int = big()
    promised_us: int | None = maybe_big()
    placed_us: int | None = maybe_big()
    closed_us: int | None = maybe_big()
    late: bool
    looks: int
    note: str
    created_us: int = big()
    cancel_asked_us: int | None = maybe_big()
    abandoned_us: int | None = maybe_big()


class OrderLineRow(Owned, table=True):
    __tablename__ = "order_line"
    __table_args__ = (
        of("purchase_order", "order_id"),
        of("cart_line", "cart_line_id"),
        Index("order_line_by_order", "household_id", "order_id"),
        Index("order_line_by_supply", "household_id", "supply_id", "state"),
    )
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
    unit_price_minor: int = big()
    state: str
    refill_seen: bool
    refill_id: str | None = None
    delivered_us: int | None = maybe_big()


class ShipmentRow(Owned, table=True):
    __tablename__ = "shipment"
    __table_args__ = (
        of("purchase_order", "order_id"),
        UniqueConstraint("household_id", "order_id", "merchant_ref"),
    )
    order_id: str
    merchant_ref: str
    state: str
    amount_minor: int = big()
    currency: str = Field(max_length=3)
    shipped_us: int = big()
    delivered_us: int | None = maybe_big()
    missing_minor: int = Field(default=0, sa_type=BigInteger)
    announced_minor: int = Field(default=0, sa_type=BigInteger)
    announced_for: str = ""
    debit_from_us: int | None = maybe_big()


class WithdrawalRow(Owned, table=True):
    __tablename__ = "withdrawal"
    __table_args__ = (
        of("purchase_order", "order_id"),
        of("member", "member_id"),
        Index("withdrawal_by_order", "household_id", "order_id"),
    )
    order_id: str
    member_id: str
    line_ids: Any = json()
    words: str
    state: str
    at_us: int = big()
    settled_us: int | None = maybe_big()
