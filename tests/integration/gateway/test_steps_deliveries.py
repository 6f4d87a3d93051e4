"""Place and observe: one order whatever the shop answers, and every pack accounted for until its refill is seen."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.domain.cart import Cart, CartState, Line
from gateway.domain.order import LineState, Order, OrderLine, OrderState, Shipment, ShipmentState, Tally
from gateway.domain.payment import Attempt, AttemptState
from gateway.domain.records import Message, Notice
from gateway.domain.replenishment import HOUR_US, Plan, PlanState
from gateway.domain.stock import PackOption, Refill, Supply
from gateway.steps.approve import ChangePacks
from gateway.steps.ports import ParcelLine
from tests.builders import build
from tests.fake_shop import Fault
from tests.homes import home, known_level, left, supply, telling
from tests.rig import Rig

OpenRig = Callable[..., Rig]
PACKS = 4


def open_with_cart(open_rig: OpenRig, *more: object, sealed: float = 0.0) -> Rig:
    """Open a home with one approved cart of four litres of milk."""
    rig = open_rig(*home(), known_level("milk", 0.15), *more)
    rig.shop.sell("milk-usual", 120)
    rig.enqueue("forecast", "milk")
    rig.pass_days(0.1)
    rig.decide(ChangePacks(rig.the(Line).id, PACKS))
    if sealed:
        rig.save(replace(rig.the(Supply), sealed_quantity=sealed))
    rig.say_yes()
    return rig


def open_with_order(open_rig: OpenRig, *more: object, sealed: float = 0.0) -> Rig:
    """Open a home whose four litres are ordered."""
    rig = open_with_cart(open_rig, *more, sealed=sealed)
    rig.work_off()
    assert rig.the(Order).state is OrderState.PLACED
    return rig


def see_refill(rig: Rig, seq: int = 1, *, size: float = 0.8) -> None:
    """Let the fridge report three times, a new pack among them."""
    for offset, quantity in enumerate((0.1, 0.1 + size, 0.09 + size)):
        rig.inbox.append(telling(1, seq + offset, left("milk", quantity)), rig.clock.now)
        rig.clock.advance(600_000_000)
    rig.work_off()


def told(rig: Rig) -> list[str]:
    return [one.kind for one in rig.rows(Message)]


# Place


def test_an_order_is_sent_with_the_approved_lines_at_the_approved_prices(open_rig: OpenRig) -> None:
    rig = open_with_order(open_rig)
    (sent,) = rig.shop.orders.values()
    assert [(line.sku, line.packs, line.unit_price_minor) for line in sent.lines] == [("milk-usual", PACKS, 120)]
    assert sent.total_minor == rig.the(Cart).total_minor
    assert rig.the(Cart).state is CartState.ORDERED
    assert rig.the(PackOption).last_price_minor == 120


def test_a_rejected_order_debits_nothing_and_frees_the_supply(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.shop.faults.append("rejected")
    rig.work_off()
    assert rig.the(Order).state is OrderState.REJECTED
    assert rig.the(Cart).state is CartState.REJECTED
    assert rig.the(OrderLine).state is LineState.CANCELLED
    assert rig.the(Attempt).state is AttemptState.VOIDED
    assert rig.the(Plan).state is PlanState.DROPPED
    assert (rig.bank.held_minor, rig.bank.debited_minor) == (0, 0)
    assert "order_rejected" in told(rig)
    rig.pass_days(0.5)
    assert rig.rows(Cart)[-1].state is CartState.AWAITING_APPROVAL
    assert rig.differences() == []


def test_a_shop_that_refuses_every_order_is_not_asked_at_once_for_ever(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.shop.faults.append("refused")
    rig.work_off()
    assert rig.the(Order).state is OrderState.REJECTED
    assert rig.the(Supply).quiet_until_us > rig.clock.now


@pytest.mark.parametrize(
    "faults", [["not_sent"], ["silent"], ["lost"], ["lost", "lost", "silent"], ["not_sent", "lost", "not_sent"]]
)
def test_whatever_the_shop_answers_one_order_is_placed_under_one_reference(
    open_rig: OpenRig, faults: list[Fault]
) -> None:
    rig = open_with_cart(open_rig)
    rig.shop.faults.extend(faults)
    rig.work_off()
    assert rig.the(Order).state is OrderState.PLACED
    assert list(rig.shop.orders) == [rig.the(Order).id]
    assert rig.differences() == []


def test_an_answer_that_was_lost_is_found_and_the_order_not_sent_again(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.shop.faults.append("silent")
    rig.shop.around = lambda where: places.append(where) if where == "before place" else None
    places: list[str] = []
    rig.work_off()
    assert places == ["before place"]
    assert rig.the(Order).looks == 1


def test_a_rejection_that_was_not_heard_is_found(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.shop.faults.append("lost")
    while not rig.rows(Order):
        rig.run_round()
        rig.clock.wall += 20_000_000
    rig.shop.rejected.add(rig.the(Order).id)
    rig.work_off()
    assert rig.the(Order).state is OrderState.REJECTED
    assert rig.bank.held_minor == 0


def test_a_shop_that_takes_the_order_for_less_is_owed_less(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    approved = rig.the(Cart).total_minor
    rig.shop.faults.append("silent")
    while not rig.shop.orders:
        rig.run_round()
        rig.clock.wall += 20_000_000
    rig.shop.orders[rig.shop.only].total_minor = approved - 100
    rig.work_off()
    assert rig.the(Order).total_minor == approved - 100


# Deliveries


def test_a_delivery_stands_on_the_shelf_until_its_refill_is_seen_and_closes_the_order(open_rig: OpenRig) -> None:
    rig = open_with_order(open_rig)
    rig.shop.ship()
    rig.pass_days(0.2)
    assert rig.the(Order).state is OrderState.SHIPPED
    rig.shop.deliver()
    rig.pass_days(0.1)
    assert rig.the(Order).state is OrderState.DELIVERED
    assert rig.the(OrderLine).state is LineState.DELIVERED
    assert rig.the(Supply).sealed_quantity == PACKS
    assert rig.rows(Plan)[0].state is PlanState.BOUGHT
    see_refill(rig)
    line, refill = rig.the(OrderLine), rig.the(Refill)
    assert (line.state, line.refill_seen, line.refill_id) == (LineState.CLOSED, True, refill.id)
    assert refill.order_line_id == line.id
    assert rig.the(Order).state is OrderState.CLOSED
    assert rig.the(Supply).sealed_quantity == PACKS - 1
    assert rig.waiting("observe") == []
    assert rig.differences() == []


def test_a_pack_opened_before_the_delivery_was_noticed_is_not_counted_twice(open_rig: OpenRig) -> None:
    rig = open_with_order(open_rig)
    rig.shop.ship()
    rig.pass_days(0.2)
    came_us = rig.clock.now
    rig.clock.advance(60_000_000)
    rig.shop.deliver(at_us=came_us)
    with rig.store.begin() as tx:
        tx.cancel_work("observe", rig.the(Order).id)  # nobody looks for a while
    see_refill(rig)
    rig.pass_days(0.1)
    assert rig.the(Supply).sealed_quantity == PACKS - 1
    assert rig.the(OrderLine).refill_seen


def test_a_pack_taken_from_an_older_stock_is_not_taken_from_the_delivery_too(open_rig: OpenRig) -> None:
    rig = open_with_order(open_rig, sealed=1.0)
    rig.shop.ship()
    rig.pass_days(0.2)
    came_us = rig.clock.now
    rig.clock.advance(60_000_000)
    with rig.store.begin() as tx:
        tx.cancel_work("observe", rig.the(Order).id)
    see_refill(rig)
    assert rig.the(Supply).sealed_quantity == 0
    rig.shop.deliver(at_us=came_us)
    rig.enqueue("observe", rig.the(Order).id)
    rig.work_off()
    assert rig.the(Supply).sealed_quantity == PACKS


def test_a_refill_before_any_delivery_was_bought_elsewhere(open_rig: OpenRig) -> None:
    rig = open_with_order(open_rig)
    see_refill(rig)
    rig.shop.ship()
    rig.pass_days(0.2)
    rig.shop.deliver()
    rig.pass_days(0.1)
    assert rig.the(Refill).order_line_id is None
    assert rig.the(OrderLine).refill_seen is False
    assert rig.the(Supply).sealed_quantity == PACKS


def test_a_delivery_whose_refill_nobody_sees_is_asked_about_and_closed(open_rig: OpenRig) -> None:
    rig = open_with_order(open_rig)
    rig.shop.ship()
    rig.pass_days(0.2)
    rig.shop.deliver()
    rig.pass_days(31)
    assert rig.rows(OrderLine)[0].state is LineState.CLOSED
    assert rig.rows(OrderLine)[0].refill_seen is False
    assert rig.rows(Order)[0].state is OrderState.CLOSED
    assert told(rig).count("no_refill_seen") == 1
    assert ("observe", rig.rows(Order)[0].id) not in [row[:2] for row in rig.waiting()]


def test_a_short_delivery_is_refunded_for_what_was_missing(open_rig: OpenRig) -> None:
    rig = open_with_order(open_rig)
    total = rig.the(Cart).total_minor
    rig.shop.ship()
    rig.pass_days(0.2)
    rig.shop.deliver(lacking=1)
    rig.pass_days(0.2)
    line = rig.the(OrderLine)
    assert (line.state, line.packs_delivered, line.packs_refunded) == (LineState.SHORT, PACKS - 1, 1)
    assert rig.bank.debited_minor == total - 120
    assert rig.the(Supply).sealed_quantity == PACKS - 1
    assert told(rig).count("delivery_short") == 1
    see_refill(rig)
    assert rig.the(Order).state is OrderState.CLOSED
    assert rig.differences() == []


def test_a_lost_parcel_is_refunded_whole_and_its_supply_planned_anew(open_rig: OpenRig) -> None:
    rig = open_with_order(open_rig)
    rig.shop.ship()
    rig.pass_days(0.2)
    rig.shop.lose()
    rig.pass_days(0.2)
    assert rig.rows(Order)[0].state is OrderState.LOST
    assert rig.rows(OrderLine)[0].state is LineState.LOST
    assert rig.bank.debited_minor == 0
    assert rig.rows(Plan)[0].state is PlanState.DROPPED
    assert len(rig.rows(Plan)) == 2
    assert told(rig).count("delivery_lost") == 1
    assert rig.differences() == []


def test_a_parcel_known_lost_before_it_was_billed_is_never_debited(open_rig: OpenRig) -> None:
    rig = open_with_order(open_rig)
    rig.shop.ship()
    rig.shop.lose()
    rig.pass_days(0.5)
    assert (rig.bank.captures, rig.bank.refunds, rig.bank.held_minor) == ({}, {}, 0)
    assert rig.rows(Order)[0].state is OrderState.LOST
    assert rig.rows(Attempt)[0].state is AttemptState.VOIDED
    assert rig.rows(OrderLine)[0].packs_refunded == PACKS
    assert rig.differences() == []


def test_a_parcel_lost_after_its_capture_was_asked_for_is_refunded_once_that_is_known(open_rig: OpenRig) -> None:
    rig = open_with_order(open_rig)
    total = rig.the(Order).total_minor
    rig.bank.fail("capture", "delayed")
    rig.shop.ship()
    rig.clock.advance(HOUR_US)
    for _ in range(3):
        rig.run_round()
    rig.shop.lose()
    rig.enqueue("observe", rig.the(Order).id)
    rig.run_round()
    assert rig.bank.refunds == {}
    rig.bank.deliver()
    rig.pass_days(0.5)
    assert [amount.amount_minor for _, amount in rig.bank.captures.values()] == [total]
    assert [amount.amount_minor for _, amount in rig.bank.refunds.values()] == [total]
    assert rig.differences() == []


def test_of_a_parcel_that_came_short_before_it_was_billed_only_what_came_is_debited(open_rig: OpenRig) -> None:
    rig = open_with_order(open_rig)
    total = rig.the(Order).total_minor
    rig.shop.ship()
    rig.shop.deliver(lacking=1)
    rig.pass_days(0.5)
    assert [amount.amount_minor for _, amount in rig.bank.captures.values()] == [total - 120]
    assert rig.bank.refunds == {}
    assert (rig.the(OrderLine).packs_delivered, rig.the(OrderLine).packs_refunded) == (PACKS - 1, 1)
    rig.shop.orders[rig.shop.only].state = "returned"
    rig.pass_days(0.6)
    assert rig.bank.debited_minor == 0
    assert rig.differences() == []


def test_what_came_back_to_the_shop_before_it_was_billed_is_never_debited(open_rig: OpenRig) -> None:
    rig = open_with_order(open_rig)
    rig.shop.ship()
    rig.shop.deliver(lacking=1)
    rig.shop.orders[rig.shop.only].state = "returned"
    rig.pass_days(0.5)
    assert (rig.bank.captures, rig.bank.held_minor) == ({}, 0)
    assert rig.rows(Order)[0].state is OrderState.RETURNED


def test_a_parcel_lost_while_its_capture_fails_is_billed_and_refunded_or_neither(open_rig: OpenRig) -> None:
    rig = open_with_order(open_rig)
    rig.bank.fail("capture", "not_sent", "lost", "decline")
    rig.shop.ship()
    rig.shop.lose()
    rig.pass_days(0.5)
    assert rig.bank.debited_minor == 0
    assert rig.rows(Order)[0].state is OrderState.LOST
    assert rig.bank.held_minor == 0
    assert rig.differences() == []


def test_a_late_delivery_is_told_once_and_looked_for_on(open_rig: OpenRig) -> None:
    rig = open_with_order(open_rig)
    rig.pass_days(4)
    assert rig.the(Order).late is True
    assert told(rig).count("delivery_late") == 1
    rig.shop.ship()
    rig.shop.deliver()
    rig.pass_days(0.5)
    assert rig.the(Order).state is OrderState.DELIVERED


# Two parcels


def test_a_line_in_two_parcels_stays_open_until_both_are_there_and_nothing_is_refunded_early(
    open_rig: OpenRig,
) -> None:
    rig = open_with_order(open_rig)
    rig.shop.ship(2)
    rig.pass_days(0.1)
    rig.shop.ship(2)
    rig.pass_days(0.1)
    rig.shop.deliver("parcel-1")
    rig.pass_days(0.2)
    line = rig.the(OrderLine)
    assert (line.state, line.packs_shipped, line.packs_delivered) == (LineState.SHIPPED, 4, 2)
    assert rig.the(Supply).sealed_quantity == 2
    assert rig.bank.refunds == {}
    assert len(rig.rows(Plan)) == 1
    see_refill(rig)
    assert rig.the(OrderLine).state is LineState.SHIPPED
    assert rig.the(OrderLine).refill_seen
    rig.shop.deliver("parcel-2")
    rig.pass_days(0.2)
    assert rig.the(OrderLine).state is LineState.CLOSED
    assert rig.the(Order).state is OrderState.CLOSED
    assert rig.the(Supply).sealed_quantity == 3
    assert rig.differences() == []


def test_two_short_parcels_of_one_line_are_both_refunded(open_rig: OpenRig) -> None:
    rig = open_with_order(open_rig)
    total = rig.the(Cart).total_minor
    rig.shop.ship(2)
    rig.shop.ship(2)
    rig.pass_days(0.1)
    rig.shop.deliver("parcel-1", lacking=1)
    rig.pass_days(0.1)
    rig.shop.deliver("parcel-2", lacking=1)
    rig.pass_days(0.2)
    assert rig.bank.debited_minor == total - 240
    assert len(rig.bank.refunds) == 2
    assert (rig.the(OrderLine).packs_delivered, rig.the(OrderLine).packs_refunded) == (2, 2)
    assert rig.the(OrderLine).state is LineState.SHORT
    assert rig.differences() == []


def test_one_lost_parcel_of_two_is_refunded_and_the_other_kept(open_rig: OpenRig) -> None:
    rig = open_with_order(open_rig)
    total = rig.the(Cart).total_minor
    rig.shop.ship(3)
    rig.shop.ship(1)
    rig.pass_days(0.1)
    rig.shop.lose("parcel-2")
    rig.shop.deliver("parcel-1")
    rig.pass_days(0.2)
    assert rig.bank.debited_minor == total - 120
    line = rig.the(OrderLine)
    assert (line.state, line.packs_delivered, line.packs_refunded) == (LineState.SHORT, 3, 1)
    assert {one.state for one in rig.rows(Shipment)} == {ShipmentState.DELIVERED, ShipmentState.LOST}
    see_refill(rig)
    assert rig.the(Order).state is OrderState.CLOSED


def test_a_parcel_given_up_and_refunded_stays_lost_though_the_shop_says_otherwise_later(open_rig: OpenRig) -> None:
    rig = open_with_order(open_rig)
    rig.shop.ship()
    rig.pass_days(0.1)
    rig.shop.lose()
    rig.pass_days(0.1)
    rig.shop.deliver()
    rig.enqueue("observe", rig.rows(Order)[0].id)
    rig.work_off()
    assert rig.rows(Order)[0].state is OrderState.LOST
    assert rig.the(Supply).sealed_quantity == 0
    assert len(rig.bank.refunds) == 1


def test_what_a_shop_never_sends_is_neither_billed_nor_waited_for(open_rig: OpenRig) -> None:
    rig = open_with_order(open_rig)
    rig.shop.ship(3)
    rig.shop.orders[rig.shop.only].state = "delivered"
    rig.shop.deliver()
    rig.pass_days(0.2)
    assert rig.the(OrderLine).state is LineState.SHORT
    assert rig.bank.debited_minor == 3 * 120 + 290
    assert rig.bank.held_minor == 0
    assert rig.the(Attempt).state is AttemptState.CAPTURED
    assert rig.bank.refunds == {}


# Ended by the shop


def test_an_order_the_shop_cancels_debits_nothing(open_rig: OpenRig) -> None:
    rig = open_with_order(open_rig)
    rig.shop.cancel(rig.the(Order).id)
    rig.pass_days(0.2)
    assert rig.rows(Order)[0].state is OrderState.CANCELLED
    assert rig.the(Attempt).state is AttemptState.VOIDED
    assert (rig.bank.held_minor, rig.bank.debited_minor) == (0, 0)
    assert rig.rows(Plan)[0].state is PlanState.DROPPED
    assert told(rig).count("order_ended") == 1
    assert rig.waiting("observe") == []


def test_what_went_back_to_the_shop_is_refunded_and_leaves_the_shelf(open_rig: OpenRig) -> None:
    rig = open_with_order(open_rig)
    rig.shop.ship()
    rig.pass_days(0.1)
    rig.shop.deliver(lacking=1)
    rig.pass_days(0.1)
    rig.shop.orders[rig.shop.only].state = "returned"
    rig.pass_days(0.6)
    assert rig.rows(Order)[0].state is OrderState.RETURNED
    assert rig.bank.debited_minor == 0
    assert rig.the(Supply).sealed_quantity == 0
    assert told(rig).count("order_ended") == 1
    assert rig.differences() == []


def test_a_shop_that_forgot_an_order_is_asked_daily_and_the_household_told_once(open_rig: OpenRig) -> None:
    rig = open_with_order(open_rig)
    reference = rig.shop.only
    kept = rig.shop.orders.pop(reference)
    rig.pass_days(2.5)
    assert told(rig).count("order_unknown") == 1
    rig.shop.orders[reference] = kept
    rig.pass_days(1.1)
    assert rig.the(Order).note == ""


def test_a_parcel_with_a_line_that_was_never_ordered_is_not_believed(open_rig: OpenRig) -> None:
    rig = open_with_order(open_rig)
    rig.shop.ship()
    stored = rig.shop.orders[rig.shop.only]
    stored.parcels[0] = replace(stored.parcels[0], lines=(ParcelLine("stranger", 1, None),))
    rig.clock.advance(2 * HOUR_US)
    for _ in range(5):
        rig.run_round()
        rig.clock.wall += 1_000_000
    assert rig.rows(Shipment) == []
    assert "stranger" in rig.queue.waiting(failing_only=True)[0].last_error


def test_two_lines_are_closed_each_by_its_own_refill(open_rig: OpenRig) -> None:
    rig = open_rig(*home(), *supply("juice"), known_level("milk", 0.1), known_level("juice", 0.1))
    rig.shop.sell("milk-usual", 120)
    rig.shop.sell("juice-usual", 230)
    rig.enqueue("forecast", "milk")
    rig.enqueue("forecast", "juice")
    rig.pass_days(0.1)
    rig.say_yes()
    rig.work_off()
    rig.shop.ship()
    rig.pass_days(0.1)
    rig.shop.deliver()
    rig.pass_days(0.1)
    see_refill(rig)
    states = {line.supply_id: line.state for line in rig.rows(OrderLine)}
    assert states == {"milk": LineState.CLOSED, "juice": LineState.DELIVERED}
    assert rig.the(Order).state is OrderState.DELIVERED


# Notices


def test_a_shops_notice_lets_the_order_be_looked_at_at_once(open_rig: OpenRig) -> None:
    rig = open_with_order(open_rig)
    rig.shop.ship()
    body = rig.the(Order).id.encode()
    rig.add(build(Notice, household_id=None, source="merchant", name="shop", body=body))
    rig.enqueue("notice", "notice", household_id=None)
    rig.work_off()
    assert rig.the(Order).state is OrderState.SHIPPED


def test_a_notice_of_an_order_that_is_being_placed_lets_it_be_looked_up(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.shop.faults.append("silent")
    while not rig.rows(Order):
        rig.run_round()
        rig.clock.wall += 20_000_000
    body = rig.the(Order).id.encode()
    rig.add(build(Notice, household_id=None, source="merchant", name="shop", body=body))
    rig.enqueue("notice", "notice", household_id=None)
    for _ in range(3):
        rig.run_round()
    assert rig.the(Order).state is OrderState.PLACED


# The rule


@pytest.mark.parametrize(
    ("tally", "nothing_follows", "state"),
    [
        (Tally(), False, LineState.OPEN),
        (Tally(), True, LineState.CANCELLED),
        (Tally(shipped=2), False, LineState.SHIPPED),
        (Tally(shipped=4), True, LineState.SHIPPED),
        (Tally(shipped=4, delivered=2), True, LineState.SHIPPED),
        (Tally(shipped=4, delivered=4), False, LineState.DELIVERED),
        (Tally(shipped=4, delivered=3, missing=1), False, LineState.SHORT),
        (Tally(shipped=4, delivered=3, lost=1), False, LineState.SHORT),
        (Tally(shipped=3, delivered=3), False, LineState.SHIPPED),
        (Tally(shipped=3, delivered=3), True, LineState.SHORT),
        (Tally(shipped=4, lost=4), False, LineState.LOST),
        (Tally(shipped=4, missing=4), False, LineState.LOST),
    ],
)
def test_a_line_stands_where_its_parcels_say(tally: Tally, nothing_follows: bool, state: LineState) -> None:
    assert build(OrderLine).counted(tally, nothing_follows=nothing_follows).state is state


def test_a_refill_seen_closes_a_line_only_when_all_of_it_is_there() -> None:
    line = build(OrderLine, refill_seen=True, state=LineState.SHIPPED)
    assert line.counted(Tally(shipped=4, delivered=2), nothing_follows=False).state is LineState.SHIPPED
    assert line.counted(Tally(shipped=4, delivered=4), nothing_follows=False).state is LineState.CLOSED


@pytest.mark.parametrize("worked_on", [("milk", "juice"), ("juice", "milk")])
def test_a_shop_is_told_the_lines_in_one_order_whichever_supply_was_worked_on_first(
    open_rig: OpenRig, worked_on: tuple[str, str]
) -> None:
    rig = open_rig(*home(), *supply("juice"), known_level("milk", 0.1), known_level("juice", 0.1))
    for name in worked_on:
        rig.shop.sell(f"{name}-usual", 120)
        rig.enqueue("forecast", name)
        rig.work_off()
    rig.pass_days(0.1)
    rig.say_yes()
    rig.work_off()
    assert [line.sku for line in rig.shop.orders[rig.shop.only].lines] == ["juice-usual", "milk-usual"]
