"""How many debits a second workers make at the sandbox bank, beside a script of their calls and commits alone."""

import statistics
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from time import perf_counter, sleep

from sqlalchemy import text

from gateway.assembly import Gateway
from gateway.bench.claim import claim_ms
from gateway.bench.customers import Customer, approve_carts, close, open_accounts, ship
from gateway.bench.debits import Debtor, Place, Script, debtor, settings_of
from gateway.bench.ground import Figures, Ground
from gateway.bench.ledger import WHAT, measure_ledger

CYCLES = 192
CYCLES_TO_COUNT = 96
ROUNDS = 3
WORKERS = (1, 2, 4)
HOUSEHOLDS = 32
CALLS_AT_ONCE = 16
"""The setting's default."""
TOKEN = "bench"  # noqa: S105 — a bank of our own on the loopback, gone afterwards
LOOK_EVERY_S = 0.004
LONGEST_S = 120.0
NO_SERVER = (
    "PostgreSQL was not measured: give a server with --database-url postgresql://… (a database is made on it and "
    "dropped again); `make bench` starts one of its own where PostgreSQL is installed."
)


class TooSlow(Exception):
    """The debits of one round did not end in time."""


@dataclass(slots=True)
class _Compared:
    """Cycles a second of workers, of the script and of the bank alone, a figure a round."""

    commits_a_cycle: float
    workers: list[float] = field(default_factory=list)
    script: list[float] = field(default_factory=list)
    bank: list[float] = field(default_factory=list)

    def ratio(self) -> float:
        return statistics.median(mine / most for mine, most in zip(self.workers, self.script, strict=True))


def measure_payments(ground: Ground) -> Figures:
    """Authorize and capture by workers, then the same calls and commits by a script, in turns, on each database."""
    figures: Figures = {
        "what": f"{CYCLES} carts of {HOUSEHOLDS} households are held, shipped (not timed) and captured at the sandbox "
        f"bank, a process of its own, by 1, 2 and 4 workers, each a process with up to {CALLS_AT_ONCE} calls side by "
        f"side, of which one provider gets {_at_once()}. The script: as many processes with as many calls at once make "
        f"the same two calls a cycle by the same adapter and as many commits of one row as the workers were counted to "
        f"make, and nothing else. bank_per_s: the script without commits. in_turn: one worker, one call after the "
        f"other. The median of {ROUNDS} rounds, in turns. {WHAT}"
    }
    figures |= measure_ledger(ground.beside("ledger"))
    with ground.on_each_database() as grounds:
        for database, one in grounds.items():
            _join(figures, database, _on(one))
        figures["claim_ms"] = {database: claim_ms(one) for database, one in grounds.items()}
        if "postgresql" not in grounds:
            figures["postgresql"] = NO_SERVER
    return figures


