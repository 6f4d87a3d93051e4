from collections import defaultdict
from itertools import pairwise

import pytest

from devices import kinds
from simulators.shop_catalogue import DAY_US, HOUR_US, WEEK_US, Catalogue, Product, load_catalogue, promise_us

MONDAY_US = 1_772_442_000_000_000


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(seed=1)


def products(catalogue: Catalogue) -> list[Product]:
    return list(catalogue.products.values())


def test_every_ean_13_has_its_check_digit_and_is_of_the_range_no_real_product_has(catalogue: Catalogue) -> None:
    for product in products(catalogue):
        digits = [int(digit) for digit in product.gtin]
        assert len(digits) == 13
        assert sum(digit * (3 if place % 2 else 1) for place, digit in enumerate(digits)) % 10 == 0
        assert product.gtin.startswith("20")
    assert len({product.gtin for product in products(catalogue)}) == len(products(catalogue))


def test_every_slot_that_shops_refill_has_two_brands_and_its_usual_packs_in_its_unit(catalogue: Catalogue) -> None:
    slots = [slot for device in kinds().values() for slot in device.slots]
    for slot in slots:
        sold = catalogue.of_kind(slot.supply)
        assert {product.unit for product in sold} <= {slot.unit}
        assert set(slot.packs) <= {product.pack_size for product in sold}
        if slot.packs:
            assert len({product.name.split()[0] for product in sold}) >= 2
    assert {product.kind for product in products(catalogue)} == {slot.supply for slot in slots if slot.packs}


def test_a_larger_pack_costs_more_and_less_by_quantity(catalogue: Catalogue) -> None:
    by_name: dict[str, list[Product]] = defaultdict(list)
    for product in products(catalogue):
        by_name[product.name].append(product)
    for sizes in by_name.values():
        for small, large in pairwise(sorted(sizes, key=lambda product: product.pack_size)):
            assert small.price_minor < large.price_minor
            assert large.price_minor / large.pack_size < small.price_minor / small.pack_size


def test_prices_move_with_the_weeks_stay_near_the_usual_and_end_in_nine(catalogue: Catalogue) -> None:
    for product in products(catalogue):
        prices = [catalogue.price_minor(product, MONDAY_US + week * WEEK_US) for week in range(52)]
        assert len(set(prices)) > 1
        assert all(price % 10 == 9 for price in prices)
        assert all(0.75 * product.price_minor <= price <= 1.15 * product.price_minor for price in prices)


def test_a_price_holds_within_a_week(catalogue: Catalogue) -> None:
    week_us = MONDAY_US // WEEK_US * WEEK_US
    for product in products(catalogue):
        assert catalogue.price_minor(product, week_us) == catalogue.price_minor(product, week_us + WEEK_US - 1)


def test_a_product_is_missing_for_a_few_days_now_and_then_and_no_longer(catalogue: Catalogue) -> None:
    gaps = 0
    for product in products(catalogue):
        missing_hours = 0
        for hour in range(365 * 24):
            missing_hours = 0 if catalogue.in_stock(product, MONDAY_US + hour * HOUR_US) else missing_hours + 1
            gaps += missing_hours == 1
            assert missing_hours <= 6 * 24
    assert 46 <= gaps <= 46 * 6


def test_delivery_takes_one_to_four_days_and_is_promised_for_the_evening(catalogue: Catalogue) -> None:
    leads = {catalogue.lead_days(MONDAY_US + day * DAY_US) for day in range(100)}
    assert leads == {1, 2, 3, 4}
    assert (promise_us(MONDAY_US, 2) - MONDAY_US) == 2 * DAY_US + 9 * HOUR_US


def test_another_seed_makes_other_prices(catalogue: Catalogue) -> None:
    other = load_catalogue(seed=2)
    assert [catalogue.price_minor(product, MONDAY_US) for product in products(catalogue)] != [
        other.price_minor(product, MONDAY_US) for product in products(catalogue)
    ]
