"""How many messages a second the embedded broker acknowledges after their commit, beside the disk's own pace."""

import json
import statistics
import subprocess
import sys
from typing import Any

from devices.clock import RealClock
from devices.provisioning import Provisioned, provision
from gateway.bench.ground import Figures, Ground, fsyncs_per_second
from gateway.intake import EmbeddedIntake
from gateway.store.inbox import SqliteInbox

DEVICES = 20
MESSAGES_A_ROUND = 250
ROUNDS = 7
FSYNC_S = 0.3
ANSWER_S = 60


def measure_intake(ground: Ground) -> Figures:
    """Publish from another process in rounds; between any two of them the disk is asked alone."""
    devices = [provision("fridge", device_id=f"fridge-{number}") for number in range(DEVICES)]
    hashes = {one.device_id: one.secret_hash for one in devices}
    with SqliteInbox(ground.directory / "inbox.db") as inbox:
        intake = EmbeddedIntake(
            inbox, lambda ids: {one: hashes[one] for one in ids if one in hashes}, RealClock(), port=0
        )
        intake.start()
        try:
            pairs = _rounds(ground, intake.port, devices)
        finally:
            intake.stop()
        stored = inbox.last_id()
    messages = DEVICES * MESSAGES_A_ROUND
    if stored != messages * ROUNDS:
        raise RuntimeError(f"{messages * ROUNDS} messages were acknowledged and {stored} stored")
    return {
        "what": f"{DEVICES} devices publish {messages:,} signed messages a round at QoS 1 from a process of their own, "
        f"at most 64 in flight each, over the loopback; an acknowledgement follows the commit (SQLite, FULL). The "
        f"median of {ROUNDS} rounds; before each the disk writes and syncs one page at a time.",
        "messages_a_second_acknowledged": statistics.median(rate for _, rate in pairs),
        "fsyncs_a_second_of_the_disk": statistics.median(fsyncs for fsyncs, _ in pairs),
        "messages_an_fsync": statistics.median(rate / fsyncs for fsyncs, rate in pairs),
        "messages_acknowledged_and_stored": stored,
    }


def _rounds(ground: Ground, port: int, devices: list[Provisioned]) -> list[tuple[float, float]]:
    """Return (fsyncs a second, messages a second) of each round."""
    command = [sys.executable, "-m", "gateway.bench.publisher"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as publisher:  # noqa: S603 — our own module
        credentials = [{"device_id": one.device_id, "secret": one.secret} for one in devices]
        _tell(publisher, json.dumps({"port": port, "devices": credentials}))
        pairs = []
        for _ in range(ROUNDS):
            _tell(publisher, json.dumps({"round": MESSAGES_A_ROUND}))
            _heard(publisher)
            fsyncs = fsyncs_per_second(ground.directory, FSYNC_S)
            _tell(publisher, "")
            pairs.append((fsyncs, len(devices) * MESSAGES_A_ROUND / _heard(publisher)["seconds"]))
        assert publisher.stdin is not None
        publisher.stdin.close()
        publisher.wait(ANSWER_S)
    return pairs


def _tell(publisher: "subprocess.Popen[str]", line: str) -> None:
    assert publisher.stdin is not None
    publisher.stdin.write(line + "\n")
    publisher.stdin.flush()


def _heard(publisher: "subprocess.Popen[str]") -> dict[str, Any]:
    assert publisher.stdout is not None
    line = publisher.stdout.readline()
    if not line:
        raise RuntimeError(f"the publisher ended with status {publisher.wait(ANSWER_S)}; its own words stand above")
    answer: dict[str, Any] = json.loads(line)
    return answer
