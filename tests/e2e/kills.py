"""The moments at which a town's gateway is killed: chosen from the seed, on any day and in any part of its hours.

    kills = Kills(seed=7, times=10, steps=240)
    with kills.in_the(Part.WORK, step=17, kill=town.kill_gateway):
        ...                              # the gateway is perhaps killed meanwhile, and started again

How far into the part a kill strikes is a share of the time such a part has taken so far, so that a slow machine's
gateway is hit in the middle of its work as a fast one's is.
"""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic

FIRST_STEP = 2
LAST_SHARE = 0.75
"""Of the steps: a part that comes seldom must come again after the last chosen one."""


class Part(StrEnum):
    """What goes on in the town while it stands at one hour."""

    WORK = "the hour's own work"
    TELLING = "what the things tell"
    ANSWERS = "what people answer"


@dataclass(frozen=True, slots=True)
class Moment:
    """One kill: the first such part from a step on, and how far into it as a share of what it usually takes."""

    step: int
    part: Part
    share: float


class Kills:
    """The kills that are still to come, and how many there were."""

    def __init__(self, *, seed: int, times: int, steps: int) -> None:
        chance = random.Random(f"kills {seed}")  # noqa: S311 — moments of a test, no secret
        parts = list(Part)
        numbers = sorted(chance.sample(range(FIRST_STEP, int(LAST_SHARE * steps)), times))
        self.to_come = [Moment(step, parts[place % len(parts)], chance.random()) for place, step in enumerate(numbers)]
        self.done = 0
        self._lasted_s: Counter[Part] = Counter()
        self._times: Counter[Part] = Counter()

    @contextmanager
    def in_the(self, part: Part, *, step: int, kill: Callable[[], None]) -> Iterator[None]:
        """Live through a part; a kill that is due strikes it meanwhile, and is over when this ends."""
        moment = next((one for one in self.to_come if one.part is part and one.step <= step), None)
        if moment is None:
            begun_s = monotonic()
            yield
            self._lasted_s[part] += monotonic() - begun_s
            self._times[part] += 1
            return
        self.to_come.remove(moment)
        usual_s = self._lasted_s[part] / max(1, self._times[part])
        with ThreadPoolExecutor(max_workers=1) as killer:
            struck = killer.submit(self._strike, moment.share * usual_s, kill)
            yield
            struck.result()

    def _strike(self, after_s: float, kill: Callable[[], None]) -> None:
        threading.Event().wait(after_s)
        kill()
        self.done += 1
