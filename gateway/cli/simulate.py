"""Run pretend devices alone, for developers of devices; they take this process over."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from devices.catalogue import kinds
from gateway.cli.terminal import CommandFailed


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(simulate)


def simulate(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(kinds())}.")],
    broker: Annotated[str, typer.Option(help="Where they connect.", metavar="HOST:PORT")],
    count: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 1,
    seed: Annotated[int, typer.Option(help="The same seed tells the same story.")] = 1,
    clock: Annotated[Path | None, typer.Option(help="A demonstration's clock file; without it, real time.")] = None,
    credentials: Annotated[
        Path | None, typer.Option(help="JSON file with their ids, secrets and private keys (see the README).")
    ] = None,
    state: Annotated[Path | None, typer.Option(help="Directory of their memory; without it they forget.")] = None,
) -> None:
    """Publish as devices of one kind to any broker, with a progress line."""
    if kind not in kinds():
        raise CommandFailed(f"no such kind of device: {kind}; choose one of {', '.join(kinds())}")
    arguments = [kind, "--broker", broker, "--count", str(count), "--seed", str(seed)]
    for name, value in (("--clock", clock), ("--credentials", credentials), ("--state", state)):
        if value is not None:
            arguments += [name, str(value)]
    # In place of this process, so that signals reach the devices themselves and nothing outlives the command.
    os.execv(sys.executable, [sys.executable, "-m", "simulators", "devices", *arguments])  # noqa: S606 — our own module
