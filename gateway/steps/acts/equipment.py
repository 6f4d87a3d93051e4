"""What a member does with things: devices, their slots, supplies, packs, and levels put right by hand."""

from dataclasses import dataclass, replace

import forecasting
from devices.catalogue import DeviceKind, SlotKind, kinds
from devices.errors import BadIdentity
from devices.identity import PublicKey
from devices.provisioning import Provisioned
from gateway.domain.errors import Conflict, Invalid
from gateway.domain.household import Household, Member
from gateway.domain.replenishment import Policy
from gateway.domain.stock import Device, DeviceState, Measure, PackOption, Slot, Supply
from gateway.steps.acts.commands import expire_commands
from gateway.steps.acts.household import most_kept, named
from gateway.steps.challenge import next_night_us
from gateway.steps.goods.levels import level_of, save_refill, settle_pending, with_tracker
from gateway.steps.ports import Offer, Transaction

MAX_OPTIONS = 10
MOST_MINOR = 100_000_000
SHELF_FACTOR = 10
"""A shelf may hold more than anybody would have us keep there, but not without end."""
DEFAULT_SERVICE_LEVEL = 0.95
DEFAULT_TARGET_DAYS = 14.0
DEFAULT_LEAD_TIME_DAYS = 2.0
DEFAULT_APPROVAL_DAYS = 1.0
DEFAULT_DECIDE_HOURS = 72.0
DEFAULT_PRICE_TOLERANCE_PERCENT = 15.0


@dataclass(frozen=True, slots=True)
class NewDevice:
    """What a person says of a device to be added. Without a public key its messages count as unsigned."""

    kind: str
    name: str
    room: str
    public_key: str | None = None


def add_device(tx: Transaction, member: Member, wanted: NewDevice, provisioned: Provisioned, *, now_us: int) -> Device:
    """Add a device of a known kind with its slots, each drawing on a new supply of its own; raises Invalid."""
    member.may_administer("add a device")
    kind = kinds().get(wanted.kind)
    if kind is None:
        raise Invalid("kind", f"choose one of {', '.join(kinds())}")
    device = Device(
        id=provisioned.device_id,
        household_id=member.household_id,
        kind=wanted.kind,
        name=named(wanted.name),
        room=" ".join(wanted.room.split())[:80],
        state=DeviceState.ACTIVE,
        public_key=_public_key(wanted.public_key),
        secret_hash=provisioned.secret_hash,
        owned_from_us=now_us,
        owned_until_us=None,
    )
    tx.add(device)
    for slot in kind.slots:
        supply = add_supply(
            tx, member, name=slot.title, kind=slot.supply, unit=slot.unit, icon=icon_of(kind, slot), now_us=now_us
        )
        tx.add(
            Slot(
                id=tx.new_id(),
                household_id=member.household_id,
                device_id=device.id,
                supply_id=supply.id,
                name=slot.name,
                kind=slot.supply,
                measure=Measure(slot.measure),
                unit=slot.unit,
                capacity=slot.capacity,
            )
        )
    return device


def remove_device(tx: Transaction, member: Member, device_id: str, *, now_us: int) -> Device:
    """End a device's ownership: it is no longer let in; what it said is kept.

    Its slots feed no supply any more, and what no other slot feeds is not reordered: nobody knows what is left of it.
    Raises Conflict for a device that is removed already.
    """
    member.may_administer("remove a device")
    device = tx.get(Device, member.household_id, device_id)
    if device.state is DeviceState.REMOVED:
        raise Conflict("device", device_id, device.state, "remove")
    removed = replace(device, state=DeviceState.REMOVED, owned_until_us=now_us)
    tx.save(removed)
    expire_commands(tx, removed, now_us=now_us)
    slots = [slot for slot in tx.find(Slot, removed.household_id, device_id=device_id) if slot.supply_id is not None]
    for slot in slots:
        tx.save(replace(slot, supply_id=None))
    for supply_id in sorted({slot.supply_id for slot in slots if slot.supply_id is not None}):
        if not tx.find(Slot, removed.household_id, supply_id=supply_id):
            tx.save(replace(tx.get(Policy, removed.household_id, supply_id), enabled=False))
        tx.enqueue("forecast", removed.household_id, supply_id, due_us=now_us)
    return removed


