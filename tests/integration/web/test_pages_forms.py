"""Forms that are refused come back with what was written and what is wrong; errors keep the house around them."""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from gateway.domain.errors import Invalid
from gateway.domain.household import Household
from gateway.domain.payment import Mandate, MandateState, MethodState, PaymentMethod
from gateway.web.pages.forms import amount_of
from tests.fakes import FakeClock
from tests.integration.web.sample_household import HOUSE, SHOP, world
from tests.web_client import TwoProviders, WebClient

HTML = {"Accept": "text/html"}
LIMITS = {"per_order": "100", "per_period": "200"}


@pytest.fixture
def web() -> Iterator[WebClient]:
    with WebClient(world(), FakeClock()) as client:
        client.http.headers["Sec-Fetch-Site"] = "same-origin"
        client.sign_in("member-ana")
        yield client


def providers(web: WebClient) -> TwoProviders:
    found = web.app.state.services.steps.providers
    assert isinstance(found, TwoProviders)
    return found


def field(html: str, name: str, *, action: str) -> str:
    """Return the field's own piece of the page, with its note, inside the form sent to `action`."""
    form = html.partition(f'action="{action}"')[2].partition("</form>")[0]
    start = re.search(
        rf'<div class="field">(?:(?!<div class="field">).)*name="{name}".*?(?=<div class="field">|$)', form, re.DOTALL
    )
    assert start is not None, form
    return start[0]


REFUSED = [
    (
        "/supplies/supply-coffee/level",
        {"slot_id": "slot-coffee", "quantity": "99999"},
        "quantity",
        "The slot holds 0 to",
    ),
    ("/supplies/supply-coffee/level", {"slot_id": "slot-coffee", "quantity": "a lot"}, "quantity", "Write a number"),
    ("/supplies/supply-coffee/shelf", {"quantity": "-3"}, "quantity", "0 or more"),
    ("/supplies/supply-coffee/shelf", {"quantity": "1000000000"}, "quantity", "at most 210\xa0kg"),
    (
        "/supplies/supply-coffee/policy",
        {
            "service_percent": "99",
            "target_days": "30",
            "minimum_quantity": "1000000000",
            "decide_hours": "48",
            "price_tolerance_percent": "5",
        },
        "minimum_quantity",
        "Choose at most 21\xa0kg: what the device holds and one order can bring",
    ),
    (
        "/supplies/supply-coffee/packs",
        {"merchant_id": SHOP, "sku": "A-7", "name": "Harbour roast", "pack_size": "500", "price": "-1"},
        "price",
        "Give an amount above zero",
    ),
    (
        "/supplies/supply-coffee/packs",
        {"merchant_id": SHOP, "sku": "A-7", "name": "Harbour roast", "pack_size": "500", "price": "0"},
        "price",
        "Give an amount above zero",
    ),
    (
        "/supplies/supply-coffee/packs",
        {"merchant_id": SHOP, "sku": "A-7", "name": "Harbour roast", "pack_size": "500", "price": "cheap"},
        "price",
        "Write it as 18.90",
    ),
    (
        "/supplies/supply-coffee/policy",
        {
            "service_percent": "99",
            "target_days": "3000",
            "minimum_quantity": "0",
            "decide_hours": "48",
            "price_tolerance_percent": "5",
        },
        "target_days",
        "Choose between 1 and 400",
    ),
    ("/devices", {"kind": "coffee-machine", "name": "Jura", "public_key": "zz"}, "public_key", ""),
    ("/devices", {"kind": "coffee-machine", "name": "Jura", "public_key": "00" * 32}, "public_key", "Anybody can sign"),
    ("/devices/device-fridge/slots/slot-milk", {"supply_name": "x" * 81}, "supply_name", "At most 80 characters"),
    (
        "/money/mandates/mandate-general",
        {"per_order": "-5", "per_period": "1"} | {"price_tolerance_percent": "1"},
        "per_order",
        "Give an amount above zero",
    ),
    ("/settings/household", {"name": "   "}, "name", "Give a name of 1 to 80 characters"),
    (
        "/settings/members",
        {"name": "Nil", "email": "nowhere", "role": "viewer"},
        "email",
        "Give an e-mail address such as",
    ),
    ("/settings/password", {"password": "short"}, "password", "Choose 10 to"),
]


