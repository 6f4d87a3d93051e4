"""What the API answers, and that a decision through it is the same decision as on a page."""

from collections.abc import Iterator
from typing import Any, TypeAlias

import pytest

from gateway.domain.approval import Approval
from gateway.domain.cart import Cart, CartState
from gateway.domain.replenishment import DAY_US
from gateway.domain.stock import Supply
from gateway.web.wording import iso
from tests.fakes import START_US, FakeClock
from tests.integration.web.sample_household import HOUSE, world
from tests.web_client import UNDO_US, WebClient

Json: TypeAlias = Any

CART = "/api/v1/carts/cart-waiting"


@pytest.fixture
def web() -> Iterator[WebClient]:
    with WebClient(world(), FakeClock()) as client:
        client.http.headers.update(client.bearer("member-ana"))
        yield client


def _json(web: WebClient, path: str) -> Json:
    answer = web.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_household_says_whom_the_token_acts_for(web: WebClient) -> None:
    body = _json(web, "/api/v1/household")
    assert (body["id"], body["member_name"], body["member_role"]) == (HOUSE, "Ana Marín", "owner")
    assert (body["waiting_carts"], body["frozen_since"]) == (1, None)


def test_a_supply_tells_its_level_its_forecast_and_its_plan(web: WebClient) -> None:
    body = _json(web, "/api/v1/supplies/supply-coffee")
    assert body["level"] == {"quantity": 240.0, "unit": "g", "capacity": 1000, "percent": 24.0, "sealed_quantity": 0.0}
    assert body["forecast"]["p10"] < body["forecast"]["p50"] < body["forecast"]["p90"]
    assert body["forecast"]["p10"].endswith("Z")
    assert body["forecast"]["reasons"]
    assert (body["plan"]["kind"], body["plan"]["cart_id"]) == ("waiting", "cart-waiting")


def test_an_unknown_level_is_null_and_not_zero(web: WebClient) -> None:
    body = _json(web, "/api/v1/supplies/supply-water")
    assert body["level"]["quantity"] is None
    assert body["forecast"] is None
    assert body["state"] == "unknown"


