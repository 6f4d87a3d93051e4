"""Processes of the gateway, made by a process that has loaded it already: it takes 10 ms and not a second to make one.

    python -m tests.integration.crashes.crash_process

It reads a job a line (JSON) and makes a process for each, and tells of each what became of it: {"pid": …, "ended": …}
with "died" (killed at its crash point), "asleep" (stopped there), "done" or "failed".
"""

import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import structlog

from gateway.domain.household import Member
from gateway.steps.acts.wallet import Limits, link_account, unlink_account
from tests.builders import HOME
from tests.integration.crashes.points import Crash, CrashPoint
from tests.integration.crashes.world import Site, World

WITHIN_S = 60.0
LIMITS = Limits(standing=False, per_order_minor=5_000, per_period_minor=20_000, period_days=30)


def _work(world: World, _: str) -> None:
    world.work_to_rest()


def _link(world: World, account: str) -> None:
    """Link an account as the web does, in the request of a member."""
    world.watch.begins("link")
    with world.store.read() as tx:
        ana = tx.get(Member, HOME, "ana")
    link_account(world.services, ana, adapter_name="sandbox", token=account, label="Second account", limits=LIMITS)


def _unlink(world: World, method_id: str) -> None:
    world.watch.begins("unlink")
    with world.store.read() as tx:
        ana = tx.get(Member, HOME, "ana")
    unlink_account(world.services, ana, method_id)


ACTS: dict[str, Callable[[World, str], None]] = {"work": _work, "link": _link, "unlink": _unlink}


def main() -> None:
    """Make a process for each line; the end of the input ends this one and all that sleep."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    children: set[int] = set()
    reading = os.fdopen(sys.stdin.fileno(), "rb", buffering=0)
    while line := reading.readline():
        job = json.loads(line)
        if "wait" in job:
            _tell(pid=job["wait"], ended=_ended(job["wait"]))
            continue
        pid = os.fork()
        if pid == 0:
            _run(job)
        children.add(pid)
        _tell(pid=pid)
    for pid in children:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _ended(pid: int) -> str:
    _, status = os.waitpid(pid, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        return "asleep"
    if os.WIFSIGNALED(status):
        return "died" if os.WTERMSIG(status) == signal.SIGKILL else "failed"
    return "failed" if os.WEXITSTATUS(status) else "done"


def _run(job: dict[str, Any]) -> None:
    """Be one process of the gateway, to its end."""
    try:
        crash = job["crash"]
        site = Site(**job["site"] | {"folder": Path(job["site"]["folder"])})
        world = World(site, None if crash is None else Crash(**crash | {"point": CrashPoint(crash["point"])}))
        ACTS[job["act"]](world, job["subject"])
        world.close()
    except BaseException:  # noqa: BLE001 — the process's outermost line
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _tell(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


class Processes:
    """The process above, from a test's side; use it as a context."""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.integration.crashes.crash_process"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        assert self._process.wait(timeout=WITHIN_S) == 0

    def begin(self, site: Site, act: str, subject: str = "", crash: Crash | None = None) -> int:
        """Make a process that does something, perhaps until its crash point; return its id."""
        told = self._ask(
            site={**asdict(site), "folder": str(site.folder)},
            act=act,
            subject=subject,
            crash=None if crash is None else asdict(crash),
        )
        return int(told["pid"])

    def end_of(self, pid: int) -> str:
        """Wait until it has ended or fallen asleep: "died", "asleep", "done" or "failed"."""
        return str(self._ask(wait=pid)["ended"])

    @staticmethod
    def wake(pid: int) -> None:
        """Let one that fell asleep go on."""
        os.kill(pid, signal.SIGCONT)

    def _ask(self, **what: object) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        # Whoever is not done by then never will be: it is killed with its maker, and the answer is empty.
        guard = threading.Timer(WITHIN_S, self._process.kill)
        guard.start()
        self._process.stdin.write(json.dumps(what) + "\n")
        told: dict[str, Any] = json.loads(self._process.stdout.readline())
        guard.cancel()
        return told


if __name__ == "__main__":
    main()
