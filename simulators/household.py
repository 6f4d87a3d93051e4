"""One pretend household as it runs: its world, its doorstep, and a real MQTT client for each device.

Its memory is saved after every step, and after the messages are in the outboxes: a kill in between makes it live
through the same ticks again and say the same again under new numbers, which changes no level and no counter.
"""

import asyncio
import contextlib
import functools
import os
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Self

import msgspec

from devices import Command, Identity, Report
from devices.client import Broker, DeviceClient
from devices.outbox import Queued
from simulators.doorstep import Doorstep
from simulators.household_file import BadHousehold, DeviceEntry, HouseholdFile
from simulators.world import TICK_US, CounterBeganAgain, Said, SaidAgain, World, WorldState, thing

KEPT_MESSAGES = 20


class KeptMessage(msgspec.Struct):
    """A message that a device may send again one day."""

    epoch: int
    seq: int
    payload: bytes


class Memory(msgspec.Struct):
    """What must survive a stop: the world, how far the doorstep was looked at, messages to be sent again."""

    world: WorldState
    doorstep_after: int = 0
    kept: dict[str, list[KeptMessage]] = {}


class Household:
    """An async context manager; `step` lives on to an instant and hands the messages to the outboxes."""

    def __init__(self, household: HouseholdFile, state_directory: Path) -> None:
        self._file = household
        self._folder = state_directory / household.household
        self._things = {device.name: thing(device.name, device.kind) for device in household.devices}
        self._world = World(household.seed, list(self._things.values()), household.time_zone)
        self._clients: dict[str, DeviceClient] = {}
        self._stack = contextlib.AsyncExitStack()
        self._doorstep: Doorstep | None = None
        self._memory = Memory(WorldState(0, {}, {}, []))
        self._now_us = household.start_us
        self.said = 0
        """Messages handed to the outboxes since this process began."""

    async def __aenter__(self) -> Self:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._memory = self._remember()
        async with contextlib.AsyncExitStack() as stack:
            if self._file.shop is not None:
                self._doorstep = await stack.enter_async_context(Doorstep(self._file.shop, self._file.household))
            for device in self._file.devices:
                self._clients[device.name] = await stack.enter_async_context(self._client(device))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_raised: object) -> None:
        # All at once: each one waits for its broker's goodbye.
        await asyncio.gather(*(client.close() for client in self._clients.values()))
        await self._stack.aclose()

    @property
    def lived_us(self) -> int:
        """The last instant that was lived through."""
        return self._memory.world.tick * TICK_US

    @property
    def next_report_us(self) -> int:
        """When the next report is due by the schedule."""
        return self._world.next_report_us(self._memory.world)

    async def step(self, until_us: int) -> int:
        """Live on to an instant; returns how many messages went into the outboxes.

        Raises `DoorstepUnreachable` before anything has changed.
        """
        self._now_us = max(self._now_us, until_us)
        if until_us < self.lived_us + TICK_US:
            return 0
        if self._doorstep is not None:
            arrived, after = await self._doorstep.fetch(self._memory.doorstep_after)
            for delivery in arrived:
                self._world.deliver(self._memory.world, delivery)
            self._memory.doorstep_after = after
        said = self._live(until_us)
        self._save()
        self.said += said
        return said

    async def drained(self, timeout_s: float) -> None:
        """Wait for the gateway's acknowledgements of everything; raises `OutboxNotDrained`."""
        await asyncio.gather(*(client.drained(timeout_s) for client in self._clients.values()))

    def waiting(self) -> int:
        """How many messages are not acknowledged."""
        return sum(client.waiting() for client in self._clients.values())

    def troubles(self) -> dict[str, str]:
        """Why devices have no connection to the broker, by device id; those that have one are left out."""
        return {client.device_id: client.trouble for client in self._clients.values() if client.trouble is not None}

    def refused(self) -> int:
        """How many messages the gateway could not open."""
        return sum(len(client.refused()) for client in self._clients.values())

    def _client(self, device: DeviceEntry) -> DeviceClient:
        host, port = self._file.broker_address
        return DeviceClient(
            Identity.from_private_hex(device.device_id, device.private_key),
            Broker(host, port, device.secret),
            self._folder / f"{device.device_id}.outbox",
            on_command=self._obey(device.name),
            # Simulated seconds: higher than any epoch before, and the same for the same story.
            new_epoch=lambda: self._now_us // 1_000_000,
        )

    def _obey(self, name: str) -> Callable[[Command], Awaitable[None]]:
        async def obey(command: Command) -> None:
            match command:
                case "report-now":
                    self._clients[name].report(self._world.look(self._memory.world, name, self._now_us))

        return obey

    def _live(self, until_us: int) -> int:
        said = 0
        pending: defaultdict[str, list[Report]] = defaultdict(list)
        for event in self._world.advance(self._memory.world, until_us):
            said += not isinstance(event, CounterBeganAgain)
            match event:
                case Said(device, report):
                    pending[device].append(report)
                case CounterBeganAgain(device):
                    self._hand_over(device, pending.pop(device, []))
                    self._clients[device].raise_epoch()
                case SaidAgain(device, which):
                    self._hand_over(device, pending.pop(device, []))
                    self._send_again(device, which)
        for device, reports in pending.items():
            self._hand_over(device, reports)
        return said

    def _hand_over(self, device: str, reports: list[Report]) -> None:
        queued = self._clients[device].report(*reports)
        if self._things[device].habit.resend_share:
            kept = self._memory.kept.get(device, [])
            kept.extend(KeptMessage(one.epoch, one.seq, one.payload) for one in queued)
            self._memory.kept[device] = kept[-KEPT_MESSAGES:]

    def _send_again(self, device: str, which: float) -> None:
        kept = self._memory.kept[device]
        old = kept[int(which * len(kept))]
        self._clients[device].resend(Queued(old.epoch, old.seq, old.payload))

    @functools.cached_property
    def _path(self) -> Path:
        return self._folder / "world.json"

    def _remember(self) -> Memory:
        if not self._path.exists():
            return Memory(self._world.begin(self._file.start_us))
        try:
            memory = msgspec.json.decode(self._path.read_bytes(), type=Memory)
        except msgspec.DecodeError as error:
            raise BadHousehold(f"{self._path}: {error}") from error
        self._world.complete(memory.world)
        self._now_us = max(self._now_us, memory.world.tick * TICK_US)
        return memory

    def _save(self) -> None:
        unfinished = self._path.with_suffix(".new")
        with unfinished.open("wb") as file:
            file.write(msgspec.json.encode(self._memory))
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self._path)
