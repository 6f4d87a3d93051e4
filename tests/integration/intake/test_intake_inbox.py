import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from gateway.steps.receive import InboxEntry, InboxUnavailable, RejectedEntry
from gateway.store import inbox as inbox_file
from gateway.store.inbox import SqliteInbox
from tests.fakes import START_US


def entry(seq: int, device_id: str = "fridge-a") -> InboxEntry:
    topic = f"replenish/v1/{device_id}/telemetry"
    return InboxEntry("telemetry", device_id, device_id, topic, 1, seq, b"{}", START_US)


def rejected(number: int, sender: str | None = "fridge-a") -> RejectedEntry:
    return RejectedEntry(sender, "t", "0" * 64, "not-json", b"%d" % number, 1, START_US)


def test_a_reader_on_its_own_connection_reads_on_behind_its_cursor(tmp_path: Path) -> None:
    with SqliteInbox(tmp_path / "inbox.db") as writer, SqliteInbox(tmp_path / "inbox.db") as reader:
        assert (reader.read_after(0, 10), reader.last_id()) == ([], 0)
        writer.append([entry(seq) for seq in range(1, 8)], [])
        first = reader.read_after(0, 5)
        rest = reader.read_after(first[-1].id, 5)
        assert [row.seq for row in (*first, *rest)] == [1, 2, 3, 4, 5, 6, 7]
        assert reader.last_id() == rest[-1].id
        assert rest[0].payload == b"{}"


def test_the_largest_numbers_of_an_envelope_fit(tmp_path: Path) -> None:
    with SqliteInbox(tmp_path / "inbox.db") as inbox:
        largest = InboxEntry("telemetry", "fridge-a", "fridge-a", "t", 2**32 - 1, 2**63 - 1, b"", START_US)
        inbox.append([largest], [])
        (row,) = inbox.read_after(0, 1)
        assert (row.epoch, row.seq) == (2**32 - 1, 2**63 - 1)


def test_a_batch_is_stored_whole_or_not_at_all(tmp_path: Path) -> None:
    with SqliteInbox(tmp_path / "inbox.db") as inbox:
        not_a_number = RejectedEntry("fridge-a", "t", "0" * 64, "not-json", b"", "many", START_US)  # type: ignore[arg-type]
        with pytest.raises(InboxUnavailable):
            inbox.append([entry(1)], [not_a_number])
        assert inbox.read_after(0, 10) == []
        inbox.append([entry(2)], [])
        assert [row.seq for row in inbox.read_after(0, 10)] == [2]


def test_a_full_disk_is_said_and_the_inbox_goes_on_when_there_is_room_again(tmp_path: Path) -> None:
    with SqliteInbox(tmp_path / "inbox.db") as inbox:
        pages = inbox._connection.execute("PRAGMA page_count").fetchone()[0]
        inbox._connection.execute(f"PRAGMA max_page_count={pages:d}")
        big = InboxEntry("telemetry", "fridge-a", "fridge-a", "t", 1, 1, bytes(100_000), START_US)
        with pytest.raises(InboxUnavailable, match="full"):
            inbox.append([big], [])
        inbox._connection.execute("PRAGMA max_page_count=100000")
        inbox.append([big], [])
        assert len(inbox.read_after(0, 10)) == 1


def test_pruning_forgets_only_what_is_behind_and_no_id_is_used_twice(tmp_path: Path) -> None:
    with SqliteInbox(tmp_path / "inbox.db") as inbox:
        inbox.append([entry(seq) for seq in range(1, 11)], [])
        last = inbox.last_id()
        assert inbox.prune(last - 3, 0, before_us=START_US + 1, limit=100) == 7
        assert [row.seq for row in inbox.read_after(0, 10)] == [8, 9, 10]
        assert inbox.prune(last, 0, before_us=START_US, limit=100) == 0
        assert inbox.prune(last, 0, before_us=START_US + 1, limit=100) == 3
        assert inbox.last_id() == last
        inbox.append([entry(11)], [])
        assert [row.id for row in inbox.read_after(0, 10)] == [last + 1]


def test_one_sweep_of_pruning_is_bounded(tmp_path: Path) -> None:
    with SqliteInbox(tmp_path / "inbox.db") as inbox:
        inbox.append([entry(seq) for seq in range(1, 6)], [])
        assert [inbox.prune(100, 0, before_us=START_US + 1, limit=3) for _ in range(3)] == [3, 2, 0]


def test_what_was_rejected_is_pruned_behind_a_cursor_of_its_own(tmp_path: Path) -> None:
    with SqliteInbox(tmp_path / "inbox.db") as inbox:
        inbox.append([], [rejected(number) for number in range(4)])
        assert inbox.prune(0, 3, before_us=START_US + 1, limit=100) == 3
        assert [row.id for row in inbox.read_rejected_after(0, 10)] == [4]


def test_one_device_that_talks_rubbish_does_not_push_out_what_others_are_accused_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox_file, "REJECTED_KEPT_PER_SENDER", 3)
    monkeypatch.setattr(inbox_file, "REJECTED_KEPT", 6)
    with SqliteInbox(tmp_path / "inbox.db") as inbox:
        inbox.append([], [rejected(1, "fridge-b"), rejected(2, None)])
        for number in range(10):
            inbox.append([], [rejected(number), rejected(100 + number)])
        kept = inbox.read_rejected_after(0, 100)
        assert [(row.sender, row.payload) for row in kept] == [
            ("fridge-b", b"1"),
            (None, b"2"),
            ("fridge-a", b"108"),
            ("fridge-a", b"9"),
            ("fridge-a", b"109"),
        ]
        inbox.append([], [rejected(number, f"printer-{number}") for number in range(5)])
        assert len(inbox.read_rejected_after(0, 100)) == 6


def test_two_connections_that_write_wait_for_each_other(tmp_path: Path) -> None:
    def write(first: int) -> None:
        with SqliteInbox(tmp_path / "inbox.db") as inbox:
            for seq in range(first, first + 50):
                inbox.append([entry(seq)], [])

    threads = [threading.Thread(target=write, args=(first,)) for first in (1, 51)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with SqliteInbox(tmp_path / "inbox.db") as inbox:
        assert sorted(row.seq or 0 for row in inbox.read_after(0, 1_000)) == list(range(1, 101))


def test_nobody_else_on_the_machine_may_read_it(tmp_path: Path) -> None:
    with SqliteInbox(tmp_path / "inbox.db") as inbox:
        inbox.append([entry(1)], [])
        modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
        assert modes == {0o600}


def test_an_inbox_of_a_newer_version_is_not_touched(tmp_path: Path) -> None:
    SqliteInbox(tmp_path / "inbox.db").close()
    connection = sqlite3.connect(tmp_path / "inbox.db")
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(InboxUnavailable, match="newer"):
        SqliteInbox(tmp_path / "inbox.db")


def test_a_place_that_cannot_hold_an_inbox_is_said(tmp_path: Path) -> None:
    with pytest.raises(InboxUnavailable):
        SqliteInbox(tmp_path / "no" / "such" / "directory" / "inbox.db")
