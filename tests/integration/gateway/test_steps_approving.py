"""Approve, by a person or by a mandate: what a person or a mandate may decide, when, and how often a yes counts."""

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.domain.approval import Approval, ApprovalState
from gateway.domain.cart import Cart, CartState, Line
from gateway.domain.errors import Conflict, DomainError, Invalid, NotAllowed, NotFound
from gateway.domain.household import Household, Member, Role
from gateway.domain.order import Order, OrderState
from gateway.domain.payment import (
    Attempt,
    AttemptState,
    Mandate,
    MandateState,
    MethodState,
    PaymentMethod,
    Reservation,
)
from gateway.domain.records import Message
from gateway.domain.replenishment import DAY_US, HOUR_US, MAX_PACKS_PER_LINE
from gateway.steps import CALLS_OUT
from gateway.steps.approve import (
    Approve,
    ApproveByMandate,
    ChangePacks,
    Skip,
    Snooze,
    Swap,
    Undo,
    approve,
)
from gateway.steps.ports import LeaseLost
from tests.builders import HOME, build
from tests.homes import home, known_level, supply
from tests.rig import UNDO_US, Crash, Rig

OpenRig = Callable[..., Rig]


def open_with_cart(open_rig: OpenRig, *more: object) -> Rig:
    """Open a home with one cart that waits for a person."""
    rig = open_rig(*home(), known_level("milk", 0.15), *more)
    rig.shop.sell("milk-usual", 120)
    rig.shop.sell("milk-half", 70, pack_size=0.5)
    rig.enqueue("forecast", "milk")
    rig.pass_days(0.1)
    assert rig.the(Cart).state is CartState.AWAITING_APPROVAL
    return rig


def set_mandate(rig: Rig, **changes: object) -> None:
    rig.save(replace(rig.rows(Mandate)[0], **changes))


# A person's yes


