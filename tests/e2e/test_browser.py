"""The pages in a real Chromium: signing in, deciding, living, without script, on a phone, in the dark, for everybody.

Every test fails on a console error, a refusal of the content policy, an uncaught exception or a request elsewhere.
"""

import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Self

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from gateway.domain.cart import Cart, CartState
from gateway.domain.command import Command, CommandState
from gateway.domain.household import Member
from gateway.domain.replenishment import DAY_US, Forecast
from gateway.domain.stock import Device, Level
from gateway.steps.acts.commands import end_command
from gateway.web import WebServices, create_app
from gateway.web.pages import end_streams_when
from gateway.web.sessions import issue_link
from tests.fakes import FakeClock, FakeUnitOfWork
from tests.integration.web.sample_household import HOUSE, world
from tests.web_client import services_of

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PLACES = (
    "/",
    "/supplies/supply-coffee",
    "/supplies/supply-water",
    "/orders",
    "/carts/cart-waiting",
    "/orders/order-cart-0-soap",
    "/payments/attempt-cart-0-coffee",
    "/devices",
    "/devices/new",
    "/devices/device-printer",
    "/money",
    "/settings",
)
LONG_WAIT_MS = 60_000


class House:
    """The web over a household in memory, behind a real socket."""

    def __init__(self) -> None:
        self.unit_of_work: FakeUnitOfWork = world()
        self.clock = FakeClock()
        app = create_app(self._services("http://127.0.0.1"))
        config = uvicorn.Config(
            app,
            port=0,
            log_config=None,
            ws="none",
            timeout_graceful_shutdown=3,
        )
        self._server = uvicorn.Server(config)
        end_streams_when(app, lambda: self._server.should_exit)
        self._thread = threading.Thread(target=self._server.run)

    def _services(self, base_url: str) -> WebServices:
        return WebServices(
            steps=services_of(self.unit_of_work, self.clock),
            base_url=base_url,
            secure_cookies=False,
            not_ready=lambda: (),
        )

    def __enter__(self) -> Self:
        self._thread.start()
        waited = threading.Event()
        for _ in range(1000):
            if self._server.started:
                break
            waited.wait(0.01)
        (socket,) = self._server.servers[0].sockets
        self.url = f"http://127.0.0.1:{socket.getsockname()[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)

    def link(self, member_id: str = "member-ana") -> str:
        with self.unit_of_work.begin() as tx:
            token = issue_link(tx, tx.get(Member, HOUSE, member_id), wall_us=self.clock.wall_us())
        return f"{self.url}/sign-in/{token}"

    def cart(self) -> Cart:
        with self.unit_of_work.read() as tx:
            return tx.get(Cart, HOUSE, "cart-waiting")


