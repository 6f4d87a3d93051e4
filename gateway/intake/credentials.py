"""Who may connect: asked of the main database, briefly remembered, so that a revocation counts within a second."""

import itertools
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Protocol

ASKED_AT_ONCE = 500
REMEMBERED_SECONDS = 1.0


class Credentials(Protocol):
    """The port to the devices on record. Called from threads, never from an event loop."""

    def __call__(self, device_ids: Collection[str]) -> Mapping[str, str]:
        """The stored secret hashes (`$7$` form) of those of these devices that may connect now.

        An unknown or revoked device is absent. Never asked for more than 500 at once.
        """


def stored_hashes(credentials: Credentials, device_ids: Collection[str]) -> dict[str, str]:
    """Ask for any number of devices, in portions."""
    found: dict[str, str] = {}
    remaining: Iterator[str] = iter(device_ids)
    while portion := list(itertools.islice(remaining, ASKED_AT_ONCE)):
        found.update(credentials(portion))
    return found


class Roster:
    """Whether a device is still welcome, for a connection that carries the messages of many devices.

    A broker goes on carrying a revoked device's messages while its connection lives; here they lose their sender. One
    question a second for all devices that were heard in the second before, one more for each that is new. Not safe to
    share between threads.
    """

    def __init__(self, credentials: Credentials, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._credentials = credentials
        self._monotonic_s = monotonic_s
        self._answers: dict[str, bool] = {}
        self._heard: set[str] = set()
        self._asked_at_s = monotonic_s()

    def welcomes(self, device_id: str) -> bool:
        """Whether the device may connect, as of at most a second ago."""
        now_s = self._monotonic_s()
        if now_s - self._asked_at_s >= REMEMBERED_SECONDS:
            # Who fell silent is not asked about again, so that the memory follows the traffic.
            known = stored_hashes(self._credentials, self._heard)
            self._answers = {heard: heard in known for heard in self._heard}
            self._heard = set()
            self._asked_at_s = now_s
        self._heard.add(device_id)
        if device_id not in self._answers:
            self._answers[device_id] = device_id in self._credentials([device_id])
        return self._answers[device_id]
