"""A soft decline goes on to the next account: only with consent, only once it is known, never with two live tries."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.domain.cart import Cart, CartState
from gateway.domain.errors import Conflict, NotAllowed
from gateway.domain.household import Household, Member, Role
from gateway.domain.payment import (
    Attempt,
    AttemptState,
    Mandate,
    MethodState,
    Operation,
    PaymentMethod,
    Reservation,
    ReservationState,
)
from gateway.domain.preference import Consent
from gateway.domain.records import Message
from gateway.domain.stock import Device, DeviceState
from gateway.steps.acts.accounts import NEXT_ACCOUNT_WORDS, consent_to_next_account, end_consent
from gateway.steps.acts.household import unfreeze_everything
from gateway.steps.approve import Undo
from gateway.steps.money.next_account import MOST_TRIES
from tests.builders import build
from tests.fake_bank import Fault
from tests.rig import Crash, Rig

OpenRig = Callable[..., Rig]
CONSENT = build(Consent)


def account(name: str, rank: int, **of_mandate: object) -> tuple[PaymentMethod, Mandate]:
    return (
        build(PaymentMethod, id=name, label=name.capitalize(), token_sealed=f"sealed:{name}".encode(), rank=rank),
        build(Mandate, id=f"{name}-mandate", payment_method_id=name, **of_mandate),
    )


def tries(rig: Rig) -> list[tuple[str, AttemptState]]:
    return [(one.payment_method_id, one.state) for one in rig.rows(Attempt)]


def declined_once(with_cart: OpenRig, *more: object, faults: tuple[Fault, ...] = ("decline",)) -> Rig:
    rig = with_cart(*account("second", 1), *more)
    rig.bank.fail("authorize", *faults)
    rig.say_yes()
    rig.work_off()
    return rig


def test_with_consent_the_next_account_is_debited_and_the_household_told_which(with_cart: OpenRig) -> None:
    rig = declined_once(with_cart, CONSENT)
    assert tries(rig) == [("method", AttemptState.DECLINED), ("second", AttemptState.AUTHORIZED)]
    assert rig.the(Cart).state is CartState.ORDERED
    (told,) = rig.rows(Message, kind="next_account")
    assert told.text.startswith("Current account declined. As you allowed, Second is debited instead: ")
    rig.shop.ship()
    rig.pass_days(1)
    assert rig.bank.debited_minor == sum(one.amount_minor for one in rig.rows(Attempt) if one.state == "captured")
    assert rig.bank.held_minor == 0
    states = {one.mandate_id: one.state for one in rig.rows(Reservation)}
    assert states == {"mandate": ReservationState.FREED, "second-mandate": ReservationState.USED}
    assert rig.differences() == []


def test_without_consent_nothing_is_bought_and_a_consent_taken_back_counts_no_more(with_cart: OpenRig) -> None:
    assert tries(declined_once(with_cart)) == [("method", AttemptState.DECLINED)]
    ended = declined_once(with_cart, replace(CONSENT, ended_us=1))
    assert (tries(ended), ended.the(Cart).state) == ([("method", AttemptState.DECLINED)], CartState.DECLINED)


@pytest.mark.parametrize("fault", ["decline_hard", "decline_mandate", "invalid"])
def test_only_a_soft_decline_goes_on(with_cart: OpenRig, fault: Fault) -> None:
    rig = declined_once(with_cart, CONSENT, faults=(fault,))
    assert tries(rig) == [("method", AttemptState.DECLINED)]


@pytest.mark.parametrize("fault", ["silent", "lost", "500", "delayed", "pending"])
def test_while_the_first_outcome_is_unknown_no_other_account_is_asked(with_cart: OpenRig, fault: Fault) -> None:
    rig = with_cart(*account("second", 1), CONSENT)
    rig.bank.fail("authorize", fault)
    rig.say_yes()
    rig.run_round()
    rig.run_round()
    assert [one.payment_method_id for one in rig.rows(Attempt)] == ["method"]
    rig.bank.deliver()
    rig.bank.decide()
    rig.work_off()
    assert tries(rig) == [("method", AttemptState.AUTHORIZED)]
    assert rig.bank.held_minor == rig.the(Attempt).amount_minor


@pytest.mark.parametrize("fault", ["lost", "500"])
def test_an_unknown_outcome_that_turns_out_a_soft_decline_goes_on_then(with_cart: OpenRig, fault: Fault) -> None:
    rig = declined_once(with_cart, CONSENT, faults=(fault, "decline"))
    assert tries(rig) == [("method", AttemptState.DECLINED), ("second", AttemptState.AUTHORIZED)]


def test_each_account_is_tried_once_and_only_so_many(with_cart: OpenRig) -> None:
    more = [row for rank in range(2, MOST_TRIES + 2) for row in account(f"account{rank}", rank)]
    rig = declined_once(with_cart, CONSENT, *more, faults=("decline",) * (MOST_TRIES + 3))
    assert len({one.payment_method_id for one in rig.rows(Attempt)}) == len(rig.rows(Attempt)) == MOST_TRIES
    assert rig.the(Cart).state is CartState.DECLINED
    assert rig.bank.held_minor == 0


@pytest.mark.parametrize(
    "of_mandate",
    [
        {"per_order_minor": 10},
        {"per_period_minor": 10},
        {"per_period_count": 1, "per_period_minor": 10},
        {"supply_ids": ("coffee",)},
        {"device_ids": ("car",)},
        {"merchant_ids": ("elsewhere",)},
        {"valid_until_us": 1},
        {"state": "suspended"},
    ],
)
def test_the_next_account_is_debited_under_its_own_limits_alone(
    with_cart: OpenRig, of_mandate: dict[str, object]
) -> None:
    rig = with_cart(*account("second", 1, **of_mandate), *account("third", 2), CONSENT)
    rig.bank.fail("authorize", "decline")
    rig.say_yes()
    rig.work_off()
    assert [one for one, _ in tries(rig)] == ["method", "third"]


def test_what_a_mandate_approved_goes_on_only_under_a_standing_mandate(with_cart: OpenRig) -> None:
    rig = with_cart(CONSENT)
    rig.add(*account("second", 1), *account("third", 2, standing=True))
    rig.save(replace(rig.rows(Mandate, id="mandate")[0], standing=True))
    rig.save(replace(rig.the(Cart), needs_person=()))
    rig.bank.fail("authorize", "decline")
    rig.enqueue("approve", rig.the(Cart).id)
    rig.work_off()
    assert [one for one, _ in tries(rig)] == ["method", "third"]


FREEZES: dict[str, Callable[[Rig], object]] = {
    "all": lambda rig: replace(rig.the(Household), frozen_since_us=1),
    "the next account": lambda rig: replace(rig.rows(PaymentMethod, id="second")[0], state=MethodState.FROZEN),
}


@pytest.mark.parametrize("frozen", FREEZES)
def test_a_freeze_while_the_first_is_asked_stops_the_next(with_cart: OpenRig, frozen: str) -> None:
    rig = with_cart(*account("second", 1), CONSENT)
    rig.bank.fail("authorize", "decline")
    rig.bank.around = lambda where: rig.save(FREEZES[frozen](rig)) if where == "before authorize" else None
    rig.say_yes()
    rig.work_off()
    rig.pass_days(1)
    assert [one for one, _ in tries(rig)] == ["method"]
    assert rig.bank.held_minor == 0


def test_once_the_freeze_is_lifted_the_next_account_is_asked(with_cart: OpenRig) -> None:
    rig = with_cart(*account("second", 1), CONSENT)
    rig.bank.fail("authorize", "decline")
    rig.say_yes()
    rig.run_round()
    rig.save(replace(rig.the(Household), frozen_since_us=1))
    rig.work_off()
    assert [one for one, _ in tries(rig)] == ["method"]
    with rig.store.begin() as tx:
        unfreeze_everything(tx, tx.get(Member, "home", "ana"), now_us=rig.clock.now)
    rig.work_off()
    assert tries(rig)[1:] == [("second", AttemptState.AUTHORIZED)]


@pytest.mark.parametrize(
    "change",
    [
        lambda rig: replace(rig.rows(Mandate, id="second-mandate")[0], per_order_minor=1),
        lambda rig: replace(rig.the(Consent), ended_us=1),
    ],
)
def test_what_changes_between_two_tries_counts_and_nothing_is_bought(
    with_cart: OpenRig, change: Callable[[Rig], object]
) -> None:
    rig = with_cart(*account("second", 1), CONSENT)
    rig.bank.fail("authorize", "decline")
    rig.say_yes()
    rig.run_round()
    rig.save(change(rig))
    rig.work_off()
    assert [one for one, _ in tries(rig)] == ["method"]
    assert (rig.the(Cart).state, rig.the(Cart).note) == (CartState.DECLINED, "not enough money")


def test_a_device_frozen_between_two_tries_stops_what_a_mandate_approved(with_cart: OpenRig) -> None:
    rig = with_cart(CONSENT)
    rig.add(*account("second", 1, standing=True))
    rig.save(replace(rig.rows(Mandate, id="mandate")[0], standing=True))
    rig.save(replace(rig.the(Cart), needs_person=()))
    rig.bank.fail("authorize", "decline")
    rig.bank.around = lambda where: (
        rig.save(replace(rig.the(Device), state=DeviceState.FROZEN)) if where == "before authorize" else None
    )
    rig.enqueue("approve", rig.the(Cart).id)
    rig.work_off()
    assert [one for one, _ in tries(rig)] == ["method"]


def test_a_yes_taken_back_between_two_tries_holds_nothing(with_cart: OpenRig) -> None:
    rig = with_cart(*account("second", 1), CONSENT)
    rig.bank.fail("authorize", "decline")
    rig.say_yes()
    rig.run_round()
    assert [one for one, _ in tries(rig)] == ["method"]
    rig.decide(Undo())
    rig.work_off()
    assert rig.bank.held_minor == 0
    assert rig.the(Cart).state is CartState.AWAITING_APPROVAL


@pytest.mark.parametrize("at", range(1, 13))
def test_a_crash_at_any_point_of_both_tries_holds_the_amount_once(with_cart: OpenRig, at: int) -> None:
    rig = with_cart(*account("second", 1), CONSENT)
    rig.bank.fail("authorize", "decline")
    rig.say_yes()
    rig.bomb.passed, rig.bomb.at = 0, at
    try:
        rig.work_off()
    except Crash:
        rig.restart()
    rig.work_off()
    assert [state for _, state in tries(rig)] == [AttemptState.DECLINED, AttemptState.AUTHORIZED], rig.bomb.where
    assert rig.bank.held_minor == rig.rows(Attempt)[-1].amount_minor
    rig.shop.ship()
    rig.pass_days(1)
    assert rig.bank.debited_minor == rig.rows(Attempt)[-1].amount_minor
    assert rig.differences() == []


def test_the_same_decline_settled_twice_asks_one_other_account(with_cart: OpenRig) -> None:
    rig = with_cart(*account("second", 1), *account("third", 2), CONSENT)
    rig.bank.fail("authorize", "silent")
    rig.bank.fail("authorize", "decline")
    rig.say_yes()
    rig.run_round()
    first = rig.rows(Attempt)[0]
    for _ in range(3):
        rig.enqueue("sync", operation_of(rig, first))
        rig.enqueue("authorize", rig.the(Cart).id)
        rig.work_off()
    assert len([one for one in rig.rows(Attempt) if one.state is AttemptState.AUTHORIZED]) == 1
    assert rig.bank.held_minor == first.amount_minor


def operation_of(rig: Rig, attempt: Attempt) -> str:
    return rig.rows(Operation, attempt_id=attempt.id)[0].id


def test_the_words_the_person_and_the_time_of_a_consent_are_kept(with_cart: OpenRig) -> None:
    rig = with_cart()
    ana = rig.the(Member)
    with rig.store.begin() as tx:
        with pytest.raises(NotAllowed):
            consent_to_next_account(tx, replace(ana, role=Role.APPROVER), now_us=rig.clock.now)
        with pytest.raises(Conflict):
            end_consent(tx, ana, now_us=rig.clock.now)
        given = consent_to_next_account(tx, ana, now_us=rig.clock.now)
        assert consent_to_next_account(tx, ana, now_us=rig.clock.now + 1) == given
        ended = end_consent(tx, ana, now_us=rig.clock.now + 2)
        anew = consent_to_next_account(tx, ana, now_us=rig.clock.now + 3)
    assert (given.words, given.member_id, given.given_us) == (NEXT_ACCOUNT_WORDS, "ana", rig.clock.now)
    assert (ended.ended_us, ended.ended_by) == (rig.clock.now + 2, "ana")
    assert rig.rows(Consent) == [ended, anew]
