"""The double-entry ledger: whether it agrees with all else."""

import typer

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
