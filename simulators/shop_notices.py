"""The pretend shop tells its customer that an order changed: signed, retried, sometimes twice or out of order.

A notice is a hint. It is signed with HMAC-SHA256 over "<timestamp>.<body>" under the customer's token, the timestamp
being real time in seconds: a signature's age has nothing to do with a demonstration's clock.
"""

import hmac
import logging
import threading
from collections.abc import Callable

import httpx
import msgspec

from simulators.shop_book import Book, DueNotice

MAX_TRIES = 8
FIRST_PAUSE_US = 1_000_000  # doubled with every failure: about two minutes in all
POLL_S = 0.2
TIMEOUT_S = 5.0
BATCH = 50
MAX_SETTLED = 2000

log = logging.getLogger(__name__)


class Notifier:
    """Sends what is due to `url`; `now_us` is policy time, `wall_us` real time."""

    def __init__(
        self, *, book: Book, url: str, token: str, now_us: Callable[[], int], wall_us: Callable[[], int]
    ) -> None:
        self._book = book
        self._url = url
        self._token = token.encode()
        self._now_us = now_us
        self._wall_us = wall_us
        self._client = httpx.Client(timeout=TIMEOUT_S, trust_env=False)
        # One sender at a time: a notice being sent must not be picked up again.
        self._sending = threading.Lock()

    def run(self, stop: threading.Event) -> None:
        """Send what is due until told to stop."""
        while not stop.wait(POLL_S):
            try:
                with self._sending:
                    for notice in self._book.due_notices(self._now_us(), self._wall_us(), BATCH):
                        if stop.is_set():
                            return
                        self._send(notice)
            except Exception:  # the loop's outermost line: the shop goes on without this round
                log.exception("a round of notices failed")

    def settle(self) -> dict[str, int]:
        """Send all that is due now, once each and without pauses; returns how many were taken and how many were not."""
        taken = failed = 0
        with self._sending:
            for notice in self._book.due_notices(self._now_us(), None, MAX_SETTLED):
                if self._send(notice):
                    taken += 1
                else:
                    failed += 1
        return {"sent": taken, "failed": failed}

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()

    def _send(self, notice: DueNotice) -> bool:
        body = msgspec.json.encode(
            {
                "notice_id": notice.notice_id,
                "event": notice.event,
                "at_us": notice.due_us,
                "references": [notice.reference],
            }
        )
        timestamp = str(self._wall_us() // 1_000_000)
        signature = hmac.new(self._token, f"{timestamp}.".encode() + body, "sha256").hexdigest()
        headers = {
            "content-type": "application/json",
            "shop-timestamp": timestamp,
            "shop-signature": f"v1={signature}",
        }
        try:
            taken = self._client.post(self._url, content=body, headers=headers).is_success
        except httpx.TransportError:
            taken = False
        if taken:
            self._book.forget_notice(notice)
        elif notice.tries + 1 >= MAX_TRIES:
            log.warning("notice %s given up after %d tries", notice.notice_id, MAX_TRIES)
            self._book.forget_notice(notice)
        else:
            self._book.postpone_notice(notice, self._wall_us() + FIRST_PAUSE_US * 2**notice.tries)
        return taken
