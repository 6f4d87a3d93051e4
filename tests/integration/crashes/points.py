"""The named places at which a process of the gateway may die, and what stands around the product to let it die there.

A step that calls out is prepare → call → settle, so it has eight of them. The product knows nothing of this: the unit
of work, the queue, the adapters' HTTP and memory, the providers and the shop are wrapped by whoever assembles it.
"""

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeVar, cast

from gateway.domain.records import WorkItem
from gateway.steps.ports import Transaction
from gateway.store.unit_of_work import SqlTransaction, SqlUnitOfWork
from gateway.store.work_queue import WorkQueue
from payments.context import HttpClient, HttpResponse, KeyValueState

Answer = TypeVar("Answer")


class CrashPoint(StrEnum):
    """Where, in the order in which one step passes them."""

    CLAIMED = "the work is leased, nothing is read yet"
    INTENT_WRITTEN = "the intent is written and not committed"
    INTENT_COMMITTED = "the intent is committed"
    CALLING = "the request is made and has not left"
    EFFECT = "the other side took effect, its answer is not read"
    ANSWERED = "the answer is read, the outcome not written"
    OUTCOME_WRITTEN = "the outcome is written and not committed"
    OUTCOME_COMMITTED = "the outcome is committed"


IN_A_TRANSACTION = frozenset({CrashPoint.INTENT_WRITTEN, CrashPoint.OUTCOME_WRITTEN})
"""Who falls asleep here keeps others from writing, and is woken or killed before anything goes on."""

CALLS = frozenset(
    {"setup_mandate", "revoke_mandate", "authorize", "capture", "void", "refund", "sync", "top_up", "place", "status"}
)


@dataclass(frozen=True, slots=True)
class Crash:
    """Die (or fall asleep, until woken by SIGCONT) when this step first passes this point."""

    step: str
    point: CrashPoint
    how: Literal["die", "sleep"]


class Watch:
    """Follows one process through its steps and ends it at its point. `step` is the one under way; one thread only."""

    def __init__(self, crash: Crash | None) -> None:
        self._crash = crash
        self.step = ""
        self.has_called = False

    def begins(self, step: str) -> None:
        """A step, or what a member does, begins."""
        self.step, self.has_called = step, False

    def passes(self, point: CrashPoint) -> None:
        """Die here, if it is the place."""
        crash = self._crash
        if crash is None or crash.step != self.step or crash.point is not point:
            return
        self._crash = None
        os.kill(os.getpid(), signal.SIGKILL if crash.how == "die" else signal.SIGSTOP)


class WatchedQueue(WorkQueue):
    """The product's queue, with a place to die right after a claim."""

    watch: Watch

    def claim(
        self, now_us: int, *, limit: int, per_household: int, besides: frozenset[str] = frozenset()
    ) -> list[WorkItem]:
        items = super().claim(now_us, limit=limit, per_household=per_household, besides=besides)
        for item in items:
            self.watch.begins(item.step)
            self.watch.passes(CrashPoint.CLAIMED)
        self.watch.begins("")
        return items


class WatchedUnitOfWork:
    """The product's transactions, with places to die before and after their commits."""

    def __init__(self, real: SqlUnitOfWork, watch: Watch) -> None:
        self._real = real
        self._watch = watch

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        with self._real.begin() as tx:
            yield cast("Transaction", _WatchedTransaction(tx, self._watch))
            called = self._watch.has_called
            self._watch.passes(CrashPoint.OUTCOME_WRITTEN if called else CrashPoint.INTENT_WRITTEN)
        self._watch.passes(CrashPoint.OUTCOME_COMMITTED if called else CrashPoint.INTENT_COMMITTED)

    def read(self) -> AbstractContextManager[Transaction]:
        return self._real.read()


class _WatchedTransaction:
    """Learns from the lease that a step holds which step it is."""

    def __init__(self, real: SqlTransaction, watch: Watch) -> None:
        self._real = real
        self._watch = watch

    def __getattr__(self, name: str) -> object:
        found: object = getattr(self._real, name)
        return found

    def hold(self, item: WorkItem) -> None:
        self._watch.begins(item.step)
        self._real.hold(item)


def watch_calls(other: object, watch: Watch) -> None:
    """Let a process die before the requests to a provider or a shop are made, and after their answers are read."""
    for name in CALLS:
        if hasattr(other, name):
            setattr(other, name, _watched(getattr(other, name), watch))


def _watched(call: Callable[..., Answer], watch: Watch) -> Callable[..., Answer]:
    def watched(*arguments: object, **options: object) -> Answer:
        watch.passes(CrashPoint.CALLING)
        watch.has_called = True
        answer = call(*arguments, **options)
        watch.passes(CrashPoint.ANSWERED)
        return answer

    return watched


@dataclass(frozen=True, slots=True)
class WatchedHttp:
    """What an adapter speaks through, with a place to die once the other side has answered and nobody has read it."""

    real: HttpClient
    watch: Watch

    def request(
        self, method: str, url: str, *, headers: Mapping[str, str], content: bytes = b"", timeout_s: float
    ) -> HttpResponse:
        answer = self.real.request(method, url, headers=headers, content=content, timeout_s=timeout_s)
        self.watch.passes(CrashPoint.EFFECT)
        return answer


@dataclass(frozen=True, slots=True)
class WatchedMemory:
    """What an adapter that keeps the money itself remembers, with a place to die once it is changed."""

    real: KeyValueState
    watch: Watch

    def get(self, key: str) -> str | None:
        return self.real.get(key)

    def compare_and_set(self, key: str, expected: str | None, new: str) -> bool:
        done = self.real.compare_and_set(key, expected, new)
        if key.startswith("account/"):
            self.watch.passes(CrashPoint.EFFECT)
        return done
