"""Settle, notice and challenge: pay-outs booked to the last minor unit, hints verified, opinions that only advise."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from gateway.domain.cart import Cart
from gateway.domain.order import Order
from gateway.domain.payment import Operation, OperationState
from gateway.domain.records import Notice, NoticeState
from gateway.domain.replenishment import DAY_US, SECOND_US, SecondOpinion
from gateway.steps.challenge import next_night_us
from gateway.steps.notice import MAX_KEPT, MOST_TRIES
from payments.adapter import Notice as Notified
from payments.errors import ConfigError
from tests.builders import build, whole_story
from tests.homes import home, known_level, left, telling
from tests.rig import Rig

OpenRig = Callable[..., Rig]


# Notices


def tell_us(rig: Rig, **changes: object) -> Notice:
    rig.add(build(Notice, household_id=None, **changes))
    rig.enqueue("notice", "notice", household_id=None)
    rig.work_off()
    return rig.the(Notice)


@pytest.mark.parametrize(("source", "name"), [("payment", "sandbox"), ("merchant", "shop")])
def test_a_notice_with_a_wrong_signature_is_refused_and_nothing_done(open_rig: OpenRig, source: str, name: str) -> None:
    rig = open_rig(*home())
    notice = tell_us(rig, source=source, name=name, headers={"x-signature": "forged"})
    assert notice.state is NoticeState.REFUSED
    assert "signature" in notice.reason
    assert rig.waiting() == []


@pytest.mark.parametrize(("source", "name"), [("payment", "sandbox"), ("merchant", "shop")])
def test_a_reference_nobody_knows_is_noted(open_rig: OpenRig, source: str, name: str) -> None:
    rig = open_rig(*home())
    notice = tell_us(rig, source=source, name=name, body=b"never-heard-of")
    assert (notice.state, notice.reason) == (NoticeState.DONE, "names something this gateway does not know")
    assert rig.waiting() == []


def test_a_notice_of_a_shop_that_is_not_set_up_is_refused(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    assert tell_us(rig, source="merchant", name="elsewhere").state is NoticeState.REFUSED


def test_of_refused_notices_the_newest_are_kept_and_what_another_told_us_stays(open_rig: OpenRig) -> None:
    refused = [
        build(Notice, id=f"kept-{number:04}", household_id=None, sha256=f"{number}", state=NoticeState.REFUSED)
        for number in range(MAX_KEPT)
    ]
    other = replace(refused[0], id="kept", source="merchant", name="shop")
    rig = open_rig(*home(), other, *refused)
    rig.add(build(Notice, id="notice", household_id=None, sha256="new", headers={"x-signature": "forged"}))
    rig.enqueue("notice", "notice", household_id=None)
    rig.work_off()
    with rig.services.unit_of_work.read() as tx:
        assert tx.count(Notice, None, state=NoticeState.REFUSED) == MAX_KEPT + 1
        assert [one.id for one in tx.find(Notice, None, oldest=2)] == ["kept", "kept-0001"]
        assert [one.id for one in tx.find(Notice, None, newest=1)] == ["notice"]


def test_a_notice_is_a_hint_and_a_closed_operation_is_not_asked_about_again(open_rig: OpenRig) -> None:
    rig = open_rig(*whole_story()[:2], *whole_story()[3:])
    notice = tell_us(rig, body=b"operation")
    assert (notice.state, notice.reason) == (NoticeState.DONE, "")
    assert rig.the(Operation).state is OperationState.SUCCEEDED
    assert rig.waiting("sync") == []


def test_the_same_notice_twice_is_worked_on_once(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    tell_us(rig, body=b"never-heard-of")
    rig.enqueue("notice", "notice", household_id=None)
    rig.enqueue("notice", "gone", household_id=None)
    rig.work_off()
    assert rig.waiting() == []


def test_notices_that_cannot_be_read_make_room_for_the_next_and_wait_for_a_person(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    tries: list[str] = []

    def without_a_secret(headers: Mapping[str, str], body: bytes) -> Notified:
        tries.append(f"{headers} {body!r}")
        raise ConfigError("the payment secret 'notice_secret' is not set")

    rig.bank.parse_notice = without_a_secret
    notice = tell_us(rig)
    assert (notice.state, len(tries)) == (NoticeState.SET_ASIDE, MOST_TRIES)
    assert rig.waiting("notice") == []


def test_a_notice_that_makes_an_adapter_fail_waits_no_longer_than_any_other(open_rig: OpenRig) -> None:
    rig = open_rig(*home())

    def broken(headers: Mapping[str, str], body: bytes) -> Notified:
        raise ValueError(f"{headers} {body!r}")

    rig.bank.parse_notice = broken
    assert tell_us(rig).state is NoticeState.SET_ASIDE


# Challenge


def say_each_day(rig: Rig, left_each_day: list[float]) -> None:
    for number, quantity in enumerate(left_each_day, start=1):
        rig.inbox.append(telling(1, number, left("milk", quantity)), rig.clock.now)
        rig.clock.advance(DAY_US)
    rig.work_off()


def test_a_second_opinion_that_needs_more_days_is_asked_for_again_when_there_are_enough(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    say_each_day(rig, [0.9, 0.8, 0.7, 0.6])
    rig.enqueue("challenge", "milk")
    rig.work_off()
    opinion = rig.the(SecondOpinion)
    assert opinion.note == "It needs 14 known days, and use on 5 of them."
    assert opinion.p50_us is None
    ((_, _, due_us),) = rig.waiting("challenge")
    known_days = 3
    later_us = rig.clock.now + (14 - known_days - 1) * DAY_US
    assert due_us == next_night_us(later_us, "Europe/Madrid")


def test_a_second_opinion_is_asked_for_every_night_and_orders_nothing(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    say_each_day(rig, [0.98 - 0.04 * day - 0.01 * (day % 3) for day in range(20)])
    before = (rig.rows(Cart), rig.rows(Order))
    rig.enqueue("challenge", "milk")
    rig.work_off()
    opinion = rig.the(SecondOpinion)
    assert opinion.note.startswith("19 days of use")
    assert opinion.p50_us is not None
    assert (rig.rows(Cart), rig.rows(Order)) == before
    ((_, _, due_us),) = rig.waiting("challenge")
    assert due_us == next_night_us(rig.clock.now, "Europe/Madrid")
    rig.clock.wall += 60 * SECOND_US
    rig.enqueue("challenge", "milk")
    rig.work_off()
    assert len(rig.rows(SecondOpinion)) == 1


def test_without_a_known_level_there_is_no_second_opinion(open_rig: OpenRig) -> None:
    rig = open_rig(*home(), known_level("milk", 0.5))
    rig.enqueue("challenge", "milk")
    rig.work_off()
    assert rig.rows(SecondOpinion) == []


def test_a_night_is_the_households_own() -> None:
    half_past_two_in_madrid = 1_795_539_900_000_000 // DAY_US * DAY_US + 5_400 * SECOND_US
    assert next_night_us(half_past_two_in_madrid, "Europe/Madrid") - half_past_two_in_madrid == 1_800 * SECOND_US
