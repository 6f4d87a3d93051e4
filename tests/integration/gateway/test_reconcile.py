"""Reconcile: every planted difference is found with its cause, and nothing else; what is ours is mended, once."""

import random
from collections.abc import Callable

import pytest

from gateway.domain.household import Household
from gateway.domain.reconciliation import EXPLAINED, Cause
from gateway.steps.money.mend import MENDS, mend
from gateway.steps.money.payouts import OPERATOR
from payments.errors import SettlementMismatch
from tests.builders import build
from tests.homes import home
from tests.planted import PLANTS, Expected, Payment, book, pay_out, right
from tests.rig import Rig

OpenRig = Callable[..., Rig]
Plant = Callable[[Rig, int], Expected]
SEED = 20_261_122
MIXES = 100
LOOK_EVERY = 5
# A pay-out that waits to be booked would be booked with the next one: it is planted last.
UNBOOKED = [one for one in PLANTS if one.__name__ == "settlement_not_booked"]
BOOKED = [one for one in PLANTS if one.__name__ != "settlement_not_booked"]


@pytest.fixture
def three_books(open_rig: OpenRig) -> Rig:
    """A household with payments of which all three books agree."""
    rig = open_rig(*home(), build(Household, id=OPERATOR, household_id=OPERATOR, name="Operator"))
    right(rig)
    return rig


def found(rig: Rig) -> list[tuple[Cause, str]]:
    return sorted((one.cause, one.subject_id) for one in rig.reconcile())


def mended(rig: Rig) -> set[tuple[Cause, str]]:
    """Mend what is ours; return what was."""
    done = set()
    for one in rig.reconcile():
        with rig.store.begin() as tx:
            if mend(tx, one, rig.clock.now):
                done.add((one.cause, one.subject_id))
    return done


def test_books_that_agree_have_no_difference(three_books: Rig) -> None:
    assert found(three_books) == []


def test_each_planted_difference_is_found_with_its_cause_and_nothing_else(three_books: Rig) -> None:
    rig, expected = three_books, set[tuple[Cause, str]]()
    for number, plant in enumerate((*BOOKED, *UNBOOKED), start=1):
        expected |= plant(rig, number)
        if number % LOOK_EVERY == 0 or number == len(PLANTS):
            assert found(rig) == sorted(expected), plant.__name__
    done = mended(rig)
    assert done == {one for one in expected if one[0] in MENDS}
    assert found(rig) == sorted(expected - done), "a second run finds what was mended"


def a_random_mix_is_found_whole(rig: Rig, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 — a test's chance, from its printed seed
    plants = chance.sample(BOOKED, chance.randint(5, len(BOOKED)))
    expected = set[tuple[Cause, str]]().union(*(plant(rig, number) for number, plant in enumerate(plants, start=1)))
    assert found(rig) == sorted(expected), f"seed {seed}: {[plant.__name__ for plant in plants]}"


def test_a_random_mix_of_differences_is_found_whole(three_books: Rig) -> None:
    a_random_mix_is_found_whole(three_books, SEED)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(SEED + 1, SEED + 1 + MIXES))
def test_many_random_mixes_of_differences_are_found_whole(three_books: Rig, seed: int) -> None:
    a_random_mix_is_found_whole(three_books, seed)


def test_every_cause_can_be_planted_and_is_explained() -> None:
    assert set(EXPLAINED) == set(Cause)
    assert len(PLANTS) >= len(Cause)


def test_what_was_mended_is_right_once_the_worker_has_run(three_books: Rig) -> None:
    rig = three_books
    names = {"journal_missing", "refund_journal_missing", "reservation_not_freed", "settlement_not_booked"}
    plants = [one for one in PLANTS if one.__name__ in names | {"hold_not_in_ledger", "hold_left_in_ledger"}]
    for number, plant in enumerate(plants, start=1):
        plant(rig, number)
    assert len(mended(rig)) == len(plants)
    rig.work_off()
    assert found(rig) == []


def test_a_pay_out_that_does_not_add_up_is_said_and_the_rest_of_the_list_left(three_books: Rig) -> None:
    def wrong(_since_us: int) -> tuple[()]:
        raise SettlementMismatch("po-9", "its lines are 100, its gross is 90")

    three_books.bank.list_settlements = wrong
    assert [cause for cause, _ in found(three_books)] == [Cause.SETTLEMENT_DOES_NOT_ADD_UP]


def test_since_a_day_only_later_pay_outs_are_looked_at(three_books: Rig) -> None:
    rig = three_books
    payment = Payment(rig, 1).write()
    pay_out(rig, "po-1", (payment.take, payment.minor - 1))
    book(rig)
    assert [cause for cause, _ in found(rig)] == [Cause.SETTLED_OTHER_AMOUNT]
    assert rig.reconcile(since_us=rig.clock.now + 1) == []
