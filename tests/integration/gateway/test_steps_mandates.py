"""Permissions to debit: written before the provider is asked, looked up when lost, confirmed, changed and ended."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.domain.cart import Cart, CartState
from gateway.domain.errors import Conflict, Invalid
from gateway.domain.household import Member
from gateway.domain.order import Order, OrderState
from gateway.domain.payment import Mandate, MandateState, MethodState, PaymentMethod, Reservation
from gateway.domain.records import Message, Notice, NoticeState
from gateway.domain.replenishment import DAY_US
from gateway.steps.acts.limits import Limits
from gateway.steps.acts.wallet import came_back, confirmed, link_account, set_limits, unlink_account
from gateway.steps.money.review import review
from gateway.steps.money.setting_up import MOST_LOOKS
from payments.adapter import OperationKind as Kind
from payments.adapter import SetupMandate
from tests.builders import build
from tests.fake_bank import Fault
from tests.homes import home
from tests.rig import Crash, Rig

OpenRig = Callable[..., Rig]
LIMITS = Limits(standing=False, per_order_minor=6_000, per_period_minor=20_000, period_days=30)


def ana(rig: Rig) -> Member:
    return rig.the(Member)


def link(rig: Rig) -> Mandate:
    return link_account(
        rig.services, ana(rig), adapter_name="sandbox", token="second account", label="Second", limits=LIMITS
    )


def second(rig: Rig) -> tuple[PaymentMethod, Mandate]:
    (method,) = [one for one in rig.rows(PaymentMethod) if one.label == "Second"]
    (mandate,) = rig.rows(Mandate, payment_method_id=method.id)
    return method, mandate


def told(rig: Rig) -> list[str]:
    return [one.kind for one in rig.rows(Message)]


# Linking


def test_an_account_is_linked_at_once_when_the_provider_agrees(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    assert link(rig).state is MandateState.ACTIVE
    method, mandate = second(rig)
    assert (method.state, mandate.provider_ref) == (MethodState.ACTIVE, f"mandate:{mandate.id}")
    assert rig.waiting("sync") == []


@pytest.mark.parametrize("faults", [["silent"], ["lost"], ["500"], ["delayed"], ["lost", "500", "silent"], ["pending"]])
def test_an_answer_that_was_lost_is_looked_up_and_the_account_is_linked_once(
    open_rig: OpenRig, faults: list[Fault]
) -> None:
    rig = open_rig(*home())
    rig.bank.fail("setup_mandate", *faults)
    assert link(rig).state is MandateState.PENDING
    assert second(rig)[0].state is MethodState.PENDING
    rig.bank.deliver()
    rig.bank.decide()
    rig.work_off()
    method, mandate = second(rig)
    assert (method.state, mandate.state) == (MethodState.ACTIVE, MandateState.ACTIVE)
    assert {key for kind, key in rig.bank.sent if kind is Kind.SETUP_MANDATE} == {mandate.id}
    assert len(rig.bank.mandates) == 1
    assert told(rig).count("mandate_active") == 1


def test_a_declined_account_is_not_linked_and_the_words_are_kept(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    rig.bank.fail("setup_mandate", "decline_hard")
    assert link(rig).state is MandateState.REVOKED
    method, mandate = second(rig)
    assert (method.state, mandate.note) == (MethodState.REVOKED, "The account is closed.")
    assert rig.waiting("sync") == []


@pytest.mark.parametrize("fault", ["not_sent", "invalid"])
def test_a_provider_that_did_nothing_leaves_nothing_linked(open_rig: OpenRig, fault: Fault) -> None:
    rig = open_rig(*home())
    rig.bank.fail("setup_mandate", fault)
    with pytest.raises(Invalid):
        link(rig)
    method, mandate = second(rig)
    assert (method.state, mandate.state) == (MethodState.REVOKED, MandateState.REVOKED)
    rig.work_off()
    assert rig.bank.mandates == {}


def test_the_customer_is_led_to_the_bank_and_a_word_from_them_looks_at_once(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    rig.bank.fail("setup_mandate", "step_up")
    asked = link(rig)
    assert (asked.state, asked.confirm_url) == (MandateState.REQUIRES_ACTION, "https://bank.example/confirm")
    assert told(rig).count("mandate_step_up") == 1
    rig.bank.decide()
    with rig.store.begin() as tx:
        confirmed(tx, ana(rig), asked.id, now_us=rig.clock.now)
    rig.run_round()
    method, mandate = second(rig)
    assert (method.state, mandate.state, mandate.confirm_url) == (MethodState.ACTIVE, MandateState.ACTIVE, "")
    with rig.store.begin() as tx, pytest.raises(Conflict):
        confirmed(tx, ana(rig), asked.id, now_us=rig.clock.now)


def test_a_permission_that_nobody_ever_confirms_ends_and_is_not_asked_about_for_ever(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    rig.bank.fail("setup_mandate", "step_up")
    link(rig)
    rig.pass_days(MOST_LOOKS + 1)
    method, mandate = second(rig)
    assert (method.state, mandate.state) == (MethodState.REVOKED, MandateState.REVOKED)
    assert rig.waiting("sync") == []
    assert told(rig).count("mandate_refused") == 1


def link_hosted(rig: Rig, label: str = "") -> Mandate:
    """Link an account that is chosen on the bank's own page."""
    rig.bank.hosted = True
    return link_account(rig.services, ana(rig), adapter_name="sandbox", token="", label=label, limits=LIMITS)