def test_a_yes_makes_an_approval_with_a_time_to_undo(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    cart = rig.say_yes()
    approval = rig.the(Approval)
    assert cart.state is CartState.APPROVED
    assert (approval.member_id, approval.by_mandate, approval.amount_minor) == ("ana", False, cart.total_minor)
    assert approval.send_not_before_wall_us == rig.clock.wall + UNDO_US
    assert rig.waiting("authorize") == [("authorize", cart.id, rig.clock.now)]
    assert rig.waiting("expire") == []


def test_a_yes_to_another_version_than_the_present_one_is_refused(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    seen = rig.the(Cart).version
    rig.decide(ChangePacks(rig.the(Line).id, 2))
    with pytest.raises(Conflict, match="edited"):
        rig.decide(Approve(seen))
    assert rig.decide(Approve(seen + 1)).state is CartState.APPROVED


def test_a_second_yes_is_refused(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.say_yes()
    with pytest.raises(Conflict):
        rig.say_yes()
    assert len(rig.rows(Approval)) == 1


@pytest.mark.parametrize("decision", [Approve(None), ChangePacks("line", 1), Snooze(1), Skip(), Undo()])
def test_a_viewer_decides_nothing(open_rig: OpenRig, decision: object) -> None:
    rig = open_with_cart(open_rig, build(Member, id="leo", email="leo@example.org", role=Role.VIEWER))
    with pytest.raises(NotAllowed):
        rig.decide(decision, member_id="leo")


def test_an_approver_may_approve(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig, build(Member, id="mia", email="mia@example.org", role=Role.APPROVER))
    assert rig.decide(Approve(None), member_id="mia").state is CartState.APPROVED


def test_another_households_cart_is_not_found(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig, build(Household, id="else", household_id="else"))
    stranger = build(Member, id="eve", household_id="else", email="eve@example.org")
    rig.add(stranger)
    with pytest.raises(NotFound), rig.store.begin() as tx:
        approve(
            tx,
            "else",
            rig.the(Cart).id,
            Approve(None),
            member=stranger,
            now_us=rig.clock.now,
            wall_us=rig.clock.wall,
            undo_us=0,
        )


def test_nothing_is_approved_while_everything_is_frozen(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.save(replace(rig.the(Household), frozen_since_us=rig.clock.now))
    with pytest.raises(Conflict, match="frozen"):
        rig.say_yes()


def test_a_cart_whose_deadline_passed_cannot_be_approved(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.clock.advance(73 * HOUR_US)
    with pytest.raises(Conflict, match="expired"):
        rig.say_yes()
    rig.work_off()
    with pytest.raises(Conflict, match="expired"):
        rig.say_yes()


def test_a_cart_that_costs_nothing_cannot_be_paid_for(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.save(replace(rig.the(Cart), goods_minor=0, delivery_minor=0))
    with pytest.raises(Invalid):
        rig.say_yes()


@pytest.mark.parametrize(
    ("why", "change"),
    [
        ("the account is frozen", lambda rig: replace(rig.the(PaymentMethod), state=MethodState.FROZEN)),
        ("it is in another currency", lambda rig: replace(rig.the(PaymentMethod), currency="CHF")),
        ("the permission to debit is revoked", lambda rig: replace(rig.the(Mandate), state=MandateState.REVOKED)),
        ("the permission to debit has ended", lambda rig: replace(rig.the(Mandate), valid_until_us=rig.clock.now)),
        ("it is not valid yet", lambda rig: replace(rig.the(Mandate), valid_from_us=rig.clock.now + 1)),
        ("it is for another shop", lambda rig: replace(rig.the(Mandate), merchant_ids=("elsewhere",))),
        ("it is for another supply", lambda rig: replace(rig.the(Mandate), supply_ids=("coffee",))),
    ],
)
def test_no_account_may_be_debited_when(open_rig: OpenRig, why: str, change: Callable[[Rig], object]) -> None:
    assert why
    rig = open_with_cart(open_rig)
    rig.save(change(rig))
    with pytest.raises(Invalid, match="account"):
        rig.say_yes()


def test_a_person_may_go_beyond_the_limits_of_a_standing_mandate(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    set_mandate(rig, standing=True, per_order_minor=1, per_period_minor=1)
    assert rig.say_yes().state is CartState.APPROVED
    rig.work_off()
    assert rig.the(Order).state is OrderState.PLACED


def test_the_named_account_is_debited_and_else_the_first_in_order(open_rig: OpenRig) -> None:
    second = [
        build(PaymentMethod, id="second", rank=1),
        build(Mandate, id="second-mandate", payment_method_id="second"),
    ]
    rig = open_with_cart(open_rig, *second)
    rig.decide(Approve(None, "second"))
    assert rig.the(Approval).payment_method_id == "second"
    rig.decide(Undo())
    rig.say_yes()
    (standing,) = rig.rows(Approval, state=ApprovalState.STANDING)
    assert standing.payment_method_id == "method"


# Edits


def test_another_quantity_makes_the_sums_anew_and_raises_the_version(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    before = rig.the(Cart)
    after = rig.decide(ChangePacks(rig.the(Line).id, 7))
    assert (after.goods_minor, after.version) == (840, before.version + 1)


@pytest.mark.parametrize("packs", [0, -1, MAX_PACKS_PER_LINE + 1])
def test_a_quantity_out_of_bounds_is_refused(open_rig: OpenRig, packs: int) -> None:
    rig = open_with_cart(open_rig)
    with pytest.raises(Invalid):
        rig.decide(ChangePacks(rig.the(Line).id, packs))


def test_a_swap_keeps_the_quantity_as_near_as_whole_packs_can(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.decide(ChangePacks(rig.the(Line).id, 3))
    rig.decide(Swap(rig.the(Line).id, "milk-half"))
    line = rig.the(Line)
    assert (line.sku, line.packs, line.pack_size, line.unit_price_minor) == ("milk-half", 6, 0.5, 70)
    assert line.price_before_minor is None


def test_a_swap_is_bounded_like_any_quantity(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.decide(ChangePacks(rig.the(Line).id, 20))
    rig.decide(Swap(rig.the(Line).id, "milk-half"))
    assert rig.the(Line).packs == MAX_PACKS_PER_LINE


def test_only_what_was_offered_and_is_in_stock_can_be_swapped_in(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    line = rig.the(Line)
    with pytest.raises(Invalid, match="offer"):
        rig.decide(Swap(line.id, "caviar"))
    gone = tuple({**one, "in_stock": False} for one in line.alternatives)
    rig.save(replace(line, alternatives=gone))
    with pytest.raises(Invalid, match="none"):
        rig.decide(Swap(line.id, "milk-half"))


def test_what_was_decided_cannot_be_edited(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    line = rig.the(Line)
    rig.say_yes()
    for decision in (ChangePacks(line.id, 1), Swap(line.id, "milk-half"), Snooze(rig.clock.now + 1), Skip()):
        with pytest.raises(Conflict):
            rig.decide(decision)


def test_a_line_of_another_cart_is_refused(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig, *supply("juice"), known_level("juice", 0.1))
    rig.shop.sell("juice-usual", 230)
    rig.decide(Snooze(rig.clock.now + DAY_US))
    rig.enqueue("forecast", "juice")
    rig.pass_days(0.1)
    first, second = rig.rows(Cart)
    (line,) = rig.rows(Line, cart_id=first.id)
    with pytest.raises(Invalid):
        rig.decide(ChangePacks(line.id, 1), second.id)


@pytest.mark.parametrize("days", [-1, 0, 61])
def test_a_snooze_lies_in_the_next_two_months(open_rig: OpenRig, days: int) -> None:
    rig = open_with_cart(open_rig)
    with pytest.raises(Invalid):
        rig.decide(Snooze(rig.clock.now + days * DAY_US))


# Undo


def test_an_undo_in_time_sends_nothing_and_gives_the_money_back(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.say_yes()
    while rig.the(Cart).state is CartState.APPROVED:
        rig.run_round()
    assert rig.bank.held_minor == rig.the(Cart).total_minor
    undone = rig.decide(Undo())
    rig.work_off()
    assert undone.state is CartState.AWAITING_APPROVAL
    assert rig.shop.orders == {}
    assert rig.bank.held_minor == 0
    assert rig.the(Attempt).state is AttemptState.VOIDED
    assert rig.the(Reservation).state == "freed"
    assert rig.differences() == []


def test_an_undone_cart_can_be_approved_again_and_is_debited_once(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.say_yes()
    rig.run_round()
    rig.decide(Undo())
    rig.say_yes()
    rig.work_off()
    assert rig.the(Order).state is OrderState.PLACED
    assert [one.state for one in rig.rows(Attempt)][-1] is AttemptState.AUTHORIZED
    assert rig.bank.held_minor == rig.the(Order).total_minor
    assert rig.differences() == []


def test_an_undo_loses_once_the_order_is_being_sent(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.say_yes()
    rig.shop.faults.append("silent")
    while not rig.rows(Order):
        rig.run_round()
        rig.clock.wall += UNDO_US
    assert rig.the(Order).state is OrderState.PLACING
    with pytest.raises(Conflict, match="sent"):
        rig.decide(Undo())
    rig.work_off()
    assert rig.the(Order).state is OrderState.PLACED
    with pytest.raises(Conflict):
        rig.decide(Undo())


def test_an_order_that_never_left_may_still_be_undone(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.say_yes()
    rig.shop.faults.extend(["not_sent"] * 3)
    while rig.shop.faults:
        rig.run_round()
        rig.clock.wall += UNDO_US
    assert rig.rows(Order) == []
    rig.decide(Undo())
    rig.work_off()
    assert rig.shop.orders == {}
    assert rig.bank.held_minor == 0
    assert rig.differences() == []


def test_an_undo_wins_over_a_place_that_was_claimed_and_has_not_begun(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.say_yes()
    while not rig.waiting("place"):
        rig.run_round()
    rig.clock.wall += UNDO_US
    item = rig.claim("place")
    rig.decide(Undo())
    with pytest.raises(LeaseLost):
        CALLS_OUT["place"](item, rig.services)
    rig.work_off()
    assert rig.shop.orders == {}
    assert rig.bank.held_minor == 0


def test_nothing_is_sent_before_the_time_to_undo_is_over_whoever_asks(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    cart = rig.say_yes()
    while not rig.waiting("place"):
        rig.run_round()
    rig.enqueue("place", cart.id)
    rig.run_round()
    assert rig.shop.orders == {}
    rig.work_off()
    assert len(rig.shop.orders) == 1


def test_an_undone_cart_waits_a_day_at_least(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.clock.advance(71 * HOUR_US)
    rig.say_yes()
    cart = rig.decide(Undo())
    assert cart.decide_by_us == rig.clock.now + DAY_US
    assert cart.needs_person == ("you took your approval back",)


def test_a_hundred_threads_that_approve_one_cart_make_one_debit(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    cart = rig.the(Cart)
    start, said_yes, refused = threading.Barrier(100), [], []

    def press() -> None:
        start.wait(timeout=60)
        try:
            said_yes.append(rig.say_yes(cart.id))
        except DomainError as error:
            refused.append(error)

    threads = [threading.Thread(target=press) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert (len(said_yes), len(refused)) == (1, 99)
    rig.work_off()
    rig.shop.ship()
    rig.pass_days(1)
    assert len(rig.rows(Approval, state=ApprovalState.STANDING)) == 1
    assert len(rig.rows(Attempt)) == 1
    assert len(rig.bank.captures) == 1
    assert rig.bank.debited_minor == cart.total_minor
    assert rig.bank.held_minor == 0
    assert rig.differences() == []


# A mandate's yes


def standing(open_rig: OpenRig, *more: object, **limits: object) -> Rig:
    rig = open_rig(*home(), known_level("milk", 0.15), *more)
    set_mandate(rig, standing=True, **limits)
    rig.shop.sell("milk-usual", 120)
    rig.enqueue("forecast", "milk")
    rig.pass_days(0.1)
    return rig


def test_a_standing_mandate_approves_by_itself_what_it_covers(open_rig: OpenRig) -> None:
    rig = standing(open_rig)
    approval = rig.the(Approval)
    assert (approval.by_mandate, approval.member_id) == (True, None)
    assert rig.the(Order).state is OrderState.PLACED


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"per_order_minor": 100}, "an order"),
        ({"per_period_minor": 100}, "30 days"),
        ({"per_merchant_minor": 100}, "at Corner shop"),
        ({"merchant_ids": ("elsewhere",)}, "merchant"),
        ({"supply_ids": ("coffee",)}, "supply"),
        ({"valid_until_us": 1}, "expired"),
        ({"state": MandateState.SUSPENDED}, "no standing permission to debit"),
    ],
)
def test_a_mandate_approves_nothing_beyond_its_limits(open_rig: OpenRig, limits: dict[str, object], words: str) -> None:
    rig = standing(open_rig, **limits)
    cart = rig.the(Cart)
    assert cart.state is CartState.AWAITING_APPROVAL
    assert words in " ".join(cart.needs_person)
    assert rig.bank.sent == []


def test_what_another_debit_holds_counts_against_the_limit(open_rig: OpenRig) -> None:
    rig = standing(open_rig, *supply("juice", price_minor=300), known_level("juice", 0.95), per_period_minor=1_500)
    assert rig.the(Order).total_minor > 700
    rig.shop.sell("juice-usual", 300)
    rig.save(known_level("juice", 0.1, at_us=rig.clock.now))
    rig.enqueue("forecast", "juice")
    rig.pass_days(0.1)
    second = rig.rows(Cart)[-1]
    assert second.state is CartState.AWAITING_APPROVAL
    assert "above the limit" in second.needs_person[0]


def test_a_mandate_that_was_revoked_meanwhile_gives_the_cart_back_to_a_person(open_rig: OpenRig) -> None:
    rig = open_rig(*home(), known_level("milk", 0.15))
    set_mandate(rig, standing=True)
    rig.shop.sell("milk-usual", 120)
    rig.enqueue("forecast", "milk")
    while not rig.rows(Approval):
        rig.run_round()
        rig.clock.advance(HOUR_US)
    set_mandate(rig, state=MandateState.REVOKED)
    rig.work_off()
    cart = rig.the(Cart)
    assert cart.state is CartState.AWAITING_APPROVAL
    assert cart.needs_person == ("the permission to debit is revoked",)
    assert rig.the(Approval).state is ApprovalState.UNDONE
    assert "cart_waiting" in [one.kind for one in rig.rows(Message)]
    assert rig.bank.sent == []
    assert rig.rows(Attempt) == []


def test_no_mandate_decides_what_a_person_must(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    set_mandate(rig, standing=True)
    with pytest.raises(Conflict), rig.store.begin() as tx:
        approve(
            tx,
            HOME,
            rig.the(Cart).id,
            ApproveByMandate("mandate"),
            member=None,
            now_us=rig.clock.now,
            wall_us=rig.clock.wall,
            undo_us=0,
        )


def test_nothing_is_approved_by_a_mandate_while_frozen(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    set_mandate(rig, standing=True)
    rig.save(replace(rig.the(Household), frozen_since_us=rig.clock.now), replace(rig.the(Cart), needs_person=()))
    rig.enqueue("approve", rig.the(Cart).id)
    rig.work_off()
    assert rig.rows(Approval) == []


def test_a_freeze_holds_back_what_was_approved_already(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.say_yes()
    rig.save(replace(rig.the(Household), frozen_since_us=rig.clock.now))
    rig.pass_days(0.5)
    assert rig.bank.sent == []
    assert rig.shop.orders == {}
    rig.save(replace(rig.the(Household), frozen_since_us=None))
    rig.pass_days(0.1)
    assert rig.the(Order).state is OrderState.PLACED


def test_a_freeze_after_the_hold_sends_nothing(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    rig.say_yes()
    while rig.the(Cart).state is not CartState.HELD:
        rig.run_round()
    rig.save(replace(rig.the(Household), frozen_since_us=rig.clock.now))
    rig.pass_days(0.5)
    assert rig.shop.orders == {}


def test_a_crash_in_the_middle_of_a_yes_leaves_no_half_of_it(open_rig: OpenRig) -> None:
    rig = open_with_cart(open_rig)
    yes = {"now_us": rig.clock.now, "wall_us": rig.clock.wall, "undo_us": UNDO_US}

    def die_before_the_commit() -> None:
        with rig.store.begin() as tx:
            approve(tx, HOME, rig.the(Cart).id, Approve(None), member=rig.the(Member), **yes)
            raise Crash("before the commit")

    with pytest.raises(Crash):
        die_before_the_commit()
    assert rig.rows(Approval) == []
    assert rig.the(Cart).state is CartState.AWAITING_APPROVAL
    assert rig.waiting("authorize") == []
