"""Starts the simulators as processes of their own and ends them again; nothing of them is imported."""

import contextlib
import json
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gateway.cli.terminal import CommandFailed

START_WITHIN_S = 30
STOP_WITHIN_S = 10


class Simulator:
    """One running simulator. It ends when its input ends, so none outlives this process, however that one ends."""

    def __init__(self, name: str, arguments: list[str], *, has_port: bool = True) -> None:
        self.name = name
        self._arguments = arguments
        self._has_port = has_port
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "simulators", self.name, *self._arguments, "--exit-with-parent"]
        self._process = subprocess.Popen(  # noqa: S603 — our own module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, start_new_session=True
        )
        if self._has_port:
            self.port = int(self.read(START_WITHIN_S)["port"])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def ask(self, question: dict[str, Any], *, within_s: float) -> dict[str, Any]:
        """Write one line to its input and read its one-line answer."""
        self.tell(question)
        return self.read(within_s)

    def tell(self, order: dict[str, Any]) -> None:
        """Write one line to its input."""
        process = self._running()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            raise CommandFailed(f"the simulator {self.name} has ended; its last words are above") from None

    def read(self, within_s: float) -> dict[str, Any]:
        """Read one line of its output; a simulator that stays silent for too long is ended."""
        process = self._running()
        assert process.stdout is not None
        silent = threading.Timer(within_s, process.kill)
        silent.start()
        try:
            line = process.stdout.readline()
        finally:
            silent.cancel()
        if not line:
            raise CommandFailed(f"the simulator {self.name} did not answer within {within_s:g} s or has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def stop(self) -> None:
        """End it: first by closing its input, then by SIGTERM, then by SIGKILL."""
        if self._process is None:
            return
        process, self._process = self._process, None
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # it may have ended already
            process.stdin.close()
        for end in (process.terminate, process.kill):
            try:
                process.wait(STOP_WITHIN_S)
                break
            except subprocess.TimeoutExpired:
                end()
        process.wait()
        process.stdout.close()

    def _running(self) -> "subprocess.Popen[str]":
        assert self._process is not None, "used outside its with block"
        return self._process


def hand_over(state: Path, name: str, secret: str) -> None:
    """Write what a simulator and we both must know into its state; its arguments can be read by everybody here."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(state / name, secret.encode("ascii"))


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    path.touch(mode=0o600)
    unfinished = path.with_name(path.name + ".new")
    unfinished.touch(mode=0o600)
    unfinished.write_bytes(content)
    unfinished.replace(path)
