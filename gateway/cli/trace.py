"""`replenish trace`: a payment from the debit back to the readings behind it and their signatures."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, TypeAlias

import typer

from gateway.assembly import Gateway
from gateway.cli.terminal import CommandFailed, DataDir, open_gateway, out, say
from gateway.domain.order import Order
from gateway.domain.payment import Attempt, JournalEntry, Operation
from gateway.domain.stock import Device, Reading, Slot
from gateway.steps.goods.signatures import (
    Missing,
    NoLongerKept,
    NotProven,
    Proof,
    Unsigned,
    VerifiedNow,
    verify_again,
)
from gateway.steps.ports import Transaction
from gateway.web.views.chain import PaymentChain, payment_chain

SHORTEST_PART = 8
MOST_CANDIDATES = 20
MOST_READINGS = 1_000
Named: TypeAlias = Attempt | Operation | Order | JournalEntry
NAMES: tuple[type[Named], ...] = (Attempt, Operation, Order, JournalEntry)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(trace)


def trace(
    payment: Annotated[
        str,
        typer.Argument(
            help="The id of a payment, an operation, an order or a journal, or its first 8 characters or more."
        ),
    ],
    data_dir: DataDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print the chain behind a debit, from its operations down to the readings.

    Each reading's signature is verified once more over the bytes that came, as long as the inbox keeps them.
    """
    with open_gateway(data_dir) as gateway, gateway.unit_of_work.read() as tx:
        attempt = _wanted(tx, payment)
        chain = payment_chain(tx, attempt.household_id, attempt.id, most_readings=MOST_READINGS)
        proofs = dict(_proofs(gateway, tx, attempt.household_id, chain))
    if as_json:
        out.print(json.dumps(_shown(chain, proofs)), markup=False)
        return
    for line in _lines(chain, proofs):
        say(line)


def _wanted(tx: Transaction, wanted: str) -> Attempt:
    """Return the payment behind an id or the beginning of one; raises CommandFailed where that is none or several."""
    named: list[Named] = [one for kind in NAMES for one in tx.find(kind, None, id=wanted)]
    if not named and len(wanted) >= SHORTEST_PART:
        named = [one for kind in NAMES for one in tx.beginning(kind, wanted, most=MOST_CANDIDATES + 1)]
    behind = [(one, attempt) for one in named if (attempt := _attempt(tx, one)) is not None]
    payments = {(attempt.household_id, attempt.id): attempt for _, attempt in behind}
    if not payments:
        shorter = "" if len(wanted) >= SHORTEST_PART else f" (a part of an id has {SHORTEST_PART} characters or more)"
        raise CommandFailed(f"no payment, operation, order or journal has the id {wanted}{shorter}")
    if len(payments) > 1:
        shown = ", ".join(f"{one.id} ({type(one).__name__.lower()})" for one, _ in behind[:MOST_CANDIDATES])
        more = " and more" if len(behind) > MOST_CANDIDATES else ""
        raise CommandFailed(f"{wanted} begins the ids of {len(payments)} payments: {shown}{more}")
    return next(iter(payments.values()))


def _attempt(tx: Transaction, one: Named) -> Attempt | None:
    """Return the payment something belongs to; a journal names its operation or its payment."""
    match one:
        case Attempt():
            return one
        case Operation() | Order():
            return tx.get(Attempt, one.household_id, one.attempt_id)
        case JournalEntry():
            operation = tx.seek(Operation, one.household_id, one.source_id)
            return tx.seek(Attempt, one.household_id, one.source_id if operation is None else operation.attempt_id)


def _proofs(gateway: Gateway, tx: Transaction, household_id: str, chain: PaymentChain) -> Iterator[tuple[str, Proof]]:
    """Yield each reading's id with what its bytes prove now."""
    services, now_us = gateway.services, gateway.clock.now_us()
    for link in (link for line in chain.lines for link in line.readings):
        reading = tx.get(Reading, household_id, link.id)
        device, slot = tx.get(Device, household_id, reading.device_id), tx.get(Slot, household_id, reading.slot_id)
        proof = verify_again(reading, device, slot, services.inbox, keep_inbox_us=services.keep_inbox_us, now_us=now_us)
        yield link.id, proof


def _shown(chain: PaymentChain, proofs: dict[str, Proof]) -> dict[str, object]:
    """Return the chain as JSON has it, each reading with what its bytes prove now."""
    shown = asdict(chain)
    for line in shown["lines"]:
        for reading in line["readings"]:
            word, sentence = _in_words(proofs[reading["id"]])
            reading |= {"proof": word, "proof_words": sentence}
    return shown


def _lines(chain: PaymentChain, proofs: dict[str, Proof]) -> Iterator[str]:
    yield chain.headline
    yield f"payment {chain.payment.id}: {chain.payment.amount} by {chain.payment.method}, {chain.payment.words}"
    for one in chain.operations:
        yield f"  {one.when}  {one.words}: {one.amount}, key {one.id}, theirs {one.provider_ref or 'not known'}"
    yield f"approval {chain.approval.id}: {chain.approval.who}, {chain.approval.amount}, {chain.approval.when}"
    for line in chain.lines:
        yield f"line {line.line_id}: {line.what}, {line.amount}, for {line.supply}"
        yield f"  plan {line.plan_id}: {'; '.join(line.plan_reasons)}"
        yield f"  forecast {line.forecast_id}: {line.forecast}"
        yield f"  readings: {line.signature_words}, as found when they were counted; verified once more now:"
        for reading in line.readings:
            message = f"{reading.level}; message {reading.epoch}/{reading.seq}"
            _, sentence = _in_words(proofs[reading.id])
            yield f"    {reading.when}  {reading.device} {reading.slot}: {message}; {sentence}"


def _in_words(proof: Proof) -> tuple[str, str]:
    """Return a machine's word and a person's sentence."""
    match proof:
        case VerifiedNow(public_key):
            return "verified", f"signed and verified now, key {public_key}"
        case Unsigned():
            return "unsigned", "unsigned"
        case NoLongerKept(since_us):
            return (
                "no_longer_kept",
                f"signed and verified when it was counted; bytes no longer kept since {_day(since_us)}",
            )
        case Missing(kept_until_us):
            return "missing", f"NOT PROVEN: its bytes are gone, and were to be kept until {_day(kept_until_us)}"
        case NotProven(reason):
            return "not_proven", f"NOT PROVEN: {reason}"


def _day(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1_000_000, UTC).date().isoformat()
