"""`replenish demo` as a person runs it: started, stopped, killed, started again; the same seed tells the same story.

Two demonstrations of one seed are started side by side, their time standing, and compared. One is killed. The other
goes on with time running fast: a cart is approved and followed until a device sees its refill.
"""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from devices.clock import ClockFile
from gateway.config import read_settings
from tests.e2e.programs import REPLENISH, eventually, run

SEED = 7
DAYS = 6
SPEED = 20_000  # a day in 4.3 s
FIRST_READY_WITHIN_S = 600
READY_AGAIN_WITHIN_S = 180
CART_WITHIN_S = 240
REFILL_WITHIN_S = 360
STOP_WITHIN_S = 90
ASK_WITHIN_S = 60
MOST_CARTS = 3
PAGE = 200
HISTORY = "Replaying history"

pytestmark = pytest.mark.timeout(1200)


class Demo:
    """One demonstration in a folder of its own, run as a process as often as a test likes."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.data_dir = folder / "data"
        self.ready_file = folder / "ready.json"
        self.log = folder / "demo.log"
        self.ready: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._http: httpx.Client | None = None

    def command(self, *options: str) -> list[str]:
        """The command that runs it, and any second one in the same place."""
        return [REPLENISH, "demo", "--data-dir", str(self.data_dir), "--undo-seconds", "0", *options]

    def start(self, speed: float, *options: str) -> None:
        """Start it on a free port; it is not ready yet."""
        command = self.command("--port", "0", "--speed", str(speed), "--ready-file", str(self.ready_file), *options)
        with self.log.open("ab") as words:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=words, stderr=words, start_new_session=True
            )

    def wait_until_ready(self, within_s: float) -> None:
        """Wait for the ready file, and talk to the API it names from then on."""
        eventually(lambda: self.ready_file.exists() or self._has_ended(), f"{self.ready_file} is there", within_s)
        if self._has_ended():
            pytest.fail(f"the demonstration has ended\n{self.log.read_text()}")
        self.ready = json.loads(self.ready_file.read_text())
        headers = {"authorization": f"Bearer {self.ready['token']}"}
        self._http = httpx.Client(
            base_url=f"{self.ready['web']}/api/v1", headers=headers, timeout=ASK_WITHIN_S, trust_env=False
        )

    def get(self, path: str, **query: str) -> Any:  # noqa: ANN401 — what a body of JSON holds
        """Ask the API for something."""
        assert self._http is not None, "it is ready"
        return self._http.get(path, params=query).raise_for_status().json()

    def all_of(self, path: str) -> list[dict[str, Any]]:
        """Everything of a list; a story told in these tests fits on one page of it."""
        body = self.get(path, limit=str(PAGE))
        assert body["next"] is None
        items: list[dict[str, Any]] = body["items"]
        return items

    def approve(self, cart: dict[str, Any]) -> None:
        """Say yes to a cart."""
        assert self._http is not None, "it is ready"
        self._http.post(f"/carts/{cart['id']}/approve", json={"version": cart["version"]}).raise_for_status()

    def now_us(self) -> int:
        """The simulated present."""
        return ClockFile(self.data_dir / "clock.json").now_us()

    def is_time_running(self) -> bool:
        """Whether simulated time passes."""
        return ClockFile(self.data_dir / "clock.json").setting().speed > 0

    def check_ledger(self) -> int:
        """The exit status of `replenish ledger check`."""
        return run([REPLENISH, "ledger", "check", "--data-dir", str(self.data_dir)], self.log)

    def running(self) -> list[str]:
        """Every process that was started for this data directory, the demonstration's children too."""
        listed = subprocess.run(["ps", "-A", "-ww", "-o", "args="], capture_output=True, text=True, check=True)
        return [line for line in listed.stdout.splitlines() if str(self.data_dir) in line]

    def end(self, by: signal.Signals) -> None:
        """Send it a signal and wait until it has ended. A Ctrl-C reaches all it started too, as at a terminal."""
        process = self._process
        if process is None:
            return
        if self._http is not None:
            self._http.close()
        if by is signal.SIGINT:
            os.killpg(process.pid, by)
        else:
            process.send_signal(by)
        process.wait(STOP_WITHIN_S)
        self._process = None

    def _has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None


