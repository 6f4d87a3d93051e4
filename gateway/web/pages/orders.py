"""Orders, those that wait, are planned, under way and past; one order whole; and the chain behind its payment."""

from typing import Annotated

from fastapi import APIRouter, Form, Response

from gateway.domain.cart import MAX_LINES
from gateway.domain.errors import NotFound
from gateway.domain.payment import AttemptState, MethodState, PaymentMethod
from gateway.domain.withdrawal import Withdrawal
from gateway.steps.acts.confirm import payment_confirmed
from gateway.steps.acts.pay_again import pay_order_again
from gateway.steps.acts.withdraw import withdraw
from gateway.steps.cancel import cancel_order
from gateway.web.pages.forms import shown_on
from gateway.web.pages.versions import household_version
from gateway.web.pages.visit import Visit, Visiting, back
from gateway.web.views import order_view, orders_view, payment_chain, step_up_of, waiting_carts
from gateway.web.views.withdrawal import withdrawal_view

router = APIRouter()


@router.get("/orders")
def orders_page(visiting: Visiting) -> Response:
    """All orders."""
    household_id, now_us, wall_us = visiting.household_id, visiting.now_us, visiting.wall_us
    return visiting.show(
        "orders.html",
        "orders",
        lambda tx: {
            "orders": orders_view(tx, household_id, now_us=now_us, wall_us=wall_us),
            "carts": waiting_carts(tx, household_id, now_us=now_us, wall_us=wall_us),
            "more_under_way": 0,
            "version": household_version(tx, household_id),
        },
    )


@router.get("/orders/{order_id}")
def order_page(visiting: Visiting, order_id: str) -> Response:
    """One order: its lines, its parcels, how far it is."""
    household_id, now_us, wall_us = visiting.household_id, visiting.now_us, visiting.wall_us
    return visiting.show(
        "order.html",
        "orders",
        lambda tx: {
            "order": (order := order_view(tx, household_id, order_id, now_us=now_us, wall_us=wall_us)),
            "step_up": step_up_of(tx, household_id, order.attempt_id),
            "withdrawal": withdrawal_view(tx, household_id, order_id, now_us=now_us),
            "methods": tx.find(PaymentMethod, household_id, state=MethodState.ACTIVE),
            "version": household_version(tx, household_id),
        },
    )


@router.post("/orders/{order_id}/pay-again")
def pay_again(visiting: Visiting, order_id: str, method: Annotated[str, Form(max_length=64)] = "") -> Response:
    """Pay what is due, by this account or by another."""
    visiting.change(lambda tx: pay_order_again(tx, visiting.member, order_id, method or None, now_us=visiting.now_us))
    return back(f"/orders/{order_id}", "paying-again")


@router.post("/orders/{order_id}/cancel")
def cancel(visiting: Visiting, order_id: str) -> Response:
    """Ask the shop to call the order off."""
    visiting.change(lambda tx: cancel_order(tx, visiting.member, order_id, now_us=visiting.now_us))
    return back(f"/orders/{order_id}", "cancel-asked")


@router.get("/orders/{order_id}/withdraw")
def withdraw_page(visiting: Visiting, order_id: str) -> Response:
    """The step that confirms a withdrawal: which lines, and what follows."""
    household_id, now_us, wall_us = visiting.household_id, visiting.now_us, visiting.wall_us
    return visiting.show(
        "withdraw.html",
        "orders",
        lambda tx: {
            "order": order_view(tx, household_id, order_id, now_us=now_us, wall_us=wall_us),
            "withdrawal": withdrawal_view(tx, household_id, order_id, now_us=now_us),
        },
    )


@router.post("/orders/{order_id}/withdraw")
@shown_on(withdraw_page)
def withdraw_from(
    visiting: Visiting,
    order_id: str,
    lines: Annotated[list[str] | None, Form(max_length=MAX_LINES)] = None,
    to_balance: Annotated[str, Form(max_length=3)] = "",
) -> Response:
    """Withdraw from the contract for these lines."""
    chosen, as_credit = tuple(lines or ()), to_balance == "yes"
    visiting.change(
        lambda tx: withdraw(tx, visiting.member, order_id, chosen, to_balance=as_credit, now_us=visiting.now_us)
    )
    return back(f"/orders/{order_id}", "withdrawn", "withdrawal")


@router.get("/orders/{order_id}/withdrawals/{withdrawal_id}.txt")
def acknowledgement(visiting: Visiting, order_id: str, withdrawal_id: str) -> Response:
    """The acknowledgement of a withdrawal, to keep."""
    with visiting.web.unit_of_work.read() as tx:
        withdrawal = tx.get(Withdrawal, visiting.household_id, withdrawal_id)
    if withdrawal.order_id != order_id:
        raise NotFound("withdrawal", withdrawal_id)
    headers = {"Content-Disposition": 'attachment; filename="withdrawal.txt"', "Cache-Control": "no-store"}
    return Response(f"{withdrawal.words}\n", media_type="text/plain; charset=utf-8", headers=headers)


@router.get("/payments/{attempt_id}")
def payment_page(visiting: Visiting, attempt_id: str) -> Response:
    """One payment, from the debit back to what the devices signed."""
    return visiting.show(
        "payment.html",
        "orders",
        lambda tx: {
            "chain": payment_chain(tx, visiting.household_id, attempt_id),
            "step_up": step_up_of(tx, visiting.household_id, attempt_id),
        },
    )


@router.get("/payments/{attempt_id}/back")
def came_back(visiting: Visiting, attempt_id: str) -> Response:
    """Where a bank's page leads back to: what the customer did there is looked up, whatever the address says."""
    return _looked_at(visiting, attempt_id)


@router.post("/payments/{attempt_id}/confirmed")
def confirmed(visiting: Visiting, attempt_id: str) -> Response:
    """Look up what became of a payment that was to be confirmed at the bank."""
    return _looked_at(visiting, attempt_id)


def _looked_at(visiting: Visit, attempt_id: str) -> Response:
    with visiting.web.unit_of_work.begin() as tx:
        attempt = payment_confirmed(tx, visiting.member, attempt_id, now_us=visiting.now_us)
    said = "looking" if attempt.state is AttemptState.REQUIRES_ACTION else ""
    return back(f"/carts/{attempt.cart_id}", said)
