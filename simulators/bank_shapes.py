"""What comes in and goes out of the bank's desk: bodies with their limits, decoded once."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import msgspec

from simulators.bank_rules import Order, find, unconfirmed

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Currency = Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
Amount = Annotated[int, msgspec.Meta(gt=0, le=10**15)]
Balance = Annotated[int, msgspec.Meta(ge=0, le=10**15)]
Body = TypeVar("Body")


class AccountBody(msgspec.Struct, forbid_unknown_fields=True):
    """POST /accounts."""

    token: Text
    currency: Currency
    balance_minor: Balance
    label: Text = "Current account"


class MandateBody(msgspec.Struct, forbid_unknown_fields=True):
    """POST /mandates."""

    reference: Text
    account: Text
    limit_minor: Amount
    currency: Currency
    expires_at_us: int | None = None
    return_url: Text | None = None


class HoldBody(msgspec.Struct, forbid_unknown_fields=True):
    """POST /holds."""

    reference: Text
    account: Text
    mandate: Text
    amount_minor: Amount
    currency: Currency


class AmountBody(msgspec.Struct, forbid_unknown_fields=True):
    """POST /holds/{id}/captures and /captures/{id}/refunds."""

    reference: Text
    amount_minor: Amount
    currency: Currency


class PlainBody(msgspec.Struct, forbid_unknown_fields=True):
    """POST /holds/{id}/void and /mandates/{id}/revoke."""

    reference: Text


class ScriptBody(msgspec.Struct, forbid_unknown_fields=True):
    """POST /script."""

    account: Text
    next: Annotated[list[Text], msgspec.Meta(min_length=1, max_length=1000)]


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, as far as the desk cares; `path` is still percent-encoded."""

    method: str
    path: str
    query: dict[str, str]
    key: str | None
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What to answer, and the fault that says how it goes wrong on the wire."""

    status: int
    body: dict[str, Any]
    fault: str | None = None


def decode(request: Request, shape: type[Body]) -> Body:
    """Read the body as that shape; raises msgspec.DecodeError."""
    return msgspec.json.decode(request.body, type=shape)


def plain_order(kind: str, body: PlainBody, what: str, parent: str) -> Callable[[sqlite3.Connection], Order]:
    """An order without an amount (void, revoke) on a hold or mandate, made once the book is open."""

    def make(db: sqlite3.Connection) -> Order:
        row = (unconfirmed(db, parent) if kind == "void" else None) or find(db, what, parent)
        return Order(kind, body.reference, parent, row["account"], 0, row["currency"])

    return make


def amount_order(kind: str, body: AmountBody, what: str, parent: str) -> Callable[[sqlite3.Connection], Order]:
    """An order of an amount (capture, refund) on a hold or capture, made once the book is open."""

    def make(db: sqlite3.Connection) -> Order:
        return Order(kind, body.reference, parent, find(db, what, parent)["account"], body.amount_minor, body.currency)

    return make
