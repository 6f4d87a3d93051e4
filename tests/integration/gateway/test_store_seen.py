"""Within a writing transaction a row is read once, written where it changed, and read anew after a savepoint."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace

from sqlalchemy import event

from gateway.domain.payment import Account
from gateway.domain.stock import Device, Supply
from tests.builders import build
from tests.homes import home
from tests.rig import HOME, Rig

OpenRig = Callable[..., Rig]


@contextmanager
def statements_of(rig: Rig, *verbs: str) -> Iterator[list[str]]:
    said: list[str] = []

    def hear(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if statement.startswith(verbs):
            said.append(statement)

    event.listen(rig.engine, "before_cursor_execute", hear)
    yield said
    event.remove(rig.engine, "before_cursor_execute", hear)


class Undone(Exception):
    """What was begun is taken back."""


def undone() -> AbstractContextManager[None]:
    return suppress(Undone)


def test_a_row_is_read_once_and_stands_as_it_was_written(open_rig: OpenRig) -> None:
    rig = open_rig(*home(), build(Supply, id="beans"))
    with statements_of(rig, "SELECT supply") as said, rig.store.begin() as tx:
        before = tx.get(Supply, HOME, "beans")
        tx.save(replace(before, name="Coffee"))
        assert tx.get(Supply, HOME, "beans").name == "Coffee"
        assert tx.find(Supply, HOME, id="beans") == [replace(before, name="Coffee")]
    assert len(said) <= 2
    with rig.store.read() as tx:
        assert tx.get(Supply, HOME, "beans").name == "Coffee"


def test_only_what_changed_is_written(open_rig: OpenRig) -> None:
    rig = open_rig(*home(), build(Supply, id="beans"))
    with statements_of(rig, "UPDATE") as said, rig.store.begin() as tx:
        before = tx.get(Supply, HOME, "beans")
        tx.save(before)
        tx.save(replace(before, name="Coffee"))
    (update,) = said
    assert update.partition(" SET ")[2].partition(" WHERE ")[0].split("=")[0] == "name"
    assert "," not in update.partition(" SET ")[2].partition(" WHERE ")[0]


def test_what_a_savepoint_wrote_is_not_known_once_it_was_undone(open_rig: OpenRig) -> None:
    rig = open_rig(*home(), build(Supply, id="beans"))
    with rig.store.begin() as tx:
        before = tx.get(Supply, HOME, "beans")
        with undone(), tx.savepoint():
            tx.save(replace(before, name="Coffee"))
            raise Undone
        assert tx.get(Supply, HOME, "beans") == before
        tx.save(replace(before, name="Coffee"))
    with rig.store.read() as tx:
        assert tx.get(Supply, HOME, "beans").name == "Coffee"


def test_a_row_that_was_removed_is_gone(open_rig: OpenRig) -> None:
    rig = open_rig(*home(), build(Supply, id="beans"))
    with rig.store.begin() as tx:
        tx.remove(tx.get(Supply, HOME, "beans"))
        assert tx.seek(Supply, HOME, "beans") is None


def test_another_household_does_not_find_what_was_read(open_rig: OpenRig) -> None:
    rig = open_rig(*home(), build(Supply, id="beans"))
    with rig.store.begin() as tx:
        tx.get(Supply, HOME, "beans")
        assert tx.seek(Supply, "else", "beans") is None
        assert tx.seek(Device, HOME, "beans") is None


def test_an_account_is_looked_for_once_by_all_transactions_and_only_a_committed_one(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    with undone(), rig.store.begin() as tx:
        tx.account(HOME, "bank", "", "EUR")
        raise Undone
    with rig.store.begin() as tx:
        with undone(), tx.savepoint():
            tx.account(HOME, "bank", "", "EUR")
            raise Undone
        made = tx.account(HOME, "bank", "", "EUR")
        assert tx.account(HOME, "bank", "", "EUR") == made
    with rig.store.begin() as tx:
        assert tx.account(HOME, "bank", "", "EUR") == made
    with statements_of(rig, "SELECT account") as said, rig.store.begin() as tx:
        assert tx.account(HOME, "bank", "", "EUR") == made
        assert tx.account(HOME, "bank", "", "USD") != made
    assert len(said) == 1
    with rig.store.read() as tx:
        assert len(tx.find(Account, HOME)) == 2
