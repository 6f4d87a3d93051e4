from pathlib import Path

import pytest

from gateway.steps.ports import (
    Accepted,
    MerchantNotSent,
    MerchantRefused,
    MerchantUnknown,
    OrderNotFound,
    PlaceLine,
    Refused,
    WantedLine,
)
from tests.integration.merchants.shop_process import DAY_US, ShopProcess, connect


def test_an_order_is_accepted_shipped_billed_delivered_and_found_at_the_door(shop: ShopProcess) -> None:
    accepted = shop.order("order-1", packs=3)
    assert isinstance(accepted, Accepted)
    assert shop.status("order-1").state == "accepted"
    assert shop.status("order-1").parcels == ()
    assert shop.doorstep("home") == []

    shop.set_clock(accepted.promised_us)
    arrived = shop.status("order-1")
    (parcel,) = arrived.parcels
    assert arrived.state == parcel.state == "delivered"
    assert parcel.amount_minor == accepted.total_minor
    assert [(line.line_ref, line.packs, line.packs_delivered) for line in parcel.lines] == [("order-1-1", 3, 3)]
    assert parcel.delivered_us is not None
    assert parcel.shipped_us < parcel.delivered_us <= accepted.promised_us

    shop.set_clock(parcel.shipped_us)
    under_way = shop.status("order-1")
    assert under_way.state == "shipped"
    assert under_way.parcels[0].lines[0].packs_delivered is None
    assert shop.doorstep("home") == []

    shop.set_clock(parcel.delivered_us)
    (item,) = shop.doorstep("home")
    assert (item["n"], item["kind"], item["quantity"], item["unit"]) == (1, "milk", 18.0, "l")
    assert item["delivered_at_us"] == parcel.delivered_us
    assert shop.doorstep("home", after=1) == []
    assert shop.doorstep("another-home") == []


def test_the_instants_of_an_order_do_not_depend_on_when_somebody_asks(shop: ShopProcess) -> None:
    shop.order("order-1")
    shop.pass_days(30)
    late_question = shop.status("order-1")
    shop.pass_days(300)
    assert shop.status("order-1") == late_question


def test_delivery_is_free_from_the_threshold(shop: ShopProcess) -> None:
    quote = shop.merchant.quote((WantedLine("coffee-beans", "g", None, 1),))
    offer = next(offer for offer in quote.lines[0].alternatives if offer.in_stock)
    assert (quote.delivery_price_minor, quote.free_delivery_from_minor) == (390, 2900)
    one = shop.order("order-1", packs=1, kind="coffee-beans", unit="g")
    three = shop.order("order-2", packs=3, kind="coffee-beans", unit="g")
    assert isinstance(one, Accepted)
    assert isinstance(three, Accepted)
    assert one.total_minor == offer.unit_price_minor + 390
    assert three.total_minor == 3 * offer.unit_price_minor


def test_packs_are_quoted_in_the_wanted_unit(shop: ShopProcess) -> None:
    sizes = {offer.pack_size for offer in shop.offers("detergent", "l")}
    assert sizes == {1.5, 3.0}
    assert shop.offers("detergent", "g") == []


def test_a_cancelled_order_never_leaves_and_a_shipped_one_cannot_be_cancelled(shop: ShopProcess) -> None:
    shop.order("order-1")
    shop.order("order-2")
    cancelled = shop.merchant.cancel("order-1")
    assert not isinstance(cancelled, OrderNotFound)
    assert cancelled.state == "cancelled"
    shop.pass_days(10)
    assert shop.status("order-1").state == "cancelled"
    too_late = shop.merchant.cancel("order-2")
    assert not isinstance(too_late, OrderNotFound)
    assert too_late.state == "delivered"
    assert len(shop.doorstep("home")) == 1


def test_an_order_that_took_effect_without_an_answer_is_found_by_its_reference(shop: ShopProcess) -> None:
    shop.script("home", "timeout_after")
    impatient = connect(shop.base_url, timeout_s=0.3)
    (offer, *_) = shop.offers()
    line = PlaceLine("line-1", offer.sku, 1, offer.unit_price_minor)
    order = {"reference": "order-1", "household_ref": "home", "quote_ref": "none", "lines": (line,)}
    total_minor = offer.unit_price_minor + 390
    with pytest.raises(MerchantUnknown):
        impatient.place(**order, total_minor=total_minor)
    impatient.close()
    found = shop.status("order-1")
    assert (found.state, found.total_minor) == ("accepted", total_minor)
    again = shop.merchant.place(**order, total_minor=total_minor)
    assert again == Accepted(found.merchant_ref, total_minor, found.promised_us)
    shop.pass_days(10)
    assert len(shop.doorstep("home")) == 1


