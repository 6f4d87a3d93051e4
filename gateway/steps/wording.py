"""The few words a step writes into a row for people: why a line is in a cart now."""

import forecasting
from gateway.domain.replenishment import Forecast


def why_now(current: Forecast, zone: str, now_us: int) -> str:
    """Return what is left and when it is empty: "24 % left, empty 1–5 Dec"."""
    if current.on_hand is None:
        return "How much is left is not known."
    share = 100 * min(1.0, max(0.0, current.on_hand - current.sealed_quantity) / current.capacity)
    shelf = " and packs on the shelf" if current.sealed_quantity > 0 else ""
    left = f"{share:.0f}\u202f% left{shelf}"
    if current.p10_us is None:
        return left
    if current.p90_us is None:
        return f"{left}, empty from {forecasting.date_range(current.p10_us, current.p10_us, zone, now_us)}"
    return f"{left}, empty {forecasting.date_range(current.p10_us, current.p90_us, zone, now_us)}"


def days_long(days: float) -> str:
    """Return how many days something takes.

    >>> days_long(1), days_long(2.5)
    ('1 day', '2.5 days')
    """
    return f"{days:g} {'day' if days == 1 else 'days'}"
