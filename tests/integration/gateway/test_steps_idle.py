"""A permission that nobody debits by lapses, the household told a month before; a use postpones it."""

from collections.abc import Callable

import pytest

from gateway.domain.household import Member
from gateway.domain.order import Order
from gateway.domain.payment import IDLE_DAYS, IDLE_NOTICE_DAYS, Mandate, MandateState, MethodState, PaymentMethod
from gateway.domain.records import Message
from gateway.domain.replenishment import DAY_US
from gateway.steps.acts.limits import Limits
from gateway.steps.acts.wallet import link_account, set_limits, unlink_account
from gateway.steps.money.idle import watch_idle
from payments.adapter import OperationKind as Kind
from tests.homes import home
from tests.rig import Rig

OpenRig = Callable[..., Rig]
LIMITS = Limits(standing=False, per_order_minor=6_000, per_period_minor=20_000, period_days=30)


def linked(rig: Rig) -> Mandate:
    return link_account(rig.services, rig.the(Member), adapter_name="sandbox", token="2", label="Second", limits=LIMITS)


def pass_at_once(rig: Rig, days: float) -> None:
    rig.clock.advance(round(days * DAY_US))
    rig.work_off()


def now(rig: Rig, mandate: Mandate) -> Mandate:
    (row,) = rig.rows(Mandate, id=mandate.id)
    return row


def told(rig: Rig) -> list[str]:
    return [one.kind for one in rig.rows(Message) if one.kind.startswith("mandate_")]


def test_an_idle_permission_is_announced_ends_and_its_provider_is_told(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    mandate = linked(rig)
    pass_at_once(rig, IDLE_DAYS - IDLE_NOTICE_DAYS - 1)
    assert told(rig) == []
    pass_at_once(rig, 1)
    assert (told(rig), now(rig, mandate).state) == (["mandate_idle"], MandateState.ACTIVE)
    pass_at_once(rig, IDLE_NOTICE_DAYS)
    assert (told(rig), now(rig, mandate).state) == (["mandate_idle", "mandate_lapsed"], MandateState.EXPIRED)
    assert [kind for kind, _ in rig.bank.sent].count(Kind.REVOKE_MANDATE) == 1
    assert mandate.provider_ref not in rig.bank.mandates
    assert rig.waiting("expire") == rig.waiting("revoke") == []


def test_a_lapsed_permission_is_set_up_anew_and_may_lapse_again(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    mandate = linked(rig)
    for times in (1, 2):
        pass_at_once(rig, IDLE_DAYS - IDLE_NOTICE_DAYS)
        pass_at_once(rig, IDLE_NOTICE_DAYS)
        assert now(rig, mandate).state is MandateState.EXPIRED
        set_limits(rig.services, rig.the(Member), mandate.id, LIMITS)
        rig.work_off()
        assert now(rig, mandate).state is MandateState.ACTIVE
        assert now(rig, mandate).provider_ref in rig.bank.mandates
        assert [kind for kind, _ in rig.bank.sent].count(Kind.REVOKE_MANDATE) == times


def test_what_lapsed_is_given_back_under_its_old_reference_even_when_it_is_set_up_anew_first(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    mandate = linked(rig)
    rig.bank.fail("revoke_mandate", "not_sent", "not_sent")
    pass_at_once(rig, IDLE_DAYS - IDLE_NOTICE_DAYS)
    rig.clock.advance(IDLE_NOTICE_DAYS * DAY_US)
    while now(rig, mandate).state is MandateState.ACTIVE:
        rig.run_round()
    set_limits(rig.services, rig.the(Member), mandate.id, LIMITS)
    rig.work_off()
    assert now(rig, mandate).state is MandateState.ACTIVE
    assert now(rig, mandate).provider_ref in rig.bank.mandates
    assert mandate.provider_ref not in rig.bank.mandates


def test_a_debit_postpones_the_end_also_after_it_was_announced(with_order: OpenRig) -> None:
    rig = with_order()
    (mandate,) = rig.rows(Mandate)
    with rig.store.begin() as tx:
        watch_idle(tx, mandate, rig.clock.now - (IDLE_DAYS - IDLE_NOTICE_DAYS) * DAY_US)
    rig.work_off()
    assert told(rig) == []  # something is held under it
    rig.shop.deliver(rig.shop.ship())
    rig.enqueue("observe", rig.the(Order).id)
    rig.work_off()
    captured_us = rig.clock.now
    pass_at_once(rig, IDLE_DAYS - IDLE_NOTICE_DAYS + 1)
    assert told(rig) == ["mandate_idle"]
    assert now(rig, mandate).state is MandateState.ACTIVE
    pass_at_once(rig, IDLE_NOTICE_DAYS)
    assert now(rig, mandate).state is MandateState.EXPIRED
    assert rig.clock.now >= captured_us + IDLE_DAYS * DAY_US


def test_an_unlinked_account_says_nothing_of_being_idle(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    mandate = linked(rig)
    unlink_account(rig.services, rig.the(Member), mandate.payment_method_id)
    pass_at_once(rig, IDLE_DAYS)
    assert told(rig) == []
    assert rig.rows(PaymentMethod, id=mandate.payment_method_id)[0].state is MethodState.REVOKED


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_crash_while_a_permission_lapses_is_made_good_from_the_rows(open_rig: OpenRig, at: int) -> None:
    rig = open_rig(*home())
    mandate = linked(rig)
    pass_at_once(rig, IDLE_DAYS - IDLE_NOTICE_DAYS)
    rig.clock.advance(IDLE_NOTICE_DAYS * DAY_US)
    rig.bomb.at = rig.bomb.passed + at
    rig.survive(rig.work_off)
    rig.work_off()
    assert now(rig, mandate).state is MandateState.EXPIRED
    assert mandate.provider_ref not in rig.bank.mandates
    assert told(rig) == ["mandate_idle", "mandate_lapsed"]
