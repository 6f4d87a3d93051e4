"""What a household has: devices, slots, supplies, readings, levels and refills."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class DeviceState(StrEnum):
    """A frozen device is listened to, but nothing is bought on its word; a removed one is no longer let in."""

    ACTIVE = "active"
    FROZEN = "frozen"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A thing that reports. `id` is also its topic, user name and client id; `public_key` is Ed25519, raw, in hex.

    One that `has_signed` a message is from then on believed only when it signs.
    """

    id: str
    household_id: str
    kind: str
    name: str
    room: str
    state: DeviceState
    public_key: str | None
    secret_hash: str
    owned_from_us: int
    owned_until_us: int | None
    online: bool | None = None
    last_seen_us: int | None = None
    has_signed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """Which sequence numbers of one epoch of a device were counted: all up to `watermark`, and `ranges` above it."""

    id: str
    household_id: str
    device_id: str
    epoch: int
    watermark: int
    ranges: tuple[tuple[int, int], ...]


class Measure(StrEnum):
    """How a slot speaks: a level, a counter that only grows, increments of use, or a word (ok, low, empty)."""

    LEVEL = "level"
    COUNTER = "counter"
    INCREMENT = "increment"
    ORDINAL = "ordinal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One consumable place in a device. `capacity` is in `unit`; `supply_id` says which supply it draws on."""

    id: str
    household_id: str
    device_id: str
    supply_id: str | None
    name: str
    kind: str
    measure: Measure
    unit: str
    capacity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """What a household keeps in stock. `sealed_quantity`: unopened packs on the shelf, in `unit`.

    Before `quiet_until_us` nothing is planned: a person skipped it, nobody answered, or an account was declined.
    """

    id: str
    household_id: str
    name: str
    kind: str
    unit: str
    icon: str
    sealed_quantity: float
    quiet_until_us: int
    created_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PackOption:
    """A pack that refills a supply at a merchant: `rank` 0 is the usual one, higher ranks are accepted swaps.

    `pack_size` is in the supply's unit. `last_price_minor` is what was last paid or quoted for one pack.
    """

    id: str
    household_id: str
    supply_id: str
    merchant_id: str
    sku: str
    gtin: str
    name: str
    detail: str
    pack_size: float
    rank: int
    last_price_minor: int | None


class Verdict(StrEnum):
    """What was decided about a reading; the words are the forecasting room's."""

    COUNTED = "counted"
    REFILL = "refill"
    PENDING = "pending"
    UNCHANGED = "unchanged"
    OUTLIER = "outlier"
    UNKNOWN = "unknown"
    LATE = "late"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a device said of one slot, and what was decided about it. Unknown quantity is None, never zero."""

    id: str
    household_id: str
    device_id: str
    slot_id: str
    inbox_id: int
    epoch: int
    seq: int
    at_us: int
    device_us: int | None
    server_us: int
    measure: str
    quantity: float | None
    unit: str
    state: str | None
    signed: bool
    verdict: Verdict
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """The estimate of one slot after cleaning (id = slot id). `tracker` is the forecasting room's state.

    `consumed`: stretches (used, from_us, to_us) that forecast has not learned from yet; it takes them out.
    """

    id: str
    household_id: str
    slot_id: str
    quantity: float | None
    sd: float
    state: str | None
    consumed: tuple[tuple[float, int, int], ...]
    as_of_us: int
    epoch: int | None
    reading_id: str | None
    signed: bool
    by_hand: bool
    tracker: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refill:
    """A level jump that means a new pack. Without `order_line_id` it was bought elsewhere.

    `from_shelf`: how much of it was taken off the shelf's sealed packs, in the supply's unit.
    """

    id: str
    household_id: str
    slot_id: str
    supply_id: str | None
    at_us: int
    size: float | None
    level_before: float | None
    level_after: float | None
    reading_id: str | None
    order_line_id: str | None
    from_shelf: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A message that could not be counted: kept with its reason, its bytes and its sender."""

    id: str
    household_id: str | None
    device_id: str | None
    inbox_id: int | None
    sender: str
    topic: str
    reason: str
    detail: str
    payload: bytes
    received_us: int
