"""One gateway as several processes share it: a database, a bank that is a process, shop and clock that are files."""

import fcntl
import pickle
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import httpx
from sqlalchemy import Engine, event, select

from gateway.assembly import new_id
from gateway.domain.cart import Cart
from gateway.domain.household import Member
from gateway.domain.payment import PaymentMethod
from gateway.domain.records import MerchantAccount
from gateway.domain.replenishment import DAY_US
from gateway.steps.approve import Decision, approve
from gateway.steps.money.reconcile import reconcile
from gateway.steps.ports import (
    Accepted,
    MerchantNotice,
    OrderNotFound,
    OrderStatus,
    PlaceLine,
    Quote,
    Refused,
    Services,
    WantedLine,
)
from gateway.store.adapter_state import SqlKeyValueState
from gateway.store.engine import open_engine
from gateway.store.tables import WorkRow
from gateway.store.unit_of_work import SqlUnitOfWork
from gateway.store.vault import Vault
from gateway.worker import Worker
from payments import registry
from payments.adapter import PaymentAdapter, StoredBalance
from payments.money import Money
from payments.transport import HttpxClient
from tests.builders import HOME
from tests.databases import without_waiting_for_the_disk
from tests.fake_shop import FakeInbox, FakeShop
from tests.fakes import START_US, FakeClock
from tests.integration.crashes.points import (
    Crash,
    CrashPoint,
    Watch,
    WatchedHttp,
    WatchedMemory,
    WatchedQueue,
    WatchedUnitOfWork,
    watch_calls,
)

Entity = TypeVar("Entity")
UNDO_US = 20_000_000
LEASE_OVER_US = 61_000_000
MOST_ROUNDS = 4_000
KEY = bytes(32)
LOOK_AGAIN_S = 0.002

_work: Any = WorkRow.__table__  # type: ignore[attr-defined]  # SQLModel makes it
_times = struct.Struct("<qq")


@cache
def _certificates() -> ssl.SSLContext:
    """Return what nobody here asks for; a client that makes its own takes 20 ms for it."""
    return ssl.create_default_context()


@dataclass(frozen=True, slots=True)
class Site:
    """Where a world is: its folder (clock, shop), its database, its bank, and Ana's account there."""

    folder: Path
    database_url: str
    bank_url: str
    bank_token: str
    account: str


class SharedClock(FakeClock):
    """Policy and real time in a file, the same for every process; they pass when somebody moves them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.exists():
            path.write_bytes(_times.pack(START_US, START_US))

    def now_us(self) -> int:
        return int(_times.unpack(self._path.read_bytes())[0])

    def wall_us(self) -> int:
        return int(_times.unpack(self._path.read_bytes())[1])

    def move(self, *, now_us: int = 0, wall_us: int = 0, wall_to_us: int = 0) -> None:
        """Let time pass: by so much, and real time at least to an instant."""
        with self._path.open("r+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            now, wall = _times.unpack(file.read())
            file.seek(0)
            file.write(_times.pack(now + now_us, max(wall + wall_us, wall_to_us)))


class SharedShop:
    """The shop in memory, kept in a file between any two requests: it survives whoever asks, as a real one does."""

    def __init__(self, path: Path, clock: SharedClock, watch: Watch) -> None:
        self._path = path
        self._clock = clock
        self._watch = watch
        if not path.exists():
            path.touch()
            with self.opened() as shop:
                shop.sell("milk-usual", 120)
        watch_calls(self, watch)

    @contextmanager
    def opened(self) -> Iterator[FakeShop]:
        """Look into the shop's own book, and change it."""
        with self._path.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            kept = file.read()
            shop = FakeShop(FakeClock())
            shop.__dict__.update(pickle.loads(kept) if kept else {})  # noqa: S301 — the test's own file
            shop.clock = FakeClock(self._clock.now_us(), self._clock.wall_us())
            yield shop
            file.seek(0)
            file.truncate()
            names = ("offers", "orders", "rejected", "faults")
            file.write(pickle.dumps({name: shop.__dict__[name] for name in names}))

    def open(self, account: MerchantAccount) -> "SharedShop":
        assert account.id
        return self

    def quote(self, lines: tuple[WantedLine, ...]) -> Quote:
        with self.opened() as shop:
            return shop.quote(lines)

    def place(
        self, *, reference: str, household_ref: str, quote_ref: str, lines: tuple[PlaceLine, ...], total_minor: int
    ) -> Accepted | Refused:
        with self.opened() as shop:
            answer = shop.place(
                reference=reference,
                household_ref=household_ref,
                quote_ref=quote_ref,
                lines=lines,
                total_minor=total_minor,
            )
        self._watch.passes(CrashPoint.EFFECT)
        return answer

    def status(self, reference: str) -> OrderStatus | OrderNotFound:
        with self.opened() as shop:
            answer = shop.status(reference)
        self._watch.passes(CrashPoint.EFFECT)
        return answer

    def cancel(self, reference: str) -> OrderStatus | OrderNotFound:
        with self.opened() as shop:
            return shop.cancel(reference)

    def parse_notice(self, headers: Mapping[str, str], body: bytes, received_wall_us: int) -> MerchantNotice:
        with self.opened() as shop:
            return shop.parse_notice(headers, body, received_wall_us)


