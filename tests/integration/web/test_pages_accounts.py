"""Accounts on the Money page: linked, unlinked and frozen, with a bank in memory behind them."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from gateway.domain.payment import Mandate, MandateState, MethodState, PaymentMethod
from gateway.steps.money.setting_up import settle_set_up
from tests.fake_bank import FakeBank, FakeProviders
from tests.fakes import FakeClock
from tests.integration.web.sample_household import HOUSE, world
from tests.web_client import WebClient

LINK = {"adapter": "sandbox", "label": "Joint account", "account": "tok-1", "per_order": "30", "per_period": "120,50"}


def client_of(bank: FakeBank) -> WebClient:
    client = WebClient(world(), FakeClock())
    services = client.app.state.services
    steps = replace(services.steps, providers=FakeProviders(bank))
    client.app.state.services = replace(services, steps=steps)
    client.http.headers["Sec-Fetch-Site"] = "same-origin"
    client.sign_in("member-ana")
    return client


@pytest.fixture
def web() -> Iterator[WebClient]:
    with client_of(FakeBank()) as client:
        yield client


def method_of(web: WebClient, method_id: str) -> PaymentMethod:
    with web.unit_of_work.read() as tx:
        return tx.get(PaymentMethod, HOUSE, method_id)


def test_an_account_is_linked_under_a_mandate_and_its_token_is_sealed(web: WebClient) -> None:
    answer = web.post("/money/methods", data=LINK)
    assert answer.status_code == 303
    (method,) = [one for one in web.unit_of_work.rows(PaymentMethod) if one.label == "Joint account"]
    assert answer.headers["location"] == f"/money?done=linked#method-{method.id}"
    (mandate,) = [one for one in web.unit_of_work.rows(Mandate) if one.payment_method_id == method.id]
    assert (method.state, method.token_sealed) == (MethodState.ACTIVE, b"sealed:tok-1")
    assert (mandate.state, mandate.per_order_minor, mandate.per_period_minor) == (MandateState.ACTIVE, 3000, 12050)
    assert not mandate.standing
    page = web.get("/money").text
    assert "Joint account" in page
    assert "tok-1" not in page


def test_the_way_to_the_providers_own_page_and_back_stands_on_the_money_page() -> None:
    with client_of(bank := FakeBank(hosted=True)) as web:
        assert "You choose the account at the bank." in web.get("/money").text
        answer = web.post("/money/methods", data={"adapter": "sandbox", "per_order": "30", "per_period": "120"})
        (method,) = [one for one in web.unit_of_work.rows(PaymentMethod) if not one.named]
        (mandate,) = [one for one in web.unit_of_work.rows(Mandate) if one.payment_method_id == method.id]
        assert answer.headers["location"] == f"/money?done=choosing#method-{method.id}"
        assert 'href="https://bank.example/confirm"' in web.get("/money").text
        back = web.get(f"/money/mandates/{mandate.id}/back")
        assert back.headers["location"] == f"/money?done=looking#mandate-{mandate.id}"
        assert 'href="https://bank.example/confirm"' in web.get("/money").text  # the page was closed: there again
        bank.decide()
        with web.unit_of_work.begin() as tx:
            settle_set_up(tx, mandate, bank.answers[mandate.id], now_us=web.clock.now, wall_us=web.clock.wall)
        back = web.get(f"/money/mandates/{mandate.id}/back")
        assert back.headers["location"] == f"/money?done=linked#mandate-{mandate.id}"
        assert "Elm Bank •••• 4242" in web.get("/money").text


def test_who_comes_back_after_the_providers_page_lapsed_reads_that_nothing_is_linked() -> None:
    with client_of(bank := FakeBank(hosted=True)) as web:
        web.post("/money/methods", data={"adapter": "sandbox", "per_order": "30", "per_period": "120"})
        (mandate,) = [one for one in web.unit_of_work.rows(Mandate) if one.confirm_url]
        bank.refuse()
        with web.unit_of_work.begin() as tx:
            settle_set_up(tx, mandate, bank.answers[mandate.id], now_us=web.clock.now, wall_us=web.clock.wall)
        back = web.get(f"/money/mandates/{mandate.id}/back")
        assert back.headers["location"] == f"/money?done=not-linked#mandate-{mandate.id}"
        assert "The account was not linked" in web.get("/money?done=not-linked").text


def test_an_account_with_limits_out_of_reason_is_not_linked(web: WebClient) -> None:
    for wrong in ({"per_order": "0"}, {"per_period": "a lot"}, {"label": " "}):
        assert web.post("/money/methods", data=LINK | wrong).status_code == 422
    assert "Joint account" not in {one.label for one in web.unit_of_work.rows(PaymentMethod)}


def test_an_unlinked_account_and_its_mandates_are_revoked(web: WebClient) -> None:
    answer = web.post("/money/methods/method-bank/unlink")
    assert answer.headers["location"] == "/money?done=unlinked"
    assert method_of(web, "method-bank").state is MethodState.REVOKED
    mandates = [one for one in web.unit_of_work.rows(Mandate) if one.payment_method_id == "method-bank"]
    assert mandates
    assert {one.state for one in mandates} == {MandateState.REVOKED}
    assert 'id="method-method-bank"' not in web.get("/money").text


def test_an_account_is_frozen_and_debited_again(web: WebClient) -> None:
    assert web.post("/money/methods/method-bank/freeze").headers["location"] == "/money?done=method-frozen"
    assert method_of(web, "method-bank").state is MethodState.FROZEN
    assert web.post("/money/methods/method-bank/unfreeze").headers["location"] == "/money?done=method-unfrozen"
    assert method_of(web, "method-bank").state is MethodState.ACTIVE


@pytest.mark.parametrize("act", ["unlink", "freeze", "unfreeze"])
def test_only_an_owner_changes_an_account(web: WebClient, act: str) -> None:
    web.http.cookies.clear()
    web.sign_in("member-iris")
    assert web.post(f"/money/methods/method-bank/{act}", data={"amount": "5"}).status_code == 403
    assert method_of(web, "method-bank").state is MethodState.ACTIVE
    assert web.post("/money/methods", data=LINK).status_code == 403
