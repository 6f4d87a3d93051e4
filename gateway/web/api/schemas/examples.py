"""One example for each body: shown in the API's description, and proved to be a true answer by a test."""

from typing import Any

from gateway.web.api.schemas.common import (
    ATTEMPT_ID,
    CART_ID,
    HOUSEHOLD_ID,
    LINE_ID,
    MANDATE_ID,
    METHOD_ID,
    ORDER_ID,
    SUPPLY_ID,
)


def _eur(amount_minor: int) -> dict[str, Any]:
    return {"amount_minor": amount_minor, "currency": "EUR"}


HOUSEHOLD_EXAMPLE: dict[str, Any] = {
    "id": HOUSEHOLD_ID,
    "name": "Rosa Street 12",
    "time_zone": "Europe/Madrid",
    "currency": "EUR",
    "frozen_since": None,
    "members": 3,
    "devices": 6,
    "waiting_carts": 1,
    "member_id": "01997f00-0000-7000-8000-000000000011",
    "member_name": "Ana Marín",
    "member_role": "owner",
}
FORECAST_EXAMPLE: dict[str, Any] = {
    "id": "01997f00-0000-7000-8000-000000000111",
    "made_at": "2026-11-24T17:00:00Z",
    "on_hand": 240.0,
    "p10": "2026-11-28T09:00:00Z",
    "p50": "2026-11-29T12:00:00Z",
    "p90": "2026-11-30T20:00:00Z",
    "beyond": False,
    "order_by": "2026-11-25T09:00:00Z",
    "reorder_quantity": 300.0,
    "target_quantity": 1100.0,
    "service_held": 0.95,
    "advice": [],
    "daily_use": 48.0,
    "model": "gamma-negative-binomial",
    "signed": True,
    "fresh_until": "2026-11-27T17:00:00Z",
    "reasons": ["48 g a day over the last 14 readings", "weekends use more"],
}
SUPPLY_EXAMPLE: dict[str, Any] = {
    "id": SUPPLY_ID,
    "name": "Coffee beans",
    "kind": "coffee-beans",
    "state": "low",
    "device": "Jura E8",
    "room": "Kitchen",
    "level": {"quantity": 240.0, "unit": "g", "capacity": 1000.0, "percent": 24.0, "sealed_quantity": 0.0},
    "run_out": "Runs out 28–30 Nov",
    "forecast": FORECAST_EXAMPLE,
    "plan": {
        "kind": "waiting",
        "words": "Waiting for your OK",
        "plan_id": None,
        "cart_id": CART_ID,
        "order_id": None,
        "packs": None,
        "order_by": "2026-11-25T09:00:00Z",
        "reasons": [],
    },
}
POLICY_EXAMPLE: dict[str, Any] = {
    "supply_id": SUPPLY_ID,
    "enabled": True,
    "service_level": 0.95,
    "target_days": 21.0,
    "minimum_quantity": 0.0,
    "maximum_quantity": None,
    "lead_time_days": 2.0,
    "approval_days": 1.0,
    "decide_hours": 48.0,
    "price_tolerance_percent": 10.0,
}
DEVICE_EXAMPLE: dict[str, Any] = {
    "id": "jura-e8-kitchen",
    "name": "Jura E8",
    "kind": "coffee-machine",
    "room": "Kitchen",
    "state": "active",
    "online": True,
    "silent": False,
    "signed": True,
    "last_seen": "2026-11-24T17:02:00Z",
    "asked": {
        "state": "reported",
        "asked_at": "2026-11-24T17:01:59Z",
        "sent_at": "2026-11-24T17:01:59Z",
        "said": "Asked 3 min ago, and it has reported since.",
    },
    "slots": [
        {
            "id": "01997f00-0000-7000-8000-000000000121",
            "name": "beans",
            "measure": "counter",
            "unit": "g",
            "capacity": 1000.0,
            "supply_id": SUPPLY_ID,
        }
    ],
}
QUARANTINE_EXAMPLE: dict[str, Any] = {
    "id": "01997f00-0000-7000-8000-000000000131",
    "device_id": "jura-e8-kitchen",
    "sender": "jura-e8-kitchen",
    "topic": "replenish/v1/jura-e8-kitchen/telemetry",
    "reason": "bad-signature",
    "detail": "the signature does not fit the registered key",
    "payload": "52 50 31 00",
    "size_bytes": 180,
    "received_at": "2026-11-24T16:40:00Z",
}
CART_EXAMPLE: dict[str, Any] = {
    "id": CART_ID,
    "state": "awaiting_approval",
    "version": 1,
    "merchant_id": "bio-home-market",
    "merchant": "Bio & Home Market",
    "lines": [
        {
            "id": LINE_ID,
            "supply_id": SUPPLY_ID,
            "sku": "verona-1kg",
            "name": "Espresso beans Verona",
            "detail": "1 kg",
            "pack_size": 1000.0,
            "packs": 1,
            "unit_price": _eur(1890),
            "amount": _eur(1890),
            "price_change": _eur(90),
            "why": "24 % left, empty 28–30 Nov",
            "refill_seen": False,
            "alternatives": [
                {
                    "sku": "aurora-1kg",
                    "name": "Caffè Aurora dark roast",
                    "detail": "1 kg",
                    "pack_size": 1000.0,
                    "unit_price": _eur(1649),
                    "in_stock": True,
                    "chosen": False,
                }
            ],
        }
    ],
    "goods": _eur(1890),
    "delivery": _eur(0),
    "total": _eur(1890),
    "promised": "2026-11-27T12:00:00Z",
    "decide_by": "2026-11-26T09:00:00Z",
    "undo_until": None,
    "payment_method_id": "01997f00-0000-7000-8000-000000000501",
    "signed": True,
    "needs_person": [],
    "approved_by": None,
    "note": "",
    "steps": [],
    "order_id": None,
    "payment_id": None,
    "created": "2026-11-24T16:00:00Z",
}
ORDER_EXAMPLE: dict[str, Any] = {
    "id": ORDER_ID,
    "cart_id": CART_ID,
    "payment_id": ATTEMPT_ID,
    "state": "delivered",
    "merchant": "Bio & Home Market",
    "merchant_ref": "BHM-10042",
    "total": _eur(1890),
    "placed": "2026-11-24T17:06:00Z",
    "promised": "2026-11-27T12:00:00Z",
    "late": False,
    "note": "",
    "lines": [
        {
            "id": "01997f00-0000-7000-8000-000000000311",
            "supply_id": SUPPLY_ID,
            "sku": "verona-1kg",
            "name": "Espresso beans Verona",
            "packs": 1,
            "packs_shipped": 1,
            "packs_delivered": 1,
            "packs_refunded": 0,
            "amount": _eur(1890),
            "state": "delivered",
            "delivered": "2026-11-27T11:20:00Z",
            "refill_seen": True,
            "refill_id": "01997f00-0000-7000-8000-000000000321",
        }
    ],
    "shipments": [
        {
            "id": "01997f00-0000-7000-8000-000000000331",
            "state": "delivered",
            "amount": _eur(1890),
            "shipped": "2026-11-25T15:00:00Z",
            "delivered": "2026-11-27T11:20:00Z",
        }
    ],
    "steps": [
        {"key": "approved", "state": "done", "words": "Approved by Ana Marín", "at": "2026-11-24T17:05:00Z"},
        {"key": "delivered", "state": "done", "words": "Delivered", "at": "2026-11-27T11:20:00Z"},
    ],
}
PAYMENT_EXAMPLE: dict[str, Any] = {
    "id": ATTEMPT_ID,
    "cart_id": CART_ID,
    "order_id": ORDER_ID,
    "state": "captured",
    "merchant": "Bio & Home Market",
    "method": "Sandbox bank ending 4242",
    "funding": "provider",
    "amount": _eur(1890),
    "captured": _eur(1890),
    "refunded": _eur(0),
    "created": "2026-11-24T17:05:20Z",
}
PAYMENT_DETAIL_EXAMPLE: dict[str, Any] = PAYMENT_EXAMPLE | {
    "chain": {
        "operations": [
            {
                "id": "01997f00-0000-7000-8000-000000000411",
                "kind": "capture",
                "state": "succeeded",
                "amount": _eur(1890),
                "provider_ref": "sb_0042",
                "note": "",
                "created": "2026-11-25T15:01:00Z",
                "closed": "2026-11-25T15:01:01Z",
                "journal_ids": ["01997f00-0000-7000-8000-000000000421"],
            }
        ],
        "approval": {
            "id": "01997f00-0000-7000-8000-000000000431",
            "by_mandate": False,
            "who": "Ana Marín",
            "mandate_id": MANDATE_ID,
            "amount": _eur(1890),
            "state": "standing",
            "at": "2026-11-24T17:05:00Z",
        },
        "lines": [
            {
                "line_id": LINE_ID,
                "supply_id": SUPPLY_ID,
                "what": "1 × Espresso beans Verona",
                "amount": _eur(1890),
                "plan_id": "01997f00-0000-7000-8000-000000000441",
                "plan_reasons": ["Order by 25 Nov: two days of delivery, one day to answer"],
                "forecast_id": "01997f00-0000-7000-8000-000000000111",
                "forecast_reasons": ["48 g a day over the last 14 readings"],
                "forecast_model": "gamma-negative-binomial",
                "readings": [
                    {
                        "id": "01997f00-0000-7000-8000-000000000451",
                        "device_id": "jura-e8-kitchen",
                        "slot": "beans",
                        "level": "5,140 g",
                        "at": "2026-11-24T17:00:00Z",
                        "epoch": 3,
                        "seq": 1040,
                        "signed": True,
                    }
                ],
                "readings_in_all": 14,
                "signature": "verified",
            }
        ],
    }
}
POSTING_EXAMPLE: dict[str, Any] = {
    "id": "01997f00-0000-7000-8000-000000000461",
    "journal_id": "01997f00-0000-7000-8000-000000000421",
    "source_id": "01997f00-0000-7000-8000-000000000411",
    "kind": "capture",
    "memo": "Espresso beans Verona",
    "pending": False,
    "account_id": "01997f00-0000-7000-8000-000000000471",
    "account": "provider_clearing:sandbox",
    "amount": _eur(1890),
    "at": "2026-11-25T15:01:01Z",
}
ACCOUNT_EXAMPLE: dict[str, Any] = {
    "id": "01997f00-0000-7000-8000-000000000471",
    "code": "provider_clearing:sandbox",
    "name": "Clearing at sandbox",
    "balance": _eur(1890),
    "pending": _eur(0),
}
MANDATE_EXAMPLE: dict[str, Any] = {
    "id": MANDATE_ID,
    "payment_method_id": METHOD_ID,
    "state": "active",
    "standing": False,
    "per_order": _eur(8000),
    "per_period": _eur(18000),
    "period_days": 30,
    "per_merchant": None,
    "used": _eur(9620),
    "left": _eur(8380),
    "per_period_count": None,
    "merchant_ids": None,
    "device_ids": None,
    "supply_ids": None,
    "price_tolerance_percent": 10.0,
    "valid_from": "2026-09-01T00:00:00Z",
    "valid_until": None,
}
METHOD_EXAMPLE: dict[str, Any] = {
    "id": METHOD_ID,
    "label": "Sandbox bank ending 4242",
    "adapter": "sandbox",
    "funding": "provider",
    "currency": "EUR",
    "state": "active",
    "rank": 0,
    "created": "2026-09-01T00:00:00Z",
}
EXPORT_EXAMPLE: dict[str, Any] = {
    "format": "replenish-export/1",
    "exported_at": "2026-11-24T17:05:00Z",
    "entities": {
        "household": [
            {
                "id": HOUSEHOLD_ID,
                "household_id": HOUSEHOLD_ID,
                "name": "Rosa Street 12",
                "time_zone": "Europe/Madrid",
                "currency": "EUR",
                "frozen_since_us": None,
                "created_us": 1787763900000000,
            }
        ],
        "refills": [],
    },
}
