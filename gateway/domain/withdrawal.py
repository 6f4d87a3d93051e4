"""Withdrawal from contract: for fourteen days after the goods came, a household may send them back for no reason.

Directives 2011/83/EU and (EU) 2023/2673: a button that says so, a step that confirms, an acknowledgement with its time.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from gateway.domain.order import ENDED_LINE_STATES, LineState, OrderLine, OrderState

PERIOD_DAYS = 14
OPEN_TO_WITHDRAWAL = frozenset(
    {OrderState.PLACED, OrderState.SHIPPED, OrderState.DELIVERED, OrderState.CLOSED, OrderState.PAYMENT_DUE}
)
EXCLUDED_KINDS = {
    "milk": "it spoils quickly",
    "eggs": "they spoil quickly",
    "juice": "it spoils quickly",
    "fuel": "it is mixed with what was there before",
    "adblue": "it is mixed with what was there before",
}
"""Kinds of supply that cannot be sent back, and why (Directive 2011/83/EU, Article 16, d and f)."""


class WithdrawalState(StrEnum):
    """Declared: it stands, and the goods or the shop's answer are awaited. Settled: the money was given back."""

    DECLARED = "declared"
    SETTLED = "settled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """A member's declaration for some lines of an order, and the words in which it was acknowledged at that time."""

    id: str
    household_id: str
    order_id: str
    member_id: str
    line_ids: tuple[str, ...]
    words: str
    state: WithdrawalState
    at_us: int
    settled_us: int | None = None


def ends_us(lines: Iterable[OrderLine], time_zone: str) -> int | None:
    """Return when the period ends: after the fourteenth local day since the last goods came; None before they have.

    A line that never comes does not hold it open.
    """
    coming = [line for line in lines if line.delivered_us is not None or line.state not in ENDED_LINE_STATES]
    came = [line.delivered_us for line in coming]
    if not came or None in came:
        return None
    last_us = max(one for one in came if one is not None)
    zone = ZoneInfo(time_zone)
    day = datetime.fromtimestamp(last_us / 1e6, UTC).astimezone(zone).date() + timedelta(days=PERIOD_DAYS + 1)
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    return round(midnight.timestamp()) * 1_000_000


def stamp(at_us: int, time_zone: str) -> str:
    """Return an instant as an acknowledgement says it.

    >>> stamp(1795539900000000, "Europe/Madrid")
    '2026-11-24 18:05:00 CET'
    """
    local = datetime.fromtimestamp(at_us / 1e6, UTC).astimezone(ZoneInfo(time_zone))
    return f"{local:%Y-%m-%d %H:%M:%S %Z}"


def why_not(line: OrderLine, supply_kind: str, withdrawn: frozenset[str]) -> str:
    """Return why a line cannot be withdrawn from; empty where it can."""
    if line.id in withdrawn:
        return "withdrawn already"
    if line.state in {LineState.LOST, LineState.RETURNED, LineState.CANCELLED}:
        return "it did not come or is back already"
    return EXCLUDED_KINDS.get(supply_kind, "")
