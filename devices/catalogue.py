"""The kinds of devices known by name: their slots, units and capacities, as data in kinds.json."""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Literal

SlotMeasure = Literal["level", "counter", "increment", "ordinal"]


@dataclass(frozen=True, slots=True)
class SlotKind:
    """One consumable place of a kind of device.

    `supply` is the kind of supply that goes into it; `capacity` and `packs` (the sizes it is usually bought in; empty
    for what no shop delivers) are in `unit`. `measure` says what the device can tell: a level, a counter that only
    grows, increments, or an ordinal.
    """

    name: str
    title: str
    supply: str
    unit: str
    capacity: float
    measure: SlotMeasure
    packs: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class DeviceKind:
    """A kind of device; `icon` names a picture of the Lucide set."""

    name: str
    title: str
    icon: str
    slots: tuple[SlotKind, ...]

    def slot(self, name: str) -> SlotKind:
        """The slot of that name; `KeyError` when this kind has none."""
        for slot in self.slots:
            if slot.name == name:
                return slot
        raise KeyError(name)


@functools.cache
def kinds() -> Mapping[str, DeviceKind]:
    """All kinds by name, in the order of the file.

    >>> kinds()["fridge"].slot("milk").unit
    'l'
    """
    text = resources.files("devices").joinpath("kinds.json").read_text(encoding="utf-8")
    return MappingProxyType(
        {
            name: DeviceKind(
                name=name,
                title=entry["title"],
                icon=entry["icon"],
                slots=tuple(SlotKind(**(slot | {"packs": tuple(slot["packs"])})) for slot in entry["slots"]),
            )
            for name, entry in json.loads(text).items()
        }
    )
