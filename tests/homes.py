"""Whole households for tests, and what their devices say.

`home()` is the household most tests live in: Ana's, with one fridge whose milk the shop sells, a linked account and
its mandate.
"""

import forecasting
from devices.envelope import seal, seal_plain
from devices.formats.native import encode_report
from devices.readings import Reading as Said
from devices.readings import Report, State
from gateway.domain.household import Household, Member
from gateway.domain.payment import Mandate, PaymentMethod
from gateway.domain.records import MerchantAccount
from gateway.domain.replenishment import Policy
from gateway.domain.stock import Device, Level, Measure, PackOption, Slot, Supply
from tests.builders import FRIDGE, build
from tests.fakes import START_US


def home(**of_milk: object) -> list[object]:
    """Return Ana's household before anything was bought; what is given changes the milk's policy."""
    return [
        build(MerchantAccount),
        build(Household),
        build(Member),
        build(Device),
        *supply("milk", **of_milk),
        build(PaymentMethod),
        build(Mandate),
    ]


def supply(
    name: str,
    *,
    device_id: str = "fridge",
    kind: str | None = None,
    unit: str = "l",
    capacity: float = 1.0,
    measure: Measure = Measure.LEVEL,
    pack_size: float = 1.0,
    price_minor: int = 120,
    sealed: float = 0.0,
    **policy: object,
) -> list[object]:
    """Return a supply with its policy, one slot and its usual pack at the shop."""
    kind = kind or name
    return [
        build(Supply, id=name, name=name.capitalize(), kind=kind, unit=unit, sealed_quantity=sealed),
        build(Policy, id=name, supply_id=name, **policy),
        build(
            Slot,
            id=f"{name}-slot",
            device_id=device_id,
            supply_id=name,
            name=name,
            kind=kind,
            unit=unit,
            capacity=capacity,
            measure=measure,
        ),
        build(
            PackOption,
            id=f"{name}-pack",
            supply_id=name,
            sku=f"{name}-usual",
            name=f"Usual {name}",
            pack_size=pack_size,
            last_price_minor=price_minor,
        ),
    ]


def known_level(
    name: str, quantity: float, *, at_us: int = START_US, capacity: float = 1.0, **changes: object
) -> Level:
    """Return a slot's level as if one reading had said so."""
    tracker, _ = forecasting.track(
        forecasting.start_tracking("level", capacity=capacity), forecasting.Reading(at_us, quantity)
    )
    level = forecasting.level_of(tracker)
    assert level is not None
    values: dict[str, object] = {
        "id": f"{name}-slot",
        "slot_id": f"{name}-slot",
        "quantity": level.mean,
        "sd": level.sd,
        "consumed": (),
        "as_of_us": at_us,
        "reading_id": None,
        "tracker": tracker.to_dict(),
    }
    return build(Level, **{**values, **changes})


def telling(
    epoch: int, seq: int, *readings: Said, ts_us: int | None = None, lost: tuple[tuple[int, int], ...] = ()
) -> bytes:
    """Return a message the fridge signed."""
    return seal(FRIDGE, epoch, seq, encode_report(Report(ts_us, readings, lost), "cbor"))


def telling_unsigned(epoch: int, seq: int, *readings: Said, ts_us: int | None = None) -> bytes:
    """Return a message nobody signed."""
    return seal_plain(epoch, seq, encode_report(Report(ts_us, readings), "json"))


def left(slot: str, quantity: float | None, unit: str = "l") -> Said:
    """Return "so much is left"."""
    return Said(slot, "left", quantity, unit, None, None)


def used_total(slot: str, quantity: float, unit: str = "g", state: State | None = None) -> Said:
    """Return "so much was ever used"."""
    return Said(slot, "used_total", quantity, unit, state, None)


def used(slot: str, quantity: float, unit: str = "g") -> Said:
    """Return "so much was used since I last spoke"."""
    return Said(slot, "used", quantity, unit, None, None)


def word(slot: str, state: State | None) -> Said:
    """Return a word instead of a number."""
    return Said(slot, "state", None, None, state, None)
