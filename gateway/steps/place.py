"""Place: a held amount whose undo time is over becomes the merchant's order, or the hold is released.

Prepare commits the order row: from then on undo has lost. The order's id is the merchant's idempotency key.
"""

from dataclasses import dataclass, replace

from gateway.domain.approval import Approval, ApprovalState
from gateway.domain.cart import Cart, CartState, Line
from gateway.domain.order import ORDER_PREFIX, LineState, Order, OrderLine, OrderState
from gateway.domain.payment import Attempt, AttemptState, Mandate, MandateState, MethodState, PaymentMethod
from gateway.domain.records import HouseholdItem, MerchantAccount
from gateway.domain.replenishment import MINUTE_US, SECOND_US
from gateway.domain.stock import PackOption
from gateway.steps.freeze import WHILE_FROZEN_US, distrusted, is_frozen
from gateway.steps.goods.carts import reopen
from gateway.steps.goods.plans import drop_plans
from gateway.steps.messages import tell
from gateway.steps.money.undecided import SYNC_AFTER_S
from gateway.steps.ports import (
    Accepted,
    MerchantNotSent,
    MerchantRefused,
    MerchantUnknown,
    PlaceLine,
    Refused,
    Services,
    Transaction,
)

FIRST_LOOK_US = 60 * MINUTE_US
# A shop that refuses every order is not asked again at once, for ever.
AGAIN_AFTER_DAYS = 1 / 12


@dataclass(frozen=True, slots=True)
class _Prepared:
    """The order to send; `is_repeat`: it may have gone out before."""

    order: Order
    is_repeat: bool


def place(item: HouseholdItem, services: Services) -> None:
    """Send one held cart to its merchant (subject: cart id)."""
    now_us = services.clock.now_us()
    with services.unit_of_work.begin() as tx:
        tx.hold(item)
        prepared = _prepare(tx, item, now_us, services.clock.wall_us())
        if prepared is None:
            tx.complete(item)
            return
        order = prepared.order
        cart = tx.get(Cart, order.household_id, order.cart_id)
        account = tx.get(MerchantAccount, order.household_id, order.merchant_id)
        # In an order of their own: that of the rows tells only which supply was worked on first, and a shop that
        # sends in parts would send others after a crash.
        lines = tuple(
            PlaceLine(line.id, line.sku, line.packs, line.unit_price_minor)
            for line in sorted(
                tx.find(OrderLine, order.household_id, order_id=order.id), key=lambda one: (one.sku, one.id)
            )
        )
    try:
        answer: Accepted | Refused | None = services.merchants.open(account).place(
            reference=order.id,
            household_ref=order.household_id,
            quote_ref=cart.quote_ref,
            lines=lines,
            total_minor=order.total_minor,
        )
    except MerchantNotSent:
        if not prepared.is_repeat:
            _take_back(order, item, services)
            raise
        answer = None
    except MerchantUnknown:
        answer = None
    except MerchantRefused as refusal:
        # A repeat that is refused says nothing of the one before, which may have been taken.
        answer = None if prepared.is_repeat else Refused("refused", str(refusal))
    with services.unit_of_work.begin() as tx:
        tx.complete(item)
        if answer is None:
            wait_us = services.clock.wall_us() + SECOND_US
            tx.enqueue(
                "sync", order.household_id, f"{ORDER_PREFIX}{order.id}", due_us=now_us, not_before_wall_us=wait_us
            )
        else:
            settle_placing(tx, order, answer, now_us)


def settle_placing(tx: Transaction, order: Order, answer: Accepted | Refused, now_us: int) -> None:
    """Write the merchant's answer; an order that is no longer being placed stays as it is."""
    order = tx.get(Order, order.household_id, order.id)
    if order.state is not OrderState.PLACING:
        return
    cart = tx.get(Cart, order.household_id, order.cart_id)
    match answer:
        case Accepted(merchant_ref=merchant_ref, total_minor=total_minor, promised_us=promised_us):
            tx.save(
                replace(
                    order,
                    state=OrderState.PLACED,
                    merchant_ref=merchant_ref,
                    total_minor=min(total_minor, order.total_minor),
                    promised_us=promised_us,
                    placed_us=now_us,
                )
            )
            tx.save(replace(cart, state=CartState.ORDERED))
            _remember_prices(tx, order)
            tx.enqueue("observe", order.household_id, order.id, due_us=now_us + FIRST_LOOK_US)
        case Refused(message=message):
            tx.save(replace(order, state=OrderState.REJECTED, closed_us=now_us, note=message))
            tx.save(replace(cart, state=CartState.REJECTED, note=message))
            for line in tx.find(OrderLine, order.household_id, order_id=order.id):
                tx.save(replace(line, state=LineState.CANCELLED))
            tx.enqueue("release", order.household_id, order.attempt_id, due_us=now_us)
            drop_plans(tx, cart, now_us=now_us, again_after_days=AGAIN_AFTER_DAYS)
            text = f"The shop did not take the order: {message} Nothing was debited."
            tell(tx, order.household_id, "order_rejected", text, f"orders/{order.id}", now_us)


def _remember_prices(tx: Transaction, order: Order) -> None:
    """Note what each pack cost, so that the next cart can show the change."""
    for line in tx.find(OrderLine, order.household_id, order_id=order.id):
        for option in tx.find(PackOption, order.household_id, supply_id=line.supply_id, sku=line.sku):
            tx.save(replace(option, last_price_minor=line.unit_price_minor))


