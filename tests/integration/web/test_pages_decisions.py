"""Deciding on a cart: by plain forms, by htmx, too late, and by somebody who may not."""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from gateway.domain.approval import Approval
from gateway.domain.cart import Cart, CartState, Line
from gateway.domain.replenishment import DAY_US, HOUR_US, Forecast
from tests.fakes import FakeClock
from tests.integration.web.sample_household import HOUSE, NOW, full_house, world
from tests.web_client import WebClient

CART = "/carts/cart-waiting"
COFFEE = f"{CART}/lines/line-cart-waiting-coffee"
HTMX = {"HX-Request": "true", "HX-Current-URL": "http://localhost:8000/"}


@pytest.fixture
def web() -> Iterator[WebClient]:
    with WebClient(world(), FakeClock()) as client:
        client.http.headers["Sec-Fetch-Site"] = "same-origin"
        client.sign_in("member-ana")
        yield client


def cart(web: WebClient) -> Cart:
    with web.unit_of_work.read() as tx:
        return tx.get(Cart, HOUSE, "cart-waiting")


def test_an_approval_without_script_leads_to_the_receipt(web: WebClient) -> None:
    answer = web.post(f"{CART}/approve", data={"version": "1"})
    assert (answer.status_code, answer.headers["location"]) == (303, CART)
    receipt = web.get(CART).text
    assert "Approved by Ana Marín" in receipt
    assert 'data-left="20"' in receipt
    assert cart(web).state is CartState.APPROVED
    (approval,) = [one for one in web.unit_of_work.rows(Approval) if one.cart_id == "cart-waiting"]
    assert (approval.member_id, approval.amount_minor) == ("member-ana", 3239)


def test_an_approval_by_htmx_changes_card_headline_badge_and_rows_in_one_answer(web: WebClient) -> None:
    html = web.post(f"{CART}/approve", data={"version": "1"}, headers=HTMX).text
    assert html.lstrip().startswith('<section id="cart-cart-waiting"')
    assert "autofocus" in html
    for target in ("#nav-badge", "#home-head", "#supply-supply-coffee", "#supply-supply-detergent"):
        assert f'hx-target="{target}"' in html
    assert "#supply-supply-milk" not in html
    assert "Waiting for your OK" not in html


def test_away_from_the_first_page_only_the_card_and_the_badge_change(web: WebClient) -> None:
    headers = HTMX | {"HX-Current-URL": "http://localhost:8000/orders"}
    html = web.post(f"{CART}/skip", headers=headers).text
    assert "#nav-badge" in html
    assert "#home-head" not in html
    assert "Skipped this time" in html


def test_nobody_approves_what_they_did_not_see(web: WebClient) -> None:
    web.post(COFFEE, data={"packs": "3"})
    answer = web.post(f"{CART}/approve", data={"version": "1"})
    assert answer.status_code == 409
    assert "It was edited since" in answer.text
    partial = web.post(f"{CART}/approve", data={"version": "1"}, headers=HTMX)
    assert partial.status_code == 200
    assert "It was edited since" in partial.text
    assert cart(web).state is CartState.AWAITING_APPROVAL


def test_the_quantity_changes_and_the_total_on_the_button_with_it(web: WebClient) -> None:
    html = web.post(COFFEE, data={"packs": "2"}, headers=HTMX).text
    assert "Approve 51.29\xa0€" in html
    assert web.post(COFFEE, data={"packs": "21"}).status_code == 409


def test_a_product_is_swapped_for_one_the_shop_offers(web: WebClient) -> None:
    assert web.post(COFFEE, data={"sku": "sku-other"}).status_code == 303
    with web.unit_of_work.read() as tx:
        assert tx.get(Line, HOUSE, "line-cart-waiting-coffee").name == "Caffè Aurora dark roast"
    assert "Caffè Aurora dark roast" in web.get(CART).text
    assert web.post(COFFEE, data={"sku": "from nowhere"}).status_code == 409


def test_a_snoozed_cart_says_when_it_comes_again(web: WebClient) -> None:
    assert web.post(f"{CART}/snooze", data={"until_us": str(NOW + 3 * DAY_US)}).status_code == 303
    assert cart(web).state is CartState.SNOOZED
    assert "We ask again on Fri 27 Nov, 18:05" in web.get(CART).text


