"""The ledger is append-only: the database itself refuses what no step does."""

from collections.abc import Callable

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from gateway.domain.payment import JournalEntry, Posting
from gateway.steps.money.books import post
from payments import ledger
from payments.money import Money
from tests.builders import HOME
from tests.homes import home
from tests.rig import Rig

OpenRig = Callable[..., Rig]


@pytest.fixture
def with_journal(open_rig: OpenRig) -> Rig:
    rig = open_rig(*home())
    with rig.store.begin() as tx:
        held = ledger.hold("pay", ledger.provider_clearing("sandbox"), ledger.merchant_payable("shop"), Money(5, "EUR"))
        post(tx, HOME, [held], memo="held", at_us=rig.clock.now)
    return rig


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE posting SET amount_minor = amount_minor + 1",
        "DELETE FROM posting",
        "UPDATE journal SET memo = 'else'",
        "DELETE FROM journal",
    ],
)
def test_what_is_written_is_neither_changed_nor_deleted(with_journal: Rig, statement: str) -> None:
    rig = with_journal
    before = (rig.rows(JournalEntry), rig.rows(Posting))
    with rig.engine.begin() as connection, pytest.raises(DatabaseError, match="the ledger is append-only"):
        connection.execute(text(statement))
    assert (rig.rows(JournalEntry), rig.rows(Posting)) == before


def test_one_operation_has_one_journal_of_a_kind_however_often_it_is_posted(with_journal: Rig) -> None:
    rig = with_journal
    with rig.store.begin() as tx:
        held = ledger.hold("pay", ledger.provider_clearing("sandbox"), ledger.merchant_payable("shop"), Money(9, "EUR"))
        post(tx, HOME, [held], memo="held", at_us=rig.clock.now)
    assert [leg.amount_minor for leg in rig.rows(Posting)] == [5, -5]
