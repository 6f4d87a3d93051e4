"""What an HTTP shop may answer: decoded once, here, from bytes to the port's types. Whatever else comes is unreadable.

The bounds are wider than any household's order and narrow enough that no sum of ours overflows.
"""

from typing import Annotated, Literal, TypeAlias

import msgspec

from gateway.steps.ports import Offer, OrderStatus, Parcel, ParcelLine, Quote, QuotedLine

Minor: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=10**12)]
Instant: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=10**17)]
Packs: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=10**6)]
Ref: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Text: TypeAlias = Annotated[str, msgspec.Meta(max_length=500)]


class OfferAnswer(msgspec.Struct, frozen=True):
    """One pack on offer."""

    sku: Ref
    gtin: Text
    name: Text
    detail: Text
    pack_size: Annotated[float, msgspec.Meta(gt=0, le=1e9)]
    unit: Text
    unit_price_minor: Minor
    in_stock: bool

    def read(self) -> Offer:
        """As the port's type."""
        return Offer(
            sku=self.sku,
            gtin=self.gtin,
            name=self.name,
            detail=self.detail,
            pack_size=self.pack_size,
            unit=self.unit,
            unit_price_minor=self.unit_price_minor,
            in_stock=self.in_stock,
        )


class QuotedLineAnswer(msgspec.Struct, frozen=True):
    """The answer to one wanted line."""

    offer: OfferAnswer | None
    alternatives: Annotated[tuple[OfferAnswer, ...], msgspec.Meta(max_length=200)]

    def read(self) -> QuotedLine:
        """As the port's type."""
        return QuotedLine(
            offer=None if self.offer is None else self.offer.read(),
            alternatives=tuple(offer.read() for offer in self.alternatives),
        )


class QuoteAnswer(msgspec.Struct, frozen=True):
    """The answer to a quote request."""

    quote_ref: Ref
    currency: str
    lines: Annotated[tuple[QuotedLineAnswer, ...], msgspec.Meta(max_length=200)]
    delivery_price_minor: Minor
    free_delivery_from_minor: Minor | None
    promised_us: Instant
    lead_time_days: Annotated[float, msgspec.Meta(ge=0, le=365)]

    def read(self) -> Quote:
        """As the port's type."""
        return Quote(
            quote_ref=self.quote_ref,
            currency=self.currency,
            lines=tuple(line.read() for line in self.lines),
            delivery_price_minor=self.delivery_price_minor,
            free_delivery_from_minor=self.free_delivery_from_minor,
            promised_us=self.promised_us,
            lead_time_days=self.lead_time_days,
        )


class AcceptedAnswer(msgspec.Struct, frozen=True, tag_field="outcome", tag="accepted"):
    """The order was taken."""

    merchant_ref: Ref
    currency: str
    total_minor: Minor
    promised_us: Instant


class RefusedAnswer(msgspec.Struct, frozen=True, tag_field="outcome", tag="refused"):
    """The order was not taken."""

    code: Ref
    message: Text


class ParcelLineAnswer(msgspec.Struct, frozen=True):
    """What a parcel holds of one order line."""

    line_ref: Ref
    packs: Packs
    packs_delivered: Packs | None


class ParcelAnswer(msgspec.Struct, frozen=True):
    """One shipment."""

    parcel_ref: Ref
    state: Literal["shipped", "delivered", "lost"]
    amount_minor: Minor
    shipped_us: Instant
    delivered_us: Instant | None
    lines: Annotated[tuple[ParcelLineAnswer, ...], msgspec.Meta(max_length=200)]

    def read(self) -> Parcel:
        """As the port's type."""
        return Parcel(
            parcel_ref=self.parcel_ref,
            state=self.state,
            amount_minor=self.amount_minor,
            shipped_us=self.shipped_us,
            delivered_us=self.delivered_us,
            lines=tuple(ParcelLine(line.line_ref, line.packs, line.packs_delivered) for line in self.lines),
        )


class StatusAnswer(msgspec.Struct, frozen=True):
    """Where an order stands."""

    reference: str
    merchant_ref: Ref
    state: Literal["accepted", "rejected", "shipped", "delivered", "cancelled", "lost", "returned"]
    message: Text
    currency: str
    total_minor: Minor
    promised_us: Instant
    parcels: Annotated[tuple[ParcelAnswer, ...], msgspec.Meta(max_length=50)]

    def read(self) -> OrderStatus:
        """As the port's type."""
        return OrderStatus(
            merchant_ref=self.merchant_ref,
            state=self.state,
            message=self.message,
            total_minor=self.total_minor,
            promised_us=self.promised_us,
            parcels=tuple(parcel.read() for parcel in self.parcels),
        )


class ProblemAnswer(msgspec.Struct, frozen=True):
    """problem+json (RFC 9457), as far as it is used."""

    code: str = ""
    title: str = ""
    detail: str = ""


class NoticeBody(msgspec.Struct, frozen=True):
    """What the shop tells us."""

    notice_id: Ref
    references: Annotated[tuple[Ref, ...], msgspec.Meta(min_length=1, max_length=100)]
