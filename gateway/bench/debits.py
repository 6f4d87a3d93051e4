"""The processes that debit, for the payments' benchmark: what they are told, and their answers (debtor.py)."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from gateway.config import Settings

ANSWER_S = 60


@dataclass(frozen=True, slots=True)
class Place:
    """Which installation and which bank; `database_url` is empty where it is SQLite in the data directory."""

    data_dir: str
    clock_file: str
    database_url: str
    bank_url: str
    token: str


@dataclass(frozen=True, slots=True)
class Script:
    """So many cycles by `at_once` threads; each makes two calls, `commits` commits go with all cycles together.

    `accounts` are the accounts and mandates at the bank, taken in turn.
    """

    cycles: int
    commits: int
    at_once: int
    accounts: tuple[tuple[str, str], ...]


def settings_of(place: Place) -> Settings:
    """Return the settings of the installation; the environment is not asked."""
    return Settings.model_construct(
        data_dir=Path(place.data_dir),
        clock_file=Path(place.clock_file),
        database_url=place.database_url,
        payment_settings={"sandbox": {"url": place.bank_url}},
        payment_secrets={"sandbox": {"token": SecretStr(place.token)}},
        log_level="warning",
    )


class Debtor:
    """One such process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def tell(self, order: dict[str, object]) -> None:
        """Write one line to its input."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def heard(self) -> dict[str, Any]:
        """Read one line of its output."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            status = self._process.wait(ANSWER_S)
            raise RuntimeError(f"a process that debits ended with status {status}; its own words stand above")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> None:
        """Let it end by itself."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(ANSWER_S)


@contextmanager
def debtor(place: Place) -> Iterator[Debtor]:
    """Start one, and end it."""
    command = [sys.executable, "-m", "gateway.bench.debtor"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 — our own module
        try:
            started = Debtor(process)
            started.tell(asdict(place))
            started.heard()
            yield started
            started.end()
        finally:
            process.kill()  # nothing where it has ended