def add_supply(tx: Transaction, member: Member, *, name: str, kind: str, unit: str, icon: str, now_us: int) -> Supply:
    """Add a supply with the usual policy; a night's second opinion is asked for from now on."""
    member.may_administer("add a supply")
    supply = Supply(
        id=tx.new_id(),
        household_id=member.household_id,
        name=named(name),
        kind=kind,
        unit=unit,
        icon=icon,
        sealed_quantity=0.0,
        quiet_until_us=0,
        created_us=now_us,
    )
    tx.add(supply)
    tx.add(
        Policy(
            id=supply.id,
            household_id=supply.household_id,
            supply_id=supply.id,
            enabled=True,
            service_level=DEFAULT_SERVICE_LEVEL,
            target_days=DEFAULT_TARGET_DAYS,
            minimum_quantity=0.0,
            lead_time_days=DEFAULT_LEAD_TIME_DAYS,
            approval_days=DEFAULT_APPROVAL_DAYS,
            decide_hours=DEFAULT_DECIDE_HOURS,
            price_tolerance_percent=DEFAULT_PRICE_TOLERANCE_PERCENT,
        )
    )
    zone = tx.get(Household, member.household_id, member.household_id).time_zone
    tx.enqueue("challenge", member.household_id, supply.id, due_us=next_night_us(now_us, zone))
    return supply


def assign_slot(tx: Transaction, member: Member, slot_id: str, supply_id: str | None, *, now_us: int) -> Slot:
    """Say which supply a slot draws on, so that two devices can share one stock; None lets it rest."""
    member.may_administer("assign a slot")
    slot = tx.get(Slot, member.household_id, slot_id)
    device = tx.get(Device, member.household_id, slot.device_id)
    if device.state is DeviceState.REMOVED:
        raise Conflict("device", device.id, device.state, "assign a slot")
    if supply_id is not None:
        supply = tx.get(Supply, member.household_id, supply_id)
        if supply.unit != slot.unit:
            raise Invalid("supply", f"{supply.name} is kept in {supply.unit}, the slot in {slot.unit}")
    changed = replace(slot, supply_id=supply_id)
    tx.save(changed)
    for touched in {slot.supply_id, supply_id} - {None}:
        tx.enqueue("forecast", member.household_id, str(touched), due_us=now_us)
    return changed


def choose_pack(
    tx: Transaction, member: Member, supply_id: str, merchant_id: str, offer: Offer, *, as_usual: bool, now_us: int
) -> PackOption:
    """Accept a merchant's pack for a supply: as the usual one, or as a swap behind those accepted before.

    One that is known already is known from now on as the offer says, its price too. A price of 0 is one not known.
    """
    member.may_administer("choose a product")
    if not 0 <= offer.unit_price_minor <= MOST_MINOR:
        raise Invalid("price", "give an amount above zero and below a million")
    supply = tx.get(Supply, member.household_id, supply_id)
    if offer.unit != supply.unit:
        raise Invalid("product", f"{offer.name} is sold in {offer.unit}, {supply.name} is kept in {supply.unit}")
    options = sorted(tx.find(PackOption, supply.household_id, supply_id=supply_id), key=lambda option: option.rank)
    same = [option for option in options if option.sku == offer.sku and option.merchant_id == merchant_id]
    others = [option for option in options if option not in same]
    if not same and len(options) >= MAX_OPTIONS:
        raise Invalid("product", f"at most {MAX_OPTIONS} products for one supply; remove one first")
    chosen = PackOption(
        id=same[0].id if same else tx.new_id(),
        household_id=supply.household_id,
        supply_id=supply_id,
        merchant_id=merchant_id,
        sku=offer.sku,
        gtin=offer.gtin or (same[0].gtin if same else ""),
        name=offer.name,
        detail=offer.detail,
        pack_size=offer.pack_size,
        rank=0,
        last_price_minor=offer.unit_price_minor or None,
    )
    ordered = [chosen, *others] if as_usual else [*others, chosen]
    for rank, option in enumerate(ordered):
        ranked = replace(option, rank=rank)
        tx.add(ranked) if option is chosen and not same else tx.save(ranked)
    tx.enqueue("forecast", supply.household_id, supply_id, due_us=now_us)
    return replace(chosen, rank=ordered.index(chosen))