def test_an_account_is_chosen_on_the_providers_own_page_and_called_as_it_calls_it(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    asked = link_hosted(rig)
    assert (asked.state, asked.confirm_url) == (MandateState.REQUIRES_ACTION, "https://bank.example/confirm")
    (request,) = rig.bank.requests(Kind.SETUP_MANDATE)
    assert isinstance(request, SetupMandate)
    assert request.method_token == asked.payment_method_id
    assert request.return_url == f"https://home.example/money/mandates/{asked.id}/back"
    rig.bank.decide()
    with rig.store.begin() as tx:
        assert came_back(tx, ana(rig), asked.id, now_us=rig.clock.now).state is MandateState.REQUIRES_ACTION
    rig.run_round()
    method = rig.the(PaymentMethod, id=asked.payment_method_id)
    assert (method.state, method.label, method.named) == (MethodState.ACTIVE, "Elm Bank •••• 4242", False)
    with rig.store.begin() as tx:  # a reload of the page that led back changes nothing
        assert came_back(tx, ana(rig), asked.id, now_us=rig.clock.now).state is MandateState.ACTIVE
    assert rig.waiting("sync") == []


def test_a_name_that_a_member_gave_stays_whatever_the_provider_calls_the_account(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    asked = link_hosted(rig, "Holiday card")
    rig.bank.decide()
    rig.work_off()
    assert rig.the(PaymentMethod, id=asked.payment_method_id).label == "Holiday card"


def test_several_accounts_are_linked_at_a_provider_that_lets_them_be_chosen_there(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    first, second_one = link_hosted(rig), link_hosted(rig)
    assert first.payment_method_id != second_one.payment_method_id


def test_who_closes_the_providers_page_can_go_there_again_and_who_says_no_there_has_linked_nothing(
    open_rig: OpenRig,
) -> None:
    rig = open_rig(*home())
    asked = link_hosted(rig)
    with rig.store.begin() as tx:
        came_back(tx, ana(rig), asked.id, now_us=rig.clock.now)
    rig.run_round()
    assert rig.the(Mandate, id=asked.id).confirm_url == "https://bank.example/confirm"
    rig.bank.refuse()
    rig.work_off()
    method = rig.the(PaymentMethod, id=asked.payment_method_id)
    assert (method.state, rig.the(Mandate, id=asked.id).note) == (MethodState.REVOKED, "You said no at the bank.")
    assert told(rig).count("mandate_refused") == 1


def test_a_notice_about_a_permission_looks_it_up_at_once(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    asked = link_hosted(rig)
    rig.bank.decide()
    body = asked.id.encode()
    rig.add(build(Notice, id="hint", source="payment", name="sandbox", headers={"x-signature": "good"}, body=body))
    rig.enqueue("notice", "hint", household_id=None)
    rig.run_round()
    rig.run_round()
    assert rig.the(Mandate, id=asked.id).state is MandateState.ACTIVE
    assert rig.the(Notice).state is NoticeState.DONE


def test_what_was_unlinked_before_the_provider_answered_is_given_back(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    rig.bank.fail("setup_mandate", "delayed")
    link(rig)
    unlink_account(rig.services, ana(rig), second(rig)[0].id)
    rig.bank.deliver()
    assert len(rig.bank.mandates) == 1
    rig.work_off()
    assert rig.bank.mandates == {}
    assert second(rig)[1].state is MandateState.REVOKED


@pytest.mark.parametrize("at", range(1, 4))
def test_a_crash_while_an_account_is_linked_is_made_good_from_the_rows(open_rig: OpenRig, at: int) -> None:
    rig = open_rig(*home())
    rig.bomb.passed, rig.bomb.at = 0, at
    with pytest.raises(Crash):
        link(rig)
    rig.restart()
    rig.work_off()
    method, mandate = second(rig)
    assert (method.state, mandate.state) == (MethodState.ACTIVE, MandateState.ACTIVE), rig.bomb.where
    assert len(rig.bank.mandates) == 1
    assert rig.bomb.where in {"after a commit", "before setup_mandate", "after setup_mandate"}


def test_an_account_is_linked_once_whatever_it_is_called(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    link(rig)
    with pytest.raises(Invalid, match="linked already, as Second; change its limits there"):
        link_account(
            rig.services, ana(rig), adapter_name="sandbox", token=" second account ", label="Third", limits=LIMITS
        )
    assert [one.label for one in rig.rows(PaymentMethod) if one.label == "Third"] == []


def test_an_account_that_was_unlinked_can_be_linked_again_and_its_movements_are_counted_once(
    with_order: OpenRig,
) -> None:
    rig = with_order()
    rig.shop.ship()
    rig.pass_days(0.2)
    method = rig.the(PaymentMethod)
    token = rig.providers.token(method)
    unlink_account(rig.services, ana(rig), method.id)
    link_account(rig.services, ana(rig), adapter_name="sandbox", token=token, label="Again", limits=LIMITS)
    assert {one.label: one.state for one in rig.rows(PaymentMethod)} == {
        method.label: MethodState.REVOKED,
        "Again": MethodState.ACTIVE,
    }
    assert rig.differences() == []


# Limits


def open_with_link(with_cart: OpenRig) -> Rig:
    """Ana's home with a cart that waits, and one account whose permission the bank knows: 60.00 an order."""
    rig = with_cart()
    unlink_account(rig.services, ana(rig), "method")
    link(rig)
    rig.work_off()
    rig.bank.sent.clear()
    return rig


def change(rig: Rig, **limits: object) -> Mandate:
    wanted = replace(LIMITS, **limits)  # type: ignore[arg-type]  # a test's own
    return set_limits(rig.services, ana(rig), in_force(rig).id, wanted)


def in_force(rig: Rig) -> Mandate:
    (mandate,) = [one for one in rig.rows(Mandate) if one.payment_method_id != "method" and one.replaces_id is None]
    return mandate


def test_a_lower_limit_counts_at_once_and_the_provider_need_not_know(with_cart: OpenRig) -> None:
    rig = open_with_link(with_cart)
    change(rig, per_order_minor=500, standing=True)
    assert (in_force(rig).per_order_minor, in_force(rig).standing) == (500, True)
    assert rig.bank.sent == []


def test_a_higher_limit_is_told_to_the_provider_and_the_old_permission_given_back(with_cart: OpenRig) -> None:
    rig = open_with_link(with_cart)
    before = in_force(rig)
    after = change(rig, per_order_minor=9_000)
    assert (after.id, after.per_order_minor, after.state) == (before.id, 9_000, MandateState.ACTIVE)
    rig.work_off()
    assert [limit.amount_minor for limit in rig.bank.mandates.values()] == [9_000]
    assert list(rig.bank.mandates) == [in_force(rig).provider_ref]


def test_what_was_spent_counts_against_a_limit_that_was_raised(with_cart: OpenRig) -> None:
    rig = open_with_link(with_cart)
    rig.say_yes()
    rig.work_off()
    change(rig, per_order_minor=9_000)
    assert {one.mandate_id for one in rig.rows(Reservation)} == {in_force(rig).id}


@pytest.mark.parametrize("fault", ["lost", "silent", "pending", "step_up", "delayed"])
def test_until_the_provider_agrees_the_old_limits_stand(with_cart: OpenRig, fault: Fault) -> None:
    rig = open_with_link(with_cart)
    rig.bank.fail("setup_mandate", fault)
    waiting = change(rig, per_order_minor=9_000)
    assert waiting.id != in_force(rig).id
    assert (in_force(rig).per_order_minor, in_force(rig).state) == (6_000, MandateState.ACTIVE)
    with pytest.raises(Conflict, match="last change"):
        change(rig, per_order_minor=9_500)
    rig.bank.deliver()
    rig.bank.decide()
    rig.work_off()
    assert (in_force(rig).per_order_minor, in_force(rig).state) == (9_000, MandateState.ACTIVE)
    assert list(rig.bank.mandates) == [in_force(rig).provider_ref]


def test_a_provider_that_does_not_agree_leaves_the_limits_as_they_were(with_cart: OpenRig) -> None:
    rig = open_with_link(with_cart)
    rig.bank.fail("setup_mandate", "decline")
    with pytest.raises(Invalid, match="stay as they were"):
        change(rig, per_order_minor=9_000)
    assert in_force(rig).per_order_minor == 6_000
    rig.say_yes()
    rig.work_off()
    assert rig.the(Order).state is OrderState.PLACED


def test_a_hold_on_its_way_names_the_permission_it_was_asked_under(with_cart: OpenRig) -> None:
    """Sent again under the same key it must be the same request: the change waits until it is decided."""
    rig = open_with_link(with_cart)
    rig.bank.fail("authorize", "lost")
    rig.say_yes()
    while not rig.bank.sent:
        rig.run_round()
    waiting = change(rig, per_order_minor=9_000)
    assert (waiting.state, in_force(rig).per_order_minor) == (MandateState.PENDING, 6_000)
    rig.work_off()
    assert rig.the(Order).state is OrderState.PLACED
    assert in_force(rig).per_order_minor == 9_000
    assert len(rig.bank.holds) == 1


def test_what_is_held_under_a_replaced_permission_is_still_billed_before_that_is_given_back(with_cart: OpenRig) -> None:
    rig = open_with_link(with_cart)
    rig.say_yes()
    rig.work_off()
    change(rig, per_order_minor=9_000)
    rig.work_off()
    assert len(rig.bank.mandates) == 2
    rig.shop.ship()
    rig.pass_days(2)
    assert rig.bank.debited_minor > 0
    assert len(rig.bank.mandates) == 1


def test_a_raised_limit_lets_the_bank_hold_more_than_before(with_cart: OpenRig) -> None:
    rig = open_with_link(with_cart)
    change(rig, per_order_minor=100)
    total = rig.the(Cart).total_minor
    change(rig, per_order_minor=200)  # told: 2.00
    rig.work_off()
    change(rig, per_order_minor=total)
    rig.say_yes()
    rig.work_off()
    assert rig.the(Order).total_minor == total


@pytest.mark.parametrize("at", range(1, 4))
def test_a_crash_while_a_limit_is_raised_is_made_good_from_the_rows(with_cart: OpenRig, at: int) -> None:
    rig = open_with_link(with_cart)
    rig.bomb.passed, rig.bomb.at = 0, at
    with pytest.raises(Crash):
        change(rig, per_order_minor=9_000)
    rig.restart()
    rig.work_off()
    assert in_force(rig).per_order_minor == 9_000, rig.bomb.where
    assert list(rig.bank.mandates) == [in_force(rig).provider_ref], rig.bomb.where


# The end


def test_a_permission_ends_on_its_day_and_goes_on_when_it_is_set_up_anew(with_cart: OpenRig) -> None:
    rig = open_with_link(with_cart)
    change(rig, valid_days=10)
    rig.pass_days(10.1)
    assert in_force(rig).state is MandateState.EXPIRED
    assert told(rig).count("mandate_expired") == 1
    with pytest.raises(Invalid, match="how many days"):
        change(rig)
    change(rig, valid_days=30)
    rig.work_off()
    assert (in_force(rig).state, in_force(rig).valid_until_us) == (MandateState.ACTIVE, rig.clock.now + 30 * DAY_US)
    assert list(rig.bank.mandates) == [in_force(rig).provider_ref]


def test_a_later_end_is_told_to_the_provider_and_an_earlier_one_is_not(with_cart: OpenRig) -> None:
    rig = open_with_link(with_cart)
    change(rig, valid_days=20)
    assert rig.bank.sent == []
    change(rig, valid_days=10)
    assert rig.bank.sent == []
    change(rig, valid_days=40)
    assert [kind for kind, _ in rig.bank.sent] == [Kind.SETUP_MANDATE]
    rig.pass_days(11)
    assert in_force(rig).state is MandateState.ACTIVE


def test_a_suspended_permission_is_set_up_anew_when_its_limits_are_confirmed(with_cart: OpenRig) -> None:
    rig = open_with_link(with_cart)
    rig.bank.fail("authorize", "decline_mandate")
    rig.say_yes()
    rig.work_off()
    assert in_force(rig).state is MandateState.SUSPENDED
    change(rig)
    rig.pass_days(1.2)
    assert in_force(rig).state is MandateState.ACTIVE
    waiting = [one for one in rig.rows(Cart) if one.state is CartState.AWAITING_APPROVAL]
    rig.say_yes(waiting[0].id)
    rig.work_off()
    assert rig.the(Order).state is OrderState.PLACED


# Revoking


@pytest.mark.parametrize("faults", [["not_sent"], ["lost"], ["silent"], ["500", "lost", "not_sent"]])
def test_an_account_that_is_unlinked_is_given_back_at_the_provider_whatever_it_answers(
    with_cart: OpenRig, faults: list[Fault]
) -> None:
    rig = open_with_link(with_cart)
    rig.bank.fail("revoke_mandate", *faults)
    unlink_account(rig.services, ana(rig), in_force(rig).payment_method_id)
    rig.work_off()
    assert rig.bank.mandates == {}
    assert rig.waiting("revoke") == []


def test_a_crash_anywhere_while_a_permission_is_given_back_is_made_good(with_cart: OpenRig) -> None:
    places: set[str] = set()
    for at in range(1, 20):
        rig = open_with_link(with_cart)
        unlink_account(rig.services, ana(rig), in_force(rig).payment_method_id)
        rig.bomb.passed, rig.bomb.at = 0, at
        crashed = rig.survive(rig.work_off)
        rig.work_off()
        places.add(rig.bomb.where)
        assert rig.bank.mandates == {}, rig.bomb.where
        rig.close()
        if not crashed:
            break
    assert {"before revoke_mandate", "after revoke_mandate", "after a commit"} <= places


def test_a_provider_that_never_confirms_an_end_is_not_asked_for_ever(with_cart: OpenRig) -> None:
    rig = open_with_link(with_cart)
    rig.bank.fail("revoke_mandate", *["lost"] * 200)
    mandate = in_force(rig)
    unlink_account(rig.services, ana(rig), mandate.payment_method_id)
    rig.work_off()
    assert rig.waiting("revoke") == []
    (ended,) = rig.rows(Mandate, id=mandate.id)
    assert ended.note == "its provider never said that it ended"


@pytest.mark.parametrize("fault", ["invalid", "decline"])
def test_a_provider_that_refuses_to_end_a_permission_is_not_taken_to_have_ended_it(
    with_cart: OpenRig, fault: Fault
) -> None:
    rig = open_with_link(with_cart)
    rig.bank.fail("revoke_mandate", fault)
    mandate = in_force(rig)
    unlink_account(rig.services, ana(rig), mandate.payment_method_id)
    rig.work_off()
    assert rig.bank.mandates
    assert rig.waiting("revoke") == []
    with rig.store.read() as tx:
        (waiting,) = review(tx)
    assert (waiting.what, waiting.subject_id) == ("mandate", mandate.id)
    assert waiting.why.startswith("its provider never said that it ended: ")