def _at_once() -> int:
    """Return how many of a worker's places one provider's calls may take."""
    return -(-CALLS_AT_ONCE // 2)


def _join(figures: Figures, database: str, compared: dict[str, _Compared]) -> None:
    for name, one in compared.items():
        told = {
            "cycles_per_s": statistics.median(one.workers),
            "limit_per_s": statistics.median(one.script),
            "ratio_to_limit": one.ratio(),
            "bank_per_s": statistics.median(one.bank),
            "commits_per_cycle": one.commits_a_cycle,
        }
        for key, value in told.items():
            by_database = figures.setdefault(key if name != "in_turn" else f"in_turn_{key}", {})
            assert isinstance(by_database, dict)
            if name == "in_turn":
                by_database[database] = value
            else:
                by_workers = by_database.setdefault(database, {})
                assert isinstance(by_workers, dict)
                by_workers[name] = value


def _on(ground: Ground) -> dict[str, _Compared]:
    """Measure on one database: by the number of workers, and one worker `in_turn`."""
    with ExitStack() as stack:
        port = stack.enter_context(ground.bank(ground.directory / "bank", TOKEN))
        place = Place(
            data_dir=str(ground.directory),
            clock_file=str(ground.directory / "clock.json"),
            database_url=ground.database_url,
            bank_url=f"http://127.0.0.1:{port}",
            token=TOKEN,
        )
        chosen = settings_of(place)
        gateway = ground.install(
            payment_settings=chosen.payment_settings, payment_secrets=chosen.payment_secrets, log_level="warning"
        )
        stack.callback(gateway.close)
        customers = open_accounts(gateway, place.bank_url, TOKEN, HOUSEHOLDS)
        debtors = [stack.enter_context(debtor(place)) for _ in range(max(WORKERS))]
        bench = _Bench(gateway, customers, debtors)
        kinds = {"in_turn": (1, 1)} | {str(number): (number, CALLS_AT_ONCE) for number in WORKERS}
        compared = {name: _Compared(bench.commits_a_cycle(*kind)) for name, kind in kinds.items()}
        for _ in range(ROUNDS):
            for name, (number, calls) in kinds.items():
                bench.compare(compared[name], number, calls)
        return compared


@dataclass(frozen=True, slots=True)
class _Bench:
    """One installation, who pays in it, and the processes that debit."""

    gateway: Gateway
    customers: list[Customer]
    debtors: list[Debtor]

    def commits_a_cycle(self, workers: int, calls: int) -> float:
        """Count, untimed, how many transactions of the workers write something."""
        _, commits = self._by_workers(workers, calls, CYCLES_TO_COUNT, count=True)
        return commits / CYCLES_TO_COUNT

    def compare(self, compared: _Compared, workers: int, calls: int) -> None:
        """Run one round of each."""
        seconds, _ = self._by_workers(workers, calls, CYCLES, count=False)
        compared.workers.append(CYCLES / seconds)
        at_once = 1 if calls == 1 else _at_once()
        compared.script.append(CYCLES / self._by_script(workers, at_once, compared.commits_a_cycle))
        compared.bank.append(CYCLES / self._by_script(workers, at_once, 0))

    def _by_workers(self, workers: int, calls: int, cycles: int, *, count: bool) -> tuple[float, int]:
        """Return how long the workers took, and how many commits they made."""
        carts = approve_carts(self.gateway, self.customers, cycles)
        held_s, held_commits = self._work("authorize", workers, calls, count=count)
        ship(self.gateway, carts)
        captured_s, captured_commits = self._work("capture", workers, calls, count=count)
        close(self.gateway, carts)
        return held_s + captured_s, held_commits + captured_commits

    def _work(self, step: str, workers: int, calls: int, *, count: bool) -> tuple[float, int]:
        chosen = self.debtors[:workers]
        start = perf_counter()
        for one in chosen:
            one.tell({"work": calls, "count": count})
        while self._is_left(step):
            if perf_counter() - start > LONGEST_S:
                raise TooSlow(f"rows of {step} were left after {LONGEST_S:g} s")
            sleep(LOOK_EVERY_S)
        seconds = perf_counter() - start
        for one in chosen:
            one.tell({})
        return seconds, sum(one.heard()["commits"] for one in chosen)

    def _is_left(self, step: str) -> bool:
        with self.gateway.engine.connect() as connection:
            found = connection.execute(text("SELECT 1 FROM work WHERE step = :step LIMIT 1"), {"step": step})
            return found.first() is not None

    def _by_script(self, processes: int, at_once: int, commits_a_cycle: float) -> float:
        chosen = self.debtors[:processes]
        cycles = CYCLES // processes
        accounts = tuple((payer.account, payer.mandate.provider_ref) for payer in self.customers)
        script = Script(cycles, round(cycles * commits_a_cycle), at_once, accounts)
        for one in chosen:
            one.tell({"script": asdict(script)})
        for one in chosen:
            one.heard()
        start = perf_counter()
        for one in chosen:
            one.tell({})
        for one in chosen:
            one.heard()
        return perf_counter() - start
