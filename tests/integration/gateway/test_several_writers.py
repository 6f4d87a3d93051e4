"""Several processes write at once, on threads and connections of their own: what each decides on stays true."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from gateway.domain.approval import Approval
from gateway.domain.cart import Cart, CartState, Line
from gateway.domain.household import Household
from gateway.domain.payment import Attempt, Mandate, Reservation
from gateway.domain.replenishment import Forecast, Plan
from gateway.domain.stock import Supply
from gateway.steps import CALLS_OUT
from gateway.steps.ports import LeaseLost
from gateway.store.unit_of_work import LEASE_US
from gateway.store.work_queue import WorkQueue
from gateway.worker import Worker
from tests.builders import HOME, build
from tests.homes import home, supply
from tests.rig import Rig

OpenRig = Callable[..., Rig]
THREADS = 20


def all_at_once(act: Callable[[int], object], times: int, *, threads: int = THREADS) -> list[BaseException | None]:
    """Do something many times on threads that begin together; return what each ended with."""
    together = threading.Barrier(threads)

    def one(number: int) -> None:
        if number < threads:
            together.wait(30)
        act(number)

    with ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(one, number) for number in range(times)]
        return [future.exception() for future in futures]


def approved(kind: str) -> list[object]:
    """A cart of one supply that her standing permission covered, with all that led to it."""
    return [
        build(Forecast, id=f"forecast-{kind}", supply_id=kind),
        build(Plan, id=f"plan-{kind}", supply_id=kind, forecast_id=f"forecast-{kind}", pack_option_id=f"{kind}-pack"),
        build(Cart, id=f"cart-{kind}", state=CartState.APPROVED),
        build(
            Line,
            id=f"line-{kind}",
            cart_id=f"cart-{kind}",
            plan_id=f"plan-{kind}",
            supply_id=kind,
            pack_option_id=f"{kind}-pack",
        ),
        build(Approval, id=f"approval-{kind}", cart_id=f"cart-{kind}", by_mandate=True),
    ]


def test_two_workers_at_once_never_reserve_more_than_a_permission_allows(open_rig: OpenRig) -> None:
    kinds = ["milk", *(f"kind-{number}" for number in range(7))]
    supplies = [row for kind in kinds[1:] for row in supply(kind)]
    rig = open_rig(*home(), *supplies, *(row for kind in kinds for row in approved(kind)))
    total = rig.rows(Cart)[0].total_minor
    rig.save(replace(rig.the(Mandate), standing=True, per_period_minor=2 * total))
    for kind in kinds:
        rig.enqueue("authorize", f"cart-{kind}")
    items = [
        WorkQueue(rig.engine, f"worker-{n}", rig.clock.wall_us).claim(rig.clock.now, limit=4, per_household=4)
        for n in range(2)
    ]

    def work(number: int) -> None:
        for item in items[number]:
            CALLS_OUT["authorize"](item, rig.services)

    assert all_at_once(work, 2, threads=2) == [None, None]
    assert [one.amount_minor for one in rig.rows(Reservation)] == [total, total]
    assert rig.bank.held_minor == 2 * total
    asked = [one for one in rig.rows(Cart) if one.state is CartState.AWAITING_APPROVAL]
    assert len(asked) == len(kinds) - 2


def test_what_one_writer_decides_on_no_other_changes_before_its_commit(open_rig: OpenRig) -> None:
    """Each reads, adds one and writes back: without one writer at a time most of these would be lost."""
    rig = open_rig(*home())

    def add_one(_: int) -> None:
        with rig.store.begin() as tx:
            milk = tx.get(Supply, HOME, "milk")
            tx.save(replace(milk, sealed_quantity=milk.sealed_quantity + 1))

    assert set(all_at_once(add_one, 60, threads=6)) == {None}
    assert rig.the(Supply).sealed_quantity == 60


def test_what_was_found_among_all_households_is_read_again_under_their_places(open_rig: OpenRig) -> None:
    rig = open_rig(*home())

    def add_one(_: int) -> None:
        with rig.store.begin() as tx:
            (milk,) = tx.find(Supply, None, id="milk")
            tx.save(replace(milk, sealed_quantity=milk.sealed_quantity + 1))

    assert set(all_at_once(add_one, 60, threads=6)) == {None}
    assert rig.the(Supply).sealed_quantity == 60


def test_two_that_write_for_several_households_do_not_wait_for_each_other_in_a_ring(open_rig: OpenRig) -> None:
    names = [f"home-{number}" for number in range(12)]
    rig = open_rig(*(build(Household, id=name, household_id=name) for name in names))

    def rename(number: int) -> None:
        with rig.store.begin() as tx:
            tx.take(names)
            for name in names if number % 2 else reversed(names):
                tx.save(replace(tx.get(Household, name, name), name=f"by {number}"))

    assert set(all_at_once(rename, 24, threads=4)) == {None}
    assert len({one.name for one in rig.rows(Household, None)}) == 1


def test_a_savepoint_that_is_undone_gives_back_the_places_taken_inside(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    with rig.store.begin() as tx:
        with pytest.raises(ZeroDivisionError), tx.savepoint():
            assert 1 / (0 * len(tx.find(Supply, HOME)))
        milk = tx.get(Supply, HOME, "milk")
        tx.save(replace(milk, sealed_quantity=3.0))
    assert rig.the(Supply).sealed_quantity == 3


def test_two_workers_and_one_that_slept_through_its_lease_debit_once(with_cart: OpenRig) -> None:
    rig = with_cart()
    rig.say_yes()
    zombie = rig.claim("authorize")
    rig.clock.wall += LEASE_US + 1
    workers = [Worker(rig.services, WorkQueue(rig.engine, f"worker-{n}", rig.clock.wall_us)) for n in range(2)]

    def work(number: int) -> None:
        if number < 2:
            workers[number].run_once()
        else:
            CALLS_OUT["authorize"](zombie, rig.services)

    *_, late = all_at_once(work, 3, threads=3)
    assert late is None or isinstance(late, LeaseLost)
    rig.clock.wall += LEASE_US + 1
    rig.work_off()
    rig.shop.ship()
    rig.pass_days(0.2)
    assert [amount.amount_minor for _, amount in rig.bank.captures.values()] == [rig.the(Attempt).amount_minor]
    assert rig.bank.held_minor == 0
    assert rig.differences() == []
