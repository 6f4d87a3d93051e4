"""Lists come in pages: newest first, the cursor is the last id seen, never more than 200 at a time."""

from dataclasses import dataclass
from typing import Annotated, Protocol, TypeVar

from fastapi import Depends, Query

from gateway.domain.errors import Invalid
from gateway.steps.ports import Scalar, Transaction

DEFAULT_LIMIT = 50
MAX_LIMIT = 200


class HasId(Protocol):
    """Anything with an id."""

    @property
    def id(self) -> str:
        """The id, in the order of creation."""
        ...


Row = TypeVar("Row", bound=HasId)


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page is asked for."""

    limit: int
    cursor: str | None


def paging(
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many at most.")] = DEFAULT_LIMIT,
    cursor: Annotated[str | None, Query(max_length=64, description="`next` of the page before.")] = None,
) -> Paging:
    """Read the two parameters every list takes."""
    return Paging(limit, cursor)


Paged = Annotated[Paging, Depends(paging)]


def read_page(
    tx: Transaction, entity: type[Row], household_id: str, page: Paging, **equals: Scalar | frozenset[str]
) -> tuple[list[Row], str | None]:
    """Return one page of the household's entities, newest first, and the cursor of the next; raises Invalid."""
    if page.cursor is not None and tx.seek(entity, household_id, page.cursor) is None:
        raise Invalid("cursor", "it names no row of this list; use `next` of the page before, or begin without it")
    # One more than asked for tells whether there is a next page.
    rows = tx.find(entity, household_id, newest=page.limit + 1, oldest=None, before=page.cursor, **equals)
    if len(rows) <= page.limit:
        return rows, None
    return rows[: page.limit], rows[page.limit - 1].id
