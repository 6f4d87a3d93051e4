"""Live pages: one stream per open page that sends what has changed, as htmx partials over server-sent events.

A stream asks the database once a second whether anything changed (versions.py), renders its parts only then, and sends
those whose text differs. It ends by itself after a while, or when the server closes; the browser then comes back.
"""

import asyncio
import hashlib
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from gateway.domain.access import Session
from gateway.domain.cart import Cart, CartState
from gateway.steps.ports import Transaction
from gateway.web.pages.decisions import partial
from gateway.web.pages.rendering import render
from gateway.web.pages.supplies import home_lists
from gateway.web.pages.versions import household_version
from gateway.web.pages.visit import Visit, Visiting
from gateway.web.problems import TooManyRequests
from gateway.web.views import CartView, cart_view, orders_view, waiting_carts

POLL_S = 1.0
HEARTBEAT_S = 15.0
LIFE_S = 900.0
MAX_STREAMS = 200
MAX_STREAMS_PER_HOUSEHOLD = 20
RETRY_S = 15
MAX_ANSWERED = 4
UNDER_WAY = frozenset({CartState.APPROVED, CartState.HELD, CartState.ORDERED})

router = APIRouter()


@dataclass
class Streams:
    """How many streams are open, and whether the server is stopping and they should end."""

    open: Counter[str] = field(default_factory=Counter)
    stopping: Callable[[], bool] = lambda: False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def enter(self, household_id: str) -> None:
        """Count one stream in; raises TooManyRequests above the limits."""
        with self._lock:
            full = self.open.total() >= MAX_STREAMS or self.open[household_id] >= MAX_STREAMS_PER_HOUSEHOLD
            if full or self.stopping():
                raise TooManyRequests(RETRY_S)
            self.open[household_id] += 1

    def leave(self, household_id: str) -> None:
        """Count one stream out."""
        with self._lock:
            self.open[household_id] -= 1
            self.open += Counter()


def streams_of(app: FastAPI) -> Streams:
    """Return the application's streams."""
    if not hasattr(app.state, "streams"):
        app.state.streams = Streams()
    streams = app.state.streams
    assert isinstance(streams, Streams)
    return streams


def end_streams_when(app: FastAPI, stopping: Callable[[], bool]) -> None:
    """Let every stream end within a second of `stopping`: a server that stops waits for its answers to end."""
    streams_of(app).stopping = stopping


