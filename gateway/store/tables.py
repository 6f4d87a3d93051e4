"""The main database's tables: data, no rules. One table for each entity of gateway.domain, field for field.

A household's rows are keyed by (household_id, id), and every foreign key carries the household: a row of one household
cannot refer to another's. Instants are UTC microseconds, money is minor units, ids are UUIDv7 text, and what is only
ever read back whole is JSON.
"""

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field, SQLModel

ID_LENGTH = 64


def big() -> Any:
    """Return a 64-bit column: an instant or minor units."""
    return Field(sa_type=BigInteger)


def maybe_big() -> Any:
    """Return a 64-bit column that may be unknown."""
    return Field(default=None, sa_type=BigInteger, nullable=True)


def json() -> Any:
    """Return a JSON column."""
    return Field(sa_type=JSON)


def octets() -> Any:
    """Return a column of bytes."""
    return Field(sa_type=LargeBinary)


def of(table: str, column: str) -> ForeignKeyConstraint:
    """Return the foreign key from (household_id, column) to that table of the same household."""
    return ForeignKeyConstraint(["household_id", column], [f"{table}.household_id", f"{table}.id"])


def of_household() -> ForeignKeyConstraint:
    """Return the foreign key to the household itself."""
    return ForeignKeyConstraint(["household_id"], ["household.id"])


class Owned(SQLModel):
    """A row of one household."""

    household_id: str = Field(primary_key=True, max_length=ID_LENGTH)
    id: str = Field(primary_key=True, max_length=ID_LENGTH)


# Who


class HouseholdRow(SQLModel, table=True):
    __tablename__ = "household"
    id: str = Field(primary_key=True, max_length=ID_LENGTH)
    household_id: str = Field(max_length=ID_LENGTH, index=True)
    name: str
    time_zone: str
    currency: str = Field(max_length=3)
    frozen_since_us: int | None = maybe_big()
    created_us: int = big()


class MemberRow(Owned, table=True):
    __tablename__ = "member"
    __table_args__ = (of_household(), UniqueConstraint("email", "household_id"), Index("member_by_email", "email"))
    name: str
    email: str
    role: str
    password_hash: str | None = None
    created_us: int = big()


class SessionRow(Owned, table=True):
    __tablename__ = "session"
    __table_args__ = (of("member", "member_id"), UniqueConstraint("token_sha256"))
    member_id: str
    token_sha256: str
    user_agent: str
    created_wall_us: int = big()
    seen_wall_us: int = big()
    expires_wall_us: int = big()
    revoked_wall_us: int | None = maybe_big()


class SignInLinkRow(Owned, table=True):
    __tablename__ = "sign_in_link"
    __table_args__ = (of("member", "member_id"), UniqueConstraint("token_sha256"))
    member_id: str
    token_sha256: str
    created_wall_us: int = big()
    expires_wall_us: int = big()
    used_wall_us: int | None = maybe_big()


class ApiTokenRow(Owned, table=True):
    __tablename__ = "api_token"
    __table_args__ = (of("member", "member_id"), UniqueConstraint("token_sha256"))
    member_id: str
    name: str
    token_sha256: str
    created_wall_us: int = big()
    expires_wall_us: int | None = maybe_big()
    revoked_wall_us: int | None = maybe_big()


class OperatorRow(SQLModel, table=True):
    __tablename__ = "operator"
    id: str = Field(primary_key=True, max_length=ID_LENGTH)
    name: str
    email: str = Field(unique=True)
    created_wall_us: int = big()


# Stock


class DeviceRow(Owned, table=True):
    __tablename__ = "device"
    __table_args__ = (of_household(), UniqueConstraint("id"))
    kind: str
    name: str
    room: str
    state: str
    public_key: str | None = None
    secret_hash: str
    owned_from_us: int = big()
    owned_until_us: int | None = maybe_big()
    online: bool | None = None
    last_seen_us: int | None = maybe_big()


class SequenceRow(Owned, table=True):
    __tablename__ = "sequence"
    __table_args__ = (of("device", "device_id"), UniqueConstraint("device_id", "epoch"))
    device_id: str
    epoch: int = big()
    watermark: int = big()
    ranges: Any = json()


