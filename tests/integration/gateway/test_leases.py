"""Leases of a process that was killed."""

from collections.abc import Callable

import pytest

from gateway.steps.ports import LeaseLost
from gateway.store.work_queue import WorkQueue
from tests.homes import home
from tests.rig import Rig


@pytest.fixture
def rig(open_rig: Callable[..., Rig]) -> Rig:
    return open_rig(*home())


def test_what_a_killed_process_had_leased_is_worked_on_at_once_by_the_one_that_follows(rig: Rig) -> None:
    rig.enqueue("forecast", "milk")
    rig.claim("forecast")
    assert rig.run_round().done == 0
    rig.queue.end_leases()
    assert rig.run_round().done == 1


def test_what_a_worker_elsewhere_has_leased_stays_its_own(rig: Rig) -> None:
    rig.enqueue("forecast", "milk")
    theirs = WorkQueue(rig.engine, "1", rig.clock.wall_us, place="there:/data/")
    ours = WorkQueue(rig.engine, "1", rig.clock.wall_us, place="here:/data/")
    (item,) = theirs.claim(rig.clock.now, limit=64, per_household=64)
    ours.end_leases()
    assert ours.claim(rig.clock.now, limit=64, per_household=64) == []
    theirs.end_leases()
    assert [one.id for one in ours.claim(rig.clock.now, limit=64, per_household=64)] == [item.id]


def test_a_worker_whose_lease_was_ended_can_write_nothing_under_it(rig: Rig) -> None:
    rig.enqueue("forecast", "milk")
    late = rig.claim("forecast")
    rig.queue.end_leases()
    WorkQueue(rig.engine, "the next", rig.clock.wall_us).claim(rig.clock.now, limit=64, per_household=64)
    with pytest.raises(LeaseLost), rig.store.begin() as tx:
        tx.complete(late)
