"""Every page, for a full household, an empty one, one with very long names and a frozen one."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from gateway.domain.household import Household, Member
from gateway.domain.order import OrderLine
from gateway.domain.payment import PaymentMethod
from gateway.domain.records import MerchantAccount
from gateway.domain.stock import Device, PackOption, Supply
from gateway.web.pages.rendering import STATIC
from scripts import vendor
from tests.fakes import FakeClock
from tests.integration.web.sample_household import HOUR_US, NOW, full_house, household, people, shop, world
from tests.web_client import WebClient

ROOT = Path(__file__).resolve().parents[3]
TEMPLATES = ROOT / "gateway" / "web" / "templates"
PLACES = ("/", "/orders", "/devices", "/devices/new", "/money", "/settings")
LONG = "Grandmother’s extraordinarily long-named Rindfleischetikettierungsüberwachungs "
NAMED = (Supply, Device, Household, PackOption, MerchantAccount, OrderLine, Member)
MOST_PAGES = 200


def long_names() -> list[object]:
    rows: list[object] = []
    for row in full_house():
        if isinstance(row, NAMED):
            rows.append(replace(row, name=LONG + row.name))
        elif isinstance(row, PaymentMethod):
            rows.append(replace(row, label=LONG + row.label))
        else:
            rows.append(row)
    return rows


HOUSES = {
    "full": full_house,
    "empty": lambda: [household(), *people(), shop()],
    "long": long_names,
    "frozen": lambda: [household(frozen_since_us=NOW - HOUR_US), *full_house()[1:]],
}


@pytest.fixture(scope="module", params=sorted(HOUSES))
def pages(request: pytest.FixtureRequest) -> dict[str, str]:
    """Every page of one household, by its path: links are followed as a person would."""
    with WebClient(world(*HOUSES[request.param]()), FakeClock()) as client:
        client.sign_in("member-ana")
        return crawl(client)


@pytest.fixture
def full() -> Iterator[WebClient]:
    with WebClient(world(), FakeClock()) as client:
        client.sign_in("member-ana")
        yield client


class Page(HTMLParser):
    """What a test asks of a page's markup."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def values(self, name: str, *tags: str) -> list[str]:
        return [attrs[name] for tag, attrs in self.tags if name in attrs and (not tags or tag in tags)]


def crawl(web: WebClient) -> dict[str, str]:
    """Return every page that a person can reach by links, by its path."""
    found: dict[str, str] = {}
    waiting = list(PLACES)
    while waiting:
        path = waiting.pop()
        if path in found or path.startswith(("/static/", "/api/")):
            continue
        answer = web.get(path)
        assert answer.status_code == 200, (path, answer.status_code)
        found[path] = answer.text if answer.headers["content-type"].startswith("text/html") else ""
        links = [urlsplit(urljoin(path, href)) for href in Page(found[path]).values("href", "a")]
        waiting += [f"{link.path}?{link.query}" if link.query else link.path for link in links if not link.netloc]
        assert len(found) < MOST_PAGES
    return found


def test_every_page_that_is_linked_to_is_there(pages: dict[str, str]) -> None:
    assert set(PLACES) <= set(pages)


def test_no_page_needs_what_the_policy_forbids(pages: dict[str, str]) -> None:
    for path, html in pages.items():
        page = Page(html)
        assert not page.values("style"), path
        assert not [attrs for tag, attrs in page.tags if tag == "style"], path
        assert not [attrs for tag, attrs in page.tags if tag == "script" and "src" not in attrs], path
        assert not [name for _, attrs in page.tags for name in attrs if name.startswith(("on", "hx-on"))], path
        assert "javascript:" not in html, path
        assert not [url for url in (*page.values("src"), *page.values("href", "link")) if url.startswith("http")], path


def test_every_form_works_without_script(pages: dict[str, str]) -> None:
    for path, html in pages.items():
        for tag, attrs in Page(html).tags:
            if tag == "form":
                assert attrs.get("method") == "post", path
                assert attrs["action"].startswith("/"), path
                assert attrs.get("hx-post", attrs["action"]) == attrs["action"], path
            if tag == "a" and "hx-get" in attrs:
                assert attrs["href"].startswith("/"), path


def test_ids_are_unique_and_every_popover_has_its_sheet(pages: dict[str, str]) -> None:
    for path, html in pages.items():
        page = Page(html)
        ids = page.values("id")
        assert len(ids) == len(set(ids)), (path, sorted(one for one in ids if ids.count(one) > 1))
        assert set(page.values("popovertarget")) <= set(ids), path
        assert set(page.values("aria-labelledby")) <= set(ids), path


