"""Where the merchant takes the money itself: mandate, approval and order are ours, and no journal has the money."""

from collections.abc import Callable
from dataclasses import replace

from gateway.domain.cart import Cart
from gateway.domain.household import Member
from gateway.domain.order import Order, OrderState
from gateway.domain.payment import (
    Attempt,
    AttemptState,
    Funding,
    JournalEntry,
    Operation,
    OperationKind,
    OperationState,
    PaymentMethod,
    Reservation,
    ReservationState,
)
from gateway.domain.reconciliation import Cause
from gateway.domain.records import Message
from gateway.steps.acts.limits import Limits
from gateway.steps.acts.wallet import link_account
from gateway.steps.approve import Undo
from gateway.web.views.chain import payment_chain
from tests.builders import HOME
from tests.rig import Rig

WithCart = Callable[..., Rig]


def at_the_shop(with_cart: WithCart) -> Rig:
    """Return Ana's home with a cart that waits, her account being one that the shop debits itself."""
    rig = with_cart()
    rig.save(replace(rig.the(PaymentMethod), funding=Funding.MERCHANT))
    return rig


def shipped(with_cart: WithCart) -> Rig:
    rig = at_the_shop(with_cart)
    rig.say_yes()
    rig.work_off()
    rig.shop.ship()
    rig.enqueue("observe", rig.the(Order).id)
    rig.work_off()
    return rig


def test_it_is_ordered_and_billed_within_the_approval_and_no_journal_is_written(with_cart: WithCart) -> None:
    rig = shipped(with_cart)
    assert rig.the(Order).state is OrderState.SHIPPED
    capture = rig.the(Operation, kind=OperationKind.CAPTURE)
    assert (capture.state, capture.amount_minor) == (OperationState.SUCCEEDED, rig.the(Cart).total_minor)
    assert rig.the(Attempt).state is AttemptState.CAPTURED
    assert rig.the(Reservation).state is ReservationState.USED
    assert rig.rows(JournalEntry) == []
    assert rig.differences() == []


def test_a_yes_taken_back_frees_the_limit_and_writes_nothing(with_cart: WithCart) -> None:
    rig = at_the_shop(with_cart)
    rig.say_yes()
    rig.run_round()
    assert rig.the(Attempt).state is AttemptState.AUTHORIZED
    rig.decide(Undo())
    rig.work_off()
    assert rig.the(Reservation).state is ReservationState.FREED
    assert rig.rows(JournalEntry) == []


def test_what_is_lost_is_given_back_by_the_shop_and_said_so(with_cart: WithCart) -> None:
    rig = shipped(with_cart)
    rig.shop.lose()
    rig.enqueue("observe", rig.the(Order).id)
    rig.work_off()
    assert rig.the(Operation, kind=OperationKind.REFUND).state is OperationState.SUCCEEDED
    (message,) = rig.rows(Message, kind="refunded")
    assert message.text.startswith("The shop gives you ")
    assert rig.rows(JournalEntry) == []
    assert rig.differences() == []


def test_a_journal_of_money_that_never_was_ours_is_a_difference(with_cart: WithCart) -> None:
    rig = shipped(with_cart)
    capture = rig.the(Operation, kind=OperationKind.CAPTURE)
    rig.add(
        JournalEntry(
            id="strange",
            household_id=HOME,
            source_id=capture.id,
            kind="capture",
            memo="",
            reverses_id=None,
            pending=False,
            at_us=rig.clock.now,
        )
    )
    assert {one.cause for one in rig.reconcile()} >= {Cause.JOURNAL_WITHOUT_OPERATION}


def test_the_chain_says_who_debited(with_cart: WithCart) -> None:
    rig = shipped(with_cart)
    with rig.store.read() as tx:
        chain = payment_chain(tx, HOME, rig.the(Attempt).id)
    assert "was debited by Corner shop itself" in chain.headline
    assert chain.payment.words == "Debited by the shop itself"
    assert all(not one.journals for one in chain.operations)


def test_an_account_says_when_it_is_linked_who_holds_its_money(with_cart: WithCart) -> None:
    rig = with_cart()
    rig.bank.merchant_debits = True
    limits = Limits(standing=False, per_order_minor=5_000, per_period_minor=9_000, period_days=30)
    link_account(
        rig.services, rig.the(Member), adapter_name="sandbox", token="theirs", label="At the shop", limits=limits
    )
    assert rig.the(PaymentMethod, label="At the shop").funding is Funding.MERCHANT