Open = Callable[..., Page]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    found = subprocess.run(["sh", "scripts/find_chromium.sh"], cwd=ROOT, capture_output=True, text=True, check=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found.stdout.strip(), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def house() -> Iterator[House]:
    with House() as running:
        yield running


def is_complaint(said: ConsoleMessage) -> bool:
    """Whether a page complains; that a form was refused is the browser's own note of a 422."""
    return said.type in {"error", "warning"} and "status of 422" not in said.text


@pytest.fixture
def open_page(chromium: Browser, house: House) -> Iterator[Open]:
    """Open a page as Ana in a fresh browser; options go to the browser's context."""
    complaints: list[str] = []
    contexts: list[BrowserContext] = []

    def opened(path: str = "/", *, width: int = 1280, signed_in: bool = True, **options: object) -> Page:
        context = chromium.new_context(viewport={"width": width, "height": 900}, reduced_motion="reduce", **options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(LONG_WAIT_MS)
        page.on("console", lambda said: complaints.append(said.text) if is_complaint(said) else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda asked: None if asked.url.startswith(house.url) else complaints.append(asked.url))
        if signed_in:
            page.goto(house.link())
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url(f"{house.url}/")
        page.goto(house.url + path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def test_a_link_signs_in_with_one_click_and_the_door_is_closed_after(open_page: Open, house: House) -> None:
    page = open_page()
    expect(page.get_by_role("heading", level=1)).to_have_text("Three supplies are running low")
    page.goto(f"{house.url}/settings")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.goto(f"{house.url}/money")
    expect(page).to_have_url(re.compile(r"/sign-in\?next=/money$"))


def test_an_order_is_approved_watched_and_undone_without_leaving_the_page(open_page: Open, house: House) -> None:
    page = open_page()
    page.get_by_role("button", name="Approve 32.39").click()
    title = page.get_by_role("heading", name="Approved")
    expect(title).to_be_visible()
    expect(title).to_be_focused()
    expect(page.get_by_role("button", name="Undo")).to_contain_text(re.compile(r"\d+ s left"))
    expect(page.locator("#nav-badge")).to_be_hidden()
    expect(page.locator("#supply-supply-coffee")).to_contain_text("Arrives about Fri 27 Nov")
    assert house.cart().state is CartState.APPROVED
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("button", name="Approve 32.39")).to_be_visible()
    expect(page.locator("#nav-badge")).to_be_visible()
    assert house.cart().state is CartState.AWAITING_APPROVAL


def test_a_product_is_swapped_and_the_quantity_changed(open_page: Open) -> None:
    page = open_page()
    page.get_by_role("button", name="Swap Espresso beans Verona").click()
    page.get_by_role("button", name="Caffè Aurora dark roast").click()
    expect(page.get_by_role("button", name="Approve 29.93")).to_be_visible()
    page.get_by_role("button", name="One Caffè Aurora dark roast more").click()
    expect(page.get_by_role("button", name="Approve 46.37")).to_be_visible()


def test_a_device_is_asked_and_its_answer_comes_to_the_page_by_itself(open_page: Open, house: House) -> None:
    page = open_page("/devices/device-jura")
    page.get_by_role("button", name="Ask it to report now").click()
    expect(page.locator("#asking")).to_contain_text("It is being asked.")
    expect(page.get_by_role("button", name="Ask it to report now")).to_be_disabled()
    with house.unit_of_work.begin() as tx:
        (command,) = tx.find(Command, HOUSE)
        end_command(tx, command, CommandState.SENT, now_us=house.clock.now)
        tx.save(replace(tx.get(Device, HOUSE, "device-jura"), last_seen_us=house.clock.now + 1))
    expect(page.locator("#asking")).to_contain_text("it has reported since", timeout=LONG_WAIT_MS)
    expect(page.get_by_role("button", name="Ask it to report now")).to_be_enabled()


def test_an_order_is_snoozed_from_its_sheet(open_page: Open, house: House) -> None:
    page = open_page()
    page.get_by_role("button", name="Snooze").click()
    page.get_by_role("button", name="In 3 days").click()
    expect(page.get_by_role("heading", name="Snoozed")).to_be_visible()
    assert house.cart().state is CartState.SNOOZED


def test_an_order_edited_elsewhere_is_not_approved_unseen(open_page: Open, house: House) -> None:
    page = open_page("/carts/cart-waiting")
    page.route("**/events*", lambda route: route.abort())
    with house.unit_of_work.begin() as tx:
        tx.save(replace(tx.get(Cart, HOUSE, "cart-waiting"), version=7))
    page.locator("input[name=version]").first.evaluate("input => { input.value = '1'; }")
    page.get_by_role("button", name="Approve 32.39").click()
    expect(page.get_by_role("alert")).to_contain_text("edited since")
    assert house.cart().state is CartState.AWAITING_APPROVAL


def test_levels_and_orders_come_to_life_by_themselves(open_page: Open, house: House) -> None:
    page = open_page()
    row = page.locator("#supply-supply-milk")
    expect(row).to_contain_text("35\u202f%")
    with house.unit_of_work.begin() as tx:
        (old,) = tx.find(Forecast, HOUSE, supply_id="supply-milk", current=True)
        tx.save(replace(old, current=False))
        tx.add(replace(old, id="forecast-zzz", p10_us=house.clock.now + DAY_US))
        tx.save(replace(tx.get(Level, HOUSE, "slot-milk"), quantity=0.4))
        tx.save(replace(tx.get(Cart, HOUSE, "cart-waiting"), state=CartState.EXPIRED))
    expect(row).to_contain_text("10\u202f%")
    expect(page.get_by_role("heading", level=1)).to_have_text("Four supplies are running low")
    expect(page.get_by_role("heading", name="Order for your OK")).to_have_count(0)


def test_choosing_a_row_shows_its_forecast_and_arrow_keys_read_its_days(open_page: Open) -> None:
    page = open_page()
    page.get_by_role("link", name="Coffee beans").first.click()
    expect(page.locator("#forecast h2")).to_have_text("Coffee beans")
    expect(page.locator("#supply-supply-coffee a")).to_have_attribute("aria-current", "true")
    chart = page.locator(".chart")
    expect(chart.locator("canvas")).to_be_visible()
    chart.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".readout")).to_contain_text("likely")
    first = page.locator(".readout").inner_text()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".readout")).not_to_have_text(first)