class WatchedProviders:
    """The adapters over real HTTP and the real database, each watched."""

    names = ("balance", "sandbox")

    def __init__(self, site: Site, engine: Engine, clock: SharedClock, watch: Watch) -> None:
        self._vault = Vault({1: KEY})
        self._client = httpx.Client(trust_env=False, verify=_certificates())
        self._made: dict[str, PaymentAdapter] = {}
        for name in self.names:
            adapter = registry.make(
                name,
                _Context(
                    http=WatchedHttp(HttpxClient(self._client), watch),
                    settings={"url": site.bank_url},
                    state=WatchedMemory(SqlKeyValueState(engine, self._vault, name), watch),
                    now_us=clock.now_us,
                    secret=lambda _: site.bank_token,
                ),
            )
            watch_calls(adapter, watch)
            self._made[name] = adapter

    def open(self, name: str) -> PaymentAdapter:
        return self._made[name]

    def seal(self, token: str, *, household_id: str, method_id: str) -> bytes:
        return self._vault.seal(token, household_id=household_id, row_id=method_id)

    def token(self, method: PaymentMethod) -> str:
        return self._vault.unseal(method.token_sealed, household_id=method.household_id, row_id=method.id)

    def balance_of(self, token: str) -> tuple[Money, Money]:
        """Return what a stored balance has available and held."""
        balance = self.open("balance")
        assert isinstance(balance, StoredBalance)
        return balance.balance(token, "EUR")

    def close(self) -> None:
        self._client.close()


@dataclass(frozen=True, slots=True)
class _Context:
    """What one adapter sees."""

    http: WatchedHttp
    settings: dict[str, str]
    state: WatchedMemory
    now_us: Callable[[], int]
    secret: Callable[[str], str]


class World:
    """One process's gateway over the shared site. It dies at its crash point, if it is given one."""

    def __init__(self, site: Site, crash: Crash | None = None) -> None:
        self.site = site
        self.watch = Watch(crash)
        self.clock = SharedClock(site.folder / "clock")
        self.engine = open_engine(site.database_url)
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine, "connect", without_waiting_for_the_disk)
        self.store = SqlUnitOfWork(self.engine, new_id, self.clock.wall_us)
        self.shop = SharedShop(site.folder / "shop", self.clock, self.watch)
        self.providers = WatchedProviders(site, self.engine, self.clock, self.watch)
        self.services = Services(
            unit_of_work=WatchedUnitOfWork(self.store, self.watch),
            clock=self.clock,
            inbox=FakeInbox(),
            merchants=self.shop,
            providers=self.providers,
            public_url="https://home.example",
            undo_us=UNDO_US,
            keep_inbox_us=90 * DAY_US,
        )
        queue = WatchedQueue(self.engine, new_id(), self.clock.wall_us)
        queue.watch = self.watch
        self.worker = Worker(self.services, queue)

    def close(self) -> None:
        """Let files and connections go."""
        self.providers.close()
        self.engine.dispose()

    def add(self, *entities: object) -> None:
        """Write rows."""
        with self.store.begin() as tx:
            for entity in entities:
                tx.add(entity)

    def save(self, *entities: object) -> None:
        """Write rows back."""
        with self.store.begin() as tx:
            tx.take({HOME})
            for entity in entities:
                tx.save(entity)

    def rows(self, entity: type[Entity], **equals: str) -> list[Entity]:
        """Return the committed rows."""
        with self.store.read() as tx:
            return tx.find(entity, None, **equals)

    def the(self, entity: type[Entity], **equals: str) -> Entity:
        """Return the one row there is."""
        (row,) = self.rows(entity, **equals)
        return row

    def enqueue(self, step: str, subject_id: str) -> None:
        """Leave a row for the worker."""
        with self.store.begin() as tx:
            tx.enqueue(step, HOME, subject_id, due_us=self.clock.now_us())

    def decide(self, decision: Decision) -> Cart:
        """Let Ana decide on the one cart."""
        with self.store.begin() as tx:
            return approve(
                tx,
                HOME,
                tx.find(Cart, HOME)[0].id,
                decision,
                member=tx.get(Member, HOME, "ana"),
                now_us=self.clock.now_us(),
                wall_us=self.clock.wall_us(),
                undo_us=UNDO_US,
            )

    def work_to_rest(self, until: Callable[[], bool] = lambda: False) -> None:
        """Work until nothing is due; real time passes as far as it must, beside other processes that do the same."""
        pause = threading.Event()
        for _ in range(MOST_ROUNDS):
            did = self.worker.run_once()
            if until():
                return
            if did.done:
                continue
            now_us, wall_us = self.clock.now_us(), self.clock.wall_us()
            waits = [row for row in self._due(now_us) if row[1] <= wall_us]
            if waits:
                self.clock.move(wall_to_us=min(not_before for not_before, _ in waits))
            elif self._due(now_us):  # somebody else has it in hand
                pause.wait(LOOK_AGAIN_S)
            else:
                return
        raise AssertionError(f"not at rest after {MOST_ROUNDS} rounds")

    def differences(self) -> list[str]:
        """Return where ledger, operations and the providers' books disagree."""
        found = reconcile(self.store, self.providers, now_us=self.clock.now_us(), household_id=HOME)
        return [str(one) for one in found]

    def left_to_do(self) -> list[tuple[str, str]]:
        """Return (step, subject) of what is due and not done."""
        query = select(_work.c.step, _work.c.subject_id).where(_work.c.due_us <= self.clock.now_us())
        with self.engine.connect() as connection:
            return [(row.step, row.subject_id) for row in connection.execute(query)]

    def _due(self, now_us: int) -> list[tuple[int, int]]:
        """Return (not before, leased until) of what is due by policy time."""
        query = select(_work.c.not_before_wall_us, _work.c.lease_until_wall_us).where(_work.c.due_us <= now_us)
        with self.engine.connect() as connection:
            return [(row.not_before_wall_us, row.lease_until_wall_us) for row in connection.execute(query)]