def test_a_broken_shop_did_nothing_and_takes_the_order_the_second_time(shop: ShopProcess) -> None:
    shop.script("home", "500")
    with pytest.raises(MerchantUnknown, match="500"):
        shop.order("order-1")
    assert shop.merchant.status("order-1") == OrderNotFound()
    assert isinstance(shop.order("order-1"), Accepted)


def test_a_rejected_order_stays_rejected_under_its_reference(shop: ShopProcess) -> None:
    shop.script("home", "reject")
    first = shop.order("order-1")
    assert isinstance(first, Refused)
    assert first.code == "rejected"
    assert shop.order("order-1") == first
    assert shop.status("order-1").state == "rejected"
    shop.pass_days(10)
    assert shop.doorstep("home") == []


def test_a_short_delivery_is_billed_as_shipped(shop: ShopProcess) -> None:
    shop.script("home", "short")
    accepted = shop.order("order-1", packs=3)
    assert isinstance(accepted, Accepted)
    shop.pass_days(10)
    (parcel,) = shop.status("order-1").parcels
    assert parcel.amount_minor == accepted.total_minor
    assert (parcel.lines[0].packs, parcel.lines[0].packs_delivered) == (3, 2)
    assert [item["quantity"] for item in shop.doorstep("home")] == [12.0]


def test_a_late_delivery_comes_after_its_promise(shop: ShopProcess) -> None:
    shop.script("home", "late")
    accepted = shop.order("order-1")
    assert isinstance(accepted, Accepted)
    shop.set_clock(accepted.promised_us)
    assert shop.status("order-1").state == "shipped"
    shop.pass_days(4)
    assert shop.status("order-1").state == "delivered"


def test_a_lost_order_is_given_up_days_after_its_promise(shop: ShopProcess) -> None:
    shop.script("home", "lost")
    accepted = shop.order("order-1")
    assert isinstance(accepted, Accepted)
    shop.set_clock(accepted.promised_us + 3 * DAY_US - 1)
    assert shop.status("order-1").state == "shipped"
    shop.pass_days(1)
    lost = shop.status("order-1")
    assert lost.state == lost.parcels[0].state == "lost"
    assert (lost.parcels[0].delivered_us, lost.parcels[0].lines[0].packs_delivered) == (None, None)
    assert shop.doorstep("home") == []


def test_a_split_order_comes_in_two_parcels_that_together_cost_its_total(shop: ShopProcess) -> None:
    shop.script("home", "split")
    accepted = shop.order("order-1", packs=3)
    assert isinstance(accepted, Accepted)
    shop.set_clock(accepted.promised_us)
    arrived = shop.status("order-1")
    assert [parcel.lines[0].packs for parcel in arrived.parcels] == [2, 1]
    assert sum(parcel.amount_minor for parcel in arrived.parcels) == accepted.total_minor
    assert arrived.state == "delivered"
    second_shipped_us = arrived.parcels[1].shipped_us
    shop.set_clock(second_shipped_us - 1)
    half_way = shop.status("order-1")
    assert (half_way.state, len(half_way.parcels)) == ("shipped", 1)


def test_a_price_holds_for_its_quote_and_is_refused_when_it_changed_without_one(shop: ShopProcess) -> None:
    quote = shop.merchant.quote((WantedLine("milk", "l", None, 1),))
    before = shop.catalogue()
    shop.pass_days(10)
    changed = next(
        before[sku]
        for sku, item in shop.catalogue().items()
        if item["in_stock"] and item["unit_price_minor"] != before[sku]["unit_price_minor"]
    )
    line = PlaceLine("line-1", changed["sku"], 1, changed["unit_price_minor"])
    order = {"household_ref": "home", "lines": (line,), "total_minor": 10_000}
    without_quote = shop.merchant.place(reference="order-1", quote_ref="none", **order)
    assert isinstance(without_quote, Refused)
    assert without_quote.code == "price_changed"
    assert isinstance(shop.merchant.place(reference="order-2", quote_ref=quote.quote_ref, **order), Accepted)
    shop.pass_days(14)
    too_old = shop.merchant.place(reference="order-3", quote_ref=quote.quote_ref, **order)
    assert isinstance(too_old, Refused)


def test_what_is_out_of_stock_is_quoted_as_such_with_alternatives_first_and_refused(shop: ShopProcess) -> None:
    missing = None
    for _ in range(60):
        shop.pass_days(1)
        quote = shop.merchant.quote((WantedLine("milk", "l", None, 1),))
        missing = next((offer for offer in quote.lines[0].alternatives if not offer.in_stock), None)
        if missing is not None:
            break
    assert missing is not None
    quote = shop.merchant.quote((WantedLine("milk", "l", missing.sku, 1),))
    assert quote.lines[0].offer == missing
    assert quote.lines[0].alternatives[0].in_stock
    answer = shop.merchant.place(
        reference="order-1",
        household_ref="home",
        quote_ref=quote.quote_ref,
        lines=(PlaceLine("line-1", missing.sku, 1, missing.unit_price_minor),),
        total_minor=10_000,
    )
    assert isinstance(answer, Refused)
    assert answer.code == "out_of_stock"


