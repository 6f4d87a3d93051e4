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
Cart: TypeAlias = dict[str, Any]
"""A cart as the API shows it."""

SNOOZE_DAYS = 2
REACH_WITHIN_S = 120
CHROMIUM = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
OPENS_WITHIN_MS = 60_000


class Person:
    """The owner of a household. What is in `next_answers` is said to the next carts; to all others, yes."""

    def __init__(self, household: Household, url: str, api_token: str, sign_in: Callable[[], str]) -> None:
        self.household = household
        self.next_answers: deque[Answer] = deque()
        self._url = url
        self._sign_in = sign_in
        headers = {"authorization": f"Bearer {api_token}"}
        self._http = httpx.Client(base_url=f"{url}/api/v1", headers=headers, timeout=REACH_WITHIN_S, trust_env=False)
        self._page: Page | None = None
        self._complaints: list[str] = []

    def close(self) -> None:
        """Put the phone away."""
        self._http.close()

    def asked(self, before_us: int) -> list[Cart]:
        """The carts that wait for an answer since before an instant, the oldest first."""
        carts = reversed(self._ask("GET", "/carts", params={"state": "awaiting_approval"})["items"])
        return [one for one in carts if datetime.fromisoformat(one["created"]).timestamp() * 1e6 < before_us]

    def answer(self, cart: Cart, browser: Browser | None) -> str:
        """Answer one cart; returns what was said. Without a browser the API is used."""
        answer = self.next_answers.popleft() if self.next_answers else "yes"
        if answer == "yes, in the browser" and browser is not None:
            self._approve_in(browser, cart["id"])
        else:
            self._decide(cart["id"], answer)
        return f"{self.household.home.owner} says {answer} to {cart['total']['amount_minor'] / 100:.2f}"

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
        expect(card.locator(".done")).to_be_visible(timeout=OPENS_WITHIN_MS)
        assert self._complaints == []

    def _signed_in(self, browser: Browser) -> Page:
        page = self._page = browser.new_context().new_page()
        page.set_default_timeout(OPENS_WITHIN_MS)
        page.on("console", lambda said: self._complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self._complaints.append(str(error)))
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
