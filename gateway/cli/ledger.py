"""The double-entry ledger: whether it agrees with all else."""

import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from gateway.cli.ledger_export import as_beancount, as_csv, as_ledger, entries
from gateway.cli.reconcile import AGREED, differences_of, names_of
from gateway.cli.terminal import DataDir, open_gateway, out, say

app = typer.Typer(help="The double-entry ledger.", no_args_is_help=True)


@app.callback()
def ledger() -> None:
    """The double-entry ledger."""


@app.command()
def check(data_dir: DataDir = None) -> None:
    """Exit status 0 only if `replenish reconcile` finds no difference; says in a line each what it finds."""
    with open_gateway(data_dir) as gateway:
        differences = differences_of(gateway)
        names = names_of(gateway)
    for one in differences:
        say(f"{names.get(one.household_id, one.adapter)}: {one.subject_id}: {one.cause.words} {one.detail}")
    if differences:
        raise typer.Exit(1)
    out.print(AGREED)


class Form(StrEnum):
    """Which program the text is for."""

    CSV = "csv"
    BEANCOUNT = "beancount"
    LEDGER = "ledger"


Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="A day in UTC.")]
WRITES = {Form.CSV: as_csv, Form.BEANCOUNT: as_beancount, Form.LEDGER: as_ledger}


@app.command()
def export(
    data_dir: DataDir = None,
    form: Annotated[Form, typer.Option("--format", help="csv, beancount or ledger.")] = Form.CSV,
    household: Annotated[
        str | None, typer.Option("--household", help="This household's book alone, by its id.")
    ] = None,
    since: Day = None,
    until: Day = None,
) -> None:
    """Write the journals as text, of the day `--since` and up to the day before `--until`."""
    since_us, until_us = (
        None if day is None else int(day.replace(tzinfo=UTC).timestamp()) * 10**6 for day in (since, until)
    )
    with open_gateway(data_dir) as gateway, gateway.unit_of_work.read() as tx:
        for text in WRITES[form](entries(tx, household, since_us or 0, until_us)):
            sys.stdout.write(text)
