"""What the stream of a page sends: nothing while nothing changes, then what changed and no more."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import pytest
from fastapi import Request

from gateway.domain.access import Session
from gateway.domain.cart import Cart, CartState
from gateway.domain.household import Member
from gateway.domain.order import Order
from gateway.domain.replenishment import Forecast
from gateway.domain.stock import Supply
from gateway.web.pages.live import MAX_STREAMS_PER_HOUSEHOLD, Streams, Watch, _stream, end_streams_when, streams_of
from gateway.web.pages.versions import household_version
from gateway.web.pages.visit import Visit
from gateway.web.problems import TooManyRequests
from gateway.web.sessions import SignedIn
from tests.fakes import FakeClock
from tests.integration.web.sample_household import HOUSE, full_house, household, shop, world
from tests.web_client import WebClient


@pytest.fixture
def web() -> Iterator[WebClient]:
    with WebClient(world(), FakeClock()) as client:
        client.sign_in("member-ana")
        yield client


def watch(web: WebClient, page: str = "home", cart_id: str = "", since: str | None = None) -> Watch:
    scope = {"type": "http", "method": "GET", "path": "/events", "query_string": b"", "headers": [], "app": web.app}
    with web.unit_of_work.read() as tx:
        member = tx.get(Member, HOUSE, "member-ana")
        (session,) = tx.find(Session, HOUSE)
        version = household_version(tx, HOUSE)
    visit = Visit(Request(scope), web.app.state.services, SignedIn(member, session, None))
    return Watch(visit, page, cart_id, version if since is None else since)


def looked(one: Watch) -> str:
    said = one.look()
    assert said is not None
    return said


def move(web: WebClient, supply_id: str = "supply-milk") -> None:
    """Let a forecast follow a level, as the river does."""
    with web.unit_of_work.begin() as tx:
        (old,) = tx.find(Forecast, HOUSE, supply_id=supply_id, current=True)
        tx.save(replace(old, current=False))
        tx.add(replace(old, id=tx.new_id().replace("0000", "zzzz", 1), p10_us=(old.p10_us or 0) - 86_400_000_000))


def test_a_page_that_is_up_to_date_is_sent_nothing(web: WebClient) -> None:
    one = watch(web)
    assert looked(one) == ""
    assert looked(one) == ""


def test_a_page_from_before_is_sent_everything(web: WebClient) -> None:
    said = looked(watch(web, since="an older version"))
    for target in ("nav-badge", "home-head", "decisions", "soon", "activity", "supply-supply-milk"):
        assert f'hx-target="#{target}"' in said
    assert said.startswith("id: ")


def test_only_the_row_that_moved_is_sent(web: WebClient) -> None:
    one = watch(web)
    looked(one)
    move(web)
    said = looked(one)
    assert '#supply-supply-milk"' in said
    assert "#supply-supply-eggs" not in said
    assert "#decisions" not in said


def test_an_answered_cart_stays_readable_on_the_page(web: WebClient) -> None:
    one = watch(web)
    looked(one)
    with web.unit_of_work.begin() as tx:
        tx.save(replace(tx.get(Cart, HOUSE, "cart-waiting"), state=CartState.SKIPPED))
    said = looked(one)
    assert "Skipped this time" in said
    assert "autofocus" not in said
    assert "#nav-badge" in said


def test_what_waits_comes_first_and_two_orders_under_way_stand_beside_it(web: WebClient) -> None:
    with web.unit_of_work.begin() as tx:
        plain, cart = tx.get(Order, HOUSE, "order-cart-1-milk"), tx.get(Cart, HOUSE, "cart-1-milk")
        for number in range(2, 5):
            tx.add(replace(cart, id=f"cart-{number}-milk"))
            tx.add(replace(plain, id=f"order-cart-{number}-milk", cart_id=f"cart-{number}-milk"))
        tx.add(replace(tx.get(Cart, HOUSE, "cart-waiting"), id="cart-0", state=CartState.APPROVED))
    shown = re.findall(r'<section id="cart-([^"]+)"', web.get("/").text)
    assert shown == ["cart-waiting", "cart-0", "cart-4-milk"]
    assert "3 more under way" in web.get("/").text
    one = watch(web)
    looked(one)
    with web.unit_of_work.begin() as tx:
        tx.save(replace(tx.get(Cart, HOUSE, "cart-0"), state=CartState.SKIPPED))
    assert re.findall(r'<section id="cart-([^"]+)"', looked(one)) == ["cart-waiting", "cart-4-milk", "cart-3-milk"]


def test_a_supplys_own_page_keeps_its_chart_and_its_headline_fresh(web: WebClient) -> None:
    page = web.get("/supplies/supply-milk").text
    assert 'hx-get="/supplies/supply-milk/forecast?page=supply"' in page
    part = web.get("/supplies/supply-milk/forecast?page=supply", headers={"HX-Request": "true"}).text
    assert 'hx-get="/supplies/supply-milk/forecast?page=supply"' in part
    assert '<hx-partial hx-target="#supply-head" hx-swap="outerMorph">' in part
    assert "supply-head" not in web.get("/supplies/supply-milk/forecast", headers={"HX-Request": "true"}).text


def test_a_new_supply_sends_the_whole_list(web: WebClient) -> None:
    one = watch(web)
    looked(one)
    with web.unit_of_work.begin() as tx:
        plain = tx.get(Supply, HOUSE, "supply-water")
        tx.add(replace(plain, id="supply-new", name="Tea", sealed_quantity=1.0))
    assert 'hx-target="#rows"' in looked(one)


def test_the_page_of_one_cart_is_sent_that_cart_alone(web: WebClient) -> None:
    one = watch(web, "cart", "cart-waiting")
    looked(one)
    with web.unit_of_work.begin() as tx:
        tx.save(replace(tx.get(Cart, HOUSE, "cart-waiting"), state=CartState.EXPIRED))
    said = looked(one)
    assert '#cart-cart-waiting"' in said
    assert "#rows" not in said
    order = watch(web, "order", "cart-1-milk", since="before")
    assert 'hx-target="#progress"' in looked(order)


def test_another_household_does_not_wake_the_page() -> None:
    other = [household(id="other", household_id="other"), shop()]
    rows = [row for row in full_house() if row != shop()]
    with WebClient(world(*rows, *other), FakeClock()) as web:
        web.sign_in("member-ana")
        one = watch(web)
        looked(one)
        with web.unit_of_work.begin() as tx:
            plain = tx.get(Supply, HOUSE, "supply-water")
            tx.add(replace(plain, id="theirs", household_id="other"))
        assert looked(one) == ""


def test_a_session_that_was_ended_ends_its_streams(web: WebClient) -> None:
    one = watch(web)
    with web.unit_of_work.begin() as tx:
        (session,) = tx.find(Session, HOUSE)
        tx.save(replace(session, revoked_wall_us=1))
    assert one.look() is None


def test_a_household_opens_so_many_streams_and_no_more() -> None:
    streams = Streams()
    for _ in range(MAX_STREAMS_PER_HOUSEHOLD):
        streams.enter(HOUSE)
    with pytest.raises(TooManyRequests):
        streams.enter(HOUSE)
    streams.enter("another")
    streams.leave(HOUSE)
    streams.enter(HOUSE)


def test_streams_end_when_the_server_closes(web: WebClient) -> None:
    async def run() -> list[str]:
        async def never() -> bool:
            return False

        request = cast("Request", type("Open", (), {"is_disconnected": staticmethod(never)})())
        streams = streams_of(web.app)
        streams.enter(HOUSE)
        sent = []
        async for message in _stream(request, streams, watch(web, since="before")):
            sent.append(message)
            end_streams_when(web.app, lambda: True)
        return sent

    sent = asyncio.run(asyncio.wait_for(run(), 10))
    assert sent[0].startswith("retry:")
    assert streams_of(web.app).open.total() == 0
    with pytest.raises(TooManyRequests):
        streams_of(web.app).enter(HOUSE)


def test_nobody_watches_a_cart_of_another_household(web: WebClient) -> None:
    assert web.get("/events?cart=nobodys").status_code == 404
