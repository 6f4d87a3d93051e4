"""Carts and what a person may decide about them; orders and what came of them."""

from typing import Annotated

from fastapi import APIRouter, Query

from gateway.domain.cart import Cart, CartState
from gateway.domain.order import Order, OrderState
from gateway.domain.replenishment import DAY_US
from gateway.steps.acts.pay_again import pay_order_again
from gateway.steps.approve import Approve, AskAgain, ChangePacks, Decision, Skip, Snooze, Swap, Undo, approve
from gateway.steps.cancel import cancel_order
from gateway.web.api.paging import Paged, read_page
from gateway.web.api.schemas.carts import (
    ApproveWish,
    CartBody,
    LineWish,
    OrderBody,
    PayAgainWish,
    SnoozeWish,
)
from gateway.web.api.schemas.common import Page, answers, page_of
from gateway.web.api.schemas.examples import CART_EXAMPLE, ORDER_EXAMPLE
from gateway.web.identity import ApiMember
from gateway.web.services import Web, WebServices
from gateway.web.sessions import SignedIn
from gateway.web.views.carts import cart_view
from gateway.web.views.order import order_view
from gateway.web.wording import from_datetime

router = APIRouter()

DECIDED = answers(CART_EXAMPLE, 403, 404, 409)


@router.get("/carts", tags=["carts"], responses=answers(page_of(CART_EXAMPLE)))
def list_carts(
    who: ApiMember,
    web: Web,
    page: Paged,
    state: Annotated[CartState | None, Query(description="Only carts in this state.")] = None,
) -> Page[CartBody]:
    """List carts, the newest first: `state=awaiting_approval` are those that wait for a decision."""
    only = {} if state is None else {"state": state.value}
    with web.unit_of_work.read() as tx:
        carts, following = read_page(tx, Cart, who.household_id, page, **only)
        now_us, wall_us = web.clock.now_us(), web.clock.wall_us()
        views = [cart_view(tx, who.household_id, cart.id, now_us=now_us, wall_us=wall_us) for cart in carts]
    return Page(items=[CartBody.of(view) for view in views], next=following)


@router.get("/carts/{cart_id}", tags=["carts"], responses=answers(CART_EXAMPLE, 404))
def get_cart(who: ApiMember, web: Web, cart_id: str) -> CartBody:
    """Return one cart."""
    with web.unit_of_work.read() as tx:
        now_us, wall_us = web.clock.now_us(), web.clock.wall_us()
        return CartBody.of(cart_view(tx, who.household_id, cart_id, now_us=now_us, wall_us=wall_us))


@router.patch("/carts/{cart_id}/lines/{line_id}", tags=["carts"], responses=DECIDED)
def change_cart_line(who: ApiMember, web: Web, cart_id: str, line_id: str, wish: LineWish) -> CartBody:
    """Change a line's quantity, or swap its product for one of the alternatives."""
    if wish.packs is not None:
        return _decide(who, web, cart_id, ChangePacks(line_id, wish.packs))
    assert wish.sku is not None  # the wish holds one of the two
    return _decide(who, web, cart_id, Swap(line_id, wish.sku))


@router.post("/carts/{cart_id}/approve", tags=["carts"], responses=DECIDED)
def approve_cart(who: ApiMember, web: Web, cart_id: str, wish: ApproveWish | None = None) -> CartBody:
    """Approve: the amount is held now, and debited only when the goods ship. `undo_until` says how long undo works."""
    said = wish or ApproveWish()
    return _decide(who, web, cart_id, Approve(said.version, said.payment_method_id))


@router.post("/carts/{cart_id}/skip", tags=["carts"], responses=DECIDED)
def skip_cart(who: ApiMember, web: Web, cart_id: str) -> CartBody:
    """Not this time: nothing is bought."""
    return _decide(who, web, cart_id, Skip())


