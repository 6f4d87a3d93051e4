"""The README's example of a device speaks to a real broker, as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import structlog

from devices import Identity, RealClock, parse_topic, provision
from gateway.intake import EmbeddedIntake
from gateway.store.inbox import SqliteInbox

ROOT = Path(__file__).resolve().parents[3]


def test_the_device_of_the_readme_is_heard(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    kept = provision("fridge", device_id="fridge-3f9a")
    told = {"PRIVATE KEY": Identity.generate("fridge-3f9a").private_hex(), "SECRET": kept.secret}
    with SqliteInbox(tmp_path / "inbox.db") as inbox, structlog.testing.capture_logs():
        intake = EmbeddedIntake(inbox, lambda _ids: {kept.device_id: kept.secret_hash}, RealClock(), port=0)
        intake.start()
        for placeholder, value in (told | {"1883": str(intake.port)}).items():
            assert example.count(placeholder) == 1
            example = example.replace(placeholder, value)
        subprocess.run(
            [sys.executable, "-c", example],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},  # noqa: TID251 — a child's own
            timeout=60,
            check=True,
        )
        intake.stop()
        (said,) = [row for row in inbox.read_after(0, 10) if row.kind == "telemetry"]
    assert parse_topic(said.topic).device_id == "fridge-3f9a"
    assert said.seq == 1
