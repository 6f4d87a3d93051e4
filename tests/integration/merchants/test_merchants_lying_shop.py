import json
import threading
import time
from collections.abc import Iterator
from typing import Any, TypeAlias

import pytest

from gateway.merchants.http_shop import HttpShop
from gateway.steps.ports import MerchantNotSent, MerchantRefused, MerchantUnknown, OrderNotFound, PlaceLine, WantedLine
from tests.integration.merchants.shop_process import Listener, Received, connect

QUOTE: dict[str, Any] = {
    "quote_ref": "q",
    "currency": "EUR",
    "lines": [{"offer": None, "alternatives": []}],
    "delivery_price_minor": 390,
    "free_delivery_from_minor": None,
    "promised_us": 1,
    "lead_time_days": 2.0,
}
OFFER: dict[str, Any] = {
    "sku": "milk",
    "gtin": "",
    "name": "Milk",
    "detail": "",
    "pack_size": 1.0,
    "unit": "l",
    "unit_price_minor": 129,
    "in_stock": True,
}
ACCEPTED: dict[str, Any] = {
    "outcome": "accepted",
    "merchant_ref": "RS-1",
    "currency": "EUR",
    "total_minor": 500,
    "promised_us": 1,
}
STATUS: dict[str, Any] = {
    "reference": "order-1",
    "merchant_ref": "RS-1",
    "state": "accepted",
    "message": "",
    "currency": "EUR",
    "total_minor": 500,
    "promised_us": 1,
    "parcels": [],
}
PARCEL: dict[str, Any] = {
    "parcel_ref": "p",
    "state": "shipped",
    "amount_minor": 501,
    "shipped_us": 1,
    "delivered_us": None,
    "lines": [],
}
Payload: TypeAlias = bytes | dict[str, Any] | list[Any]

WANTED = (WantedLine("milk", "l", "milk", 1),)


class LyingShop(Listener):
    """Answers every request with the same status and bytes."""

    def say(self, status: int, payload: Payload) -> None:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.answer = lambda _request: (status, body)


@pytest.fixture
def liar() -> Iterator[LyingShop]:
    with LyingShop() as listening:
        yield listening


@pytest.fixture
def merchant(liar: LyingShop) -> Iterator[HttpShop]:
    shop = connect(liar.base_url, answer_bytes=4096, timeout_s=30)
    yield shop
    shop.close()


def place(merchant: HttpShop) -> object:
    line = PlaceLine("line-1", "milk", 1, 110)
    return merchant.place(reference="order-1", household_ref="home", quote_ref="q", lines=(line,), total_minor=500)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"<html>",
        b"\xff\xfe",
        b"null",
        b"[" * 4000,
        b" " * 5000,
        b'{"outcome":"accepted"}',
        b'{"outcome":"maybe"}',
        ACCEPTED | {"currency": "USD"},
        ACCEPTED | {"total_minor": 501},
        ACCEPTED | {"total_minor": -1},
        ACCEPTED | {"total_minor": 4.5},
        ACCEPTED | {"total_minor": "500"},
        ACCEPTED | {"total_minor": 10**30},
        ACCEPTED | {"merchant_ref": ""},
    ],
)
def test_an_acceptance_that_does_not_fit_is_unknown_and_never_believed(
    liar: LyingShop, merchant: HttpShop, payload: Payload
) -> None:
    liar.say(200, payload)
    with pytest.raises(MerchantUnknown):
        place(merchant)


@pytest.mark.parametrize(
    "payload",
    [
        QUOTE | {"currency": "USD"},
        QUOTE | {"lines": []},
        QUOTE | {"lines": QUOTE["lines"] * 2},
        QUOTE | {"lines": [{"offer": OFFER | {"sku": "cheese"}, "alternatives": []}]},
        QUOTE | {"lines": [{"offer": OFFER | {"unit": "ml"}, "alternatives": []}]},
        QUOTE | {"lines": [{"offer": None, "alternatives": [OFFER | {"unit": "ml"}]}]},
        QUOTE | {"lines": [{"offer": OFFER | {"pack_size": 0}, "alternatives": []}]},
        QUOTE | {"lines": [{"offer": OFFER | {"unit_price_minor": -5}, "alternatives": []}]},
        QUOTE | {"lead_time_days": -1},
        json.dumps(QUOTE).replace("2.0", "NaN").encode(),
        json.dumps(QUOTE).replace("2.0", "1e999").encode(),
    ],
)
def test_a_quote_that_was_not_asked_for_is_unknown(liar: LyingShop, merchant: HttpShop, payload: Payload) -> None:
    liar.say(200, payload)
    with pytest.raises(MerchantUnknown):
        merchant.quote(WANTED)


@pytest.mark.parametrize(
    "payload",
    [
        STATUS | {"reference": "order-2"},
        STATUS | {"currency": "USD"},
        STATUS | {"state": "eaten"},
        STATUS | {"parcels": [PARCEL]},
        STATUS | {"parcels": [PARCEL | {"state": "gone"}]},
        [STATUS],
    ],
)
def test_a_status_of_something_else_is_unknown(liar: LyingShop, merchant: HttpShop, payload: Payload) -> None:
    liar.say(200, payload)
    with pytest.raises(MerchantUnknown):
        merchant.status("order-1")
    with pytest.raises(MerchantUnknown):
        merchant.cancel("order-1")


@pytest.mark.parametrize("status", [301, 408, 500, 502, 503])
def test_an_answer_that_does_not_say_what_was_done_is_unknown(liar: LyingShop, merchant: HttpShop, status: int) -> None:
    liar.say(status, b"")
    with pytest.raises(MerchantUnknown):
        place(merchant)


def test_a_shop_that_asks_for_patience_did_nothing(liar: LyingShop, merchant: HttpShop) -> None:
    liar.say(429, b"")
    with pytest.raises(MerchantNotSent):
        place(merchant)


def test_the_words_of_a_refusal_are_shown_without_control_characters(liar: LyingShop, merchant: HttpShop) -> None:
    liar.say(422, {"code": "closed", "detail": "We are \x1b[31mclosed\n" + "!" * 1000})
    with pytest.raises(MerchantRefused) as refused:
        place(merchant)
    assert str(refused.value).startswith("We are [31mclosed!!!")
    assert len(str(refused.value)) == 300


def test_an_order_is_unknown_to_the_shop_only_when_the_shop_says_so(liar: LyingShop, merchant: HttpShop) -> None:
    liar.say(404, b"<html>nothing here</html>")
    with pytest.raises(MerchantRefused):
        merchant.status("order-1")
    liar.say(404, {"code": "order_not_found"})
    assert merchant.status("order-1") == OrderNotFound()


def test_an_answer_that_never_ends_is_given_up_in_time(liar: LyingShop) -> None:
    finished = threading.Event()

    def stall(request: Received) -> tuple[int, bytes]:
        finished.wait(120)
        return 200, request.body

    liar.answer = stall
    merchant = connect(liar.base_url, timeout_s=0.2)
    began = time.monotonic()
    with pytest.raises(MerchantUnknown):
        place(merchant)
    assert time.monotonic() - began < 60
    finished.set()
    merchant.close()
