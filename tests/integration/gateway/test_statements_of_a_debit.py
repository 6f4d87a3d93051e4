"""What a debit asks of the database: statements are counted, for a clock tells of the machine and these of the code."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event

from gateway.domain.payment import Attempt, AttemptState
from gateway.domain.records import HouseholdItem
from gateway.steps import CALLS_OUT, CallsOut
from gateway.steps.ports import Services
from tests.homes import home, known_level
from tests.rig import Rig

OpenRig = Callable[..., Rig]
VERBS = ("SELECT", "INSERT", "UPDATE", "DELETE")
# The first debit also looks for its two accounts in the ledger, and makes them.
# A capture also looks whether a person said yes: what a mandate approved waits while a device behind it is frozen.
OF_AUTHORIZE, OF_ITS_ACCOUNTS, OF_CAPTURE = 25, 4, 28


@contextmanager
def counted(rig: Rig) -> Iterator[list[str]]:
    """Note all statements but those that wait for the household's place."""
    said: list[str] = []

    def hear(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if statement.startswith(VERBS) and "pg_advisory" not in statement:
            said.append(statement)

    event.listen(rig.engine, "before_cursor_execute", hear)
    yield said
    event.remove(rig.engine, "before_cursor_execute", hear)


def counting(rig: Rig, step: str, all_said: list[str]) -> CallsOut:
    """Return the step, which notes what it asks of the database."""

    def run(item: HouseholdItem, services: Services) -> None:
        with counted(rig) as said:
            CALLS_OUT[step](item, services)
        all_said.extend(said)

    return run


def test_a_hold_and_a_capture_ask_the_database_no_more_than_they_must(
    open_rig: OpenRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = open_rig(*home(), known_level("milk", 0.15))
    rig.shop.sell("milk-usual", 120)
    rig.enqueue("forecast", "milk")
    rig.pass_days(0.1)
    held: list[str] = []
    captured: list[str] = []
    debits = {"authorize": counting(rig, "authorize", held), "capture": counting(rig, "capture", captured)}
    monkeypatch.setattr("gateway.worker.rounds.CALLS_OUT", CALLS_OUT | debits)
    rig.say_yes()
    rig.work_off()
    rig.shop.ship()
    rig.pass_days(0.2)
    assert rig.the(Attempt).state is AttemptState.CAPTURED
    assert 0 < len(held) <= OF_AUTHORIZE + OF_ITS_ACCOUNTS, "\n".join(held)
    assert 0 < len(captured) <= OF_CAPTURE, "\n".join(captured)
