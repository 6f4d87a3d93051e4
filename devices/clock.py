"""The present: the real one, or the one a demonstration's clock file tells.

Policy time (deadlines, deliveries, consumption) follows the clock file; leases and HTTP timeouts follow real time.
Every process of a demonstration reads the same file, so they agree on the simulated instant.
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from devices.errors import BadClock

RealNow = Callable[[], int]


@dataclass(frozen=True, slots=True)
class ClockSetting:
    """At real `real_anchor_us` it is simulated `sim_anchor_us`, and `speed` simulated seconds pass in a real one.

    Speed 0 stands still at `sim_anchor_us`.
    """

    real_anchor_us: int
    sim_anchor_us: int
    speed: float

    def at(self, real_us: int) -> int:
        """The simulated instant at a real one, both in UTC microseconds.

        >>> ClockSetting(real_anchor_us=100, sim_anchor_us=5_000, speed=10).at(103)
        5030
        """
        return self.sim_anchor_us + round((real_us - self.real_anchor_us) * self.speed)


def _system_us() -> int:
    return time.time_ns() // 1000  # noqa: TID251 — this file is the clock that everything else takes


class RealClock:
    """Real time for both, in UTC microseconds; `real_us` is for tests."""

    def __init__(self, real_us: RealNow = _system_us) -> None:
        self._real_us = real_us

    def now_us(self) -> int:
        """Policy time."""
        return self._real_us()

    def wall_us(self) -> int:
        """Real time."""
        return self._real_us()


class ClockFile:
    """The clock file, read again whenever it has been replaced. Raises `BadClock` when it cannot be read."""

    def __init__(self, path: Path, real_us: RealNow = _system_us) -> None:
        self._path = path
        self._real_us = real_us
        self._version: tuple[int, int, int] | None = None
        self._setting: ClockSetting | None = None

    def setting(self) -> ClockSetting:
        """What the file says now."""
        try:
            status = self._path.stat()
            version = (status.st_ino, status.st_mtime_ns, status.st_size)
            if self._setting is None or version != self._version:
                self._setting = _decode(self._path.read_bytes())
                self._version = version
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadClock(f"{self._path}: {error}") from error
        return self._setting

    def now_us(self) -> int:
        """Policy time: the simulated present, in UTC microseconds."""
        return self.setting().at(self._real_us())

    def wall_us(self) -> int:
        """Real time, in UTC microseconds."""
        return self._real_us()


def _decode(payload: bytes) -> ClockSetting:
    fields = json.loads(payload)
    setting = ClockSetting(int(fields["real_anchor_us"]), int(fields["sim_anchor_us"]), float(fields["speed"]))
    # The upper bound keeps the product inside 64 bits for centuries.
    if not 0 <= setting.speed <= 1e7:
        raise ValueError(f"speed {setting.speed} is not between 0 and ten million")
    return setting


def write_clock(path: Path, setting: ClockSetting) -> None:
    """Replace the clock file in one move, readable by its owner only: a reader sees the old or the new one whole."""
    unfinished = path.with_name(path.name + ".new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(setting), file)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
