"""Commands as processes of their own, and devices that speak to them."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from devices import Command, Identity, Reading, RealClock, Report
from devices.client import Broker, DeviceClient
from tests.integration.intake.wire import eventually

if TYPE_CHECKING:
    from tests.integration.cli.conftest import Replenish  # which offers these processes to the tests

STOP_S = 20
START_S = 180


class Running:
    """One command as a process of its own, in a session of its own."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def said(self, beginning: str) -> str:
        """The first line of its standard error that begins so; fails when it ends before."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if line.startswith(beginning):
                return line.strip()
        raise AssertionError(f"it ended with {self.process.wait(STOP_S)} and never said {beginning!r}")

    def listens(self, port: int) -> None:
        """Wait until somebody can connect; fails with its last words when it ends before."""
        eventually(lambda: is_open(port) or self.process.poll() is not None, START_S)
        assert self.process.poll() is None, self.process.communicate()[1]

    def answers(self) -> str:
        """Wait until its pages answer; their address."""
        address = self.said("Web on ").removeprefix("Web on ")
        eventually(lambda: answers(address) or self.process.poll() is not None, START_S)
        assert self.process.poll() is None, self.process.communicate()[1]
        return address

    def stop(self) -> int:
        """Ask it to stop; its status. Nothing of its session may be left."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(STOP_S)
        with pytest.raises(ProcessLookupError):
            os.killpg(self.process.pid, 0)
        return status


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/healthz", trust_env=False).is_success
    except httpx.TransportError:
        return False


def fleet(replenish: "Replenish", path: Path, count: int) -> list[dict[str, str]]:
    """Add fridges and return their credentials."""
    for number in range(count):
        assert replenish("device", "add", "fridge", "--name", f"F{number}", "--credentials", str(path)).status == 0
    credentials: list[dict[str, str]] = json.loads(path.read_text())
    return credentials


@asynccontextmanager
async def obedient(device: dict[str, str], port: int, outbox: Path, *, left: float) -> AsyncIterator[DeviceClient]:
    """A device that says how much milk is left whenever it is asked, and else nothing."""

    async def obey(_command: Command) -> None:
        client.report(Report(RealClock().wall_us(), (Reading("milk", "left", left, "l"),)))

    identity = Identity.from_private_hex(device["device_id"], device["private_key"])
    broker = Broker("127.0.0.1", port, device["secret"])
    async with DeviceClient(identity, broker, outbox, on_command=obey) as client:
        yield client


async def report(device: dict[str, str], port: int, outbox: Path, *, left: float) -> None:
    """Say once how much milk is left, and wait for the gateway's acknowledgement."""
    identity = Identity.from_private_hex(device["device_id"], device["private_key"])
    async with DeviceClient(identity, Broker("127.0.0.1", port, device["secret"]), outbox) as client:
        client.report(Report(RealClock().wall_us(), (Reading("milk", "left", left, "l"),)))
        await client.drained(START_S)
