r"""Pretend households with all their devices, over real MQTT.

    python -m simulators appliances --household FILE [--household FILE …] --state DIR [--run] [--exit-with-parent]

Without --run it takes commands on standard input, one JSON object a line: `{"step": SIM_US}` lives on to that instant
and answers `{"stepped": SIM_US, "published": N}` once the gateway has acknowledged every message, or
`{"error": "…", "step": SIM_US}`; `{"run": true}` runs freely after the clock file. The end of the input, SIGTERM or
SIGINT stop it. With --run it runs freely from the start and heeds its input only with --exit-with-parent.
"""

import argparse
import asyncio
import contextlib
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from devices import ClockFile, DeviceError, OutboxNotDrained
from simulators.doorstep import DoorstepUnreachable
from simulators.household import Household
from simulators.household_file import BadHousehold, HouseholdFile, read_household
from simulators.running import Clock, end_of, first_of, run_freely, standard_input, stop_signal


class _Command(msgspec.Struct, forbid_unknown_fields=True):
    """Either of the two."""

    step: int | None = None
    run: bool = False


def main(argv: Sequence[str]) -> int:
    """Run the households until told to stop; returns the exit status."""
    options = _options(argv)
    logging.basicConfig(stream=sys.stderr, format="appliances: %(message)s", level=logging.WARNING)
    try:
        asyncio.run(_main(options, [read_household(path) for path in options.household]))
    except DeviceError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


async def _main(options: argparse.Namespace, files: list[HouseholdFile]) -> None:
    async with contextlib.AsyncExitStack() as stack:
        households = [await stack.enter_async_context(Household(one, options.state)) for one in files]
        if not options.run:
            await first_of(stop_signal(), _obey(households, files, options.drain_seconds))
        elif options.exit_with_parent:
            parent = await standard_input()
            await first_of(stop_signal(), run_freely(households, _clock(files)), end_of(parent))
        else:
            await first_of(stop_signal(), run_freely(households, _clock(files)))


async def _obey(households: list[Household], files: list[HouseholdFile], drain_s: float) -> None:
    """Take commands until the input ends, or until one says to run freely: then run until it ends."""
    lines = await standard_input()
    while line := await lines.readline():
        try:
            command = msgspec.json.decode(line, type=_Command)
        except msgspec.DecodeError as error:
            _answer({"error": f"not a command: {error}"})
            continue
        if command.run:
            await first_of(run_freely(households, _clock(files)), end_of(lines))
            return
        if command.step is not None:
            _answer(await _step(households, command.step, drain_s))


async def _step(households: list[Household], until_us: int, drain_s: float) -> dict[str, object]:
    # One household's failure must not leave another's step half done behind the answer.
    said = await asyncio.gather(*(household.step(until_us) for household in households), return_exceptions=True)
    drained = await asyncio.gather(*(household.drained(drain_s) for household in households), return_exceptions=True)
    for failure in (*said, *drained):
        if isinstance(failure, DoorstepUnreachable | OutboxNotDrained):
            return {"error": str(failure), "step": until_us}
        if isinstance(failure, BaseException):
            raise failure
    return {"stepped": until_us, "published": sum(one for one in said if isinstance(one, int))}


def _answer(fields: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def _clock(files: list[HouseholdFile]) -> Clock:
    clocks = {one.clock for one in files}
    if len(clocks) != 1 or None in clocks:
        raise BadHousehold("to run freely, every household names the same clock file")
    return ClockFile(Path(str(clocks.pop())))


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m simulators appliances", description="Pretend households with their devices, over MQTT."
    )
    parser.add_argument(
        "--household", type=Path, action="append", required=True, help="file that describes one; may be repeated"
    )
    parser.add_argument("--state", type=Path, required=True, help="directory of their memory")
    parser.add_argument("--run", action="store_true", help="follow the clock file instead of commands on the input")
    parser.add_argument("--drain-seconds", type=float, default=60.0, help="how long a step waits for acknowledgements")
    parser.add_argument("--exit-with-parent", action="store_true", help="with --run: stop when standard input ends")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