def test_the_whole_path_works_without_script(open_page: Open, house: House) -> None:
    page = open_page(java_script_enabled=False)
    expect(page.locator(".chart polyline").first).to_be_visible()
    page.get_by_role("link", name="Coffee beans").first.click()
    expect(page.locator("#forecast h2")).to_have_text("Coffee beans")
    page.get_by_role("button", name="Swap Liquid detergent Sensitive").click()
    page.get_by_role("button", name="Highland single origin").last.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("waits for your OK")
    page.get_by_role("button", name="Approve").first.click()
    expect(page.get_by_role("heading", name="Approved")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Skip once").click()
    expect(page.get_by_role("heading", name="Skipped this time")).to_be_visible()
    assert house.cart().state is CartState.SKIPPED


def test_no_page_scrolls_sideways_at_any_width(open_page: Open, house: House) -> None:
    page = open_page(width=390, bypass_csp=True)
    for path in PLACES:
        page.goto(house.url + path)
        for width in (390, 600, 768, 1024, 1280, 1920):
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_function("document.documentElement.scrollWidth <= innerWidth")  # charts follow a frame later


def test_on_a_phone_the_decision_stays_within_reach(open_page: Open) -> None:
    page = open_page(width=390, has_touch=True)
    expect(page.get_by_role("button", name="Approve 32.39")).to_be_in_viewport()
    expect(page.get_by_role("navigation", name="Main")).to_be_in_viewport()


def test_the_theme_follows_the_device_until_one_is_chosen(open_page: Open) -> None:
    page = open_page(color_scheme="dark")
    body = page.locator("body")
    expect(body).to_have_css("background-color", "rgb(12, 23, 21)")
    page.get_by_role("button", name="Light").click()
    expect(body).to_have_css("background-color", "rgb(241, 246, 244)")


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_page(open_page: Open, house: House, width: int, scheme: str) -> None:
    page = open_page(width=width, color_scheme=scheme, bypass_csp=True)
    for path in (*PLACES, "/sign-in/a-link", "/offline"):
        page.goto(house.url + path)
        assert axe_finds(page) == [], path


def axe_finds(page: Page) -> list[object]:
    """Run axe on what is shown and return what it finds wrong."""
    page.evaluate(AXE.read_text())
    found: list[object] = page.evaluate(
        "axe.run({resultTypes: ['violations'], preload: false})"
        ".then(r => r.violations.map(v => [v.id, v.nodes.map(n => n.html.slice(0, 200))]))"
    )
    return found


SMALL_TARGETS = """() => [...document.querySelectorAll("main :is(a, button, select, input, summary)")].filter(el => {
  const target = el.closest("label") ?? el, box = target.getBoundingClientRect(), style = getComputedStyle(el);
  const hidden = !box.width || el.type === "hidden" || style.visibility === "hidden";
  // A link in a sentence is as high as its line.
  return !hidden && style.display !== "inline" && box.height < 43.5;
}).map(el => `${el.tagName} ${el.className} ${el.textContent.trim().slice(0, 30)}`)"""


def test_on_a_phone_every_target_is_a_finger_wide(open_page: Open, house: House) -> None:
    page = open_page(width=390, has_touch=True)
    for path in PLACES:
        page.goto(house.url + path)
        assert page.evaluate(SMALL_TARGETS) == [], path


def test_a_refused_form_leads_to_the_field_that_is_wrong(open_page: Open) -> None:
    page = open_page("/money", width=390, bypass_csp=True)
    page.locator("#link summary", has_text="Sandbox bank").click()
    form = page.locator("form[action='/money/methods']")
    form.get_by_label("Account at the bank").fill("ana-7")
    form.get_by_label("Per order").evaluate("input => { input.value = 'much'; input.removeAttribute('pattern'); }")
    with page.expect_response(lambda answer: answer.status == 422):
        form.get_by_role("button", name="Link it").click()
    wrong = page.get_by_label("Per order").and_(page.locator("[aria-invalid=true]"))
    expect(wrong).to_be_focused()
    expect(wrong).to_be_in_viewport()
    expect(page.get_by_label("Account at the bank")).to_have_value("ana-7")
    assert axe_finds(page) == []


def test_live_levels_move_nothing_on_the_page(open_page: Open, house: House) -> None:
    page = open_page()
    expect(page.locator(".chart canvas")).to_be_visible()
    page.evaluate(
        "window.shifted = 0; new PerformanceObserver(list => list.getEntries().forEach(entry => {"
        " window.shifted += entry.value; })).observe({type: 'layout-shift'})"
    )
    with house.unit_of_work.begin() as tx:
        (old,) = tx.find(Forecast, HOUSE, supply_id="supply-milk", current=True)
        tx.save(replace(old, current=False))
        tx.add(replace(old, id="forecast-zzz"))
        tx.save(replace(tx.get(Level, HOUSE, "slot-milk"), quantity=1.2))
    expect(page.locator("#supply-supply-milk")).to_contain_text("30\u202f%")
    assert page.evaluate("window.shifted") < 0.01


def test_without_a_connection_one_page_says_so(open_page: Open, house: House) -> None:
    page = open_page("/offline", signed_in=False)
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.wait_for_function("navigator.serviceWorker.controller !== null")
    page.context.set_offline(True)
    page.goto(f"{house.url}/orders")
    expect(page.get_by_role("heading", level=1)).to_have_text("No connection")
    page.context.set_offline(False)
