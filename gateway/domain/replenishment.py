"""When to buy and how much: policy, forecast, plan, and the rules between them."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

DAY_US = 86_400_000_000
HOUR_US = 3_600_000_000
MINUTE_US = 60_000_000
SECOND_US = 1_000_000

MAX_PACKS_PER_LINE = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How one supply is kept (id = supply id).

    `service_level`: the share of cycles that must not run empty. `target_days`: how long a purchase should last.
    `approval_days`: the household's own slowness to answer. `minimum_quantity`: never plan to fall below it.
    `maximum_quantity`: the room there is for it, in the thing and beside it; None: as much as is needed.
    """

    id: str
    household_id: str
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

    @property
    def patience_days(self) -> float:
        """How long past its promise an order that was not sent is waited for before the shop is asked to cancel it."""
        return max(3.0, 2 * self.lead_time_days)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastState:
    """What is known about the use of one slot (id = slot id): the forecasting room's O(1) state."""

    id: str
    household_id: str
    slot_id: str
    state: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The distribution of one supply's depletion time, with what it was made from.

    `p10_us`, `p50_us`, `p90_us` are None when the level is unknown or the instant lies beyond the horizon
    (`beyond` tells which). `evidence` names the readings: slot, reading id, quantity, instant, signed.
    `sealed_quantity` is the part of `on_hand` that stood unopened on the shelf. An order lifts the stock to
    `target_quantity`, with which `service_held` of the cycles do not run empty; `advice` says in words where the policy
    asks for more than its limits allow.
    """

    id: str
    household_id: str
    supply_id: str
    made_us: int
    on_hand: float | None
    capacity: float
    p10_us: int | None
    p50_us: int | None
    p90_us: int | None
    beyond: bool
    order_by_us: int | None
    reorder_quantity: float | None
    daily_use: float | None
    model: str
    signed: bool
    fresh_until_us: int
    reasons: tuple[str, ...]
    evidence: tuple[dict[str, Any], ...]
    band: tuple[tuple[float, float, float], ...]
    current: bool
    sealed_quantity: float = 0.0
    target_quantity: float | None = None
    service_held: float | None = None
    advice: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondOpinion:
    """What the nightly statsmodels challenger said about a supply (id = supply id); advice, never an order."""

    id: str
    household_id: str
    supply_id: str
    made_us: int
    model: str
    p10_us: int | None
    p50_us: int | None
    p90_us: int | None
    note: str


class PlanState(StrEnum):
    """An open plan waits for a cart; carted is in one; then bought, or dropped with its reason."""

    OPEN = "open"
    CARTED = "carted"
    BOUGHT = "bought"
    DROPPED = "dropped"


LIVE_PLAN_STATES = frozenset({PlanState.OPEN, PlanState.CARTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to buy and by when, with its reasons. At most one live plan per supply."""

    id: str
    household_id: str
    supply_id: str
    forecast_id: str
    merchant_id: str
    pack_option_id: str
    packs: int
    order_by_us: int
    needed_by_us: int | None
    signed: bool
    fresh_until_us: int
    state: PlanState
    reasons: tuple[str, ...]
    policy: dict[str, Any]
    created_us: int


def packs_to_buy(
    *, target_quantity: float, on_hand: float, in_transit: float, pack_size: float, has_room: bool = True
) -> int:
    """Return the whole packs that lift what is on hand and in transit to the target: at least one, bounded.

    All quantities in the supply's unit. Without room beyond the target, no pack is begun that would not fit.

    >>> packs_to_buy(target_quantity=5, on_hand=0.5, in_transit=0, pack_size=1)
    5
    >>> packs_to_buy(target_quantity=5, on_hand=4.9, in_transit=2, pack_size=1)
    1
    >>> packs_to_buy(target_quantity=5, on_hand=0.5, in_transit=0, pack_size=1, has_room=False)
    4
    """
    missing = (target_quantity - on_hand - in_transit) / pack_size
    return max(1, min(MAX_PACKS_PER_LINE, math.ceil(missing - 1e-9) if has_room else math.floor(missing + 1e-9)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Aims:
    """At which stock to order and to which stock to lift it, in the supply's unit."""

    reorder_quantity: float
    target_quantity: float
    cycle_days: float


def aims(policy: Policy, *, wanted_reorder: float, daily_use: float, wait_days: float, pack_size: float | None) -> Aims:
    """Return what the policy can aim at: the next order is not due again before this one has come and lasted a day.

    `wanted_reorder` is what the service level asks for, the minimum included; `wait_days` lie between an order falling
    due and its delivery. What is bought lasts at least that long and a day more. Where room is limited, an order must
    leave room for one pack, and the stock it leads to must lie above the reorder point.

    >>> from dataclasses import replace
    >>> milk = Policy(id="", household_id="", supply_id="", enabled=True, service_level=0.95, target_days=2,
    ...     minimum_quantity=0, lead_time_days=2, approval_days=1, decide_hours=72, price_tolerance_percent=15)
    >>> aims(milk, wanted_reorder=3.8, daily_use=0.6, wait_days=3, pack_size=1)
    Aims(reorder_quantity=3.8, target_quantity=6.2, cycle_days=4)
    >>> aims(replace(milk, maximum_quantity=3.0), wanted_reorder=3.8, daily_use=0.6, wait_days=3, pack_size=1)
    Aims(reorder_quantity=2.4, target_quantity=4.8, cycle_days=4)
    """
    cycle_days = max(policy.target_days, wait_days + 1)
    target = wanted_reorder + daily_use * cycle_days
    if policy.maximum_quantity is None:
        return Aims(reorder_quantity=wanted_reorder, target_quantity=target, cycle_days=cycle_days)
    target = min(target, policy.maximum_quantity + daily_use * wait_days)
    highest = min(target - (pack_size or 0.0), policy.maximum_quantity - daily_use)
    reorder = min(wanted_reorder, max(highest, policy.minimum_quantity, 0.0))
    return Aims(reorder_quantity=reorder, target_quantity=target, cycle_days=cycle_days)
