"""When a supply runs out, how sure that is, and when to order: pure functions on numbers and arrays.

The way of a reading: `track` cleans it and says what was used; `update` learns the rate from that; `forecast` turns
state and level into the distribution of the depletion; `order_by` sets a delivery against it; `explain` says it in
words. Nothing here reads a clock, draws unseeded numbers or imports another room.

The nightly second opinion stands in `forecasting.challengers`, apart from this front door, because statsmodels takes
longer to import than everything else here together.
"""

from forecasting.corrections import add_pack, correct_level
from forecasting.depletion import (
    HORIZON_DAYS,
    Depletion,
    LevelEstimate,
    UnknownDepletion,
    WhyUnknown,
    forecast,
    forecast_demand,
    pool,
)
from forecasting.drawing import band
from forecasting.errors import ForecastingError, InvalidInput, OutOfOrder, UnknownSupplyKind, UnknownTimeZone
from forecasting.online import Demand, ForecastState, begin, demand, idle_chance, update
from forecasting.ordering import LeadTime, OrderBy, delivery_risk, order_by, reorder_level, service_held
from forecasting.ordinals import sunk_beside_count
from forecasting.priors import PRIORS, Prior, prior_for
from forecasting.reasons import Explanation, Reason, Why, amount, date_range, explain
from forecasting.series import CleanSeries, clean, daily_use, track
from forecasting.tracker import (
    Consumption,
    LevelTracker,
    Outcome,
    Pending,
    Reading,
    Refill,
    Settled,
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
    "Explanation",
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
    "Reason",
    "Refill",
    "Settled",
    "UnknownDepletion",
    "UnknownSupplyKind",
    "UnknownTimeZone",
    "Why",
    "WhyUnknown",
    "add_pack",
    "amount",
    "band",
    "begin",
    "clean",
    "correct_level",
    "daily_use",
    "date_range",
    "delivery_risk",
    "demand",
    "explain",
    "forecast",
    "forecast_demand",
    "idle_chance",
    "level_of",
    "order_by",
    "pool",
    "prior_for",
    "reorder_level",
    "service_held",
    "start_tracking",
    "sunk_beside_count",
    "track",
    "update",
]
