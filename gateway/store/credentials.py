"""Which devices may connect, as the brokers ask it."""

from collections.abc import Collection, Mapping

from gateway.domain.stock import Device, DeviceState
from gateway.steps.ports import UnitOfWork


class DeviceCredentials:
    """The port of the brokers to the devices on record: who may connect now."""

    def __init__(self, unit_of_work: UnitOfWork) -> None:
        self._unit_of_work = unit_of_work

    def __call__(self, device_ids: Collection[str]) -> Mapping[str, str]:
        """Return the secret hashes of those of these devices that may connect."""
        with self._unit_of_work.read() as tx:
            devices = tx.find(Device, None, id=frozenset(device_ids))
        return {device.id: device.secret_hash for device in devices if device.state is not DeviceState.REMOVED}

    def everyone(self) -> list[tuple[str, str]]:
        """Return (device id, secret hash) of all that may connect, for a broker's own password file."""
        with self._unit_of_work.read() as tx:
            return [
                (device.id, device.secret_hash)
                for device in tx.every(Device, None, state=frozenset({DeviceState.ACTIVE, DeviceState.FROZEN}))
            ]