@dataclass(frozen=True, slots=True)
class Told:
    """What must be the same when a story is told twice; without ids."""

    carts: list[tuple[str, str, list[tuple[str, int]]]]
    orders: list[tuple[str, bool, list[tuple[str, int, str, bool]]]]
    bank: list[tuple[int, int]]

    @classmethod
    def by(cls, demo: Demo) -> "Told":
        """Read the story so far from the API and the bank's own book."""
        settings = read_settings(demo.data_dir)
        token = settings.payment_secrets["sandbox"]["token"].get_secret_value()
        book = httpx.get(
            f"{settings.payment_settings['sandbox']['url']}/book",
            headers={"authorization": f"Bearer {token}"},
            timeout=ASK_WITHIN_S,
            trust_env=False,
        ).raise_for_status()
        return cls(
            carts=[
                (cart["merchant"], cart["state"], sorted((line["sku"], line["packs"]) for line in cart["lines"]))
                for cart in demo.all_of("/carts")
            ],
            orders=[
                (
                    order["state"],
                    order["late"],
                    sorted((line["sku"], line["packs"], line["state"], line["refill_seen"]) for line in order["lines"]),
                )
                for order in demo.all_of("/orders")
            ],
            bank=[(one["balance_minor"], one["held_minor"]) for one in book.json()["accounts"]],
        )


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Demo, Demo]]:
    """Two demonstrations of one seed, begun anew, both ready, their time standing."""
    folder = tmp_path_factory.mktemp("demo")
    demos = Demo(folder / "castor"), Demo(folder / "pollux")
    try:
        for demo in demos:
            demo.start(0, "--seed", str(SEED), "--days", str(DAYS))
        for demo in demos:
            demo.wait_until_ready(FIRST_READY_WITHIN_S)
        yield demos
    finally:
        for demo in demos:
            demo.end(signal.SIGKILL)


@pytest.fixture(scope="module")
def demo(twins: tuple[Demo, Demo]) -> Demo:
    """One of them, from its first run on."""
    return twins[0]


def waiting(demo: Demo) -> list[dict[str, Any]]:
    """The carts that wait for a person."""
    carts: list[dict[str, Any]] = demo.get("/carts", state="awaiting_approval")["items"]
    return carts


def sentence_of(command: list[str]) -> str:
    """The one sentence with which a command refuses, exit status 1."""
    answer = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=STOP_WITHIN_S, check=False
    )
    assert answer.returncode == 1
    assert answer.stdout == ""
    (sentence,) = answer.stderr.splitlines()
    return sentence


def assert_ends_cleanly(demo: Demo, by: signal.Signals) -> None:
    """It ends soon, its last word no complaint; its ready file and all that it started are gone."""
    demo.end(by)
    assert "Traceback" not in demo.log.read_text()
    assert "Stopped. Everything is kept in" in demo.log.read_text()
    assert not demo.ready_file.exists()
    assert demo.running() == []


def test_the_ready_file_is_private_and_says_how_to_reach_everything(demo: Demo) -> None:
    assert demo.ready_file.stat().st_mode & 0o777 == 0o600
    assert set(demo.ready) == {"web", "sign_in", "token", "mqtt", "pid"}
    os.kill(demo.ready["pid"], 0)  # there is such a process
    host, _, port = demo.ready["mqtt"].partition(":")
    assert read_settings(demo.data_dir).mqtt_port == int(port)
    socket.create_connection((host, int(port)), timeout=ASK_WITHIN_S).close()
    page = httpx.get(demo.ready["sign_in"], timeout=ASK_WITHIN_S, trust_env=False)
    assert page.status_code == httpx.codes.OK


def test_its_history_was_approved_by_the_mandate_and_the_first_cart_for_a_person_waits_at_once(demo: Demo) -> None:
    payments = demo.all_of("/payments")
    assert payments
    assert all(demo.get(f"/payments/{payment['id']}")["chain"]["approval"]["by_mandate"] for payment in payments)
    assert waiting(demo)


