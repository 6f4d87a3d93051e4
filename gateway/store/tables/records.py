"""Beside the river: merchants, notices, messages, the rows of work, cursors, and adapters' memory."""

from typing import Any

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from gateway.store.tables.columns import ID_LENGTH, Owned, big, json, maybe_big, octets, of_household


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
        Index("notice_by_body", "source", "name", "sha256"),
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
    received_wall_us: int = big()


class MessageRow(Owned, table=True):
    __tablename__ = "message"
    __table_args__ = (of_household(), Index("message_by_household", "household_id", "id"))
    kind: str
    text: str
    subject: str
    at_us: int = big()
    read_us: int | None = maybe_big()


class ActRow(Owned, table=True):
    __tablename__ = "act"
    __table_args__ = (of_household(), Index("act_by_subject", "household_id", "subject"))
    by: str
    verb: str
    subject: str
    reason: str
    evidence: str
    at_us: int = big()


class PrunedRow(SQLModel, table=True):
    __tablename__ = "pruned"
    id: str = Field(primary_key=True, max_length=ID_LENGTH)
    household_id: str | None = Field(default=None, max_length=ID_LENGTH, index=True)
    kind: str
    count: int = big()
    until_us: int = big()


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
    counterpart: str = Field(sa_column_kwargs={"server_default": ""})


class CursorRow(SQLModel, table=True):
    """How far the inbox was recorded; it moves in the transaction that writes what was recorded."""

    __tablename__ = "cursor"
    name: str = Field(primary_key=True)
    position: int = big()


class AdapterStateRow(SQLModel, table=True):
    """An adapter's own memory, sealed at rest; it never sees our tables."""

    __tablename__ = "adapter_state"
    adapter: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    sealed: bytes = octets()
