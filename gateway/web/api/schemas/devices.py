"""Devices, what was asked of them and what of theirs could not be counted, as the API sends them."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from gateway.domain.stock import DeviceState, Quarantined
from gateway.web.api.schemas.common import Answer, moment
from gateway.web.views.activity import preview
from gateway.web.views.asking import Asking, AskingState
from gateway.web.views.devices import DeviceRow


class SlotBody(Answer):
    """One consumable place in a device."""

    id: str
    name: str
    measure: Literal["level", "counter", "increment", "ordinal"]
    unit: str
    capacity: float
    supply_id: str | None


class AskingBody(Answer):
    """What became of the last wish that a device report at once. `reported`: it has reported since, asked or not."""

    state: AskingState
    asked_at: datetime | None
    sent_at: datetime | None
    said: str

    @classmethod
    def of(cls, asking: Asking) -> "AskingBody":
        """Make it from the last wish."""
        return cls(
            state=asking.state, asked_at=moment(asking.asked_us), sent_at=moment(asking.sent_us), said=asking.said
        )


class DeviceBody(Answer):
    """A thing that reports."""

    id: str
    name: str
    kind: str
    room: str
    state: DeviceState
    online: bool | None
    silent: bool = Field(description="Not heard for two days or more.")
    signed: bool = Field(description="A public key is registered: its word can be trusted.")
    last_seen: datetime | None
    asked: AskingBody | None = Field(description="The last wish that it report at once; null: nobody asked.")
    slots: list[SlotBody]

    @classmethod
    def of(cls, row: DeviceRow, asking: Asking | None) -> "DeviceBody":
        """Make it from the device's row."""
        return cls(
            id=row.id,
            name=row.name,
            kind=row.kind,
            room=row.room,
            state=row.state,
            online=row.online,
            silent=row.silent,
            signed=row.signed,
            last_seen=moment(row.last_seen_us),
            asked=None if asking is None else AskingBody.of(asking),
            slots=[
                SlotBody.model_validate(
                    {
                        "id": slot.id,
                        "name": slot.name,
                        "measure": slot.measure,
                        "unit": slot.unit,
                        "capacity": slot.capacity,
                        "supply_id": slot.supply_id,
                    }
                )
                for slot in row.slots
            ],
        )


class QuarantineBody(Answer):
    """A message that could not be counted; `payload` is the beginning of its bytes."""

    id: str
    device_id: str | None
    sender: str
    topic: str
    reason: str
    detail: str
    payload: str
    size_bytes: int
    received_at: datetime | None

    @classmethod
    def of(cls, row: Quarantined) -> "QuarantineBody":
        """Make it from the quarantined row."""
        return cls(
            id=row.id,
            device_id=row.device_id,
            sender=row.sender,
            topic=row.topic,
            reason=row.reason,
            detail=row.detail,
            payload=preview(row.payload),
            size_bytes=len(row.payload),
            received_at=moment(row.received_us),
        )
