"""How commands speak: results to standard output, everything else to standard error."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gateway.assembly import Gateway, assemble, configure_logging
from gateway.config import Settings, read_settings

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Where databases, keys and state are kept. [env: REPLENISH_DATA_DIR]")
]


class CommandFailed(Exception):
    """A command cannot go on; the message is one sentence that says what to do."""


def say_error(sentence: str) -> None:
    """Say one sentence about what went wrong."""
    err.print(f"replenish: {sentence}", markup=False)


def open_gateway(data_dir: Path | None, **chosen: object) -> Gateway:
    """Open the installation in a data directory."""
    settings = read_settings(data_dir, **chosen)
    configure_logging(settings)
    return assemble(settings)


def settings_for(data_dir: Path | None, **chosen: object) -> Settings:
    """Read the settings and set up logging."""
    settings = read_settings(data_dir, **chosen)
    configure_logging(settings)
    return settings
