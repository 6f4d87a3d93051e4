"""The command line, called as a person calls it: in this process where that is the same, else as one of its own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.cli import main
from gateway.cli.installation import initialise
from gateway.config import Settings
from tests.integration.cli.running import Running


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    def field(self, name: str) -> str:
        """The value that stands behind `name:`."""
        return next(line.partition(":")[2].split()[0] for line in self.lines if line.startswith(f"{name}:"))


class Replenish:
    """`replenish … --data-dir DIR` on one installation."""

    def __init__(self, data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.data_dir = data_dir
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Said:
        """Run one command in this process."""
        try:
            main([*arguments, "--data-dir", str(self.data_dir)])
            status = 0
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 1
        said = self._capsys.readouterr()
        assert "Traceback" not in said.err
        return Said(status, said.out, said.err)

    def refused(self, *arguments: str) -> str:
        """Run a command that must fail with one sentence, and return it."""
        said = self(*arguments)
        assert said.status == 1, said
        assert said.out == ""
        (sentence,) = said.err.splitlines()
        assert sentence.startswith("replenish: ")
        return sentence.removeprefix("replenish: ")

    def command(self, *arguments: str, data_dir: bool = True) -> list[str]:
        """The words that start a process of its own."""
        where = ["--data-dir", str(self.data_dir)] if data_dir else []
        return [sys.executable, "-c", "from gateway.cli import main; main()", *arguments, *where]

    def process(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        """Start one command as a process and session of its own."""
        return subprocess.Popen(
            self.command(*arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "NO_COLOR": "1", "PYTHONUNBUFFERED": "1", **environment},  # noqa: TID251 — a child's own
        )


@pytest.fixture
def replenish(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Replenish:
    """A data directory that holds nothing yet."""
    # The first logger would keep this test's captured standard error for the whole run.
    monkeypatch.setattr("gateway.cli.terminal.configure_logging", lambda _settings: None)
    monkeypatch.setenv("REPLENISH_MQTT_PORT", "0")
    monkeypatch.setenv("REPLENISH_WEB_PORT", "0")
    return Replenish(tmp_path / "data", capsys)


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation with one household, made once; never to be changed."""
    data_dir = tmp_path_factory.mktemp("installation") / "data"
    for _ in initialise(Settings.model_construct(data_dir=data_dir), operator_email="operator@localhost"):
        pass
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gateway.cli.terminal.configure_logging", lambda _settings: None)
        with pytest.raises(SystemExit, match="0"):
            main(
                ["household", "add", "Rosa Street 12", "--owner-email", "ana@example.org", "--data-dir", str(data_dir)]
            )
    return data_dir


@pytest.fixture
def installed(replenish: Replenish, installation: Path) -> Replenish:
    """An installation with one household, to do anything with."""
    shutil.copytree(installation, replenish.data_dir)
    return replenish


@pytest.fixture
def unwritable(tmp_path: Path) -> Iterator[Path]:
    """A directory that this process may read and not write, also where the tests are run by root."""
    if os.geteuid() != 0:
        tmp_path.chmod(0o500)
        yield tmp_path
        tmp_path.chmod(0o700)
        return
    # Only the folders that pytest made for root alone, however deep it works; the one above them is everybody's.
    for directory in (tmp_path, *(one for one in tmp_path.parents if "pytest" in str(one))):
        directory.chmod(0o755)
    os.seteuid(65_534)
    try:
        yield tmp_path
    finally:
        os.seteuid(0)


@pytest.fixture
def start(installed: Replenish) -> Iterator[Callable[..., Running]]:
    """Start commands; what a test forgets to stop is killed."""
    with ExitStack() as stack:

        def run(*arguments: str, **environment: str) -> Running:
            process = stack.enter_context(installed.process(*arguments, **environment))
            stack.callback(process.kill)
            return Running(process)

        yield run
