"""`replenish trace`: a payment from the debit back to the readings behind it and their signatures."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer

from gateway.cli.terminal import CommandFailed, DataDir, open_gateway, out, say
from gateway.domain.order import Order
from gateway.domain.payment import Attempt, JournalEntry, Operation
from gateway.steps.ports import Transaction
from gateway.web.views.chain import PaymentChain, payment_chain


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(trace)


def trace(
    payment: Annotated[str, typer.Argument(help="The id of a payment, an operation, an order or a journal.")],
    data_dir: DataDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print the chain behind a debit: operations, approval, cart lines, plans, forecasts, readings and signatures."""
    with open_gateway(data_dir) as gateway, gateway.unit_of_work.read() as tx:
        attempt = _attempt(tx, payment)
        if attempt is None:
            raise CommandFailed(f"no payment, operation, order or journal has the id {payment}")
        chain = payment_chain(tx, attempt.household_id, attempt.id)
    if as_json:
        out.print(json.dumps(asdict(chain)), markup=False)
        return
    for line in _lines(chain):
        say(line)


def _attempt(tx: Transaction, wanted: str, *, looks: int = 2) -> Attempt | None:
    """Return the payment behind an id; a journal names its operation or payment."""
    for attempt in tx.find(Attempt, None, id=wanted):
        return attempt
    found: list[Operation] | list[Order] = tx.find(Operation, None, id=wanted) or tx.find(Order, None, id=wanted)
    for one in found:
        return tx.get(Attempt, one.household_id, one.attempt_id)
    for entry in tx.find(JournalEntry, None, id=wanted):
        return _attempt(tx, entry.source_id, looks=looks - 1) if looks else None
    return None


def _lines(chain: PaymentChain) -> Iterator[str]:
    yield chain.headline
    yield f"payment {chain.payment.id}: {chain.payment.amount} by {chain.payment.method}, {chain.payment.words}"
    for one in chain.operations:
        yield f"  {one.when}  {one.words}: {one.amount}, key {one.id}, theirs {one.provider_ref or 'not known'}"
    yield f"approval {chain.approval.id}: {chain.approval.who}, {chain.approval.amount}, {chain.approval.when}"
    for line in chain.lines:
        yield f"line {line.line_id}: {line.what}, {line.amount}, for {line.supply}"
        yield f"  plan {line.plan_id}: {'; '.join(line.plan_reasons)}"
        yield f"  forecast {line.forecast_id}: {line.forecast}"
        yield f"  readings: {line.signature_words} (verified when they were counted)"
        for reading in line.readings:
            message = f"{reading.level}; message {reading.epoch}/{reading.seq}"
            yield f"    {reading.when}  {reading.device} {reading.slot}: {message}; {reading.signature}"
