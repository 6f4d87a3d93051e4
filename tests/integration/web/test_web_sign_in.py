"""Signing in through the pages: once by link, patiently by password, never for another site."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from gateway.domain.access import Session
from gateway.domain.household import Member
from gateway.web.sessions import Passwords, issue_link
from tests.fakes import FakeClock
from tests.integration.web.sample_household import world
from tests.web_client import WebClient

PASSWORD = "correct horse battery"
PAGE = {"Accept": "text/html"}


@pytest.fixture
def web() -> Iterator[WebClient]:
    with WebClient(world(), FakeClock()) as client:
        yield client


def _link(web: WebClient) -> str:
    with web.unit_of_work.begin() as tx:
        (ana,) = tx.find(Member, None, id="member-ana")
        return f"/sign-in/{issue_link(tx, ana, wall_us=web.clock.wall_us())}"


def _give_password(web: WebClient) -> None:
    with web.unit_of_work.begin() as tx:
        (ana,) = tx.find(Member, None, id="member-ana")
        tx.save(replace(ana, password_hash=Passwords().hash(PASSWORD)))


def _try(web: WebClient, email: str, password: str, **fields: str) -> int:
    return web.post("/sign-in", data={"email": email, "password": password, **fields}, headers=PAGE).status_code


def test_looking_at_a_link_does_not_use_it_up(web: WebClient) -> None:
    link = _link(web)
    assert web.get(link).status_code == 200
    entered = web.post(link)
    assert entered.status_code == 303
    cookie = entered.headers["set-cookie"]
    assert cookie.startswith("replenish=")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert web.get("/", headers=PAGE).status_code == 200


def test_a_fault_of_ours_writes_no_sign_in_link_into_the_log() -> None:
    with WebClient(world(), FakeClock(), raises=False) as web:
        link = _link(web)

        def broken() -> None:
            raise OSError("the disk is gone")

        web.unit_of_work.begin = broken  # type: ignore[assignment]  # a test breaks it
        with capture_logs() as logged:
            assert web.post(link).status_code == 500
    (failed,) = [one for one in logged if one["event"] == "request failed"]
    assert failed["path"] == "/sign-in/{token}"
    assert link.rpartition("/")[2] not in str(logged)


def test_a_link_works_once(web: WebClient) -> None:
    link = _link(web)
    web.post(link)
    web.http.cookies.clear()
    assert web.post(link).status_code == 410
    assert len(web.unit_of_work.rows(Session)) == 1


def test_a_password_signs_in_whatever_the_case_of_the_address(web: WebClient) -> None:
    _give_password(web)
    assert _try(web, " Ana@Example.org ", PASSWORD) == 303


def test_a_wrong_password_and_an_unknown_address_are_not_told_apart(web: WebClient) -> None:
    _give_password(web)
    wrong = web.post("/sign-in", data={"email": "ana@example.org", "password": "x"}, headers=PAGE)
    unknown = web.post("/sign-in", data={"email": "zoe@example.org", "password": "x"}, headers=PAGE)
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.text.replace("ana@", "zoe@") == unknown.text


def test_a_form_sent_empty_comes_back_as_the_form(web: WebClient) -> None:
    answer = web.post("/sign-in", data={"email": "", "password": ""}, headers=PAGE)
    assert answer.status_code == 401
    assert 'action="/sign-in"' in answer.text


def test_too_many_tries_wait_even_with_the_right_password(web: WebClient) -> None:
    _give_password(web)
    for _ in range(10):
        _try(web, "ana@example.org", "wrong")
    answer = web.post("/sign-in", data={"email": "ana@example.org", "password": PASSWORD}, headers=PAGE)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    web.clock.wall += 5 * 60 * 1_000_000
    assert _try(web, "ana@example.org", PASSWORD) == 303


def test_nobody_is_signed_in_from_another_site(web: WebClient) -> None:
    link = _link(web)
    answer = web.post(link, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert not web.unit_of_work.rows(Session)


def test_a_page_leads_to_signing_in_and_back(web: WebClient) -> None:
    asked = web.get("/orders", headers=PAGE)
    assert (asked.status_code, asked.headers["location"]) == (303, "/sign-in?next=/orders")
    partial = web.get("/orders", headers=PAGE | {"HX-Request": "true"})
    assert (partial.status_code, partial.headers["hx-redirect"]) == (401, "/sign-in?next=/orders")
    _give_password(web)
    back = web.post("/sign-in", data={"email": "ana@example.org", "password": PASSWORD, "next": "//evil.example"})
    assert back.headers["location"] == "/"


def test_signing_out_ends_the_session_for_good(web: WebClient) -> None:
    web.sign_in("member-ana")
    cookies = dict(web.http.cookies)
    assert web.post("/sign-out", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 303
    web.http.cookies.clear()
    web.http.cookies.update(cookies)
    assert web.get("/", headers=PAGE).status_code == 303


def test_an_error_for_a_person_is_a_page(web: WebClient) -> None:
    web.sign_in("member-ana")
    answer = web.get("/supplies/nothing", headers=PAGE)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "nothing" in answer.text
