"""Carts, their lines, and the approvals of them."""

from typing import Any

from sqlalchemy import ForeignKeyConstraint, Index, text
from sqlmodel import Field

from gateway.store.tables.columns import Owned, big, json, maybe_big, of, of_household


class CartRow(Owned, table=True):
    __tablename__ = "cart"
    __table_args__ = (
        of_household(),
        ForeignKeyConstraint(["merchant_id"], ["merchant.id"]),
        Index("cart_by_state", "household_id", "state"),
    )
    merchant_id: str
    state: str
    version: int
    currency: str = Field(max_length=3)
    goods_minor: int = big()
    delivery_minor: int = big()
    free_delivery_from_minor: int | None = maybe_big()
    delivery_price_minor: int = big()
    quote_ref: str
    promised_us: int | None = maybe_big()
    decide_by_us: int | None = maybe_big()
    snoozed_until_us: int | None = maybe_big()
    signed: bool
    needs_person: Any = json()
    note: str
    created_us: int = big()
    quoted_us: int = big()


class LineRow(Owned, table=True):
    __tablename__ = "cart_line"
    __table_args__ = (of("cart", "cart_id"), of("plan", "plan_id"), Index("line_by_cart", "household_id", "cart_id"))
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
    unit_price_minor: int = big()
    price_before_minor: int | None = maybe_big()
    alternatives: Any = json()
    why: str


class ApprovalRow(Owned, table=True):
    __tablename__ = "approval"
    __table_args__ = (
        of("cart", "cart_id"),
        of("mandate", "mandate_id"),
        of("payment_method", "payment_method_id"),
        Index(
            "one_standing_approval_per_cart",
            "household_id",
            "cart_id",
            unique=True,
            sqlite_where=text("state = 'standing'"),
            postgresql_where=text("state = 'standing'"),
        ),
    )
    cart_id: str
    cart_version: int
    member_id: str | None = None
    mandate_id: str
    payment_method_id: str
    by_mandate: bool
    amount_minor: int = big()
    currency: str = Field(max_length=3)
    state: str
    at_us: int = big()
    send_not_before_wall_us: int = big()
