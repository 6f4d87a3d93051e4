"""What may be asked of the pretend shop, and how it says no."""

from typing import Annotated

import msgspec

from simulators.shop_story import Outcome

MAX_LINES = 50
MAX_SCRIPT = 100

Name = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9._:-]{1,80}\Z")]
Packs = Annotated[int, msgspec.Meta(ge=1, le=999)]
Minor = Annotated[int, msgspec.Meta(ge=0, le=10**9)]


class Problem(Exception):
    """A request the shop does not serve; becomes problem+json."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail


class AnswerLost(Exception):
    """A scripted fault: it took effect, and the answer never reaches the customer."""


class WantedLine(msgspec.Struct, frozen=True):
    """One line to be quoted: a product, or whatever refills the kind of supply in this unit."""

    supply_kind: str
    unit: str
    packs: Packs
    sku: str | None = None


class QuoteRequest(msgspec.Struct, frozen=True):
    """POST /quotes."""

    lines: Annotated[tuple[WantedLine, ...], msgspec.Meta(min_length=1, max_length=MAX_LINES)]


class OrderLine(msgspec.Struct, frozen=True):
    """One line of an order at the price the customer agreed to."""

    line_ref: Name
    sku: str
    packs: Packs
    unit_price_minor: Minor


class OrderRequest(msgspec.Struct, frozen=True):
    """POST /orders. `total_minor` is the most the customer agreed to, delivery included."""

    reference: Name
    household_ref: Name
    quote_ref: str
    currency: str
    total_minor: Minor
    lines: Annotated[tuple[OrderLine, ...], msgspec.Meta(min_length=1, max_length=MAX_LINES)]


class HouseholdRequest(msgspec.Struct, frozen=True):
    """POST /households: the name by which chance knows a household, before its first order."""

    household_ref: Name
    name: Name


class ScriptRequest(msgspec.Struct, frozen=True):
    """POST /script: what becomes of the household's next orders, one outcome an order."""

    household_ref: Name
    next: Annotated[tuple[Outcome, ...], msgspec.Meta(max_length=MAX_SCRIPT)]


class Refusal(Exception):
    """The shop does not take the order; nothing will be sent."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
