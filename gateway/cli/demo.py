"""`replenish demo`: the gateway with a pretend household, shop and bank, on real protocols, in simulated time."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.demonstration import Choices, Demonstration, Ready
from gateway.cli.operate import says_when_stopped, stopping_said_once
from gateway.cli.terminal import DataDir, out
from gateway.config import read_settings

DEFAULT_SPEED = 1440.0


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port the web listens on.")] = 8000,
    mqtt_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the broker; 0 takes a free one.")] = 0,
    data_dir: DataDir = None,
    speed: Annotated[float, typer.Option(min=0, max=100_000, help="Simulated seconds in a real one.")] = DEFAULT_SPEED,
    seed: Annotated[int | None, typer.Option(help="The same seed tells the same story; 7 at first.")] = None,
    days: Annotated[
        int | None, typer.Option(min=0, max=730, help="Days of history to begin with; 60 at first.")
    ] = None,
    undo_seconds: Annotated[float, typer.Option(min=0, max=86_400, help="Real time to undo an approval.")] = 20.0,
    ready_file: Annotated[Path | None, typer.Option(help="JSON file written when all is up, for programs.")] = None,
) -> None:
    """Run a pretend household with everything real: broker, database, shop, bank, pages. Ctrl-C stops all of it.

    A second run goes on where the first one stopped.
    """
    choices = Choices(
        port=port,
        mqtt_port=mqtt_port,
        data_dir=read_settings(data_dir).data_dir,
        speed=speed,
        seed=seed,
        days=days,
        undo_seconds=undo_seconds,
    )

    def announce(ready: Ready) -> None:
        if ready_file is not None:
            _write_private(ready_file, ready)
        out.print()
        out.print("Replenish is up. Sign in (the link works once):")
        out.print(f"  {ready.sign_in}", markup=False)
        out.print(
            f"A simulated day takes {86_400 / speed:,.0f} s. Ctrl-C stops everything." if speed else "Time stands."
        )

    demonstration = Demonstration(choices)
    go_on = f"Everything is kept in {choices.data_dir}; the same command goes on from here."
    # A second one that is refused leaves the ready file of the first alone.
    with demonstration.alone(), _removed_before_and_after(ready_file), says_when_stopped(go_on), _ended_by_signals():
        demonstration.run(announce)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and Ctrl-C end the block as it stands; once it serves, the server answers them itself."""
    say_stopping = stopping_said_once()

    def stop(*_signal: object) -> None:
        say_stopping()
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    except KeyboardInterrupt:
        return
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _removed_before_and_after(path: Path | None) -> Iterator[None]:
    """Remove the ready file that a killed run left, and this run's own when it ends."""
    if path is not None:
        path.unlink(missing_ok=True)
    try:
        yield
    finally:
        if path is not None:
            path.unlink(missing_ok=True)


def _write_private(path: Path, ready: Ready) -> None:
    """Write the ready file whole, readable by its owner only."""
    unfinished = path.with_name(path.name + ".new")
    unfinished.unlink(missing_ok=True)
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump(
            {
                "web": ready.web,
                "sign_in": ready.sign_in,
                "token": ready.token,
                "mqtt": ready.mqtt,
                "pid": os.getpid(),
            },
            file,
        )
    unfinished.replace(path)
