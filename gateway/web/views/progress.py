"""What became of a decision, as steps: approved, held, sent, shipped and billed, delivered, refill seen."""

from dataclasses import dataclass
from typing import Literal, TypeVar

from gateway.domain.approval import Approval
from gateway.domain.cart import UNDOABLE_STATES, Cart, CartState
from gateway.domain.household import Member
from gateway.domain.order import COMING_LINE_STATES, Order, OrderLine, OrderState, Shipment
from gateway.domain.payment import Attempt, AttemptState, Operation, OperationKind, OperationState, PaymentMethod
from gateway.steps.ports import Transaction
from gateway.web.wording import Wording, money

Row = TypeVar("Row")
StepKey = Literal["approved", "held", "sent", "shipped", "delivered", "refilled"]
StepState = Literal["done", "now", "later", "failed"]

SENT_STATES = frozenset(
    {
        OrderState.PLACED,
        OrderState.SHIPPED,
        OrderState.DELIVERED,
        OrderState.CLOSED,
        OrderState.PAYMENT_DUE,
        OrderState.LOST,
        OrderState.RETURNED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressStep:
    """One step: its words, when it happened or is expected."""

    key: StepKey
    state: StepState
    words: str
    when: str
    at_us: int | None


@dataclass(frozen=True, slots=True)
class Clock:
    """The present on a household's clock."""

    wording: Wording
    now_us: int


@dataclass(frozen=True, slots=True)
class Decision:
    """Everything that followed one cart; empty where nothing did yet."""

    approval: Approval | None
    approved_by: str
    method: PaymentMethod | None
    attempt: Attempt | None
    operations: tuple[Operation, ...]
    order: Order | None
    lines: tuple[OrderLine, ...]
    shipments: tuple[Shipment, ...]


def read_decision(tx: Transaction, cart: Cart) -> Decision:
    """Read the newest approval of a cart and what came of it."""
    household_id = cart.household_id
    approval = _newest(tx.find(Approval, household_id, cart_id=cart.id, newest=1))
    attempt = _newest(tx.find(Attempt, household_id, cart_id=cart.id, newest=1))
    if approval is not None and attempt is not None and attempt.approval_id != approval.id:
        # Approved again after an undo: the former attempt is history, not this decision's.
        attempt = None
    operations = tx.find(Operation, household_id, attempt_id=attempt.id) if attempt else []
    order = _newest(tx.find(Order, household_id, cart_id=cart.id, newest=1))
    if order is not None and (attempt is None or order.attempt_id != attempt.id):
        order = None
    return Decision(
        approval=approval,
        approved_by=_approved_by(tx, approval),
        method=_method(tx, approval, attempt),
        attempt=attempt,
        operations=tuple(operations),
        order=order,
        lines=tuple(tx.find(OrderLine, household_id, order_id=order.id)) if order else (),
        shipments=tuple(tx.find(Shipment, household_id, order_id=order.id)) if order else (),
    )


def _method(tx: Transaction, approval: Approval | None, attempt: Attempt | None) -> PaymentMethod | None:
    """Return the account that is debited: the last one tried, which is not always the one first asked."""
    if approval is None:
        return None
    method_id = approval.payment_method_id if attempt is None else attempt.payment_method_id
    return tx.seek(PaymentMethod, approval.household_id, method_id)


def undo_until_us(cart: Cart, decision: Decision, wall_us: int) -> int | None:
    """Return until when (real time) the decision can be undone; None when it no longer can."""
    approval = decision.approval
    if cart.state not in UNDOABLE_STATES or decision.order is not None or approval is None:
        return None
    return approval.send_not_before_wall_us if approval.send_not_before_wall_us > wall_us else None


def progress_steps(cart: Cart, decision: Decision, clock: Clock) -> tuple[ProgressStep, ...]:
    """Return the six steps of an approved cart; empty before anyone approved."""
    if decision.approval is None or cart.state is CartState.AWAITING_APPROVAL:
        return ()
    steps = [
        _step("approved", "done", decision.approved_by, decision.approval.at_us, clock),
        _held(decision, clock),
        _sent(cart, decision, clock),
        _shipped(decision, clock),
        _delivered(cart, decision, clock),
        _refilled(decision, clock),
    ]
    return tuple(_until_failure(steps))


def _held(decision: Decision, clock: Clock) -> ProgressStep:
    approval, attempt, method = decision.approval, decision.attempt, decision.method
    total = money(approval.amount_minor, approval.currency) if approval else ""
    on = f" on {method.label}" if method else ""
    done = next((op for op in decision.operations if op.kind is OperationKind.AUTHORIZE and op.closed_us), None)
    at_us = done.closed_us if done else None
    match attempt.state if attempt else None:
        case AttemptState.AUTHORIZED | AttemptState.CAPTURE_PENDING | AttemptState.CAPTURED | AttemptState.REVERSED:
            return _step("held", "done", f"{total} held{on}", at_us, clock)
        case AttemptState.DECLINED:
            why = f": {attempt.note}" if attempt and attempt.note else ""
            return _step("held", "failed", f"{total} declined{on}{why}", at_us, clock)
        case AttemptState.VOIDED | AttemptState.EXPIRED:
            return _step("held", "failed", f"{total} released{on}", at_us, clock)
        case AttemptState.UNKNOWN | AttemptState.MANUAL_REVIEW:
            return _step("held", "now", f"Asking what became of {total}{on}", None, clock)
        case AttemptState.REQUIRES_ACTION:
            return _step("held", "now", f"{total}{on} needs your confirmation there", None, clock)
        case _:
            return _step("held", "later", f"Hold {total}{on}", None, clock)


def _sent(cart: Cart, decision: Decision, clock: Clock) -> ProgressStep:
    order = decision.order
    if order is None:
        state: StepState = "failed" if cart.state is CartState.REJECTED else "later"
        return _step("sent", state, cart.note or "Send the order", None, clock)
    if order.state is OrderState.REJECTED:
        return _step("sent", "failed", order.note or "Not accepted", order.closed_us, clock)
    if order.state is OrderState.CANCELLED:
        return _step("sent", "failed", "Cancelled", order.closed_us, clock)
    if order.state in SENT_STATES:
        return _step("sent", "done", "Order sent and accepted", order.placed_us, clock)
    return _step("sent", "now", "Sending the order", None, clock)


def _shipped(decision: Decision, clock: Clock) -> ProgressStep:
    captures = [op for op in decision.operations if op.kind is OperationKind.CAPTURE]
    taken = sum(op.amount_minor for op in captures if op.state is OperationState.SUCCEEDED)
    at_us = min((shipment.shipped_us for shipment in decision.shipments), default=None)
    currency = decision.order.currency if decision.order else ""
    if decision.order is not None and decision.order.state is OrderState.PAYMENT_DUE:
        return _step("shipped", "failed", "Shipped, but the payment failed", at_us, clock)
    if taken:
        return _step("shipped", "done", f"Shipped, {money(taken, currency)} billed", at_us, clock)
    if at_us is not None:
        return _step("shipped", "now", "Shipped, billing", at_us, clock)
    return _step("shipped", "later", "Ship and bill", None, clock)


def _delivered(cart: Cart, decision: Decision, clock: Clock) -> ProgressStep:
    order = decision.order
    if order is not None and order.state is OrderState.LOST:
        return _step("delivered", "failed", "Lost on the way", order.closed_us, clock)
    came = [line.delivered_us for line in decision.lines if line.delivered_us is not None]
    if came and all(line.state not in COMING_LINE_STATES for line in decision.lines):
        short = any(line.packs_delivered < line.packs for line in decision.lines)
        words = "Delivered, not all of it" if short else "Delivered"
        return _step("delivered", "done", words, max(came), clock)
    promised = comes_us(cart, order, clock.now_us)
    words = "Late" if order is not None and order.late else "Partly delivered" if came else "Deliver"
    when = (
        f"{'was due' if order is not None and order.late else 'about'} {clock.wording.day(promised)}"
        if promised
        else ""
    )
    return ProgressStep(key="delivered", state="later", words=words, when=when, at_us=None)


def comes_us(cart: Cart, order: Order | None, now_us: int) -> int | None:
    """Return when it comes: as the shop promised once it took the order, before that as it quoted."""
    return cart.comes_us(now_us) if order is None or order.state is OrderState.PLACING else order.promised_us


def _refilled(decision: Decision, clock: Clock) -> ProgressStep:
    seen = [line for line in decision.lines if line.refill_seen]
    if decision.lines and len(seen) == len(decision.lines):
        closed_us = decision.order.closed_us if decision.order else None
        return _step("refilled", "done", "Refill seen", closed_us, clock)
    words = f"Refill seen for {len(seen)} of {len(decision.lines)}" if seen else "Refill seen by the device"
    return _step("refilled", "later", words, None, clock)


def _until_failure(steps: list[ProgressStep]) -> list[ProgressStep]:
    """After a step that failed nothing more is expected."""
    failed = next((place for place, step in enumerate(steps) if step.state == "failed"), len(steps))
    return steps[: failed + 1]


def _step(key: StepKey, state: StepState, words: str, at_us: int | None, clock: Clock) -> ProgressStep:
    when = "" if at_us is None else clock.wording.when(at_us, clock.now_us)
    return ProgressStep(key=key, state=state, words=words, when=when, at_us=at_us)


def _approved_by(tx: Transaction, approval: Approval | None) -> str:
    if approval is None:
        return ""
    if approval.by_mandate or approval.member_id is None:
        return "Approved by your standing permission"
    member = tx.seek(Member, approval.household_id, approval.member_id)
    return f"Approved by {member.name}" if member else "Approved by a former member"


def _newest(rows: list[Row]) -> Row | None:
    return rows[0] if rows else None