class SupplyRow(Owned, table=True):
    __tablename__ = "supply"
    __table_args__ = (of_household(),)
    name: str
    kind: str
    unit: str
    icon: str
    sealed_quantity: float
    quiet_until_us: int = big()
    created_us: int = big()


class SlotRow(Owned, table=True):
    __tablename__ = "slot"
    __table_args__ = (
        of("device", "device_id"),
        of("supply", "supply_id"),
        UniqueConstraint("device_id", "name"),
        Index("slot_by_supply", "household_id", "supply_id"),
    )
    device_id: str
    supply_id: str | None = None
    name: str
    kind: str
    measure: str
    unit: str
    capacity: float


class PackOptionRow(Owned, table=True):
    __tablename__ = "pack_option"
    __table_args__ = (
        of("supply", "supply_id"),
        ForeignKeyConstraint(["merchant_id"], ["merchant.id"]),
        UniqueConstraint("household_id", "supply_id", "merchant_id", "sku"),
    )
    supply_id: str
    merchant_id: str
    sku: str
    gtin: str
    name: str
    detail: str
    pack_size: float
    rank: int
    last_price_minor: int | None = maybe_big()


class ReadingRow(Owned, table=True):
    __tablename__ = "reading"
    __table_args__ = (
        of("device", "device_id"),
        of("slot", "slot_id"),
        Index("reading_by_slot", "household_id", "slot_id", "id"),
        # Few wait at any time; without this, each search for them would read the slot's whole history.
        Index(
            "reading_waiting",
            "household_id",
            "slot_id",
            "id",
            sqlite_where=text("verdict = 'pending'"),
            postgresql_where=text("verdict = 'pending'"),
        ),
    )
    device_id: str
    slot_id: str
    inbox_id: int = big()
    epoch: int = big()
    seq: int = big()
    at_us: int = big()
    device_us: int | None = maybe_big()
    server_us: int = big()
    measure: str
    quantity: float | None = None
    unit: str
    state: str | None = None
    signed: bool
    verdict: str
    reason: str


class LevelRow(Owned, table=True):
    __tablename__ = "level"
    __table_args__ = (of("slot", "slot_id"), of("slot", "id"))
    slot_id: str
    quantity: float | None = None
    sd: float
    state: str | None = None
    consumed: Any = json()
    as_of_us: int = big()
    epoch: int | None = maybe_big()
    reading_id: str | None = None
    signed: bool
    by_hand: bool
    tracker: Any = json()


class RefillRow(Owned, table=True):
    __tablename__ = "refill"
    __table_args__ = (of("slot", "slot_id"), Index("refill_by_supply", "household_id", "supply_id", "id"))
    slot_id: str
    supply_id: str | None = None
    at_us: int = big()
    size: float | None = None
    level_before: float | None = None
    level_after: float | None = None
    reading_id: str | None = None
    order_line_id: str | None = None
    from_shelf: float = 0.0


class QuarantinedRow(SQLModel, table=True):
    __tablename__ = "quarantined"
    id: str = Field(primary_key=True, max_length=ID_LENGTH)
    household_id: str | None = Field(default=None, max_length=ID_LENGTH, index=True)
    device_id: str | None = None
    inbox_id: int | None = maybe_big()
    sender: str
    topic: str
    reason: str
    detail: str
    payload: bytes = octets()
    received_us: int = big()


# Replenishment


class PolicyRow(Owned, table=True):
    __tablename__ = "policy"
    __table_args__ = (of("supply", "supply_id"),)
    supply_id: str
    enabled: bool
    service_level: float
    target_days: float
    minimum_quantity: float
    lead_time_days: float
    approval_days: float
    decide_hours: float
    price_tolerance_percent: float


class ForecastStateRow(Owned, table=True):
    __tablename__ = "forecast_state"
    __table_args__ = (of("slot", "slot_id"),)
    slot_id: str
    state: Any = json()


