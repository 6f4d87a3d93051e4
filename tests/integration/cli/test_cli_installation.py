"""What `replenish init` makes and what `replenish doctor` says of it."""

import json
import socket
import sqlite3
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from sqlalchemy import event, inspect

from gateway.assembly import assemble
from gateway.cli.doctor import findings
from gateway.cli.doctor_contents import NOTICE_WAITS_US
from gateway.cli.findings import Finding, Weight
from gateway.config import read_settings
from gateway.domain.records import Notice, NoticeState
from gateway.store import migrate
from gateway.store.engine import open_engine
from tests.builders import build
from tests.integration.cli.conftest import Replenish


def problems(replenish: Replenish) -> list[Finding]:
    return [one for one in findings(read_settings(replenish.data_dir)) if one.weight is Weight.PROBLEM]


def test_init_makes_keys_database_and_operator_and_a_second_time_nothing(replenish: Replenish) -> None:
    first = replenish("init", "--operator", "op@example.org")
    assert first.status == 0
    assert [line.partition(":")[0] for line in first.lines] == ["Keys", "Database", "Operator", "Next"]
    keys = (replenish.data_dir / "keys.json").read_bytes()
    gateway = assemble(read_settings(replenish.data_dir))
    assert [one.step for one in gateway.queue.waiting(failing_only=False)] == ["prune"]
    gateway.close()
    second = replenish("init", "--operator", "op@example.org")
    assert second.status == 0
    assert [line.partition(":")[0] for line in second.lines] == ["Keys", "Database", "Operator", "Next"]
    assert all("already" in line for line in second.lines[:3])
    assert "op@example.org already" in second.lines[2]
    assert (replenish.data_dir / "keys.json").read_bytes() == keys


def test_init_makes_files_that_nobody_else_reads(replenish: Replenish) -> None:
    replenish("init")
    assert replenish.data_dir.stat().st_mode & 0o777 == 0o700
    for name in ("keys.json", "replenish.db"):
        assert (replenish.data_dir / name).stat().st_mode & 0o777 == 0o600


def test_init_makes_no_new_key_for_a_database_whose_key_is_lost(installed: Replenish) -> None:
    (installed.data_dir / "keys.json").unlink()
    assert "restore it from a backup" in installed.refused("init")
    assert not (installed.data_dir / "keys.json").exists()


def test_a_database_whose_making_is_interrupted_is_still_empty_and_can_be_made(replenish: Replenish) -> None:
    replenish.data_dir.mkdir()
    engine = open_engine(read_settings(replenish.data_dir).main_database_url)

    def power_cut(*_: object) -> None:
        raise InterruptedError

    event.listen(engine, "before_cursor_execute", lambda *heard: "purchase_order" in heard[2] and power_cut())
    with pytest.raises(InterruptedError):
        migrate.upgrade(engine)
    assert inspect(engine).get_table_names() == []
    engine.dispose()
    assert replenish("init").status == 0


def test_commands_before_init_say_to_run_it(replenish: Replenish) -> None:
    for command in (("serve",), ("household", "list"), ("quarantine", "list"), ("ledger", "check")):
        assert "replenish init" in replenish.refused(*command)


def test_a_data_directory_that_cannot_be_made_is_one_sentence(replenish: Replenish) -> None:
    replenish.data_dir.write_text("a file")
    assert replenish.refused("init") == f"{replenish.data_dir}: file exists"


def test_a_healthy_installation_has_no_problems(installed: Replenish) -> None:
    said = installed("doctor")
    assert said.status == 0
    assert "1 household" in said.out
    assert "to do   no shop yet" in said.out


def test_the_doctor_says_what_a_new_installation_lacks_without_calling_it_broken(replenish: Replenish) -> None:
    replenish("init")
    said = replenish("doctor")
    assert said.status == 0
    assert "to do   no household yet" in said.out


def test_without_a_data_directory_the_doctor_says_to_run_init(replenish: Replenish) -> None:
    said = replenish("doctor")
    assert said.status == 1
    assert said.lines[0] == f"PROBLEM no data directory {replenish.data_dir}"
    assert "replenish init" in said.lines[1]


