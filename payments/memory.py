"""The world of an adapter, in memory: for tests, and for trying an adapter in a shell."""

import threading
from collections.abc import Mapping

from payments.context import HttpClient, HttpResponse, KeyValueState
from payments.errors import ConfigError, NotSent


class MemoryState:
    """Key-value state in memory, as the store promises it: one change at a time, text in and out, at most 64 KiB."""

    def __init__(self) -> None:
        self.rows: dict[str, str] = {}
        self._lock = threading.Lock()

    def get(self, key: str) -> str | None:
        """The value, None where there is none."""
        with self._lock:
            return self.rows.get(key)

    def compare_and_set(self, key: str, expected: str | None, new: str) -> bool:
        """Write if the value still is `expected`."""
        assert len(new.encode()) <= 65_536, f"{key} has outgrown what a value may be"
        with self._lock:
            if self.rows.get(key) != expected:
                return False
            self.rows[key] = new
            return True


class NoNetwork:
    """The HttpClient of an adapter that needs none, and of one whose provider cannot be reached."""

    def request(
        self, method: str, url: str, *, headers: Mapping[str, str], content: bytes = b"", timeout_s: float
    ) -> HttpResponse:
        """Send nothing."""
        del headers, content, timeout_s
        raise NotSent(f"{method} {url}: there is no network")


class MemoryContext:
    """What an adapter is given; `now` is its clock, in UTC microseconds."""

    def __init__(
        self,
        settings: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        http: HttpClient | None = None,
        now: int = 0,
    ) -> None:
        self.http = http or NoNetwork()
        self.settings = settings or {}
        self.state: KeyValueState = MemoryState()
        self.now = now
        self._secrets = secrets or {}

    def now_us(self) -> int:
        """The present."""
        return self.now

    def secret(self, name: str) -> str:
        """A secret by name."""
        if name not in self._secrets:
            raise ConfigError(f"there is no secret called {name}")
        return self._secrets[name]