@router.get("/events")
async def events(visiting: Visiting, request: Request, since: str = "", page: str = "home", cart: str = "") -> Response:
    """Stream what changes on a page: the first one, the orders, or one cart."""
    streams = streams_of(request.app)
    await run_in_threadpool(_known, visiting, cart)
    streams.enter(visiting.household_id)
    watch = Watch(visiting, page, cart, request.headers.get("last-event-id") or since)
    return StreamingResponse(
        _stream(request, streams, watch),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _stream(request: Request, streams: Streams, watch: "Watch") -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    ends = loop.time() + LIFE_S
    quiet_since = loop.time()
    try:
        yield "retry: 2000\n\n"
        while loop.time() < ends and not streams.stopping() and not await request.is_disconnected():
            message = await run_in_threadpool(watch.look)
            if message is None:
                return
            if message:
                yield message
                quiet_since = loop.time()
            elif loop.time() - quiet_since > HEARTBEAT_S:
                yield ": still here\n\n"
                quiet_since = loop.time()
            await asyncio.sleep(POLL_S)
    finally:
        streams.leave(watch.visiting.household_id)


@dataclass
class Watch:
    """What one open page was last sent. `version` is the household's at that time; `sent` the digest of every part."""

    visiting: Visit
    page: str
    cart_id: str
    version: str
    sent: dict[str, str] = field(default_factory=dict)
    carts: dict[str, None] = field(default_factory=dict)
    order: str = ""
    begun: bool = False

    def look(self) -> str | None:
        """Return the message to send, empty when nothing changed; None when the session was ended."""
        with self.visiting.web.unit_of_work.read() as tx:
            version = household_version(tx, self.visiting.household_id)
            if not self._still_let_in(tx):
                return None
            if self.begun and version == self.version:
                return ""
            parts = self._parts(tx)
        # The page that was rendered at this version holds these parts already.
        shown = not self.begun and version == self.version
        changed = [] if shown else [part for key, part in parts.items() if self.sent.get(key) != digest(part)]
        self.sent |= {key: digest(part) for key, part in parts.items()}
        self.version, self.begun = version, True
        return message(version, "".join(changed)) if changed else ""

    def _still_let_in(self, tx: Transaction) -> bool:
        session = self.visiting.who.session
        if session is None:
            return True
        present = tx.seek(Session, session.household_id, session.id)
        return present is not None and present.revoked_wall_us is None

    def _parts(self, tx: Transaction) -> dict[str, str]:
        visiting = self.visiting
        context: dict[str, Any] = visiting.frame(tx, "supplies") | {"fresh": False, "fresh_id": None, "problem": None}
        parts = {"nav-badge": partial("nav-badge", render("parts/badge.html", context))}
        if self.cart_id:
            return parts | self._cart(tx, context)
        if self.page == "orders":
            orders = orders_view(tx, visiting.household_id, now_us=visiting.now_us, wall_us=visiting.wall_us)
            context["more_under_way"] = 0
            html = render("parts/orders_lists.html", {"orders": orders})
            parts["orders-lists"] = partial("orders-lists", html, "innerMorph")
            cards = waiting_carts(tx, visiting.household_id, now_us=visiting.now_us, wall_us=visiting.wall_us)
        else:
            context |= home_lists(visiting, tx)
            cards = context["carts"]
            parts |= self._home(context)
        context["carts"] = self._with_answered(tx, cards)
        parts["decisions"] = partial("decisions", render("parts/decisions.html", context), "innerMorph")
        return parts

    def _with_answered(self, tx: Transaction, cards: tuple[CartView, ...]) -> tuple[CartView, ...]:
        """Return the cards and those that waited on this page: an answer stays readable until the page is left.

        On the first page an order under way is one of its cards, or one of those its link leads to.
        """
        visiting = self.visiting
        present = {cart.id for cart in cards}
        self.carts |= dict.fromkeys(cart.id for cart in cards if cart.decidable)
        answered = [
            cart_view(tx, visiting.household_id, cart_id, now_us=visiting.now_us, wall_us=visiting.wall_us)
            for cart_id in list(self.carts)[-MAX_ANSWERED:]
            if cart_id not in present
        ]
        kept = [cart for cart in answered if self.page == "orders" or cart.state not in UNDER_WAY]
        # Where it was decided on: above what was under way already.
        return (*(cart for cart in cards if cart.decidable), *kept, *(cart for cart in cards if not cart.decidable))

    def _home(self, context: dict[str, Any]) -> dict[str, str]:
        parts = {
            "home-head": partial("home-head", render("parts/home_head.html", context)),
            "soon": partial("soon", render("parts/soon.html", context), "innerMorph"),
            "activity": partial("activity", render("parts/activity.html", context), "innerMorph"),
        }
        rows = context["supplies"].rows
        order = ",".join(row.id for row in rows)
        if order != self.order:
            parts["rows"] = partial("rows", render("parts/rows.html", context | {"selected_id": None}), "innerMorph")
            self.order = order
        for row in rows:
            parts[f"supply-{row.id}"] = partial(f"supply-{row.id}", render("parts/one_row.html", {"row": row}))
        return parts

    def _cart(self, tx: Transaction, context: dict[str, Any]) -> dict[str, str]:
        visiting = self.visiting
        cart = cart_view(tx, visiting.household_id, self.cart_id, now_us=visiting.now_us, wall_us=visiting.wall_us)
        if self.page == "order":
            html = render("parts/progress.html", {"steps": cart.steps})
            return {"progress": partial("progress", html, "innerMorph")}
        html = render("parts/cart_card.html", context | {"cart": cart, "whole": True})
        return {f"cart-{cart.id}": partial(f"cart-{cart.id}", html)}


def message(version: str, html: str) -> str:
    """Return one event: its id lets a browser that comes back say what it has seen."""
    lines = "".join(f"data: {line}\n" for line in html.splitlines() if line.strip())
    return f"id: {version}\n{lines}\n"


def digest(text: str) -> str:
    """Return what is remembered of a part that was sent."""
    return hashlib.sha256(text.encode()).hexdigest()


def _known(visiting: Visit, cart_id: str) -> None:
    """Raise NotFound for a cart that is not the household's, before the stream begins."""
    if cart_id:
        with visiting.web.unit_of_work.read() as tx:
            tx.get(Cart, visiting.household_id, cart_id)
