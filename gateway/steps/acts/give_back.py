"""Money given back by hand: whole or in part, for one line or for all, never more than was debited for the order."""

from gateway.domain.credit import CreditOrigin
from gateway.domain.errors import Invalid
from gateway.domain.order import Order, OrderLine, Shipment
from gateway.domain.payment import Attempt, Funding, Operation, OperationKind, OperationState, PaymentMethod
from gateway.domain.records import Act
from gateway.steps.money.billing import NOT_COUNTED, operations_for
from gateway.steps.money.credits import owe_credit, stored_balance
from gateway.steps.money.operations import begin_operation
from gateway.steps.ports import Transaction
from payments.money import Money

BY_HAND = "by-hand"
MOST_REFUNDS = 100


def give_back(
    tx: Transaction,
    order: Order,
    *,
    line: OrderLine | None = None,
    amount_minor: int | None = None,
    to_balance: bool = False,
    by: str,
    reason: str,
    now_us: int,
) -> list[Operation]:
    """Write refunds of an order's captures, each an operation of its own, and leave their rows.

    Without an amount it is all that is left, of the order or of the one line. Where several captures bear it, each is
    given back by itself, the one that bears it whole before others. `to_balance`: to the household's stored balance
    instead of where it was debited. Raises Invalid for more than is left, and where there is no such balance.
    """
    attempt = tx.get(Attempt, order.household_id, order.attempt_id)
    tx.save(attempt)  # the row lock under which captures and refunds are counted
    operations = operations_for(tx, attempt)
    left = _left_of_captures(tx, order, operations)
    most = sum(minor for _, minor in left)
    if line is not None:
        most = min(most, left_of_line(line, operations))
    wanted = most if amount_minor is None else amount_minor
    if wanted <= 0:
        raise Invalid("amount", "nothing of it is left to give back" if amount_minor is None else "give one above zero")
    if wanted > most:
        raise Invalid("amount", f"at most {Money(most, order.currency)} is left to give back")
    before = sum(1 for one in operations if one.kind is OperationKind.REFUND)
    if before >= MOST_REFUNDS:
        raise Invalid("order", f"it was given back from {before} times; settle the rest outside")
    written: list[Operation] = []
    for captured, minor in _shared(left, wanted):
        # A line's name in the subject is what later refunds of the line are counted by.
        subject = f"{captured.subject_id}/{BY_HAND}/{line.id if line else 'order'}/{before + len(written) + 1}"
        payer = tx.get(Attempt, order.household_id, captured.attempt_id)
        refund = begin_operation(tx, payer, OperationKind.REFUND, subject, minor, now_us=now_us, sent_wall_us=None)
        if to_balance:
            _credit_instead(tx, payer, refund, now_us)
        tx.enqueue("refund", order.household_id, refund.id, due_us=now_us)
        written.append(refund)
    where = " to the stored balance" if to_balance else ""
    evidence = f"{Money(wanted, order.currency)} of {line.name if line else 'the order'}{where}"
    tx.add(
        Act(
            id=tx.new_id(),
            household_id=order.household_id,
            by=by,
            verb="refund",
            subject=f"orders/{order.id}",
            reason=reason,
            evidence=evidence,
            at_us=now_us,
        )
    )
    return written


def _credit_instead(tx: Transaction, payer: Attempt, refund: Operation, now_us: int) -> None:
    """Let a refund go to the stored balance; what came from there goes back there anyhow."""
    match tx.get(PaymentMethod, payer.household_id, payer.payment_method_id).funding:
        case Funding.MERCHANT:
            raise Invalid("to", "the shop debited it itself, so it gives it back itself")
        case Funding.PROVIDER:
            balance = stored_balance(tx, payer.household_id)
            amount = Money(refund.amount_minor, refund.currency)
            note = "given back for an order"
            owe_credit(tx, balance, amount, CreditOrigin.REFUND, refund.id, note=note, now_us=now_us)
        case Funding.BALANCE:
            return


def left_of_line(line: OrderLine, operations: list[Operation]) -> int:
    """Return what may still be given back by hand for a line: what was sent of it, less what came back for it."""
    by_hand = sum(
        one.amount_minor
        for one in operations
        if one.kind is OperationKind.REFUND
        and one.state not in NOT_COUNTED
        and one.subject_id.split("/")[1:3] == [BY_HAND, line.id]
    )
    return max(0, (line.packs_shipped - line.packs_refunded) * line.unit_price_minor - by_hand)


def _left_of_captures(tx: Transaction, order: Order, operations: list[Operation]) -> list[tuple[Operation, int]]:
    """Return the order's captures that stand, each with what is left of it."""
    parcels = {one.id for one in tx.find(Shipment, order.household_id, order_id=order.id)}
    left = []
    for captured in operations:
        is_its = captured.kind is OperationKind.CAPTURE and captured.subject_id in parcels
        if is_its and captured.state is OperationState.SUCCEEDED:
            back = sum(
                one.amount_minor
                for one in operations
                if one.kind is OperationKind.REFUND
                and one.attempt_id == captured.attempt_id
                and one.subject_id.partition("/")[0] == captured.subject_id
                and one.state not in NOT_COUNTED
            )
            left.append((captured, captured.amount_minor - back))
    return [(captured, minor) for captured, minor in left if minor > 0]


def _shared(left: list[tuple[Operation, int]], wanted: int) -> list[tuple[Operation, int]]:
    """Return how much of each capture is given back for `wanted`, which is at most what is left of all."""
    for captured, minor in left:
        if minor >= wanted:
            return [(captured, wanted)]
    shares = []
    for captured, minor in left:
        share = min(minor, wanted)
        if share:
            shares.append((captured, share))
            wanted -= share
    return shares
