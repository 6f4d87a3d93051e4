"""What a member wishes of the accounts, by page and API: limits, scopes, order, names and the next one's turn."""

from collections.abc import Iterator
from typing import Any, TypeAlias

import httpx
import pytest
from markupsafe import escape

from gateway.domain.payment import Mandate, PaymentMethod
from gateway.domain.preference import Consent, MethodChoice
from gateway.steps.acts.accounts import NEXT_ACCOUNT_WORDS
from tests.fakes import FakeClock
from tests.integration.web.sample_household import HOUSE, SHOP, world
from tests.web_client import WebClient

Json: TypeAlias = Any
HTML = {"Accept": "text/html"}
LIMITS = {"per_order": "80", "per_period": "150", "period_days": "14", "price_tolerance_percent": "5"}
FORM = "/money/mandates/mandate-general"


@pytest.fixture
def web() -> Iterator[WebClient]:
    with WebClient(world(), FakeClock()) as client:
        client.http.headers["Sec-Fetch-Site"] = "same-origin"
        client.sign_in("member-ana")
        yield client


def mandate(web: WebClient, mandate_id: str = "mandate-general") -> Mandate:
    with web.unit_of_work.read() as tx:
        return tx.get(Mandate, HOUSE, mandate_id)


def order(web: WebClient) -> list[str]:
    return [one.id for one in sorted(web.unit_of_work.rows(PaymentMethod), key=lambda one: one.rank)]


def test_every_limit_and_scope_is_saved_from_the_page_and_shown_there(web: WebClient) -> None:
    scoped = {"supplies": ["supply-coffee"], "devices": ["device-jura"], "merchants": [SHOP]}
    said = {**LIMITS, **scoped, "per_period_count": "4", "per_merchant": "60"}
    assert web.post(FORM, data=said).status_code == 303
    saved = mandate(web)
    assert (saved.period_days, saved.per_period_count, saved.per_merchant_minor) == (14, 4, 6000)
    assert (saved.supply_ids, saved.device_ids) == (("supply-coffee",), ("device-jura",))
    assert saved.merchant_ids == (SHOP,)
    page = web.get("/money", headers=HTML).text
    assert "at most 4 in 14 days, 60.00\xa0€ at one shop, only for" in page
    web.post(FORM, data=LIMITS)
    assert (mandate(web).supply_ids, mandate(web).per_period_count) == (None, None)


def test_a_refused_form_keeps_every_box_that_was_ticked(web: WebClient) -> None:
    answer = web.post(
        FORM, data={**LIMITS, "per_period_count": "0", "supplies": ["supply-coffee", "supply-milk"]}, headers=HTML
    )
    assert answer.status_code == 422
    form = answer.text.partition(f'action="{FORM}"')[2].partition("</form>")[0]
    assert "Choose between 1 and 1000 debits, or leave it open" in form
    ticked = [part.partition('"')[0] for part in form.split('name="supplies" value="')[1:] if '" checked' in part[:60]]
    assert sorted(ticked) == ["supply-coffee", "supply-milk"]
    assert mandate(web).supply_ids is None


def test_another_households_things_cannot_be_named(web: WebClient) -> None:
    assert web.post(FORM, data={**LIMITS, "devices": ["somebody-elses"]}, headers=HTML).status_code == 422
    assert (
        web.post("/money/choices", data={"subject": "device/somebody-elses", "method": "method-bank"}).status_code
        == 404
    )
    assert web.post("/money/choices", data={"subject": "planet/mars", "method": "method-bank"}).status_code == 422
    assert web.unit_of_work.rows(MethodChoice) == []


def test_accounts_are_ordered_and_named_on_the_page(web: WebClient) -> None:
    before = order(web)
    assert web.post(f"/money/methods/{before[1]}/sooner").status_code == 303
    assert order(web)[:2] == [before[1], before[0]]
    assert web.post(f"/money/methods/{before[1]}/later").status_code == 303
    assert order(web) == before
    assert web.post("/money/choices", data={"subject": "supply/supply-coffee", "method": before[1]}).status_code == 303
    assert web.unit_of_work.rows(MethodChoice)[0].payment_method_id == before[1]
    assert "Supply, paid by" in web.get("/money", headers=HTML).text
    assert web.post("/money/choices", data={"subject": "supply/supply-coffee"}).status_code == 303
    assert web.unit_of_work.rows(MethodChoice) == []


def test_the_consent_is_off_until_it_is_given_and_its_words_stand_on_the_page(web: WebClient) -> None:
    page = web.get("/money", headers=HTML).text
    assert escape(NEXT_ACCOUNT_WORDS) in page
    assert "Allow it" in page
    assert web.post("/money/next-account").status_code == 303
    page = web.get("/money", headers=HTML).text
    assert "Allowed by Ana" in page
    assert "Take it back" in page
    assert web.post("/money/next-account/end").status_code == 303
    assert "Taken back by Ana" in web.get("/money", headers=HTML).text
    assert web.unit_of_work.rows(Consent)[0].ended_us is not None


# The API


def body(answer: httpx.Response) -> Json:
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_api_changes_what_is_said_and_leaves_the_rest(web: WebClient) -> None:
    as_ana = web.bearer("member-ana")
    before = mandate(web)
    path = "/api/v1/mandates/mandate-general"
    said = body(web.patch(path, json={"per_period_count": 3, "device_ids": ["device-jura"]}, headers=as_ana))
    assert (said["per_period_count"], said["device_ids"], said["supply_ids"]) == (3, ["device-jura"], None)
    after = mandate(web)
    assert (after.per_order_minor, after.price_tolerance_percent) == (
        before.per_order_minor,
        before.price_tolerance_percent,
    )
    assert body(web.patch(path, json={"device_ids": None}, headers=as_ana))["device_ids"] is None
    assert mandate(web).per_period_count == 3
    for wrong in ({}, {"device_ids": []}, {"per_order_minor": 0}, {"per_order": 5}, {"supply_ids": ["nobody's"]}):
        assert web.patch(path, json=wrong, headers=as_ana).status_code == 422, wrong
    assert web.patch(path, json={"period_days": 7}, headers=web.bearer("member-leo")).status_code == 403


def test_the_api_orders_names_and_consents(web: WebClient) -> None:
    as_ana = web.bearer("member-ana")
    wished = order(web)[::-1]
    said = body(web.request("PUT", "/api/v1/methods/order", json={"payment_method_ids": wished}, headers=as_ana))
    assert [one["id"] for one in said["items"]] == wished == order(web)
    path = "/api/v1/method-choices/supply/supply-coffee"
    named = body(web.request("PUT", path, json={"payment_method_id": wished[0]}, headers=as_ana))
    assert (named["kind"], named["payment_method_id"]) == ("supply", wished[0])
    assert body(web.get("/api/v1/method-choices", headers=as_ana))["items"] == [named]
    assert body(web.request("DELETE", path, headers=as_ana)) == named
    assert web.request("DELETE", path, headers=as_ana).status_code == 404
    path = "/api/v1/next-account-consent"
    assert body(web.get(path, headers=as_ana))["stands"] is False
    given = body(web.request("PUT", path, json={"stands": True}, headers=as_ana))
    assert (given["stands"], given["words"]) == (True, NEXT_ACCOUNT_WORDS)
    assert body(web.request("PUT", path, json={"stands": False}, headers=as_ana))["ended"] is not None
    assert body(web.request("PUT", path, json={"stands": False}, headers=as_ana))["stands"] is False
