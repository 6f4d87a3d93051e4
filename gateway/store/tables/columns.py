"""The kinds of column, the key of a household's row, and its foreign keys."""

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKeyConstraint, LargeBinary
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


def maybe_json() -> Any:
    """Return a JSON column that may be empty: null in the database, not the word in JSON."""
    return Field(default=None, sa_type=JSON(none_as_null=True), nullable=True)


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
