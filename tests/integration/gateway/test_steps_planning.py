"""Forecast, plan and fill: from a level to a cart, and all that must keep one from being drafted."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.domain.cart import Cart, CartState, Line
from gateway.domain.household import Household, Member
from gateway.domain.order import LineState, OrderLine
from gateway.domain.payment import Mandate
from gateway.domain.records import MerchantAccount, Message
from gateway.domain.replenishment import DAY_US, HOUR_US, Forecast, Plan, PlanState, Policy, packs_to_buy
from gateway.domain.stock import Device, DeviceState, Level, PackOption, Reading, Slot, Supply
from gateway.steps.acts.household import freeze_device, freeze_everything, unfreeze_everything
from gateway.steps.approve import Skip, Snooze
from tests.builders import HOME, build
from tests.fakes import START_US
from tests.homes import home, known_level, left, supply, telling, telling_unsigned
from tests.rig import Rig

OpenRig = Callable[..., Rig]
LOW, FULL = 0.15, 0.98


def open_with(open_rig: OpenRig, quantity: float = LOW, *more: object, **policy: object) -> Rig:
    """Open a home whose milk stands at this level, with a shop that sells it."""
    rig = open_rig(*home(**policy), known_level("milk", quantity), *more)
    rig.shop.sell("milk-usual", 120)
    return rig


def forecast_now(rig: Rig, *names: str) -> None:
    for name in names or ("milk",):
        rig.enqueue("forecast", name)
    rig.work_off()


def plan_now(rig: Rig, *names: str) -> None:
    """Forecast, and let the full hour come at which it is planned."""
    forecast_now(rig, *names)
    rig.pass_days(1 / 24)


# Forecast


def test_a_level_becomes_a_forecast_with_its_quantiles_reasons_and_evidence(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    for seq, quantity in enumerate((0.9, 0.8, 0.7), 1):
        rig.inbox.append(telling(1, seq, left("milk", quantity)), rig.clock.now)
        rig.clock.advance(6 * HOUR_US)
    rig.work_off()
    made = rig.the(Forecast)
    assert made.p10_us is not None
    assert made.p50_us is not None
    assert made.p90_us is not None
    assert rig.clock.now < made.p10_us < made.p50_us < made.p90_us
    assert made.order_by_us is not None
    assert made.order_by_us < made.p10_us
    assert made.on_hand == pytest.approx(0.7, abs=0.02)
    assert [entry["reading_id"] for entry in made.evidence] == [one.id for one in reversed(rig.rows(Reading))]
    assert made.signed
    assert made.current
    assert any("70" in reason for reason in made.reasons)
    assert len(made.band) == 31
    assert all(low <= middle <= high for low, middle, high in made.band)


def test_an_order_by_date_in_the_future_leaves_a_plan_for_that_day(open_rig: OpenRig) -> None:
    rig = open_with(open_rig, FULL, pack_size=1.0, sealed=4.0)
    forecast_now(rig)
    made = rig.the(Forecast)
    assert made.order_by_us is not None
    assert made.order_by_us > rig.clock.now
    assert rig.waiting("plan") == [("plan", "milk", made.order_by_us)]
    assert rig.rows(Plan) == []


def test_an_unknown_level_forecasts_nothing_and_plans_nothing(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    rig.inbox.append(telling(1, 1, left("milk", None)), rig.clock.now)
    rig.work_off()
    made = rig.the(Forecast)
    assert (made.on_hand, made.p50_us, made.order_by_us, made.beyond) == (None, None, None, False)
    assert rig.waiting("plan") == []


def test_silence_alone_moves_the_forecast_once_a_day(open_rig: OpenRig) -> None:
    rig = open_with(open_rig, FULL, sealed=4.0)
    forecast_now(rig)
    first = rig.the(Forecast)
    rig.pass_days(2.5)
    later = rig.the(Forecast)
    assert later.made_us == first.made_us + 2 * DAY_US
    assert any("silent" in reason for reason in later.reasons)


def test_what_was_consumed_teaches_once(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    for seq, quantity in enumerate((0.9, 0.7, 0.5), 1):
        rig.inbox.append(telling(1, seq, left("milk", quantity)), rig.clock.now)
        rig.work_off()
        assert rig.the(Level).consumed == ()
        rig.clock.advance(DAY_US)
    taught = rig.the(Forecast, current=True)
    forecast_now(rig)
    assert rig.the(Forecast, current=True).daily_use == pytest.approx(taught.daily_use, rel=0.02)


def test_only_a_forecast_that_a_plan_rests_on_is_kept(open_rig: OpenRig) -> None:
    rig = open_with(open_rig)
    plan_now(rig)
    behind = rig.the(Plan).forecast_id
    for _ in range(3):
        rig.clock.advance(HOUR_US)
        forecast_now(rig)
    assert {one.id: one.current for one in rig.rows(Forecast)}[behind] is False
    assert len(rig.rows(Forecast)) == 2


def test_the_minimum_is_not_there_to_be_used(open_rig: OpenRig) -> None:
    plain, careful = open_with(open_rig, FULL), open_with(open_rig, FULL, minimum_quantity=0.5)
    for rig in (plain, careful):
        forecast_now(rig)
    before, earlier = plain.the(Forecast), careful.the(Forecast)
    assert before.order_by_us is not None
    assert earlier.order_by_us is not None
    assert earlier.order_by_us <= before.order_by_us
    assert (earlier.reorder_quantity or 0) > (before.reorder_quantity or 0)


def test_two_slots_of_one_supply_are_one_stock(open_rig: OpenRig) -> None:
    second = build(Slot, id="second-slot", name="second", supply_id="milk")
    rig = open_with(open_rig, 0.5, second, known_level("second", 0.6))
    forecast_now(rig)
    made = rig.the(Forecast)
    assert made.on_hand == pytest.approx(1.1)
    assert made.capacity == 2.0
    assert made.reasons[0].startswith("55")


def test_a_device_that_left_no_longer_speaks_for_a_supply(open_rig: OpenRig) -> None:
    rig = open_with(open_rig)
    forecast_now(rig)
    rig.save(replace(rig.the(Device), state=DeviceState.REMOVED))
    forecast_now(rig)
    assert rig.rows(Forecast, current=True) == []


def test_talk_without_a_level_keeps_nothing_fresh(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    rig.inbox.append(telling(1, 1, left("milk", 0.9)), rig.clock.now)
    rig.work_off()
    for seq in range(2, 8):
        rig.clock.advance(DAY_US)
        rig.inbox.append(telling(1, seq, left("milk", None)), rig.clock.now)
        rig.work_off()
    assert rig.the(Forecast, current=True).fresh_until_us < rig.clock.now


def test_one_unsigned_reading_among_the_evidence_marks_the_forecast(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    rig.inbox.append(telling_unsigned(1, 1, left("milk", 0.9)), rig.clock.now)
    for seq in range(2, 9):
        rig.clock.advance(HOUR_US)
        rig.inbox.append(telling(1, seq, left("milk", 0.9 - seq / 50)), rig.clock.now)
    rig.work_off()
    assert rig.the(Forecast).signed is False
    rig.clock.advance(HOUR_US)
    rig.inbox.append(telling(1, 9, left("milk", 0.7)), rig.clock.now)
    rig.work_off()
    assert rig.the(Forecast, current=True).signed is True


# Plan


def test_a_depletion_before_a_delivery_could_come_becomes_one_plan(open_rig: OpenRig) -> None:
    rig = open_with(open_rig)
    plan_now(rig)
    forecast_now(rig)
    rig.enqueue("plan", "milk")
    rig.work_off()
    plan = rig.the(Plan)
    assert plan.state is PlanState.OPEN
    assert plan.packs >= 3
    assert plan.policy["target_days"] == 14
    assert any("95" in reason for reason in plan.reasons)
    assert rig.waiting("fill") == [("fill", "home/shop", plan.created_us + HOUR_US)]


def test_sealed_packs_count_as_stock(open_rig: OpenRig) -> None:
    empty, stocked = open_with(open_rig), open_with(open_rig, sealed=8.0)
    for rig in (empty, stocked):
        plan_now(rig)
    assert len(empty.rows(Plan)) == 1
    assert stocked.rows(Plan) == []
    assert stocked.the(Forecast).on_hand == pytest.approx(8 + LOW)


@pytest.mark.parametrize(
    ("why", "change"),
    [
        ("everything is frozen", lambda rig: replace(rig.the(Household), frozen_since_us=START_US)),
        ("its device is frozen", lambda rig: replace(rig.the(Device), state=DeviceState.FROZEN)),
        ("its policy is off", lambda rig: replace(rig.the(Policy), enabled=False)),
        ("it is quiet", lambda rig: replace(rig.the(Supply), quiet_until_us=START_US + DAY_US)),
    ],
)
def test_nothing_is_planned_while(open_rig: OpenRig, why: str, change: Callable[[Rig], object]) -> None:
    assert why
    rig = open_with(open_rig)
    rig.save(change(rig))
    plan_now(rig)
    assert rig.rows(Plan) == []


def test_a_quiet_supply_is_planned_when_its_quiet_ends(open_rig: OpenRig) -> None:
    rig = open_with(open_rig)
    rig.save(replace(rig.the(Supply), quiet_until_us=START_US + DAY_US))
    forecast_now(rig)
    rig.pass_days(0.9)
    assert rig.rows(Plan) == []
    rig.pass_days(0.2)
    assert len(rig.rows(Plan)) == 1


def test_nothing_is_planned_without_a_product_to_buy(open_rig: OpenRig) -> None:
    rig = open_with(open_rig)
    with rig.store.begin() as tx:
        tx.remove(tx.get(PackOption, HOME, "milk-pack"))
    forecast_now(rig)
    assert rig.rows(Plan) == []


def test_nothing_is_planned_on_a_forecast_that_does_not_know_what_stands_on_the_shelf(open_rig: OpenRig) -> None:
    rig = open_with(open_rig)
    forecast_now(rig)
    rig.save(replace(rig.the(Supply), sealed_quantity=8.0))
    rig.enqueue("plan", "milk")
    rig.work_off()
    assert rig.rows(Plan) == []


def test_what_is_forecast_and_planned_at_the_same_instant_is_forecast_first(open_rig: OpenRig) -> None:
    rig = open_with(open_rig)
    forecast_now(rig)
    rig.save(known_level("milk", FULL, at_us=rig.clock.now))
    rig.enqueue("plan", "milk", due_us=0)
    rig.enqueue("forecast", "milk")
    rig.save(replace(rig.the(Policy), target_days=1, service_level=0.5))
    rig.work_off()
    assert rig.rows(Plan) == []


def test_what_is_on_its_way_is_not_planned_again(open_rig: OpenRig) -> None:
    rig = open_with(open_rig)
    forecast_now(rig)
    rig.pass_days(0.1)
    rig.say_yes()
    rig.work_off()
    rig.shop.ship()
    rig.pass_days(1)
    assert rig.the(OrderLine).state is LineState.SHIPPED
    forecast_now(rig)
    assert len(rig.rows(Plan)) == 1


@pytest.mark.parametrize(
    ("on_hand", "pack_size", "packs"), [(0.5, 1.0, 5), (4.9, 1.0, 1), (9.0, 1.0, 1), (0.0, 0.25, 20), (0.0, 0.1, 20)]
)
def test_whole_packs_lift_the_stock_to_its_target(on_hand: float, pack_size: float, packs: int) -> None:
    assert packs_to_buy(target_quantity=5, on_hand=on_hand, in_transit=0, pack_size=pack_size) == packs


# Fill


def test_a_plan_becomes_a_cart_with_prices_and_a_promise(open_rig: OpenRig) -> None:
    rig = open_with(open_rig)
    forecast_now(rig)
    rig.pass_days(0.1)
    cart, line, plan = rig.the(Cart), rig.the(Line), rig.the(Plan)
    assert plan.state is PlanState.CARTED
    assert line.packs == plan.packs
    assert cart.goods_minor == 120 * plan.packs
    assert cart.delivery_minor == 290
    assert cart.state is CartState.AWAITING_APPROVAL
    assert cart.decide_by_us == cart.created_us + 72 * HOUR_US
    assert cart.promised_us is not None
    assert cart.needs_person == ("no standing permission to debit covers it",)
    assert [one.kind for one in rig.rows(Message)] == ["cart_waiting"]
    assert rig.the(MerchantAccount).lead_time_days == rig.shop.lead_time_days


def test_supplies_that_run_out_together_share_a_cart_and_a_delivery(open_rig: OpenRig) -> None:
    rig = open_with(open_rig, LOW, *supply("juice"), known_level("juice", LOW))
    rig.shop.sell("juice-usual", 230)
    forecast_now(rig, "milk", "juice")
    rig.pass_days(0.1)
    cart = rig.the(Cart)
    assert {line.supply_id for line in rig.rows(Line)} == {"milk", "juice"}
    assert len(rig.shop.quoted) == 1
    assert cart.goods_minor == sum(line.amount_minor for line in rig.rows(Line))


def test_a_supply_that_is_due_soon_joins_the_cart_of_one_that_is_due_now(open_rig: OpenRig) -> None:
    rig = open_with(open_rig, FULL, *supply("juice"), known_level("juice", LOW))
    rig.shop.sell("juice-usual", 230)
    forecast_now(rig, "milk")
    milk = rig.the(Forecast)
    assert milk.order_by_us is not None
    rig.clock.advance(milk.order_by_us - rig.clock.now - DAY_US)
    rig.save(known_level("juice", LOW, at_us=rig.clock.now))
    forecast_now(rig, "juice")
    rig.pass_days(0.1)
    assert {line.supply_id for line in rig.rows(Line)} == {"milk", "juice"}


def test_delivery_is_free_from_the_shops_threshold(open_rig: OpenRig) -> None:
    rig = open_with(open_rig, LOW, target_days=60)
    rig.shop.sell("milk-usual", 400)
    forecast_now(rig)
    rig.pass_days(0.1)
    cart = rig.the(Cart)
    assert cart.goods_minor >= 3000
    assert cart.delivery_minor == 0


def test_out_of_stock_proposes_the_accepted_swap_and_asks_a_person(open_rig: OpenRig) -> None:
    swap = build(PackOption, id="swap", sku="milk-half", name="Small milk", pack_size=0.5, rank=1, last_price_minor=70)
    rig = open_with(open_rig, LOW, swap)
    rig.save(replace(rig.the(Mandate), standing=True))
    rig.shop.sell("milk-usual", 120, in_stock=False)
    rig.shop.sell("milk-cheap", 10)
    rig.shop.sell("milk-half", 70, pack_size=0.5)
    forecast_now(rig)
    rig.pass_days(0.1)
    line, plan = rig.the(Line), rig.the(Plan)
    assert line.sku == "milk-half"
    assert line.packs == 2 * plan.packs
    assert "out of stock" in rig.the(Cart).needs_person[0]
    assert rig.the(Cart).state is CartState.AWAITING_APPROVAL


def test_out_of_stock_without_an_accepted_swap_proposes_the_cheapest_of_its_kind(open_rig: OpenRig) -> None:
    rig = open_with(open_rig)
    rig.shop.sell("milk-usual", 120, in_stock=False)
    rig.shop.sell("milk-dear", 300)
    rig.shop.sell("milk-cheap", 100)
    forecast_now(rig)
    rig.pass_days(0.1)
    assert rig.the(Line).sku == "milk-cheap"


def test_nothing_to_be_had_is_said_and_looked_for_again_tomorrow(open_rig: OpenRig) -> None:
    rig = open_with(open_rig)
    rig.shop.sell("milk-usual", 120, in_stock=False)
    forecast_now(rig)
    rig.pass_days(0.1)
    assert rig.rows(Cart) == []
    assert [one.kind for one in rig.rows(Message)] == ["not_available"]
    rig.shop.sell("milk-usual", 120)
    rig.pass_days(1.1)
    assert len(rig.rows(Cart)) == 1


def test_a_price_that_jumped_asks_a_person(open_rig: OpenRig) -> None:
    rig = open_with(open_rig)
    rig.save(replace(rig.the(Mandate), standing=True, price_tolerance_percent=1000))
    rig.shop.sell("milk-usual", 150)
    forecast_now(rig)
    rig.pass_days(0.1)
    cart = rig.the(Cart)
    assert cart.state is CartState.AWAITING_APPROVAL
    assert "25" in cart.needs_person[0]


def test_unsigned_data_asks_a_person(open_rig: OpenRig) -> None:
    rig = open_with(open_rig)
    rig.save(replace(rig.the(Mandate), standing=True), known_level("milk", LOW, signed=False))
    forecast_now(rig)
    rig.pass_days(0.1)
    assert rig.the(Cart).signed is False
    assert "unsigned" in rig.the(Cart).needs_person[0]


def test_stale_data_asks_a_person(open_rig: OpenRig) -> None:
    rig = open_with(open_rig)
    rig.save(replace(rig.the(Mandate), standing=True), known_level("milk", 0.6, at_us=START_US - 4 * DAY_US))
    forecast_now(rig)
    rig.pass_days(0.1)
    assert rig.the(Cart).state is CartState.AWAITING_APPROVAL
    assert rig.the(Cart).signed is False


def test_a_shop_that_cannot_be_reached_is_asked_again(open_rig: OpenRig) -> None:
    rig = open_with(open_rig)
    rig.shop.quote_faults.extend(["not_sent", "lost", "not_sent"])
    forecast_now(rig)
    rig.pass_days(0.1)
    assert len(rig.rows(Cart)) == 1


def test_a_shop_that_refuses_us_is_asked_again_tomorrow(open_rig: OpenRig) -> None:
    rig = open_with(open_rig)
    rig.shop.quote_faults.append("refused")
    forecast_now(rig)
    rig.pass_days(0.1)
    assert [one.state for one in rig.rows(Plan)] == [PlanState.DROPPED]
    assert [one.kind for one in rig.rows(Message)] == ["not_available"]
    rig.pass_days(1.1)
    assert len(rig.rows(Cart)) == 1


def test_no_cart_is_drafted_while_everything_is_frozen_and_it_is_when_the_freeze_is_lifted(open_rig: OpenRig) -> None:
    rig = open_with(open_rig)
    plan_now(rig)
    with rig.store.begin() as tx:
        freeze_everything(tx, tx.get(Member, HOME, "ana"), now_us=rig.clock.now)
    rig.pass_days(1)
    assert rig.rows(Cart) == []
    with rig.store.begin() as tx:
        unfreeze_everything(tx, tx.get(Member, HOME, "ana"), now_us=rig.clock.now)
    rig.work_off()
    assert len(rig.rows(Cart)) == 1


def test_what_became_due_under_a_freeze_is_planned_the_moment_it_is_lifted(open_rig: OpenRig) -> None:
    rig = open_with(open_rig)
    with rig.store.begin() as tx:
        freeze_everything(tx, tx.get(Member, HOME, "ana"), now_us=rig.clock.now)
    rig.pass_days(1.3)
    with rig.store.begin() as tx:
        unfreeze_everything(tx, tx.get(Member, HOME, "ana"), now_us=rig.clock.now)
    rig.work_off()
    assert rig.the(Plan).created_us == rig.clock.now
    assert rig.the(Forecast, current=True).made_us == rig.clock.now


def test_what_a_frozen_device_feeds_is_planned_the_moment_it_is_trusted_again(open_rig: OpenRig) -> None:
    rig = open_with(open_rig)
    with rig.store.begin() as tx:
        freeze_device(tx, tx.get(Member, HOME, "ana"), "fridge", frozen=True, now_us=rig.clock.now)
    plan_now(rig)
    rig.pass_days(1.3)
    assert rig.rows(Plan) == []
    with rig.store.begin() as tx:
        freeze_device(tx, tx.get(Member, HOME, "ana"), "fridge", frozen=False, now_us=rig.clock.now)
    rig.work_off()
    assert rig.the(Plan).created_us == rig.clock.now


def test_more_plans_than_a_cart_holds_become_several_carts(open_rig: OpenRig) -> None:
    names = [f"milk{number:02d}" for number in range(33)]
    rig = open_rig(
        *home(),
        *(row for name in names for row in supply(name, kind="milk")),
        *(known_level(name, LOW) for name in names),
    )
    for name in names:
        rig.shop.sell(f"{name}-usual", 100)
    forecast_now(rig, *names)
    rig.pass_days(0.1)
    assert len(rig.rows(Cart)) == 2
    assert len(rig.rows(Line)) == 33
    assert rig.rows(Plan, state=PlanState.OPEN) == []


# What ends a cart


def test_an_unanswered_cart_expires_and_is_asked_for_again_a_day_later(open_rig: OpenRig) -> None:
    rig = open_with(open_rig)
    forecast_now(rig)
    rig.pass_days(3.2)
    assert [one.state for one in rig.rows(Cart)] == [CartState.EXPIRED]
    assert "cart_expired" in [one.kind for one in rig.rows(Message)]
    rig.pass_days(1)
    assert [one.state for one in rig.rows(Cart)] == [CartState.EXPIRED, CartState.AWAITING_APPROVAL]
    assert rig.bank.sent == []


def test_a_skipped_cart_leaves_its_supplies_alone_for_a_week(open_rig: OpenRig) -> None:
    rig = open_with(open_rig)
    forecast_now(rig)
    rig.pass_days(0.1)
    rig.decide(Skip())
    rig.pass_days(6.8)
    assert [one.state for one in rig.rows(Cart)] == [CartState.SKIPPED]
    rig.pass_days(0.4)
    assert len(rig.rows(Cart)) == 2


def test_a_snoozed_cart_is_asked_anew_at_that_days_prices(open_rig: OpenRig) -> None:
    rig = open_with(open_rig)
    forecast_now(rig)
    rig.pass_days(0.1)
    rig.decide(Snooze(rig.clock.now + 2 * DAY_US))
    rig.shop.sell("milk-usual", 130)
    rig.pass_days(1.9)
    assert [one.state for one in rig.rows(Cart)] == [CartState.SNOOZED]
    rig.pass_days(0.3)
    assert [one.state for one in rig.rows(Cart)] == [CartState.EXPIRED, CartState.AWAITING_APPROVAL]
    assert rig.rows(Line)[-1].unit_price_minor == 130


def test_a_snoozed_cart_is_not_asked_for_again_when_it_is_no_longer_needed(open_rig: OpenRig) -> None:
    rig = open_with(open_rig)
    forecast_now(rig)
    rig.pass_days(0.1)
    rig.decide(Snooze(rig.clock.now + 2 * DAY_US))
    with rig.store.begin() as tx:
        tx.save(replace(tx.get(Supply, HOME, "milk"), sealed_quantity=9.0))
    rig.pass_days(2.3)
    assert [one.state for one in rig.rows(Cart)] == [CartState.EXPIRED]


def test_a_deadline_that_was_moved_is_waited_for(open_rig: OpenRig) -> None:
    rig = open_with(open_rig)
    forecast_now(rig)
    rig.pass_days(0.1)
    rig.enqueue("expire", rig.the(Cart).id)
    rig.work_off()
    assert rig.the(Cart).state is CartState.AWAITING_APPROVAL
    assert rig.waiting("expire")[0][2] == rig.the(Cart).decide_by_us
