"""The processes themselves: real Mosquitto, a small gateway that acknowledges, a small doorstep over HTTP."""

import itertools
import json
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from devices import (
    BadBody,
    ClockSetting,
    Identity,
    Report,
    acknowledge,
    build_topic,
    decode_report,
    encode_acknowledgement,
    encode_command,
    kinds,
    open_envelope,
    parse_topic,
    write_clock,
)

START_US = 1_795_046_400_000_000
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
WAIT_S = 60
ROOT = Path(__file__).parents[3]


class Gateway:
    """Counts each (device, epoch, seq) once and acknowledges what it has seen."""

    def __init__(self, port: int, keys: dict[str, Identity]) -> None:
        self.messages: dict[tuple[str, int, int], bytes] = {}
        self.resent = 0
        self.answers = True
        self._keys = keys
        self._changed = threading.Condition()
        self.mqtt = paho.Client(CallbackAPIVersion.VERSION2)
        self.mqtt.on_connect = lambda client, *_: client.subscribe("replenish/v1/+/telemetry", 1)
        self.mqtt.on_message = self._take
        self._port = port

    def __enter__(self) -> Self:
        for _ in range(WAIT_S * 20):
            try:
                self.mqtt.connect("127.0.0.1", self._port)
            except OSError:
                threading.Event().wait(0.05)
            else:
                break
        self.mqtt.loop_start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self.mqtt.disconnect()
        self.mqtt.loop_stop()

    def _take(self, client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
        device_id = parse_topic(message.topic).device_id
        opened = open_envelope(message.payload, device_id, self._keys[device_id].public_key)
        key = (device_id, opened.epoch, opened.seq)
        with self._changed:
            self.resent += self.messages.get(key) == message.payload
            self.messages[key] = message.payload
            self._changed.notify_all()
        if self.answers:
            (answer,) = acknowledge([(opened.epoch, opened.seq)])
            client.publish(build_topic(device_id, "ack"), encode_acknowledgement(answer))

    def until(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, WAIT_S)

    def reports(self, device_id: str) -> list[Report]:
        found = []
        for key, payload in sorted(self.messages.items()):
            if key[0] == device_id:
                opened = open_envelope(payload, device_id, self._keys[device_id].public_key)
                try:
                    found.append(decode_report(opened.body, opened.content_type))
                except BadBody as error:
                    assert error.reason == "negative"  # noqa: PT017 — the eggs' scale says so on purpose
        return found


class Shop:
    """A doorstep whose deliveries the test decides."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self.asked: list[tuple[str, str | None]] = []
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                shop.asked.append((self.path, self.headers["Authorization"]))
                after = int(self.path.rpartition("=")[2])
                body = json.dumps({"items": shop.items[after:], "next": len(shop.items)}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def deliver(self, kind: str, quantity: float, unit: str, at_us: int) -> None:
        number = len(self.items) + 1
        self.items.append(
            {"n": number, "sku": kind, "kind": kind, "quantity": quantity, "unit": unit, "delivered_at_us": at_us}
        )


class Process:
    """A simulator as a subprocess, spoken to in lines of JSON."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "simulators", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._process.kill()
        self._process.communicate(timeout=WAIT_S)

    def say(self, **command: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        self._process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        assert select.select([self._process.stdout], [], [], WAIT_S)[0], "no answer"
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def step(self, until_us: int) -> int:
        self.say(step=until_us)
        answer = self.hear()
        assert answer["stepped"] == until_us, answer
        return int(answer["published"])

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(WAIT_S)

    def end(self, number: int | None = None) -> tuple[int, str]:
        """Stop it by a signal or by the end of its input; its exit status and what it complained of."""
        if number is not None:
            self._process.send_signal(number)
            self._process.wait(WAIT_S)
        _, complaints = self._process.communicate(timeout=WAIT_S)
        return self._process.returncode, complaints.decode()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    configuration = tmp_path_factory.mktemp("broker") / "mosquitto.conf"
    configuration.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    process = subprocess.Popen(
        ["/usr/sbin/mosquitto", "-c", str(configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    yield port
    process.kill()
    process.wait(WAIT_S)


IDENTITIES = {f"{kind}-0001": Identity.from_seed(f"{kind}-0001", 7) for kind in kinds()}


@pytest.fixture
def gateway(broker: int) -> Iterator[Gateway]:
    with Gateway(broker, IDENTITIES) as one:
        yield one


@pytest.fixture
def shop() -> Iterator[Shop]:
    with Shop() as one:
        yield one


@pytest.fixture
def household(tmp_path: Path, broker: int, shop: Shop) -> Path:
    path = tmp_path / "household.json"
    path.write_text(
        json.dumps(
            {
                "household": "north",
                "seed": 7,
                "broker": f"127.0.0.1:{broker}",
                "shop": {"url": shop.url, "token": "t0ken"},
                "clock": str(tmp_path / "clock.json"),
                "start_us": START_US,
                "devices": [
                    {
                        "device_id": f"{kind.name}-0001",
                        "kind": kind.name,
                        "name": kind.title,
                        "secret": "s3cret",
                        "private_key": IDENTITIES[f"{kind.name}-0001"].private_hex(),
                    }
                    for kind in kinds().values()
                ],
            }
        )
    )
    return path


def appliances(household: Path, state: str, *more: str) -> Process:
    return Process("appliances", "--household", str(household), "--state", str(household.parent / state), *more)


def test_in_lockstep_the_same_seed_gives_the_same_messages(
    gateway: Gateway, shop: Shop, household: Path, broker: int
) -> None:
    shop.deliver("milk", 6, "l", START_US + DAY_US)
    with appliances(household, "one") as process:
        published = [process.step(START_US + day * DAY_US) for day in (1, 2, 3)]
    assert all(7 * 7 < count < 9 * 9 for count in published)
    assert shop.asked[0] == ("/doorstep/north?after=0", "Bearer t0ken")
    with Gateway(broker, IDENTITIES) as again, appliances(household, "two") as process:
        process.step(START_US + 3 * DAY_US)
        assert again.messages == gateway.messages


def test_a_delivery_refills_the_fridge(gateway: Gateway, shop: Shop, household: Path) -> None:
    shop.deliver("milk", 6, "l", START_US + 2 * DAY_US)
    with appliances(household, "state") as process:
        process.step(START_US + 4 * DAY_US)
    milk = [report.readings[0].quantity or 0 for report in gateway.reports("fridge-0001")]
    assert max(later - earlier for earlier, later in itertools.pairwise(milk)) > 0.9


def test_after_a_kill_it_goes_on_where_it_stopped(gateway: Gateway, household: Path, broker: int) -> None:
    with appliances(household, "state") as process:
        process.step(START_US + DAY_US)
        process.kill()
    with appliances(household, "state") as process:
        assert process.step(START_US + DAY_US) == 0
        process.step(START_US + 2 * DAY_US)
    with Gateway(broker, IDENTITIES) as whole, appliances(household, "other") as process:
        process.step(START_US + 2 * DAY_US)
        # Both acknowledge: the appliances are done when either has heard all, and the other may still be hearing it.
        said = dict(whole.messages) | dict(gateway.messages)
        whole.until(lambda: whole.messages == said)
        gateway.until(lambda: gateway.messages == said)


def test_a_kill_while_nobody_acknowledges_loses_no_reading(gateway: Gateway, household: Path) -> None:
    gateway.answers = False
    with appliances(household, "state") as process:
        process.say(step=START_US + DAY_US)
        gateway.until(lambda: len(gateway.messages) > 20)
        process.kill()
    gateway.answers = True
    with appliances(household, "state") as process:
        process.step(START_US + DAY_US)
    by_device = {device: [key for key in gateway.messages if key[0] == device] for device in IDENTITIES}
    for keys in by_device.values():
        assert sorted(seq for _, _, seq in keys) == list(range(1, len(keys) + 1))


def test_an_undrained_step_and_a_closed_shop_are_errors_and_can_be_tried_again(
    gateway: Gateway, household: Path
) -> None:
    gateway.answers = False
    with appliances(household, "state", "--drain-seconds", "0.5") as process:
        process.say(step=START_US + HOUR_US)
        assert "not acknowledged" in process.hear()["error"]
        process.say(nonsense=1)
        assert "not a command" in process.hear()["error"]
        gateway.answers = True
        gateway.until(lambda: len(gateway.messages) >= 6)
    fields = json.loads(household.read_text())
    fields["shop"]["url"] = "http://127.0.0.1:9"
    household.write_text(json.dumps(fields))
    with appliances(household, "other") as process:
        process.say(step=START_US + HOUR_US)
        answer = process.hear()
        assert answer["step"] == START_US + HOUR_US
        assert "doorstep" in answer["error"]


def test_it_runs_freely_after_the_clock_until_it_is_told_to_stop(gateway: Gateway, household: Path) -> None:
    write_clock(household.parent / "clock.json", ClockSetting(0, START_US + DAY_US, 0))
    with appliances(household, "state", "--run") as process:
        gateway.until(lambda: len(gateway.messages) > 40)
        seen = len(gateway.messages)
        gateway.mqtt.publish(build_topic("fridge-0001", "command"), encode_command("report-now"), qos=1)
        gateway.until(lambda: len(gateway.messages) > seen)
        assert process.end(signal.SIGTERM) == (0, "")


def test_it_steps_first_and_then_runs_freely_until_its_input_ends(gateway: Gateway, household: Path) -> None:
    write_clock(household.parent / "clock.json", ClockSetting(0, START_US + DAY_US, 0))
    with appliances(household, "state") as process:
        process.step(START_US + HOUR_US)
        seen = len(gateway.messages)
        process.say(run=True)
        gateway.until(lambda: len(gateway.messages) > seen + 30)
        assert process.end() == (0, "")


def test_the_end_of_the_input_stops_a_process_that_nobody_commands(household: Path) -> None:
    with appliances(household, "state") as process:
        assert process.end() == (0, "")


def test_devices_run_alone_against_any_broker(broker: int, tmp_path: Path) -> None:
    clock = tmp_path / "clock.json"
    write_clock(clock, ClockSetting(0, START_US, 0))
    identities = {name: Identity.from_seed(name, 3) for name in ("fridge-3-1", "fridge-3-2")}
    options = ["fridge", "--broker", f"127.0.0.1:{broker}", "--count", "2", "--seed", "3", "--clock", str(clock)]
    with Gateway(broker, identities) as gateway, Process("devices", *options) as process:
        gateway.until(lambda: {key[0] for key in gateway.messages} == set(identities))
        status, said = process.end(signal.SIGINT)
    assert status == 0
    assert said.startswith(f"2 devices to 127.0.0.1:{broker}, after the clock file.")
    assert "Stopped. 2 messages said" in said


def test_what_cannot_run_says_so_in_one_sentence(household: Path, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.json")
    with Process("appliances", "--household", missing, "--state", str(tmp_path)) as process:
        status, said = process.end()
        assert (status, said.count("\n")) == (2, 1)
    fields = json.loads(household.read_text())
    for change in ({"household": "../x"}, {"broker": "nowhere"}, {"devices": [*fields["devices"], *fields["devices"]]}):
        household.write_text(json.dumps(fields | change))
        with appliances(household, "state") as process:
            status, said = process.end()
            assert (status, said.count("\n")) == (2, 1)
    with Process("toaster") as process:
        assert process.end()[0] == 2


def test_the_state_is_readable_by_its_owner_only(gateway: Gateway, household: Path) -> None:
    with appliances(household, "state") as process:
        process.step(START_US + HOUR_US)
    assert len(gateway.messages) >= 6
    assert (household.parent / "state" / "north").stat().st_mode & 0o077 == 0