def _take_back(order: Order, item: HouseholdItem, services: Services) -> None:
    """Remove an order that never left this machine: until it does, it may be undone, and the account may be closed."""
    with services.unit_of_work.begin() as tx:
        tx.hold(item)
        for line in tx.find(OrderLine, order.household_id, order_id=order.id):
            tx.remove(line)
        tx.remove(order)


def _prepare(tx: Transaction, item: HouseholdItem, now_us: int, wall_us: int) -> _Prepared | None:
    """Return the order to send: the one a crash left being placed, or a new one; None when nothing may be sent."""
    household_id = item.household_id
    cart = tx.get(Cart, household_id, item.subject_id)
    frozen = is_frozen(tx, household_id)
    for order in tx.find(Order, household_id, cart_id=cart.id, state=OrderState.PLACING):
        return _again(tx, order, frozen=frozen, now_us=now_us)
    approvals = tx.find(Approval, household_id, cart_id=cart.id, state=ApprovalState.STANDING)
    if cart.state is not CartState.HELD or not approvals:
        return None
    send_us = approvals[0].send_not_before_wall_us
    if wall_us < send_us:  # it may still be undone, whoever asked for it to be sent
        tx.enqueue("place", household_id, cart.id, due_us=now_us, not_before_wall_us=send_us)
        return None
    attempts = tx.find(Attempt, household_id, approval_id=approvals[0].id, state=AttemptState.AUTHORIZED)
    if not attempts or not _is_permitted(tx, cart, approvals[0], attempts[0], now_us, frozen=frozen):
        return None
    return _Prepared(_begin(tx, cart, attempts[0], now_us), is_repeat=False)


def _again(tx: Transaction, order: Order, *, frozen: bool, now_us: int) -> _Prepared | None:
    """Return an order that may have gone out, to go out once more; without permission it is only looked up."""
    attempt = tx.get(Attempt, order.household_id, order.attempt_id)
    method = tx.get(PaymentMethod, order.household_id, attempt.payment_method_id)
    mandate = tx.get(Mandate, order.household_id, attempt.mandate_id)
    if frozen or method.state is MethodState.FROZEN:
        tx.enqueue("sync", order.household_id, f"{ORDER_PREFIX}{order.id}", due_us=now_us + WHILE_FROZEN_US)
        return None
    if method.state is MethodState.ACTIVE and mandate.state is MandateState.ACTIVE:
        return _Prepared(order, is_repeat=True)
    if order.looks < len(SYNC_AFTER_S):
        tx.enqueue("sync", order.household_id, f"{ORDER_PREFIX}{order.id}", due_us=now_us)
    else:
        message = f"it never got there, and {method.label} may not be debited any more."
        settle_placing(tx, order, Refused("not_sent", message), now_us)
    return None


def _is_permitted(
    tx: Transaction, cart: Cart, approval: Approval, attempt: Attempt, now_us: int, *, frozen: bool
) -> bool:
    """Say whether the order may be sent now; frozen it waits, and without a permission a person decides anew."""
    method = tx.get(PaymentMethod, cart.household_id, attempt.payment_method_id)
    mandate = tx.get(Mandate, cart.household_id, attempt.mandate_id)
    if frozen or method.state is MethodState.FROZEN:
        tx.enqueue("place", cart.household_id, cart.id, due_us=now_us + WHILE_FROZEN_US)
        return False
    if method.state is not MethodState.ACTIVE or mandate.state is not MandateState.ACTIVE:
        _give_back(tx, cart, approval, attempt, f"{method.label} may not be debited any more", now_us)
        return False
    if approval.by_mandate and (reasons := distrusted(tx, cart)):
        _give_back(tx, cart, approval, attempt, reasons[0], now_us)
        return False
    return True


def _begin(tx: Transaction, cart: Cart, attempt: Attempt, now_us: int) -> Order:
    """Write the order that is now being sent: from here on undo has lost."""
    order = Order(
        id=tx.new_id(),
        household_id=cart.household_id,
        cart_id=cart.id,
        attempt_id=attempt.id,
        merchant_id=cart.merchant_id,
        merchant_ref="",
        state=OrderState.PLACING,
        currency=cart.currency,
        total_minor=attempt.amount_minor,
        promised_us=cart.promised_us,
        placed_us=None,
        closed_us=None,
        late=False,
        looks=0,
        note="",
        created_us=now_us,
    )
    tx.add(order)
    for line in tx.find(Line, cart.household_id, cart_id=cart.id):
        tx.add(_ordered(tx, order, line))
    return order


def _give_back(tx: Transaction, cart: Cart, approval: Approval, attempt: Attempt, reason: str, now_us: int) -> None:
    """Let a person decide anew: the permission ended between the hold and the order, so the hold is released."""
    tx.save(replace(approval, state=ApprovalState.UNDONE))
    tx.enqueue("release", cart.household_id, attempt.id, due_us=now_us)
    reopen(tx, cart, (reason,), now_us=now_us)
    tell(tx, cart.household_id, "cart_waiting", f"An order waits for you again: {reason}.", f"carts/{cart.id}", now_us)


def _ordered(tx: Transaction, order: Order, line: Line) -> OrderLine:
    return OrderLine(
        id=tx.new_id(),
        household_id=order.household_id,
        order_id=order.id,
        cart_line_id=line.id,
        supply_id=line.supply_id,
        sku=line.sku,
        name=line.name,
        pack_size=line.pack_size,
        packs=line.packs,
        packs_shipped=0,
        packs_delivered=0,
        packs_refunded=0,
        unit_price_minor=line.unit_price_minor,
        state=LineState.OPEN,
        refill_seen=False,
        refill_id=None,
        delivered_us=None,
    )
