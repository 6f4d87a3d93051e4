"""How the people of the town answer what the gateway asks them: in a browser, or as a program of theirs by the API."""

import shutil
import subprocess
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Literal, TypeAlias

import httpx
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.e2e.homes import Household
from tests.e2e.programs import eventually

Answer = Literal["yes", "yes, in the browser", "skip", "snooze"]
Json: TypeAlias = Any
"""What a body of JSON holds."""

SNOOZE_DAYS = 2
REACH_WITHIN_S = 60
CHROMIUM = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
OPENS_WITHIN_MS = 15_000


class Person:
    """The owner of a household. What is in `next_answers` is said to the next carts; to all others, yes."""

    def __init__(self, household: Household, url: str, api_token: str, sign_in: Callable[[], str]) -> None:
        self.household = household
        self.next_answers: deque[Answer] = deque()
        self._url = url
        self._sign_in = sign_in
        headers = {"authorization": f"Bearer {api_token}"}
        self._http = httpx.Client(base_url=f"{url}/api/v1", headers=headers, timeout=30, trust_env=False)
        self._page: Page | None = None

    def close(self) -> None:
        """Put the phone away."""
        self._http.close()

    def answer(self, asked_before_us: int, browser: Browser | None) -> list[str]:
        """Answer all that was asked before an instant; returns what was said. Without a browser the API is used."""
        said: list[str] = []
        for cart in reversed(self._ask("GET", "/carts", params={"state": "awaiting_approval"})["items"]):
            if datetime.fromisoformat(cart["created"]).timestamp() * 1e6 >= asked_before_us:
                continue
            answer = self.next_answers.popleft() if self.next_answers else "yes"
            if answer == "yes, in the browser" and browser is not None:
                self._approve_in(browser, cart["id"])
            else:
                self._decide(cart["id"], answer)
            said.append(f"{self.household.home.owner} says {answer} to {cart['total']['amount_minor'] / 100:.2f}")
        return said

    def _decide(self, cart_id: str, answer: Answer) -> None:
        path = f"/carts/{cart_id}"
        match answer:
            case "yes" | "yes, in the browser":
                self._ask("POST", f"{path}/approve")
            case "skip":
                self._ask("POST", f"{path}/skip")
            case "snooze":
                self._ask("POST", f"{path}/snooze", json={"days": SNOOZE_DAYS})
        decided = self._ask("GET", path)
        assert decided["state"] != "awaiting_approval", decided

    def _approve_in(self, browser: Browser, cart_id: str) -> None:
        """Sign in by the link the first time, look at the cart, press Approve and see the receipt."""
        page = self._page or self._signed_in(browser)
        page.goto(f"{self._url}/carts/{cart_id}")
        card = page.locator(f"#cart-{cart_id}")
        card.get_by_role("button", name="Approve").first.click()
        expect(card.locator(".done")).to_be_visible()

    def _signed_in(self, browser: Browser) -> Page:
        page = self._page = browser.new_context().new_page()
        page.set_default_timeout(OPENS_WITHIN_MS)
        page.goto(self._sign_in())
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{self._url}/")
        return page

    def _ask(self, method: str, path: str, **sent: Json) -> Json:
        """Ask the API; while the gateway is away, ask again. A decision that arrived before it went away stands."""
        answers: list[httpx.Response] = []

        def reached() -> bool:
            try:
                answers.append(self._http.request(method, path, **sent))
            except httpx.TransportError:
                return False
            return True

        eventually(reached, f"{method} {path} is answered", REACH_WITHIN_S)
        if answers[-1].status_code == httpx.codes.CONFLICT:
            return None
        return answers[-1].raise_for_status().json()


@contextmanager
def a_browser() -> Iterator[Browser]:
    """A real Chromium."""
    program = subprocess.run(
        ["sh", "scripts/find_chromium.sh"], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert shutil.which(program), "no Chromium; see scripts/test_setup.sh"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=CHROMIUM.split())
        try:
            yield browser
        finally:
            browser.close()
