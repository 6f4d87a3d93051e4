"""The moments at which a town's gateway is killed: chosen from the seed, on any day and in any part of its hours.

    kills = Kills(seed=7, times=10, steps=240)
    with kills.in_the(Part.WORK, step=17, gateway=town):
        ...                              # the gateway is perhaps killed meanwhile, and started again

While things tell, the gateway takes messages in, and is hit anywhere in that; else it is hit when it has work in hand.
How late is a share of the time such a part has taken so far, so that a slow machine's gateway is hit in the middle of
it as a fast one's is.
"""

import random
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic
from typing import Protocol

FIRST_STEP = 2
LAST_SHARE = 0.75
"""Of the steps: a part that comes seldom must come again after the last chosen one."""


BUSY_WITHIN_S = 2.0
LOOK_AGAIN_S = 0.001
WORKING_SHARE = 0.1


class Part(StrEnum):
    """What goes on in the town while it stands at one hour."""

    WORK = "the hour's own work"
    TELLING = "what the things tell"
    ANSWERS = "what people answer"


@dataclass(frozen=True, slots=True)
class Moment:
    """One kill: in the first such part from a step on, and how late as a share of what such a part usually takes."""

    step: int
    part: Part
    share: float


class Gateway(Protocol):
    """What is killed."""

    def kill_gateway(self) -> None:
        """End it by SIGKILL and start it again."""
        ...

    def is_at_work(self) -> bool:
        """Say whether it has taken work in hand."""
        ...


class Kills:
    """The kills that are still to come, and how many there were."""

    def __init__(self, *, seed: int, times: int, steps: int, parts: Sequence[Part] = tuple(Part)) -> None:
        chance = random.Random(f"kills {seed}")  # noqa: S311 — moments of a test, no secret
        numbers = sorted(chance.sample(range(FIRST_STEP, int(LAST_SHARE * steps)), times))
        self.to_come = [Moment(step, parts[place % len(parts)], chance.random()) for place, step in enumerate(numbers)]
        self.done = 0
        self._lasted_s: Counter[Part] = Counter()
        self._times: Counter[Part] = Counter()

    @contextmanager
    def in_the(self, part: Part, *, step: int, gateway: Gateway) -> Iterator[None]:
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
            struck = killer.submit(self._strike, moment, usual_s, gateway)
            yield
            struck.result()

    def _strike(self, moment: Moment, usual_s: float, gateway: Gateway) -> None:
        pause = threading.Event()
        give_up_s = monotonic() + BUSY_WITHIN_S
        while moment.part is not Part.TELLING and not gateway.is_at_work() and monotonic() < give_up_s:
            pause.wait(LOOK_AGAIN_S)
        # Telling goes on through its whole part; work in hand is done in a small share of it.
        pause.wait(moment.share * usual_s * (1.0 if moment.part is Part.TELLING else WORKING_SHARE))
        gateway.kill_gateway()
        self.done += 1
