"""Policies, forecasts and plans."""

from typing import Any

from sqlalchemy import Index, text

from gateway.store.tables.columns import Owned, big, json, maybe_big, of


class PolicyRow(Owned, table=True):
    __tablename__ = "policy"
    __table_args__ = (of("supply", "supply_id"),)
    supply_id: str
    enabled: bool
    service_level: float
    target_days: float
    minimum_quantity: float
    lead_time_days: float
    approval_days: float
    decide_hours: float
    price_tolerance_percent: float
    maximum_quantity: float | None = None


class ForecastStateRow(Owned, table=True):
    __tablename__ = "forecast_state"
    __table_args__ = (of("slot", "slot_id"),)
    slot_id: str
    state: Any = json()


class ForecastRow(Owned, table=True):
    __tablename__ = "forecast"
    __table_args__ = (
        of("supply", "supply_id"),
        Index("forecast_current", "household_id", "supply_id", "current"),
    )
    supply_id: str
    made_us: int = big()
    on_hand: float | None = None
    capacity: float
    p10_us: int | None = maybe_big()
    p50_us: int | None = maybe_big()
    p90_us: int | None = maybe_big()
    beyond: bool
    order_by_us: int | None = maybe_big()
    reorder_quantity: float | None = None
    daily_use: float | None = None
    model: str
    signed: bool
    fresh_until_us: int = big()
    reasons: Any = json()
    evidence: Any = json()
    band: Any = json()
    current: bool
    sealed_quantity: float = 0.0
    target_quantity: float | None = None
    service_held: float | None = None
    advice: Any = json()


class SecondOpinionRow(Owned, table=True):
    __tablename__ = "second_opinion"
    __table_args__ = (of("supply", "supply_id"),)
    supply_id: str
    made_us: int = big()
    model: str
    p10_us: int | None = maybe_big()
    p50_us: int | None = maybe_big()
    p90_us: int | None = maybe_big()
    note: str


class PlanRow(Owned, table=True):
    __tablename__ = "plan"
    __table_args__ = (
        of("supply", "supply_id"),
        of("forecast", "forecast_id"),
        of("pack_option", "pack_option_id"),
        Index("plan_by_forecast", "household_id", "forecast_id"),
        Index("plan_by_state", "household_id", "state"),
        # Never two open orders for one supply: at most one live plan, whatever races.
        Index(
            "one_live_plan_per_supply",
            "household_id",
            "supply_id",
            unique=True,
            sqlite_where=text("state IN ('open', 'carted')"),
            postgresql_where=text("state IN ('open', 'carted')"),
        ),
    )
    supply_id: str
    forecast_id: str
    merchant_id: str
    pack_option_id: str
    packs: int
    order_by_us: int = big()
    needed_by_us: int | None = maybe_big()
    signed: bool
    fresh_until_us: int = big()
    state: str
    reasons: Any = json()
    policy: Any = json()
    created_us: int = big()
