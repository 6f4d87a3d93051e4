"""Leases, fences, fair shares: rows of work are done once, by whoever holds them."""

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway import steps
from gateway.domain.household import Household
from gateway.domain.records import WorkItem
from gateway.domain.stock import Supply
from gateway.steps.ports import LeaseLost, Transaction
from gateway.store.unit_of_work import LEASE_US, SqlUnitOfWork
from gateway.store.work_queue import FIRST_BACKOFF_US, MAX_BACKOFF_US, WorkQueue
from gateway.worker import Worker, rounds
from tests.builders import HOME, build
from tests.homes import home
from tests.rig import Rig

OpenRig = Callable[..., Rig]


def leave(rig: Rig, *subjects: str, household_id: str | None = HOME, step: str = "plan", due_us: int = 0) -> None:
    with rig.store.begin() as tx:
        for subject in subjects:
            tx.enqueue(step, household_id, subject, due_us=due_us)


def claim(rig: Rig, *, limit: int = 64, per_household: int = 64) -> list[WorkItem]:
    return rig.queue.claim(rig.clock.now, limit=limit, per_household=per_household)


def test_a_leased_item_is_not_claimed_again_before_its_lease_ends(open_rig: OpenRig) -> None:
    rig = open_rig()
    leave(rig, "milk")
    (first,) = claim(rig)
    assert claim(rig) == []
    rig.clock.wall += LEASE_US + 1
    (second,) = claim(rig)
    assert second.id == first.id
    assert second.fence == first.fence + 1


def test_a_zombie_can_neither_hold_nor_complete_nor_give_back(open_rig: OpenRig) -> None:
    rig = open_rig()
    leave(rig, "milk")
    (zombie,) = claim(rig)
    rig.clock.wall += LEASE_US + 1
    (owner,) = claim(rig)
    for act in (Transaction.hold, Transaction.complete):
        with pytest.raises(LeaseLost), rig.store.begin() as tx:
            getattr(tx, act.__name__)(zombie)
    rig.queue.give_back(zombie, "too late")
    with rig.store.begin() as tx:
        tx.hold(owner)
        tx.complete(owner)
    assert rig.waiting() == []


def test_asking_again_while_it_runs_lets_it_run_once_more(open_rig: OpenRig) -> None:
    rig = open_rig()
    leave(rig, "milk")
    (item,) = claim(rig)
    leave(rig, "milk", due_us=5)
    with rig.store.begin() as tx:
        tx.complete(item)
    assert rig.waiting() == [("plan", "milk", 5)]
    assert [one.subject_id for one in claim(rig)] == ["milk"]


def test_taking_work_back_lets_a_running_step_write_nothing(open_rig: OpenRig) -> None:
    rig = open_rig()
    leave(rig, "milk")
    (item,) = claim(rig)
    with rig.store.begin() as tx:
        tx.cancel_work("plan", "milk")
    leave(rig, "milk")
    with pytest.raises(LeaseLost), rig.store.begin() as tx:
        tx.complete(item)
    assert len(rig.waiting()) == 1


def test_work_waits_for_policy_time_and_for_real_time(open_rig: OpenRig) -> None:
    rig = open_rig()
    with rig.store.begin() as tx:
        tx.enqueue("plan", HOME, "later", due_us=rig.clock.now + 1)
        tx.enqueue("plan", HOME, "undo", due_us=0, not_before_wall_us=rig.clock.wall + 1)
    assert claim(rig) == []
    rig.clock.advance(1)
    assert {one.subject_id for one in claim(rig)} == {"later", "undo"}


def test_waiting_work_is_seen_by_step_and_due_time(open_rig: OpenRig) -> None:
    rig = open_rig()
    leave(rig, "milk", due_us=100)
    with rig.store.read() as tx:
        assert tx.is_waiting("plan", "milk")
        assert tx.is_waiting("plan", "milk", due_by_us=100)
        assert not tx.is_waiting("plan", "milk", due_by_us=99)
        assert not tx.is_waiting("forecast", "milk")


def test_a_household_with_much_to_do_leaves_the_others_their_share(open_rig: OpenRig) -> None:
    rig = open_rig()
    leave(rig, *(f"busy-{number:04d}" for number in range(500)), due_us=0)
    leave(rig, "calm", household_id="calm", due_us=10)
    leave(rig, "nobody's", household_id=None, due_us=20)
    claimed = claim(rig, limit=16, per_household=8)
    assert len([one for one in claimed if one.household_id == HOME]) == 8
    assert {one.subject_id for one in claimed} >= {"calm", "nobody's"}