@pytest.mark.parametrize(("action", "entries", "name", "said"), REFUSED, ids=[f"{row[0]} {row[2]}" for row in REFUSED])
def test_a_refused_form_comes_back_with_its_entries_and_a_message_at_the_field(
    web: WebClient, action: str, entries: dict[str, str], name: str, said: str
) -> None:
    answer = web.post(action, data=entries, headers=HTML)
    assert answer.status_code == 422
    assert 'aria-label="Main"' in answer.text
    assert "Nothing was changed." in answer.text
    piece = field(answer.text, name, action=action)
    assert 'aria-invalid="true"' in piece
    assert "autofocus" in piece
    assert said in piece
    if name != "password":
        assert f'value="{entries[name]}"' in piece
    assert answer.text.count('aria-invalid="true"') == 1


def test_a_password_that_was_refused_is_not_written_into_the_page(web: WebClient) -> None:
    assert "sh0rt" not in web.post("/settings/password", data={"password": "sh0rt"}, headers=HTML).text


def test_other_forms_of_the_page_keep_what_stood_there(web: WebClient) -> None:
    answer = web.post("/settings/members", data={"name": "Nil", "email": "x", "role": "viewer"}, headers=HTML)
    assert 'value="Nil"' in field(answer.text, "name", action="/settings/members")
    assert 'value="Rosa Street 12"' in field(answer.text, "name", action="/settings/household")


def test_a_refusal_that_no_field_caused_stands_above_the_page(web: WebClient) -> None:
    answer = web.post("/settings/members/member-ana/role", data={"role": "viewer"}, headers=HTML)
    assert answer.status_code == 422
    web.post("/devices/device-jura/remove")
    answer = web.post("/devices/device-jura/remove", headers=HTML)
    assert answer.status_code == 409
    assert 'role="alert"' in answer.text
    assert "it is removed" in answer.text


def test_programs_still_hear_problem_json(web: WebClient) -> None:
    answer = web.post("/supplies/supply-coffee/shelf", data={"quantity": "x"})
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"] == [{"field": "quantity", "message": "write a number"}]


@pytest.mark.parametrize("path", ["/supplies/nothing", "/no-such-page", "/carts/nothing", "/money?account=nothing"])
def test_what_is_not_there_is_said_inside_the_house(web: WebClient, path: str) -> None:
    answer = web.get(path, headers=HTML)
    assert answer.status_code == 404
    assert 'aria-label="Main"' in answer.text
    assert "Rosa Street 12" in answer.text
    assert 'class="btn" href="/"' in answer.text


def test_what_a_role_may_not_do_is_said_inside_the_house(web: WebClient) -> None:
    web.sign_in("member-iris")
    answer = web.post("/money/freeze", headers=HTML)
    assert answer.status_code == 403
    assert 'aria-label="Main"' in answer.text
    assert "Ask an owner" in answer.text


def test_nobody_signed_in_sees_no_house_around_an_error(web: WebClient) -> None:
    web.http.cookies.clear()
    answer = web.get("/no-such-page", headers=HTML)
    assert answer.status_code == 404
    assert 'aria-label="Main"' not in answer.text


def test_a_fault_of_ours_asks_nothing_of_the_database_and_still_leads_on() -> None:
    with WebClient(world(), FakeClock(), raises=False) as client:
        client.sign_in("member-ana")

        def broken() -> None:
            raise OSError("the disk is gone")

        client.unit_of_work.read = broken  # type: ignore[assignment]  # a test breaks it
        answer = client.get("/money", headers=HTML)
    assert answer.status_code == 500
    assert 'href="/orders"' in answer.text


# Linking an account


def test_each_provider_says_what_it_asks_for(web: WebClient) -> None:
    with web.unit_of_work.begin() as tx:
        tx.save(replace(tx.get(PaymentMethod, HOUSE, "method-balance"), state=MethodState.REVOKED))
    html = web.get("/money").text
    assert "Account at the bank" in html
    assert "The name the bank gave you." in html
    balance = html.partition('name="adapter" value="balance"')[2].partition("</form>")[0]
    assert 'name="account"' not in balance
    assert "nothing to type" in balance
    assert "top it up" not in balance  # no member can: it grows by credit and by what comes back


