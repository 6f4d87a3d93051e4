"""The decision cards: what waits for an answer, what was answered and is under way, and the answers themselves."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Response
from fastapi.responses import RedirectResponse

from gateway.domain.cart import UNDOABLE_STATES, Cart
from gateway.domain.errors import Conflict, Invalid
from gateway.domain.order import OPEN_ORDER_STATES, Order
from gateway.steps.approve import Approve, AskAgain, ChangePacks, Decision, Skip, Snooze, Swap, Undo, approve
from gateway.steps.ports import Transaction
from gateway.web.pages.forms import shown_on
from gateway.web.pages.rendering import answer, is_partial, render
from gateway.web.pages.versions import household_version
from gateway.web.pages.visit import Visit, Visiting
from gateway.web.views import CartView, cart_view, step_up_of, supplies_view, waiting_carts

MAX_UNDER_WAY = 2
MAX_COUNTED = 100

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Decisions:
    """What stands beside the supplies: `carts` that wait come first, `more` says how many under way are not shown."""

    carts: tuple[CartView, ...]
    more: int


def decisions(tx: Transaction, household_id: str, *, now_us: int, wall_us: int) -> Decisions:
    """Return the carts that wait for an answer, then the newest that were answered and have not arrived.

    What was approved and is not sent yet counts as newer than any order: it may still be undone.
    """
    waiting = waiting_carts(tx, household_id, now_us=now_us, wall_us=wall_us)
    begun = tx.find(Cart, household_id, state=UNDOABLE_STATES, newest=MAX_COUNTED)
    orders = tx.find(Order, household_id, state=OPEN_ORDER_STATES, newest=MAX_COUNTED)
    ids = list(dict.fromkeys([cart.id for cart in begun] + [order.cart_id for order in orders]))
    shown = tuple(
        cart_view(tx, household_id, cart_id, now_us=now_us, wall_us=wall_us) for cart_id in ids[:MAX_UNDER_WAY]
    )
    return Decisions(waiting + shown, len(ids) - len(shown))


@router.get("/carts/{cart_id}")
def cart_page(visiting: Visiting, cart_id: str) -> Response:
    """One cart: the card to decide on, or what became of it."""
    return _page(visiting, cart_id)


@router.post("/carts/{cart_id}/approve")
@shown_on(cart_page)
def approve_cart(
    visiting: Visiting, cart_id: str, version: Annotated[int, Form()], method_id: Annotated[str | None, Form()] = None
) -> Response:
    """Say yes to the cart as it was shown."""
    return _decide(visiting, cart_id, Approve(version, method_id))


@router.post("/carts/{cart_id}/skip")
@shown_on(cart_page)
def skip_cart(visiting: Visiting, cart_id: str) -> Response:
    """Not this time."""
    return _decide(visiting, cart_id, Skip())


@router.post("/carts/{cart_id}/snooze")
@shown_on(cart_page)
def snooze_cart(visiting: Visiting, cart_id: str, until_us: Annotated[int, Form()]) -> Response:
    """Ask again later."""
    return _decide(visiting, cart_id, Snooze(until_us))


@router.post("/carts/{cart_id}/ask-again")
@shown_on(cart_page)
def ask_again(visiting: Visiting, cart_id: str) -> Response:
    """After all, or sooner: ask now."""
    return _decide(visiting, cart_id, AskAgain())


@router.post("/carts/{cart_id}/undo")
@shown_on(cart_page)
def undo_cart(visiting: Visiting, cart_id: str) -> Response:
    """Take the yes back."""
    return _decide(visiting, cart_id, Undo())


@router.post("/carts/{cart_id}/lines/{line_id}")
@shown_on(cart_page)
def edit_line(
    visiting: Visiting,
    cart_id: str,
    line_id: str,
    packs: Annotated[int | None, Form()] = None,
    sku: Annotated[str | None, Form()] = None,
) -> Response:
    """Another quantity, or another product."""
    if packs is not None:
        return _decide(visiting, cart_id, ChangePacks(line_id, packs))
    if sku is not None:
        return _decide(visiting, cart_id, Swap(line_id, sku))
    raise Invalid("line", "say how many packs, or which product")


def _decide(visiting: Visit, cart_id: str, decision: Decision) -> Response:
    """Apply a decision. Where the cart has moved on, the card says so and shows how it stands now."""
    problem = None
    try:
        with visiting.web.unit_of_work.begin() as tx:
            approve(
                tx,
                visiting.household_id,
                cart_id,
                decision,
                member=visiting.member,
                now_us=visiting.now_us,
                wall_us=visiting.wall_us,
                undo_us=visiting.web.undo_us,
            )
    except (Conflict, Invalid) as error:
        problem = str(error)
    if is_partial(visiting.request):
        return _partial(visiting, cart_id, problem)
    if problem is not None:
        return _page(visiting, cart_id, status=409, problem=problem)
    return RedirectResponse(f"/carts/{cart_id}", 303)


def _page(visiting: Visit, cart_id: str, *, status: int = 200, problem: str | None = None) -> Response:
    household_id, now_us, wall_us = visiting.household_id, visiting.now_us, visiting.wall_us
    return visiting.show(
        "cart.html",
        "orders",
        lambda tx: {
            "cart": (cart := cart_view(tx, household_id, cart_id, now_us=now_us, wall_us=wall_us)),
            "step_up": step_up_of(tx, household_id, cart.attempt_id),
            "version": household_version(tx, household_id),
            "problem": problem,
        },
        status=status,
    )


def _partial(visiting: Visit, cart_id: str, problem: str | None) -> Response:
    """Answer with the card, and on the first page with the headline, the badge and the rows it changes."""
    household_id, now_us = visiting.household_id, visiting.now_us
    at_home = visiting.request.headers.get("hx-current-url", "").split("?")[0].split("#")[0].endswith("/")
    with visiting.web.unit_of_work.read() as tx:
        context = visiting.frame(tx, "supplies")
        context["cart"] = cart = cart_view(tx, household_id, cart_id, now_us=now_us, wall_us=visiting.wall_us)
        context |= {"problem": problem, "fresh": True, "supplies": supplies_view(tx, household_id, now_us=now_us)}
    parts = [render("parts/cart_card.html", context), partial("nav-badge", render("parts/badge.html", context))]
    if at_home:
        touched = {line.supply_id for line in cart.lines}
        parts.append(partial("home-head", render("parts/home_head.html", context)))
        parts += [
            partial(f"supply-{row.id}", render("parts/one_row.html", {"row": row}))
            for row in context["supplies"].rows
            if row.id in touched
        ]
    return answer(visiting.request, "parts/joined.html", {"parts": parts})


def partial(element_id: str, html: str, swap: str = "outerMorph") -> str:
    """Return a piece of a page with where it goes, as htmx reads it."""
    return f'<hx-partial hx-target="#{element_id}" hx-swap="{swap}">{html}</hx-partial>'