def test_the_same_seed_tells_the_same_story(twins: tuple[Demo, Demo]) -> None:
    one, other = (Told.by(demo) for demo in twins)
    assert one.orders
    assert one == other


def test_a_second_demonstration_in_the_same_place_is_refused_in_one_sentence(demo: Demo) -> None:
    sentence = sentence_of(demo.command("--port", "0", "--ready-file", str(demo.ready_file)))
    assert sentence == (
        f"replenish: a demonstration already runs in {demo.data_dir.resolve()}; stop it or name another --data-dir"
    )
    assert demo.ready_file.exists()


def is_in_order(passed: list[str]) -> bool:
    """Whether somebody who watched an order saw it shipped, and delivered after that."""
    return [state for state in passed if state in {"shipped", "delivered"}] == ["shipped", "delivered"]


def is_billed(demo: Demo, order: dict[str, Any]) -> bool:
    """Whether the account was debited by as much as the order came to."""
    payment = demo.get(f"/payments/{order['payment_id']}")
    return bool(payment["state"] == "captured" and payment["captured"] == order["total"])


def test_a_busy_port_is_refused_in_one_sentence(demo: Demo, tmp_path: Path) -> None:
    port = demo.ready["web"].rpartition(":")[2]
    sentence = sentence_of(Demo(tmp_path / "late").command("--port", port))
    assert sentence.startswith("replenish: ")
    assert port in sentence


def test_a_killed_demonstration_leaves_no_simulator_running(twins: tuple[Demo, Demo]) -> None:
    killed = twins[1]
    assert len(killed.running()) == 1 + len(("bank", "shop", "appliances"))
    killed.end(signal.SIGKILL)
    eventually(lambda: not killed.running(), "the simulators have ended", STOP_WITHIN_S)


def test_a_second_run_goes_on_where_the_first_stopped(demo: Demo) -> None:
    then_us, first_words = demo.now_us(), demo.log.read_text()
    household, told = demo.get("/household"), Told.by(demo)
    assert_ends_cleanly(demo, by=signal.SIGTERM)
    demo.start(0)
    demo.wait_until_ready(READY_AGAIN_WITHIN_S)
    assert HISTORY in first_words
    assert "The first start: " in first_words
    assert "Going on where it stopped, on " in demo.log.read_text().removeprefix(first_words)
    assert HISTORY not in demo.log.read_text().removeprefix(first_words)
    assert demo.get("/household")["id"] == household["id"]
    assert Told.by(demo) == told
    assert demo.now_us() >= then_us
    assert_ends_cleanly(demo, by=signal.SIGINT)
    demo.start(SPEED)
    demo.wait_until_ready(READY_AGAIN_WITHIN_S)
    assert demo.now_us() > then_us


def test_an_approved_cart_is_ordered_and_delivered_and_its_refill_is_seen(demo: Demo) -> None:
    if not demo.is_time_running():  # this test was asked for alone: time still stands
        demo.end(signal.SIGTERM)
        demo.start(SPEED)
        demo.wait_until_ready(READY_AGAIN_WITHIN_S)
    approved: set[str] = set()
    passed: dict[str, list[str]] = {}

    def is_one_refilled() -> bool:
        """Approve what waits: the shop's story may lose or refuse an order, so one of the first few has to go well."""
        for cart in waiting(demo)[: MOST_CARTS - len(approved)]:
            demo.approve(cart)
            approved.add(cart["id"])
        orders = [order for order in demo.get("/orders")["items"] if order["cart_id"] in approved]
        for order in orders:
            states = passed.setdefault(order["id"], [])
            if order["state"] not in states:
                states.append(order["state"])
        done = [order for order in orders if all(line["refill_seen"] for line in order["lines"])]
        return any(is_in_order(passed[order["id"]]) and is_billed(demo, order) for order in done)

    eventually(lambda: waiting(demo), "a cart waits for a person", CART_WITHIN_S)
    eventually(is_one_refilled, "the refill of an approved order was seen", REFILL_WITHIN_S)
    assert demo.check_ledger() == 0
    then_us = demo.now_us()
    assert_ends_cleanly(demo, by=signal.SIGTERM)
    assert demo.now_us() >= then_us
    assert demo.check_ledger() == 0
