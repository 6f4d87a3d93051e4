"""Withdraw from a contract: declared by a member, acknowledged at once, and settled when the goods are back."""

from dataclasses import dataclass, replace

from gateway.domain.errors import Conflict, Invalid, NotFound
from gateway.domain.household import Household, Member
from gateway.domain.order import Order, OrderLine, OrderState, Shipment
from gateway.domain.payment import Attempt, Operation
from gateway.domain.records import Act, MerchantAccount
from gateway.domain.stock import Supply
from gateway.domain.withdrawal import OPEN_TO_WITHDRAWAL, Withdrawal, WithdrawalState, ends_us, stamp, why_not
from gateway.steps.acts.give_back import give_back, left_of_line
from gateway.steps.cancel import ask_to_cancel
from gateway.steps.messages import tell
from gateway.steps.money.billing import operations_for
from gateway.steps.money.credits import stored_balance
from gateway.steps.ports import Transaction

AS_CREDIT = "refund_as_credit"
"""The act by which a member wishes what comes back for a withdrawal to be credited to the stored balance."""


@dataclass(frozen=True, slots=True)
class Withdrawable:
    """What of an order can be withdrawn from until when (None: its goods have not all come); `refused` says why not."""

    lines: tuple[OrderLine, ...]
    refused: tuple[tuple[OrderLine, str], ...]
    ends_us: int | None


def withdrawable(tx: Transaction, order: Order, now_us: int) -> Withdrawable:
    """Return what may be withdrawn from now; no line once the period is over or the order ended otherwise."""
    household = tx.get(Household, order.household_id, order.household_id)
    lines = tx.find(OrderLine, order.household_id, order_id=order.id)
    until_us = ends_us(lines, household.time_zone)
    if order.state not in OPEN_TO_WITHDRAWAL or (until_us is not None and now_us >= until_us):
        return Withdrawable((), (), until_us)
    before = tx.find(Withdrawal, order.household_id, order_id=order.id)
    withdrawn = frozenset(line_id for one in before for line_id in one.line_ids)
    reasons = [
        (line, why_not(line, tx.get(Supply, order.household_id, line.supply_id).kind, withdrawn)) for line in lines
    ]
    return Withdrawable(
        tuple(line for line, why in reasons if not why), tuple((line, why) for line, why in reasons if why), until_us
    )


def withdraw(
    tx: Transaction,
    member: Member,
    order_id: str,
    line_ids: tuple[str, ...] | None,
    *,
    to_balance: bool = False,
    now_us: int,
) -> Withdrawal:
    """Declare the withdrawal from these lines, or from all that can be, and acknowledge it with its time.

    `to_balance`: the member wants the money as credit in the stored balance instead of where it was debited.
    Nothing sent yet and nothing kept: the shop is asked to cancel. Else the goods go back, and the operator settles it.
    Raises NotFound, NotAllowed, Conflict (the period is over) and Invalid (a line that cannot be withdrawn from).
    """
    member.may_decide("withdraw from a contract")
    order = tx.get(Order, member.household_id, order_id)
    tx.save(order)  # the row lock under which what was withdrawn before is read
    can = withdrawable(tx, order, now_us)
    if not can.lines:
        raise Conflict("order", order.id, order.state, "withdraw from", hint="Nothing of it can be sent back any more.")
    chosen = can.lines if line_ids is None else tuple(line for line in can.lines if line.id in line_ids)
    if not chosen or (line_ids is not None and len(chosen) != len(set(line_ids))):
        raise Invalid("lines", "choose lines that can be withdrawn from")
    shop = tx.get(MerchantAccount, order.household_id, order.merchant_id).name
    goods = ", ".join(f"{line.packs} × {line.name}" for line in chosen)
    at = stamp(now_us, tx.get(Household, order.household_id, order.household_id).time_zone)
    words = f"Received {at}: {member.name} withdraws from the contract with {shop}, order {order.id}, for {goods}."
    withdrawal = Withdrawal(
        id=tx.new_id(),
        household_id=order.household_id,
        order_id=order.id,
        member_id=member.id,
        line_ids=tuple(line.id for line in chosen),
        words=words,
        state=WithdrawalState.DECLARED,
        at_us=now_us,
    )
    tx.add(withdrawal)
    if to_balance:
        _wish_for_credit(tx, withdrawal, now_us)
    nothing_sent = not tx.find(Shipment, order.household_id, order_id=order.id)
    is_whole = len(chosen) == tx.count(OrderLine, order.household_id, order_id=order.id)
    if is_whole and nothing_sent and order.state in {OrderState.PLACED, OrderState.PAYMENT_DUE}:
        ask_to_cancel(tx, order, by=member.id, reason="withdrawal from the contract", now_us=now_us)
    tell(tx, order.household_id, "withdrawal", words, f"orders/{order.id}", now_us)
    return withdrawal


