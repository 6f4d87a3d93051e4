from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.acknowledgement import fingerprint
from devices.envelope import seal, seal_plain
from devices.identity import Identity
from gateway.steps.receive import (
    Arrival,
    Committed,
    InboxEntry,
    InboxUnavailable,
    Rejected,
    RejectedEntry,
    StatusKept,
    receive,
)
from tests.fakes import START_US

DEVICE = Identity.from_seed("fridge-a", 1)
TELEMETRY = "replenish/v1/fridge-a/telemetry"


@dataclass
class FakeInbox:
    """Keeps batches in memory, in the order in which they were committed."""

    batches: list[tuple[list[InboxEntry], list[RejectedEntry]]] = field(default_factory=list)
    full: bool = False

    def append(self, entries: Sequence[InboxEntry], rejected: Sequence[RejectedEntry]) -> None:
        if self.full:
            raise InboxUnavailable(Path("inbox.db"), "disk full")
        self.batches.append((list(entries), list(rejected)))


def only_rejection(arrival: Arrival) -> RejectedEntry:
    inbox = FakeInbox()
    (receipt,) = receive([arrival], inbox, START_US)
    ((entries, (rejected,)),) = inbox.batches
    assert entries == []
    assert receipt == Rejected(arrival.sender, rejected.sha256, rejected.reason)
    return rejected


def test_a_sealed_reading_is_committed_with_its_epoch_and_sequence_and_its_bytes_untouched() -> None:
    payload = seal(DEVICE, 3, 1042, b"anything at all", "json")
    inbox = FakeInbox()
    assert receive([Arrival(TELEMETRY, payload, "fridge-a")], inbox, START_US) == [Committed("fridge-a", 3, 1042)]
    assert inbox.batches == [
        ([InboxEntry("telemetry", "fridge-a", "fridge-a", TELEMETRY, 3, 1042, payload, START_US)], [])
    ]


def test_a_batch_is_committed_at_once_and_each_receipt_stands_where_its_message_stood() -> None:
    inbox = FakeInbox()
    receipts = receive(
        [
            Arrival(TELEMETRY, seal_plain(1, 2, b"{}"), "fridge-a"),
            Arrival(TELEMETRY, b"rubbish", "fridge-a"),
            Arrival("replenish/v1/fridge-a/status", b'{"online":true}', "fridge-a"),
            Arrival("replenish/v1/fridge-b/telemetry", seal_plain(1, 9, b"{}"), "fridge-b"),
            Arrival(TELEMETRY, seal_plain(1, 1, b"{}"), "fridge-a"),
        ],
        inbox,
        START_US,
    )
    assert receipts == [
        Committed("fridge-a", 1, 2),
        Rejected("fridge-a", fingerprint(b"rubbish"), "not-an-envelope"),
        StatusKept("fridge-a"),
        Committed("fridge-b", 1, 9),
        Committed("fridge-a", 1, 1),
    ]
    ((entries, rejected),) = inbox.batches
    assert [(entry.kind, entry.device_id, entry.seq) for entry in entries] == [
        ("telemetry", "fridge-a", 2),
        ("status", "fridge-a", None),
        ("telemetry", "fridge-b", 9),
        ("telemetry", "fridge-a", 1),
    ]
    assert len(rejected) == 1


def test_when_the_inbox_does_not_commit_there_are_no_receipts() -> None:
    with pytest.raises(InboxUnavailable, match="disk full"):
        receive([Arrival(TELEMETRY, seal_plain(1, 2, b"{}"), "fridge-a")], FakeInbox(full=True), START_US)


@pytest.mark.parametrize(
    ("topic", "sender", "reason"),
    [
        ("replenish/v1/fridge-b/telemetry", "fridge-a", "not-its-own-topic"),
        ("replenish/v1/fridge-b/status", "fridge-a", "not-its-own-topic"),
        (TELEMETRY, None, "unknown-sender"),
        ("replenish/v1/fridge-a/ack", "fridge-a", "not-for-devices"),
        ("replenish/v1/fridge-a/command", "fridge-a", "not-for-devices"),
        ("replenish/v1/fridge-a/gossip", "fridge-a", "unknown-channel"),
        ("weather/madrid", "fridge-a", "not-our-topic"),
        ("", "fridge-a", "not-our-topic"),
    ],
)
def test_what_came_on_a_wrong_topic_is_kept_with_its_sender_and_the_reason(
    topic: str, sender: str | None, reason: str
) -> None:
    payload = seal_plain(1, 1, b"{}")
    kept = only_rejection(Arrival(topic, payload, sender))
    assert (kept.reason, kept.sender, kept.topic, kept.payload) == (reason, sender, topic, payload)


@pytest.mark.parametrize("topic", [TELEMETRY, "replenish/v1/fridge-a/status"])
def test_of_a_payload_that_is_too_big_the_beginning_is_kept_and_the_whole_is_named(topic: str) -> None:
    payload = b"{" + b"x" * 20_000
    kept = only_rejection(Arrival(topic, payload, "fridge-a"))
    assert (kept.reason, kept.size_bytes, len(kept.payload)) == ("too-big", 20_001, 8_192)
    assert kept.sha256 == fingerprint(payload)


def test_of_a_very_long_topic_the_beginning_is_kept() -> None:
    assert len(only_rejection(Arrival("x" * 60_000, b"", "fridge-a")).topic) == 256


@given(st.lists(st.tuples(st.text(max_size=80), st.binary(max_size=200), st.sampled_from(["fridge-a", None]))))
def test_every_message_whatever_it_is_gets_a_receipt_and_a_row(messages: list[tuple[str, bytes, str | None]]) -> None:
    arrivals = [Arrival(topic, payload, sender) for topic, payload, sender in messages]
    arrivals += [Arrival(TELEMETRY, payload, sender) for _, payload, sender in messages]
    inbox = FakeInbox()
    receipts = receive(arrivals, inbox, START_US)
    ((entries, rejected),) = inbox.batches
    assert len(receipts) == len(arrivals) == len(entries) + len(rejected)
