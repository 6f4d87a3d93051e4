"""The whole river over a real database, with a bank, a shop and an inbox in memory and a clock set by hand."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

from sqlalchemy import case, func, select

from gateway.domain.cart import Cart
from gateway.domain.household import Member
from gateway.domain.reconciliation import Difference
from gateway.domain.records import WorkItem
from gateway.domain.replenishment import DAY_US
from gateway.steps.approve import Approve, Decision, approve
from gateway.steps.money.reconcile import reconcile
from gateway.steps.ports import Services, Transaction
from gateway.store.tables import WorkRow
from gateway.store.unit_of_work import SqlUnitOfWork
from gateway.store.work_queue import WorkQueue
from gateway.worker import Round, Worker
from tests.builders import HOME
from tests.databases import Databases
from tests.fake_bank import FakeBank, FakeProviders
from tests.fake_shop import FakeInbox, FakeMerchants, FakeShop
from tests.fakes import FakeClock

Entity = TypeVar("Entity")
UNDO_US = 20_000_000
MOST_ROUNDS = 400

_work: Any = WorkRow.__table__  # type: ignore[attr-defined]  # SQLModel makes it


class Crash(BaseException):
    """The process died here."""


class Bomb:
    """Counts the places where a process may die and lets it die at the chosen one; 0 is never."""

    def __init__(self, at: int = 0) -> None:
        self.at = at
        self.passed = 0
        self.where = ""

    def tick(self, where: str) -> None:
        self.passed += 1
        if self.passed == self.at:
            self.where = where
            raise Crash(where)


class CrashingUnitOfWork:
    """The store's unit of work, with a place to die after each commit; to die before one is to die after the last."""

    def __init__(self, real: SqlUnitOfWork, bomb: Bomb) -> None:
        self._real = real
        self._bomb = bomb

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        with self._real.begin() as tx:
            yield tx
        self._bomb.tick("after a commit")

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        with self._real.read() as tx:
            yield tx


