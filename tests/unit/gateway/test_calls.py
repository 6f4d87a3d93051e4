"""Who may call out at once: nobody holds more places than stay free for the others."""

import threading
from collections import Counter

import pytest

from gateway.domain.records import HouseholdItem, WorkItem
from gateway.steps import CALLS_OUT, FOR_OPERATOR, INSIDE
from gateway.steps.counterparts import CALLING
from gateway.worker import Calls


def work(number: int, counterpart: str, household_id: str | None = None) -> WorkItem:
    """Return one claimed item, of a household of its own unless one is named."""
    return HouseholdItem(
        id=f"work-{number}",
        step="fill",
        household_id=household_id or f"household-{number}",
        subject_id="",
        fence=1,
        generation=0,
        tries=1,
        counterpart=counterpart,
    )


def hang(calls: Calls, *items: WorkItem) -> threading.Event:
    """Let these items be under way until the event is set."""
    go_on = threading.Event()
    for item in items:
        calls.start(item, lambda: go_on.wait(10), 0)
    return go_on


def test_one_counterpart_takes_half_of_the_places_and_a_second_half_of_the_rest() -> None:
    calls = Calls(16)
    waiting = [work(number, f"shop-{number // 100}") for number in range(400)]
    chosen = Counter(item.counterpart for item in calls.choose(waiting))
    assert chosen == {"shop-0": 8, "shop-1": 4, "shop-2": 2, "shop-3": 1}


def test_whoever_else_asks_while_one_hangs_finds_a_place() -> None:
    calls = Calls(4)
    stuck = [work(number, "bank") for number in range(100)]
    go_on = hang(calls, *calls.choose(stuck))
    try:
        assert calls.free == 2
        assert calls.choose(stuck[10:]) == []
        other = work(200, "shop")
        assert calls.choose([*stuck[10:], other]) == [other]
    finally:
        go_on.set()
    assert calls.wait(10)
    assert calls.ended() == (2, 0)
    assert calls.ended() == (0, 0)


def test_one_household_leaves_places_to_the_others() -> None:
    calls = Calls(8)
    busy = [work(number, f"shop-{number}", "busy") for number in range(50)]
    calm = work(99, "shop-99", "calm")
    chosen = calls.choose([*busy, calm])
    assert Counter(item.household_id for item in chosen) == {"busy": 4, "calm": 1}


@pytest.mark.parametrize("places", [2, 3, 64])
def test_all_that_is_chosen_fits_into_the_places(places: int) -> None:
    calls = Calls(places)
    waiting = [work(number, f"shop-{number}") for number in range(200)]
    assert 0 < len(calls.choose(waiting)) <= places


def test_what_reckons_has_one_place_at_most() -> None:
    calls = Calls(16)
    advice = [work(number, "challenge") for number in range(5)]
    (first,) = calls.choose(advice)
    go_on = hang(calls, first)
    assert calls.choose(advice) == []
    go_on.set()
    assert calls.wait(10)


def test_an_item_that_is_under_way_is_not_begun_again() -> None:
    calls = Calls(16)
    item = work(1, "bank")
    go_on = hang(calls, item)
    assert calls.choose([item]) == []
    go_on.set()
    assert calls.wait(10)
    assert calls.choose([item]) == [item]


def test_what_breaks_leaves_its_place() -> None:
    calls = Calls(2)

    def fail() -> bool:
        return False

    calls.start(work(1, "bank"), fail, 0)
    assert calls.wait(10)
    assert calls.free == 2
    assert calls.ended() == (0, 1)


def test_a_wait_ends_when_its_time_is_over_whatever_hangs() -> None:
    calls = Calls(2)
    go_on = hang(calls, work(1, "bank"))
    assert not calls.wait(0.01)
    assert [one.item.id for one in calls.underway()] == ["work-1"]
    go_on.set()
    assert calls.wait(10)


def test_every_step_is_known_to_call_or_to_stay() -> None:
    stays = set(INSIDE) | {"record", "notice", "approve", "renew", "prune"}
    assert stays | CALLING == set(INSIDE) | set(CALLS_OUT) | set(FOR_OPERATOR)
    assert stays & CALLING == set()


def test_a_machine_without_another_thread_frees_the_place_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_more(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    calls = Calls(4)
    item = work(1, "bank")
    with monkeypatch.context() as exhausted:
        exhausted.setattr(threading.Thread, "start", no_more)
        with pytest.raises(RuntimeError, match="new thread"):
            calls.start(item, lambda: True, 0)
    assert calls.underway() == []
    assert calls.choose([item]) == [item]
    calls.start(item, lambda: True, 0)
    assert calls.wait(10)
    assert calls.ended() == (1, 0)
