"""What stands in the way of a start is one clear sentence and exit status 1, and nothing is lost or half begun."""

import asyncio
import os
import resource
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from devices import Identity, Reading, RealClock, Report
from devices.client import Broker, DeviceClient
from devices.errors import OutboxNotDrained
from gateway.assembly import assemble
from gateway.cli.locks import alone, beside_other_workers
from gateway.cli.terminal import CommandFailed
from gateway.config import read_settings
from gateway.domain.records import MerchantAccount
from gateway.store import engine as engine_file
from gateway.store import key_file
from gateway.store.inbox import SqliteInbox
from gateway.store.merchant_secrets import seal_merchant
from tests.builders import build
from tests.integration.cli.conftest import Replenish
from tests.integration.cli.running import START_S, STOP_S, Running, fleet, free_port

NOBODY = 65_534
STARTERS = ["serve", "web", "ingest", "work"]


def seal_something(replenish: Replenish) -> None:
    gateway = assemble(read_settings(replenish.data_dir))
    with gateway.unit_of_work.begin() as tx:
        tx.add(build(MerchantAccount, secret_sealed=seal_merchant(gateway.vault, "shop", "token")))
    gateway.close()


def test_a_second_serve_and_a_demonstration_are_refused_while_one_runs(
    installed: Replenish, start: Callable[..., Running]
) -> None:
    serving = start("serve")
    serving.answers()
    where = installed.data_dir.resolve()
    sentence = f"`replenish serve` already runs in {where}; stop it or name another --data-dir"
    assert installed.refused("serve") == sentence
    assert installed.refused("demo") == sentence
    assert installed.refused("ingest") == f"another intake already runs in {where}; stop it or name another --data-dir"
    assert serving.stop() == 0


def test_a_lock_ends_with_its_process_however_that_ends(installed: Replenish, start: Callable[..., Running]) -> None:
    first = start("serve")
    first.answers()
    with pytest.raises(CommandFailed), alone(installed.data_dir, "serve", "a test"):
        pass
    first.process.kill()
    first.process.wait(STOP_S)
    second = start("serve")
    second.answers()
    assert second.stop() == 0


@pytest.mark.parametrize("command", STARTERS)
def test_a_directory_that_cannot_be_written_is_one_sentence(installed: Replenish, tmp_path: Path, command: str) -> None:
    with only_to_be_read(installed.data_dir, tmp_path):
        refused = installed.refused(command)
    assert str(installed.data_dir) in refused
    assert refused.endswith(("permission denied", "cannot be written; check its owner and its disk"))


@contextmanager
def only_to_be_read(data_dir: Path, tmp_path: Path) -> Iterator[None]:
    """A data directory that this process may read and not write, also where the tests are run by root."""
    is_root = os.geteuid() == 0
    for path in (data_dir, *data_dir.iterdir()):
        path.chmod(0o555 if path.is_dir() else 0o400)
        if is_root:
            os.chown(path, NOBODY, NOBODY)
    if is_root:
        for directory in (tmp_path, *(one for one in tmp_path.parents if "pytest" in str(one))):
            directory.chmod(0o755)
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        data_dir.chmod(0o700)


@pytest.mark.parametrize("command", STARTERS)
def test_missing_keys_are_not_taken_for_a_new_installation(installed: Replenish, command: str) -> None:
    keys = installed.data_dir / "keys.json"
    keys.unlink()
    assert installed.refused(command) == (
        f"the key file {keys} is missing beside its database; restore it from a backup"
    )
    assert not keys.exists()


@pytest.mark.parametrize("command", STARTERS)
def test_keys_that_others_can_read_are_not_used(installed: Replenish, command: str) -> None:
    keys = installed.data_dir / "keys.json"
    keys.chmod(0o644)
    assert installed.refused(command) == f"the key file {keys} can be read by others; run `chmod 600 {keys}`"


@pytest.mark.parametrize("command", STARTERS)
def test_the_keys_of_another_installation_are_found_at_the_start(installed: Replenish, command: str) -> None:
    seal_something(installed)
    keys = installed.data_dir / "keys.json"
    keys.unlink()
    key_file.create(keys)
    assert installed.refused(command).startswith(f"the key file {keys} does not belong to this database: ")


