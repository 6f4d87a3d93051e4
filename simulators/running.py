"""How a simulator of devices runs: after a clock, until a signal or the end of its input."""

import asyncio
import logging
import os
import signal
import stat
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from simulators.doorstep import DoorstepUnreachable
from simulators.household import Household

logger = logging.getLogger(__name__)

LOOK_AT_CLOCK_S = 0.2
# A long gap is lived through in pieces, so that a stop is heard in between.
MOST_AT_ONCE_US = 6 * 3_600_000_000


class Clock(Protocol):
    """What tells simulated time."""

    def now_us(self) -> int:
        """The simulated present, in UTC microseconds."""
        ...


async def run_freely(
    households: Sequence[Household], clock: Clock, after_look: Callable[[], None] = lambda: None
) -> None:
    """Follow the clock, for ever. A shop that does not answer is asked again at the next look at the clock."""
    while True:
        now_us = clock.now_us()
        for household in households:
            try:
                await household.step(min(now_us, household.lived_us + MOST_AT_ONCE_US))
            except DoorstepUnreachable as error:
                logger.warning("%s", error)
        after_look()
        behind = any(now_us - household.lived_us > MOST_AT_ONCE_US for household in households)
        await asyncio.sleep(0 if behind else LOOK_AT_CLOCK_S)


async def stop_signal() -> None:
    """Return when SIGTERM or SIGINT comes."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()


async def first_of(*work: Coroutine[Any, Any, None]) -> None:
    """Run all until the first ends, then cancel the others; what it raised is raised."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def standard_input() -> asyncio.StreamReader:
    """Standard input as a stream; a file is read at once, since only pipes and terminals can be waited for."""
    reader = asyncio.StreamReader()
    mode = os.fstat(sys.stdin.fileno()).st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or sys.stdin.isatty():
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    else:
        if stat.S_ISREG(mode):
            reader.feed_data(sys.stdin.buffer.read())
        reader.feed_eof()
    return reader


async def end_of(reader: asyncio.StreamReader) -> None:
    """Return when the stream ends."""
    while await reader.read(4096):
        pass
