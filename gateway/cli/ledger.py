"""Check the books: the ledger within itself, against the operations, and against the providers' own books."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from gateway.assembly import Gateway, assemble
from gateway.cli.processes import Simulator
from gateway.cli.terminal import DataDir, err, open_gateway, out
from gateway.config import Settings
from gateway.domain.household import Household
from gateway.steps.audit import audit
from payments.errors import NotSent

app = typer.Typer(help="The double-entry ledger.", no_args_is_help=True)


@app.callback()
def ledger() -> None:
    """The double-entry ledger."""


@app.command()
def check(data_dir: DataDir = None) -> None:
    """Exit status 0 only if all journals balance and ledger, operations and the providers' own books agree."""
    gateway = open_gateway(data_dir)
    try:
        differences = _differences(gateway)
    except NotSent as error:
        settings = gateway.settings
        gateway.close()
        if not (settings.data_dir / "bank").is_dir():
            raise
        err.print(f"The sandbox bank is not running ({error}); its book is opened for this check.")
        with _bank_for(settings) as reopened:
            differences = _differences(reopened)
            reopened.close()
    else:
        gateway.close()
    for line in differences:
        out.print(line, markup=False)
    if differences:
        raise typer.Exit(1)
    out.print("All journals balance; ledger, operations and the providers' books agree.")


def _differences(gateway: Gateway) -> list[str]:
    with gateway.unit_of_work.read() as tx:
        return [
            f"{household.name}: {difference.reference}: {difference.detail}"
            for household in tx.find(Household, None)
            for difference in audit(tx, gateway.providers, household.id)
        ]


@contextmanager
def _bank_for(settings: Settings) -> Iterator[Gateway]:
    """Open the demonstration's bank on its own book for the length of the block."""
    state: Path = settings.data_dir / "bank"
    token = settings.payment_secrets["sandbox"]["token"].get_secret_value()
    arguments = ["--port", "0", "--state", str(state), "--token", token]
    if settings.clock_file is not None:
        arguments += ["--clock", str(settings.clock_file)]
    with Simulator("bank", arguments) as bank:
        payment_settings = {**settings.payment_settings, "sandbox": {"url": f"http://127.0.0.1:{bank.port}"}}
        yield assemble(settings.model_copy(update={"payment_settings": payment_settings}))
