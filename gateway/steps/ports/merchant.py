"""A shop: what may be asked of it and what it may answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from gateway.domain.records import MerchantAccount


class MerchantError(Exception):
    """Base of what a merchant adapter may raise; everything else is an outcome."""


class MerchantNotSent(MerchantError):
    """Nothing left this machine: try again later."""


class MerchantUnknown(MerchantError):
    """The request left, the answer is missing or unreadable: look it up by our reference."""


class MerchantRefused(MerchantError):
    """The merchant refused the request for good and did nothing; the message says why."""


@dataclass(frozen=True, slots=True)
class WantedLine:
    """What we want a price for: a product we know (`sku`), or any that refills this kind of supply in this unit."""

    supply_kind: str
    unit: str
    sku: str | None
    packs: int


@dataclass(frozen=True, slots=True)
class Offer:
    """One pack at its present price. `pack_size` in the wanted unit; out of stock is an offer that cannot be had."""

    sku: str
    gtin: str
    name: str
    detail: str
    pack_size: float
    unit: str
    unit_price_minor: int
    in_stock: bool


@dataclass(frozen=True, slots=True)
class QuotedLine:
    """The answer to one wanted line: the offer for the wanted product (None when unknown) and others like it."""

    offer: Offer | None
    alternatives: tuple[Offer, ...]


@dataclass(frozen=True, slots=True)
class Quote:
    """The merchant's answer to a whole cart; lines in the order asked."""

    quote_ref: str
    currency: str
    lines: tuple[QuotedLine, ...]
    delivery_price_minor: int
    free_delivery_from_minor: int | None
    promised_us: int
    lead_time_days: float


@dataclass(frozen=True, slots=True)
class PlaceLine:
    """One line of an order: what was approved, at the approved price for one pack."""

    line_ref: str
    sku: str
    packs: int
    unit_price_minor: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """The merchant took the order at a total that is not above the approved one."""

    merchant_ref: str
    total_minor: int
    promised_us: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The merchant did not take the order; nothing was sent, nothing is owed."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class ParcelLine:
    """What one parcel holds of one order line; `packs_delivered` is None until it came."""

    line_ref: str
    packs: int
    packs_delivered: int | None


@dataclass(frozen=True, slots=True)
class Parcel:
    """One shipment. `state`: shipped, delivered or lost. `amount_minor` is what the merchant bills for it."""

    parcel_ref: str
    state: str
    amount_minor: int
    shipped_us: int
    delivered_us: int | None
    lines: tuple[ParcelLine, ...]


@dataclass(frozen=True, slots=True)
class OrderStatus:
    """Where an order stands. `state`: accepted, rejected, shipped, delivered, cancelled, lost, returned.

    `total_minor` is what the whole order costs, goods and delivery; the parcels' amounts never sum above it.
    """

    merchant_ref: str
    state: str
    message: str
    total_minor: int
    promised_us: int
    parcels: tuple[Parcel, ...]


@dataclass(frozen=True, slots=True)
class OrderNotFound:
    """The merchant knows no order under our reference: what we sent did not arrive, or not yet."""


@dataclass(frozen=True, slots=True)
class MerchantNotice:
    """A verified hint: these orders of ours (our references) changed; look them up."""

    notice_id: str
    order_references: tuple[str, ...]


class Merchant(Protocol):
    """One shop. Every method may raise MerchantNotSent, MerchantUnknown or MerchantRefused."""

    def quote(self, lines: tuple[WantedLine, ...]) -> Quote:
        """Ask for prices, alternatives, delivery price and promised date; commits to nothing."""
        ...

    def place(
        self, *, reference: str, household_ref: str, quote_ref: str, lines: tuple[PlaceLine, ...], total_minor: int
    ) -> Accepted | Refused:
        """Place an order; the same reference places at most one. Never accepted above `total_minor`."""
        ...

    def status(self, reference: str) -> OrderStatus | OrderNotFound:
        """Look an order up by our reference."""
        ...

    def cancel(self, reference: str) -> OrderStatus | OrderNotFound:
        """Ask to cancel; the answer says whether it still was possible."""
        ...

    def parse_notice(self, headers: Mapping[str, str], body: bytes, received_wall_us: int) -> MerchantNotice:
        """Verify and read what the shop told us; raises MerchantRefused when it cannot be trusted.

        It came at `received_wall_us`, real time in UTC microseconds: what a signature's age is compared with.
        """
        ...


class Merchants(Protocol):
    """The shops this gateway works with."""

    def open(self, account: MerchantAccount) -> Merchant:
        """Return the adapter for one shop; raises MerchantRefused for an unknown adapter name."""
        ...
