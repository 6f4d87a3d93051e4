"""Asking a device to report, on its page and through the API, and what both say of it afterwards."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from gateway.domain.command import MOST_AN_HOUR, WAIT_US, Command, CommandState
from gateway.domain.replenishment import MINUTE_US
from gateway.domain.stock import Device
from gateway.steps.acts.commands import end_command
from gateway.web.wording import iso
from tests.fakes import FakeClock
from tests.integration.web.sample_household import HOUSE, NOW, world
from tests.web_client import WebClient

HTML = {"Accept": "text/html"}
PAGE = "/devices/device-jura"
ADDRESS = "/api/v1/devices/device-jura"
BUTTON = "Ask it to report now</button>"
POLLS = 'hx-trigger="every 2s"'


@pytest.fixture
def web() -> Iterator[WebClient]:
    with WebClient(world(), FakeClock()) as client:
        client.http.headers["Sec-Fetch-Site"] = "same-origin"
        client.sign_in("member-ana")
        yield client


def ask(web: WebClient) -> None:
    """Press the button, as a browser without script does."""
    answer = web.post(f"{PAGE}/report-now", headers=HTML)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}#asking")


def end(web: WebClient, state: CommandState) -> None:
    """Let the intake write what became of it."""
    with web.unit_of_work.begin() as tx:
        (command,) = tx.find(Command, HOUSE, state=CommandState.WAITING)
        end_command(tx, command, state, now_us=web.clock.now)


def hear(web: WebClient) -> None:
    """Let the device report now."""
    with web.unit_of_work.begin() as tx:
        tx.save(replace(tx.get(Device, HOUSE, "device-jura"), last_seen_us=web.clock.now))


def test_a_device_that_was_never_asked_offers_it_and_the_api_says_null(web: WebClient) -> None:
    page = web.get(PAGE).text
    assert BUTTON in page
    assert "It reports by itself." in page
    assert POLLS not in page
    assert web.get(ADDRESS).json()["asked"] is None


def test_the_page_follows_a_wish_until_the_device_has_reported(web: WebClient) -> None:
    ask(web)
    page = web.get(PAGE).text
    assert "It is being asked." in page
    assert f"disabled>{page.partition('disabled>')[2].partition('</svg>')[0]}</svg>{BUTTON}" in page
    assert POLLS in page
    end(web, CommandState.SENT)
    page = web.get(PAGE).text
    assert "It was asked; its answer has not come yet." in page
    assert POLLS in page
    web.clock.advance(1)
    hear(web)
    page = web.get(PAGE).text
    assert "Asked just now, and it has reported since." in page
    assert POLLS not in page


def test_a_device_that_does_not_answer_is_said_so_and_no_more_looked_for(web: WebClient) -> None:
    ask(web)
    end(web, CommandState.SENT)
    web.clock.advance(WAIT_US)
    page = web.get(PAGE).text
    assert "Asked 1 min ago. It has not reported since; not every device does so when asked." in page
    assert POLLS not in page


def test_a_device_that_is_not_connected_could_not_be_asked(web: WebClient) -> None:
    ask(web)
    end(web, CommandState.EXPIRED)
    assert "Asked just now. It is not connected, so it could not be asked." in web.get(PAGE).text
    web.clock.advance(2 * MINUTE_US)
    hear(web)
    assert "Asked 2 min ago. It was not connected, so it could not be asked." in web.get(PAGE).text


def test_a_wish_that_nothing_took_is_over_after_a_minute(web: WebClient) -> None:
    ask(web)
    web.clock.advance(WAIT_US)
    assert web.get(ADDRESS).json()["asked"]["state"] == "not_connected"
    page = web.get(PAGE).text
    assert "so it could not be asked" in page
    assert "disabled" not in page.partition('id="asking"')[2].partition("</section>")[0]


def test_the_api_asks_and_tells_what_became_of_it(web: WebClient) -> None:
    answer = web.post(f"{ADDRESS}/report-now", headers=web.bearer("member-leo"))
    assert answer.status_code == 200
    asked = {"state": "waiting", "asked_at": iso(NOW), "sent_at": None, "said": "It is being asked."}
    assert answer.json()["asked"] == asked
    end(web, CommandState.SENT)
    assert web.get(ADDRESS).json()["asked"] | {"said": ""} == asked | {
        "state": "sent",
        "sent_at": iso(NOW),
        "said": "",
    }
    web.clock.advance(1)
    hear(web)
    assert web.get(ADDRESS).json()["asked"]["state"] == "reported"
    listed = {one["id"]: one["asked"] for one in web.get("/api/v1/devices").json()["items"]}
    assert {device for device, asked in listed.items() if asked} == {"device-jura"}


def test_what_is_refused_is_a_problem_that_says_why(web: WebClient) -> None:
    refused = web.post(f"{ADDRESS}/report-now", headers=web.bearer("member-iris"))
    assert (refused.status_code, refused.json()["detail"]) == (
        403,
        "Only an owner or an approver may ask a device to report.",
    )
    assert BUTTON in web.get(PAGE).text
    ask(web)
    again = web.post(f"{ADDRESS}/report-now", headers=web.bearer("member-ana"))
    assert (again.status_code, again.json()["state"]) == (409, "already_asked")
    for _ in range(MOST_AN_HOUR - 1):
        end(web, CommandState.SENT)
        ask(web)
    end(web, CommandState.SENT)
    often = web.post(f"{ADDRESS}/report-now", headers=web.bearer("member-ana"))
    assert (often.status_code, often.headers["retry-after"]) == (429, "3600")
    assert often.headers["content-type"] == "application/problem+json"
    assert "at most 10 times an hour. Try again in 60 min." in web.post(f"{PAGE}/report-now", headers=HTML).text


def test_a_viewer_sees_what_became_of_it_and_no_button(web: WebClient) -> None:
    web.sign_in("member-iris")
    assert 'id="asking"' not in web.get(PAGE).text
    web.sign_in("member-ana")
    ask(web)
    web.sign_in("member-iris")
    page = web.get(PAGE).text
    assert "It is being asked." in page
    assert BUTTON not in page


def test_a_removed_device_is_not_asked(web: WebClient) -> None:
    web.post(f"{PAGE}/remove")
    assert BUTTON not in web.get(PAGE).text
    answer = web.post(f"{PAGE}/report-now", headers=HTML)
    assert answer.status_code == 409
    assert "it is removed. It is no longer let in." in answer.text
