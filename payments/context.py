"""What an adapter is given: all of the world that it sees. The store implements it; memory.py does for tests."""

from collections.abc import Mapping
from typing import Protocol


class HttpResponse(Protocol):
    """An answer, whatever its status; header names are lower case."""

    @property
    def status(self) -> int: ...  # noqa: D102 — the class says it
    @property
    def headers(self) -> Mapping[str, str]: ...  # noqa: D102 — the class says it
    @property
    def body(self) -> bytes: ...  # noqa: D102 — the class says it


class HttpClient(Protocol):
    """One request, one answer."""

    def request(
        self, method: str, url: str, *, headers: Mapping[str, str], content: bytes = b"", timeout_s: float
    ) -> HttpResponse:
        """Raise NotSent when nothing left, OutcomeUnknown when it may have; never follow a redirect."""
        ...


class KeyValueState(Protocol):
    """An adapter's own durable memory, apart from every other adapter's. Keys and values are text of at most 64 KiB."""

    def get(self, key: str) -> str | None:
        """The value, None where there is none."""
        ...

    def compare_and_set(self, key: str, expected: str | None, new: str) -> bool:
        """Write `new` durably if the value still is `expected` (None: absent), in one transaction; was it?"""
        ...


class AdapterContext(Protocol):
    """All of the world that an adapter sees."""

    @property
    def http(self) -> HttpClient: ...  # noqa: D102 — HttpClient says it
    @property
    def settings(self) -> Mapping[str, str]: ...  # noqa: D102 — the adapter's own settings, by name
    @property
    def state(self) -> KeyValueState: ...  # noqa: D102 — KeyValueState says it

    def now_us(self) -> int:
        """The present in the household's (perhaps simulated) time, UTC microseconds."""
        ...

    def secret(self, name: str) -> str:
        """A secret by name; raises ConfigError where there is none."""
        ...