class Rig:
    """One gateway over an empty database. `work_off` lets everything due happen."""

    def __init__(self, databases: Databases, *entities: object, bomb: Bomb | None = None) -> None:
        self.clock = FakeClock()
        self.bomb = bomb or Bomb()
        self._stack = ExitStack()
        self.engine = self._stack.enter_context(databases.migrated())
        ids = itertools.count(1)
        self.new_id = lambda: f"id-{next(ids):08d}"
        self.store = SqlUnitOfWork(self.engine, self.new_id, self.clock.wall_us)
        self.bank = FakeBank(around=self.bomb.tick, now_us=self.clock.now_us)
        self.shop = FakeShop(self.clock, around=self.bomb.tick)
        self.inbox = FakeInbox()
        self.providers = FakeProviders(self.bank)
        self.services = Services(
            unit_of_work=CrashingUnitOfWork(self.store, self.bomb),
            clock=self.clock,
            inbox=self.inbox,
            merchants=FakeMerchants(self.shop),
            providers=self.providers,
            public_url="https://home.example",
            undo_us=UNDO_US,
            keep_inbox_us=90 * DAY_US,
        )
        self.queue = WorkQueue(self.engine, "worker-1", self.clock.wall_us)
        self.worker = Worker(self.services, self.queue)
        self.add(*entities)

    def close(self) -> None:
        """Let the database go."""
        self._stack.close()

    # Rows

    def add(self, *entities: object) -> None:
        """Write rows in one transaction."""
        with self.store.begin() as tx:
            for entity in entities:
                tx.add(entity)

    def save(self, *entities: object) -> None:
        """Write rows back, whatever has become of them."""
        with self.store.begin() as tx:
            tx.take({getattr(entity, "household_id", HOME) for entity in entities})
            for entity in entities:
                tx.save(entity)

    def rows(self, entity: type[Entity], household_id: str | None = HOME, **equals: object) -> list[Entity]:
        """Return the committed rows."""
        with self.store.read() as tx:
            return tx.find(entity, household_id, **equals)

    def the(self, entity: type[Entity], **equals: object) -> Entity:
        """Return the one row there is."""
        (row,) = self.rows(entity, None, **equals)
        return row

    def enqueue(
        self, step: str, subject_id: str, *, household_id: str | None = HOME, due_us: int | None = None
    ) -> None:
        """Leave a row for the worker."""
        with self.store.begin() as tx:
            tx.enqueue(step, household_id, subject_id, due_us=self.clock.now if due_us is None else due_us)

    def claim(self, step: str) -> WorkItem:
        """Lease the one due item of a step as another worker would."""
        items = WorkQueue(self.engine, "worker-2", self.clock.wall_us).claim(self.clock.now, limit=64, per_household=64)
        (item,) = [item for item in items if item.step == step]
        return item

    def waiting(self, step: str | None = None) -> list[tuple[str, str, int]]:
        """Return (step, subject, due) of the rows of work."""
        query = select(_work.c.step, _work.c.subject_id, _work.c.due_us).order_by(_work.c.due_us, _work.c.id)
        with self.engine.connect() as connection:
            rows = [(row.step, row.subject_id, row.due_us) for row in connection.execute(query)]
        return [row for row in rows if step in {None, row[0]}]

    # Time

    def work_off(self, *, rounds: int = MOST_ROUNDS) -> None:
        """Work until nothing is due at this policy time; real time passes as far as it must."""
        for _ in range(rounds):
            did = self.worker.run_once()
            if did.done:
                continue
            wakes = self._wakes_wall_us()
            if wakes is None and not did.failed:
                return
            self.clock.wall = max(self.clock.wall + 1, wakes or 0)
        raise AssertionError(f"not quiescent after {rounds} rounds: {self.waiting()[:5]}")

    def run_round(self) -> Round:
        """Run one round of the worker."""
        return self.worker.run_once()

    def pass_days(self, days: float) -> None:
        """Let policy time pass, everything done when it is due."""
        until_us = self.clock.now + round(days * DAY_US)
        for _ in range(10_000):
            self.work_off()
            due = self.queue.next_due_us()
            if due is None or due > until_us:
                break
            step_us = max(0, due - self.clock.now)
            self.clock.advance(step_us)
        self.clock.advance(until_us - self.clock.now)
        self.work_off()

    def restart(self) -> None:
        """Let another process take over after the leases of the dead one ran out."""
        self.bomb.at = 0
        self.clock.wall += 61_000_000
        self.worker = Worker(self.services, WorkQueue(self.engine, "worker-next", self.clock.wall_us))

    def survive(self, act: Callable[[], object]) -> bool:
        """Do something that may crash, and restart if it did; say whether it did."""
        try:
            act()
        except Crash:
            self.restart()
            return True
        return False

    def _wakes_wall_us(self) -> int | None:
        """Return the real time at which the next item that is due by policy time may run."""
        not_before, leased = _work.c.not_before_wall_us, _work.c.lease_until_wall_us
        ready = case((not_before > leased, not_before), else_=leased)
        query = select(func.min(ready)).where(_work.c.due_us <= self.clock.now)
        with self.engine.connect() as connection:
            found: int | None = connection.execute(query).scalar()
        return found

    # The household

    def decide(self, decision: Decision, cart_id: str | None = None, member_id: str = "ana") -> Cart:
        """Let a member decide on a cart, the only one unless named."""
        cart_id = cart_id or self.the(Cart).id
        with self.services.unit_of_work.begin() as tx:
            return approve(
                tx,
                HOME,
                cart_id,
                decision,
                member=tx.get(Member, HOME, member_id),
                now_us=self.clock.now,
                wall_us=self.clock.wall,
                undo_us=UNDO_US,
            )

    def say_yes(self, cart_id: str | None = None) -> Cart:
        """Approve the cart as it is."""
        return self.decide(Approve(None), cart_id)

    def differences(self) -> list[str]:
        """Return where ledger, operations and the bank's book disagree."""
        return [str(one) for one in self.reconcile(HOME)]

    def reconcile(self, household_id: str | None = None, *, since_us: int = 0) -> list[Difference]:
        """Return every difference between the three books, of one household or of all with the pay-outs."""
        now_us = self.clock.now
        found = reconcile(self.store, self.providers, now_us=now_us, household_id=household_id, since_us=since_us)
        return list(found)


def all_of(*groups: Iterable[object]) -> list[object]:
    """Return the rows of several groups as one list."""
    return [row for group in groups for row in group]