class ForecastRow(Owned, table=True):
    __tablename__ = "forecast"
    __table_args__ = (
        of("supply", "supply_id"),
        Index("forecast_current", "household_id", "supply_id", "current"),
    )
    supply_id: str
    made_us: int = big()
    on_hand: float | None = None
    capacity: float
    p10_us: int | None = maybe_big()
    p50_us: int | None = maybe_big()
    p90_us: int | None = maybe_big()
    beyond: bool
    order_by_us: int | None = maybe_big()
    reorder_quantity: float | None = None
    daily_use: float | None = None
    model: str
    signed: bool
    fresh_until_us: int = big()
    reasons: Any = json()
    evidence: Any = json()
    band: Any = json()
    current: bool
    sealed_quantity: float = 0.0


class SecondOpinionRow(Owned, table=True):
    __tablename__ = "second_opinion"
    __table_args__ = (of("supply", "supply_id"),)
    supply_id: str
    made_us: int = big()
    model: str
    p10_us: int | None = maybe_big()
    p50_us: int | None = maybe_big()
    p90_us: int | None = maybe_big()
    note: str


class PlanRow(Owned, table=True):
    __tablename__ = "plan"
    __table_args__ = (
        of("supply", "supply_id"),
        of("forecast", "forecast_id"),
        of("pack_option", "pack_option_id"),
        Index("plan_by_forecast", "household_id", "forecast_id"),
        Index("plan_by_state", "household_id", "state"),
        # Never two open orders for one supply: at most one live plan, whatever races.
        Index(
            "one_live_plan_per_supply",
            "household_id",
            "supply_id",
            unique=True,
            sqlite_where=text("state IN ('open', 'carted')"),
            postgresql_where=text("state IN ('open', 'carted')"),
        ),
    )
    supply_id: str
    forecast_id: str
    merchant_id: str
    pack_option_id: str
    packs: int
    order_by_us: int = big()
    needed_by_us: int | None = maybe_big()
    signed: bool
    fresh_until_us: int = big()
    state: str
    reasons: Any = json()
    policy: Any = json()
    created_us: int = big()


# Cart and approval


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


# Money


class PaymentMethodRow(Owned, table=True):
    __tablename__ = "payment_method"
    __table_args__ = (of_household(),)
    adapter: str
    token_sealed: bytes = octets()
    label: str
    currency: str = Field(max_length=3)
    state: str
    rank: int
    created_us: int = big()


class MandateRow(Owned, table=True):
    __tablename__ = "mandate"
    __table_args__ = (of("payment_method", "payment_method_id"),)
    payment_method_id: str
    provider_ref: str
    state: str
    standing: bool
    currency: str = Field(max_length=3)
    per_order_minor: int = big()
    per_period_minor: int = big()
    period_days: int
    per_merchant_minor: int | None = maybe_big()
    merchant_id: str | None = None
    supply_id: str | None = None
    price_tolerance_percent: float
    valid_from_us: int = big()
    valid_until_us: int | None = maybe_big()


class AttemptRow(Owned, table=True):
    __tablename__ = "attempt"
    __table_args__ = (
        of("cart", "cart_id"),
        of("approval", "approval_id"),
        of("payment_method", "payment_method_id"),
        of("mandate", "mandate_id"),
        # At most one debit: at most one live attempt per cart, whatever races.
        Index(
            "one_live_attempt_per_cart",
            "household_id",
            "cart_id",
            unique=True,
            sqlite_where=text("state NOT IN ('voided', 'declined', 'expired')"),
            postgresql_where=text("state NOT IN ('voided', 'declined', 'expired')"),
        ),
    )
    cart_id: str
    approval_id: str
    payment_method_id: str
    mandate_id: str
    amount_minor: int = big()
    currency: str = Field(max_length=3)
    state: str
    note: str
    created_us: int = big()


class ReservationRow(Owned, table=True):
    __tablename__ = "reservation"
    __table_args__ = (
        of("mandate", "mandate_id"),
        of("attempt", "id"),
        Index("reservation_by_mandate", "household_id", "mandate_id", "at_us"),
    )
    mandate_id: str
    merchant_id: str
    amount_minor: int = big()
    at_us: int = big()
    state: str


