"""How commands speak: results to standard output, everything else to standard error."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
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


BYTES_IN_A_ROW = 16

# Amounts and dates are kept together by spaces that a terminal need not know.
SPACES = str.maketrans("\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}", "  ")


class CommandFailed(Exception):
    """A command cannot go on; the message is one sentence that says what to do."""


def say(line: str) -> None:
    """Write one line of a result. What strangers said (a device, a shop) cannot steer the terminal."""
    spaced = line.translate(SPACES)
    out.print("".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in spaced), markup=False)


def say_bytes(payload: bytes) -> None:
    """Write bytes as rows of hexadecimal beside what of them can be printed."""
    for start in range(0, len(payload), BYTES_IN_A_ROW):
        row = payload[start : start + BYTES_IN_A_ROW]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        say(f"{start:05x}  {row.hex(' '):<47}  {text}")


def to_minute(at_us: int) -> str:
    """Return an instant as it is listed."""
    return f"{datetime.fromtimestamp(at_us / 1e6, UTC):%Y-%m-%d %H:%M} UTC"


def say_error(sentence: str) -> None:
    """Say one sentence about what went wrong."""
    err.print(f"replenish: {sentence}", markup=False)


@contextmanager
def open_gateway(data_dir: Path | None, **chosen: object) -> Iterator[Gateway]:
    """Open the installation in a data directory for the length of the block."""
    gateway = assemble(settings_for(data_dir, **chosen))
    try:
        yield gateway
    finally:
        gateway.close()


def settings_for(data_dir: Path | None, **chosen: object) -> Settings:
    """Read the settings and set up logging."""
    settings = read_settings(data_dir, **chosen)
    configure_logging(settings)
    return settings
