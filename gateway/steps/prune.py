"""Prune: what is old and no longer needed is forgotten, a bounded batch at a time, so that nothing grows for ever.

Readings, money and orders stay. What goes: messages as they came, once they were recorded long ago; links and sessions
that let nobody in any more; notices that were worked on; and what was asked of devices. Quarantined messages have a
limit of their own.
"""

from gateway.domain.access import Session, SignInLink
from gateway.domain.command import Command
from gateway.domain.records import Notice, NoticeState, WorkItem
from gateway.domain.replenishment import DAY_US
from gateway.steps.ports import Services
from gateway.steps.record import CURSOR, REJECTED_CURSOR

EVERYTHING = "everything"
BATCH = 1_000
"""Rows of a kind at once: the writer is held up for milliseconds."""
KEEP_ENDED_US = 90 * DAY_US
"""Ended sessions, done notices, what was asked of devices: to look back when something seems strange."""


def prune(item: WorkItem, services: Services) -> None:
    """Forget one batch of each kind (subject: everything) and look again: at once while more is left, else tomorrow."""
    now_us, wall_us = services.clock.now_us(), services.clock.wall_us()
    with services.unit_of_work.read() as tx:
        recorded, rejected = tx.cursor(CURSOR), tx.cursor(REJECTED_CURSOR)
    # Only what a committed cursor is past; the two files need no common transaction.
    forgotten = services.inbox.prune(recorded, rejected, before_us=now_us - services.keep_inbox_us, limit=BATCH)
    with services.unit_of_work.begin() as tx:
        tx.complete(item)
        links = [one for one in tx.find(SignInLink, None, oldest=BATCH) if not one.is_live(wall_us)]
        sessions = [one for one in tx.find(Session, None, oldest=BATCH) if _is_long_over(one, wall_us)]
        done = tx.find(Notice, None, oldest=BATCH, state=NoticeState.DONE)
        notices = [one for one in done if one.received_us < now_us - KEEP_ENDED_US]
        asked = [one for one in tx.find(Command, None, oldest=BATCH) if one.asked_us < now_us - KEEP_ENDED_US]
        for row in (*links, *sessions, *notices, *asked):
            tx.remove(row)
        is_more = BATCH in {forgotten, len(links), len(sessions), len(notices), len(asked)}
        tx.enqueue("prune", None, item.subject_id, due_us=now_us if is_more else now_us + DAY_US)


def _is_long_over(session: Session, wall_us: int) -> bool:
    # One that idles out has an end of its own some weeks later, and is forgotten then.
    ended_us = session.expires_wall_us if session.revoked_wall_us is None else session.revoked_wall_us
    return ended_us < wall_us - KEEP_ENDED_US
