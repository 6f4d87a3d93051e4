"""Check the books: the ledger within itself, against the operations, and against the providers' own books."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import typer

from gateway.assembly import Gateway, assemble
from gateway.cli.processes import Simulator, hand_over
from gateway.cli.terminal import CommandFailed, DataDir, err, open_gateway, out, say
from gateway.config import Settings
from gateway.domain.household import Household
from gateway.steps.money.audit import audit
from payments.errors import NotSent

app = typer.Typer(help="The double-entry ledger.", no_args_is_help=True)

SECOND_LOOK_AFTER_S = 1.0


@app.callback()
def ledger() -> None:
    """The double-entry ledger."""


@app.command()
def check(data_dir: DataDir = None) -> None:
    """Exit status 0 only if all journals balance and ledger, operations and the providers' own books agree."""
    with open_gateway(data_dir) as gateway:
        try:
            differences = _differences(gateway)
        except NotSent as error:
            if not _has_own_bank(gateway.settings):
                raise CommandFailed(f"a provider cannot be asked, so nothing is said of the books: {error}") from None
            err.print(f"The sandbox bank is not running ({error}); its book is opened for this check.", markup=False)
            with _bank_for(gateway.settings) as reopened:
                differences = _differences(reopened)
    for line in differences:
        say(line)
    if differences:
        raise typer.Exit(1)
    out.print("All journals balance; ledger, operations and the providers' books agree.")


def _differences(gateway: Gateway) -> list[str]:
    """Return what two looks agree on: money may move while the two books are read one after the other."""
    first = _look(gateway)
    if not first:
        return first
    threading.Event().wait(SECOND_LOOK_AFTER_S)
    second = set(_look(gateway))
    return [line for line in first if line in second]


def _look(gateway: Gateway) -> list[str]:
    with gateway.unit_of_work.read() as tx:
        return [
            f"{household.name}: {difference.reference}: {difference.detail}"
            for household in tx.every(Household, None)
            for difference in audit(tx, gateway.providers, household.id)
        ]


def _has_own_bank(settings: Settings) -> bool:
    """Say whether this is a demonstration, whose sandbox bank keeps its book in the data directory."""
    return (settings.data_dir / "bank").is_dir() and "token" in settings.payment_secrets.get("sandbox", {})


@contextmanager
def _bank_for(settings: Settings) -> Iterator[Gateway]:
    """Open the demonstration's bank on its own book for the length of the block."""
    bank_dir = settings.data_dir / "bank"
    hand_over(bank_dir, "token", settings.payment_secrets["sandbox"]["token"].get_secret_value())
    arguments = ["--port", "0", "--state", str(bank_dir)]
    if settings.clock_file is not None:
        arguments += ["--clock", str(settings.clock_file)]
    with Simulator("bank", arguments) as bank:
        payment_settings = {**settings.payment_settings, "sandbox": {"url": f"http://127.0.0.1:{bank.port}"}}
        with closing(assemble(settings.model_copy(update={"payment_settings": payment_settings}))) as gateway:
            yield gateway
