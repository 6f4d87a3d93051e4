"""What a benchmark stands on: a folder, an installation in it, the disk's own speed, and a sandbox bank."""

import os
import statistics
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TypeAlias

from devices.clock import ClockSetting, RealClock, write_clock
from gateway.assembly import Gateway, assemble
from gateway.config import Settings
from gateway.store import key_file, migrate
from gateway.store.engine import open_engine

START_US = 1_795_503_600_000_000  # a Tuesday in November 2026: no figure depends on today
PAGE_BYTES = 4096

Figures: TypeAlias = dict[str, str | int | float]


@dataclass(frozen=True, slots=True)
class Ground:
    """`directory` is empty and removed afterwards; `bank(state, token)` runs the sandbox bank and gives its port."""

    directory: Path
    bank: Callable[[Path, str], AbstractContextManager[int]]

    def install(self, **settings: object) -> Gateway:
        """Return a new, empty gateway whose simulated time stands still until `move_clock`."""
        write_clock(self._clock, ClockSetting(RealClock().wall_us(), START_US, 0))
        # Made without the environment: what is measured must never be somebody's real installation.
        chosen = Settings.model_construct(data_dir=self.directory, clock_file=self._clock, **settings)  # type: ignore[arg-type]
        key_file.create(chosen.keys_path)
        engine = open_engine(chosen.main_database_url)
        migrate.upgrade(engine)
        engine.dispose()
        return assemble(chosen)

    def beside(self, name: str) -> "Ground":
        """Return an empty ground in a folder of its own, for another installation."""
        folder = self.directory / name
        folder.mkdir()
        return Ground(folder, self.bank)

    def move_clock(self, to_us: int) -> None:
        """Let it be this simulated instant."""
        write_clock(self._clock, ClockSetting(RealClock().wall_us(), to_us, 0))

    @property
    def _clock(self) -> Path:
        return self.directory / "clock.json"


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
