"""Finds what is due, leases it and runs it: in batches, a fair share per household and round, several workers at once.

A crash loses nothing: an item stays a row until the step that ran it commits its closing, under the fence it was
claimed with. A failed item is given back and waits longer each time. Steps that call out run side by side (calls.py),
so that the rest never waits for a shop or a bank; with one call at once they run in their turn, one after the other,
and the same rows are always worked off in the same order.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import structlog

from gateway.domain.errors import DomainError
from gateway.domain.records import HouseholdItem, WorkItem
from gateway.steps import CALLS_OUT, FOR_OPERATOR, INSIDE
from gateway.steps.counterparts import CALLING
from gateway.steps.ports import LeaseLost, MerchantError, Services, StoreBusy, StoreUnavailable, Transaction
from gateway.steps.record import CURSOR, REJECTED_CURSOR
from gateway.worker.calls import Calls
from payments.errors import PaymentError

log = structlog.get_logger()

BATCH = 64
SHARE_PER_HOUSEHOLD = 16
FIRST_WAIT_S = 0.02
LAST_WAIT_S = 0.15
LAST_FAULT_WAIT_S = 5.0
RENEW_AFTER_US = 20_000_000
"""A third of a lease: two renewals may be missed before another worker takes the item over."""
LONGEST_CALL_US = 600_000_000
"""Adapters wait for two minutes at most; what takes longer than this has hung, and its lease is left to run out."""
STOP_CALLS_WITHIN_S = 10.0
"""So long a stop waits for calls that are under way; service managers kill after 10 s (containers) or 90 s."""
# What only advises is never waited for.
ADVICE = frozenset({"challenge"})
INBOX = "inbox"
INSIDE_ORDER = {step: place for place, step in enumerate(INSIDE)}


class WorkQueue(Protocol):
    """Rows of work under leases (gateway.store.work_queue)."""

    def claim(
        self, now_us: int, *, limit: int, per_household: int, besides: frozenset[str] = frozenset()
    ) -> list[WorkItem]:
        """Lease what is due, besides these steps."""
        ...

    def claim_calls(
        self,
        now_us: int,
        *,
        steps: frozenset[str],
        each: int,
        choose: Callable[[Sequence[WorkItem]], list[WorkItem]],
    ) -> list[WorkItem]:
        """Lease those that `choose` takes of what is due of these steps, at most `each` of each counterpart."""
        ...

    def renew(self, items: Sequence[WorkItem]) -> None:
        """Lengthen the leases that still stand."""
        ...

    def give_back(self, item: WorkItem, error: str) -> None:
        """Return a failed item."""
        ...

    def is_idle(self, now_us: int, *, besides: frozenset[str]) -> bool:
        """Say whether nothing is due, besides these steps."""
        ...


@dataclass(frozen=True, slots=True)
class Round:
    """What one round did: items done and items given back, and those that ended since the last round."""

    done: int
    failed: int


class Worker:
    """Runs rounds until stopped."""

    def __init__(self, services: Services, queue: WorkQueue, *, calls_at_once: int = 1) -> None:
        self._services = services
        self._queue = queue
        self._calls = Calls(calls_at_once)
        self._side_by_side = calls_at_once > 1
        self._renewed_wall_us = 0
        self._stopping = threading.Event()
        self._has_left = threading.Event()

    def run(self) -> None:
        """Work until `stop` is called; a fault in a round is logged and the next round begins.

        After the last work it looks again soon, for one thing follows another, and then less and less often. Calls that
        are under way at the end get a little time; those that still hang then are left to their leases.
        """
        wait_s, fault_wait_s = FIRST_WAIT_S, LAST_WAIT_S
        while not self._stopping.is_set():
            did = self._round()
            if did is None:
                # A full disk or a locked database lasts: it is asked ever less often, and said as often.
                self._stopping.wait(fault_wait_s)
                fault_wait_s = min(2 * fault_wait_s, LAST_FAULT_WAIT_S)
                continue
            fault_wait_s = LAST_WAIT_S
            if did.done:
                wait_s = FIRST_WAIT_S
            else:
                self._wait(wait_s)
                wait_s = min(2 * wait_s, LAST_WAIT_S)
        if not self._calls.wait(STOP_CALLS_WITHIN_S):
            self._has_left.set()
            steps = sorted(one.item.step for one in self._calls.underway())
            log.warning("stopped while calls hang; they are looked up after their leases", steps=steps)

    def stop(self) -> None:
        """Let the present round finish and end `run`."""
        self._stopping.set()

    def _round(self) -> Round | None:
        """Run one round, the loop's outermost line; None when it failed."""
        try:
            return self.run_once()
        except StoreUnavailable as error:
            log.error("a round of work failed", error=str(error))  # noqa: TRY400 — said in one line while it lasts
        except Exception:
            log.exception("a round of work failed")
        return None

    def run_once(self) -> Round:
        """Run one round: take in what the inbox holds, then claim and run one batch of what is due."""
        now_us = self._services.clock.now_us()
        if self._inbox_waits():
            with self._services.unit_of_work.begin() as tx:
                tx.enqueue("record", None, INBOX, due_us=now_us)
        besides = CALLING if self._side_by_side else frozenset[str]()
        items = self._queue.claim(now_us, limit=BATCH, per_household=SHARE_PER_HOUSEHOLD, besides=besides)
        # In the river's order: what is forecast in this round is known to what is planned in it.
        inside = [item for item in items if isinstance(item, HouseholdItem) and item.step in INSIDE]
        inside.sort(key=lambda item: INSIDE_ORDER[item.step])
        failed = 0 if self._run_together(inside, now_us) else sum(not self._run(item, now_us) for item in inside)
        failed += sum(not self._run(item, now_us) for item in items if item.step not in INSIDE)
        done, failed_calls = self._call(now_us) if self._side_by_side else (0, 0)
        return Round(len(items) - failed + done, failed + failed_calls)

    def _call(self, now_us: int) -> tuple[int, int]:
        """Give the free places to what is due; return how many calls were done and failed since the last round."""
        wall_us = self._services.clock.wall_us()
        if self._calls.free:
            chosen = self._queue.claim_calls(now_us, steps=CALLING, each=self._calls.places, choose=self._calls.choose)
            for item in chosen:
                self._calls.start(item, partial(self._run_beside, item, now_us), wall_us)
        if wall_us - self._renewed_wall_us >= RENEW_AFTER_US:
            self._renewed_wall_us = wall_us
            alive = [one.item for one in self._calls.underway() if wall_us - one.since_wall_us < LONGEST_CALL_US]
            self._queue.renew(alive)
        return self._calls.ended()

    def _wait(self, wait_s: float) -> None:
        if self._side_by_side:
            self._calls.wait_for_one(wait_s)
        else:
            self._stopping.wait(wait_s)

    def is_quiescent(self) -> bool:
        """Say whether everything due at this instant is done: the inbox recorded, no work waiting, none running."""
        now_us = self._services.clock.now_us()
        return not self._inbox_waits() and self._queue.is_idle(now_us, besides=ADVICE)

    def _inbox_waits(self) -> bool:
        with self._services.unit_of_work.read() as tx:
            inbox = self._services.inbox
            return inbox.last_id() > tx.cursor(CURSOR) or bool(inbox.read_rejected_after(tx.cursor(REJECTED_CURSOR), 1))

    def _run_together(self, items: list[HouseholdItem], now_us: int) -> bool:
        """Run the items that stay inside in one transaction, one commit for all; False when they must go one by one."""
        if len(items) < 2:
            return False
        try:
            with self._services.unit_of_work.begin() as tx:
                tx.take({item.household_id for item in items})
                for item in items:
                    _inside(tx, item, now_us)
        except StoreBusy:
            return False
        except StoreUnavailable:
            raise
        except Exception:
            log.warning("a batch failed and is run one by one", items=len(items), exc_info=True)
            return False
        return True

    def _run(self, item: WorkItem, now_us: int) -> bool:
        """Run one item; a failed one is given back with what went wrong."""
        try:
            self._step(item, now_us)()
        except LeaseLost:
            log.info("another worker took over", step=item.step, subject=item.subject_id)
            return False
        except (PaymentError, MerchantError, DomainError, StoreUnavailable) as error:
            if self._has_left.is_set():
                return False
            log.warning(
                "will be tried again", step=item.step, subject=item.subject_id, tries=item.tries, error=str(error)
            )
            self._queue.give_back(item, str(error))
            return False
        except Exception as error:
            if self._has_left.is_set():  # the process closes its connections under a call that hangs
                return False
            log.exception("a step failed", step=item.step, subject=item.subject_id, tries=item.tries)
            self._queue.give_back(item, f"{type(error).__name__}: {error}")
            return False
        return True

    def _run_beside(self, item: WorkItem, now_us: int) -> bool:
        """Run one item in a thread of its own, whose outermost line this is."""
        try:
            return self._run(item, now_us)
        except Exception:
            if not self._has_left.is_set():
                log.exception("an item could not be given back; its lease runs out", step=item.step)
            return False

    def _step(self, item: WorkItem, now_us: int) -> Callable[[], None]:
        if item.step in FOR_OPERATOR:
            return lambda: FOR_OPERATOR[item.step](item, self._services)
        if not isinstance(item, HouseholdItem):
            raise TypeError(f"{item.step} {item.subject_id} is for a household, and names none")
        if item.step in INSIDE:
            return lambda: self._alone(item, now_us)
        return lambda: CALLS_OUT[item.step](item, self._services)

    def _alone(self, item: HouseholdItem, now_us: int) -> None:
        with self._services.unit_of_work.begin() as tx:
            _inside(tx, item, now_us)


def _inside(tx: Transaction, item: HouseholdItem, now_us: int) -> None:
    # Held first: who asks for the item again meanwhile waits for this commit, and is not overlooked.
    tx.hold(item)
    INSIDE[item.step](tx, item, now_us)
    tx.complete(item)
