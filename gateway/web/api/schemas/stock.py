"""Household, supplies, forecasts, policies and the export as the API sends them."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from gateway.domain.household import Role
from gateway.domain.replenishment import Forecast, Plan, Policy
from gateway.web.api.schemas.common import Answer, moment
from gateway.web.views.household import HouseholdHeader
from gateway.web.views.outlook import PlanKind
from gateway.web.views.supplies import SupplyRow, TileState


class HouseholdBody(Answer):
    """The household the token acts for, and the member it acts as."""

    id: str
    name: str
    time_zone: str
    currency: str
    frozen_since: datetime | None = Field(description="Since then nothing is planned, sent or debited.")
    members: int
    devices: int
    waiting_carts: int
    member_id: str
    member_name: str
    member_role: Role

    @classmethod
    def of(cls, header: HouseholdHeader, role: Role) -> "HouseholdBody":
        """Make it from the name plate."""
        return cls(
            id=header.id,
            name=header.name,
            time_zone=header.time_zone,
            currency=header.currency,
            frozen_since=moment(header.frozen_since_us),
            members=header.members,
            devices=header.devices,
            waiting_carts=header.waiting,
            member_id=header.member_id,
            member_name=header.member_name,
            member_role=role,
        )


class LevelBody(Answer):
    """What the devices hold. `quantity` null: unknown, which is not zero."""

    quantity: float | None
    unit: str
    capacity: float
    percent: float | None
    sealed_quantity: float = Field(description="In unopened packs on the shelf, not part of `quantity`.")


class ForecastBody(Answer):
    """When it runs empty: in 1, 5 and 9 of 10 outcomes it is empty before p10, p50 and p90.

    An instant is null when the level is unknown, or (`beyond`) when it lies past the horizon.
    """

    id: str
    made_at: datetime
    on_hand: float | None
    p10: datetime | None
    p50: datetime | None
    p90: datetime | None
    beyond: bool
    order_by: datetime | None
    reorder_quantity: float | None
    target_quantity: float | None = Field(description="An order lifts the stock to it.")
    service_held: float | None = Field(description="The share of cycles that do not run empty with this policy.")
    advice: list[str] = Field(description="Where the policy asks for more than its limits allow, and what would help.")
    daily_use: float | None
    model: str
    signed: bool = Field(description="Every reading behind it was signed by its device.")
    fresh_until: datetime
    reasons: list[str]

    @classmethod
    def of(cls, row: Forecast) -> "ForecastBody":
        """Make it from the forecast."""
        made_at, fresh_until = moment(row.made_us), moment(row.fresh_until_us)
        assert made_at is not None
        assert fresh_until is not None
        return cls(
            id=row.id,
            made_at=made_at,
            on_hand=row.on_hand,
            p10=moment(row.p10_us),
            p50=moment(row.p50_us),
            p90=moment(row.p90_us),
            beyond=row.beyond,
            order_by=moment(row.order_by_us),
            reorder_quantity=row.reorder_quantity,
            target_quantity=row.target_quantity,
            service_held=row.service_held,
            advice=list(row.advice),
            daily_use=row.daily_use,
            model=row.model,
            signed=row.signed,
            fresh_until=fresh_until,
            reasons=list(row.reasons),
        )


class PlanBody(Answer):
    """What will be bought, by when and why. `words` says it as the pages do."""

    kind: PlanKind
    words: str
    plan_id: str | None
    cart_id: str | None
    order_id: str | None
    packs: int | None
    order_by: datetime | None
    reasons: list[str]

    @classmethod
    def of(cls, row: SupplyRow, plan: Plan | None, *, cart_id: str | None, order_id: str | None) -> "PlanBody":
        """Make it from the supply's row and its open plan."""
        return cls(
            kind=row.plan_kind,
            words=row.plan,
            plan_id=plan.id if plan else None,
            cart_id=cart_id,
            order_id=order_id,
            packs=plan.packs if plan else None,
            order_by=moment(plan.order_by_us if plan else row.order_by_us),
            reasons=list(plan.reasons) if plan else [],
        )


class SupplyBody(Answer):
    """What a household keeps in stock, how much is left, when it runs out and what is planned."""

    id: str
    name: str
    kind: str
    state: TileState
    device: str
    room: str
    level: LevelBody
    run_out: str
    forecast: ForecastBody | None
    plan: PlanBody

    @classmethod
    def of(cls, row: SupplyRow, forecast: Forecast | None, plan: PlanBody) -> "SupplyBody":
        """Make it from the supply's row."""
        return cls(
            id=row.id,
            name=row.name,
            kind=row.kind,
            state=row.state,
            device=row.device,
            room=row.room,
            level=LevelBody(
                quantity=row.quantity,
                unit=row.unit,
                capacity=row.capacity,
                percent=row.level_percent,
                sealed_quantity=row.sealed_quantity,
            ),
            run_out=row.run_out,
            forecast=None if forecast is None else ForecastBody.of(forecast),
            plan=plan,
        )


class PolicyBody(Answer):
    """How one supply is kept."""

    supply_id: str
    enabled: bool
    service_level: float = Field(description="The share of cycles that must not run empty.")
    target_days: float
    minimum_quantity: float
    maximum_quantity: float | None = Field(description="The room there is for it; null: as much as is needed.")
    lead_time_days: float
    approval_days: float
    decide_hours: float
    price_tolerance_percent: float

    @classmethod
    def of(cls, policy: Policy) -> "PolicyBody":
        """Make it from the policy."""
        return cls(
            supply_id=policy.supply_id,
            enabled=policy.enabled,
            service_level=policy.service_level,
            target_days=policy.target_days,
            minimum_quantity=policy.minimum_quantity,
            maximum_quantity=policy.maximum_quantity,
            lead_time_days=policy.lead_time_days,
            approval_days=policy.approval_days,
            decide_hours=policy.decide_hours,
            price_tolerance_percent=policy.price_tolerance_percent,
        )


class ExportBody(Answer):
    """Everything a household has: its rows by kind, in the order they were made, without what opens a door.

    Fields are named as the gateway keeps them: `*_us` are microseconds since 1970 in UTC, `*_minor` minor units of the
    row's currency, bytes hexadecimal.
    """

    format: Literal["replenish-export/1"]
    exported_at: str
    entities: dict[str, list[dict[str, Any]]]
