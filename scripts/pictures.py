"""Take the README's pictures from the running product: start the demonstration, sign in, look at its pages.

The demonstration runs with a fixed seed in a data directory of its own, which is removed afterwards.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import httpx
from playwright.sync_api import Browser, StorageState, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
REPLENISH = Path(sys.executable).with_name("replenish")
READY_SECONDS = 240
CART_SECONDS = 90
STOP_SECONDS = 30
CHROMIUM_FLAGS = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


class Picture(NamedTuple):
    """One picture: a page in a theme, in a window of a width and a height in CSS pixels."""

    page: str
    theme: str
    width: int
    height: int


WIDE, PHONE = (1280, 960), (390, 844)
TAKEN = (
    *(Picture(page, "light", *WIDE) for page in ("supplies", "supply", "orders", "money")),
    *(Picture(page, "dark", *WIDE) for page in ("supplies", "supply")),
    *(Picture(page, "light", *PHONE) for page in ("supplies", "orders")),
    *(Picture(page, "dark", *PHONE) for page in ("supply", "money")),
)


def main() -> int:
    """Start the demonstration, take every picture and stop it again, whatever happened."""
    chromium = subprocess.run(["sh", "scripts/find_chromium.sh"], cwd=ROOT, capture_output=True, text=True, check=True)
    with tempfile.TemporaryDirectory() as folder:
        ready_file = Path(folder) / "ready.json"
        demo = subprocess.Popen(
            [
                REPLENISH,
                "demo",
                "--seed=7",
                f"--port={free_port()}",
                f"--data-dir={folder}/data",
                f"--ready-file={ready_file}",
            ],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )
        try:
            take(wait_until_ready(demo, ready_file), chromium.stdout.strip())
        finally:
            demo.send_signal(signal.SIGTERM)
            demo.wait(STOP_SECONDS)
    return 0


def wait_until_ready(demo: subprocess.Popen[bytes], ready_file: Path) -> dict[str, str]:
    """Return what the ready file says, once a cart waits for approval as well."""
    deadline = time.monotonic() + READY_SECONDS
    while not ready_file.exists():
        if demo.poll() is not None or time.monotonic() > deadline:
            raise SystemExit("The demonstration did not come up.")
        time.sleep(0.2)
    ready: dict[str, str] = json.loads(ready_file.read_text())
    deadline = time.monotonic() + CART_SECONDS
    with httpx.Client(base_url=ready["web"], headers={"Authorization": f"Bearer {ready['token']}"}) as api:
        while not api.get("/api/v1/carts", params={"state": "awaiting_approval"}).raise_for_status().json()["items"]:
            if time.monotonic() > deadline:
                raise SystemExit("No cart came up for approval.")
            time.sleep(0.5)
    return ready


def take(ready: dict[str, str], chromium: str) -> None:
    """Sign in once and save every picture under docs/pictures/."""
    shutil.rmtree(PICTURES, ignore_errors=True)
    PICTURES.mkdir(parents=True)
    flags = [*CHROMIUM_FLAGS, "--no-sandbox"] if os.geteuid() == 0 else CHROMIUM_FLAGS
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        signed_in, paths = sign_in(browser, ready)
        for picture in TAKEN:
            context = browser.new_context(
                base_url=ready["web"],
                storage_state=signed_in,
                color_scheme="dark" if picture.theme == "dark" else "light",
                viewport={"width": picture.width, "height": picture.height},
            )
            page = context.new_page()
            page.goto(paths[picture.page])
            page.evaluate("document.fonts.ready")
            name = f"{picture.page}-{picture.theme}-{picture.width}.png"
            # Animations end before the picture is taken: a level glides to its place on every load.
            page.screenshot(path=PICTURES / name, animations="disabled")
            print(f"docs/pictures/{name}", flush=True)
            context.close()
        browser.close()


def sign_in(browser: Browser, ready: dict[str, str]) -> tuple[StorageState, dict[str, str]]:
    """Return the session that the one-time link opens, and the path of every page to be pictured."""
    context = browser.new_context(base_url=ready["web"])
    page = context.new_page()
    page.goto(ready["sign_in"])
    confirm = page.locator("main form button[type=submit], main form button:not([type])")
    if page.url.startswith(ready["sign_in"]) and confirm.count():
        confirm.first.click()
    page.goto("/")
    supply = page.locator("a[href*='/supplies/']").first.get_attribute("href")
    if supply is None:
        raise SystemExit("The first page links to no supply: was the sign-in refused?")
    session = context.storage_state()
    context.close()
    return session, {"supplies": "/", "supply": supply, "orders": "/orders", "money": "/money"}


def free_port() -> int:
    """Return a port of the loopback that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


if __name__ == "__main__":
    sys.exit(main())
