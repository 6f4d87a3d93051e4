"""A database full, locked or out of reach for a while: nothing is lost or half done, and the work goes on after."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest
from sqlalchemy import NullPool, create_engine, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection

from gateway.domain.cart import Cart, CartState
from gateway.domain.stock import Quarantined, Reading, Supply
from gateway.steps.ports import StoreUnavailable
from tests.builders import HOME
from tests.homes import home, known_level, left, telling
from tests.integration.intake.wire import eventually
from tests.rig import Rig

OpenRig = Callable[..., Rig]
MESSAGES = 400


@contextmanager
def full_disk(rig: Rig, *, pages_left: int = 4) -> Iterator[None]:
    """Let the database grow by a few pages only while the block runs; where it is a server's, let nobody in."""
    if rig.engine.dialect.name == "postgresql":
        with nobody_let_in(rig):
            yield
        return
    with rig.engine.connect() as connection:
        most = int(connection.execute(text("PRAGMA page_count")).scalar_one()) + pages_left
    with prepared(rig, f"PRAGMA max_page_count={most:d}"):
        yield


@contextmanager
def nobody_let_in(rig: Rig) -> Iterator[None]:
    """Cut all connections to the database, and refuse new ones while the block runs."""
    name = rig.engine.url.database
    server = create_engine(rig.engine.url.set(database="postgres"), isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with server.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
        connection.execute(
            text("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = :name"), {"name": name}
        )
    try:
        yield
    finally:
        with server.connect() as connection:
            connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))


@contextmanager
def locked(rig: Rig) -> Iterator[None]:
    """Hold the writer's place as another program does while the block runs."""
    is_sqlite = rig.engine.dialect.name == "sqlite"
    hold = "BEGIN IMMEDIATE" if is_sqlite else "LOCK TABLE work IN EXCLUSIVE MODE"
    with prepared(rig, "PRAGMA busy_timeout=10" if is_sqlite else "SET lock_timeout=10"):
        other = create_engine(rig.engine.url, poolclass=NullPool)
        with other.connect() as connection:
            connection.execute(text(hold))
            yield
            connection.rollback()


@contextmanager
def prepared(rig: Rig, statement: str) -> Iterator[None]:
    """Run a statement on each new connection, and have new ones only while the block runs."""

    def prepare(connection: DBAPIConnection, _record: object) -> None:
        connection.cursor().execute(statement)
        connection.commit()

    event.listen(rig.engine, "connect", prepare)
    rig.engine.dispose()
    try:
        yield
    finally:
        event.remove(rig.engine, "connect", prepare)
        rig.engine.dispose()


def test_on_a_full_disk_no_message_is_passed_over(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    for seq in range(1, MESSAGES + 1):
        rig.inbox.append(telling(1, seq, left("milk", 0.9 - seq / 1000)), rig.clock.now)
        rig.clock.advance(60_000_000)
    with full_disk(rig):
        for _ in range(3):
            with suppress(StoreUnavailable):  # that an item is to be tried again may not fit either
                assert rig.worker.run_once().done == 0
            rig.clock.wall += 61_000_000
    assert rig.rows(Reading) == []
    with rig.store.read() as tx:
        assert tx.cursor("inbox") == 0
    rig.work_off()
    assert [one.seq for one in rig.rows(Reading)] == list(range(1, MESSAGES + 1))
    assert rig.rows(Quarantined, None) == []


def test_a_yes_on_a_full_disk_is_no_yes_and_can_be_said_again(open_rig: OpenRig) -> None:
    rig = open_rig(*home(), known_level("milk", 0.15))
    rig.shop.sell("milk-usual", 120)
    rig.enqueue("forecast", "milk")
    rig.pass_days(0.1)
    supply = rig.the(Supply)
    cart = rig.the(Cart)

    def say_yes_to_much() -> None:  # a yes alone might fit into the pages that are there
        with rig.store.begin() as tx:
            tx.save(replace(tx.get(Cart, HOME, cart.id), state=CartState.APPROVED))
            for number in range(1000):
                tx.add(replace(supply, id=f"more-{number}"))

    with full_disk(rig, pages_left=0), pytest.raises(StoreUnavailable):
        say_yes_to_much()
    assert rig.the(Cart).state is CartState.AWAITING_APPROVAL
    rig.say_yes()
    rig.work_off()
    assert rig.the(Cart).state is CartState.ORDERED


def test_the_worker_lives_through_a_lock_and_goes_on(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    rig.inbox.append(telling(1, 1, left("milk", 0.5)), rig.clock.now)
    with locked(rig):
        with pytest.raises(StoreUnavailable, match="lock"):
            rig.worker.run_once()
        thread = threading.Thread(target=rig.worker.run)
        thread.start()
        assert not threading.Event().wait(0.3)
        assert thread.is_alive()
        assert rig.rows(Reading) == []
    eventually(lambda: rig.rows(Reading), timeout_seconds=20)
    rig.worker.stop()
    thread.join(timeout=20)
    assert not thread.is_alive()
