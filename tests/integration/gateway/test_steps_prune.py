"""Prune: what is old and no longer needed goes, a batch at a time; what somebody still needs stays."""

import importlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.domain.access import Session, SignInLink
from gateway.domain.command import Command, CommandState
from gateway.domain.household import Household
from gateway.domain.records import Notice, NoticeState, Pruned
from gateway.domain.replenishment import DAY_US
from gateway.domain.stock import Device, DeviceState, Quarantined, Reading
from gateway.steps.goods import quarantine
from gateway.steps.prune import EVERYTHING, KEEP_ENDED_US
from gateway.steps.receive import InboxEntry, RejectedEntry
from gateway.store.inbox import SqliteInbox
from gateway.worker import Worker
from tests.builders import build
from tests.fakes import START_US
from tests.homes import home, left, telling
from tests.rig import Rig

OpenRig = Callable[..., Rig]
prune_module = importlib.import_module("gateway.steps.prune")  # the package's own name `prune` is the step
KEEP_INBOX_US = 90 * DAY_US


def prune(rig: Rig) -> None:
    """Let everything be pruned now, and whatever else is due be done."""
    rig.enqueue("prune", EVERYTHING, household_id=None)
    rig.work_off()


def test_a_message_recorded_long_ago_is_forgotten_and_one_not_recorded_never(open_rig: OpenRig, tmp_path: Path) -> None:
    rig = open_rig(*home())
    with SqliteInbox(tmp_path / "inbox.db") as inbox:
        rig.worker = Worker(replace(rig.services, inbox=inbox), rig.queue)

        def arrive(seq: int) -> None:
            payload = telling(1, seq, left("milk", 0.9 - seq / 100))
            entry = InboxEntry("telemetry", "fridge", "fridge", "t", 1, seq, payload, rig.clock.now)
            refusal = RejectedEntry("fridge", "t", "0" * 64, "not-an-envelope", b"?", 1, rig.clock.now)
            inbox.append([entry], [refusal])

        arrive(1)
        rig.work_off()
        rig.clock.advance(KEEP_INBOX_US)
        prune(rig)
        assert [row.seq for row in inbox.read_after(0, 10)] == [1]
        arrive(2)
        rig.work_off()
        rig.clock.advance(1)
        arrive(3)
        rig.enqueue("prune", EVERYTHING, household_id=None)
        rig.clock.advance(KEEP_INBOX_US)
        prune_module.prune(rig.claim("prune"), replace(rig.services, inbox=inbox))
        assert [row.seq for row in inbox.read_after(0, 10)] == [3]
        assert len(inbox.read_rejected_after(0, 10)) == 1
        rig.work_off()
        assert [one.seq for one in rig.rows(Reading)] == [1, 2, 3]


def test_links_that_are_used_or_over_go_and_one_that_still_signs_in_stays(open_rig: OpenRig) -> None:
    rig = open_rig(
        *home(),
        build(SignInLink, id="used", token_sha256="1", used_wall_us=START_US),
        build(SignInLink, id="over", token_sha256="2", expires_wall_us=START_US),
        build(SignInLink, id="live", token_sha256="3"),
    )
    prune(rig)
    assert [one.id for one in rig.rows(SignInLink)] == ["live"]


def test_sessions_go_a_quarter_of_a_year_after_their_end(open_rig: OpenRig) -> None:
    rig = open_rig(
        *home(),
        build(Session, id="revoked", token_sha256="1", revoked_wall_us=START_US - 1),
        build(Session, id="over", token_sha256="2", expires_wall_us=START_US - 1),
        build(Session, id="later", token_sha256="3", expires_wall_us=START_US + 1, revoked_wall_us=START_US + 1),
        build(Session, id="open", token_sha256="4", expires_wall_us=START_US + KEEP_ENDED_US),
    )
    rig.clock.advance(KEEP_ENDED_US)
    prune(rig)
    assert sorted(one.id for one in rig.rows(Session)) == ["later", "open"]


def test_notices_go_once_they_were_worked_on_long_ago(open_rig: OpenRig) -> None:
    old = START_US - KEEP_ENDED_US - 1
    rig = open_rig(
        *home(),
        build(Notice, id="done", sha256="1", state=NoticeState.DONE, received_us=old),
        build(Notice, id="waiting", sha256="2", received_us=old),
        build(Notice, id="refused", sha256="3", state=NoticeState.REFUSED, received_us=old),
        build(Notice, id="new", sha256="4", state=NoticeState.DONE, received_us=old + 1),
    )
    prune(rig)
    assert sorted(one.id for one in rig.rows(Notice, None)) == ["new", "refused", "waiting"]


def test_what_was_asked_of_a_device_goes_a_quarter_of_a_year_later(open_rig: OpenRig) -> None:
    old = START_US - KEEP_ENDED_US - 1
    rig = open_rig(
        *home(),
        build(Command, id="sent", state=CommandState.SENT, asked_us=old),
        build(Command, id="expired", state=CommandState.EXPIRED, asked_us=old),
        build(Command, id="later", state=CommandState.SENT, asked_us=old + 1),
    )
    prune(rig)
    assert [one.id for one in rig.rows(Command)] == ["later"]


def test_a_batch_is_bounded_and_the_rest_follows_at_once(open_rig: OpenRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prune_module, "BATCH", 2)
    over = [build(SignInLink, id=f"over-{one}", token_sha256=f"{one}", expires_wall_us=START_US) for one in range(5)]
    rig = open_rig(*home(), *over)
    rig.enqueue("prune", EVERYTHING, household_id=None)
    rig.run_round()
    assert len(rig.rows(SignInLink)) == 3
    assert rig.waiting("prune") == [("prune", EVERYTHING, rig.clock.now)]
    rig.work_off()
    assert rig.rows(SignInLink) == []
    assert rig.waiting("prune") == [("prune", EVERYTHING, rig.clock.now + DAY_US)]


def test_of_rubbish_the_newest_is_kept_and_the_number_of_the_rest(
    open_rig: OpenRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine, "MOST_KEPT", 5)
    monkeypatch.setattr(quarantine, "FORGOTTEN_TOGETHER", 2)
    rig = open_rig(
        *home(),
        build(Household, id="lake", household_id="lake"),
        build(Device, id="lake-fridge", household_id="lake"),
        build(Device, id="gone", state=DeviceState.REMOVED),
    )
    rig.inbox.append(b"theirs", rig.clock.now, device_id="lake-fridge")
    for number in range(20):
        rig.clock.advance(1)
        rig.inbox.append(b"rubbish %d" % number, rig.clock.now)
        rig.inbox.append(b"nobody's", rig.clock.now, device_id="stranger")
    for _ in range(3):
        rig.clock.advance(1)
        rig.inbox.reject(b"unreadable", rig.clock.now)
    rig.work_off()
    ours = rig.rows(Quarantined)
    assert 5 <= len(ours) < 7
    assert ours[-1].payload == b"unreadable"
    (ours_gone,) = rig.rows(Pruned)
    assert ours_gone.count == 23 - len(ours)
    assert ours_gone.until_us == ours[0].received_us - 1
    assert [one.payload for one in rig.rows(Quarantined, "lake")] == [b"theirs"]
    (nobodys_gone,) = [one for one in rig.rows(Pruned, None) if one.household_id is None]
    assert nobodys_gone.count == 20 - len(rig.rows(Quarantined, None, device_id="stranger"))
