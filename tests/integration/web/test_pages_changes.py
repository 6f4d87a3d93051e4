"""What a person changes on the pages: levels, policy, devices, money, people, tokens, sessions, the theme."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from gateway.domain.access import ApiToken, Session
from gateway.domain.cart import Cart, CartState
from gateway.domain.household import Household, Member, Role
from gateway.domain.payment import Mandate, MethodState, PaymentMethod
from gateway.domain.replenishment import DAY_US, MINUTE_US, Policy
from gateway.domain.stock import Device, DeviceState, Level, PackOption, Slot, Supply
from gateway.web.sessions import issue_api_token, issue_link, open_session, session_of
from tests.fakes import FakeClock
from tests.integration.web.sample_household import HOUSE, SHOP, world
from tests.web_client import WebClient

HTML = {"Accept": "text/html"}


@pytest.fixture
def web() -> Iterator[WebClient]:
    with WebClient(world(), FakeClock()) as client:
        client.http.headers["Sec-Fetch-Site"] = "same-origin"
        client.sign_in("member-ana")
        yield client


def follow(web: WebClient, path: str, **data: str) -> str:
    """Send a form and return the page it leads to."""
    answer = web.post(path, data=data)
    assert answer.status_code == 303, answer.text
    shown = web.get(answer.headers["location"].partition("#")[0])
    assert shown.status_code == 200
    return shown.text


def test_a_level_is_corrected_by_hand_and_the_forecast_asked_for(web: WebClient) -> None:
    html = follow(web, "/supplies/supply-coffee/level", slot_id="slot-coffee", quantity="310")
    assert "The level is corrected" in html
    with web.unit_of_work.read() as tx:
        level = tx.get(Level, HOUSE, "slot-coffee")
    assert (level.quantity, level.by_hand) == (310, True)
    assert ("forecast", "supply-coffee") in {(row.step, row.subject_id) for row in web.unit_of_work.work}


def test_a_level_that_cannot_be_is_refused_in_words(web: WebClient) -> None:
    data = {"slot_id": "slot-coffee", "quantity": "nan"}
    answer = web.post("/supplies/supply-coffee/level", data=data, headers=HTML)
    assert answer.status_code == 422
    assert "the slot holds 0 to 1000 g" in answer.text


def test_a_new_pack_and_the_shelf_are_noted(web: WebClient) -> None:
    assert "The new pack is noted" in follow(web, "/supplies/supply-coffee/refill", slot_id="slot-coffee")
    assert "The shelf is counted" in follow(web, "/supplies/supply-coffee/shelf", quantity="2000")
    with web.unit_of_work.read() as tx:
        assert tx.get(Supply, HOUSE, "supply-coffee").sealed_quantity == 2000


def test_the_policy_is_saved(web: WebClient) -> None:
    wish = {
        "service_percent": "99",
        "target_days": "30",
        "minimum_quantity": "100",
        "decide_hours": "48",
        "price_tolerance_percent": "5",
    }
    follow(web, "/supplies/supply-coffee/policy", **wish)
    with web.unit_of_work.read() as tx:
        policy = tx.get(Policy, HOUSE, "supply-coffee")
    assert (policy.service_level, policy.target_days, policy.enabled) == (0.99, 30, False)


def test_another_product_becomes_the_usual_one(web: WebClient) -> None:
    follow(web, "/supplies/supply-coffee/packs/pack-coffee-1/prefer")
    with web.unit_of_work.read() as tx:
        assert tx.get(PackOption, HOUSE, "pack-coffee-1").rank == 0
        assert tx.get(PackOption, HOUSE, "pack-coffee-0").rank == 1
    product = {"merchant_id": SHOP, "sku": "A-7", "name": "Harbour roast", "pack_size": "500", "price": "9,90"}
    assert "Harbour roast" in follow(web, "/supplies/supply-coffee/packs", **product)


def test_a_level_set_by_hand_is_not_called_signed_and_large_figures_are_written_out(web: WebClient) -> None:
    follow(web, "/supplies/supply-coffee/level", slot_id="slot-coffee", quantity="310")
    html = follow(web, "/supplies/supply-coffee/shelf", quantity="200000")
    assert "Set by hand</small>" in html
    assert 'value="200000"' in html
    with web.unit_of_work.begin() as tx:
        tx.save(replace(tx.get(Supply, HOUSE, "supply-coffee"), sealed_quantity=2e6))
    assert 'value="2000000"' in web.get("/supplies/supply-coffee").text


def test_a_device_that_is_offline_says_where_its_refusals_stand_and_what_its_key_means(web: WebClient) -> None:
    with web.unit_of_work.begin() as tx:
        fridge = tx.get(Device, HOUSE, "device-fridge")
        tx.save(replace(fridge, online=False, has_signed=False))
    html = web.get("/devices/device-fridge").text
    assert "connection_refused" in html
    assert "it has not signed yet" in html
    with web.unit_of_work.begin() as tx:
        tx.save(replace(tx.get(Device, HOUSE, "device-fridge"), online=True, has_signed=True))
    html = web.get("/devices/device-fridge").text
    assert "connection_refused" not in html
    assert "what comes unsigned, or does not fit the key, is kept apart" in html


def test_the_page_of_orders_says_one_thing_once(web: WebClient) -> None:
    with web.unit_of_work.begin() as tx:
        for cart in tx.find(Cart, HOUSE, state=CartState.AWAITING_APPROVAL):
            tx.save(replace(cart, state=CartState.SKIPPED))
    assert web.get("/orders").text.count("When something runs low, an order appears here") <= 1


def test_a_product_named_again_takes_its_new_name_and_price_and_stands_once(web: WebClient) -> None:
    product = {"merchant_id": SHOP, "sku": "A-7", "name": "Harbour roast", "pack_size": "500", "price": "9,90"}
    follow(web, "/supplies/supply-coffee/packs", **product)
    follow(web, "/supplies/supply-coffee/packs", **product | {"name": "Harbour roast, dark", "price": "10,40"})
    (known,) = [one for one in web.unit_of_work.rows(PackOption) if one.sku == "A-7"]
    assert (known.name, known.last_price_minor, known.rank) == ("Harbour roast, dark", 1040, 0)


@pytest.mark.parametrize(("act", "data"), [("level", {"quantity": "0.5"}), ("refill", {})])
def test_a_supplys_page_changes_no_slot_of_another_supply(web: WebClient, act: str, data: dict[str, str]) -> None:
    before = {level.id: level for level in web.unit_of_work.rows(Level)}
    answer = web.post(f"/supplies/supply-coffee/{act}", data={"slot_id": "slot-milk", **data}, headers=HTML)
    assert answer.status_code == 404
    assert {level.id: level for level in web.unit_of_work.rows(Level)} == before


def test_a_new_device_shows_its_secret_once_and_keeps_no_copy(web: WebClient) -> None:
    answer = web.post("/devices", data={"kind": "coffee-machine", "name": "Jura Z10", "room": "Office"})
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    device_id, secret, topic, _ = re.findall(r"<code>([^<]+)</code>", answer.text)
    assert topic == f"replenish/v1/{device_id}/telemetry"
    with web.unit_of_work.read() as tx:
        device = tx.get(Device, HOUSE, device_id)
    assert secret not in repr(device)
    page = web.get(f"/devices/{device_id}").text
    assert secret not in page
    assert "Unsigned" in page


def test_a_device_of_no_known_kind_is_refused(web: WebClient) -> None:
    answer = web.post("/devices", data={"kind": "toaster", "name": "x"}, headers=HTML)
    assert answer.status_code == 422


def test_a_slot_draws_on_a_new_supply_or_one_that_is_there(web: WebClient) -> None:
    follow(web, "/devices/device-fridge/slots/slot-milk", supply_name="Oat milk")
    with web.unit_of_work.read() as tx:
        new_id = tx.get(Slot, HOUSE, "slot-milk").supply_id
        assert new_id is not None
        assert tx.get(Supply, HOUSE, new_id).name == "Oat milk"
    follow(web, "/devices/device-fridge/slots/slot-milk", supply_id="supply-milk")
    wrong = {"supply_id": "supply-coffee"}
    assert web.post("/devices/device-fridge/slots/slot-milk", data=wrong).status_code == 422


def test_a_device_is_frozen_trusted_again_and_removed(web: WebClient) -> None:
    assert "The device is frozen" in follow(web, "/devices/device-jura/freeze")
    assert "The device counts again" in follow(web, "/devices/device-jura/unfreeze")
    assert "The device is removed" in follow(web, "/devices/device-jura/remove")
    with web.unit_of_work.read() as tx:
        assert tx.get(Device, HOUSE, "device-jura").state is DeviceState.REMOVED


def test_everything_is_frozen_and_lifted(web: WebClient) -> None:
    assert "Everything is frozen" in follow(web, "/money/freeze")
    assert web.post("/carts/cart-waiting/approve", data={"version": "1"}).status_code == 409
    assert "The freeze is lifted" in follow(web, "/money/unfreeze")
    with web.unit_of_work.read() as tx:
        assert tx.get(Household, HOUSE, HOUSE).frozen_since_us is None


def test_limits_are_changed_and_an_account_is_frozen(web: WebClient) -> None:
    wish = {"per_order": "45,50", "per_period": "150", "price_tolerance_percent": "20", "standing": "yes"}
    follow(web, "/money/mandates/mandate-general", **wish)
    follow(web, "/money/methods/method-bank/freeze")
    with web.unit_of_work.read() as tx:
        mandate = tx.get(Mandate, HOUSE, "mandate-general")
        assert tx.get(PaymentMethod, HOUSE, "method-bank").state is MethodState.FROZEN
    assert (mandate.per_order_minor, mandate.per_period_minor, mandate.standing) == (4550, 15000, True)
    wrong = wish | {"per_order": "a lot"}
    assert web.post("/money/mandates/mandate-general", data=wrong).status_code == 422


def test_a_mandates_end_is_shown_kept_and_moved_only_when_days_are_given(web: WebClient) -> None:
    with web.unit_of_work.begin() as tx:
        end_us = web.clock.now + 40 * DAY_US
        tx.save(replace(tx.get(Mandate, HOUSE, "mandate-general"), valid_until_us=end_us))
    assert "Left empty, it stays so" in web.get("/money").text
    wish = {"per_order": "45", "per_period": "150", "price_tolerance_percent": "20"}
    for days, expected_us in (("", end_us), ("90", web.clock.now + 90 * DAY_US)):
        follow(web, "/money/mandates/mandate-general", **wish, valid_days=days)
        with web.unit_of_work.read() as tx:
            assert tx.get(Mandate, HOUSE, "mandate-general").valid_until_us == expected_us
    for wrong in ("-3", "soon", "0"):
        assert web.post("/money/mandates/mandate-general", data=wish | {"valid_days": wrong}).status_code == 422


def test_the_ledger_is_filtered_and_comes_as_csv(web: WebClient) -> None:
    assert "Clearing at sandbox" in web.get("/money").text
    filtered = web.get("/money?account=account-payable").text
    entries = filtered.partition('<ol class="book">')[2].partition("</ol>")[0]
    assert entries.count('<li class="book-entry">') == entries.count("Owed to Bio") > 0
    answer = web.get("/money/ledger.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert sum(round(float(row["amount"]) * 100) for row in rows) == 0
    assert rows


def test_a_person_is_added_with_a_link_that_signs_them_in_once(web: WebClient) -> None:
    wish = {"name": "Nil", "email": "Nil@Example.org", "role": "viewer"}
    answer = web.post("/settings/members", data=wish)
    (link,) = re.findall(r"<code>http://localhost:8000(/sign-in/[^<]+)</code>", answer.text)
    (nil,) = [one for one in web.unit_of_work.rows(Member) if one.name == "Nil"]
    assert nil.role is Role.VIEWER
    web.http.cookies.clear()
    assert "signs you in once" in web.get(link).text
    assert web.post(link).headers["location"] == "/"
    assert "Nil" in web.get("/settings").text
    assert web.post(link).status_code == 410
    assert "used up" in web.post(link).text


def test_looking_at_a_link_does_not_use_it_up(web: WebClient) -> None:
    answer = web.post("/settings/members", data={"name": "Nil", "email": "nil@example.org", "role": "viewer"})
    (link,) = re.findall(r"<code>http://localhost:8000(/sign-in/[^<]+)</code>", answer.text)
    web.http.cookies.clear()
    for _ in range(3):
        assert web.get(link).status_code == 200
    assert web.post(link).status_code == 303


def test_a_role_is_changed_but_the_last_owner_stays_one(web: WebClient) -> None:
    follow(web, "/settings/members/member-iris/role", role="approver")
    assert web.post("/settings/members/member-ana/role", data={"role": "viewer"}).status_code == 422


def test_a_token_is_shown_once_works_and_is_revoked(web: WebClient) -> None:
    answer = web.post("/settings/tokens", data={"name": "Home Assistant"})
    (token,) = re.findall(r"<code>(rpl_[^<]+)</code>", answer.text)
    assert token not in web.get("/settings").text
    bearer = {"Authorization": f"Bearer {token}"}
    assert web.get("/api/v1/household", headers=bearer).status_code == 200
    (row,) = web.unit_of_work.rows(ApiToken)
    follow(web, f"/settings/tokens/{row.id}/revoke")
    assert web.get("/api/v1/household", headers=bearer).status_code == 401


def test_a_password_is_set_then_needed_to_change_it(web: WebClient) -> None:
    follow(web, "/settings/password", password="correct horse battery")
    wrong = {"password": "another long one", "present": "wrong"}
    assert web.post("/settings/password", data=wrong).status_code == 422
    web.http.cookies.clear()
    answer = web.post("/sign-in", data={"email": "ana@example.org", "password": "correct horse battery"})
    assert answer.headers["location"] == "/"
    assert web.get("/").status_code == 200


def test_a_new_password_signs_out_every_other_browser(web: WebClient) -> None:
    with web.unit_of_work.begin() as tx:
        elsewhere = open_session(tx, tx.get(Member, HOUSE, "member-ana"), user_agent="", wall_us=web.clock.wall_us())
    assert "Every other browser is signed out" in follow(web, "/settings/password", password="correct horse battery")
    with web.unit_of_work.read() as tx:
        assert session_of(tx, elsewhere, wall_us=web.clock.wall_us()) is None
    assert web.get("/settings").status_code == 200


def test_a_new_password_ends_unused_sign_in_links_and_lets_programs_be(web: WebClient) -> None:
    with web.unit_of_work.begin() as tx:
        ana, iris = tx.get(Member, HOUSE, "member-ana"), tx.get(Member, HOUSE, "member-iris")
        link = issue_link(tx, ana, wall_us=web.clock.wall_us())
        of_iris = issue_link(tx, iris, wall_us=web.clock.wall_us())
        token = issue_api_token(tx, ana, name="Script", wall_us=web.clock.wall_us())
    assert "no sign-in link works" in follow(web, "/settings/password", password="correct horse battery")
    assert web.get("/api/v1/household", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    web.http.cookies.clear()
    assert web.post(f"/sign-in/{link}").status_code == 410
    assert web.post(f"/sign-in/{of_iris}").status_code == 303


def test_a_new_password_ends_ones_own_tokens_if_that_is_asked_for(web: WebClient) -> None:
    with web.unit_of_work.begin() as tx:
        ana, iris = tx.get(Member, HOUSE, "member-ana"), tx.get(Member, HOUSE, "member-iris")
        mine = [issue_api_token(tx, ana, name=name, wall_us=web.clock.wall_us()) for name in ("One", "Two")]
        of_iris = issue_api_token(tx, iris, name="Three", wall_us=web.clock.wall_us())
    assert "Revoke my API tokens too" in web.get("/settings").text
    page = follow(web, "/settings/password", password="correct horse battery", end_tokens="yes")
    assert "no token works" in page
    assert "Revoke my API tokens too" not in page
    statuses = [
        web.get("/api/v1/household", headers={"Authorization": f"Bearer {token}"}).status_code
        for token in (*mine, of_iris)
    ]
    assert statuses == [401, 401, 200]


def test_guessing_the_present_password_is_limited_and_changes_nothing(web: WebClient) -> None:
    follow(web, "/settings/password", password="correct horse battery")
    guess = {"password": "another long one", "present": "wrong"}
    answers = [web.post("/settings/password", data=guess, headers=HTML) for _ in range(10)]
    assert [answer.status_code for answer in answers] == [422] * 9 + [429]
    assert int(answers[-1].headers["retry-after"]) > 0
    right = guess | {"present": "correct horse battery"}
    assert web.post("/settings/password", data=right).status_code == 429
    web.clock.advance(5 * MINUTE_US)
    assert web.post("/settings/password", data=guess).status_code == 422
    follow(web, "/settings/password", **right)


def test_a_password_too_short_is_refused(web: WebClient) -> None:
    assert web.post("/settings/password", data={"password": "short"}).status_code == 422


def test_a_wrong_password_says_not_which_part_was_wrong(web: WebClient) -> None:
    web.http.cookies.clear()
    answers = [
        web.post("/sign-in", data={"email": email, "password": "guess"}, headers=HTML)
        for email in ("ana@example.org", "nobody@example.org")
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert all("do not belong together" in answer.text for answer in answers)


def test_another_browser_is_signed_out(web: WebClient) -> None:
    web.sign_in("member-ana")
    old = min(web.unit_of_work.rows(Session), key=lambda one: one.id)
    assert "That browser is signed out" in follow(web, f"/settings/sessions/{old.id}/revoke")
    (open_one,) = [one for one in web.unit_of_work.rows(Session) if one.revoked_wall_us is None]
    assert open_one.id != old.id
    assert web.post("/sign-out").headers["location"] == "/sign-in"
    assert web.get("/").headers["location"] == "/sign-in"


def test_the_theme_is_remembered_and_leads_back_to_where_one_was(web: WebClient) -> None:
    answer = web.post("/theme", data={"theme": "dark"}, headers={"Referer": "http://localhost:8000/money"})
    assert answer.headers["location"] == "/money"
    assert '<html lang="en" data-theme="dark">' in web.get("/").text
    elsewhere = web.post("/theme", data={"theme": "light"}, headers={"Referer": "https://evil.example/x"})
    assert elsewhere.headers["location"] == "/"


def test_only_known_words_are_said_after_an_act(web: WebClient) -> None:
    assert "Send your card number" not in web.get("/money?done=Send your card number").text


def test_a_removed_device_feeds_no_supply_and_leaves_the_list(web: WebClient) -> None:
    with web.unit_of_work.begin() as tx:
        shared = tx.get(Slot, HOUSE, "slot-water")
        tx.add(replace(shared, id="slot-second", supply_id="supply-eggs", unit="piece"))
        device_id = tx.get(Slot, HOUSE, "slot-eggs").device_id
        slots = tx.find(Slot, HOUSE, device_id=device_id)
    assert "The device is removed" in follow(web, f"/devices/{device_id}/remove")
    with web.unit_of_work.read() as tx:
        assert all(tx.get(Slot, HOUSE, slot.id).supply_id is None for slot in slots)
        kept = {slot.supply_id: tx.get(Policy, HOUSE, slot.supply_id).enabled for slot in slots if slot.supply_id}
    assert kept.pop("supply-eggs")
    assert kept
    assert not any(kept.values())
    assert ("forecast", "supply-milk") in {(row.step, row.subject_id) for row in web.unit_of_work.work}
    page = web.get(f"/devices/{device_id}").text
    assert "no longer let in" in page
    assert "Freeze" not in page
    answer = web.post(f"/devices/{device_id}/slots/slot-milk", data={"supply_id": "supply-milk"}, headers=HTML)
    assert answer.status_code == 409
    assert web.post(f"/devices/{device_id}/remove", headers=HTML).status_code == 409


def test_a_name_cannot_turn_the_writing_around_it(web: WebClient) -> None:
    follow(web, "/settings/household", name="Rosa\u202e 12 \U0001f468\u200d\U0001f469 \u05e9\u05dc\u05d5\u05dd\x07")
    with web.unit_of_work.read() as tx:
        assert tx.get(Household, HOUSE, HOUSE).name == "Rosa 12 \U0001f468\u200d\U0001f469 \u05e9\u05dc\u05d5\u05dd"


def test_a_supply_whose_drawing_is_not_known_is_still_drawn(web: WebClient) -> None:
    with web.unit_of_work.begin() as tx:
        tx.save(replace(tx.get(Supply, HOUSE, "supply-coffee"), icon="no-such-drawing"))
    html = web.get("/").text
    assert "no-such-drawing" not in html
    assert "icons.svg#package" in html