class OperationRow(Owned, table=True):
    __tablename__ = "operation"
    __table_args__ = (
        of("attempt", "attempt_id"),
        UniqueConstraint("id"),  # a provider names our reference and not the household
        Index("operation_by_attempt", "household_id", "attempt_id"),
        # Each shipment is captured once, each attempt authorized once: a repeat finds the row that is there.
        Index(
            "one_operation_per_kind_and_subject",
            "household_id",
            "attempt_id",
            "kind",
            "subject_id",
            unique=True,
            sqlite_where=text("state NOT IN ('declined', 'failed')"),
            postgresql_where=text("state NOT IN ('declined', 'failed')"),
        ),
    )
    attempt_id: str
    kind: str
    subject_id: str
    amount_minor: int = big()
    currency: str = Field(max_length=3)
    state: str
    provider_ref: str
    note: str
    created_us: int = big()
    sent_wall_us: int | None = maybe_big()
    closed_us: int | None = maybe_big()
    syncs: int


class AccountRow(Owned, table=True):
    __tablename__ = "account"
    __table_args__ = (of_household(), UniqueConstraint("household_id", "kind", "owner", "currency"))
    kind: str
    owner: str
    currency: str = Field(max_length=3)


class JournalRow(Owned, table=True):
    __tablename__ = "journal"
    __table_args__ = (of_household(), UniqueConstraint("household_id", "source_id", "kind"))
    source_id: str
    kind: str
    memo: str
    reverses_id: str | None = None
    pending: bool
    at_us: int = big()


class PostingRow(Owned, table=True):
    __tablename__ = "posting"
    __table_args__ = (
        of("journal", "journal_id"),
        of("account", "account_id"),
        Index("posting_by_journal", "household_id", "journal_id"),
        Index("posting_by_account", "household_id", "account_id"),
    )
    journal_id: str
    account_id: str
    amount_minor: int = big()
    currency: str = Field(max_length=3)


# Orders


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


# The operator's


class MerchantRow(SQLModel, table=True):
    __tablename__ = "merchant"
    id: str = Field(primary_key=True, max_length=ID_LENGTH)
    name: str
    adapter: str
    settings: Any = json()
    secret_sealed: bytes = octets()
    currency: str = Field(max_length=3)
    lead_time_days: float


class NoticeRow(SQLModel, table=True):
    __tablename__ = "notice"
    __table_args__ = (
        UniqueConstraint("source", "name", "sha256"),
        Index("notice_by_state", "source", "name", "state", "id"),
    )
    id: str = Field(primary_key=True, max_length=ID_LENGTH)
    household_id: str | None = Field(default=None, max_length=ID_LENGTH)
    source: str
    name: str
    headers: Any = json()
    body: bytes = octets()
    sha256: str
    state: str
    reason: str
    received_us: int = big()


class MessageRow(Owned, table=True):
    __tablename__ = "message"
    __table_args__ = (of_household(), Index("message_by_household", "household_id", "id"))
    kind: str
    text: str
    subject: str
    at_us: int = big()
    read_us: int | None = maybe_big()


class WorkRow(SQLModel, table=True):
    """What is due: one row per step and subject. Claims raise the fence; settling checks it."""

    __tablename__ = "work"
    __table_args__ = (UniqueConstraint("step", "subject_id"), Index("work_due", "due_us"))
    id: str = Field(primary_key=True, max_length=ID_LENGTH)
    step: str
    household_id: str | None = Field(default=None, max_length=ID_LENGTH)
    subject_id: str
    due_us: int = big()
    not_before_wall_us: int = big()
    lease_until_wall_us: int = big()
    lease_holder: str
    fence: int
    generation: int
    tries: int
    last_error: str


class CursorRow(SQLModel, table=True):
    """How far the inbox was recorded; it moves in the transaction that writes what was recorded."""

    __tablename__ = "cursor"
    name: str = Field(primary_key=True)
    position: int = big()


class AdapterStateRow(SQLModel, table=True):
    """An adapter's own memory; it never sees our tables."""

    __tablename__ = "adapter_state"
    adapter: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    value: str
