"""The programs of a town, each a process of its own with a log file: started, asked, killed and started again."""

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from time import monotonic
from typing import IO, Any

STOP_WITHIN_S = 90
LOOK_AGAIN_S = 0.01
REPLENISH = str(Path(sys.executable).with_name("replenish"))


class ProgramFailed(AssertionError):
    """A program ended or stayed silent; says which, and shows the end of its log."""


def eventually(condition: Callable[[], object], what: str, within_s: float) -> None:
    """Wait until the condition holds; fails with `what` was waited for."""
    give_up_s = monotonic() + within_s
    pause = threading.Event()
    while not condition():
        if monotonic() > give_up_s:
            raise AssertionError(f"waited {within_s:g} s in vain: {what}")
        pause.wait(LOOK_AGAIN_S)


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run(command: list[str], log: Path) -> int:
    """Run a program to its end, its words into the log, and return its exit status."""
    with log.open("ab") as words:
        return subprocess.run(command, stdout=words, stderr=words, stdin=subprocess.DEVNULL, check=False).returncode


class Program:
    """One process. It ends when its input ends, so none outlives the tests; what it says on stderr goes to its log."""

    def __init__(self, name: str, command: list[str], log: Path, *, answers: bool = True) -> None:
        self.name = name
        self.log = log
        self._command = command
        self._answers = answers
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it need not be ready yet."""
        with self.log.open("ab") as words:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if self._answers else words,
                stderr=words,
                start_new_session=True,
            )

    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def ask(self, question: dict[str, Any], within_s: float) -> dict[str, Any]:
        """Write one line to it and read its answer of one line."""
        process = self._started()
        pipe_of(process.stdin).write(json.dumps(question).encode() + b"\n")
        pipe_of(process.stdin).flush()
        return self.read(within_s)

    def read(self, within_s: float) -> dict[str, Any]:
        """Read one line of its output; one that stays silent is ended."""
        process = self._started()
        silent = threading.Timer(within_s, process.kill)
        silent.start()
        try:
            line = pipe_of(process.stdout).readline()
        finally:
            silent.cancel()
        if not line:
            raise ProgramFailed(f"{self.name} has ended or said nothing for {within_s:g} s.\n{self.last_words()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def kill(self) -> None:
        """End it by SIGKILL, as a power cut does."""
        self._started().send_signal(signal.SIGKILL)
        self._wait()

    def terminate(self) -> None:
        """End it by SIGTERM, as a service manager does."""
        self._started().terminate()
        self._wait()

    def stop(self) -> None:
        """End its input; a program that does not end by itself is killed, and that is a failure."""
        process, status = self._process, 0
        if process is None:
            return
        try:
            pipe_of(process.stdin).close()
            status = process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise ProgramFailed(f"{self.name} did not stop.\n{self.last_words()}") from None
        finally:
            self._wait()
        if status not in {0, -signal.SIGTERM}:
            raise ProgramFailed(f"{self.name} ended with status {status}.\n{self.last_words()}")

    def last_words(self, lines: int = 30) -> str:
        """The end of its log, with its path."""
        said = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join([f"--- {self.log}", *said[-lines:]])

    def _wait(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None and not pipe.closed:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue  # it did not read its last line

    def _started(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None, f"{self.name} is not running"
        return self._process


class Apart:
    """Several processes that are one program together; a kill strikes one of them, each in its turn."""

    def __init__(self, *programs: Program) -> None:
        self.log = programs[0].log
        self._programs = programs
        self._turns = cycle(programs)

    def start(self) -> None:
        """Start those that do not run."""
        for program in self._programs:
            if not program.is_running():
                program.start()

    def is_running(self) -> bool:
        """Whether all of them are there."""
        return all(program.is_running() for program in self._programs)

    def kill(self) -> None:
        """End the next of them by SIGKILL."""
        next(self._turns).kill()

    def stop(self) -> None:
        """End the input of all; one that does not end by itself is a failure."""
        for program in self._programs:
            program.stop()

    def last_words(self) -> str:
        """The end of their common log."""
        return self._programs[0].last_words()


def pipe_of(pipe: IO[bytes] | None) -> IO[bytes]:
    """The pipe, which is there since it was asked for."""
    assert pipe is not None
    return pipe


def simulator(name: str, arguments: list[str], log: Path) -> Program:
    """One of the simulators."""
    return Program(name, [sys.executable, "-m", "simulators", name, *arguments, "--exit-with-parent"], log)
