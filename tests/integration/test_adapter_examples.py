"""What the guides for authors of adapters print runs as it is printed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILE = re.compile(r"^```python\n# (?P<name>\w+\.py)\n(?P<code>.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("guide", ["payments/README.md", "gateway/merchants/README.md"])
def test_the_example_of_a_guide_passes_its_contract_as_printed(guide: str, tmp_path: Path) -> None:
    printed = (ROOT / guide).read_text()
    files = {found["name"]: found["code"] for found in FILE.finditer(printed)}
    assert len(files) == printed.count("```python\n") == 2
    for name, code in files.items():
        (tmp_path / name).write_text(code)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-1000:]
    assert re.search(r"[1-9]\d passed", run.stdout) or re.search(r"[5-9] passed", run.stdout), run.stdout
