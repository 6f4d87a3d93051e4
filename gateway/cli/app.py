"""Joins the commands, and turns every expected failure into one sentence and exit status 1."""

import sys

import typer
from pydantic import ValidationError

from devices.errors import DeviceError
from gateway.assembly import NotInitialised
from gateway.cli import demo, ledger, operate, people, quarantine, simulate
from gateway.cli.terminal import CommandFailed, say_error
from gateway.domain.errors import DomainError
from gateway.intake.errors import IntakeError
from gateway.steps.ports import MerchantError
from gateway.steps.receive import InboxUnavailable
from gateway.store.vault import VaultError
from payments.errors import PaymentError

EXPECTED = (
    CommandFailed,
    NotInitialised,
    DomainError,
    DeviceError,
    IntakeError,
    InboxUnavailable,
    MerchantError,
    PaymentError,
    VaultError,
)

app = typer.Typer(
    help="Replenish: things say what they have left; the gateway forecasts, asks, pays and orders.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
operate.register(app)
demo.register(app)
simulate.register(app)
app.add_typer(people.household, name="household")
app.add_typer(people.member, name="member")
app.add_typer(people.device, name="device")
app.add_typer(ledger.app, name="ledger")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(operate.broker, name="broker")


def main() -> None:
    """Run one command."""
    try:
        app()
    except EXPECTED as error:
        say_error(str(error))
        sys.exit(1)
    except ValidationError as error:
        for problem in error.errors():
            name = "_".join(str(part) for part in problem["loc"])
            say_error(f"the setting REPLENISH_{name.upper()}: {problem['msg']}")
        sys.exit(1)
