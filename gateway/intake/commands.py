"""Sends what members ask of devices: a look once a second at what is unsent, by whichever intake is running.

A command whose device is not connected waits for it until it is over. One that was sent when this process died before
it could write so is sent once more: a device that reports twice does no harm.
"""

import threading
from types import TracebackType
from typing import Protocol, Self

import structlog

from devices.control import encode_command
from gateway.domain.command import Command, CommandKind, CommandState
from gateway.steps.acts.commands import end_command, unsent_commands
from gateway.steps.ports import Clock, StoreUnavailable, UnitOfWork

LOOK_EVERY_S = 1.0
LAST_FAULT_WAIT_S = 5.0

_log = structlog.get_logger(__name__)


class Outlet(Protocol):
    """What an intake offers to send by."""

    def publish_command(self, device_id: str, payload: bytes) -> bool:
        """Send to the device's command topic; False when the device cannot be reached now."""
        ...


class CommandSender:
    """Looks and sends in a thread of its own while a `with` block runs, which ends before the intake does."""

    def __init__(self, outlet: Outlet, unit_of_work: UnitOfWork, clock: Clock) -> None:
        self._outlet = outlet
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="commands", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The command at hand is still sent and written.
        self._stopping.set()
        self._thread.join()

    def send_waiting(self) -> None:
        """Look once: send what can be sent, end what waited too long."""
        with self._unit_of_work.read() as tx:
            unsent = unsent_commands(tx)
        for command in unsent:
            if self._stopping.is_set():
                return
            now_us = self._clock.now_us()  # before it is sent, so that the answer comes after it
            if not command.waits(self._clock.wall_us()):
                state = CommandState.EXPIRED
            elif self._outlet.publish_command(command.device_id, _payload(command)):
                state = CommandState.SENT
            else:
                continue
            with self._unit_of_work.begin() as tx:
                end_command(tx, command, state, now_us=now_us)
            _log.info("command_ended", device_id=command.device_id, command=command.kind, state=state)

    def _run(self) -> None:
        wait_s = LOOK_EVERY_S
        while not self._stopping.wait(wait_s):
            wait_s = LOOK_EVERY_S if self._look() else min(2 * wait_s, LAST_FAULT_WAIT_S)

    def _look(self) -> bool:
        """Look once, the loop's outermost line; False when it failed."""
        try:
            self.send_waiting()
        except StoreUnavailable as error:
            _log.error("commands_not_sent", error=str(error))
        except Exception:  # noqa: BLE001 — a fault in one look must not end the only thread that sends
            _log.exception("commands_not_sent")
        else:
            return True
        return False


def _payload(command: Command) -> bytes:
    match command.kind:
        case CommandKind.REPORT_NOW:
            return encode_command("report-now")