def test_a_skipped_cart_offers_no_undo(web: WebClient) -> None:
    web.post(f"{CART}/skip")
    html = web.get(CART).text
    assert "Skipped this time" in html
    assert f"{CART}/undo" not in html


def test_undo_brings_the_decision_back_and_asks_again(web: WebClient) -> None:
    web.post(f"{CART}/approve", data={"version": "1"})
    assert f"{CART}/undo" in web.get(CART).text
    assert web.post(f"{CART}/undo").status_code == 303
    assert cart(web).state is CartState.AWAITING_APPROVAL
    assert "Approve 32.39\xa0€" in web.get(CART).text


def test_the_time_to_undo_runs_out_on_the_page_too(web: WebClient) -> None:
    web.post(f"{CART}/approve", data={"version": "1"})
    web.clock.wall += 21_000_000
    assert f"{CART}/undo" not in web.get(CART).text


def test_a_viewer_decides_nothing(web: WebClient) -> None:
    web.sign_in("member-iris")
    answer = web.post(f"{CART}/approve", data={"version": "1"}, headers={"Accept": "text/html"})
    assert answer.status_code == 403
    assert "Only an owner or an approver" in answer.text
    assert "Only an owner or an approver may decide" in web.get(CART).text
    assert cart(web).state is CartState.AWAITING_APPROVAL


def test_another_site_cannot_approve(web: WebClient) -> None:
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert web.post(f"{CART}/approve", data={"version": "1"}, headers=headers).status_code == 403
    assert cart(web).state is CartState.AWAITING_APPROVAL


def test_unsigned_readings_are_said_on_the_card() -> None:
    rows = [row for row in full_house() if not (isinstance(row, Cart) and row.id == "cart-waiting")]
    waiting = next(row for row in full_house() if isinstance(row, Cart) and row.id == "cart-waiting")
    unsigned = replace(waiting, signed=False, needs_person=("a reading behind it was unsigned or is too old",))
    with WebClient(world(*rows, unsigned), FakeClock()) as web:
        web.sign_in("member-ana")
        html = web.get("/").text
    assert "unsigned or old" in html
    assert "Asked because a reading behind it was unsigned" in html


def test_a_declined_payment_says_so_and_where_to_look() -> None:
    rows = [
        replace(row, state=CartState.DECLINED, note="The account is overdrawn")
        if isinstance(row, Cart) and row.id == "cart-waiting"
        else row
        for row in full_house()
    ]
    with WebClient(world(*rows), FakeClock()) as web:
        web.sign_in("member-ana")
        html = web.get(CART).text
    assert "Payment declined" in html
    assert "The account is overdrawn" in html
    assert "Look at your accounts" in html


def test_a_skipped_cart_is_brought_back_from_its_own_card(web: WebClient) -> None:
    web.post(f"{CART}/skip")
    page = web.get(CART).text
    assert "Bring it back" in page
    assert web.post(f"{CART}/ask-again").status_code == 303
    assert "waits for your OK" in web.get(CART).text


def test_a_snoozed_cart_offers_to_be_asked_now(web: WebClient) -> None:
    web.post(f"{CART}/snooze", data={"until_us": str(NOW + 3 * DAY_US)})
    assert "Ask me now" in web.get(CART).text
    html = web.post(f"{CART}/ask-again", headers={"HX-Request": "true"}).text
    assert "Approve" in html


def test_a_snooze_beyond_the_deadline_says_what_it_means(web: WebClient) -> None:
    with web.unit_of_work.begin() as tx:
        tx.save(replace(tx.get(Cart, HOUSE, "cart-waiting"), decide_by_us=NOW + 10 * HOUR_US))
        for forecast in tx.find(Forecast, HOUSE, current=True):
            tx.save(replace(forecast, p10_us=NOW + 40 * DAY_US))
    sheet = web.get(CART).text.partition("Ask me again")[2].partition("</form>")[0]
    assert re.findall(r"<strong>([^<]+)</strong><small>([^<]+)", sheet)[:2] == [
        ("In 3 hours", "Tue 24 Nov, 21:05"),
        ("Tomorrow", "Wed 25 Nov, 18:05, after the deadline: it may arrive too late"),
    ]
