"""Group commit: one thread commits; what came in while it was at it is the next batch.

A single message waits for one commit; under load a commit is shared by as many as arrived during the one before, so
that the disk's pace sets the size of a batch and no timer adds to the latency. Batches are committed, and therefore
settled, in the order in which their messages were offered.
"""

import queue
import threading
from collections.abc import Sequence
from typing import Final, Generic, Protocol, TypeVar

import structlog

from gateway.intake.errors import IntakeCongested
from gateway.steps.ports import Clock
from gateway.steps.receive import Arrival, InboxUnavailable, InboxWriter, Receipt, receive

BATCH_LIMIT = 1_000
OFFER_TIMEOUT_SECONDS = 30.0

_log = structlog.get_logger(__name__)

Ticket = TypeVar("Ticket")
"""What the caller needs to find the sender again: it travels with the arrival and comes back with its receipt."""

SettledTicket_contra = TypeVar("SettledTicket_contra", contravariant=True)


class Settlement(Protocol[SettledTicket_contra]):
    """What happens after a batch; both are called on the committing thread, batch after batch."""

    def committed(self, receipts: Sequence[tuple[SettledTicket_contra, Receipt]]) -> None:
        """The batch is durable, rejected messages included: now, and in this order, it may be acknowledged."""

    def failed(self, tickets: Sequence[SettledTicket_contra]) -> None:
        """Nothing of the batch was committed: acknowledge nobody, drop the connections so that all is sent again."""


class Batcher(Generic[Ticket]):
    """Takes arrivals from any thread and commits them in batches through *receive*."""

    def __init__(
        self, inbox: InboxWriter, clock: Clock, settlement: Settlement[Ticket], *, queue_limit: int = 4_096
    ) -> None:
        self.queue_limit: Final = queue_limit
        self._inbox = inbox
        self._clock = clock
        self._settlement = settlement
        # None, the last item ever, ends the thread.
        self._queue: queue.Queue[tuple[Arrival, Ticket] | None] = queue.Queue(queue_limit)
        self._thread = threading.Thread(target=self._run, name="intake-commit", daemon=True)

    def start(self) -> None:
        """Start the committing thread."""
        self._thread.start()

    def stop(self) -> None:
        """Commit and settle what was offered so far, then end the thread."""
        self._queue.put(None)
        self._thread.join()

    def offer(self, arrival: Arrival, ticket: Ticket) -> None:
        """Queue one arrival; a full queue holds the caller back.

        Raises:
            IntakeCongested: the queue stayed full for 30 s.
        """
        try:
            self._queue.put((arrival, ticket), timeout=OFFER_TIMEOUT_SECONDS)
        except queue.Full:
            raise IntakeCongested(self.queue_limit, OFFER_TIMEOUT_SECONDS) from None

    def _run(self) -> None:
        running = True
        while running:
            batch: list[tuple[Arrival, Ticket]] = []
            item = self._queue.get()
            while item is not None:
                batch.append(item)
                if len(batch) == BATCH_LIMIT:
                    break
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    break
            else:
                running = False
            if batch:
                self._commit(batch)

    def _commit(self, batch: list[tuple[Arrival, Ticket]]) -> None:
        tickets = [ticket for _, ticket in batch]
        try:
            receipts = receive([arrival for arrival, _ in batch], self._inbox, self._clock.now_us())
            self._settlement.committed(list(zip(tickets, receipts, strict=True)))
        except InboxUnavailable as error:
            _log.error("batch_not_committed", messages=len(batch), inbox=str(error.path), reason=error.reason)
            self._settlement.failed(tickets)
        except Exception:  # noqa: BLE001 — see below
            # The loop's outermost line: a defect must not end the only thread that commits.
            _log.exception("batch_not_settled", messages=len(batch))
            self._settlement.failed(tickets)
