"""What is believed about a kind of supply before its first reading.

The figures are stated guesses, relative to the capacity of the slot, and wide on purpose: a few days of readings
outweigh them. Learning them from a fleet replaces the table, not the code.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from forecasting.errors import UnknownSupplyKind


@dataclass(frozen=True, slots=True)
class Prior:
    """Belief about the use of one kind of supply.

    Attributes:
        daily_share: mean use a day, as a share of the capacity.
        rate_spread: coefficient of variation of the daily rate between households.
        day_spread: coefficient of variation of one day's use about the household's own rate.
        memory_days: time after which a day's evidence has faded to 1/e: short enough that the wandering of the rate
            itself shows in the width of the forecast.
        shelf_life_days: how long an opened pack keeps, or None where nobody knows or it does not matter.
    """

    daily_share: float
    rate_spread: float
    day_spread: float
    memory_days: float
    shelf_life_days: float | None


PRIORS: Mapping[str, Prior] = MappingProxyType(
    {
        "adblue": Prior(0.01, 0.9, 1.0, 120.0, 365.0),
        "coffee": Prior(0.07, 0.7, 0.7, 35.0, 30.0),
        "detergent": Prior(0.03, 0.7, 1.3, 90.0, None),
        "eggs": Prior(0.13, 0.6, 1.0, 35.0, 21.0),
        "fuel": Prior(0.09, 0.8, 1.3, 35.0, None),
        "juice": Prior(0.18, 0.7, 1.0, 35.0, 5.0),
        "milk": Prior(0.20, 0.6, 0.8, 35.0, 5.0),
        "other": Prior(0.05, 1.0, 1.2, 35.0, None),
        "pet-food": Prior(0.06, 0.6, 0.5, 35.0, 42.0),
        "softener": Prior(0.02, 0.7, 1.3, 90.0, None),
        "toner": Prior(0.012, 1.0, 1.8, 120.0, None),
        "water-filter": Prior(0.015, 0.6, 0.6, 90.0, 60.0),
    }
)


def prior_for(kind: str) -> Prior:
    """The prior of a kind of supply; "other" is the one for a kind of which nothing is known.

    Raises:
        UnknownSupplyKind: the table has no such kind. Choosing "other" instead is the caller's decision.

    >>> prior_for("milk").daily_share
    0.2
    """
    try:
        return PRIORS[kind]
    except KeyError:
        raise UnknownSupplyKind(kind, tuple(sorted(PRIORS))) from None
