"""A cart that waits for an answer: what becomes due joins it, and what is no longer needed leaves it."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.domain.approval import Approval, ApprovalState
from gateway.domain.cart import Cart, CartState, Line
from gateway.domain.errors import Conflict
from gateway.domain.order import Order, OrderLine
from gateway.domain.payment import Attempt, AttemptState, Mandate
from gateway.domain.records import Message
from gateway.domain.replenishment import DAY_US, HOUR_US, Forecast, Plan, PlanState
from gateway.domain.stock import Level, Supply
from gateway.steps.approve import Approve, ChangePacks, Skip, Snooze
from tests.builders import build
from tests.homes import home, known_level, supply
from tests.rig import Rig

OpenRig = Callable[..., Rig]
LOW, FULL = 0.15, 0.98


@pytest.fixture
def rig(open_rig: OpenRig) -> Rig:
    """A home with a cart of milk that waits for a person, and juice in plenty."""
    rig = open_rig(
        *home(),
        known_level("milk", LOW),
        *(row for name in ("juice", "eggs") for row in supply(name, sealed=20.0)),
        *(known_level(name, FULL) for name in ("juice", "eggs")),
    )
    for name, price in (("milk", 120), ("juice", 230), ("eggs", 300)):
        rig.shop.sell(f"{name}-usual", price)
    rig.enqueue("forecast", "milk")
    rig.enqueue("forecast", "juice")
    rig.pass_days(0.2)
    assert [line.supply_id for line in rig.rows(Line)] == ["milk"]
    return rig


def run_low(rig: Rig, name: str = "juice") -> None:
    """Let a supply be found low, and its plan become due."""
    stands = rig.rows(Supply, id=name)[0]
    rig.save(replace(stands, sealed_quantity=0.0), known_level(name, LOW, at_us=rig.clock.now))
    rig.enqueue("forecast", name)
    rig.pass_days(0.1)


def refill(rig: Rig, name: str = "milk", sealed: float = 20.0) -> None:
    """Let a supply be found refilled: bought elsewhere."""
    stands = rig.rows(Supply, id=name)[0]
    rig.save(replace(stands, sealed_quantity=sealed), known_level(name, FULL, at_us=rig.clock.now))
    rig.enqueue("forecast", name)
    rig.work_off()


def messages(rig: Rig, kind: str) -> list[str]:
    return [one.text for one in rig.rows(Message) if one.kind == kind]


# Joining


def test_what_becomes_due_while_a_cart_waits_joins_it(rig: Rig) -> None:
    before = rig.the(Cart)
    run_low(rig)
    cart = rig.the(Cart)
    assert {line.supply_id for line in rig.rows(Line)} == {"milk", "juice"}
    assert cart.goods_minor == sum(line.amount_minor for line in rig.rows(Line))
    assert cart.delivery_minor == before.delivery_minor, "one delivery is paid for"
    assert cart.version > before.version
    assert cart.quoted_us > before.quoted_us == before.created_us
    assert cart.state is CartState.AWAITING_APPROVAL
    assert {one.state for one in rig.rows(Plan)} == {PlanState.CARTED}


def test_the_person_is_told_that_the_cart_grew_and_by_what(rig: Rig) -> None:
    run_low(rig)
    (text,) = messages(rig, "cart_grown")
    assert text.startswith("Juice joined the order that waits for you at Corner shop: ")
    assert len(messages(rig, "cart_waiting")) == 1


def test_a_cart_that_grew_is_quoted_as_a_whole_and_keeps_what_a_person_changed(rig: Rig) -> None:
    line = rig.the(Line)
    rig.decide(ChangePacks(line.id, 2))
    rig.shop.sell("milk-usual", 125)
    run_low(rig)
    assert ("milk-usual", 2) in [(one.sku, one.packs) for one in rig.shop.quoted[-1]]
    milk = rig.rows(Line, id=line.id)[0]
    assert (milk.packs, milk.unit_price_minor) == (2, 125)


def test_a_price_that_jumped_in_a_cart_that_grew_is_said(rig: Rig) -> None:
    rig.shop.sell("milk-usual", 240)
    run_low(rig)
    assert any("100" in reason for reason in rig.the(Cart).needs_person)


def test_a_product_that_sold_out_meanwhile_leaves_the_cart_that_grew(rig: Rig) -> None:
    rig.shop.sell("milk-usual", 120, in_stock=False)
    run_low(rig)
    assert [line.supply_id for line in rig.rows(Line)] == ["juice"]
    assert rig.the(Cart).goods_minor == rig.the(Line).amount_minor
    assert len(messages(rig, "not_available")) == 1


def test_a_cart_that_grew_leaves_a_day_to_decide_and_no_less_than_before(rig: Rig) -> None:
    before = rig.the(Cart).decide_by_us
    assert before is not None
    run_low(rig)
    assert rig.the(Cart).decide_by_us == before
    rig.clock.advance(before - rig.clock.now - 4 * HOUR_US)
    run_low(rig, "eggs")
    grown_us = rig.rows(Message, kind="cart_grown")[-1].at_us
    assert rig.the(Cart).decide_by_us == grown_us + DAY_US
    assert len(rig.rows(Line)) == 3
    rig.pass_days(1.2)
    assert rig.rows(Cart)[0].state is CartState.EXPIRED


def test_who_looked_at_the_cart_before_it_grew_does_not_approve_what_they_did_not_see(rig: Rig) -> None:
    seen = rig.the(Cart).version
    run_low(rig)
    with pytest.raises(Conflict, match="look at it again"):
        rig.decide(Approve(seen))
    rig.decide(Approve(rig.the(Cart).version))
    rig.work_off()
    assert {line.supply_id for line in rig.rows(OrderLine)} == {"milk", "juice"}


@pytest.mark.parametrize("act", ["approve", "change", "skip", "snooze"])
def test_a_person_who_acts_while_the_shop_quotes_wins(rig: Rig, act: str) -> None:
    line = rig.the(Line)
    cart_id = rig.the(Cart).id
    acts = {
        "approve": Approve(None),
        "change": ChangePacks(line.id, 1),
        "skip": Skip(),
        "snooze": Snooze(rig.clock.now + 2 * DAY_US),
    }

    def act_once(where: str) -> None:
        if where == "quote" and act in acts:
            rig.decide(acts.pop(act), cart_id)

    rig.shop.around = act_once
    run_low(rig)
    assert act not in acts, "the person acted while the shop was asked"
    milk, juice = rig.rows(Line, supply_id="milk")[0], rig.rows(Line, supply_id="juice")[0]
    if act == "change":
        assert milk.cart_id == juice.cart_id
        assert milk.packs == 1
    else:
        assert milk.cart_id != juice.cart_id
        assert rig.rows(Cart, id=milk.cart_id)[0].goods_minor == milk.amount_minor
    assert {one.state for one in rig.rows(Plan, supply_id="juice")} == {PlanState.CARTED}


def test_an_approved_or_snoozed_cart_is_not_joined(rig: Rig) -> None:
    rig.decide(Snooze(rig.clock.now + 5 * DAY_US))
    run_low(rig)
    assert len(rig.rows(Cart)) == 2


def test_a_cart_over_which_a_payment_is_looked_into_is_not_joined(rig: Rig) -> None:
    undone = build(Approval, cart_id=rig.the(Cart).id, state=ApprovalState.UNDONE)
    rig.add(undone, build(Attempt, cart_id=undone.cart_id, state=AttemptState.MANUAL_REVIEW))
    run_low(rig)
    assert len(rig.rows(Cart)) == 2


def test_a_cart_that_waits_for_a_person_is_not_approved_by_a_mandate_because_it_grew(rig: Rig) -> None:
    rig.save(replace(rig.the(Mandate), standing=True, price_tolerance_percent=1000))
    run_low(rig)
    assert rig.the(Cart).state is CartState.AWAITING_APPROVAL


def test_unsigned_readings_behind_what_joins_make_the_whole_cart_unsigned(rig: Rig) -> None:
    stands = rig.rows(Supply, id="juice")[0]
    rig.save(replace(stands, sealed_quantity=0.0), known_level("juice", LOW, at_us=rig.clock.now, signed=False))
    rig.enqueue("forecast", "juice")
    rig.pass_days(0.1)
    assert len(rig.rows(Line)) == 2
    assert not rig.the(Cart).signed


def test_a_full_cart_leaves_the_rest_to_another(open_rig: OpenRig) -> None:
    names = [f"milk{number:02d}" for number in range(31)]
    rig = open_rig(
        *home(),
        *(row for name in names for row in supply(name, kind="milk")),
        *(known_level(name, LOW) for name in names),
    )
    for name in names:
        rig.shop.sell(f"{name}-usual", 100)
    for name in names[:29]:
        rig.enqueue("forecast", name)
    rig.pass_days(0.1)
    for name in names[29:]:
        rig.enqueue("forecast", name)
    rig.pass_days(0.1)
    assert sorted(len(rig.rows(Line, cart_id=cart.id)) for cart in rig.rows(Cart)) == [1, 30]


# Leaving


def test_what_was_refilled_meanwhile_leaves_the_waiting_cart(rig: Rig) -> None:
    run_low(rig)
    before = rig.the(Cart)
    refill(rig, "milk")
    cart = rig.the(Cart)
    assert [line.supply_id for line in rig.rows(Line)] == ["juice"]
    assert cart.goods_minor == rig.the(Line).amount_minor
    assert cart.version > before.version
    assert cart.state is CartState.AWAITING_APPROVAL
    assert {one.supply_id: one.state for one in rig.rows(Plan)} == {
        "milk": PlanState.DROPPED,
        "juice": PlanState.CARTED,
    }
    (text,) = messages(rig, "cart_shrunk")
    assert text.startswith("Milk can wait: 98\u202f% left and packs on the shelf")
    assert "can wait" in cart.note


def test_a_cart_of_which_nothing_is_needed_any_more_is_closed_and_nothing_is_bought(rig: Rig) -> None:
    refill(rig)
    cart = rig.the(Cart)
    assert cart.state is CartState.DROPPED
    assert "can wait" in cart.note
    assert len(rig.rows(Line)) == 1, "what was proposed is kept for the record"
    with pytest.raises(Conflict):
        rig.say_yes(cart.id)
    rig.pass_days(4)
    assert rig.rows(Order) == []


def test_what_left_a_cart_is_planned_again_when_it_is_due(rig: Rig) -> None:
    refill(rig, sealed=3.0)
    assert rig.rows(Plan, state=PlanState.CARTED) == []
    made = rig.the(Forecast, supply_id="milk", current=True)
    assert made.order_by_us is not None
    rig.pass_days((made.order_by_us - rig.clock.now) / DAY_US + 1.5)
    assert len(rig.rows(Plan, supply_id="milk", state=PlanState.CARTED)) == 1


def test_a_line_that_is_still_needed_says_how_it_stands_now(rig: Rig) -> None:
    before = rig.the(Line)
    version = rig.the(Cart).version
    rig.save(known_level("milk", 0.4, at_us=rig.clock.now))
    rig.enqueue("forecast", "milk")
    rig.work_off()
    after = rig.the(Line)
    assert before.why != after.why
    assert after.why.startswith("40\u202f% left")
    assert rig.the(Cart).version == version, "what is bought and what it costs is the same"


def test_a_level_that_nobody_knows_any_more_takes_nothing_out(rig: Rig) -> None:
    known = rig.rows(Level, id="milk-slot")[0]
    rig.save(replace(known, quantity=None, tracker={**known.tracker, "level": None, "level_us": None}))
    rig.enqueue("forecast", "milk")
    rig.work_off()
    assert rig.the(Line).why == "How much is left is not known."
    assert rig.the(Cart).state is CartState.AWAITING_APPROVAL


def test_what_a_person_has_approved_is_not_taken_out(rig: Rig) -> None:
    rig.say_yes()
    refill(rig)
    assert rig.rows(Plan, state=PlanState.DROPPED) == []
