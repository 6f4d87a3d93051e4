"""The file that tells who lives here: devices with their keys, the broker, the shop's doorstep. Written by the demo."""

import re
from pathlib import Path

import msgspec

from devices import DeviceError, kinds

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
MAX_DEVICES = 1000


class BadHousehold(DeviceError):
    """A household file that cannot be used; says which and why."""


class ShopAddress(msgspec.Struct, frozen=True):
    """Where deliveries are asked for, and the token that allows it."""

    url: str
    token: str


class DeviceEntry(msgspec.Struct, frozen=True):
    """One device: its id and keys are the gateway's business, its name is what its story depends on."""

    device_id: str
    kind: str
    name: str
    private_key: str
    secret: str | None = None


class HouseholdFile(msgspec.Struct, frozen=True):
    """The whole file. `start_us` is when the story begins, `clock` the clock file for running freely."""

    household: str
    seed: int
    broker: str
    devices: list[DeviceEntry]
    start_us: int
    shop: ShopAddress | None = None
    clock: str | None = None
    time_zone: str = "UTC"

    @property
    def broker_address(self) -> tuple[str, int]:
        """Host and port."""
        return split_address(self.broker)


def read_household(path: Path) -> HouseholdFile:
    """Read a file; raises `BadHousehold`."""
    try:
        household = msgspec.json.decode(path.read_bytes(), type=HouseholdFile)
    except (OSError, msgspec.DecodeError) as error:
        raise BadHousehold(f"{path}: {error}") from error
    check_household(household, str(path))
    return household


def check_household(household: HouseholdFile, source: str) -> None:
    """Raise `BadHousehold` for what the types cannot say."""
    if _KEY.fullmatch(household.household) is None:
        raise BadHousehold(f"{source}: {household.household!r} cannot name a household's directory")
    if len(household.devices) > MAX_DEVICES:
        raise BadHousehold(f"{source}: {len(household.devices)} devices, at most {MAX_DEVICES}")
    names = [device.name for device in household.devices]
    if len(set(names)) < len(names):
        raise BadHousehold(f"{source}: two devices have the same name")
    for device in household.devices:
        if device.kind not in kinds():
            raise BadHousehold(f"{source}: {device.kind!r} is none of {', '.join(kinds())}")
    split_address(household.broker)


def split_address(address: str) -> tuple[str, int]:
    """Read HOST:PORT; raises `BadHousehold`.

    >>> split_address("127.0.0.1:1883")
    ('127.0.0.1', 1883)
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise BadHousehold(f"{address!r} is not HOST:PORT")
    return host.strip("[]"), int(port)
