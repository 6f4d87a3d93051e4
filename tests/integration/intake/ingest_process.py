"""The ingest as a process of its own, for a test that kills it: arguments are kind, inbox, port, secrets file."""

import json
import signal
import sys
import threading
import time
from collections.abc import Collection, Mapping
from pathlib import Path

from gateway.intake import EmbeddedIntake, SessionIntake
from gateway.intake.mosquitto import GATEWAY_USER
from gateway.store.inbox import SqliteInbox


class RealClock:
    """The machine's own time, which a process under test may use."""

    def now_us(self) -> int:
        return self.wall_us()

    def wall_us(self) -> int:
        return time.time_ns() // 1_000  # noqa: TID251 — the process is a whole one, with its real clock


def main(kind: str, inbox_path: str, port: str, secrets_path: str) -> None:
    known = json.loads(Path(secrets_path).read_text())

    def credentials(device_ids: Collection[str]) -> Mapping[str, str]:
        return {one: known["hashes"][one] for one in device_ids if one in known["hashes"]}

    inbox = SqliteInbox(Path(inbox_path))
    intake: EmbeddedIntake | SessionIntake
    if kind == "embedded":
        intake = EmbeddedIntake(inbox, credentials, RealClock(), port=int(port))
    else:
        intake = SessionIntake(
            inbox,
            credentials,
            RealClock(),
            host="127.0.0.1",
            port=int(port),
            username=GATEWAY_USER,
            secret=known["gateway_secret"],
        )
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    intake.start()
    stopping.wait()
    intake.stop()
    inbox.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
