"""Devices, what is asked of them and what they hold: slots, supplies, readings, levels, refills, quarantine."""

from typing import Any

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint, false, text
from sqlmodel import Field, SQLModel

from gateway.store.tables.columns import ID_LENGTH, Owned, big, json, maybe_big, octets, of, of_household


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
    has_signed: bool = Field(default=False, sa_column_kwargs={"server_default": false()})


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


class CommandRow(Owned, table=True):
    __tablename__ = "command"
    __table_args__ = (
        of("device", "device_id"),
        Index("command_by_device", "household_id", "device_id", "id"),
        # Looked for every second; and whatever races, a device has at most one.
        Index(
            "command_waiting",
            "device_id",
            unique=True,
            sqlite_where=text("state = 'waiting'"),
            postgresql_where=text("state = 'waiting'"),
        ),
    )
    device_id: str
    kind: str
    state: str
    by: str
    asked_us: int = big()
    asked_wall_us: int = big()
    ended_us: int | None = maybe_big()


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
