"""`replenish bench`: short measurements of what this machine can do, ratios taken in one run."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from gateway.assembly import configure_logging
from gateway.bench import BENCHMARKS, CannotMeasure, Figure, Figures, Ground
from gateway.cli.processes import Simulator, hand_over
from gateway.cli.terminal import CommandFailed, err, out, say
from gateway.config import Settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(bench)


def bench(
    name: Annotated[str | None, typer.Argument(help="Which one; see --list.")] = None,
    names: Annotated[bool, typer.Option("--list", help="Name the benchmarks, one a line.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    database_url: Annotated[
        str,
        typer.Option(help="A PostgreSQL server to measure on too: a database is made on it and dropped again."),
    ] = "",
    directory: Annotated[
        Path | None, typer.Option(help="Where to measure: on the disk that counts. Without it, a temporary folder.")
    ] = None,
) -> None:
    """Measure one part of the product on this machine; every run makes its own data and removes it."""
    if names:
        for one, benchmark in BENCHMARKS.items():
            say(f"{one:<10}{benchmark.title}")
        return
    if name is None or name not in BENCHMARKS:
        raise CommandFailed(f"name a benchmark: {', '.join(BENCHMARKS)}")
    configure_logging(Settings.model_construct(log_level="warning"))
    err.print(f"Measuring {name} …")
    with tempfile.TemporaryDirectory(prefix="replenish-bench-", dir=directory) as folder:
        try:
            ground = Ground(Path(folder), _bank, database_url)
            ground.require_server()
            figures = BENCHMARKS[name].run(ground)
        except CannotMeasure as error:
            raise CommandFailed(str(error)) from error
    found: Figures = {"title": BENCHMARKS[name].title, **figures}
    if as_json:
        out.print(json.dumps(found), markup=False)
        return
    for key, value in _leaves(found):
        say(f"{key.replace('_', ' '):<52}{value if isinstance(value, str) else f'{value:,.4g}'}")


def _leaves(figures: Figures, above: str = "") -> Iterator[tuple[str, Figure]]:
    """Yield each figure under its whole name."""
    for key, value in figures.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{above}{key}, ")
        else:
            yield f"{above}{key}", value


@contextmanager
def _bank(state: Path, token: str) -> Iterator[int]:
    """Run the sandbox bank as a process of its own; its port."""
    hand_over(state, "token", token)
    with Simulator("bank", ["--port", "0", "--state", str(state)]) as simulator:
        yield simulator.port
