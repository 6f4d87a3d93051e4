"""What a device said, decoded: facts without judgement. Unknown is `None` and is never zero."""

from dataclasses import dataclass
from typing import Literal

from devices.ranges import Ranges

Measure = Literal["left", "used_total", "used", "state"]
State = Literal["ok", "low", "empty", "unknown"]


@dataclass(frozen=True, slots=True)
class Reading:
    """One slot, once.

    `measure` says what `quantity` counts: what is `left`, what was `used_total` since the epoch began, what was `used`
    since the last message; `state` means that there is no number. `quantity` is finite, not negative and in `unit`, or
    None where the device does not know. `state` may also stand beside a number. `product` is the GTIN the device asks
    for.
    """

    slot: str
    measure: Measure
    quantity: float | None = None
    unit: str | None = None
    state: State | None = None
    product: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """One message's content.

    `ts_us` is the device's own time in UTC microseconds, None without a clock; `lost` holds the sequence numbers of
    this epoch that it had to give up.
    """

    ts_us: int | None
    readings: tuple[Reading, ...]
    lost: Ranges = ()
