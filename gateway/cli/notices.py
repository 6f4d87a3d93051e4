"""What providers and shops told us: list it, and show one notice whole, also one that was refused."""

from typing import Annotated

import typer

from gateway.cli.terminal import CommandFailed, DataDir, open_gateway, say, say_bytes, to_minute
from gateway.domain.records import Notice, NoticeState

app = typer.Typer(help="What providers and shops told the gateway.", no_args_is_help=True)


@app.command("list")
def notices_list(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 50,
    state: Annotated[NoticeState | None, typer.Option(help="Only those; else all.")] = None,
    data_dir: DataDir = None,
) -> None:
    """List the newest notices, newest first: from whom, what became of them, and why."""
    states = frozenset(NoticeState) if state is None else frozenset({state})
    with open_gateway(data_dir) as gateway, gateway.unit_of_work.read() as tx:
        for one in tx.find(Notice, None, newest=limit, state=states):
            came = to_minute(one.received_us)
            say(f"{one.id}  {came}  {one.source} {one.name}  {_said(one.state)}  {one.reason}".rstrip())


@app.command("show")
def notices_show(notice_id: str, data_dir: DataDir = None) -> None:
    """Show one notice: when, from whom, what became of it and why, and its bytes; of its headers the names alone."""
    with open_gateway(data_dir) as gateway, gateway.unit_of_work.read() as tx:
        found = tx.find(Notice, None, id=notice_id)
    if not found:
        raise CommandFailed(f"no notice has the id {notice_id}; see `replenish notices list`")
    one = found[0]
    say(f"Came:    {to_minute(one.received_us)}")
    say(f"State:   {_said(one.state)}")
    say(f"Reason:  {one.reason or '-'}")
    say(f"Sender:  {one.source} {one.name}")
    # A header may hold a shared secret instead of a signature.
    say(f"Headers: {', '.join(sorted(one.headers)) or '-'}")
    say_bytes(one.body)


def _said(state: NoticeState) -> str:
    return state.replace("_", " ")
