"""What becomes of an order, decided whole at the instant it is taken, from the seed alone.

An order's chance is drawn for (seed, household, its kinds of supply, its number among that household's orders of the
same kinds): two orders that arrive at the same time cannot trade fates. A household that calls itself by a random id
is given a name first (POST /households), and the name takes part instead.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from simulators.shop_catalogue import DAY_US, HOUR_US, draw, promise_us

Outcome = Literal["plain", "reject", "short", "late", "lost", "timeout_after", "500", "duplicate_notice", "split"]

# Shares of all orders, one after the other; the rest is plain. Faults only where they are asked for.
FAULTS: tuple[tuple[Outcome, float], ...] = (("reject", 0.03), ("lost", 0.03), ("short", 0.05), ("late", 0.06))
SHARE_SPLIT = 0.12
SHARE_NOTICE_TWICE = 0.10
SHARE_NOTICE_REORDERED = 0.10


class PlannedLine(msgspec.Struct, frozen=True):
    """What one parcel holds of one line, and how much of it will be found inside."""

    line_ref: str
    sku: str
    packs: int
    packs_arriving: int


class PlannedParcel(msgspec.Struct, frozen=True):
    """One parcel to come. Exactly one of `arrives_us` and `lost_us` is set."""

    parcel_ref: str
    amount_minor: int
    shipped_us: int
    arrives_us: int | None
    lost_us: int | None
    lines: tuple[PlannedLine, ...]


class TakenLine(msgspec.Struct, frozen=True):
    """One line of an order as the shop took it."""

    line_ref: str
    sku: str
    packs: int
    unit_price_minor: int


class Story(msgspec.Struct, frozen=True):
    """All that will happen to an accepted order unless it is cancelled before its first parcel leaves."""

    promised_us: int
    parcels: tuple[PlannedParcel, ...]
    notices_twice: bool
    notices_reordered: bool


def chance(seed: int, story_key: str, packs: int, *, faults: bool) -> Outcome:
    """The outcome this order is dealt; what needs two packs falls back to plain with one."""
    value = draw(seed, story_key, "outcome")
    for outcome, share in FAULTS:
        if value < share:
            return outcome if faults and (outcome != "short" or packs > 1) else "plain"
        value -= share
    return "split" if value < SHARE_SPLIT and packs > 1 else "plain"


def tell(
    *,
    seed: int,
    story_key: str,
    outcome: Outcome,
    merchant_ref: str,
    lines: Sequence[TakenLine],
    delivery_minor: int,
    ordered_us: int,
    lead_days: int,
) -> Story:
    """Lay out the parcels of an accepted order.

    The first parcel carries the delivery price. A split order's second parcel comes a day later, and the promise
    counts it; a late one comes one to three days after the promise; a lost one is given up three days after it.
    """
    promised_us = promise_us(ordered_us, lead_days)
    arrives_us = promised_us - round(HOUR_US * (0.5 + 9 * draw(seed, story_key, "hour")))
    shipped_us = ordered_us + round((arrives_us - ordered_us) * (0.2 + 0.4 * draw(seed, story_key, "ship")))
    halves = _halves(lines) if outcome == "split" else [list(lines)]
    if outcome == "late":
        arrives_us += DAY_US * (1 + int(3 * draw(seed, story_key, "late")))
    parcels = []
    for number, held in enumerate(halves):
        lost = outcome == "lost"
        goods_minor = sum(line.packs * line.unit_price_minor for line in held)
        parcels.append(
            PlannedParcel(
                parcel_ref=f"{merchant_ref}-{number + 1}",
                amount_minor=goods_minor + (delivery_minor if number == 0 else 0),
                shipped_us=shipped_us + number * DAY_US // 2,
                arrives_us=None if lost else arrives_us + number * DAY_US,
                lost_us=promised_us + 3 * DAY_US if lost else None,
                lines=_packed(held, short=outcome == "short"),
            )
        )
    return Story(
        promised_us=promised_us + (len(halves) - 1) * DAY_US,
        parcels=tuple(parcels),
        notices_twice=outcome == "duplicate_notice" or draw(seed, story_key, "twice") < SHARE_NOTICE_TWICE,
        notices_reordered=draw(seed, story_key, "reordered") < SHARE_NOTICE_REORDERED,
    )


def _halves(lines: Sequence[TakenLine]) -> list[list[TakenLine]]:
    """Part the packs in two parcels, line by line, the larger half first; one pack stays one parcel."""
    first: list[TakenLine] = []
    second: list[TakenLine] = []
    room = -(-sum(line.packs for line in lines) // 2)
    for line in lines:
        here = min(line.packs, room)
        room -= here
        if here:
            first.append(msgspec.structs.replace(line, packs=here))
        if here < line.packs:
            second.append(msgspec.structs.replace(line, packs=line.packs - here))
    return [first, second] if second else [first]


def _packed(lines: Sequence[TakenLine], *, short: bool) -> tuple[PlannedLine, ...]:
    """What is in the parcel; a short one lacks one pack of its largest line."""
    lacking = max(range(len(lines)), key=lambda index: lines[index].packs) if short else -1
    return tuple(
        PlannedLine(line.line_ref, line.sku, line.packs, line.packs - (1 if index == lacking else 0))
        for index, line in enumerate(lines)
    )
