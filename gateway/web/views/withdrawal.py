"""What of an order can be withdrawn from, and what was withdrawn from before."""

from dataclasses import dataclass

from gateway.domain.household import Household
from gateway.domain.order import Order, OrderState
from gateway.domain.replenishment import SECOND_US
from gateway.domain.withdrawal import PERIOD_DAYS, Withdrawal, WithdrawalState
from gateway.steps.acts.withdraw import withdrawable
from gateway.steps.money.credits import seek_balance
from gateway.steps.ports import Transaction
from gateway.web.wording import Wording, money


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawableLine:
    """One line; `refused` says why it cannot be withdrawn from, empty where it can."""

    id: str
    what: str
    amount: str
    refused: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalRow:
    """One declaration with its acknowledgement."""

    id: str
    words: str
    state: WithdrawalState
    next: str
    at_us: int
    settled_us: int | None
    order_id: str
    line_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalView:
    """`is_open`: something can still be withdrawn from; `balance`: what could be credited, if anything."""

    is_open: bool
    balance: str
    until: str
    lines: tuple[WithdrawableLine, ...]
    declared: tuple[WithdrawalRow, ...]


def withdrawal_view(tx: Transaction, household_id: str, order_id: str, *, now_us: int) -> WithdrawalView:
    """Read it; raises NotFound for another household's order."""
    order = tx.get(Order, household_id, order_id)
    wording = Wording(tx.get(Household, household_id, household_id).time_zone)
    can = withdrawable(tx, order, now_us)
    lines = [(line, "") for line in can.lines] + list(can.refused)
    balance = seek_balance(tx, household_id)
    # The period ends at midnight: the day that ends then is its last.
    until = f"until {wording.day(can.ends_us - SECOND_US)}" if can.ends_us else f"{PERIOD_DAYS} days once all has come"
    return WithdrawalView(
        is_open=bool(can.lines),
        balance="" if balance is None else balance.label,
        until=until,
        lines=tuple(
            WithdrawableLine(
                id=line.id,
                what=f"{line.packs} × {line.name}",
                amount=money(line.packs * line.unit_price_minor, order.currency),
                refused=why,
            )
            for line, why in lines
        ),
        declared=tuple(withdrawal_row(order, one) for one in tx.find(Withdrawal, household_id, order_id=order_id)),
    )


def withdrawal_row(order: Order, withdrawal: Withdrawal) -> WithdrawalRow:
    """Build one declaration, with what comes next."""
    return WithdrawalRow(
        id=withdrawal.id,
        words=withdrawal.words,
        state=withdrawal.state,
        next=_next(order, withdrawal),
        at_us=withdrawal.at_us,
        settled_us=withdrawal.settled_us,
        order_id=order.id,
        line_ids=withdrawal.line_ids,
    )


def _next(order: Order, withdrawal: Withdrawal) -> str:
    if withdrawal.state is WithdrawalState.SETTLED:
        return "Settled. What was debited for it comes back to the account it came from."
    if order.state is OrderState.CANCELLED:
        return "The shop cancelled the order; nothing was debited."
    if order.state is OrderState.RETURNED:
        return "The shop has the goods back; what was debited comes back to the account it came from."
    if order.cancel_asked_us is not None and order.state is OrderState.PLACED:
        return "The shop is asked not to send it; what is held is given back once it has confirmed."
    return f"Send the goods back within {PERIOD_DAYS} days. Once they arrived, your money comes back the way it went."
