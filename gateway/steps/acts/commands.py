"""What a member asks of a device, and what becomes of it. The intake sends it (gateway/intake/commands.py)."""

from dataclasses import replace

from gateway.domain.command import MOST_AN_HOUR, Command, CommandKind, CommandState
from gateway.domain.errors import Conflict, TooOften
from gateway.domain.household import Member
from gateway.domain.records import Act
from gateway.domain.replenishment import HOUR_US, SECOND_US
from gateway.domain.stock import Device, DeviceState
from gateway.steps.ports import Transaction

SENT_AT_ONCE = 1_000


def ask_to_report(tx: Transaction, member: Member, device_id: str, *, now_us: int, wall_us: int) -> Command:
    """Leave the wish that a device say at once what it has left.

    Raises NotAllowed, NotFound, Conflict for a removed device or one whose last command is unsent, and TooOften.
    """
    member.may_decide("ask a device to report")
    device = tx.get(Device, member.household_id, device_id)
    if device.state is DeviceState.REMOVED:
        raise Conflict("device", device_id, device.state, "ask", hint="It is no longer let in.")
    _ready_for_another(tx, device, now_us=now_us, wall_us=wall_us)
    command = Command(
        id=tx.new_id(),
        household_id=device.household_id,
        device_id=device.id,
        kind=CommandKind.REPORT_NOW,
        state=CommandState.WAITING,
        by=member.id,
        asked_us=now_us,
        asked_wall_us=wall_us,
        ended_us=None,
    )
    tx.add(command)
    tx.add(
        Act(
            id=tx.new_id(),
            household_id=device.household_id,
            by=member.id,
            verb="ask_to_report",
            subject=f"devices/{device.id}",
            reason="a member asked for it",
            evidence="",
            at_us=now_us,
        )
    )
    return command


def unsent_commands(tx: Transaction) -> list[Command]:
    """Return the oldest commands that are not sent, of all households."""
    return tx.find(Command, None, oldest=SENT_AT_ONCE, state=CommandState.WAITING)


def end_command(tx: Transaction, command: Command, state: CommandState, *, now_us: int) -> None:
    """Write what became of a command; one that has ended meanwhile stays as it ended."""
    present = tx.seek(Command, command.household_id, command.id)
    if present is not None and present.state is CommandState.WAITING:
        tx.save(replace(present, state=state, ended_us=now_us))


def expire_commands(tx: Transaction, device: Device, *, now_us: int) -> None:
    """End what was asked of a device and is not sent: it is removed."""
    for command in tx.find(Command, device.household_id, device_id=device.id, state=CommandState.WAITING):
        end_command(tx, command, CommandState.EXPIRED, now_us=now_us)


def _ready_for_another(tx: Transaction, device: Device, *, now_us: int, wall_us: int) -> None:
    recent = tx.find(Command, device.household_id, newest=MOST_AN_HOUR, device_id=device.id)
    if recent and recent[0].waits(wall_us):
        raise Conflict("device", device.id, "already_asked", "ask", hint="Wait a moment for what comes of it.")
    # In real time: in a demonstration an hour of policy time is over in seconds.
    free_us = recent[-1].asked_wall_us + HOUR_US if len(recent) == MOST_AN_HOUR else wall_us
    if free_us > wall_us:
        raise TooOften("ask this device", f"{MOST_AN_HOUR} times an hour", -(-(free_us - wall_us) // SECOND_US))
    if recent and recent[0].state is CommandState.WAITING:
        # Nobody was there to end it: no intake runs. The table holds one unsent command a device.
        end_command(tx, recent[0], CommandState.EXPIRED, now_us=now_us)
