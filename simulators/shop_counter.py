"""The pretend shop's counter: what may be asked of it and what it answers, without HTTP.

An order's whole future is written down when it is taken (shop_story.py); where it stands is worked out from the clock
when somebody asks. So a restart, or nobody asking for a week, changes nothing.
"""

import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Any

import msgspec

from devices.errors import BadUnit
from devices.units import convert
from simulators.shop_answers import placed, state, status
from simulators.shop_book import Book, Record
from simulators.shop_catalogue import (
    CURRENCY,
    DAY_US,
    DELIVERY_PRICE_MINOR,
    FREE_DELIVERY_FROM_MINOR,
    Catalogue,
    Product,
    delivery_minor,
    promise_us,
)
from simulators.shop_requests import (
    AnswerLost,
    HouseholdRequest,
    OrderRequest,
    Problem,
    QuoteRequest,
    Refusal,
    ScriptRequest,
    WantedLine,
)
from simulators.shop_story import Outcome, Story, TakenLine, chance, tell

QUOTE_HOLDS_US = 14 * DAY_US
_QUOTE_REF = re.compile(r"Q([0-9]{1,17})-([0-9a-f]{16})")


class Counter:
    """Serves one request at a time per order; `now_us` is policy time, `token` signs the quotes."""

    def __init__(
        self, *, book: Book, catalogue: Catalogue, seed: int, faults: bool, token: str, now_us: Callable[[], int]
    ) -> None:
        self._book = book
        self._catalogue = catalogue
        self._seed = seed
        self._faults = faults
        self._token = token.encode()
        self._now_us = now_us

    # Prices

    def list_products(self) -> dict[str, Any]:
        """Everything the shop sells, at its present price."""
        now_us = self._now_us()
        items = [
            {"kind": product.kind} | self._offer(product, product.pack_size, product.unit, now_us)
            for product in self._catalogue.products.values()
        ]
        return {"currency": CURRENCY, "items": items}

    def quote(self, request: QuoteRequest) -> dict[str, Any]:
        """Prices, alternatives, delivery price and promised date; the prices hold for two weeks."""
        now_us = self._now_us()
        lead_days = self._catalogue.lead_days(now_us)
        return {
            "quote_ref": f"Q{now_us}-{self._sign_quote(now_us)}",
            "currency": CURRENCY,
            "lines": [self._quote_line(line, now_us) for line in request.lines],
            "delivery_price_minor": DELIVERY_PRICE_MINOR,
            "free_delivery_from_minor": FREE_DELIVERY_FROM_MINOR,
            "promised_us": promise_us(now_us, lead_days),
            "lead_time_days": float(lead_days),
        }

    def _quote_line(self, line: WantedLine, now_us: int) -> dict[str, Any]:
        """The offer for the wanted product, and the others of its kind: what can be had first, cheapest first."""
        offers = []
        for product in self._catalogue.of_kind(line.supply_kind):
            try:
                pack_size = convert(product.pack_size, product.unit, line.unit)
            except BadUnit:
                continue
            offers.append(self._offer(product, pack_size, line.unit, now_us))
        offers.sort(key=lambda offer: (not offer["in_stock"], offer["unit_price_minor"] / offer["pack_size"]))
        wanted = next((offer for offer in offers if offer["sku"] == line.sku), None)
        return {"offer": wanted, "alternatives": [offer for offer in offers if offer is not wanted]}

    def _offer(self, product: Product, pack_size: float, unit: str, now_us: int) -> dict[str, Any]:
        return {
            "sku": product.sku,
            "gtin": product.gtin,
            "name": product.name,
            "detail": product.detail,
            "pack_size": pack_size,
            "unit": unit,
            "unit_price_minor": self._catalogue.price_minor(product, now_us),
            "in_stock": self._catalogue.in_stock(product, now_us),
        }

    def _sign_quote(self, at_us: int) -> str:
        return hmac.new(self._token, f"quote {at_us}".encode(), "sha256").hexdigest()[:16]

    def _priced_at_us(self, quote_ref: str, now_us: int) -> int:
        """The instant whose prices hold for an order: its quote's while that is good, else the present."""
        match = _QUOTE_REF.fullmatch(quote_ref)
        if match is None or not hmac.compare_digest(match[2], self._sign_quote(int(match[1]))):
            return now_us
        quoted_us = int(match[1])
        return quoted_us if 0 <= now_us - quoted_us <= QUOTE_HOLDS_US else now_us

    # Orders

    def place(self, request: OrderRequest) -> dict[str, Any]:
        """Take an order, once per reference; the same request is answered the same, another content is a 409."""
        content_sha256 = hashlib.sha256(msgspec.json.encode(request)).hexdigest()
        with self._book.writing():
            known = self._book.find(request.reference)
            if known is not None:
                if known.content_sha256 != content_sha256:
                    detail = f"The order {request.reference} was placed before with another content."
                    raise Problem(409, "reference_reused", detail)
                return placed(known)
            outcome = self._book.take_script(request.household_ref)
            record = None if outcome == "500" else self._take(request, content_sha256, outcome)
        if record is None:
            # Raised after the commit: the scripted fault is used up, and nothing was ordered.
            raise Problem(500, "scripted", "The shop is out of order.")
        if outcome == "timeout_after":
            raise AnswerLost(request.reference)
        return placed(record)

    def _take(self, request: OrderRequest, content_sha256: str, scripted: Outcome | None) -> Record:
        """Decide on a new order and write down its whole future."""
        now_us = self._now_us()
        products = self._catalogue.products
        story = ",".join(sorted({products[line.sku].kind for line in request.lines if line.sku in products}))
        turn = self._book.count_story(request.household_ref, story)
        merchant_ref = f"RS-{self._book.next_number():06d}"
        decided = Record(
            reference=request.reference,
            household_ref=request.household_ref,
            content_sha256=content_sha256,
            merchant_ref=merchant_ref,
            refused_code=None,
            message="",
            ordered_us=now_us,
            promised_us=now_us,
            total_minor=0,
            parcels=(),
        )
        story_key = f"{self._book.household_name(request.household_ref)}/{story}/{turn}"
        try:
            goods_minor = self._agree(request, now_us)
            told = self._tell(
                request, story_key, merchant_ref, goods_minor=goods_minor, now_us=now_us, scripted=scripted
            )
        except Refusal as refusal:
            record = msgspec.structs.replace(decided, refused_code=refusal.code, message=refusal.message)
            notices = [(f"{merchant_ref}/rejected", request.reference, "rejected", now_us)]
        else:
            total_minor = goods_minor + delivery_minor(goods_minor)
            record = msgspec.structs.replace(
                decided, promised_us=told.promised_us, total_minor=total_minor, parcels=told.parcels
            )
            notices = _notices(record, told)
        self._book.add(record, story)
        self._book.add_notices(notices)
        return record

    def _tell(
        self,
        request: OrderRequest,
        story_key: str,
        merchant_ref: str,
        *,
        goods_minor: int,
        now_us: int,
        scripted: Outcome | None,
    ) -> Story:
        """The story of an order that can be had; raises Refusal where it ends before it began."""
        outcome = scripted or chance(
            self._seed, story_key, sum(line.packs for line in request.lines), faults=self._faults
        )
        if outcome == "reject":
            raise Refusal("rejected", "We cannot take this order at the moment.")
        return tell(
            seed=self._seed,
            story_key=story_key,
            outcome=outcome,
            merchant_ref=merchant_ref,
            lines=[TakenLine(line.line_ref, line.sku, line.packs, line.unit_price_minor) for line in request.lines],
            delivery_minor=delivery_minor(goods_minor),
            ordered_us=now_us,
            lead_days=self._catalogue.lead_days(now_us),
        )

    def _agree(self, request: OrderRequest, now_us: int) -> int:
        """What the goods cost, in minor units; raises Refusal unless all can be had as agreed to."""
        if request.currency != CURRENCY:
            raise Refusal("currency", f"We sell in {CURRENCY} only.")
        if len({line.line_ref for line in request.lines}) < len(request.lines):
            raise Refusal("duplicate_line", "Two lines carry the same reference.")
        priced_us = self._priced_at_us(request.quote_ref, now_us)
        goods_minor = 0
        for line in request.lines:
            product = self._catalogue.products.get(line.sku)
            if product is None:
                raise Refusal("unknown_product", f"We do not sell {line.sku}.")
            if not self._catalogue.in_stock(product, now_us):
                raise Refusal("out_of_stock", f"{product.name}, {product.detail}, is out of stock.")
            price_minor = self._catalogue.price_minor(product, priced_us)
            if price_minor != line.unit_price_minor:
                raise Refusal(
                    "price_changed",
                    f"{product.name}, {product.detail}, now costs {price_minor} cents, not {line.unit_price_minor}.",
                )
            goods_minor += line.packs * price_minor
        total_minor = goods_minor + delivery_minor(goods_minor)
        if total_minor > request.total_minor:
            raise Refusal("over_total", f"The order costs {total_minor} cents, more than was agreed to.")
        return goods_minor

    def status(self, reference: str) -> dict[str, Any]:
        """Where an order stands now."""
        return status(self._known(reference), self._now_us())

    def cancel(self, reference: str) -> dict[str, Any]:
        """Cancel an order whose first parcel has not left; else nothing changes. The answer is its status."""
        with self._book.writing():
            record = self._known(reference)
            now_us = self._now_us()
            if state(record, now_us) == "accepted":
                record = msgspec.structs.replace(record, cancelled_us=now_us)
                self._book.cancel(record)
                self._book.add_notices([(f"{record.merchant_ref}/cancelled", reference, "cancelled", now_us)])
        return status(record, now_us)

    def _known(self, reference: str) -> Record:
        record = self._book.find(reference)
        if record is None:
            raise Problem(404, "order_not_found", f"There is no order {reference}.")
        return record

    # The household's door, and the script

    def doorstep(self, household_ref: str, after: int) -> dict[str, Any]:
        """What was delivered to the household after the first `after` items."""
        items = []
        for number, arrival in enumerate(self._book.arrivals(household_ref, self._now_us(), after), start=after + 1):
            product = self._catalogue.products[arrival.sku]
            items.append(
                {
                    "n": number,
                    "sku": product.sku,
                    "kind": product.kind,
                    "quantity": arrival.packs * product.pack_size,
                    "unit": product.unit,
                    "delivered_at_us": arrival.arrives_us,
                }
            )
        return {"items": items, "next": after + len(items)}

    def name_household(self, request: HouseholdRequest) -> dict[str, Any]:
        """Give a household the name that chance knows it by, so that its random id tells no other story."""
        with self._book.writing():
            self._book.name_household(request.household_ref, request.name)
        return {"name": request.name}

    def script(self, request: ScriptRequest) -> dict[str, Any]:
        """Decide what becomes of the household's next orders."""
        with self._book.writing():
            return {"waiting": self._book.add_script(request.household_ref, request.next)}


def _notices(record: Record, told: Story) -> list[tuple[str, str, str, int]]:
    """(notice_id, reference, event, due_us) of all that will be told of an accepted order."""
    events = [(f"{record.merchant_ref}/accepted", "accepted", record.ordered_us)]
    for parcel in told.parcels:
        events.append((f"{parcel.parcel_ref}/shipped", "shipped", parcel.shipped_us))
        if parcel.arrives_us is not None:
            events.append((f"{parcel.parcel_ref}/delivered", "delivered", parcel.arrives_us))
        if parcel.lost_us is not None:
            events.append((f"{parcel.parcel_ref}/lost", "lost", parcel.lost_us))
    if told.notices_reordered:
        # What happened first is told second.
        events[0] = (*events[0][:2], told.parcels[0].shipped_us + 1)
    times = 2 if told.notices_twice else 1
    return [(notice_id, record.reference, event, due_us) for notice_id, event, due_us in events for _ in range(times)]
