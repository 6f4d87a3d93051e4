"""What a merchant says of an order, written into the order, its lines, the supplies and the money that is owed."""

from dataclasses import replace

from gateway.domain.cart import Line
from gateway.domain.order import COMING_LINE_STATES, ENDED_LINE_STATES, LineState, Order, OrderLine, OrderState
from gateway.domain.payment import Attempt, AttemptState, Operation, OperationKind, OperationState, PaymentMethod
from gateway.domain.replenishment import DAY_US, HOUR_US, Plan, PlanState
from gateway.domain.stock import Refill
from gateway.steps.goods.parcels import take_off_shelf, take_parcels
from gateway.steps.messages import tell
from gateway.steps.money.attempts import HOLDING
from gateway.steps.money.billing import awaits_hold, operations_for, still_due_minor, to_bill, unpaid
from gateway.steps.money.effects import payment_due
from gateway.steps.money.refunds import Owed
from gateway.steps.money.shortfalls import account_for_missing
from gateway.steps.ports import OrderStatus, Transaction

LATE_AFTER_US = 12 * HOUR_US
REFILL_EXPECTED_WITHIN_US = 30 * DAY_US
MOST_REFILLS = 50
NOT_HERE_YET = frozenset({OrderState.PLACED, OrderState.SHIPPED})
ARRIVED = frozenset({LineState.DELIVERED, LineState.SHORT, LineState.CLOSED})


def take_status(tx: Transaction, order: Order, status: OrderStatus, now_us: int) -> Order:
    """Write what the merchant says into the order, its lines and the supplies; leave rows for what is owed.

    Returns the order as it stands then. Raises MerchantUnknown for an answer that cannot be about it.
    """
    attempt = tx.get(Attempt, order.household_id, order.attempt_id)
    lines = {line.id: line for line in tx.find(OrderLine, order.household_id, order_id=order.id)}
    parcels = take_parcels(tx, order, lines, status, now_us)
    is_returned = status.state == "returned"
    if is_returned:
        _take_back(tx, lines, now_us)
    _match_refills(tx, order, lines, now_us)
    owed = account_for_missing(tx, attempt, lines, parcels, now_us, is_returned=is_returned)
    for line in lines.values():
        tx.save(line)
        free_supply(tx, line, now_us)
    moved = _moved_on(tx, order, attempt, lines, status, now_us, all_paid_back=Owed.WAITS not in owed)
    tx.save(moved)
    _settle_money(tx, attempt, lines, now_us)
    return moved


def _take_back(tx: Transaction, lines: dict[str, OrderLine], now_us: int) -> None:
    for line in list(lines.values()):
        if line.state is LineState.RETURNED:
            continue
        if line.packs_delivered:
            take_off_shelf(tx, line, now_us)
        lines[line.id] = replace(line, state=LineState.RETURNED)


def _match_refills(tx: Transaction, order: Order, lines: dict[str, OrderLine], now_us: int) -> None:
    """Give each line that came the first refill of its supply since its delivery that no other line took."""
    for line in list(lines.values()):
        if line.refill_seen or line.delivered_us is None or line.state in ENDED_LINE_STATES:
            continue
        refills = tx.find(Refill, order.household_id, supply_id=line.supply_id, order_line_id=None, newest=MOST_REFILLS)
        for refill in reversed(refills):
            if refill.at_us >= line.delivered_us:
                tx.save(replace(refill, order_line_id=line.id))
                state = LineState.CLOSED if line.state in ARRIVED else line.state
                lines[line.id] = replace(line, refill_seen=True, refill_id=refill.id, state=state)
                break
        else:
            if line.state in ARRIVED and now_us > line.delivered_us + REFILL_EXPECTED_WITHIN_US:
                lines[line.id] = replace(line, state=LineState.CLOSED)
                text = f"{line.name} was delivered, but no device has seen a refill. Is it still on the shelf?"
                tell(tx, order.household_id, "no_refill_seen", text, f"orders/{order.id}", now_us)


def free_supply(tx: Transaction, line: OrderLine, now_us: int) -> None:
    """End the plan of a line that came (bought) or never will (dropped), so that its supply may be planned anew.

    The supply is forecast anew and that leaves the row for plan: the forecast made before does not know what came.
    """
    plan = tx.get(Plan, line.household_id, tx.get(Line, line.household_id, line.cart_line_id).plan_id)
    if plan.state is not PlanState.CARTED:
        return
    if line.state in ARRIVED:
        tx.save(replace(plan, state=PlanState.BOUGHT))
    elif line.state in ENDED_LINE_STATES:
        tx.save(replace(plan, state=PlanState.DROPPED))
    else:
        return
    tx.enqueue("forecast", line.household_id, line.supply_id, due_us=now_us)


