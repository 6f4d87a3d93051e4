"""The worker's side of the rows of work: claim what is due under a lease, give back what failed, see what waits."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, func, or_, select, text, tuple_, update

from gateway.domain.records import HouseholdItem, WorkItem
from gateway.store.tables import WorkRow
from gateway.store.unit_of_work import LEASE_US

_work: Any = WorkRow.__table__  # type: ignore[attr-defined]  # SQLModel makes it

MAX_BACKOFF_US = 3_600_000_000
FIRST_BACKOFF_US = 500_000


@dataclass(frozen=True, slots=True)
class Waiting:
    """One row of work as the operator sees it."""

    step: str
    household_id: str | None
    subject_id: str
    due_us: int
    not_before_wall_us: int
    tries: int
    last_error: str


class WorkQueue:
    """Leases over rows of work. Several workers share it; each claim raises the row's fence.

    `place` is where this worker runs: a data directory on a machine. Its name begins the holder of each lease.
    """

    def __init__(self, engine: Engine, holder: str, wall_us: Callable[[], int], *, place: str = "") -> None:
        self._engine = engine
        self._holder = f"{place}{holder}"
        self._wall_us = wall_us
        self._place = place

    def claim(
        self, now_us: int, *, limit: int, per_household: int, besides: frozenset[str] = frozenset()
    ) -> list[WorkItem]:
        """Lease at most `limit` due items, at most `per_household` of one household; oldest due first.

        However long one household's row is, the others get their share in the same round. `besides` names steps that
        are left out.
        """
        wall = self._wall_us()
        free = _free(now_us, wall)
        if besides:
            free = (*free, _work.c.step.not_in(sorted(besides)))
        place = func.row_number().over(partition_by=_work.c.household_id, order_by=(_work.c.due_us, _work.c.id))
        ranked = select(_work.c.id, place.label("place")).where(*free).subquery()
        shares = select(ranked.c.id).where(ranked.c.place <= per_household)
        due = (
            select(_work.c.id)
            .where(_work.c.id.in_(shares), *free)
            .order_by(_work.c.due_us, _work.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)  # silently ignored on SQLite, where BEGIN IMMEDIATE does the same
        )
        with self._writing() as connection:
            return self._lease(connection, [row.id for row in connection.execute(due)], wall)

    def claim_calls(
        self,
        now_us: int,
        *,
        steps: frozenset[str],
        each: int,
        choose: Callable[[Sequence[WorkItem]], list[WorkItem]],
    ) -> list[WorkItem]:
        """Lease those that `choose` takes of what is due of these steps.

        It is shown at most `each` of each counterpart: the oldest of every household first, then every second oldest.
        """
        wall = self._wall_us()
        free = (*_free(now_us, wall), _work.c.step.in_(sorted(steps)))
        age = (_work.c.due_us, _work.c.id)
        turn = func.row_number().over(partition_by=(_work.c.counterpart, _work.c.household_id), order_by=age)
        by_turn = select(_work.c.id, _work.c.counterpart, _work.c.due_us, turn.label("turn")).where(*free).subquery()
        in_turn = (by_turn.c.turn, by_turn.c.due_us, by_turn.c.id)
        place = func.row_number().over(partition_by=by_turn.c.counterpart, order_by=in_turn)
        placed = select(by_turn, place.label("place")).subquery()
        due = (
            select(_work)
            .join(placed, placed.c.id == _work.c.id)
            .where(placed.c.place <= each, *free)
            .order_by(placed.c.turn, _work.c.due_us, _work.c.id)
            .with_for_update(skip_locked=True, of=_work)
        )
        with self._writing() as connection:
            chosen = choose([_item(row) for row in connection.execute(due)])
            return self._lease(connection, [item.id for item in chosen], wall)

    def renew(self, items: Sequence[WorkItem]) -> None:
        """Lengthen the leases of items whose fence still stands, for calls that take long."""
        if not items:
            return
        until = self._wall_us() + LEASE_US
        held = tuple_(_work.c.id, _work.c.fence).in_([(item.id, item.fence) for item in items])
        with self._writing() as connection:
            connection.execute(update(_work).where(held).values(lease_until_wall_us=until))

    def give_back(self, item: WorkItem, error: str) -> None:
        """Return a failed item: it waits, longer each time (bounded), and is never dropped."""
        pause = min(MAX_BACKOFF_US, FIRST_BACKOFF_US * 2 ** min(item.tries, 20))
        with self._engine.begin() as connection:
            connection.execute(
                update(_work)
                .where(_work.c.id == item.id, _work.c.fence == item.fence)
                .values(lease_until_wall_us=0, not_before_wall_us=self._wall_us() + pause, last_error=error[:1000])
            )

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.execute(text("BEGIN IMMEDIATE"))
            yield connection
            connection.commit()

    def _lease(self, connection: Connection, chosen: list[str], wall: int) -> list[WorkItem]:
        """Lease these rows, each under a new fence, and return them in their order."""
        if not chosen:
            return []
        lease = (
            update(_work)
            .where(_work.c.id.in_(chosen))
            .values(
                fence=_work.c.fence + 1,
                lease_until_wall_us=wall + LEASE_US,
                lease_holder=self._holder,
                tries=_work.c.tries + 1,
            )
            .returning(*_work.c)
        )
        order = {row_id: place for place, row_id in enumerate(chosen)}
        return [_item(row) for row in sorted(connection.execute(lease).all(), key=lambda row: order[row.id])]

    def end_leases(self) -> None:
        """Free all that is leased at this place: for its first worker, which has just begun, as after a kill.

        Should a worker live after all, the fence refuses what it brings, and what it asked outside is asked again
        under the same key.
        """
        with self._engine.begin() as connection:
            here = _work.c.lease_holder.startswith(self._place, autoescape=True)
            connection.execute(update(_work).where(_work.c.lease_until_wall_us > 0, here).values(lease_until_wall_us=0))

    def is_idle(self, now_us: int, *, besides: frozenset[str]) -> bool:
        """Say whether no work but these steps is due at this time, leased or waiting for real time included."""
        with self._engine.connect() as connection:
            due = select(func.count()).select_from(_work).where(_work.c.due_us <= now_us)
            due = due.where(_work.c.step.not_in(sorted(besides)))
            return connection.execute(due).scalar_one() == 0

    def next_due_us(self) -> int | None:
        """Return the earliest policy time at which something is due, None when nothing waits."""
        with self._engine.connect() as connection:
            return connection.execute(select(func.min(_work.c.due_us))).scalar()

    def waiting(self, *, failing_only: bool, limit: int = 200) -> list[Waiting]:
        """Return what waits, failing items first, for the operator."""
        query = select(_work).order_by(_work.c.tries.desc(), _work.c.due_us).limit(limit)
        if failing_only:
            query = query.where(or_(_work.c.last_error != "", _work.c.tries > 3))
        with self._engine.connect() as connection:
            return [
                Waiting(
                    step=row.step,
                    household_id=row.household_id,
                    subject_id=row.subject_id,
                    due_us=row.due_us,
                    not_before_wall_us=row.not_before_wall_us,
                    tries=row.tries,
                    last_error=row.last_error,
                )
                for row in connection.execute(query)
            ]


def _item(row: Any) -> WorkItem:
    claimed = {
        "id": row.id,
        "step": row.step,
        "subject_id": row.subject_id,
        "fence": row.fence,
        "generation": row.generation,
        "tries": row.tries,
        "counterpart": row.counterpart,
    }
    if row.household_id is None:
        return WorkItem(household_id=None, **claimed)
    return HouseholdItem(household_id=row.household_id, **claimed)


def _free(now_us: int, wall_us: int) -> tuple[ColumnElement[bool], ...]:
    """Return what makes a row one that may be leased now."""
    return (
        _work.c.due_us <= now_us,
        _work.c.not_before_wall_us <= wall_us,
        _work.c.lease_until_wall_us <= wall_us,
    )