def test_missing_keys_beside_a_database_are_to_be_restored_not_made_anew(installed: Replenish) -> None:
    (installed.data_dir / "keys.json").unlink()
    (problem,) = problems(installed)
    assert "no keys.json" in problem.text
    assert "backup" in problem.remedy


def test_damaged_keys_are_found(installed: Replenish) -> None:
    (installed.data_dir / "keys.json").write_text("{}")
    (problem,) = problems(installed)
    assert "damaged" in problem.text
    assert "damaged" in installed.refused("household", "list")


def test_secrets_that_others_can_read_are_found(installed: Replenish) -> None:
    settings = installed.data_dir / "replenish.env"
    settings.write_text("REPLENISH_LOG_LEVEL='info'\n")
    for path in (installed.data_dir / "keys.json", settings):
        path.chmod(0o644)
    assert [(one.text, one.remedy) for one in problems(installed)] == [
        (f"{path.name} can be read by others", f"run `chmod 600 {path}`")
        for path in (installed.data_dir / "keys.json", settings)
    ]


@pytest.mark.parametrize(("version", "remedy"), [("0010", "replenish init"), ("9999", "version of replenish")])
def test_another_version_of_the_database_is_found(installed: Replenish, version: str, remedy: str) -> None:
    set_version(installed, version)
    (problem,) = problems(installed)
    assert version in problem.text
    assert remedy in problem.remedy


def test_a_file_that_is_no_database_is_found(installed: Replenish) -> None:
    for path in installed.data_dir.glob("replenish.db*"):
        path.unlink()
    (installed.data_dir / "replenish.db").write_bytes(b"rubbish" * 2000)
    (problem,) = problems(installed)
    assert "not a database" in problem.text
    assert "not a database" in installed.refused("household", "list")


def test_an_inbox_that_cannot_be_read_is_found(installed: Replenish) -> None:
    for path in installed.data_dir.glob("inbox.db*"):
        path.unlink()
    (installed.data_dir / "inbox.db").write_bytes(b"rubbish" * 2000)
    (problem,) = problems(installed)
    assert "inbox" in problem.text


def test_a_directory_that_cannot_be_written_is_found(unwritable: Path) -> None:
    first = next(findings(read_settings(unwritable)))
    assert first.weight is Weight.PROBLEM
    assert "cannot be written: permission denied" in first.text


