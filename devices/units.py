"""The units a slot may be measured in, and conversion inside a dimension."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from devices.errors import BadUnit


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit: `in_base` of its dimension's base unit make one of it."""

    name: str
    dimension: str
    in_base: float


def _table(*units: Unit) -> MappingProxyType[str, Unit]:
    return MappingProxyType({unit.name: unit for unit in units})


# Things that are counted are dimensions of their own: a page is never a wash.
UNITS: Final = _table(
    Unit("ml", "volume", 1e-3),
    Unit("cl", "volume", 1e-2),
    Unit("dl", "volume", 1e-1),
    Unit("l", "volume", 1.0),
    Unit("m3", "volume", 1e3),
    Unit("mg", "mass", 1e-3),
    Unit("g", "mass", 1.0),
    Unit("kg", "mass", 1e3),
    Unit("piece", "piece", 1.0),
    Unit("%", "share", 1.0),
    Unit("Wh", "energy", 1e-3),
    Unit("kWh", "energy", 1.0),
    Unit("m", "length", 1e-3),
    Unit("km", "length", 1.0),
    Unit("s", "time", 1 / 3600),
    Unit("min", "time", 1 / 60),
    Unit("h", "time", 1.0),
    Unit("d", "time", 24.0),
    Unit("page", "page", 1.0),
    Unit("wash", "wash", 1.0),
    Unit("cup", "cup", 1.0),
    Unit("cycle", "cycle", 1.0),
)


def convert(quantity: float, unit: str, into: str) -> float:
    """The same quantity in another unit of its dimension; raises `BadUnit` for anything else.

    >>> convert(250, "ml", "l")
    0.25
    >>> convert(2, "kg", "g")
    2000.0
    """
    for name in (unit, into):
        if name not in UNITS:
            raise BadUnit(f"unknown unit {name!r}")
    source, target = UNITS[unit], UNITS[into]
    if source.dimension != target.dimension:
        raise BadUnit(f"{unit} is a unit of {source.dimension}, {into} of {target.dimension}")
    if source is target:
        return quantity
    return quantity * source.in_base / target.in_base