def _moved_on(
    tx: Transaction,
    order: Order,
    attempt: Attempt,
    lines: dict[str, OrderLine],
    status: OrderStatus,
    now_us: int,
    *,
    all_paid_back: bool,
) -> Order:
    """Return the order as it stands now, and tell the household what it must hear."""
    state = _order_state(lines, status, is_settled=all_paid_back and not to_bill(tx, attempt))
    if state is not order.state and state in {OrderState.CANCELLED, OrderState.RETURNED}:
        text = f"The shop ended the order: {status.message or state}."
        if state is OrderState.CANCELLED and order.cancel_asked_us is not None:
            text = "The shop cancelled the order as it was asked to. What was held for it is given back."
        tell(tx, order.household_id, "order_ended", text, f"orders/{order.id}", now_us)
    if order.state is not OrderState.PAYMENT_DUE and _lost_its_hold(tx, order, attempt, state):
        order = payment_due(tx, order, "Nothing is held any more for what the shop sends", now_us)
    if unpaid(tx, attempt) or (_is_uncovered(tx, order, attempt) and (state in NOT_HERE_YET or to_bill(tx, attempt))):
        state = OrderState.PAYMENT_DUE
    late = order.late
    on_its_way = state in {OrderState.PLACED, OrderState.SHIPPED}
    if not late and on_its_way and now_us > status.promised_us + LATE_AFTER_US:
        late = True
        text = "A delivery is late. It was promised earlier; we keep looking."
        tell(tx, order.household_id, "delivery_late", text, f"orders/{order.id}", now_us)
    ended = state in {OrderState.CLOSED, OrderState.CANCELLED, OrderState.RETURNED, OrderState.LOST}
    return replace(
        order,
        state=state,
        late=late,
        note=order.note if state is OrderState.PAYMENT_DUE else status.message,
        promised_us=status.promised_us,
        closed_us=order.closed_us or (now_us if ended else None),
    )


def _is_uncovered(tx: Transaction, order: Order, attempt: Attempt) -> bool:
    """Say whether a hold was lost before all was billed: it lapsed, or was refused when it was to be renewed."""
    if attempt.state in {AttemptState.DECLINED, AttemptState.EXPIRED}:
        return True
    is_due = order.state is OrderState.PAYMENT_DUE and attempt.state not in HOLDING
    return is_due and still_due_minor(tx, order, attempt) > 0


def _lost_its_hold(tx: Transaction, order: Order, attempt: Attempt, state: OrderState) -> bool:
    """Say whether the hold was given back while something was still to be sent, or was sent after that.

    Not while it is being held anew: then it was given back for that.
    """
    voids = tx.find(Operation, attempt.household_id, attempt_id=attempt.id, kind=OperationKind.VOID)
    if all(one.state is not OperationState.SUCCEEDED for one in voids):
        return False
    nothing_taken = attempt.state is AttemptState.VOIDED and state in NOT_HERE_YET
    methods = tx.find(PaymentMethod, order.household_id)
    is_held_anew = any(tx.is_waiting("renew", f"{order.id}/{one.id}") for one in methods)
    return (nothing_taken or bool(to_bill(tx, attempt))) and not is_held_anew


def _order_state(lines: dict[str, OrderLine], status: OrderStatus, *, is_settled: bool) -> OrderState:
    """Return where the order stands by its lines; closed once every line and all money is."""
    states = {line.state for line in lines.values()}
    if states & COMING_LINE_STATES:
        return OrderState.SHIPPED if status.parcels else OrderState.PLACED
    if states <= {LineState.RETURNED}:
        return OrderState.RETURNED
    if states <= {LineState.CANCELLED}:
        return OrderState.CANCELLED
    if states <= {LineState.LOST, LineState.CANCELLED}:
        return OrderState.LOST
    return OrderState.CLOSED if states <= ENDED_LINE_STATES and is_settled else OrderState.DELIVERED


def _settle_money(tx: Transaction, attempt: Attempt, lines: dict[str, OrderLine], now_us: int) -> None:
    """Leave a row for each parcel to bill; once all is sent and billed, one to give the rest of the hold back."""
    unbilled = to_bill(tx, attempt)
    asked = {one.subject_id for one in operations_for(tx, attempt)}
    for shipment in unbilled:
        # A capture that was asked for is looked up by sync; one that waits for its turn keeps its place.
        if shipment.id not in asked and not tx.is_waiting("capture", shipment.id):
            tx.enqueue("capture", attempt.household_id, shipment.id, due_us=now_us)
    if attempt.state not in HOLDING:
        return
    if all(line.is_all_sent for line in lines.values()) and not awaits_hold(tx, attempt):
        tx.enqueue("release", attempt.household_id, attempt.id, due_us=now_us)
