"""Every entity in its table, and what the tables forbid whatever races."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, MetaData, event, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import CreateTable
from sqlmodel import SQLModel

from gateway.domain.approval import Approval, ApprovalState
from gateway.domain.cart import Cart, CartState
from gateway.domain.errors import NotFound
from gateway.domain.household import Household, Member
from gateway.domain.order import Order, OrderState
from gateway.domain.payment import (
    Attempt,
    AttemptState,
    JournalEntry,
    Operation,
    OperationKind,
    OperationState,
    Posting,
)
from gateway.domain.records import MerchantAccount, Message
from gateway.domain.replenishment import Plan, PlanState
from gateway.domain.stock import Device, Reading, Supply, Verdict
from gateway.steps.ports import TooManyRows, Transaction
from gateway.store import mapping, migrate, statements, unit_of_work
from gateway.store.engine import open_engine, sqlite_url
from tests.builders import HOME, IN_ORDER, WITHOUT_HOUSEHOLD, build, whole_story
from tests.homes import home
from tests.rig import Rig

OpenRig = Callable[..., Rig]


def test_the_builders_know_every_entity_there_is_a_table_for() -> None:
    assert set(IN_ORDER) == set(mapping.ROWS)


# The ledger's rows are written once; the database refuses to change them (test_ledger_append_only.py).
CHANGED = [kind for kind in IN_ORDER if kind not in {JournalEntry, Posting}]


@pytest.mark.parametrize("kind", IN_ORDER, ids=lambda kind: kind.__name__)
def test_an_entity_comes_back_as_it_was_written(open_rig: OpenRig, kind: type[Any]) -> None:
    rig = open_rig(*whole_story())
    written = build(kind)
    with rig.store.read() as tx:
        assert tx.get(kind, HOME, written.id) == written
    if kind in CHANGED:
        rig.save(written)
    with rig.store.read() as tx:
        assert tx.get(kind, HOME, written.id) == written
        assert tx.find(kind, None, id=written.id) == [written]


@pytest.mark.parametrize("kind", CHANGED, ids=lambda kind: kind.__name__)
def test_a_key_is_not_written_again_for_sqlite_would_look_for_it_in_every_table(
    open_rig: OpenRig, kind: type[Any]
) -> None:
    rig = open_rig(*whole_story())
    said: list[str] = []
    event.listen(rig.engine, "before_cursor_execute", lambda _c, _cursor, statement, *_: said.append(statement))
    rig.save(build(kind))
    (update,) = [one for one in said if one.startswith("UPDATE")]
    written = update.partition(" SET ")[2].partition(" WHERE ")[0]
    assert [name for name in statements.key(kind) if f"{name}=?" in written.split(", ")] == []


@pytest.mark.parametrize("kind", [kind for kind in IN_ORDER if kind not in WITHOUT_HOUSEHOLD], ids=lambda k: k.__name__)
def test_another_households_row_is_not_found(open_rig: OpenRig, kind: type[Any]) -> None:
    rig = open_rig(*whole_story(), build(Household, id="else", household_id="else"))
    one = build(kind)
    with rig.store.read() as tx:
        with pytest.raises(NotFound):
            tx.get(kind, "else", one.id)
        assert tx.seek(kind, "else", one.id) is None
        assert one not in tx.find(kind, "else")
        assert one not in list(tx.every(kind, "else"))


def test_what_is_gone_cannot_be_saved(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    with pytest.raises(NotFound):
        rig.save(build(Supply, id="never"))


def test_a_row_cannot_refer_to_another_households(open_rig: OpenRig) -> None:
    rig = open_rig(*home(), build(Household, id="else", household_id="else"))
    with pytest.raises(IntegrityError):
        rig.add(build(Reading, household_id="else"))


def test_a_page_goes_on_where_the_last_one_ended(open_rig: OpenRig) -> None:
    readings = [build(Reading, id=f"reading-{number:03d}", seq=number) for number in range(10)]
    rig = open_rig(*home(), *readings)
    first = rig.rows(Reading, newest=4)
    assert [one.seq for one in first] == [9, 8, 7, 6]
    assert [one.seq for one in rig.rows(Reading, newest=4, before=first[-1].id)] == [5, 4, 3, 2]


def test_rows_are_found_by_any_of_several_values_and_by_none(open_rig: OpenRig) -> None:
    rig = open_rig(*home(), build(Reading), build(Reading, id="second", state="low", verdict=Verdict.PENDING))
    wanted = frozenset({Verdict.PENDING, Verdict.OUTLIER})
    assert [one.id for one in rig.rows(Reading, verdict=wanted)] == ["second"]
    assert [one.id for one in rig.rows(Reading, state=None)] == ["reading"]
    assert rig.rows(Reading, verdict=frozenset[str]()) == []


def test_more_rows_than_fit_in_one_answer_are_refused_and_never_cut_off(
    open_rig: OpenRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unit_of_work, "MAX_FOUND", 3)
    rig = open_rig(*home(), *(build(Reading, id=f"reading-{number}", seq=number) for number in range(3)))
    assert len(rig.rows(Reading)) == 3
    rig.add(build(Reading, id="reading-3", seq=3))
    with pytest.raises(TooManyRows, match="more than 3 rows of Reading"):
        rig.rows(Reading)
    assert len(rig.rows(Reading, newest=3)) == 3
    with pytest.raises(TooManyRows):
        rig.rows(Reading, newest=4)


def test_every_row_is_read_page_after_page_of_one_household_or_of_all(
    open_rig: OpenRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unit_of_work, "PAGE", 2)
    others = [build(Household, id=f"home-{number}", household_id=f"home-{number}") for number in range(4)]
    devices = [build(Device, id=f"{one.id}-{place}", household_id=one.id) for one in others for place in (2, 1, 3)]
    rig = open_rig(*others, *devices, build(MerchantAccount), build(MerchantAccount, id="second"))
    with rig.store.read() as tx:
        assert [one.id for one in tx.every(Device, "home-2")] == ["home-2-1", "home-2-2", "home-2-3"]
        assert {one.id for one in tx.every(Device, None)} == {one.id for one in devices}
        assert len(list(tx.every(Device, None))) == len(devices)
        assert [one.id for one in tx.every(Device, None, id=frozenset({"home-1-1", "home-3-2"}))] == [
            "home-1-1",
            "home-3-2",
        ]
        assert [one.id for one in tx.every(Household, None)] == [one.id for one in others]
        assert len(list(tx.every(MerchantAccount, None))) == 2
        assert list(tx.every(Device, None, owned_until_us=0)) == []


def test_the_waiting_readings_are_found_without_reading_a_slots_whole_history(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    is_sqlite = rig.engine.dialect.name == "sqlite"
    with rig.engine.connect() as connection:
        if not is_sqlite:
            connection.execute(text("SET LOCAL enable_seqscan = off"))  # which an empty table is better read by
        search = (
            "SELECT * FROM reading WHERE household_id = 'home' AND slot_id = 'milk-slot'"
            " AND verdict = 'pending' ORDER BY id DESC LIMIT 20"
        )
        plan = connection.execute(text(f"{'EXPLAIN QUERY PLAN' if is_sqlite else 'EXPLAIN'} {search}")).all()
    assert "reading_waiting" in str(plan)


ALREADY_ONE: list[tuple[str, Any, Any]] = [
    (
        "live plan for a supply",
        build(Plan, id="second", state=PlanState.OPEN),
        build(Plan, id="second", state=PlanState.DROPPED),
    ),
    (
        "standing approval of a cart",
        build(Approval, id="second"),
        build(Approval, id="second", state=ApprovalState.UNDONE),
    ),
    (
        "live attempt for a cart",
        build(Attempt, id="second", state=AttemptState.UNKNOWN),
        build(Attempt, id="second", state=AttemptState.VOIDED),
    ),
    (
        "live order for a cart",
        build(Order, id="second", state=OrderState.PLACING),
        build(Order, id="second", state=OrderState.REJECTED),
    ),
    (
        "operation of a kind on a subject",
        build(Operation, id="second", kind=OperationKind.AUTHORIZE),
        build(Operation, id="second", kind=OperationKind.AUTHORIZE, state=OperationState.DECLINED),
    ),
]


@pytest.mark.parametrize(("what", "second", "ended"), ALREADY_ONE, ids=[case[0] for case in ALREADY_ONE])
def test_there_is_at_most_one(open_rig: OpenRig, what: str, second: object, ended: object) -> None:
    assert what
    rig = open_rig(*whole_story())
    with pytest.raises(IntegrityError):
        rig.add(second)
    rig.add(ended)


def test_a_savepoint_undoes_only_what_was_written_inside(open_rig: OpenRig) -> None:
    rig = open_rig(*home())

    def fail_inside(tx: Transaction) -> None:
        with tx.savepoint():
            tx.add(build(Member, id="inside", email="inside@example.org"))
            raise ValueError("inside")

    with rig.store.begin() as tx:
        tx.add(build(Member, id="before", email="before@example.org"))
        with pytest.raises(ValueError, match="inside"):
            fail_inside(tx)
    assert {one.id for one in rig.rows(Member)} == {"ana", "before"}


def test_an_exception_leaves_nothing_behind(open_rig: OpenRig) -> None:
    rig = open_rig(*home())

    def fail_at_the_end() -> None:
        with rig.store.begin() as tx:
            tx.save(replace(tx.get(Supply, HOME, "milk"), sealed_quantity=9.0))
            tx.enqueue("plan", HOME, "milk", due_us=0)
            tx.move_cursor("inbox", 7)
            raise ValueError("at the end")

    with pytest.raises(ValueError, match="at the end"):
        fail_at_the_end()
    assert rig.the(Supply).sealed_quantity == 0
    assert rig.waiting() == []
    with rig.store.read() as tx:
        assert tx.cursor("inbox") == 0


def test_a_reader_sees_one_view_while_another_writes(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    with rig.store.read() as tx:
        before = tx.get(Device, HOME, "fridge")
        rig.save(replace(before, name="Renamed"))
        assert tx.get(Device, HOME, "fridge") == before
    assert rig.the(Device).name == "Renamed"


def test_the_migrations_make_exactly_the_tables(bare: Engine) -> None:
    engine = bare
    migrate.upgrade(engine)
    current, newest = migrate.versions(engine)
    assert current == newest
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), SQLModel.metadata)
    assert differences == []


def test_what_the_first_version_wrote_is_still_there_after_every_migration(bare: Engine) -> None:
    engine = bare
    migrate.upgrade(engine, "0001")
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO household (id, household_id, name, time_zone, currency, created_us)"
                " VALUES ('old', 'old', 'Old Street', 'UTC', 'EUR', 7)"
            )
        )
        connection.execute(
            text(
                "INSERT INTO work (id, step, household_id, subject_id, due_us, not_before_wall_us,"
                " lease_until_wall_us, lease_holder, fence, generation, tries, last_error)"
                " VALUES ('w', 'place', 'old', 'cart', 7, 0, 0, '', 3, 0, 0, '')"
            )
        )
    migrate.upgrade(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT name FROM household")).all() == [("Old Street",)]
        assert connection.execute(text("SELECT fence, counterpart FROM work")).all() == [(3, "")]


def test_carts_and_messages_from_before_are_called_by_the_words_of_today(bare: Engine) -> None:
    migrate.upgrade(bare, "0020")
    tables = MetaData()
    with bare.begin() as connection:
        tables.reflect(connection)
        for entity in (
            build(Household),
            build(MerchantAccount),
            build(Cart, id="old"),
            build(Cart, id="waits"),
            build(Message, kind="mandate_withdrawn"),
        ):
            values = mapping.to_values(entity) | ({"state": "withdrawn"} if entity.id == "old" else {})
            connection.execute(tables.tables[mapping.row_type(type(entity)).__tablename__].insert(), values)
    migrate.upgrade(bare)
    with bare.connect() as connection:
        assert connection.execute(text("SELECT id, state FROM cart ORDER BY id")).all() == [
            ("old", CartState.DROPPED),
            ("waits", build(Cart).state),
        ]
        assert connection.execute(text("SELECT kind FROM message")).all() == [("mandate_ended",)]


def test_to_migrate_twice_changes_nothing(bare: Engine) -> None:
    schemas = []
    for _ in range(2):
        migrate.upgrade(bare)
        with bare.connect() as connection:
            tables = MetaData()
            tables.reflect(connection)
            made = [str(CreateTable(table)) for table in tables.sorted_tables]
            schemas.append((made, connection.execute(text("SELECT version_num FROM alembic_version")).all()))
    assert schemas[0] == schemas[1]
    assert len(schemas[0][1]) == 1


def test_a_commit_is_on_the_disk_before_it_is_told(tmp_path: Path) -> None:
    engine = open_engine(sqlite_url(tmp_path))
    full = 2
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA synchronous")).scalar() == full
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
    engine.dispose()


def test_a_cart_without_amounts_of_its_own_keeps_its_nothing(open_rig: OpenRig) -> None:
    rig = open_rig(*whole_story())
    cart = build(Cart, promised_us=None, decide_by_us=None, needs_person=("a", "b"), free_delivery_from_minor=None)
    rig.save(cart)
    assert rig.the(Cart) == cart
