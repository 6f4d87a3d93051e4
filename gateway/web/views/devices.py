"""The things: when each was last heard, what they said lately, which are silent, and what could not be counted."""

from dataclasses import dataclass

from devices.catalogue import kinds
from gateway.domain.replenishment import DAY_US
from gateway.domain.stock import Device, DeviceState, Level, Slot, Supply
from gateway.steps.ports import Transaction
from gateway.web.views.activity import Activity, Dot, device_activity
from gateway.web.views.quarantine import QuarantineRow, quarantine_rows
from gateway.web.views.stock import grouped
from gateway.web.wording import amount, count, since

SILENT_US = 2 * DAY_US


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotRow:
    """One place in a device; `supply_id` None while it is not said what it holds."""

    id: str
    name: str
    title: str
    measure: str
    unit: str
    capacity: float
    supply_id: str | None
    supply: str
    level: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRow:
    """One thing. `signed`: a public key is registered, so that its word can be trusted; `has_signed` by it."""

    id: str
    name: str
    kind: str
    kind_title: str
    icon: str
    room: str
    state: DeviceState
    online: bool | None
    silent: bool
    signed: bool
    has_signed: bool
    last_seen_us: int | None
    last_seen: str
    status: str
    dot: Dot
    slots: tuple[SlotRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicesView:
    """The page of devices."""

    headline: str
    summary: str
    devices: tuple[DeviceRow, ...]
    silent: tuple[DeviceRow, ...]
    activity: tuple[Activity, ...]
    quarantine: tuple[QuarantineRow, ...]
    supplies: tuple[Supply, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceView:
    """One thing whole."""

    row: DeviceRow
    activity: tuple[Activity, ...]
    quarantine: tuple[QuarantineRow, ...]
    supplies: tuple[Supply, ...]


def devices_view(tx: Transaction, household_id: str, *, now_us: int) -> DevicesView:
    """Build the page of all things of a household; removed ones are left out."""
    rows = device_rows(tx, household_id, now_us=now_us)
    silent = tuple(row for row in rows if row.silent)
    quarantine = quarantine_rows(tx, household_id, now_us=now_us)
    return DevicesView(
        headline=_headline(rows, silent),
        summary=_summary(silent, quarantine),
        devices=rows,
        silent=silent,
        activity=device_activity(tx, household_id, now_us=now_us),
        quarantine=quarantine,
        supplies=tuple(tx.find(Supply, household_id)),
    )


def device_view(tx: Transaction, household_id: str, device_id: str, *, now_us: int) -> DeviceView:
    """Build one thing's page; raises NotFound for another household's."""
    device = tx.get(Device, household_id, device_id)
    return DeviceView(
        row=rows_of(tx, household_id, [device], now_us)[0],
        activity=device_activity(tx, household_id, now_us=now_us, device_id=device_id),
        quarantine=quarantine_rows(tx, household_id, now_us=now_us, device_id=device_id),
        supplies=tuple(tx.find(Supply, household_id)),
    )


def device_rows(tx: Transaction, household_id: str, *, now_us: int) -> tuple[DeviceRow, ...]:
    """Return the household's things by room and name."""
    devices = [device for device in tx.find(Device, household_id) if device.state is not DeviceState.REMOVED]
    return rows_of(tx, household_id, sorted(devices, key=lambda device: (device.room, device.name)), now_us)


def rows_of(tx: Transaction, household_id: str, devices: list[Device], now_us: int) -> tuple[DeviceRow, ...]:
    """Build the rows of these things, in this order."""
    slots = grouped(tx.find(Slot, household_id), "device_id")
    levels = {level.slot_id: level for level in tx.find(Level, household_id)}
    supplies = {supply.id: supply for supply in tx.find(Supply, household_id)}
    return tuple(
        _row(device, tuple(_slot(slot, device, levels, supplies) for slot in slots.get(device.id, [])), now_us)
        for device in devices
    )


def _row(device: Device, slots: tuple[SlotRow, ...], now_us: int) -> DeviceRow:
    kind = kinds().get(device.kind)
    is_new = device.last_seen_us is None and now_us - device.owned_from_us <= SILENT_US
    silent = not is_new and (device.last_seen_us is None or now_us - device.last_seen_us > SILENT_US)
    seen = "Never heard" if device.last_seen_us is None else since(device.last_seen_us, now_us)
    dot: Dot = "ok"
    if device.state is DeviceState.REMOVED:
        status, dot = "Removed: no longer let in", "off"
    elif device.last_seen_us is None:
        status, dot = "Has not reported yet" if is_new else "Silent, never heard from", "off"
    elif device.state is DeviceState.FROZEN:
        status, dot = "Frozen: heard, but nothing is bought on its word", "low"
    elif silent:
        status, dot = f"Silent, last heard {seen}", "off"
    elif device.online is False:
        status, dot = f"Offline, last heard {seen}", "off"
    else:
        status = f"Heard {seen}"
    return DeviceRow(
        id=device.id,
        name=device.name,
        kind=device.kind,
        kind_title=kind.title if kind else device.kind,
        icon=kind.icon if kind else "cpu",
        room=device.room,
        state=device.state,
        online=device.online,
        silent=silent,
        signed=device.public_key is not None,
        has_signed=device.has_signed,
        last_seen_us=device.last_seen_us,
        last_seen=seen,
        status=status,
        dot=dot,
        slots=slots,
    )


def _slot(slot: Slot, device: Device, levels: dict[str, Level], supplies: dict[str, Supply]) -> SlotRow:
    level = levels.get(slot.id)
    kind = kinds().get(device.kind)
    title = next((one.title for one in kind.slots if one.name == slot.name), slot.name) if kind else slot.name
    words = "Not known"
    if level is not None and level.quantity is not None:
        words = f"{amount(level.quantity, slot.unit)} of {amount(slot.capacity, slot.unit)}"
    elif level is not None and level.state:
        words = {"ok": "Fine", "low": "Low", "empty": "Empty"}.get(level.state, "Not known")
    return SlotRow(
        id=slot.id,
        name=slot.name,
        title=title,
        measure=slot.measure,
        unit=slot.unit,
        capacity=slot.capacity,
        supply_id=slot.supply_id,
        supply=supplies[slot.supply_id].name if slot.supply_id else "",
        level=words,
    )


def _headline(rows: tuple[DeviceRow, ...], silent: tuple[DeviceRow, ...]) -> str:
    if not rows:
        return "No device yet"
    fresh = [row for row in rows if row.last_seen_us is None and not row.silent]
    offline = [row for row in rows if row.online is False]
    for those, one_does, many_do in (
        (silent, "is silent", "are silent"),
        (fresh, "has not reported yet", "have not reported yet"),
        (offline, "is offline", "are offline"),
    ):
        if len(those) == 1:
            return f"{those[0].name} {one_does}"
        if those:
            return f"{count(len(those), 'device', 'devices')} {many_do}"
    return "Every device is being heard" if len(rows) > 1 else f"{rows[0].name} is being heard"


def _summary(silent: tuple[DeviceRow, ...], quarantine: tuple[QuarantineRow, ...]) -> str:
    parts = []
    if silent:
        parts.append("Silence widens the forecast; nothing is bought by itself on an old level.")
    if quarantine:
        messages = sum(row.times for row in quarantine)
        parts.append(f"{count(messages, 'message', 'messages')} could not be counted.")
    return " ".join(parts)