def confirm_return(
    tx: Transaction, withdrawal_id: str, *, to_balance: bool = False, by: str, reason: str, now_us: int
) -> tuple[Withdrawal, list[Operation]]:
    """Settle a withdrawal whose goods are back: what was debited for its lines is given back, once.

    It goes to the stored balance where the member wished so, or `to_balance` says so. With every line of the order the
    delivery is given back too. Raises NotFound, Conflict when it is settled already, and Invalid while nothing of it
    has been debited that could be given back.
    """
    withdrawal = _the(tx, withdrawal_id)
    order = tx.get(Order, withdrawal.household_id, withdrawal.order_id)
    attempt = tx.get(Attempt, order.household_id, order.attempt_id)
    tx.save(attempt)  # the row lock under which refunds are counted
    withdrawal = _the(tx, withdrawal_id)
    if withdrawal.state is WithdrawalState.SETTLED:
        raise Conflict("withdrawal", withdrawal.id, withdrawal.state, "settle")
    lines = tx.find(OrderLine, order.household_id, order_id=order.id)
    chosen = [line for line in lines if line.id in withdrawal.line_ids]
    written: list[Operation] = []
    wished = tx.find(Act, order.household_id, verb=AS_CREDIT, subject=f"withdrawals/{withdrawal.id}")
    as_credit = to_balance or bool(wished)
    if order.state not in {OrderState.RETURNED, OrderState.CANCELLED}:  # those were given back, or never taken
        if len(chosen) == len(lines):
            written = give_back(tx, order, to_balance=as_credit, by=by, reason=reason, now_us=now_us)
        else:
            for line in chosen:
                if left_of_line(line, operations_for(tx, attempt)) > 0:
                    written += give_back(
                        tx, order, line=line, to_balance=as_credit, by=by, reason=reason, now_us=now_us
                    )
            if not written:
                raise Invalid("withdrawal", "nothing was debited for it that could be given back")
    settled = replace(withdrawal, state=WithdrawalState.SETTLED, settled_us=now_us)
    tx.save(settled)
    tx.add(
        Act(
            id=tx.new_id(),
            household_id=order.household_id,
            by=by,
            verb="confirm_return",
            subject=f"orders/{order.id}",
            reason=reason,
            evidence=withdrawal.words,
            at_us=now_us,
        )
    )
    return settled, written


def _wish_for_credit(tx: Transaction, withdrawal: Withdrawal, now_us: int) -> None:
    stored_balance(tx, withdrawal.household_id)
    tx.add(
        Act(
            id=tx.new_id(),
            household_id=withdrawal.household_id,
            by=withdrawal.member_id,
            verb=AS_CREDIT,
            subject=f"withdrawals/{withdrawal.id}",
            reason="withdrawal from the contract",
            evidence="",
            at_us=now_us,
        )
    )


def _the(tx: Transaction, withdrawal_id: str) -> Withdrawal:
    found = tx.find(Withdrawal, None, id=withdrawal_id)
    if not found:
        raise NotFound("withdrawal", withdrawal_id)
    return found[0]
