"""The commands that stay: they start, share the work, and stop leaving nothing behind."""

import asyncio
import json
import os
import pty
import select
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.cli import app
from gateway.cli.terminal import CommandFailed
from tests.integration.cli.conftest import Replenish
from tests.integration.cli.running import START_S, STOP_S, Running, fleet, free_port, is_open, obedient, report
from tests.integration.intake.wire import eventually


def test_serve_starts_answers_and_stops_leaving_nothing(start: Callable[..., Running]) -> None:
    mqtt = free_port()
    serving = start("serve", REPLENISH_MQTT_PORT=str(mqtt))
    address = serving.said("Web on ").removeprefix("Web on ")
    serving.listens(mqtt)
    for path in ("/healthz", "/readyz"):
        assert httpx.get(address + path, timeout=START_S, trust_env=False).status_code == 200
    assert serving.stop() == 0
    assert not is_open(mqtt)
    assert serving.process.stderr is not None
    last_words = serving.process.stderr.read().splitlines()
    assert last_words.count("Stopping …") == 1
    assert last_words[-1] == "Stopped."


def test_serve_ends_with_its_parent_where_that_is_asked_for(start: Callable[..., Running]) -> None:
    serving = start("serve", "--exit-with-parent")
    serving.said("Web on ")
    assert serving.process.stdin is not None
    serving.process.stdin.close()
    assert serving.process.wait(STOP_S) == 0


def test_a_busy_broker_port_is_one_sentence(start: Callable[..., Running]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        refused = start("ingest", REPLENISH_MQTT_PORT=str(port))
        said = refused.said("replenish: ")
        assert said.startswith(f"replenish: Cannot listen for devices on 127.0.0.1:{port}")
        assert refused.process.wait(STOP_S) == 1


def test_a_reading_that_comes_in_at_one_process_is_forecast_by_another_and_seen_at_a_third(
    installed: Replenish, start: Callable[..., Running], tmp_path: Path
) -> None:
    mqtt, (device,) = free_port(), fleet(installed, tmp_path / "fleet.json", 1)
    token = installed("member", "token", "ana@example.org").out.strip()
    ingest = start("ingest", REPLENISH_MQTT_PORT=str(mqtt))
    workers = [start("work"), start("work")]
    web = start("web")
    address = web.said("Web on ").removeprefix("Web on ")
    ingest.listens(mqtt)
    asyncio.run(report(device, mqtt, tmp_path / "outbox.sqlite3", left=0.4))
    with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}, trust_env=False) as api:
        eventually(lambda: milk(api)["forecast"] is not None, START_S)
        assert milk(api)["level"]["quantity"] == 0.4
    assert [one.stop() for one in (ingest, *workers, web)] == [0, 0, 0, 0]


def test_what_is_asked_at_one_process_is_sent_by_the_one_that_devices_are_connected_to(
    installed: Replenish, start: Callable[..., Running], tmp_path: Path
) -> None:
    mqtt, (device,) = free_port(), fleet(installed, tmp_path / "fleet.json", 1)
    token = installed("member", "token", "ana@example.org").out.strip()
    ingest = start("ingest", REPLENISH_MQTT_PORT=str(mqtt))
    others = [start("work"), start("web")]
    address = others[1].answers()
    ingest.listens(mqtt)
    with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}, trust_env=False) as api:
        path = f"/api/v1/devices/{device['device_id']}"

        def asked() -> str:
            state: str = api.get(path).raise_for_status().json()["asked"]["state"]
            return state

        async def be_asked() -> None:
            async with obedient(device, mqtt, tmp_path / "outbox.sqlite3", left=0.4) as client:
                await asyncio.to_thread(eventually, lambda: client.trouble is None, START_S)
                await asyncio.to_thread(lambda: api.post(f"{path}/report-now").raise_for_status())
                await asyncio.to_thread(eventually, lambda: asked() == "reported", START_S)
                await client.drained(START_S)

        asyncio.run(be_asked())
        assert milk(api)["level"]["quantity"] == 0.4
        # One that waits for a device that is not there holds up no stop.
        assert api.post(f"{path}/report-now").json()["asked"]["state"] == "waiting"
    assert [one.stop() for one in (ingest, *others)] == [0, 0, 0]