def test_the_oldest_work_is_claimed_first(open_rig: OpenRig) -> None:
    rig = open_rig()
    for subject, due_us in (("third", 30), ("first", 10), ("second", 20)):
        leave(rig, subject, due_us=due_us)
    assert [one.subject_id for one in claim(rig)] == ["first", "second", "third"]


def test_a_failed_item_waits_longer_each_time_and_is_never_dropped(open_rig: OpenRig) -> None:
    rig = open_rig()
    leave(rig, "milk")
    pauses = []
    for _ in range(18):
        (item,) = claim(rig)
        rig.queue.give_back(item, "no route")
        assert claim(rig) == []
        (row,) = rig.queue.waiting(failing_only=True)
        assert row.last_error == "no route"
        pauses.append(row.not_before_wall_us - rig.clock.wall)
        rig.clock.wall = row.not_before_wall_us
    assert pauses[0] == 2 * FIRST_BACKOFF_US
    assert pauses == sorted(pauses)
    assert pauses[-1] == MAX_BACKOFF_US


def test_two_workers_do_each_item_once(open_rig: OpenRig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = open_rig(build(Household))
    done: list[str] = []
    lock = threading.Lock()

    def note(tx: Transaction, item: WorkItem, now_us: int) -> None:
        assert now_us
        assert tx
        with lock:
            done.append(item.subject_id)

    monkeypatch.setattr(rounds, "INSIDE", {"plan": note})
    leave(rig, *(f"supply-{number:03d}" for number in range(300)))
    workers = [
        Worker(rig.services, WorkQueue(rig.engine, f"worker-{number}", rig.clock.wall_us)) for number in range(2)
    ]

    def run(one: Worker) -> None:
        for _ in range(200):
            if one.run_once().done == 0 and one.is_quiescent():
                return

    threads = [threading.Thread(target=run, args=(one,)) for one in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(done) == [f"supply-{number:03d}" for number in range(300)]
    assert rig.waiting() == []


def test_one_bad_item_does_not_keep_its_batch_from_being_done(
    open_rig: OpenRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = open_rig(*home())

    def count(tx: Transaction, item: WorkItem, now_us: int) -> None:
        assert now_us
        if item.subject_id == "bad":
            raise RuntimeError("bad")
        supply = tx.get(Supply, HOME, "milk")
        tx.save(replace(supply, sealed_quantity=supply.sealed_quantity + 1))

    monkeypatch.setattr(rounds, "INSIDE", {"plan": count})
    leave(rig, "good-1", "bad", "good-2")
    did = rig.run_round()
    assert (did.done, did.failed) == (2, 1)
    assert rig.the(Supply).sealed_quantity == 2
    (row,) = rig.queue.waiting(failing_only=True)
    assert (row.subject_id, row.last_error) == ("bad", "RuntimeError: bad")


def test_a_worker_is_quiescent_when_nothing_is_due_now_and_the_inbox_is_recorded(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    assert rig.worker.is_quiescent()
    leave(rig, "milk", due_us=rig.clock.now + 1)
    assert rig.worker.is_quiescent()
    rig.clock.advance(1)
    assert not rig.worker.is_quiescent()
    rig.work_off()
    assert rig.worker.is_quiescent()
    rig.inbox.append(b"rubbish", rig.clock.now)
    assert not rig.worker.is_quiescent()
    rig.work_off()
    rig.inbox.reject(b"rubbish", rig.clock.now)
    assert not rig.worker.is_quiescent()
    rig.work_off()
    assert rig.worker.is_quiescent()


def test_advice_is_never_waited_for(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    leave(rig, "milk", step="challenge")
    assert rig.worker.is_quiescent()


def test_a_stopped_worker_ends_after_its_round(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    thread = threading.Thread(target=rig.worker.run)
    thread.start()
    rig.worker.stop()
    thread.join(timeout=60)
    assert not thread.is_alive()


def test_every_step_of_the_river_and_its_branches_can_be_run() -> None:
    runnable = set(steps.INSIDE) | set(steps.CALLS_OUT) | set(steps.FOR_OPERATOR)
    assert set(steps.RIVER) - runnable == {"receive"}  # the intake calls it
    assert set(steps.BRANCHES) <= runnable
    assert isinstance(SqlUnitOfWork.begin, Callable)


def test_a_row_for_a_household_that_names_none_is_never_run_for_nobody(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    rig.enqueue("capture", "shipment", household_id=None)
    rig.run_round()
    (row,) = rig.queue.waiting(failing_only=True)
    assert row.last_error == "TypeError: capture shipment is for a household, and names none"
