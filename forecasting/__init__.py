"""When a supply runs out, how sure that is, and when to order: pure functions on numbers and arrays.

The way of a reading: `track` cleans it and says what was used; `update` learns the rate from that; `forecast` turns
state and level into the distribution of the depletion; `order_by` sets a delivery against it; `explain` says it in
words. `second_opinion` asks a seasonal model of statsmodels the same question. Nothing here reads a clock, draws
unseeded numbers or imports another room.
"""

from forecasting.depletion import (
    HORIZON_DAYS,
    Depletion,
    LevelEstimate,
    UnknownDepletion,
    WhyUnknown,
    band,
    forecast,
    forecast_demand,
    pool,
)
from forecasting.errors import ForecastingError, InvalidInput, OutOfOrder, UnknownSupplyKind, UnknownTimeZone
from forecasting.online import Demand, ForecastState, begin, demand, idle_chance, update
from forecasting.ordering import LeadTime, OrderBy, delivery_risk, order_by, reorder_level
from forecasting.priors import PRIORS, Prior, prior_for
from forecasting.series import CleanSeries, clean, daily_use, track
from forecasting.tracker import (
    Consumption,
    LevelTracker,
    Outcome,
    Pending,
    Reading,
    Refill,
    Settled,
    add_pack,
    correct_level,
    level_of,
    start_tracking,
)

__all__ = [
    "HORIZON_DAYS",
    "PRIORS",
    "CleanSeries",
    "Consumption",
    "Demand",
    "Depletion",
    "ForecastState",
    "ForecastingError",
    "InvalidInput",
    "LeadTime",
    "LevelEstimate",
    "LevelTracker",
    "OrderBy",
    "OutOfOrder",
    "Outcome",
    "Pending",
    "Prior",
    "Reading",
    "Refill",
    "Settled",
    "UnknownDepletion",
    "UnknownSupplyKind",
    "UnknownTimeZone",
    "WhyUnknown",
    "add_pack",
    "band",
    "begin",
    "clean",
    "correct_level",
    "daily_use",
    "delivery_risk",
    "demand",
    "forecast",
    "forecast_demand",
    "idle_chance",
    "level_of",
    "order_by",
    "pool",
    "prior_for",
    "reorder_level",
    "start_tracking",
    "track",
    "update",
]
