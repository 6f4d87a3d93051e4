"""What every merchant adapter must keep, as tests to inherit. For authors of adapters; needs pytest.

class TestMyShop(MerchantContract):
    @pytest.fixture
    def bench(self):
        return MyBench(...)  # your adapter, connected to the shop's test system
"""

from collections.abc import Mapping
from typing import Protocol, TypedDict

import pytest

from gateway.steps.ports import (
    Accepted,
    Merchant,
    MerchantError,
    MerchantRefused,
    Offer,
    OrderNotFound,
    OrderStatus,
    PlaceLine,
    Quote,
    Refused,
    WantedLine,
)

ORDER_STATES = frozenset({"accepted", "rejected", "shipped", "delivered", "cancelled", "lost", "returned"})


class MerchantBench(Protocol):
    """The adapter on its test system."""

    @property
    def merchant(self) -> Merchant:
        """The adapter under test."""
        ...

    @property
    def wanted(self) -> WantedLine:
        """A kind of supply, without a sku, of which the shop has something in stock."""
        ...

    def new_reference(self) -> str:
        """An order reference that was never used."""
        ...

    def genuine_notice(self, reference: str) -> tuple[Mapping[str, str], bytes, int]:
        """Headers and body of a notice about the order, as the shop sends it, and when it came (real time, UTC µs)."""
        ...


class MerchantContract:
    """Inherit it and provide the fixture `bench`."""

    @pytest.fixture
    def bench(self) -> MerchantBench:
        """The adapter under test."""
        raise NotImplementedError

    def test_a_quote_names_what_can_be_had(self, bench: MerchantBench) -> None:
        """Lines in the order asked, in the wanted unit, at whole prices."""
        quote = bench.merchant.quote((bench.wanted, bench.wanted))
        assert len(quote.lines) == 2
        assert quote.lines[0].offer is None
        assert quote.lines[0].alternatives
        assert all(offer.unit == bench.wanted.unit for offer in quote.lines[0].alternatives)
        assert all(offer.pack_size > 0 and offer.unit_price_minor >= 0 for offer in quote.lines[0].alternatives)

    def test_a_known_product_is_offered_apart_from_its_alternatives(self, bench: MerchantBench) -> None:
        """The offer is the wanted product, and the alternatives are others."""
        _, offer = _something(bench)
        asked = WantedLine(bench.wanted.supply_kind, bench.wanted.unit, offer.sku, 1)
        line = bench.merchant.quote((asked,)).lines[0]
        assert line.offer is not None
        assert line.offer.sku == offer.sku
        assert offer.sku not in {other.sku for other in line.alternatives}

    def test_the_same_reference_places_one_order_and_answers_the_same(self, bench: MerchantBench) -> None:
        """An order sent twice is placed once."""
        order = _order(bench)
        first = bench.merchant.place(**order)
        assert isinstance(first, Accepted)
        assert bench.merchant.place(**order) == first

    def test_a_reference_cannot_be_used_for_another_order(self, bench: MerchantBench) -> None:
        """Changed content under a used reference is refused and changes nothing."""
        order = _order(bench)
        first = bench.merchant.place(**order)
        other = _order(bench, packs=3)
        other["reference"] = order["reference"]
        with pytest.raises(MerchantRefused):
            bench.merchant.place(**other)
        assert isinstance(first, Accepted)
        found = bench.merchant.status(order["reference"])
        assert isinstance(found, OrderStatus)
        assert found.total_minor == first.total_minor

    def test_an_order_is_found_by_our_reference(self, bench: MerchantBench) -> None:
        """The status agrees with the acceptance."""
        order = _order(bench)
        accepted = bench.merchant.place(**order)
        found = bench.merchant.status(order["reference"])
        assert isinstance(accepted, Accepted)
        assert isinstance(found, OrderStatus)
        assert (found.merchant_ref, found.total_minor) == (accepted.merchant_ref, accepted.total_minor)
        assert found.state in ORDER_STATES
        assert sum(parcel.amount_minor for parcel in found.parcels) <= found.total_minor

    def test_an_order_never_placed_is_not_found(self, bench: MerchantBench) -> None:
        """Not found is an outcome, for a look-up and for a cancellation."""
        assert bench.merchant.status(bench.new_reference()) == OrderNotFound()
        assert bench.merchant.cancel(bench.new_reference()) == OrderNotFound()

    def test_an_order_that_has_not_left_can_be_cancelled_twice_over(self, bench: MerchantBench) -> None:
        """Cancelling again changes nothing."""
        order = _order(bench)
        bench.merchant.place(**order)
        first = bench.merchant.cancel(order["reference"])
        assert isinstance(first, OrderStatus)
        assert first.state == "cancelled"
        assert bench.merchant.cancel(order["reference"]) == first

    def test_an_order_above_the_approved_total_is_refused(self, bench: MerchantBench) -> None:
        """Never accepted above what was approved, and nothing is owed."""
        order = _order(bench)
        order["total_minor"] -= 1
        assert isinstance(bench.merchant.place(**order), Refused)
        found = bench.merchant.status(order["reference"])
        assert isinstance(found, OrderNotFound) or found.state == "rejected"

    def test_a_genuine_notice_names_the_order(self, bench: MerchantBench) -> None:
        """Its references are ours."""
        headers, body, received_wall_us = bench.genuine_notice("order-1")
        assert bench.merchant.parse_notice(headers, body, received_wall_us).order_references == ("order-1",)

    def test_a_notice_that_was_touched_is_refused(self, bench: MerchantBench) -> None:
        """Another body, another signature or none is not believed."""
        headers, body, received_wall_us = bench.genuine_notice("order-1")
        for forged_headers, forged_body in (
            (headers, body.replace(b"order-1", b"order-2")),
            ({name: value + "0" for name, value in headers.items()}, body),
            ({}, body),
        ):
            with pytest.raises(MerchantError):
                bench.merchant.parse_notice(forged_headers, forged_body, received_wall_us)


def _something(bench: MerchantBench) -> tuple[Quote, Offer]:
    quote = bench.merchant.quote((bench.wanted,))
    return quote, next(offer for offer in quote.lines[0].alternatives if offer.in_stock)


class _Order(TypedDict):
    reference: str
    household_ref: str
    quote_ref: str
    lines: tuple[PlaceLine, ...]
    total_minor: int


def _order(bench: MerchantBench, *, packs: int = 2) -> _Order:
    """An order for something that can be had, at exactly what it costs."""
    quote, offer = _something(bench)
    goods_minor = packs * offer.unit_price_minor
    free = quote.free_delivery_from_minor is not None and goods_minor >= quote.free_delivery_from_minor
    return _Order(
        reference=bench.new_reference(),
        household_ref="contract",
        quote_ref=quote.quote_ref,
        lines=(PlaceLine("line-1", offer.sku, packs, offer.unit_price_minor),),
        total_minor=goods_minor + (0 if free else quote.delivery_price_minor),
    )
