"""Approve: a person's yes, edit, snooze, skip, swap or undo; or the yes that approve_by_mandate.py found covered.

Leaves an approval with `send_not_before_wall_us`, the time to undo, and a row for authorize. Nothing moves here.
"""

from dataclasses import dataclass, replace

from gateway.domain.approval import Approval, ApprovalState
from gateway.domain.cart import UNDOABLE_STATES, Cart, CartState, Line
from gateway.domain.errors import Conflict, Invalid
from gateway.domain.household import Member
from gateway.domain.order import OPEN_ORDER_STATES, Order
from gateway.domain.payment import Attempt, AttemptState, Mandate
from gateway.domain.replenishment import DAY_US, MAX_PACKS_PER_LINE
from gateway.domain.stock import PackOption
from gateway.steps.freeze import is_frozen
from gateway.steps.goods.carts import ask_again, reopen
from gateway.steps.goods.plans import drop_plans
from gateway.steps.money.mandates import permission
from gateway.steps.ports import Transaction

MAX_SNOOZE_US = 60 * DAY_US


@dataclass(frozen=True, slots=True)
class Approve:
    """Yes, to the cart as it was in this version; None takes it as it is now. The method is the first unless named."""

    version: int | None
    payment_method_id: str | None = None


@dataclass(frozen=True, slots=True)
class ApproveByMandate:
    """The yes of a standing mandate that was found to cover the cart."""

    mandate_id: str


@dataclass(frozen=True, slots=True)
class ChangePacks:
    """Another quantity of one line."""

    line_id: str
    packs: int


@dataclass(frozen=True, slots=True)
class Swap:
    """Another product for one line, from the alternatives the merchant quoted."""

    line_id: str
    sku: str


@dataclass(frozen=True, slots=True)
class Snooze:
    """Ask again at that policy time, at that day's prices."""

    until_us: int


@dataclass(frozen=True, slots=True)
class Skip:
    """Not this time."""


@dataclass(frozen=True, slots=True)
class AskAgain:
    """Ask now about a cart that was skipped or snoozed."""


@dataclass(frozen=True, slots=True)
class Undo:
    """Take the yes back, while the order has not been sent."""


Decision = Approve | ApproveByMandate | ChangePacks | Swap | Snooze | Skip | AskAgain | Undo


def approve(
    tx: Transaction,
    household_id: str,
    cart_id: str,
    decision: Decision,
    *,
    member: Member | None,
    now_us: int,
    wall_us: int,
    undo_us: int,
) -> Cart:
    """Apply one decision to a cart and return the cart as it is afterwards.

    Raises NotFound, NotAllowed (a viewer), Conflict (the cart has moved on, or was edited since it was looked at) and
    Invalid (a quantity out of bounds, a product that was not offered, a snooze into the past).
    """
    cart = tx.get(Cart, household_id, cart_id)
    if member is not None:
        member.may_decide("decide on a cart")
    match decision:
        case Approve() | ApproveByMandate():
            return _say_yes(tx, cart, decision, member=member, now_us=now_us, wall_us=wall_us, undo_us=undo_us)
        case ChangePacks(line_id=line_id) | Swap(line_id=line_id):
            return _edit(tx, cart, tx.get(Line, household_id, line_id), decision)
        case Snooze(until_us=until_us):
            return _snooze(tx, cart, until_us, now_us)
        case Skip():
            return _skip(tx, cart, now_us)
        case AskAgain():
            return ask_again(tx, cart, now_us=now_us)
        case Undo():
            return _undo(tx, cart, now_us)


