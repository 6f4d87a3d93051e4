from collections.abc import Iterator
from pathlib import Path

import pytest

from devices.acknowledgement import fingerprint
from devices.outbox import Outbox, Queued, Sealer
from devices.ranges import Ranges


def saying(text: str, declared: list[Ranges] | None = None) -> Sealer:
    def seal(epoch: int, seq: int, lost: Ranges) -> bytes:
        if declared is not None:
            declared.append(lost)
        return f"{epoch}/{seq}/{text}".encode()

    return seal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.sqlite3"


@pytest.fixture
def outbox(path: Path) -> Iterator[Outbox]:
    box = Outbox(path, lambda: 5, limit=4)
    yield box
    box.close()


def numbers(outbox: Outbox) -> list[tuple[int, int]]:
    return [(message.epoch, message.seq) for message in outbox.oldest(100)]


def test_messages_wait_in_order_until_they_are_acknowledged(outbox: Outbox) -> None:
    queued = outbox.add([saying("a"), saying("b"), saying("c")])
    assert queued[0] == Queued(5, 1, b"5/1/a")
    assert outbox.oldest(2) == queued[:2]
    outbox.acknowledge([(5, (1, 1)), (5, (3, 3))])
    assert numbers(outbox) == [(5, 2)]
    outbox.acknowledge([(4, (2, 2))])
    assert outbox.waiting() == 1


def test_a_reopened_outbox_goes_on_counting_where_it_stopped(path: Path) -> None:
    first = Outbox(path, lambda: 5)
    first.add([saying("a")])
    first.close()
    again = Outbox(path, lambda: 99)
    assert (again.epoch, again.next_seq, numbers(again)) == (5, 2, [(5, 1)])
    again.close()


def test_a_lost_or_broken_file_begins_a_new_epoch(path: Path) -> None:
    path.write_bytes(b"this was a flash sector" * 300)
    outbox = Outbox(path, lambda: 77)
    assert (outbox.epoch, outbox.next_seq, outbox.waiting()) == (77, 1, 0)
    assert path.with_name("outbox.sqlite3.broken").exists()
    outbox.close()


def test_a_raised_epoch_is_higher_than_both_the_last_and_the_clocks(path: Path) -> None:
    clock = [5]
    outbox = Outbox(path, lambda: clock[0])
    outbox.add([saying("a")])
    assert outbox.raise_epoch() == 6
    clock[0] = 100
    assert outbox.raise_epoch() == 100
    outbox.add([saying("b")])
    assert numbers(outbox) == [(5, 1), (100, 1)]
    outbox.close()


def test_an_overflow_gives_up_the_oldest_and_declares_them_once(outbox: Outbox) -> None:
    declared: list[Ranges] = []
    outbox.add([saying(str(number), declared) for number in range(6)])
    assert numbers(outbox) == [(5, 3), (5, 4), (5, 5), (5, 6)]
    assert declared == [(), (), (), (), ((1, 1),), ((2, 2),)]


def test_a_declaration_that_is_itself_given_up_is_made_again(outbox: Outbox) -> None:
    outbox.add([saying(str(number)) for number in range(5)])
    outbox.acknowledge([(5, (2, 4))])
    declared: list[Ranges] = []
    outbox.add([saying(str(number), declared) for number in range(4)])
    assert declared[-1] == ((1, 1), (5, 5))


def test_an_acknowledged_declaration_is_not_made_again(outbox: Outbox) -> None:
    outbox.add([saying(str(number)) for number in range(5)])
    outbox.acknowledge([(5, (2, 5))])
    declared: list[Ranges] = []
    outbox.add([saying("x", declared)])
    assert declared == [()]


def test_a_refused_message_is_set_aside_with_its_reason(outbox: Outbox) -> None:
    (message, _) = outbox.add([saying("a"), saying("b")])
    outbox.set_aside(fingerprint(message.payload), "too-big")
    outbox.set_aside(fingerprint(b"another's"), "too-big")
    assert numbers(outbox) == [(5, 2)]
    assert [(one.message, one.reason) for one in outbox.refused()] == [(message, "too-big")]


def test_a_sealer_that_fails_leaves_no_number_used(outbox: Outbox) -> None:
    def fail(_epoch: int, _seq: int, _lost: Ranges) -> bytes:
        raise ValueError("too big")

    with pytest.raises(ValueError, match="too big"):
        outbox.add([saying("a"), fail])
    assert (outbox.next_seq, outbox.waiting()) == (1, 0)


def test_a_restored_message_waits_again_under_its_old_number(outbox: Outbox) -> None:
    (message,) = outbox.add([saying("a")])
    outbox.acknowledge([(5, (1, 1))])
    outbox.restore(message)
    outbox.restore(message)
    assert outbox.oldest(10) == (message,)
    assert outbox.next_seq == 2
