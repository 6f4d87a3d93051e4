"""Payments and orders that wait for a person: what is known of each, and the acts the operator has."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from gateway.cli.terminal import CommandFailed, DataDir, open_gateway, out, say
from gateway.domain.order import Order
from gateway.steps.acts import by_hand
from gateway.steps.acts.by_hand import Verdict
from gateway.steps.acts.pay_again import pay_again
from gateway.steps.cancel import ask_to_cancel
from gateway.steps.money.review import review
from gateway.steps.ports import Transaction

app = typer.Typer(help="Payments and orders that wait for a person.", no_args_is_help=True)

Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept with the act.")]
MAX_REASON = 500


@app.command("review")
def payments_review(data_dir: DataDir = None) -> None:
    """List all that waits for a person, with everything known of it."""
    with open_gateway(data_dir) as gateway, gateway.unit_of_work.read() as tx:
        found = 0
        for waiting in review(tx):
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
    return " " * 16 if at_us is None else f"{datetime.fromtimestamp(at_us / 1e6, UTC):%Y-%m-%d %H:%M}"