@router.post("/carts/{cart_id}/snooze", tags=["carts"], responses=DECIDED)
def snooze_cart(who: ApiMember, web: Web, cart_id: str, wish: SnoozeWish | None = None) -> CartBody:
    """Ask again later, at that day's prices."""
    said = wish or SnoozeWish()
    if said.until is not None:
        until_us = from_datetime(said.until)
    else:
        until_us = web.clock.now_us() + round((said.days or 1) * DAY_US)
    return _decide(who, web, cart_id, Snooze(until_us))


@router.post("/carts/{cart_id}/ask-again", tags=["carts"], responses=DECIDED)
def ask_cart_again(who: ApiMember, web: Web, cart_id: str) -> CartBody:
    """Ask at once about a cart that was skipped or snoozed; after a day it is drafted anew, at new prices."""
    return _decide(who, web, cart_id, AskAgain())


@router.post("/carts/{cart_id}/undo", tags=["carts"], responses=DECIDED)
def undo_cart(who: ApiMember, web: Web, cart_id: str) -> CartBody:
    """Take the approval back, while the order has not been sent."""
    return _decide(who, web, cart_id, Undo())


@router.get("/orders", tags=["orders"], responses=answers(page_of(ORDER_EXAMPLE)))
def list_orders(
    who: ApiMember,
    web: Web,
    page: Paged,
    state: Annotated[OrderState | None, Query(description="Only orders in this state.")] = None,
) -> Page[OrderBody]:
    """List orders, the newest first."""
    only = {} if state is None else {"state": state.value}
    with web.unit_of_work.read() as tx:
        orders, following = read_page(tx, Order, who.household_id, page, **only)
        now_us, wall_us = web.clock.now_us(), web.clock.wall_us()
        views = [order_view(tx, who.household_id, order.id, now_us=now_us, wall_us=wall_us) for order in orders]
    return Page(items=[OrderBody.of(view) for view in views], next=following)


@router.get("/orders/{order_id}", tags=["orders"], responses=answers(ORDER_EXAMPLE, 404))
def get_order(who: ApiMember, web: Web, order_id: str) -> OrderBody:
    """Return one order with its parcels."""
    with web.unit_of_work.read() as tx:
        now_us, wall_us = web.clock.now_us(), web.clock.wall_us()
        return OrderBody.of(order_view(tx, who.household_id, order_id, now_us=now_us, wall_us=wall_us))


@router.post("/orders/{order_id}/pay-again", tags=["orders"], responses=answers(ORDER_EXAMPLE, 403, 404, 409))
def pay_order_once_more(who: ApiMember, web: Web, order_id: str, wish: PayAgainWish | None = None) -> OrderBody:
    """Pay what is due, by the account named or by the same; never while the outcome of a payment before is unknown."""
    now_us, wall_us = web.clock.now_us(), web.clock.wall_us()
    method_id = None if wish is None else wish.payment_method_id
    with web.unit_of_work.begin() as tx:
        pay_order_again(tx, who.member, order_id, method_id, now_us=now_us)
        return OrderBody.of(order_view(tx, who.household_id, order_id, now_us=now_us, wall_us=wall_us))


@router.post("/orders/{order_id}/cancel", tags=["orders"], responses=answers(ORDER_EXAMPLE, 403, 404, 409))
def cancel_order_there(who: ApiMember, web: Web, order_id: str) -> OrderBody:
    """Ask the shop to cancel an order it has not sent; the hold is given back once the shop has confirmed."""
    now_us, wall_us = web.clock.now_us(), web.clock.wall_us()
    with web.unit_of_work.begin() as tx:
        cancel_order(tx, who.member, order_id, now_us=now_us)
        return OrderBody.of(order_view(tx, who.household_id, order_id, now_us=now_us, wall_us=wall_us))


def _decide(who: SignedIn, web: WebServices, cart_id: str, decision: Decision) -> CartBody:
    now_us, wall_us = web.clock.now_us(), web.clock.wall_us()
    with web.unit_of_work.begin() as tx:
        approve(
            tx,
            who.household_id,
            cart_id,
            decision,
            member=who.member,
            now_us=now_us,
            wall_us=wall_us,
            undo_us=web.undo_us,
        )
        return CartBody.of(cart_view(tx, who.household_id, cart_id, now_us=now_us, wall_us=wall_us))
