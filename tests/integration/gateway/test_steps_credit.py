"""What the operator gives a household: one growth of the balance and one journal, whatever crashes or is lost."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import Engine, MetaData, text

from gateway.domain.credit import MOST_GIFT_MINOR, Credit, CreditState
from gateway.domain.errors import Invalid, NotFound
from gateway.domain.household import Household
from gateway.domain.payment import IDLE_DAYS, Account, JournalEntry, Mandate, MethodState, PaymentMethod, Posting
from gateway.domain.records import Act, Message
from gateway.steps.acts.gift import give_credit
from gateway.steps.credit import MOST_TRIES, credit
from gateway.steps.money.review import review
from gateway.store import mapping, migrate
from tests.balance_keeper import balance_of, credited, with_balance
from tests.builders import HOME, build
from tests.homes import home
from tests.rig import Rig

OpenRig = Callable[..., Rig]
REASON = "for the lost parcel"


def give(rig: Rig, amount_minor: int = 2_000) -> Credit:
    with rig.store.begin() as tx:
        return give_credit(tx, HOME, amount_minor, by="operator", reason=REASON, now_us=rig.clock.now)


def booked(rig: Rig) -> dict[str, int]:
    kinds = {one.id: one.kind for one in rig.rows(Account)}
    return {kinds[one.account_id]: one.amount_minor for one in rig.rows(Posting)}


def test_a_gift_is_kept_as_an_act_booked_once_and_shown_with_its_reason(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    providers = with_balance(rig)
    give(rig)
    rig.work_off()
    assert balance_of(providers) == 2_000
    assert rig.the(Credit).state is CreditState.CREDITED
    assert booked(rig) == {"gift_expense": 2_000, "household_balance": -2_000}
    assert [(one.by, one.verb, one.reason) for one in rig.rows(Act)] == [("operator", "give_credit", REASON)]
    assert [one.kind for one in rig.rows(Message)] == ["gift", "credited"]
    assert all(REASON in one.text for one in rig.rows(Message))
    assert rig.differences() == []


@pytest.mark.parametrize("before", [True, False])
def test_a_lost_answer_is_asked_for_again_under_the_same_key(open_rig: OpenRig, before: bool) -> None:
    rig = open_rig(*home())
    providers = with_balance(rig)
    setattr(providers.balance, "lost_before" if before else "lost_after", 2)
    given = give(rig)
    rig.run_round()
    assert rig.rows(JournalEntry) == []
    assert rig.differences() == []
    rig.work_off()
    assert (set(providers.balance.asked), credited(providers)) == ({given.id}, [2_000])
    assert booked(rig) == {"gift_expense": 2_000, "household_balance": -2_000}
    assert rig.differences() == []


@pytest.mark.parametrize("at", [1, 2])
def test_a_crash_after_any_commit_of_a_gift_gives_it_once(open_rig: OpenRig, at: int) -> None:
    rig = open_rig(*home())
    providers = with_balance(rig)
    give(rig)
    rig.bomb.at = rig.bomb.passed + at
    assert rig.survive(rig.run_round)
    rig.work_off()
    assert credited(providers) == [2_000]
    assert rig.the(Credit).state is CreditState.CREDITED
    assert len(rig.rows(JournalEntry)) == 1
    assert rig.differences() == []


@pytest.mark.parametrize("amount_minor", [0, -1, MOST_GIFT_MINOR + 1])
def test_a_gift_out_of_reason_is_refused(open_rig: OpenRig, amount_minor: int) -> None:
    rig = open_rig(*home())
    with_balance(rig)
    with pytest.raises(Invalid, match="above zero"):
        give(rig, amount_minor)
    assert rig.rows(Credit) == rig.rows(Act) == []


def test_a_gift_needs_a_household_with_a_stored_balance(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    with pytest.raises(Invalid, match="no stored balance"):
        give(rig)
    with pytest.raises(NotFound), rig.store.begin() as tx:
        give_credit(tx, "nobody", 100, by="operator", reason=REASON, now_us=rig.clock.now)


def test_a_frozen_balance_still_grows_for_that_is_no_debit(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    providers = with_balance(rig)
    (method,) = rig.rows(PaymentMethod, id="balance")
    rig.save(replace(method, state=MethodState.FROZEN))
    give(rig)
    rig.work_off()
    assert balance_of(providers) == 2_000


def test_a_credit_nobody_ever_answers_is_left_to_the_operator_and_neither_booked_nor_failed(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    with_balance(rig)
    rig.add(build(Credit, payment_method_id="balance"))
    rig.enqueue("credit", "credit")
    credit(replace(rig.claim("credit"), tries=MOST_TRIES + 1), rig.services)
    assert rig.waiting("credit") == []
    assert rig.the(Credit).state is CreditState.MANUAL_REVIEW
    assert rig.rows(JournalEntry) == []
    assert [one.verb for one in rig.rows(Act)] == ["credit_left_open"]
    assert [one.kind for one in rig.rows(Message)] == ["credit_unknown"]
    with rig.store.read() as tx:
        assert [(one.what, one.subject_id) for one in review(tx)] == [("credit", "credit")]


# A data directory from before


def test_what_waited_as_a_top_up_becomes_a_gift_under_its_key_and_what_stands_is_watched(bare: Engine) -> None:
    engine = bare
    migrate.upgrade(engine, "0018")
    with engine.begin() as connection:
        before = MetaData()
        before.reflect(connection)
        for entity in (build(Household), build(PaymentMethod), build(Mandate)):
            table = before.tables[mapping.row_type(type(entity)).__tablename__]
            values = {name: value for name, value in mapping.to_values(entity).items() if name in table.c}
            connection.execute(table.insert(), values)
        connection.execute(
            text(
                "INSERT INTO work (id, step, household_id, subject_id, due_us, not_before_wall_us, lease_until_wall_us,"
                " lease_holder, fence, generation, tries, last_error)"
                " VALUES ('w', 'top_up', :home, 'method/key/500', 7, 0, 0, '', 0, 0, 0, '')"
            ),
            {"home": HOME},
        )
    migrate.upgrade(engine)
    with engine.connect() as connection:
        owed = connection.execute(text("SELECT id, payment_method_id, amount_minor, state FROM credit")).all()
        work = connection.execute(text("SELECT step, subject_id FROM work ORDER BY step")).all()
        idle = connection.execute(text("SELECT idle_days FROM mandate")).all()
    assert owed == [("key", "method", 500, "owed")]
    assert work == [("credit", "key"), ("expire", "idle/mandate")]
    assert idle == [(IDLE_DAYS,)]