def test_missing_front_end_files_are_found(
    installed: Replenish, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("gateway.cli.doctor.VENDOR", tmp_path / "vendor")
    assert [one.remedy for one in problems(installed) if "icons.svg" in one.text] == ["run `make front`"]


def test_a_stranger_on_the_port_of_the_web_is_found(installed: Replenish, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        monkeypatch.setenv("REPLENISH_WEB_PORT", str(port))
        monkeypatch.setattr("gateway.cli.doctor.PROBE_S", 0.1)
        (problem,) = problems(installed)
        assert f"another program holds 127.0.0.1:{port}" in problem.text
        assert "--port" in installed.refused("serve")


def test_a_broker_that_takes_any_free_port_is_not_said_to_be_on_port_0(
    installed: Replenish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPLENISH_MQTT_PORT", "0")
    said = [one.text for one in findings(read_settings(installed.data_dir)) if one.text.startswith("embedded broker")]
    assert said == ["embedded broker on 127.0.0.1 takes a free port when it starts"]


def test_an_external_broker_needs_its_secret_and_an_answer(
    installed: Replenish, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("REPLENISH_MQTT_BROKER", "external")
    monkeypatch.setenv("REPLENISH_MQTT_PORT", str(port))
    assert [one.remedy for one in problems(installed)] == ["set REPLENISH_MQTT_SECRET"]
    monkeypatch.setenv("REPLENISH_MQTT_SECRET", "s")
    (problem,) = problems(installed)
    assert "does not answer" in problem.text


def test_a_missing_clock_file_is_found(installed: Replenish, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REPLENISH_CLOCK_FILE", str(tmp_path / "none.json"))
    (problem,) = problems(installed)
    assert "REPLENISH_CLOCK_FILE" in problem.remedy


def test_work_that_keeps_failing_is_found(installed: Replenish) -> None:
    with sqlite3.connect(installed.data_dir / "replenish.db") as database:
        database.execute(
            "INSERT INTO work (id, step, household_id, subject_id, due_us, not_before_wall_us, lease_until_wall_us,"
            " lease_holder, fence, generation, tries, last_error)"
            " VALUES ('w', 'capture', NULL, 'parcel-1', 0, 0, 0, '', 7, 0, 7, ?)",
            ("the bank is closed\nand so on",),
        )
    (problem,) = problems(installed)
    assert problem.text == "rows of work that keep failing: 1"
    assert problem.remedy == "the first is capture parcel-1: the bank is closed"


def test_a_household_that_can_buy_nothing_is_found(installed: Replenish) -> None:
    installed("device", "add", "fridge", "--name", "Fridge")
    installed("device", "add", "car", "--name", "Car")
    said = installed("doctor")
    assert said.status == 0, "it works, only it orders nothing yet"
    assert "has no linked account that may be debited" in said.out
    assert "4 supplies without a product, never ordered: Milk, Eggs, Juice, AdBlue" in said.out
    assert "Fuel" not in said.out, "nobody delivers it"


def test_notices_that_nobody_works_on_are_found(installed: Replenish) -> None:
    gateway = assemble(read_settings(installed.data_dir))
    received_us = gateway.clock.now_us() - NOTICE_WAITS_US - 1
    with gateway.unit_of_work.begin() as tx:
        tx.add(build(Notice, household_id=None, state=NoticeState.RECEIVED, received_us=received_us))
        tx.add(build(Notice, household_id=None, id="new", sha256="78", received_us=gateway.clock.now_us()))
    gateway.close()
    (problem,) = problems(installed)
    assert problem.text == "notices of providers and shops that nobody has worked on for hours: 1"
    assert "the first is from sandbox" in problem.remedy


def test_a_web_that_answers_without_a_broker_is_found(installed: Replenish, monkeypatch: pytest.MonkeyPatch) -> None:
    class Healthy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Healthy) as web, socket.create_server(("127.0.0.1", 0)) as closed:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        monkeypatch.setenv("REPLENISH_WEB_PORT", str(web.server_port))
        monkeypatch.setenv("REPLENISH_MQTT_PORT", str(closed.getsockname()[1]))
        closed.close()
        (problem,) = problems(installed)
        web.shutdown()
    assert "no device can be heard" in problem.text
    assert "replenish ingest" in problem.remedy


def test_a_payment_adapter_that_is_not_installed_is_found_with_what_to_do(
    installed: Replenish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPLENISH_PAYMENT_SETTINGS", json.dumps({"paypall": {"url": "http://127.0.0.1:9"}}))
    (found,) = [one for one in problems(installed) if "paypall" in one.text]
    assert "no payment adapter is called 'paypall'" in found.text
    assert "install its package" in found.remedy


def test_a_disk_that_is_nearly_full_is_found(installed: Replenish, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.cli.doctor.LEAST_FREE_BYTES", 2**62)
    (problem,) = problems(installed)
    assert "MiB free on its disk" in problem.text


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("WEB_PORT", "eighty", "the setting REPLENISH_WEB_PORT: input should be a valid integer"),
        ("MQTT_BROKER", "rabbit", "the setting REPLENISH_MQTT_BROKER: input should be 'embedded' or 'external'"),
        ("PAYMENT_SECRETS", "hush", "the setting REPLENISH_PAYMENT_SECRETS is not valid JSON"),
        ("PAYMENT_SECRETS", json.dumps({"sandbox": "hush"}), "the setting REPLENISH_PAYMENT_SECRETS (sandbox)"),
    ],
)
def test_a_wrong_setting_is_one_sentence_without_its_value(
    installed: Replenish, monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(f"REPLENISH_{name}", value)
    said = installed.refused("serve")
    assert said.startswith(sentence)
    assert "hush" not in said


def set_version(replenish: Replenish, version: str) -> None:
    with sqlite3.connect(replenish.data_dir / "replenish.db") as database:
        database.execute("UPDATE alembic_version SET version_num = ?", (version,))
