"""Stripe's pay-outs, each with the balance transactions that make it up."""

from itertools import islice
from typing import Any

import msgspec
import stripe

from payments.adapter import Settlement, SettlementLine
from payments.adapters.stripe_answers import ADAPTER, REFERENCE, SECOND_US, read
from payments.adapters.stripe_connection import asked
from payments.adapters.stripe_money import from_stripe
from payments.adapters.stripe_records import Records
from payments.errors import MoneyError, OutcomeUnknown, SettlementMismatch
from payments.money import Money

PAGE = 100
MOST_LINES = 10_000
MOST_PAYOUTS = 200
MOST_LISTED = 2_000


class _Payout(msgspec.Struct):
    id: str
    amount: int
    currency: str
    arrival_date: int
    status: str = "paid"


class _Source(msgspec.Struct):
    """The charge or refund behind a line; of a dispute the charge it takes back."""

    id: str
    object: str = ""
    metadata: dict[str, str] | None = None
    payment_intent: str | dict[str, Any] | None = None


class _Line(msgspec.Struct):
    id: str
    amount: int
    fee: int
    currency: str
    type: str
    source: _Source | str | None = None


def list_settlements(
    client: stripe.StripeClient, records: Records, since_us: int, *, adapter: str, takes_strangers: bool
) -> tuple[Settlement, ...]:
    """Return what of each pay-out is this adapter's; with `takes_strangers`, what is nobody's (Stripe's fees) too.

    One account at Stripe may serve two adapters, and pays out once: each books its own part, and all parts together
    are what arrived. Raises OutcomeUnknown and SettlementMismatch.
    """
    listed = asked(
        lambda: client.v1.payouts.list(
            {"status": "paid", "arrival_date": {"gte": since_us // SECOND_US}, "limit": PAGE}
        )
    )
    payouts = sorted(
        (read(row, _Payout) for row in asked(lambda: list(islice(listed.auto_paging_iter(), MOST_LISTED)))),
        key=lambda one: (one.arrival_date, one.id),
    )
    found = [
        _settlement(client, records, payout, adapter=adapter, takes_strangers=takes_strangers)
        for payout in payouts[:MOST_PAYOUTS]
    ]
    return tuple(one for one in found if one is not None)


def _settlement(
    client: stripe.StripeClient, records: Records, payout: _Payout, *, adapter: str, takes_strangers: bool
) -> Settlement | None:
    lines = [one for one in _lines(client, payout) if one.type != "payout"]
    arrived = sum(one.amount - one.fee for one in lines)
    if arrived != payout.amount:
        raise SettlementMismatch(payout.id, f"its lines are {arrived}, {payout.amount} arrived")
    mine = [one for one in lines if _adapter_of(one) == adapter or (takes_strangers and not _adapter_of(one))]
    if not mine:
        return None
    try:
        amounts = tuple(SettlementLine(_reference_of(records, one), _money(one.amount, payout)) for one in mine)
        gross, fee = _money(sum(one.amount for one in mine), payout), _money(sum(one.fee for one in mine), payout)
    except MoneyError as error:
        raise OutcomeUnknown(f"Stripe's pay-out {payout.id} cannot be read: {error}") from error
    name = payout.id if takes_strangers else f"{payout.id}/{adapter}"
    return Settlement(name, payout.arrival_date * SECOND_US, gross, fee, gross - fee, amounts)


def _lines(client: stripe.StripeClient, payout: _Payout) -> list[_Line]:
    listed = asked(
        lambda: client.v1.balance_transactions.list({"payout": payout.id, "limit": PAGE, "expand": ["data.source"]})
    )
    rows = asked(lambda: list(islice(listed.auto_paging_iter(), MOST_LINES + 1)))
    if len(rows) > MOST_LINES:
        raise OutcomeUnknown(f"Stripe's pay-out {payout.id} has more than {MOST_LINES} lines")
    return [read(row, _Line) for row in rows]


def _adapter_of(line: _Line) -> str:
    return (line.source.metadata or {}).get(ADAPTER, "") if isinstance(line.source, _Source) else ""


def _reference_of(records: Records, line: _Line) -> str:
    """Return our reference: a refund's own, a card's capture, a debit's; Stripe's id for what is not ours."""
    source = line.source
    if not isinstance(source, _Source):
        return line.id
    captured = None
    if source.object == "charge" and isinstance(source.payment_intent, str):
        captured = records.word(f"captured/{source.payment_intent}")
    return captured or (source.metadata or {}).get(REFERENCE, "") or line.id


def _money(minor: int, payout: _Payout) -> Money:
    return from_stripe(minor, payout.currency)
