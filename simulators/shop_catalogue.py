"""What the pretend shop sells: its products, and how their prices and stock change with the weeks.

Everything here is a function of (seed, sku, instant): asked twice, or by two processes, it answers the same.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec

CURRENCY = "EUR"
DELIVERY_PRICE_MINOR = 390
FREE_DELIVERY_FROM_MINOR = 2900

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
WEEK_US = 7 * DAY_US
STOCK_PERIOD_US = 14 * DAY_US

SHARE_OUT_OF_STOCK = 0.10  # of the fortnights of a product have a gap of one to three days
SHARE_ON_OFFER = 0.06  # of the weeks of a product are at 15 % less


class Product(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One pack as it stands on the shelf. `pack_size` in `unit`, `price_minor` the usual price of one pack."""

    sku: str
    gtin: str
    kind: str
    name: str
    detail: str
    pack_size: Annotated[float, msgspec.Meta(gt=0)]
    unit: str
    price_minor: Annotated[int, msgspec.Meta(gt=0)]


def draw(seed: int, *what: str | int) -> float:
    """A number in [0, 1) that belongs to (seed, what) for ever."""
    text = "\x1f".join(str(part) for part in (seed, *what))
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return (int.from_bytes(digest) >> 11) / 2**53


class Catalogue:
    """The products, and what one pack costs and whether it can be had at an instant (UTC microseconds)."""

    def __init__(self, products: Mapping[str, Product], seed: int) -> None:
        self.products = products
        self._seed = seed

    def of_kind(self, kind: str) -> tuple[Product, ...]:
        """Every product that refills this kind of supply, in the order of the file."""
        return tuple(product for product in self.products.values() if product.kind == kind)

    def price_minor(self, product: Product, at_us: int) -> int:
        """The price of one pack: -4 … +6 % around the usual for four weeks at a time, and now and then an offer.

        Prices end in 9, as in shops.
        """
        week = at_us // WEEK_US
        season = (week + int(4 * draw(self._seed, "season", product.sku))) // 4
        level = 0.96 + 0.10 * draw(self._seed, "price", product.sku, season)
        if draw(self._seed, "offer", product.sku, week) < SHARE_ON_OFFER:
            level *= 0.85
        return max(round(product.price_minor * level / 10) * 10 - 1, 9)

    def in_stock(self, product: Product, at_us: int) -> bool:
        """Whether a pack can be had: a product is missing for a few days in some fortnights."""
        shifted = at_us + int(STOCK_PERIOD_US * draw(self._seed, "shelf", product.sku))
        period, into_us = divmod(shifted, STOCK_PERIOD_US)
        if draw(self._seed, "gap", product.sku, period) >= SHARE_OUT_OF_STOCK:
            return True
        length_us = int(DAY_US * (1 + 2 * draw(self._seed, "gap length", product.sku, period)))
        start_us = int((STOCK_PERIOD_US - length_us) * draw(self._seed, "gap start", product.sku, period))
        return not start_us <= into_us < start_us + length_us

    def lead_days(self, at_us: int) -> int:
        """How many days delivery takes for an order of this instant's day: one to four, mostly two."""
        chance = draw(self._seed, "lead", at_us // DAY_US)
        return 1 if chance < 0.25 else 2 if chance < 0.70 else 3 if chance < 0.90 else 4


def promise_us(ordered_us: int, lead_days: int) -> int:
    """The promised instant: six in the evening (UTC), `lead_days` after the day of the order."""
    return ordered_us // DAY_US * DAY_US + lead_days * DAY_US + 18 * HOUR_US


def delivery_minor(goods_minor: int) -> int:
    """What delivery costs for goods of this worth."""
    return 0 if goods_minor >= FREE_DELIVERY_FROM_MINOR else DELIVERY_PRICE_MINOR


def load_catalogue(seed: int) -> Catalogue:
    """The catalogue of catalogue.json."""
    payload = Path(__file__).with_name("catalogue.json").read_bytes()
    products = msgspec.json.decode(payload, type=list[Product])
    return Catalogue({product.sku: product for product in products}, seed)