def test_an_unknown_product_is_quoted_as_none_and_refused(shop: ShopProcess) -> None:
    quote = shop.merchant.quote((WantedLine("milk", "l", "goat-milk", 1),))
    assert quote.lines[0].offer is None
    answer = shop.merchant.place(
        reference="order-1",
        household_ref="home",
        quote_ref=quote.quote_ref,
        lines=(PlaceLine("line-1", "goat-milk", 1, 100),),
        total_minor=1000,
    )
    assert isinstance(answer, Refused)
    assert answer.code == "unknown_product"


def test_orders_survive_a_kill_at_once_after_they_were_accepted(shop: ShopProcess) -> None:
    shop.script("home", "late", "split")
    first = shop.order("order-1")
    shop.kill()
    shop.start()
    second = shop.order("order-2", packs=2)
    shop.kill()
    shop.start()
    assert shop.order("order-1") == first
    assert isinstance(second, Accepted)
    shop.set_clock(second.promised_us + 4 * DAY_US)
    assert len(shop.status("order-2").parcels) == 2
    assert shop.status("order-1").state == "delivered"
    assert len(shop.doorstep("home")) == 3


def test_a_shop_that_is_not_there_got_nothing(shop: ShopProcess) -> None:
    shop.stop()
    merchant = connect(shop.base_url)
    with pytest.raises(MerchantNotSent):
        merchant.status("order-1")
    merchant.close()


def test_the_shop_stops_cleanly_on_a_signal_and_when_its_parent_is_gone(shop: ShopProcess) -> None:
    assert shop.stop() == 0
    shop.start()
    assert shop.leave() == 0


def test_a_request_the_shop_does_not_serve_is_refused_with_its_words(shop: ShopProcess) -> None:
    with pytest.raises(MerchantRefused, match="regex"):
        shop.merchant.place(reference="no spaces, please", household_ref="home", quote_ref="q", lines=(), total_minor=1)


def test_nothing_but_the_health_page_is_served_without_the_token(shop: ShopProcess) -> None:
    shop.http.headers["authorization"] = "Bearer wrong"
    assert shop.http.get("/catalogue").status_code == 401
    assert shop.http.get("/healthz").status_code == 200


def test_requests_out_of_bounds_are_answered_as_problems(shop: ShopProcess) -> None:
    for method, path, body, status in (
        ("POST", "/orders", b"{", 400),
        ("POST", "/orders", b'{"reference": 5}', 400),
        ("POST", "/quotes", b'{"lines": []}', 400),
        ("POST", "/quotes", b" " * 300_000, 413),
        ("POST", "/script", b'{"household_ref": "home", "next": ["explode"]}', 400),
        ("GET", "/doorstep/home?after=-1", b"", 400),
        ("GET", "/orders", b"", 405),
        ("GET", "/nowhere", b"", 404),
        ("GET", "/orders/unknown", b"", 404),
    ):
        answer = shop.http.request(method, path, content=body)
        assert (path, answer.status_code) == (path, status)
        assert answer.headers["content-type"] == "application/problem+json"


def _tell_a_season(folder: Path, seed: int) -> list[object]:
    told: list[object] = []
    with ShopProcess(folder, seed=seed, faults="some") as shop:
        for household in ("north", "south"):
            shop.name_household(f"{folder.name}-{household}", household)
        for week in range(10):
            for household in ("north", "south"):
                # References and ids differ from run to run, as random ones do.
                reference = f"{folder.name}-{household}-{week}"
                answer = shop.order(reference, f"{folder.name}-{household}")
                told.append((household, week, type(answer).__name__, getattr(answer, "total_minor", None)))
            shop.pass_days(7)
        shop.pass_days(14)
        for week in range(10):
            status = shop.status(f"{folder.name}-north-{week}")
            told.append((status.state, [(p.state, p.amount_minor, p.delivered_us) for p in status.parcels]))
        told.append(shop.doorstep(f"{folder.name}-south"))
    return told


def test_the_same_seed_tells_the_same_story_and_another_one_another(tmp_path: Path) -> None:
    first = _tell_a_season(tmp_path / "first", seed=7)
    assert _tell_a_season(tmp_path / "second", seed=7) == first
    assert _tell_a_season(tmp_path / "third", seed=8) != first
