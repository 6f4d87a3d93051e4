"""Joins the commands, and turns every expected failure into one sentence and exit status 1."""

import re
import sys

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError
from sqlalchemy.exc import DatabaseError

from devices.errors import DeviceError
from gateway.assembly import NoBrokerSecret, NotInitialised, NotWritable
from gateway.cli import (
    bench,
    demo,
    keys,
    ledger,
    merchant,
    notices,
    operate,
    payments,
    people,
    quarantine,
    reconcile,
    simulate,
    trace,
)
from gateway.cli.terminal import CommandFailed, say_error
from gateway.config import Settings
from gateway.domain.errors import DomainError
from gateway.intake.errors import IntakeError
from gateway.steps.ports import MerchantError, StoreUnavailable
from gateway.steps.receive import InboxUnavailable
from gateway.store.engine import UnknownDatabase
from gateway.store.errors import VaultError
from payments.errors import PaymentError

EXPECTED = (
    CommandFailed,
    NoBrokerSecret,
    NotInitialised,
    NotWritable,
    DomainError,
    DeviceError,
    IntakeError,
    InboxUnavailable,
    MerchantError,
    PaymentError,
    StoreUnavailable,
    UnknownDatabase,
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
bench.register(app)
reconcile.register(app)
trace.register(app)
app.add_typer(people.household, name="household")
app.add_typer(people.member, name="member")
app.add_typer(people.device, name="device")
app.add_typer(merchant.app, name="merchant")
app.add_typer(keys.app, name="keys")
app.add_typer(ledger.app, name="ledger")
app.add_typer(payments.app, name="payments")
app.add_typer(notices.app, name="notices")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(operate.broker, name="broker")


def main(arguments: list[str] | None = None) -> None:
    """Run one command: these arguments, or the process's own."""
    try:
        app(args=arguments)
    except Exception as error:
        sentences = explain(error)
        if not sentences:
            raise
        for sentence in sentences:
            say_error(sentence)
        sys.exit(1)


def explain(error: Exception) -> list[str]:
    """Return what to tell a person about a failure that is not ours; none for a fault of the program."""
    match error:
        case _ if isinstance(error, EXPECTED):
            return [str(error)]
        case ValidationError(title=title) if title == Settings.__name__:
            return [_setting_refused([str(part) for part in one["loc"]], one["msg"]) for one in error.errors()]
        case SettingsError():
            named = re.search(r'field "(\w+)"', str(error))
            return [f"the setting REPLENISH_{named[1].upper() if named else '…'} is not valid JSON"]
        case DatabaseError(orig=reason) if type(error) is DatabaseError:
            return [f"the database cannot be used: {reason}"]
        case OSError(filename=str() | bytes() as name, strerror=str() as reason):
            return [f"{name!s}: {reason.lower()}"]
        case _:
            return []


def _setting_refused(place: list[str], why: str) -> str:
    """Name the setting and the place inside it; never its value, which may be a secret."""
    name, *inside = place or ["…"]
    where = f" ({', '.join(inside)})" if inside else ""
    return f"the setting REPLENISH_{name.upper()}{where}: {why[:1].lower()}{why[1:]}"
