"""Payments and orders that wait for a person: what is known of each, and the acts the operator has."""

import itertools
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from gateway.cli.terminal import CommandFailed, DataDir, open_gateway, out, say
from gateway.domain.household import Household
from gateway.domain.order import Order, OrderLine
from gateway.steps.acts import by_hand
from gateway.steps.acts.by_hand import Verdict
from gateway.steps.acts.gift import give_credit
from gateway.steps.acts.give_back import give_back
from gateway.steps.acts.pay_again import pay_again
from gateway.steps.acts.withdraw import confirm_return
from gateway.steps.cancel import ask_to_cancel
from gateway.steps.money.review import files_set_aside, review
from gateway.steps.ports import Transaction
from payments.errors import MoneyError
from payments.money import Money

app = typer.Typer(help="Payments and orders that wait for a person.", no_args_is_help=True)

Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept with the act.")]
MAX_REASON = 500


class Destination(StrEnum):
    """Where money that is given back goes."""

    ACCOUNT = "account"
    BALANCE = "balance"


To = Annotated[Destination, typer.Option("--to", help="To the account it came from, or to the stored balance.")]


@app.command("review")
def payments_review(data_dir: DataDir = None) -> None:
    """List all that waits for a person, with everything known of it."""
    with open_gateway(data_dir) as gateway, gateway.unit_of_work.read() as tx:
        found = 0
        now_us = gateway.clock.now_us()
        for waiting in itertools.chain(review(tx), files_set_aside(tx, gateway.providers, now_us)):
            found += 1
            say(f"{waiting.what} {waiting.subject_id}  {waiting.household}  {waiting.why}")
            for fact in waiting.facts:
                say(f"    {_time(fact.at_us)}  {fact.text}")
    if not found:
        out.print("Nothing waits for a person.")


@app.command("settle")
def payments_settle(
    operation: str,
    verdict: Annotated[Verdict, typer.Option("--as", help="How it ended; its provider must say the same.")],
    reason: Reason,
    data_dir: DataDir = None,
) -> None:
    """End an operation nobody could judge, as its provider's own answer allows: it is asked first."""
    with open_gateway(data_dir) as gateway:
        settled = by_hand.settle_by_hand(gateway.services, operation, verdict, _checked(reason))
    say(f"{settled.kind} {settled.id} is {settled.state.replace('_', ' ')}. {settled.note}".rstrip())


@app.command("pay-again")
def payments_pay_again(
    order: str,
    reason: Reason,
    method: Annotated[str | None, typer.Option("--method", help="Id of the account; else the same one.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Debit what is due for an order once more; never while the outcome of a payment before is unknown."""
    why = _checked(reason)
    with open_gateway(data_dir) as gateway, gateway.unit_of_work.begin() as tx:
        now_us = gateway.clock.now_us()
        pay_again(tx, _order(tx, order), method, by=by_hand.OPERATOR, reason=why, now_us=now_us)
    say(f"Order {order} is being paid again; the worker goes on.")


@app.command("cancel")
def payments_cancel(order: str, reason: Reason, data_dir: DataDir = None) -> None:
    """Ask the shop to cancel an order it has not sent."""
    why = _checked(reason)
    with open_gateway(data_dir) as gateway, gateway.unit_of_work.begin() as tx:
        now_us = gateway.clock.now_us()
        ask_to_cancel(tx, _order(tx, order), by=by_hand.OPERATOR, reason=why, now_us=now_us)
    say(f"The shop is asked to cancel order {order}; the hold is given back once it has confirmed.")


@app.command("give-up")
def payments_give_up(order: str, reason: Reason, data_dir: DataDir = None) -> None:
    """End an order that its shop neither sends nor cancels: the hold is given back, the supply planned anew."""
    why = _checked(reason)
    with open_gateway(data_dir) as gateway, gateway.unit_of_work.begin() as tx:
        by_hand.give_up(tx, _order(tx, order), reason=why, now_us=gateway.clock.now_us())
    say(f"Order {order} is given up; what was held for it is given back.")


@app.command("refund")
def payments_refund(
    order: str,
    reason: Reason,
    line: Annotated[str | None, typer.Option("--line", help="Id of the order's line; else of the whole order.")] = None,
    amount: Annotated[str | None, typer.Option("--amount", help="Such as 3.50; else all that is left.")] = None,
    to: To = Destination.ACCOUNT,
    data_dir: DataDir = None,
) -> None:
    """Give money back for an order, whole or in part, never more than was debited for it."""
    why = _checked(reason)
    with open_gateway(data_dir) as gateway, gateway.unit_of_work.begin() as tx:
        known = _order(tx, order)
        written = give_back(
            tx,
            known,
            line=None if line is None else _line(tx, known, line),
            amount_minor=None if amount is None else _minor(amount, known.currency),
            to_balance=to is Destination.BALANCE,
            by=by_hand.OPERATOR,
            reason=why,
            now_us=gateway.clock.now_us(),
        )
    total = Money(sum(one.amount_minor for one in written), known.currency)
    say(f"{total} of order {order} is being given back; the worker goes on.")


@app.command("credit")
def payments_credit(
    household: str,
    amount: Annotated[str, typer.Option("--amount", help="Such as 20.00, in the household's currency.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; the household reads it, and it is kept with the act.")],
    data_dir: DataDir = None,
) -> None:
    """Give a household money for its stored balance, at the operator's own expense."""
    why = _checked(reason)
    with open_gateway(data_dir) as gateway, gateway.unit_of_work.begin() as tx:
        currency = tx.get(Household, household, household).currency
        minor, now_us = _minor(amount, currency), gateway.clock.now_us()
        given = give_credit(tx, household, minor, by=by_hand.OPERATOR, reason=why, now_us=now_us)
    say(f"{Money(given.amount_minor, given.currency)} are given to household {household}; the worker goes on.")


@app.command("returned")
def payments_returned(withdrawal: str, reason: Reason, to: To = Destination.ACCOUNT, data_dir: DataDir = None) -> None:
    """Settle a withdrawal whose goods are back: what was debited for them is given back."""
    why = _checked(reason)
    with open_gateway(data_dir) as gateway, gateway.unit_of_work.begin() as tx:
        now_us = gateway.clock.now_us()
        _, written = confirm_return(
            tx, withdrawal, to_balance=to is Destination.BALANCE, by=by_hand.OPERATOR, reason=why, now_us=now_us
        )
    say(f"Withdrawal {withdrawal} is settled; {len(written)} refunds are on their way.")


def _line(tx: Transaction, order: Order, line_id: str) -> OrderLine:
    found = tx.seek(OrderLine, order.household_id, line_id)
    if found is None or found.order_id != order.id:
        raise CommandFailed(f"order {order.id} has no line {line_id}")
    return found


def _minor(amount: str, currency: str) -> int:
    try:
        return Money.parse(amount, currency).amount_minor
    except MoneyError as error:
        raise CommandFailed(f"write the amount as 3.50: {error}") from None


def _order(tx: Transaction, order_id: str) -> Order:
    found = tx.find(Order, None, id=order_id)
    if not found:
        raise CommandFailed(f"no order has the id {order_id}; see `replenish payments review`")
    return found[0]


def _checked(reason: str) -> str:
    if not 1 <= len(reason.strip()) <= MAX_REASON:
        raise CommandFailed(f"say why with --reason, in at most {MAX_REASON} characters")
    return reason.strip()


def _time(at_us: int | None) -> str:
    return " " * 20 if at_us is None else f"{datetime.fromtimestamp(at_us / 1e6, UTC):%Y-%m-%d %H:%M} UTC"
