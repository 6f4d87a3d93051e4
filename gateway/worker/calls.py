"""The places in which steps call out side by side, and who may take one.

Neither a counterpart (a shop, a provider) nor a household holds more places than stay free: one that hangs takes half
of them, a second half of the rest, and somebody else always finds one.
"""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.domain.records import WorkItem

ONE_PLACE = frozenset({"challenge"})
"""What reckons rather than waits: beside itself it would only slow everything else down."""


@dataclass(frozen=True, slots=True)
class Underway:
    """One item in its place, since when (real time, UTC microseconds)."""

    item: WorkItem
    since_wall_us: int


class Calls:
    """Runs at most `places` items at once, each in a thread of its own."""

    def __init__(self, places: int) -> None:
        self.places = places
        self._underway: dict[str, Underway] = {}
        self._ended = Counter[bool]()
        self._changed = threading.Condition()

    def choose(self, waiting: Sequence[WorkItem]) -> list[WorkItem]:
        """Return those of the waiting that may have a place now, in their order."""
        chosen: list[WorkItem] = []
        with self._changed:
            taken = [one.item for one in self._underway.values()]
            counterparts = Counter(item.counterpart for item in taken)
            households = Counter(item.household_id for item in taken)
            free = self.places - len(taken)
            for item in waiting:
                share = min(free, 1) if item.counterpart in ONE_PLACE else free
                # An item whose lease ran out while it is still under way keeps the place it has.
                if item.id in self._underway or not (
                    counterparts[item.counterpart] < share and households[item.household_id] < free
                ):
                    continue
                chosen.append(item)
                counterparts[item.counterpart] += 1
                households[item.household_id] += 1
                free -= 1
        return chosen

    @property
    def free(self) -> int:
        """How many places nobody holds."""
        with self._changed:
            return self.places - len(self._underway)

    def start(self, item: WorkItem, run: Callable[[], bool], wall_us: int) -> None:
        """Run one item in a place; `run` says whether it was done."""
        with self._changed:
            self._underway[item.id] = Underway(item, wall_us)
        # A daemon: a call that hangs must not keep the process from ending; its lease runs out.
        thread = threading.Thread(target=self._run, args=(item, run), name=f"call-{item.step}", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the machine has no more threads: the place is free again, and the lease runs out
            with self._changed:
                del self._underway[item.id]
            raise

    def underway(self) -> list[Underway]:
        """Return what is in a place now."""
        with self._changed:
            return list(self._underway.values())

    def ended(self) -> tuple[int, int]:
        """Return how many were done and how many failed since this was last asked."""
        with self._changed:
            done, failed = self._ended[True], self._ended[False]
            self._ended.clear()
            return done, failed

    def wait(self, within_s: float) -> bool:
        """Wait until nothing is under way; False when something still is at the end of that time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._underway, within_s)

    def wait_for_one(self, within_s: float) -> None:
        """Wait until one has ended that `ended` has not told of."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended.total() > 0, within_s)

    def _run(self, item: WorkItem, run: Callable[[], bool]) -> None:
        done = False
        try:
            done = run()
        finally:
            with self._changed:
                del self._underway[item.id]
                self._ended[done] += 1
                self._changed.notify_all()
