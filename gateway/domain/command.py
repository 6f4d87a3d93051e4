"""What is asked of a device: one wish at a time, so many an hour, and none that waits for long."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.replenishment import MINUTE_US

WAIT_US = MINUTE_US
"""Real time for which an unsent command waits for its device: a person still looks at the page."""
MOST_AN_HOUR = 10


class CommandKind(StrEnum):
    """What a device can be asked."""

    REPORT_NOW = "report-now"


class CommandState(StrEnum):
    """Waiting for its device; sent to it; or over unsent, because the device was not connected in time."""

    WAITING = "waiting"
    SENT = "sent"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a member (`by`) asks of a device. `asked_us` and `ended_us` are policy time, how long it waits is real."""

    id: str
    household_id: str
    device_id: str
    kind: CommandKind
    state: CommandState
    by: str
    asked_us: int
    asked_wall_us: int
    ended_us: int | None

    def waits(self, wall_us: int) -> bool:
        """Whether it may still be sent."""
        return self.state is CommandState.WAITING and wall_us < self.asked_wall_us + WAIT_US