def _say_yes(
    tx: Transaction,
    cart: Cart,
    decision: Approve | ApproveByMandate,
    *,
    member: Member | None,
    now_us: int,
    wall_us: int,
    undo_us: int,
) -> Cart:
    cart.require("approve", CartState.AWAITING_APPROVAL)
    if is_frozen(tx, cart.household_id):
        raise Conflict(
            "household", cart.household_id, "frozen", "approve", hint="Lift the freeze on the Money page first."
        )
    if cart.decide_by_us is not None and now_us > cart.decide_by_us:
        raise Conflict("cart", cart.id, "expired", "approve", hint="A new one follows if it is still needed.")
    if tx.find(Attempt, cart.household_id, cart_id=cart.id, state=AttemptState.MANUAL_REVIEW):
        hint = "The operator will tell you; nothing is debited twice."
        raise Conflict("cart", cart.id, "still being looked into after an earlier payment", "approve", hint=hint)
    if cart.total_minor <= 0:
        raise Invalid("amount", "there is nothing to pay for; ask the shop")
    if isinstance(decision, ApproveByMandate):
        if not cart.signed or cart.needs_person:
            raise Conflict("cart", cart.id, "for a person to decide", "approve by mandate")
        mandate = tx.get(Mandate, cart.household_id, decision.mandate_id)
    else:
        if decision.version is not None and decision.version != cart.version:
            raise Conflict("cart", cart.id, "changed", "approve", hint="It was edited since; look at it again.")
        mandate = permission(tx, cart, decision.payment_method_id, now_us)
    tx.add(
        Approval(
            id=tx.new_id(),
            household_id=cart.household_id,
            cart_id=cart.id,
            cart_version=cart.version,
            member_id=None if member is None else member.id,
            mandate_id=mandate.id,
            payment_method_id=mandate.payment_method_id,
            by_mandate=isinstance(decision, ApproveByMandate),
            amount_minor=cart.total_minor,
            currency=cart.currency,
            state=ApprovalState.STANDING,
            at_us=now_us,
            send_not_before_wall_us=wall_us + undo_us,
        )
    )
    approved = replace(cart, state=CartState.APPROVED, note="")
    tx.save(approved)
    tx.cancel_work("expire", cart.id)
    tx.enqueue("authorize", cart.household_id, cart.id, due_us=now_us)
    return approved


def _edit(tx: Transaction, cart: Cart, line: Line, decision: ChangePacks | Swap) -> Cart:
    cart.require("change", CartState.AWAITING_APPROVAL)
    if line.cart_id != cart.id:
        raise Invalid("line", "it belongs to another cart")
    tx.save(line.with_packs(decision.packs) if isinstance(decision, ChangePacks) else _swapped(tx, line, decision.sku))
    priced = cart.priced(tx.find(Line, cart.household_id, cart_id=cart.id))
    tx.save(priced)
    return priced


def _swapped(tx: Transaction, line: Line, sku: str) -> Line:
    """Return the line with another offered product, at the quantity that comes nearest to what was wanted."""
    chosen = next((offer for offer in line.alternatives if offer["sku"] == sku), None)
    if chosen is None:
        raise Invalid("sku", "the shop did not offer this product for the line")
    if not chosen["in_stock"]:
        raise Invalid("sku", "the shop has none of it at present")
    known = tx.find(PackOption, line.household_id, supply_id=line.supply_id, sku=sku)
    return replace(
        line,
        sku=sku,
        gtin=chosen["gtin"],
        name=chosen["name"],
        detail=chosen["detail"],
        pack_size=chosen["pack_size"],
        packs=max(1, min(MAX_PACKS_PER_LINE, round(line.packs * line.pack_size / chosen["pack_size"]))),
        unit_price_minor=chosen["unit_price_minor"],
        price_before_minor=known[0].last_price_minor if known else None,
    )


def _snooze(tx: Transaction, cart: Cart, until_us: int, now_us: int) -> Cart:
    cart.require("snooze", CartState.AWAITING_APPROVAL)
    if not now_us < until_us <= now_us + MAX_SNOOZE_US:
        raise Invalid("until", "choose a time in the next 60 days")
    snoozed = replace(cart, state=CartState.SNOOZED, snoozed_until_us=until_us, decide_by_us=None)
    tx.save(snoozed)
    tx.enqueue("expire", cart.household_id, cart.id, due_us=until_us)
    return snoozed


def _skip(tx: Transaction, cart: Cart, now_us: int) -> Cart:
    cart.require("skip", CartState.AWAITING_APPROVAL, CartState.SNOOZED)
    skipped = replace(cart, state=CartState.SKIPPED)
    tx.save(skipped)
    tx.cancel_work("expire", cart.id)
    drop_plans(tx, cart, now_us=now_us, again_after_days=7)
    return skipped


def _undo(tx: Transaction, cart: Cart, now_us: int) -> Cart:
    if cart.state in {CartState.SKIPPED, CartState.SNOOZED}:
        raise Conflict("cart", cart.id, cart.state, "undo", hint="Ask for it again instead.")
    cart.require("undo", *UNDOABLE_STATES)
    sent = tx.find(Order, cart.household_id, cart_id=cart.id, state=frozenset(OPEN_ORDER_STATES))
    if sent:
        raise Conflict("order", sent[0].id, "sent", "undo", hint="Ask the shop to cancel it instead.")
    for approval in tx.find(Approval, cart.household_id, cart_id=cart.id, state=ApprovalState.STANDING):
        tx.save(replace(approval, state=ApprovalState.UNDONE))
    for attempt in tx.find(Attempt, cart.household_id, cart_id=cart.id):
        tx.enqueue("release", cart.household_id, attempt.id, due_us=now_us)
    tx.cancel_work("place", cart.id)
    return reopen(tx, cart, ("you took your approval back",), now_us=now_us)
