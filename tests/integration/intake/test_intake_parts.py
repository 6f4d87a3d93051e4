"""The parts of the intake that need no broker."""

import json
import queue
import socket
import stat
import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from devices.errors import BadIdentity, BadSecretHash
from devices.provisioning import Provisioned, provision
from gateway.intake.answers import acknowledgements
from gateway.intake.batcher import BATCH_LIMIT, Batcher
from gateway.intake.credentials import ASKED_AT_ONCE, Roster, stored_hashes
from gateway.intake.errors import BrokerMissing
from gateway.intake.mosquitto import Mosquitto, run, write_configuration
from gateway.steps.receive import (
    Arrival,
    Committed,
    InboxEntry,
    Receipt,
    Rejected,
    RejectedEntry,
    StatusKept,
)
from tests.fakes import FakeClock
from tests.integration.intake.conftest import free_port
from tests.integration.intake.wire import Client, eventually


@dataclass
class FakeCredentials:
    known: dict[str, str]
    questions: list[list[str]] = field(default_factory=list)

    def __call__(self, device_ids: Collection[str]) -> Mapping[str, str]:
        self.questions.append(list(device_ids))
        return {one: self.known[one] for one in device_ids if one in self.known}


@dataclass
class HandClock:
    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class SlowInbox:
    """Commits when it is told to, so that a test decides what a batch is made of."""

    commits: queue.Queue[int] = field(default_factory=queue.Queue)
    may_commit: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    broken: bool = False

    def append(self, entries: Sequence[InboxEntry], rejected: Sequence[RejectedEntry]) -> None:
        self.commits.put(len(entries) + len(rejected))
        assert self.may_commit.acquire(timeout=60)
        if self.broken:
            raise ZeroDivisionError


@dataclass
class FakeSettlement:
    settled: list[tuple[int, Receipt]] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)

    def committed(self, receipts: Sequence[tuple[int, Receipt]]) -> None:
        self.settled.extend(receipts)

    def failed(self, tickets: Sequence[int]) -> None:
        self.lost.extend(tickets)


def arrival(seq: int) -> Arrival:
    return Arrival("replenish/v1/fridge-a/telemetry", b'{"epoch":1,"seq":%d}' % seq, "fridge-a")


def test_what_came_in_during_a_commit_is_the_next_batch_and_all_are_settled_in_order() -> None:
    inbox, settlement = SlowInbox(), FakeSettlement()
    batcher = Batcher(inbox, FakeClock(), settlement)
    batcher.start()
    batcher.offer(arrival(0), 0)
    sizes = [inbox.commits.get(timeout=60)]
    for seq in range(1, BATCH_LIMIT + 51):
        batcher.offer(arrival(seq), seq)
    assert settlement.settled == []
    inbox.may_commit.release(3)
    batcher.stop()
    sizes += [inbox.commits.get(timeout=60), inbox.commits.get(timeout=60)]
    assert sizes == [1, BATCH_LIMIT, 50]
    assert settlement.settled == [(seq, Committed("fridge-a", 1, seq)) for seq in range(BATCH_LIMIT + 51)]


def test_a_defect_in_the_commit_settles_nobody_and_the_next_batch_is_committed() -> None:
    inbox, settlement = SlowInbox(broken=True), FakeSettlement()
    batcher = Batcher(inbox, FakeClock(), settlement)
    batcher.start()
    batcher.offer(arrival(1), 1)
    inbox.commits.get(timeout=60)
    inbox.may_commit.release()
    batcher.offer(arrival(2), 2)
    inbox.commits.get(timeout=60)
    inbox.broken = False
    inbox.may_commit.release()
    batcher.stop()
    assert settlement.lost == [1]
    assert settlement.settled == [(2, Committed("fridge-a", 1, 2))]


def test_each_device_is_told_what_of_its_own_is_durable_and_what_was_rejected() -> None:
    told = acknowledgements(
        [
            Committed("fridge-a", 1, 5),
            Committed("fridge-b", 9, 1),
            Committed("fridge-a", 1, 6),
            Rejected("fridge-a", "ab" * 32, "not-json"),
            Rejected(None, "cd" * 32, "unknown-sender"),
            Committed("fridge-a", 2, 1),
            StatusKept("printer-c"),
        ]
    )
    assert {device_id: [json.loads(payload) for payload in payloads] for device_id, payloads in told.items()} == {
        "fridge-a": [
            {"epoch": 1, "committed": [[5, 6]]},
            {"epoch": 2, "committed": [[1, 1]]},
            {"epoch": None, "committed": [], "rejected": [{"sha256": "ab" * 32, "reason": "not-json"}]},
        ],
        "fridge-b": [{"epoch": 9, "committed": [[1, 1]]}],
    }


