"""What is drawn of a forecast: the band in which the level is expected on each of the next days."""

import numpy as np

from forecasting.depletion import Depletion, Floats, depletion_survival
from forecasting.errors import InvalidInput
from forecasting.local_days import DAY_US

_BISECTIONS = 12  # a drawing needs no more than a four-thousandth of its height


def band(depletion: Depletion, days: int) -> Floats:
    """The level to be expected, for drawing: shape (days, 3), columns P10, P50, P90 in units.

    Row k is k × 24 hours from now; row 0 is now. A level is below y when the use has reached x − y, so each column
    inverts P(level ≤ y) = P(T ≤ W) at x − y; nothing is refilled.

    Raises:
        InvalidInput: fewer than 1 or more than 1000 days.
    """
    if not 1 <= days <= 1000:
        raise InvalidInput("days", days, "1 to 1000")
    # From the day after nine in ten are empty on, all three are 0.
    drawn = days
    if depletion.p90_us is not None:
        drawn = min(days, (depletion.p90_us - depletion.now_us) // DAY_US + 2)
    exposures = np.array([depletion.exposure_until(depletion.now_us + day * DAY_US) for day in range(drawn)])
    wanted = np.broadcast_to(np.array([0.1, 0.5, 0.9]), (drawn, 3))
    levels, weights = depletion.levels, depletion.level_weights
    low = np.zeros((drawn, 3))
    high = np.full((drawn, 3), float(levels.max()))
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        left = np.maximum(0.0, levels[:, None, None] - middle)
        below = np.tensordot(weights, 1 - depletion_survival(left, depletion.demand, exposures[:, None]), axes=1)
        enough = below >= wanted
        high = np.where(enough, middle, high)
        low = np.where(enough, low, middle)
    # Where the search never left 0, nothing is left.
    high = np.where(low > 0, high, 0.0)
    return np.concatenate([high, np.zeros((days - drawn, 3))])
