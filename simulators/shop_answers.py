"""What the pretend shop says of an order: its record read at an instant. Nothing here changes anything."""

from typing import Any, Literal

from simulators.shop_book import Record
from simulators.shop_catalogue import CURRENCY
from simulators.shop_story import PlannedParcel


def placed(record: Record) -> dict[str, Any]:
    """The answer to POST /orders: accepted, or refused with a code and words."""
    if record.refused_code is not None:
        return {"outcome": "refused", "code": record.refused_code, "message": record.message}
    return {
        "outcome": "accepted",
        "merchant_ref": record.merchant_ref,
        "currency": CURRENCY,
        "total_minor": record.total_minor,
        "promised_us": record.promised_us,
    }


def status(record: Record, now_us: int) -> dict[str, Any]:
    """Where the order stands, with the parcels that have left."""
    return {
        "reference": record.reference,
        "merchant_ref": record.merchant_ref,
        "state": state(record, now_us),
        "message": record.message,
        "currency": CURRENCY,
        "total_minor": record.total_minor,
        "promised_us": record.promised_us,
        "parcels": [_parcel(parcel, now_us) for parcel in _parcels_sent(record, now_us)],
    }


def _parcels_sent(record: Record, now_us: int) -> list[PlannedParcel]:
    if record.cancelled_us is not None:
        return []
    return [parcel for parcel in record.parcels if parcel.shipped_us <= now_us]


def _parcel_state(parcel: PlannedParcel, now_us: int) -> Literal["shipped", "delivered", "lost"]:
    if parcel.arrives_us is not None and parcel.arrives_us <= now_us:
        return "delivered"
    if parcel.lost_us is not None and parcel.lost_us <= now_us:
        return "lost"
    return "shipped"


def state(record: Record, now_us: int) -> str:
    """The order's state: accepted, shipped, then delivered or lost; or rejected, cancelled."""
    if record.refused_code is not None:
        return "rejected"
    if record.cancelled_us is not None:
        return "cancelled"
    sent = _parcels_sent(record, now_us)
    if not sent:
        return "accepted"
    states = {_parcel_state(parcel, now_us) for parcel in sent}
    if "shipped" in states or len(sent) < len(record.parcels):
        return "shipped"
    return "delivered" if "delivered" in states else "lost"


def _parcel(parcel: PlannedParcel, now_us: int) -> dict[str, Any]:
    parcel_state = _parcel_state(parcel, now_us)
    delivered = parcel_state == "delivered"
    return {
        "parcel_ref": parcel.parcel_ref,
        "state": parcel_state,
        "amount_minor": parcel.amount_minor,
        "shipped_us": parcel.shipped_us,
        "delivered_us": parcel.arrives_us if delivered else None,
        "lines": [
            {
                "line_ref": line.line_ref,
                "packs": line.packs,
                "packs_delivered": line.packs_arriving if delivered else None,
            }
            for line in parcel.lines
        ],
    }
