"""Ana's household pays by Stripe from the link to the pay-out: her gateway whole, localstripe behind its proxy."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import httpx
import pytest

from gateway.domain.cart import Cart, CartState
from gateway.domain.household import Member
from gateway.domain.order import Order, OrderState
from gateway.domain.payment import (
    Attempt,
    AttemptState,
    Mandate,
    MandateState,
    Operation,
    OperationKind,
    PaymentMethod,
    Posting,
)
from gateway.domain.records import Message
from gateway.steps.acts.confirm import payment_confirmed
from gateway.steps.acts.wallet import Limits, came_back, link_account
from gateway.worker import Worker
from payments.adapter import PaymentAdapter
from payments.adapters.stripe import StripeCards
from payments.memory import MemoryContext
from payments.transport import HttpxClient
from tests.builders import HOME
from tests.databases import Databases
from tests.fake_bank import FakeProviders
from tests.homes import home, known_level
from tests.integration.payments.pretend_stripe import CARD, CARD_THAT_WANTS_THE_CUSTOMER, PretendStripe
from tests.rig import Rig

LIMITS = Limits(standing=False, per_order_minor=6_000, per_period_minor=20_000, period_days=30)
Linked = Callable[..., Rig]


@dataclass
class StripeProviders(FakeProviders):
    """Stripe under every name."""

    stripe: StripeCards | None = None

    def open(self, name: str) -> PaymentAdapter:  # type: ignore[override]  # the bank is not asked
        assert name == "stripe"
        assert self.stripe is not None
        return self.stripe


@pytest.fixture
def stripe(localstripe_url: str) -> Iterator[PretendStripe]:
    pretend = PretendStripe(localstripe_url)
    yield pretend
    pretend.close()


@pytest.fixture
def linked(databases: Databases, stripe: PretendStripe) -> Iterator[Linked]:
    """Return a function that opens Ana's home with a card linked at Stripe, and a cart of milk that waits for her."""
    with httpx.Client(trust_env=False) as client:
        rigs: list[Rig] = []

        def open_one(card: str = CARD, funds: int | None = None) -> Rig:
            rows = [one for one in home() if not isinstance(one, PaymentMethod | Mandate)]
            rig = Rig(databases, *rows, known_level("milk", 0.15))
            rigs.append(rig)
            secrets = {"api_key": "sk_test_12345", "notice_secret": "whsec_1"}
            context = MemoryContext({"url": stripe.url}, secrets, HttpxClient(client), rig.clock.now)
            rig.providers = StripeProviders(rig.bank, StripeCards(context))
            rig.services = replace(rig.services, providers=rig.providers)
            rig.worker = Worker(rig.services, rig.queue)
            link(rig, stripe, card, funds)
            rig.shop.sell("milk-usual", 120)
            rig.enqueue("forecast", "milk")
            rig.pass_days(0.1)
            assert rig.the(Cart).state is CartState.AWAITING_APPROVAL
            return rig

        yield open_one
        for rig in rigs:
            rig.close()


def link(rig: Rig, stripe: PretendStripe, card: str, funds: int | None) -> None:
    """Go to Stripe's page, choose a card there, and come back."""
    asked = link_account(rig.services, rig.the(Member), adapter_name="stripe", token="", label="", limits=LIMITS)
    assert asked.state is MandateState.REQUIRES_ACTION
    stripe.choose(asked.confirm_url, card, funds=funds)
    with rig.store.begin() as tx:
        came_back(tx, tx.get(Member, HOME, "ana"), asked.id, now_us=rig.clock.now)
    rig.work_off()
    assert rig.the(PaymentMethod).label == f"Visa •••• {card[-4:]}"
    assert rig.the(Mandate).state is MandateState.ACTIVE


def books_agree(rig: Rig) -> None:
    assert rig.differences() == []
    assert sum(one.amount_minor for one in rig.rows(Posting)) == 0


def told(rig: Rig) -> set[str]:
    return {one.kind for one in rig.rows(Message)}


def test_from_the_link_to_the_pay_out(linked: Linked, stripe: PretendStripe) -> None:
    rig = linked()
    rig.say_yes()
    rig.work_off()
    order = rig.the(Order)
    assert (order.state, stripe.debited_minor) == (OrderState.PLACED, 0)
    packs = rig.shop.orders[rig.shop.only].lines[0].packs
    rig.shop.ship(1)
    stripe.faults.append("drop_after")  # the first capture is not heard
    rig.pass_days(0.05)
    first = stripe.debited_minor
    assert 0 < first < order.total_minor
    assert [one.state for one in rig.rows(Attempt)] == [AttemptState.REPLACED, AttemptState.AUTHORIZED]
    rig.shop.ship(packs - 1)
    rig.pass_days(0.05)
    assert stripe.debited_minor == order.total_minor
    rig.shop.lose("parcel-1")
    rig.pass_days(0.05)
    assert stripe.debited_minor == order.total_minor - first
    books_agree(rig)
    payout = stripe.pay_out(rig.clock.now // 1_000_000)
    rig.enqueue("settle", "stripe", household_id=None)
    rig.work_off()
    moved = [one for one in rig.rows(Operation) if one.kind in {OperationKind.CAPTURE, OperationKind.REFUND}]
    assert {one.settled_ref for one in moved} == {payout["id"]}
    books_agree(rig)


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)  # the first story runs on both
def test_a_card_without_money_buys_nothing_and_says_so(linked: Linked, stripe: PretendStripe) -> None:
    rig = linked(funds=1)
    rig.say_yes()
    rig.work_off()
    assert rig.the(Cart).state is CartState.DECLINED
    assert rig.rows(Order) == []
    assert "payment_declined" in told(rig)
    assert stripe.debited_minor == 0
    books_agree(rig)


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)  # the first story runs on both
def test_a_bank_that_wants_ana_is_gone_to_and_the_order_goes_out(linked: Linked, stripe: PretendStripe) -> None:
    rig = linked(CARD_THAT_WANTS_THE_CUSTOMER)
    rig.say_yes()
    rig.work_off()
    waiting = rig.the(Attempt)
    assert waiting.state is AttemptState.REQUIRES_ACTION
    stripe.confirm(waiting.note)
    with rig.store.begin() as tx:
        payment_confirmed(tx, tx.get(Member, HOME, "ana"), waiting.id, now_us=rig.clock.now)
    rig.work_off()
    assert rig.the(Order).state is OrderState.PLACED
    rig.shop.ship()
    rig.pass_days(0.05)
    assert stripe.debited_minor == rig.the(Order).total_minor
    books_agree(rig)


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)  # the first story runs on both
def test_when_ana_never_goes_there_it_is_called_off_at_stripe_too(linked: Linked, stripe: PretendStripe) -> None:
    rig = linked(CARD_THAT_WANTS_THE_CUSTOMER)
    rig.say_yes()
    rig.work_off()
    rig.pass_days(1.05)
    assert rig.the(Attempt).state is AttemptState.EXPIRED
    assert rig.the(Cart).state is CartState.AWAITING_APPROVAL
    assert any("did not confirm" in one.text for one in rig.rows(Message))
    assert [one["status"] for one in stripe.intents()] == ["canceled"]
    books_agree(rig)
