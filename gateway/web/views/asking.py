"""What became of the last wish that a device report at once."""

from dataclasses import dataclass
from typing import Literal

from gateway.domain.command import WAIT_US, Command, CommandState
from gateway.domain.stock import Device
from gateway.steps.ports import Transaction
from gateway.web.wording import since

AskingState = Literal["waiting", "sent", "reported", "not_connected"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """The last wish; `settled` once it makes no sense any more to look for its answer every moment."""

    state: AskingState
    asked_us: int
    sent_us: int | None
    said: str
    settled: bool


def last_asking(tx: Transaction, household_id: str, device_id: str, *, now_us: int, wall_us: int) -> Asking | None:
    """Return what became of the last wish; None when there was none. Raises NotFound for another household's device."""
    device = tx.get(Device, household_id, device_id)
    newest = tx.find(Command, household_id, newest=1, device_id=device_id)
    return _asking(newest[0], device, now_us, wall_us) if newest else None


def _asking(command: Command, device: Device, now_us: int, wall_us: int) -> Asking:
    sent_us = command.ended_us if command.state is CommandState.SENT else None
    heard_since = (device.last_seen_us or 0) > (command.asked_us if sent_us is None else sent_us)
    when = since(command.asked_us, now_us)
    is_recent = wall_us < command.asked_wall_us + WAIT_US
    state: AskingState
    if command.waits(wall_us):
        state, said = "waiting", "It is being asked."
    elif sent_us is None:
        was = "was" if heard_since else "is"
        state, said = "not_connected", f"Asked {when}. It {was} not connected, so it could not be asked."
    elif heard_since:
        state, said = "reported", f"Asked {when}, and it has reported since."
    elif is_recent:
        state, said = "sent", "It was asked; its answer has not come yet."
    else:
        state, said = "sent", f"Asked {when}. It has not reported since; not every device does so when asked."
    settled = not is_recent or state in {"reported", "not_connected"}
    return Asking(state=state, asked_us=command.asked_us, sent_us=sent_us, said=said, settled=settled)