def test_a_revocation_is_seen_within_a_second_and_the_database_is_asked_once_a_second() -> None:
    credentials, clock = FakeCredentials({"fridge-a": "hash", "fridge-b": "hash"}), HandClock()
    roster = Roster(credentials, clock)
    assert [roster.welcomes(one) for one in ("fridge-a", "fridge-b", "stranger", "fridge-a", "stranger")] == [
        True,
        True,
        False,
        True,
        False,
    ]
    assert credentials.questions == [["fridge-a"], ["fridge-b"], ["stranger"]]
    del credentials.known["fridge-a"]
    clock.now_s = 0.9
    assert roster.welcomes("fridge-a")
    clock.now_s = 1.0
    assert not roster.welcomes("fridge-a")
    assert roster.welcomes("fridge-b")
    assert len(credentials.questions) == 4
    clock.now_s = 2.0
    assert roster.welcomes("fridge-b")
    assert sorted(credentials.questions[-1]) == ["fridge-a", "fridge-b"]
    clock.now_s = 3.0
    assert roster.welcomes("fridge-b")
    assert credentials.questions[-1] == ["fridge-b"]


def test_many_devices_are_asked_about_in_portions() -> None:
    names = [f"fridge-{number}" for number in range(ASKED_AT_ONCE + 1)]
    credentials = FakeCredentials(dict.fromkeys(names, "hash"))
    assert len(stored_hashes(credentials, names)) == ASKED_AT_ONCE + 1
    assert [len(question) for question in credentials.questions] == [ASKED_AT_ONCE, 1]


def test_the_configuration_of_mosquitto_is_the_one_at_the_top_of_the_project_filled_in(tmp_path: Path) -> None:
    device, ours = provision("fridge", device_id="fridge-a"), provision("gateway")
    files = write_configuration(tmp_path / "broker", [("fridge-a", device.secret_hash)], ours.secret_hash, 2883)
    text = files.configuration.read_text()
    assert "@" not in text.replace("@ signs", "")
    assert "listener 2883 127.0.0.1" in text
    assert files.passwords.read_text() == f"_gateway:{ours.secret_hash}\nfridge-a:{device.secret_hash}\n"
    for rule in files.access.read_text().split("\n"):
        assert not rule or f"#   {rule}" in text
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "broker").iterdir()} == {0o600}


def test_no_device_can_write_a_rule_or_another_password_through_its_name_or_hash(tmp_path: Path) -> None:
    for device_id in ("a:b", "fridge\nroot", "_gateway", "+"):
        with pytest.raises(BadIdentity):
            write_configuration(tmp_path / "broker", [(device_id, "$7$")], "$7$", 1883)
    with pytest.raises(BadSecretHash):
        write_configuration(tmp_path / "broker", [("fridge-a", "$7$\nroot:$7$")], "$7$", 1883)
    assert not (tmp_path / "broker").exists()


def test_mosquitto_runs_until_told_to_stop_and_admits_a_new_device_on_the_way(tmp_path: Path) -> None:
    first, second, ours = provision("fridge"), provision("printer"), provision("gateway")
    devices = [(first.device_id, first.secret_hash)]
    port, stopping, failures = free_port(), threading.Event(), queue.Queue[BrokerMissing]()

    def run_it() -> None:
        try:
            run(tmp_path / "broker", lambda: list(devices), ours.secret_hash, port, stopping)
        except BrokerMissing as error:
            failures.put(error)

    def is_let_in(device: Provisioned) -> bool:
        with suppress(OSError), Client(port) as client:
            return client.connect(device.device_id, device.device_id, device.secret) == 0
        return False

    thread = threading.Thread(target=run_it)
    thread.start()
    try:
        eventually(lambda: is_let_in(first))
        assert not is_let_in(second)
        devices.append((second.device_id, second.secret_hash))
        eventually(lambda: is_let_in(second))
        devices.pop(0)
        eventually(lambda: not is_let_in(first))
    finally:
        stopping.set()
        thread.join()
    assert failures.empty()
    with pytest.raises(OSError, match="refused"):
        Client(port)


def test_a_mosquitto_that_cannot_start_says_so(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        mosquitto = Mosquitto(tmp_path / "broker", [], provision("gateway").secret_hash, taken.getsockname()[1])
        with pytest.raises(BrokerMissing, match="ended with status"):
            mosquitto.start()
