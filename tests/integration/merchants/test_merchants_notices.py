import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from devices.clock import RealClock
from gateway.steps.ports import Accepted, MerchantRefused
from tests.integration.merchants.shop_process import Listener, Received, ShopProcess

CLOCK = RealClock()


@pytest.fixture
def telling_shop(tmp_path: Path, listener: Listener) -> Iterator[ShopProcess]:
    with ShopProcess(tmp_path / "shop", notify=f"{listener.base_url}/notices/shop") as running:
        yield running


def test_every_change_of_an_order_is_told_signed_and_settled_when_due(
    telling_shop: ShopProcess, listener: Listener
) -> None:
    telling_shop.script("home", "plain", "plain")
    accepted = telling_shop.order("order-1")
    assert isinstance(accepted, Accepted)
    telling_shop.order("order-2", "other")
    telling_shop.merchant.cancel("order-2")
    telling_shop.set_clock(accepted.promised_us)
    telling_shop.settle_notices()
    told = {
        telling_shop.merchant.parse_notice(request.headers, request.body, CLOCK.wall_us()).order_references[0]
        for request in listener.received
    }
    assert told == {"order-1", "order-2"}
    events = [request.body.count(b'"delivered"') for request in listener.received if b"order-1" in request.body]
    assert (len(events), sum(events)) == (3, 1)
    assert telling_shop.settle_notices() == {"sent": 0, "failed": 0}


def test_due_notices_are_sent_without_being_asked_for(tmp_path: Path) -> None:
    arrived = threading.Event()

    def note(_request: Received) -> tuple[int, bytes]:
        arrived.set()
        return 204, b""

    with Listener(answer=note) as listener, ShopProcess(tmp_path / "shop", notify=listener.base_url) as shop:
        shop.order("order-1")
        assert arrived.wait(timeout=60)


def test_a_notice_may_come_twice_and_carries_the_same_id(telling_shop: ShopProcess, listener: Listener) -> None:
    telling_shop.script("home", "duplicate_notice")
    telling_shop.order("order-1")
    telling_shop.pass_days(10)
    telling_shop.settle_notices()
    ids = [
        telling_shop.merchant.parse_notice(one.headers, one.body, CLOCK.wall_us()).notice_id
        for one in listener.received
    ]
    assert len(ids) == 6
    assert len(set(ids)) == 3


def test_a_notice_that_was_not_taken_is_sent_again_even_after_a_kill(tmp_path: Path) -> None:
    repaired = threading.Event()
    listener = Listener(answer=lambda _request: (204 if repaired.is_set() else 500, b""))
    with listener, ShopProcess(tmp_path / "shop", notify=listener.base_url) as shop:
        shop.order("order-1")
        assert shop.settle_notices()["sent"] == 0
        shop.kill()
        refused = len(listener.received)
        repaired.set()
        shop.start()
        shop.settle_notices()
        assert len(listener.received) == refused + 1
        assert len({request.body for request in listener.received}) == 1


def test_a_notice_from_another_shop_is_refused(telling_shop: ShopProcess, listener: Listener) -> None:
    telling_shop.order("order-1")
    telling_shop.settle_notices()
    request = listener.received[0]
    with pytest.raises(MerchantRefused, match="not signed"):
        telling_shop.merchant.parse_notice(request.headers, request.body + b" ", CLOCK.wall_us())
