"""A bank that wants the customer to confirm a payment: the way there and back, and the end where nobody ever does."""

from collections.abc import Callable

from gateway.domain.cart import Cart, CartState
from gateway.domain.household import Member
from gateway.domain.order import Order, OrderState
from gateway.domain.payment import (
    Attempt,
    AttemptState,
    Operation,
    OperationKind,
    OperationState,
    Posting,
    Reservation,
    ReservationState,
)
from gateway.domain.records import Message
from gateway.steps.acts.confirm import payment_confirmed
from payments.adapter import Authorize
from payments.adapter import OperationKind as Kind
from tests.builders import HOME
from tests.rig import Rig

OpenRig = Callable[..., Rig]


def waiting_for_the_customer(with_cart: OpenRig) -> Rig:
    """Ana said yes, and her bank wants her."""
    rig = with_cart()
    rig.bank.fail("authorize", "step_up")
    rig.say_yes()
    rig.work_off()
    assert rig.the(Attempt).state is AttemptState.REQUIRES_ACTION
    return rig


def told(rig: Rig, kind: str) -> int:
    return [one.kind for one in rig.rows(Message)].count(kind)


def nothing_is_left(rig: Rig) -> None:
    assert rig.bank.held_minor == rig.bank.debited_minor == 0
    assert rig.differences() == []
    assert sum(one.amount_minor for one in rig.rows(Posting)) == 0
    assert {one.state for one in rig.rows(Reservation)} == {ReservationState.FREED}


def test_the_customer_confirms_comes_back_and_the_order_goes_out(with_cart: OpenRig) -> None:
    rig = waiting_for_the_customer(with_cart)
    (request,) = rig.bank.requests(Kind.AUTHORIZE)
    assert isinstance(request, Authorize)
    assert request.return_url == f"https://home.example/payments/{rig.the(Attempt).id}/back"
    rig.bank.decide()
    with rig.store.begin() as tx:
        payment_confirmed(tx, tx.get(Member, HOME, "ana"), rig.the(Attempt).id, now_us=rig.clock.now)
    rig.work_off()
    assert rig.the(Order).state is OrderState.PLACED
    rig.pass_days(2)  # the time to confirm is over, and nothing comes of that
    assert rig.the(Attempt).state is AttemptState.AUTHORIZED
    assert told(rig, "payment_step_up") == 1


def test_hours_of_patience_bring_no_operator(with_cart: OpenRig) -> None:
    rig = waiting_for_the_customer(with_cart)
    rig.pass_days(0.9)
    assert rig.the(Operation).state is OperationState.PENDING
    assert told(rig, "payment_review") == 0
    rig.bank.decide()
    rig.pass_days(0.05)
    assert rig.the(Order).state is OrderState.PLACED


def test_what_nobody_confirms_is_called_off_and_asked_again(with_cart: OpenRig) -> None:
    rig = waiting_for_the_customer(with_cart)
    rig.pass_days(1.1)
    assert rig.rows(Attempt)[0].state is AttemptState.EXPIRED
    assert rig.the(Cart).state is CartState.AWAITING_APPROVAL
    assert told(rig, "cart_waiting") >= 1
    assert any("did not confirm" in one.text for one in rig.rows(Message))
    nothing_is_left(rig)
    rig.bank.decide()  # a late yes at the bank moves nothing: it was called off
    rig.say_yes()
    rig.work_off()
    assert rig.the(Order).state is OrderState.PLACED
    assert rig.bank.held_minor == rig.the(Order).total_minor


def test_an_undone_yes_is_called_off_at_once_and_not_waited_for(with_cart: OpenRig) -> None:
    rig = waiting_for_the_customer(with_cart)
    rig.enqueue("release", rig.the(Attempt).id)
    rig.work_off()
    assert rig.the(Attempt).state is AttemptState.EXPIRED
    assert rig.rows(Operation, kind=OperationKind.AUTHORIZE)[0].state is OperationState.DECLINED
    nothing_is_left(rig)


def test_a_late_yes_that_overtakes_the_end_is_given_back(with_cart: OpenRig) -> None:
    rig = waiting_for_the_customer(with_cart)
    rig.bank.fail("void", "lost")
    rig.bank.decide()  # confirmed, and nobody has looked yet
    rig.clock.advance(86_400_000_000)
    rig.work_off()
    assert rig.bank.held_minor in {0, rig.rows(Order)[0].total_minor if rig.rows(Order) else 0}
    assert rig.differences() == []
    assert sum(one.amount_minor for one in rig.rows(Posting)) == 0


def test_a_bank_that_cannot_call_it_off_leaves_it_to_a_person_who_knows_why(with_cart: OpenRig) -> None:
    rig = waiting_for_the_customer(with_cart)
    rig.bank.calls_off = False
    rig.pass_days(1.1)
    held = rig.rows(Operation, kind=OperationKind.AUTHORIZE)[0]
    assert held.state is OperationState.MANUAL_REVIEW
    assert "nobody confirmed it" in held.note
    assert rig.bank.debited_minor == 0