def test_simulated_devices_speak_to_a_real_broker_with_a_progress_line(
    installed: Replenish, start: Callable[..., Running], tmp_path: Path
) -> None:
    mqtt, credentials = free_port(), tmp_path / "fleet.json"
    fleet(installed, credentials, 2)
    serving = start("ingest", REPLENISH_MQTT_PORT=str(mqtt))
    serving.listens(mqtt)
    screen, terminal = pty.openpty()
    command = ["simulate", "fridge", "--broker", f"127.0.0.1:{mqtt}", "--count", "2", "--credentials", str(credentials)]
    with subprocess.Popen(installed.command(*command, data_dir=False), stderr=terminal, text=True) as devices:
        os.close(terminal)
        wanted = f"2 of 2 connected to 127.0.0.1:{mqtt}: 2 messages said, 0 not acknowledged by the gateway yet"
        shown = ""
        while wanted not in shown or "the next report is due at " not in shown:
            shown += os.read(screen, 4096).decode()
        devices.send_signal(signal.SIGTERM)
        while "Stopped. 2 messages said" not in shown:
            shown += os.read(screen, 4096).decode()
        assert devices.wait(STOP_S) == 0
    os.close(screen)
    assert serving.stop() == 0


@pytest.mark.parametrize(
    ("secret", "says"),
    [("wrong", "refuses its id and secret"), (None, "make ids and secrets with `replenish device add")],
)
def test_devices_that_are_not_let_in_say_so_and_what_to_do(
    installed: Replenish, start: Callable[..., Running], tmp_path: Path, secret: str | None, says: str
) -> None:
    mqtt, credentials = free_port(), tmp_path / "fleet.json"
    (known,) = fleet(installed, credentials, 1)
    start("ingest", REPLENISH_MQTT_PORT=str(mqtt)).listens(mqtt)
    options = []
    if secret is not None:
        credentials.write_text(json.dumps([{**known, "secret": secret}]))
        options = ["--credentials", str(credentials)]
    shown = said_by(
        installed.command("simulate", "fridge", "--broker", f"127.0.0.1:{mqtt}", *options, data_dir=False), says
    )
    assert "0 of 1 connected" in shown


def test_devices_say_that_no_broker_answers(installed: Replenish) -> None:
    command = installed.command("simulate", "fridge", "--broker", f"127.0.0.1:{free_port()}", data_dir=False)
    assert "0 of 1 connected" in said_by(command, "refused")


def said_by(command: list[str], wanted: str) -> str:
    """Return what a command wrote to its terminal until it said what is wanted; then it is stopped."""
    screen, terminal = pty.openpty()
    shown = ""
    with subprocess.Popen(command, stderr=terminal, text=True) as process:
        os.close(terminal)
        while wanted not in shown:
            assert select.select([screen], [], [], START_S)[0], f"it said no more than {shown!r}"
            shown += os.read(screen, 4096).decode()
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_S) == 0
    os.close(screen)
    return shown


def test_a_wrong_kind_of_device_is_one_sentence() -> None:
    with pytest.raises(CommandFailed, match="no such kind of device: toaster; choose one of fridge"):
        app(["simulate", "toaster", "--broker", "127.0.0.1:1883"], standalone_mode=False)


def test_a_credentials_file_that_is_not_there_is_one_sentence(replenish: Replenish) -> None:
    options = ("--broker", "127.0.0.1:1883", "--credentials", "/nowhere/fleet.json")
    command = replenish.command("simulate", "fridge", *options, data_dir=False)
    ended = subprocess.run(command, capture_output=True, text=True, timeout=START_S, check=False)
    assert ended.returncode != 0
    (line,) = ended.stderr.splitlines()
    assert line.startswith("/nowhere/fleet.json: ")


def milk(api: httpx.Client) -> dict[str, Any]:
    answer = api.get("/api/v1/supplies").raise_for_status()
    return next(one for one in answer.json()["items"] if one["kind"] == "milk")
