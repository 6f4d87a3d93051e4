r"""Devices alone against any broker, for developers of devices and gateways.

    python -m simulators devices KIND --broker HOST:PORT [--count N] [--seed X] [--clock FILE] [--credentials FILE]

Without --clock they live in real time, and report every three hours or when something happens. --credentials names a
JSON file `[{"device_id": …, "secret": …, "private_key": hex}, …]`, one entry a device; without it the ids are
KIND-SEED-NUMBER, the keys come from the seed, and no secret is shown to the broker. Their people buy what they need
elsewhere.
"""

import argparse
import asyncio
import contextlib
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from devices import ClockFile, DeviceError, Identity, RealClock, kinds
from simulators.household import Household
from simulators.household_file import BadHousehold, DeviceEntry, HouseholdFile, check_household
from simulators.running import Clock, first_of, run_freely, stop_signal

MAX_DEVICES = 1000
PROGRESS_S = 1.0
PROGRESS_IN_LOG_S = 10.0
CONNECTING_S = 0.5


class Credential(msgspec.Struct, frozen=True):
    """What `replenish device add` told about one device."""

    device_id: str
    private_key: str
    secret: str | None = None


def main(argv: Sequence[str]) -> int:
    """Run the devices until told to stop; returns the exit status."""
    options = _options(argv)
    logging.basicConfig(stream=sys.stderr, format="devices: %(message)s", level=logging.WARNING)
    clock: Clock = ClockFile(options.clock) if options.clock else RealClock()
    try:
        with contextlib.ExitStack() as stack:
            state = options.state or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="replenish-devices-")))
            fleet = _fleet(options, clock.now_us())
            asyncio.run(_main(fleet, state, clock, is_real_time=options.clock is None))
    except DeviceError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


async def _main(fleet: HouseholdFile, state: Path, clock: Clock, *, is_real_time: bool) -> None:
    pace = "in real time: every three hours, and when something happens" if is_real_time else "after the clock file"
    sys.stderr.write(f"{_counted(len(fleet.devices), 'device')} to {fleet.broker}, {pace}. Ctrl-C stops.\n")
    async with Household(fleet, state) as household:
        await first_of(stop_signal(), run_freely([household], clock, _progress(fleet, household)))
        summary = _summary(household)
    sys.stderr.write(f"\nStopped. {summary}.\n")


def _progress(fleet: HouseholdFile, household: Household) -> Callable[[], None]:
    """A line on standard error: rewritten on a terminal, now and then elsewhere."""
    terminal = sys.stderr.isatty()
    every_s = PROGRESS_S if terminal else PROGRESS_IN_LOG_S
    last_s = time.monotonic() - every_s + CONNECTING_S  # the first line waits for the connections

    def show() -> None:
        nonlocal last_s
        if time.monotonic() - last_s < every_s:
            return
        last_s = time.monotonic()
        line = progress_line(fleet, household)
        sys.stderr.write(f"\r\x1b[K{line}" if terminal else f"{line}\n")
        sys.stderr.flush()

    return show


def progress_line(fleet: HouseholdFile, household: Household) -> str:
    """What is true now: how many are connected, or why not, and what became of what they said."""
    troubles = household.troubles()
    count = len(fleet.devices)
    line = f"{count - len(troubles)} of {count} connected to {fleet.broker}: {_summary(household)}"
    if not troubles:
        due = datetime.fromtimestamp(household.next_report_us / 1e6, UTC).astimezone()
        return f"{line}; the next report is due at {due:%H:%M}"
    device_id, why = next(iter(troubles.items()))
    hint = ""
    if "refuses" in why and all(device.secret is None for device in fleet.devices):
        hint = "; make ids and secrets with `replenish device add … --credentials FILE`, and name that file here"
    return f"{line} — {device_id}: {why}{hint}"


def _summary(household: Household) -> str:
    waiting, refused = household.waiting(), household.refused()
    return (
        f"{_counted(household.said, 'message')} said, {waiting} not acknowledged by the gateway yet, "
        f"{refused} it could not open"
    )


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _fleet(options: argparse.Namespace, now_us: int) -> HouseholdFile:
    credentials = _read_credentials(options.credentials) if options.credentials else _made_credentials(options)
    if len(credentials) < options.count:
        raise BadHousehold(f"{options.credentials}: {len(credentials)} credentials for {options.count} devices")
    fleet = HouseholdFile(
        household=f"{options.kind}-{options.seed}",
        seed=options.seed,
        broker=options.broker,
        start_us=now_us,
        devices=[
            DeviceEntry(one.device_id, options.kind, f"{options.kind} {number}", one.private_key, one.secret)
            for number, one in enumerate(credentials[: options.count], start=1)
        ],
    )
    check_household(fleet, "arguments")
    return fleet


def _made_credentials(options: argparse.Namespace) -> list[Credential]:
    ids = [f"{options.kind}-{options.seed}-{number}" for number in range(1, options.count + 1)]
    return [Credential(one, Identity.from_seed(one, options.seed).private_hex()) for one in ids]


def _read_credentials(path: Path) -> list[Credential]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Credential])
    except (OSError, msgspec.DecodeError) as error:
        raise BadHousehold(f"{path}: {error}") from error


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= MAX_DEVICES:
        raise argparse.ArgumentTypeError(f"between 1 and {MAX_DEVICES}")
    return number


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m simulators devices", description="Pretend devices of one kind against any broker."
    )
    parser.add_argument("kind", choices=list(kinds()), metavar="KIND", help=", ".join(kinds()))
    parser.add_argument("--broker", required=True, metavar="HOST:PORT", help="where they connect")
    parser.add_argument("--count", type=_count, default=1, help="how many")
    parser.add_argument("--seed", type=int, default=1, help="the same seed tells the same story")
    parser.add_argument("--clock", type=Path, help="clock file to follow; real time without it")
    parser.add_argument("--credentials", type=Path, help="JSON file with their ids, secrets and private keys")
    parser.add_argument("--state", type=Path, help="directory of their memory; without it they forget at the end")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