@pytest.mark.parametrize("command", [*STARTERS, "init"])
def test_a_database_of_a_later_version_is_left_alone(installed: Replenish, command: str) -> None:
    with closing(sqlite3.connect(installed.data_dir / "replenish.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    refused = installed.refused(command)
    assert refused.startswith("the database is at version 9999, newer than this program")
    assert refused.endswith("install the version of replenish that made it")
    with closing(sqlite3.connect(installed.data_dir / "replenish.db")) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchall() == [("9999",)]


def test_a_database_that_another_program_holds_is_one_sentence(
    installed: Replenish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_file, "BUSY_TIMEOUT_MS", 50)
    with closing(sqlite3.connect(installed.data_dir / "replenish.db", isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        assert installed.refused("household", "list") == "the database cannot be used: database is locked"
    assert installed("household", "list").status == 0


@contextmanager
def limited(replenish: Replenish, port: int, bytes_at_most: int) -> Iterator["subprocess.Popen[str]"]:
    """The intake as a process whose files cannot grow beyond a size, as on a disk that fills up."""
    with subprocess.Popen(
        replenish.command("ingest"),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "REPLENISH_MQTT_PORT": str(port), "NO_COLOR": "1"},  # noqa: TID251 — a child's own
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_at_most, resource.RLIM_INFINITY)),  # noqa: PLW1509
    ) as process:
        try:
            yield process
        finally:
            process.kill()


async def say(device: dict[str, str], port: int, outbox: Path, numbers: range, *, within_s: float) -> bool:
    """Say these levels; whether all were acknowledged in time."""
    identity = Identity.from_private_hex(device["device_id"], device["private_key"])
    async with DeviceClient(identity, Broker("127.0.0.1", port, device["secret"]), outbox) as client:
        for number in numbers:
            client.report(Report(RealClock().wall_us(), (Reading("milk", "left", number / 1000, "l"),)))
        try:
            await client.drained(within_s)
        except OutboxNotDrained:
            return False
    return True


def test_on_a_full_disk_nothing_is_acknowledged_that_is_not_stored_and_nothing_is_lost(
    installed: Replenish, start: Callable[..., Running], tmp_path: Path
) -> None:
    port, (device,) = free_port(), fleet(installed, tmp_path / "fleet.json", 1)
    outbox, inbox_path = tmp_path / "outbox.sqlite3", installed.data_dir / "inbox.db"
    before = inbox_path.stat().st_size
    with limited(installed, port, before + 150_000) as full:
        Running(full).listens(port)
        assert not asyncio.run(say(device, port, outbox, range(600), within_s=8))
        assert full.poll() is None, "the intake ended on a full disk"
    with closing(sqlite3.connect(outbox)) as waiting:
        (still_waiting,) = waiting.execute("SELECT count(*) FROM message").fetchone()
    with SqliteInbox(inbox_path) as inbox:
        stored = {row.seq for row in inbox.read_after(0, 10_000)}
    assert 0 < still_waiting < 600
    assert len(stored) >= 600 - still_waiting
    intake = start("ingest", REPLENISH_MQTT_PORT=str(port))
    intake.listens(port)
    assert asyncio.run(say(device, port, outbox, range(0), within_s=START_S))
    assert intake.stop() == 0
    with SqliteInbox(inbox_path) as inbox:
        assert len({row.seq for row in inbox.read_after(0, 10_000) if row.kind == "telemetry"}) == 600


def test_only_the_first_worker_on_a_data_directory_frees_what_a_killed_one_had_leased(tmp_path: Path) -> None:
    freed: list[str] = []
    with beside_other_workers(tmp_path, lambda: freed.append("first")):
        with beside_other_workers(tmp_path, lambda: freed.append("second")):
            assert freed == ["first"]
        with beside_other_workers(tmp_path, lambda: freed.append("third")):
            assert freed == ["first"]
    with beside_other_workers(tmp_path, lambda: freed.append("next")):
        assert freed == ["first", "next"]


def test_an_external_broker_is_not_tried_without_a_secret(
    installed: Replenish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPLENISH_MQTT_BROKER", "external")
    assert installed.refused("ingest") == "the gateway has no secret at its broker; set REPLENISH_MQTT_SECRET"
