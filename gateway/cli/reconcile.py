"""`replenish reconcile`: the ledger, the operations and the providers' own books, compared; mended where ours."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from gateway.assembly import Gateway, assemble
from gateway.cli.processes import Simulator, hand_over
from gateway.cli.terminal import CommandFailed, DataDir, err, open_gateway, out, say
from gateway.config import Settings
from gateway.domain.household import Household
from gateway.domain.reconciliation import Difference
from gateway.steps.money.mend import mend
from gateway.steps.money.reconcile import reconcile as compare
from payments.errors import NotSent

SECOND_LOOK_AFTER_S = 1.0
AGREED = "All journals balance; ledger, operations and the providers' books agree."


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(reconcile)


def reconcile(
    data_dir: DataDir = None,
    adapter: Annotated[str | None, typer.Option("--adapter", help="Ask this payment provider alone.")] = None,
    since: Annotated[
        datetime | None,
        typer.Option("--since", formats=["%Y-%m-%d"], help="Look at pay-outs of this day (UTC) and later alone."),
    ] = None,
    mends: Annotated[bool, typer.Option("--mend", help="Mend what is provably ours: no money is moved by it.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object a line for each difference.")] = False,
) -> None:
    """List every difference with its cause and what to do; exit status 0 only if nothing is left of it."""
    since_us = 0 if since is None else int(since.replace(tzinfo=UTC).timestamp()) * 1_000_000
    left = 0
    with open_gateway(data_dir) as gateway:
        differences = differences_of(gateway, adapter=adapter, since_us=since_us)
        names = names_of(gateway)
        for one in differences:
            done = _mended(gateway, one) if mends else ""
            left += not done
            if as_json:
                shown = {**asdict(one), "words": one.cause.words, "remedy": one.cause.remedy, "mended": done}
                out.print(json.dumps(shown), markup=False)
                continue
            say(f"{one.cause}  {names.get(one.household_id, one.adapter)}: {one.subject_id}: {one.detail}")
            say(f"    {one.cause.words} {f'Mended: {done}.' if done else one.cause.remedy}")
    if left:
        raise typer.Exit(1)
    if not as_json and not differences:
        out.print(AGREED)


def differences_of(gateway: Gateway, *, adapter: str | None = None, since_us: int = 0) -> list[Difference]:
    """Return what two looks agree on: money may move while one book is read after the other.

    Raises CommandFailed where a provider cannot be asked; a demonstration's own bank is opened for it.
    """
    try:
        return _two_looks(gateway, adapter, since_us)
    except NotSent as error:
        if not _has_own_bank(gateway.settings):
            raise CommandFailed(f"a provider cannot be asked, so nothing is said of the books: {error}") from None
        err.print(f"The sandbox bank is not running ({error}); its book is opened for this check.", markup=False)
        with _bank_for(gateway.settings) as reopened:
            return _two_looks(reopened, adapter, since_us)


def _two_looks(gateway: Gateway, adapter: str | None, since_us: int) -> list[Difference]:
    first = list(_look(gateway, adapter, since_us))
    if not first:
        return first
    threading.Event().wait(SECOND_LOOK_AFTER_S)
    second = set(_look(gateway, adapter, since_us))
    return [one for one in first if one in second]


def _look(gateway: Gateway, adapter: str | None, since_us: int) -> Iterator[Difference]:
    now_us = gateway.clock.now_us()
    return compare(gateway.unit_of_work, gateway.providers, now_us=now_us, adapter=adapter, since_us=since_us)


def _mended(gateway: Gateway, difference: Difference) -> str:
    with gateway.unit_of_work.begin() as tx:
        return mend(tx, difference, gateway.clock.now_us())


def names_of(gateway: Gateway) -> dict[str, str]:
    """Return what each household is called."""
    with gateway.unit_of_work.read() as tx:
        return {one.id: one.name for one in tx.every(Household, None)}


def _has_own_bank(settings: Settings) -> bool:
    """Say whether this is a demonstration, whose sandbox bank keeps its book in the data directory."""
    return (settings.data_dir / "bank").is_dir() and "token" in settings.payment_secrets.get("sandbox", {})


@contextmanager
def _bank_for(settings: Settings) -> Iterator[Gateway]:
    """Open the demonstration's bank on its own book for the length of the block."""
    bank_dir: Path = settings.data_dir / "bank"
    hand_over(bank_dir, "token", settings.payment_secrets["sandbox"]["token"].get_secret_value())
    arguments = ["--port", "0", "--state", str(bank_dir)]
    if settings.clock_file is not None:
        arguments += ["--clock", str(settings.clock_file)]
    with Simulator("bank", arguments) as bank:
        payment_settings = {**settings.payment_settings, "sandbox": {"url": f"http://127.0.0.1:{bank.port}"}}
        with closing(assemble(settings.model_copy(update={"payment_settings": payment_settings}))) as gateway:
            yield gateway
