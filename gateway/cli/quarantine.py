"""What could not be counted: list it, and show one message whole."""

from datetime import UTC, datetime

import typer

from gateway.cli.terminal import CommandFailed, DataDir, open_gateway, out
from gateway.domain.stock import Quarantined

app = typer.Typer(help="Messages that could not be counted.", no_args_is_help=True)


@app.command("list")
def quarantine_list(limit: int = 50, data_dir: DataDir = None) -> None:
    """List the newest quarantined messages."""
    gateway = open_gateway(data_dir)
    with gateway.unit_of_work.read() as tx:
        for one in tx.find(Quarantined, None, newest=limit):
            at = datetime.fromtimestamp(one.received_us / 1e6, UTC)
            out.print(f"{one.id}  {at:%Y-%m-%d %H:%M}  {one.sender or '-'}  {one.reason}  {one.detail}", markup=False)
    gateway.close()


@app.command("show")
def quarantine_show(message_id: str, data_dir: DataDir = None) -> None:
    """Show one message: reason, sender, topic and bytes."""
    gateway = open_gateway(data_dir)
    with gateway.unit_of_work.read() as tx:
        found = tx.find(Quarantined, None, id=message_id)
    if not found:
        raise CommandFailed(f"no quarantined message has the id {message_id}; see `replenish quarantine list`")
    one = found[0]
    for name, value in (("Reason", one.reason), ("Detail", one.detail), ("Sender", one.sender), ("Topic", one.topic)):
        out.print(f"{name}: {value}", markup=False)
    for start in range(0, len(one.payload), 16):
        row = one.payload[start : start + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        out.print(f"{start:05x}  {row.hex(' '):<47}  {text}", markup=False)
    gateway.close()
