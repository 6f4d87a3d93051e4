"""What could not be counted: list it, and show one message whole."""

from typing import Annotated

import typer

from gateway.cli.terminal import CommandFailed, DataDir, err, open_gateway, say, say_bytes, to_minute
from gateway.domain.records import Pruned
from gateway.domain.stock import Quarantined

app = typer.Typer(help="Messages that could not be counted.", no_args_is_help=True)


@app.command("list")
def quarantine_list(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 50, data_dir: DataDir = None
) -> None:
    """List the newest quarantined messages, newest first."""
    with open_gateway(data_dir) as gateway, gateway.unit_of_work.read() as tx:
        for one in tx.find(Quarantined, None, newest=limit):
            say(f"{one.id}  {to_minute(one.received_us)}  {one.sender or '-'}  {one.reason}  {one.detail}")
        gone = sum(one.count for one in tx.every(Pruned, None, kind="quarantined"))
    if gone:
        err.print(f"{gone} older ones are no longer kept.")


@app.command("show")
def quarantine_show(message_id: str, data_dir: DataDir = None) -> None:
    """Show one message: when, reason, sender, topic and bytes."""
    with open_gateway(data_dir) as gateway, gateway.unit_of_work.read() as tx:
        found = tx.find(Quarantined, None, id=message_id)
    if not found:
        raise CommandFailed(f"no quarantined message has the id {message_id}; see `replenish quarantine list`")
    one = found[0]
    say(f"Came:   {to_minute(one.received_us)}")
    say(f"Reason: {one.reason}")
    say(f"Detail: {one.detail or '-'}")
    say(f"Sender: {one.sender or '-'}")
    say(f"Topic:  {one.topic}")
    say_bytes(one.payload)
