"""One process that debits, for the payments' benchmark: `python -m gateway.bench.debtor`.

It either works like `replenish work`, or makes the same calls and commits by a script without any logic. Orders come on
standard input, one JSON object a line: first which installation and bank, answered by `{"ready": true}`; then

- `{"work": calls_at_once, "count": …}` begins rounds of the worker; the next line ends them and is answered by
  `{"commits": N}`, how many transactions wrote something (where they were to be counted).
- `{"script": Script}` is answered by `{"ready": true}`; the next line begins it, and `{"done": true}` says it is over.
"""

import json
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TextIO

import psycopg
from sqlalchemy import Connection, event, make_url

from gateway.assembly import Gateway, assemble, configure_logging, new_id
from gateway.bench.customers import PRICE_MINOR
from gateway.bench.debits import Place, Script, settings_of
from gateway.domain.records import WorkItem
from gateway.store.engine import BUSY_TIMEOUT_MS
from gateway.store.work_queue import WorkQueue
from gateway.worker import Worker
from payments.adapter import Authorize, Authorized, Capture, Captured, PaymentAdapter
from payments.money import Money

DEBITS = frozenset({"authorize", "capture"})
NOTE = "x" * 200
STOP_WITHIN_S = 60.0


class _DebitsOnly(WorkQueue):
    """Rows of work of which only debits are claimed: what follows them (place, observe) is not measured."""

    def claim_calls(
        self,
        now_us: int,
        *,
        steps: frozenset[str],
        each: int,
        choose: Callable[[Sequence[WorkItem]], list[WorkItem]],
    ) -> list[WorkItem]:
        return super().claim_calls(now_us, steps=steps & DEBITS, each=each, choose=choose)

    def claim(
        self, now_us: int, *, limit: int, per_household: int, besides: frozenset[str] = frozenset()
    ) -> list[WorkItem]:
        besides |= {"place", "observe"}
        return super().claim(now_us, limit=limit, per_household=per_household, besides=besides)


class Written:
    """Counts the transactions that wrote something, while it listens."""

    def __init__(self, gateway: Gateway) -> None:
        self._engine = gateway.engine
        self._lock = threading.Lock()
        self._changes: dict[int, int] = {}
        self.commits = 0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Ask before each commit; it costs time, so a round that is counted is not measured."""
        event.listen(self._engine, "commit", self._count)
        try:
            yield
        finally:
            event.remove(self._engine, "commit", self._count)

    def _count(self, connection: Connection) -> None:
        driver: Any = connection.connection.dbapi_connection
        if isinstance(driver, sqlite3.Connection):
            before = self._changes.get(id(driver), 0)
            wrote = driver.total_changes != before
            self._changes[id(driver)] = driver.total_changes
        else:
            found = connection.exec_driver_sql("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")
            wrote = bool(found.scalar())
        if wrote:
            with self._lock:
                self.commits += 1


def work(gateway: Gateway, place: Place, orders: Iterator[str], *, calls_at_once: int, count: bool) -> int:
    """Run rounds until the next line comes; return how many commits were counted."""
    queue = _DebitsOnly(gateway.engine, new_id(), gateway.clock.wall_us, place=place.data_dir)
    worker = Worker(gateway.services, queue, calls_at_once=calls_at_once)
    written = Written(gateway)
    rounds = threading.Thread(target=worker.run)
    if not count:
        rounds.start()
        next(orders)
        worker.stop()
        rounds.join(STOP_WITHIN_S)
        return 0
    with written.listening():
        rounds.start()
        next(orders)
        worker.stop()
        rounds.join(STOP_WITHIN_S)
    return written.commits


def run_script(gateway: Gateway, place: Place, script: Script) -> None:
    """Make the calls and the commits, nothing else."""
    bank = gateway.providers.open("sandbox")
    numbers, lock, faults = iter(range(script.cycles)), threading.Lock(), list[Exception]()

    def some() -> None:
        try:
            with _committing(place) as commit:
                while True:
                    with lock:
                        number = next(numbers, None)
                    if number is None:
                        return
                    _cycle(bank, script, number, commit)
        except Exception as error:  # noqa: BLE001 — a thread's outermost line; the main thread raises it
            faults.append(error)

    threads = [threading.Thread(target=some) for _ in range(script.at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]


def _cycle(bank: PaymentAdapter, script: Script, number: int, commit: Callable[[], None]) -> None:
    price = Money(PRICE_MINOR, "EUR")
    account, mandate_ref = script.accounts[number % len(script.accounts)]
    # Whole commits only: a share of 4.2 is four, and a fifth one in every fifth cycle.
    commits = script.commits * (number + 1) // script.cycles - script.commits * number // script.cycles
    key = new_id()
    held = bank.authorize(Authorize(key, key, price, account, mandate_ref))
    for _ in range(commits - commits // 2):
        commit()
    if not isinstance(held, Authorized):
        raise TypeError(f"the bank did not hold: {held}")
    key = new_id()
    captured = bank.capture(Capture(key, key, price, held.provider_ref))
    for _ in range(commits // 2):
        commit()
    if not isinstance(captured, Captured):
        raise TypeError(f"the bank did not capture: {captured}")


@contextmanager
def _committing(place: Place) -> Iterator[Callable[[], None]]:
    """Give what commits one row on a connection of its own, as durably as the gateway does."""
    if place.database_url:
        url = make_url(place.database_url).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(url, autocommit=True) as server:
            server.execute("CREATE TABLE IF NOT EXISTS script (id TEXT PRIMARY KEY, note TEXT)")

            def commit_there() -> None:
                server.execute("INSERT INTO script VALUES (%s, %s)", (new_id(), NOTE))

            yield commit_there
        return
    path = Path(place.data_dir) / "script.db"
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_MS / 1000, isolation_level=None)) as file:
        file.execute("PRAGMA journal_mode=WAL")
        file.execute("PRAGMA synchronous=FULL")
        file.execute("CREATE TABLE IF NOT EXISTS script (id TEXT PRIMARY KEY, note TEXT)")

        def commit_here() -> None:
            file.execute("INSERT INTO script VALUES (?, ?)", (new_id(), NOTE))

        yield commit_here


def obey(orders: TextIO) -> None:
    """Do what is asked until the input ends."""
    lines = iter(orders)
    place = Place(**json.loads(next(lines)))
    settings = settings_of(place)
    configure_logging(settings)
    gateway = assemble(settings)
    try:
        _answer({"ready": True})
        for line in lines:
            asked = json.loads(line)
            if "work" in asked:
                commits = work(gateway, place, lines, calls_at_once=asked["work"], count=asked["count"])
                _answer({"commits": commits})
            else:
                _answer({"ready": True})
                next(lines)
                run_script(gateway, place, Script(**asked["script"]))
                _answer({"done": True})
    finally:
        gateway.close()


def _answer(fields: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    obey(sys.stdin)
