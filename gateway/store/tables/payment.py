"""Linked accounts, mandates, attempts with their operations, and the ledger."""

from typing import Any

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field

from gateway.store.tables.columns import Owned, big, maybe_big, maybe_json, octets, of, of_household


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
    note: str = ""
    named: bool = True
    funding: str


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
    merchant_ids: Any = maybe_json()
    device_ids: Any = maybe_json()
    supply_ids: Any = maybe_json()
    price_tolerance_percent: float
    valid_from_us: int = big()
    valid_until_us: int | None = maybe_big()
    per_period_count: int | None = None
    confirm_url: str = ""
    note: str = ""
    sent_wall_us: int | None = maybe_big()
    looks: int = 0
    replaces_id: str | None = None
    idle_days: int


class MethodChoiceRow(Owned, table=True):
    __tablename__ = "method_choice"
    __table_args__ = (of("payment_method", "payment_method_id"), UniqueConstraint("household_id", "kind", "subject_id"))
    kind: str
    subject_id: str
    payment_method_id: str


class ConsentRow(Owned, table=True):
    __tablename__ = "consent"
    __table_args__ = (of("member", "member_id"),)
    kind: str
    words: str
    member_id: str
    given_us: int = big()
    ended_us: int | None = maybe_big()
    ended_by: str = ""


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
            sqlite_where=text("state NOT IN ('voided', 'declined', 'expired', 'replaced')"),
            postgresql_where=text("state NOT IN ('voided', 'declined', 'expired', 'replaced')"),
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
    hold_expires_us: int | None = maybe_big()
    captures_once: bool = False


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
    answered_us: int | None = maybe_big()
    settled_ref: str = Field(default="", max_length=200)
    reversed_ref: str = Field(default="", max_length=200)


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
        # Wide enough that the sums of journals are read from it alone.
        Index("posting_by_journal", "household_id", "journal_id", "currency", "amount_minor"),
        Index("posting_by_account", "household_id", "account_id"),
    )
    journal_id: str
    account_id: str
    amount_minor: int = big()
    currency: str = Field(max_length=3)
