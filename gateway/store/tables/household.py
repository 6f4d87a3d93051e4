"""Households and their members."""

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from gateway.store.tables.columns import ID_LENGTH, Owned, big, maybe_big, of_household


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
