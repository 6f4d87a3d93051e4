"""What a shop says it sent is believed as far as it was ordered, however it is said."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.domain.cart import Line
from gateway.domain.order import LineState, Order, OrderLine, OrderState, Shipment
from gateway.domain.records import Message
from gateway.domain.stock import Supply
from gateway.steps.approve import ChangePacks
from gateway.steps.ports import Parcel, ParcelLine
from tests.rig import Rig

PACKS = 5
WithCart = Callable[..., Rig]


@pytest.fixture
def rig(with_cart: WithCart) -> Rig:
    """Return a home whose five litres are ordered."""
    rig = with_cart()
    rig.decide(ChangePacks(rig.the(Line).id, PACKS))
    rig.say_yes()
    rig.work_off()
    assert rig.the(Order).state is OrderState.PLACED
    return rig


def parcel(rig: Rig, state: str, *sent: tuple[int, int | None], ref: str = "p1", minor: int = 100) -> Parcel:
    """Return a parcel that names the one line once for each (packs, packs delivered)."""
    line_ref = rig.the(OrderLine).id
    came_us = rig.clock.now if state == "delivered" else None
    lines = tuple(ParcelLine(line_ref, packs, came) for packs, came in sent)
    return Parcel(ref, state, minor, rig.clock.now, came_us, lines)


def say(rig: Rig, *parcels: Parcel) -> None:
    """Let the shop say so, and look."""
    rig.shop.orders[rig.shop.only].parcels[:] = parcels
    rig.pass_days(0.6)


def on_shelf(rig: Rig) -> float:
    return rig.the(Supply).sealed_quantity


def told(rig: Rig) -> int:
    return [one.kind for one in rig.rows(Message)].count("order_not_believed")


@pytest.mark.parametrize("state", ["shipped", "delivered", "lost"])
def test_a_million_packs_for_five_are_not_believed_and_a_person_is_told_once(rig: Rig, state: str) -> None:
    many = 1_000_000
    say(rig, parcel(rig, state, (many, many if state == "delivered" else None)))
    rig.pass_days(3)
    assert (on_shelf(rig), rig.rows(Shipment), rig.bank.debited_minor) == (0.0, [], 0)
    assert (rig.the(Order).state, rig.the(OrderLine).packs_delivered) == (OrderState.PLACED, 0)
    assert told(rig) == 1
    assert "1000000 packs of milk usual were sent, 5 were ordered" in rig.the(Order).note


def test_more_than_was_ordered_over_several_parcels_is_not_believed(rig: Rig) -> None:
    first = parcel(rig, "delivered", (3, 3))
    say(rig, first)
    assert on_shelf(rig) == 3.0
    say(rig, first, parcel(rig, "delivered", (3, 3), ref="p2"))
    assert (on_shelf(rig), len(rig.rows(Shipment)), told(rig)) == (3.0, 1, 1)


def test_the_same_parcel_twice_in_one_answer_is_not_believed(rig: Rig) -> None:
    one = parcel(rig, "delivered", (5, 5))
    say(rig, one, one)
    assert (on_shelf(rig), told(rig)) == (0.0, 1)


def test_a_shop_that_puts_its_answer_right_is_believed_the_next_day(rig: Rig) -> None:
    say(rig, parcel(rig, "delivered", (50, 50)))
    say(rig, parcel(rig, "delivered", (5, 5)))
    rig.pass_days(0.6)
    assert (on_shelf(rig), rig.the(OrderLine).state) == (5.0, LineState.DELIVERED)


def test_what_was_lost_or_not_inside_may_be_sent_once_more(rig: Rig) -> None:
    lost = parcel(rig, "lost", (2, None))
    short = parcel(rig, "delivered", (3, 1), ref="p2")
    say(rig, lost, short)
    say(rig, lost, short, parcel(rig, "delivered", (4, 4), ref="p3"))
    assert (on_shelf(rig), told(rig)) == (5.0, 0)


def test_a_line_that_a_parcel_names_twice_counts_as_the_sum(rig: Rig) -> None:
    say(rig, parcel(rig, "shipped", (2, None), (3, None)))
    say(rig, parcel(rig, "delivered", (2, 0), (3, 1)))
    line = rig.the(OrderLine)
    assert (line.packs_shipped, line.packs_delivered, line.packs_refunded) == (5, 1, 4)
    assert on_shelf(rig) == 1.0
    assert [one.text for one in rig.rows(Message) if one.kind == "delivery_short"] == [
        "milk usual: 1 of 5 came. What is missing is not billed, or given back."
    ]


def test_a_line_named_twice_in_a_lost_parcel_is_lost_whole(rig: Rig) -> None:
    say(rig, parcel(rig, "lost", (2, None), (3, None)))
    assert rig.the(OrderLine).packs_refunded == 5
    assert rig.the(OrderLine).state is LineState.LOST


def test_an_impossible_answer_to_a_wish_to_cancel_is_not_believed(rig: Rig) -> None:
    order = rig.the(Order)
    rig.save(replace(order, cancel_asked_us=rig.clock.now))
    rig.enqueue("cancel", order.id)
    rig.shop.orders[rig.shop.only].parcels.append(parcel(rig, "delivered", (50, 50)))
    rig.work_off()
    assert (on_shelf(rig), told(rig), rig.waiting("cancel")) == (0.0, 1, [])