def test_a_balance_is_linked_without_typing_an_account_and_is_the_households_own(web: WebClient) -> None:
    with web.unit_of_work.begin() as tx:
        tx.save(replace(tx.get(PaymentMethod, HOUSE, "method-balance"), state=MethodState.REVOKED))
    wish = {"adapter": "balance", "label": "Kitty", "account": "another-household", **LIMITS}
    answer = web.post("/money/methods", data=wish, headers=HTML)
    assert answer.status_code == 303
    (linked,) = [row for row in web.unit_of_work.rows(PaymentMethod) if row.label == "Kitty"]
    assert linked.state is MethodState.ACTIVE
    assert providers(web).token(linked) == HOUSE
    assert 'name="adapter" value="balance"' not in web.get("/money").text
    again = web.post("/money/methods", data=wish, headers=HTML)
    assert again.status_code == 422
    assert "linked already" in again.text


def test_an_account_left_empty_comes_back_with_its_form_open(web: WebClient) -> None:
    wish = {"adapter": "sandbox", "label": "House", "account": " ", "per_order": "55", "per_period": "200"}
    answer = web.post("/money/methods", data=wish, headers=HTML)
    assert answer.status_code == 422
    assert re.search(r'<details class="drawer" name="link" open>', answer.text)
    assert "Fill this in" in field(answer.text, "account", action="/money/methods")
    assert 'value="55"' in field(answer.text, "per_order", action="/money/methods")


def test_an_account_the_provider_refuses_is_said_at_its_field(web: WebClient) -> None:
    providers(web).bank.fail("setup_mandate", "decline")
    wish = {"adapter": "sandbox", "label": "House", "account": "nobody-7", **LIMITS}
    answer = web.post("/money/methods", data=wish, headers=HTML)
    assert answer.status_code == 422
    piece = field(answer.text, "account", action="/money/methods")
    assert "provider refused" in piece
    assert 'value="nobody-7"' in piece


def test_wrong_tries_do_not_use_up_the_accounts_a_household_may_link(web: WebClient) -> None:
    wish = {"adapter": "sandbox", "label": "House", "account": "nobody-7", **LIMITS}
    for _ in range(12):
        providers(web).bank.fail("setup_mandate", "decline")
        assert "at most 10" not in web.post("/money/methods", data=wish, headers=HTML).text
    assert web.post("/money/methods", data=wish | {"account": "ana-7"}, headers=HTML).status_code == 303


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (MandateState.PENDING, "Waiting for the provider"),
        (MandateState.REQUIRES_ACTION, "wants you to confirm"),
        (MandateState.SUSPENDED, "The last debits were declined"),
    ],
)
def test_a_permission_that_does_not_stand_says_what_to_do_next(web: WebClient, state: MandateState, said: str) -> None:
    with web.unit_of_work.begin() as tx:
        tx.save(replace(tx.get(Mandate, HOUSE, "mandate-balance"), state=state))
        if state is not MandateState.SUSPENDED:
            tx.save(replace(tx.get(PaymentMethod, HOUSE, "method-balance"), state=MethodState.PENDING))
    assert said in web.get("/money").text


@pytest.mark.parametrize(
    ("currency", "taken", "refused"),
    [
        ("EUR", ("18", "18.9", "18,90"), ("18.900", "18.")),
        ("JPY", ("1890",), ("1890.0", "18,90")),
        ("BHD", ("1.8", "1.890"), ("1.8900",)),
        ("UYW", ("1.8", "0,1890"), ("0.18900",)),
    ],
)
def test_a_field_for_an_amount_takes_as_many_decimals_as_the_currency_has(
    web: WebClient, currency: str, taken: tuple[str, ...], refused: tuple[str, ...]
) -> None:
    with web.unit_of_work.begin() as tx:
        tx.save(replace(tx.get(Household, HOUSE, HOUSE), currency=currency))
        for mandate in tx.find(Mandate, HOUSE):
            tx.save(replace(mandate, currency=currency))
    piece = field(web.get("/money").text, "per_order", action="/money/methods")
    found = re.search(r'pattern="([^"]+)"', piece)
    assert found is not None, piece
    for text in taken:
        assert re.fullmatch(found[1], text), text
        assert amount_of(text, currency)
    for text in refused:
        assert not re.fullmatch(found[1], text), text
        with pytest.raises(Invalid, match="write it as"):
            amount_of(text, currency)