def test_each_page_has_one_heading_and_one_current_place(pages: dict[str, str]) -> None:
    for path, html in pages.items():
        if not html:
            continue
        page = Page(html)
        assert [tag for tag, _ in page.tags].count("h1") == 1, path
        assert page.values("aria-current", "a").count("page") == 1, path


def test_every_icon_is_in_the_sprite(pages: dict[str, str]) -> None:
    drawn = set((ROOT / "scripts" / "icons.txt").read_text().split())
    for path, html in pages.items():
        used = {href.partition("#")[2] for href in Page(html).values("href", "use")}
        assert used <= drawn, (path, used - drawn)


def test_pages_name_the_vendored_files_as_they_are_laid() -> None:
    laid = {name.replace("{version}", "") for name in vendor.FILES} | {"icons.svg"}
    versions = _wanted()
    named = set()
    for file in (*TEMPLATES.rglob("*.html"), *TEMPLATES.rglob("*.js"), *STATIC.glob("*.css")):
        named |= set(re.findall(r"/static/vendor/([\w.-]+)", file.read_text()))
    for name in named:
        version = re.search(r"\d+\.\d+\.\d+", name)
        assert (name.replace(version[0], "") if version else name) in laid, name
        assert version is None or version[0] in versions.values(), name


def _wanted() -> dict[str, str]:
    described: dict[str, dict[str, str]] = json.loads((ROOT / "package.json").read_text())
    return described["dependencies"]


def test_what_a_browser_loads_stays_small() -> None:
    assert len((STATIC / "app.css").read_bytes()) < 48_000
    assert sum(len((STATIC / name).read_bytes()) for name in ("app.js", "chart.js")) < 12_000


def test_a_supply_whose_level_nobody_knows_is_not_shown_as_empty(full: WebClient) -> None:
    html = full.get("/").text
    row = html[html.index('id="supply-supply-water"') :].partition("</li>")[0]
    assert "tile unknown" in row
    assert "Unknown" in row
    assert "level is not known" in row


def test_a_thing_that_only_says_low_is_shown_as_a_word(full: WebClient) -> None:
    html = full.get("/").text
    row = html[html.index('id="supply-supply-yellow"') :].partition("</li>")[0]
    assert "Yellow toner says: low" in row
    assert "tile low" in row


def test_markup_in_a_name_stays_text() -> None:
    evil = '<script>alert("1")</script>\'"><img src=x>'
    rows = [replace(row, name=evil + row.name) if isinstance(row, NAMED) else row for row in full_house()]
    with WebClient(world(*rows), FakeClock()) as web:
        web.sign_in("member-ana")
        for path, html in crawl(web).items():
            page = Page(html)
            assert not [attrs for tag, attrs in page.tags if tag == "script" and "src" not in attrs], path
            assert "x" not in page.values("src"), path


def test_a_viewer_sees_everything_and_is_offered_nothing_they_may_not_do(full: WebClient) -> None:
    full.sign_in("member-iris")
    for path in ("/", "/orders", "/carts/cart-waiting", "/money", "/devices", "/devices/device-printer"):
        html = full.get(path).text
        assert "/approve" not in html, path
        assert "/freeze" not in html, path
        assert 'href="/devices/new"' not in html, path


def test_the_chain_of_a_payment_leads_to_the_signed_readings(full: WebClient) -> None:
    html = full.get("/payments/attempt-cart-0-coffee").text
    order = ["Debit", "Operations", "Approval", "Cart line 1 of 1", "Plan", "Forecast", "Readings"]
    places = [html.index(f'<p class="kind">{word}</p>') for word in order]
    assert places == sorted(places)
    assert "Your standing permission said yes" in html
    assert "Every reading signed by its device" in html
    assert "Signature verified" in html


def test_an_error_is_a_page_that_leads_back(full: WebClient) -> None:
    accept = {"Accept": "text/html", "Referer": "http://localhost:8000/orders"}
    answer = full.get("/carts/nobodys", headers=accept)
    assert answer.status_code == 404
    assert "Not found" in answer.text
    assert 'href="/orders"' in answer.text


def test_an_error_leads_back_to_no_other_site(full: WebClient) -> None:
    accept = {"Accept": "text/html", "Referer": "https://evil.example/"}
    assert "evil.example" not in full.get("/carts/nobodys", headers=accept).text


def test_the_app_can_be_kept_on_a_phone_and_says_when_it_is_offline(full: WebClient) -> None:
    manifest = full.get("/manifest.webmanifest")
    assert manifest.json()["name"] == "Replenish"
    worker = full.get("/sw.js").text
    kept = re.findall(r'"(/[^"]+)"', worker.partition("FILES = ")[2].partition(";")[0])
    for path in kept:
        if "/vendor/" not in path:
            assert full.get(path).status_code == 200, path
    assert "cannot be reached" in full.get("/offline").text