def test_lists_are_paged_newest_first_and_complete(web: WebClient) -> None:
    ids: list[str] = []
    path = "/api/v1/supplies?limit=3"
    while True:
        page = _json(web, path)
        assert len(page["items"]) <= 3
        ids += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        path = f"/api/v1/supplies?limit=3&cursor={page['next']}"
    assert ids == sorted((supply.id for supply in web.unit_of_work.rows(Supply)), reverse=True)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "cursor=" + "x" * 65, "cursor=zzz", "state=nonsense"]
)
def test_a_wrong_parameter_is_named(web: WebClient, query: str) -> None:
    answer = web.get(f"/api/v1/carts?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == query.partition("=")[0]


def test_a_payment_that_is_not_there_is_called_a_payment(web: WebClient) -> None:
    answer = web.get("/api/v1/payments/nobody")
    assert answer.status_code == 404
    assert "has no payment 'nobody'" in answer.text


def test_carts_are_found_by_state(web: WebClient) -> None:
    waiting = _json(web, "/api/v1/carts?state=awaiting_approval")["items"]
    assert [cart["id"] for cart in waiting] == ["cart-waiting"]
    assert waiting[0]["state"] == "awaiting_approval"
    assert waiting[0]["total"] == {"amount_minor": 3239, "currency": "EUR"}
    assert len(_json(web, "/api/v1/carts")["items"]) > 1


def test_an_edit_changes_the_sum_and_the_version(web: WebClient) -> None:
    line = f"{CART}/lines/line-cart-waiting-coffee"
    more = web.patch(line, json={"packs": 2}).json()
    assert (more["version"], more["total"]["amount_minor"]) == (2, 2 * 1890 + 1349)
    swapped = web.patch(line, json={"sku": "sku-other"}).json()
    assert swapped["lines"][0]["name"] == "Caffè Aurora dark roast"
    assert swapped["version"] == 3


@pytest.mark.parametrize(
    "body", [{}, {"packs": 0}, {"packs": 21}, {"packs": 1, "sku": "x"}, {"price": 1}, {"packs": "many"}]
)
def test_a_wrong_edit_is_refused(web: WebClient, body: dict[str, object]) -> None:
    answer = web.patch(f"{CART}/lines/line-cart-waiting-coffee", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_approval_is_for_the_cart_that_was_seen(web: WebClient) -> None:
    web.patch(f"{CART}/lines/line-cart-waiting-coffee", json={"packs": 2})
    stale = web.post(f"{CART}/approve", json={"version": 1})
    assert stale.status_code == 409
    assert stale.json()["state"] == "changed"
    assert web.post(f"{CART}/approve", json={"version": 2}).json()["state"] == "approved"


def test_an_approval_can_be_undone_until_it_is_sent(web: WebClient) -> None:
    approved = web.post(f"{CART}/approve").json()
    assert approved["state"] == "approved"
    assert approved["undo_until"] == iso(START_US + UNDO_US)
    assert approved["approved_by"] == "Approved by Ana Marín"
    assert [step["state"] for step in approved["steps"]][:2] == ["done", "later"]
    assert [row.step for row in web.unit_of_work.work if row.subject_id == "cart-waiting"] == ["authorize"]
    undone = web.post(f"{CART}/undo").json()
    assert (undone["state"], undone["undo_until"]) == ("awaiting_approval", None)
    assert [one.state for one in web.unit_of_work.rows(Approval) if one.cart_id == "cart-waiting"] == ["undone"]


def test_a_second_approval_finds_that_the_cart_moved_on(web: WebClient) -> None:
    web.post(f"{CART}/approve")
    again = web.post(f"{CART}/approve")
    assert again.status_code == 409
    assert again.json()["state"] == "approved"


def test_snoozing_takes_an_instant_or_days(web: WebClient) -> None:
    until = iso(START_US + 3 * DAY_US)
    assert web.post(f"{CART}/snooze", json={"until": until}).json()["state"] == "snoozed"
    (cart,) = [one for one in web.unit_of_work.rows(Cart) if one.id == "cart-waiting"]
    assert cart.snoozed_until_us == START_US + 3 * DAY_US


def test_a_snooze_into_the_past_is_refused(web: WebClient) -> None:
    assert web.post(f"{CART}/snooze", json={"until": iso(START_US - DAY_US)}).status_code == 422
    assert web.post(f"{CART}/snooze", json={"until": "2026-11-27T10:00:00"}).status_code == 422


def test_a_skipped_cart_buys_nothing(web: WebClient) -> None:
    assert web.post(f"{CART}/skip").json()["state"] == CartState.SKIPPED
    assert not [row for row in web.unit_of_work.work if row.step == "authorize"]


def test_an_order_names_its_cart_and_each_line_whether_the_refill_was_seen(web: WebClient) -> None:
    order = _json(web, "/api/v1/orders/order-cart-0-coffee")
    assert (order["cart_id"], order["state"]) == ("cart-0-coffee", "closed")
    assert [line["refill_seen"] for line in order["lines"]] == [True]
    cart = _json(web, "/api/v1/carts/cart-0-coffee")
    assert cart["order_id"] == "order-cart-0-coffee"
    assert [line["refill_seen"] for line in cart["lines"]] == [True]
    states = {one["state"] for one in _json(web, "/api/v1/orders?state=shipped")["items"]}
    assert states == {"shipped"}


def test_a_payment_leads_back_to_signed_readings(web: WebClient) -> None:
    payment = _json(web, "/api/v1/payments/attempt-cart-0-coffee")
    assert payment["captured"] == payment["amount"]
    chain = payment["chain"]
    capture = next(one for one in chain["operations"] if one["kind"] == "capture")
    assert capture["journal_ids"] == ["journal-cart-0-coffee"]
    assert chain["approval"]["by_mandate"] is True
    (line,) = chain["lines"]
    assert line["plan_reasons"]
    assert line["forecast_reasons"]
    assert line["signature"] == "verified"
    assert all(reading["signed"] for reading in line["readings"])


def test_the_ledger_sums_to_zero_and_filters_by_account(web: WebClient) -> None:
    everything = _json(web, "/api/v1/ledger?limit=200")["items"]
    assert everything
    assert sum(leg["amount"]["amount_minor"] for leg in everything) == 0
    clearing = _json(web, "/api/v1/ledger?account_id=account-clearing")["items"]
    assert {leg["account"] for leg in clearing} == {"provider_clearing:sandbox"}
    accounts = _json(web, "/api/v1/ledger/accounts")["items"]
    assert sum(one["balance"]["amount_minor"] for one in accounts) == 0


def test_a_mandate_says_what_is_used_and_left(web: WebClient) -> None:
    mandate = _json(web, "/api/v1/mandates/mandate-general")
    assert mandate["used"]["amount_minor"] == 9620
    assert mandate["left"]["amount_minor"] == 18000 - 9620


def test_a_linked_account_shows_no_token(web: WebClient) -> None:
    assert "token" not in web.get("/api/v1/methods").text


def test_an_address_that_is_not_there_is_a_problem(web: WebClient) -> None:
    answer = web.get("/api/v1/nothing")
    assert answer.status_code == 404
    assert answer.json()["instance"] == "/api/v1/nothing"
    assert web.post("/api/v1/household").status_code == 405
