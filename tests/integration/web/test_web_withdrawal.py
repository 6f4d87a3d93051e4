"""Withdrawal from a contract in the pages and by the API: the button, the step that confirms, the acknowledgement."""

from collections.abc import Iterator

import pytest

from gateway.domain.order import Order, OrderLine
from gateway.domain.withdrawal import Withdrawal
from gateway.steps.acts.withdraw import withdrawable
from tests.fakes import FakeClock
from tests.integration.web.sample_household import HOUSE, world
from tests.web_client import WebClient

HTML = {"Accept": "text/html"}


@pytest.fixture
def web() -> Iterator[WebClient]:
    with WebClient(world(), FakeClock()) as client:
        client.http.headers["Sec-Fetch-Site"] = "same-origin"
        client.sign_in("member-ana")
        yield client


def open_order(web: WebClient) -> Order:
    """Return an order that can still be withdrawn from."""
    with web.unit_of_work.read() as tx:
        for order in tx.find(Order, HOUSE):
            if withdrawable(tx, order, web.clock.now_us()).lines:
                return order
    raise AssertionError("the sample household has none")


def test_the_button_leads_to_a_step_that_confirms_and_the_acknowledgement_can_be_kept(web: WebClient) -> None:
    order = open_order(web)
    page = f"/orders/{order.id}"
    assert "Withdraw from contract here" in web.get(page, headers=HTML).text
    step = web.get(f"{page}/withdraw", headers=HTML).text
    assert "Confirm withdrawal" in step
    assert web.unit_of_work.rows(Withdrawal) == []
    chosen = step.split('name="lines" value="')[1].partition('"')[0]
    answer = web.post(f"{page}/withdraw", data={"lines": [chosen]})
    assert answer.headers["location"].startswith(f"{page}?done=withdrawn")
    (declared,) = web.unit_of_work.rows(Withdrawal)
    shown = web.get(page, headers=HTML).text
    assert "Received " in shown
    kept = web.get(f"{page}/withdrawals/{declared.id}.txt")
    assert kept.text == declared.words + "\n"
    assert "attachment" in kept.headers["content-disposition"]
    assert web.get(f"/orders/other/withdrawals/{declared.id}.txt").status_code == 404


def test_no_line_and_strange_lines_are_refused_on_the_same_page(web: WebClient) -> None:
    path = f"/orders/{open_order(web).id}/withdraw"
    for lines in ([], ["somebody's"]):
        answer = web.post(path, data={"lines": lines}, headers=HTML)
        assert answer.status_code == 422
        assert "Choose lines that can be withdrawn from" in answer.text


def test_a_viewer_sees_no_button_and_cannot_withdraw(web: WebClient) -> None:
    order = open_order(web)
    web.sign_in("member-iris")
    assert "Withdraw from contract here" not in web.get(f"/orders/{order.id}", headers=HTML).text
    assert web.post(f"/orders/{order.id}/withdraw", data={"lines": ["x"]}, headers=HTML).status_code == 403


def test_the_api_declares_and_lists_withdrawals(web: WebClient) -> None:
    as_ana, order = web.bearer("member-ana"), open_order(web)
    path = f"/api/v1/orders/{order.id}/withdraw"
    said = web.post(path, json={}, headers=as_ana).json()
    lines = {one.id for one in web.unit_of_work.rows(OrderLine) if one.order_id == order.id}
    assert set(said["order_line_ids"]) <= lines
    assert said["acknowledgement"].startswith("Received ")
    assert web.get("/api/v1/withdrawals", headers=as_ana).json()["items"] == [said]
    assert web.post(path, json={}, headers=as_ana).status_code == 409
    assert web.post(path, json={"order_line_ids": []}, headers=as_ana).status_code == 422
    assert web.post("/api/v1/orders/nobodys/withdraw", json={}, headers=as_ana).status_code == 404