def correct_level(tx: Transaction, member: Member, slot_id: str, quantity: float, *, now_us: int) -> None:
    """Believe a person on what is left in a slot; raises Invalid for what cannot be."""
    member.may_decide("correct a level")
    slot = tx.get(Slot, member.household_id, slot_id)
    level = level_of(tx, tx.get(Device, member.household_id, slot.device_id), slot)
    if not 0 <= quantity <= 1.25 * slot.capacity:
        raise Invalid("quantity", f"the slot holds 0 to {slot.capacity:g} {slot.unit}")
    tracker = forecasting.LevelTracker.from_dict(level.tracker)
    corrected, settled = forecasting.correct_level(tracker, max(now_us, tracker.last_us or 0), quantity)
    if settled is not None:
        settle_pending(tx, slot, settled)
    _save_by_hand(tx, slot, corrected, now_us)


def put_in_pack(tx: Transaction, member: Member, slot_id: str, *, size: float | None, now_us: int) -> None:
    """Note that a person put a new pack into a slot (`size` in its unit, None: it is full now)."""
    member.may_decide("note a refill")
    slot = tx.get(Slot, member.household_id, slot_id)
    level = level_of(tx, tx.get(Device, member.household_id, slot.device_id), slot)
    if size is not None and not 0 < size <= 10 * slot.capacity:
        raise Invalid("size", f"give the pack's size in {slot.unit}, up to {10 * slot.capacity:g}")
    tracker = forecasting.LevelTracker.from_dict(level.tracker)
    filled, refill = forecasting.add_pack(tracker, max(now_us, tracker.last_us or 0), size)
    _save_by_hand(tx, slot, filled, now_us)
    save_refill(tx, slot, refill, None, now_us)


def set_shelf(tx: Transaction, member: Member, supply_id: str, quantity: float, *, now_us: int) -> Supply:
    """Say how much stands unopened on the shelf, in the supply's unit."""
    member.may_decide("count the shelf")
    supply = tx.get(Supply, member.household_id, supply_id)
    most = SHELF_FACTOR * most_kept(tx, supply)
    if not 0 <= quantity <= most:
        shown = forecasting.amount(most, supply.unit)
        raise Invalid("quantity", f"give what is on the shelf, 0 or more, and at most {shown}")
    supply = replace(supply, sealed_quantity=quantity)
    tx.save(supply)
    tx.enqueue("forecast", supply.household_id, supply.id, due_us=now_us)
    return supply


def icon_of(kind: DeviceKind, slot: SlotKind) -> str:
    """Return the picture of a supply: its own where there is one, else its device's."""
    return SUPPLY_ICONS.get(slot.supply, kind.icon)


SUPPLY_ICONS = {
    "milk": "milk",
    "eggs": "egg",
    "juice": "cup-soda",
    "fuel": "fuel",
    "coffee-beans": "coffee",
    "pet-food": "cat",
    "water-filter": "glass-water",
    "adblue": "droplet",
    "softener": "droplets",
}


def _save_by_hand(tx: Transaction, slot: Slot, tracker: forecasting.LevelTracker, now_us: int) -> None:
    level = level_of(tx, tx.get(Device, slot.household_id, slot.device_id), slot)
    tx.save(replace(with_tracker(level, tracker), as_of_us=now_us, state=None, signed=True, by_hand=True))
    if slot.supply_id is not None:
        tx.enqueue("forecast", slot.household_id, slot.supply_id, due_us=now_us)


def _public_key(text: str | None) -> str | None:
    if text is None or not text.strip():
        return None
    try:
        key = PublicKey.from_hex(text.strip())
    except BadIdentity as error:
        raise Invalid("public_key", str(error)) from None
    if key.is_weak:
        raise Invalid("public_key", "anybody can sign for this key; give one that the device made by chance")
    return key.hex()
