"""What a benchmark stands on: a folder, an installation in it, the disk's own speed, and a sandbox bank."""

import os
import statistics
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_hex
from time import perf_counter
from typing import TypeAlias

from sqlalchemy import Engine, make_url

from devices.clock import ClockSetting, RealClock, write_clock
from gateway.assembly import Gateway, assemble
from gateway.config import Settings
from gateway.steps.ports import StoreUnavailable
from gateway.store import key_file, migrate
from gateway.store.engine import UnknownDatabase, open_engine

START_US = 1_795_503_600_000_000  # a Tuesday in November 2026: no figure depends on today
PAGE_BYTES = 4096

Figure: TypeAlias = str | int | float
Figures: TypeAlias = dict[str, "Figure | Figures"]


class CannotMeasure(Exception):
    """Something is missing that the benchmark was told to use; the message says what."""


@dataclass(frozen=True, slots=True)
class Ground:
    """`directory` is empty and removed afterwards; `bank(state, token)` runs the sandbox bank and gives its port.

    `server_url` is a PostgreSQL server on which a database may be made and dropped again; empty: there is none.
    `database_url` is the main database of what is installed here; empty: SQLite in the directory.
    """

    directory: Path
    bank: Callable[[Path, str], AbstractContextManager[int]]
    server_url: str = ""
    database_url: str = ""

    def install(self, **settings: object) -> Gateway:
        """Return a new, empty gateway whose simulated time stands still until `move_clock`."""
        self.move_clock(START_US)
        chosen = self.settings(**settings)
        key_file.create(chosen.keys_path)
        engine = open_engine(chosen.main_database_url)
        migrate.upgrade(engine)
        engine.dispose()
        return assemble(chosen)

    def beside(self, name: str) -> "Ground":
        """Return an empty ground in a folder of its own, for another installation; its database is SQLite."""
        folder = self.directory / name
        folder.mkdir()
        return replace(self, directory=folder, database_url="")

    def settings(self, **settings: object) -> Settings:
        """Return the settings of what is installed here, and these."""
        here = {"data_dir": self.directory, "clock_file": self._clock, "database_url": self.database_url}
        # Made without the environment: what is measured must never be somebody's real installation.
        return Settings.model_construct(**(here | settings))  # type: ignore[arg-type]

    def move_clock(self, to_us: int) -> None:
        """Let it be this simulated instant."""
        write_clock(self._clock, ClockSetting(RealClock().wall_us(), to_us, 0))

    def require_server(self) -> None:
        """Raise CannotMeasure at once, and not after minutes of measuring, where the named server is none."""
        if self.server_url:
            with _new_database(self.server_url):
                pass

    @contextmanager
    def on_each_database(self) -> Iterator[Mapping[str, "Ground"]]:
        """Give a place on SQLite and, where there is a server, one on PostgreSQL, by the database's name."""
        grounds = {"sqlite": self.beside("sqlite")}
        if not self.server_url:
            yield grounds
            return
        with _new_database(self.server_url) as url:
            yield grounds | {"postgresql": replace(self.beside("postgresql"), database_url=url)}

    @property
    def _clock(self) -> Path:
        return self.directory / "clock.json"


@contextmanager
def _new_database(server_url: str) -> Iterator[str]:
    """Make a database of our own on the server, and drop it: nothing that is there already is touched."""
    try:
        server = open_engine(server_url)
    except UnknownDatabase as error:
        raise CannotMeasure("--database-url names no database; it begins with postgresql://") from error
    name = f"replenish_bench_{token_hex(4)}"
    try:
        if server.dialect.name != "postgresql":
            raise CannotMeasure("--database-url is for a PostgreSQL server; SQLite is measured without it")
        _execute(server, f"CREATE DATABASE {name}")
        try:
            yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
        finally:
            _execute(server, f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        server.dispose()


def _execute(server: Engine, statement: str) -> None:
    try:
        with server.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(statement)
    except StoreUnavailable as error:
        raise CannotMeasure(f"the PostgreSQL server is not to be had: {error}") from error


def fsyncs_per_second(directory: Path, seconds: float) -> float:
    """Write a page and wait for the disk, again and again: what one commit at a time can never exceed."""
    path = directory / "fsync"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    page, count, start = bytes(PAGE_BYTES), 0, perf_counter()
    try:
        while perf_counter() - start < seconds:
            os.pwrite(handle, page, 0)
            os.fsync(handle)
            count += 1
        return count / (perf_counter() - start)
    finally:
        os.close(handle)
        path.unlink()


def median_ms(seconds: list[float]) -> float:
    """Return the median in milliseconds."""
    return statistics.median(seconds) * 1000
