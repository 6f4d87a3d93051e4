"""The shops the operator works with: add one, list them."""

import json
import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.terminal import CommandFailed, DataDir, open_gateway, say
from gateway.domain.records import MerchantAccount
from gateway.store.merchant_secrets import seal_merchant
from payments.money import exponent

app = typer.Typer(help="The shops that are ordered from.", no_args_is_help=True)

# An id is part of an address (/notices/merchant/ID) and of commands.
MERCHANT_ID = re.compile(r"[a-z0-9][a-z0-9-]{1,39}")
MOST_SECRET_BYTES = 4096
LONGEST_LEAD_DAYS = 60


@app.command("add")
def merchant_add(
    merchant_id: Annotated[str, typer.Argument(metavar="ID", help="A short name for commands and addresses.")],
    name: Annotated[str, typer.Option(help="How the pages call it.")],
    adapter: Annotated[str, typer.Option(help="The merchant adapter that speaks to it, such as http_shop.")],
    setting: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="One of the adapter's own.")] = None,
    secret_file: Annotated[Path | None, typer.Option(help="File that holds the shop's secret.")] = None,
    secret_stdin: Annotated[bool, typer.Option("--secret-stdin", help="Read the secret from standard input.")] = False,
    currency: Annotated[str, typer.Option(help="What the shop is paid in.")] = "EUR",
    lead_time_days: Annotated[
        float, typer.Option(min=0, max=LONGEST_LEAD_DAYS, help="How long it takes at first; its quotes say later.")
    ] = 2.0,
    replace: Annotated[bool, typer.Option("--replace", help="Change the shop that has this id.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Add a shop, or with --replace change one. Its secret is sealed; it is never an argument, which others can see."""
    if MERCHANT_ID.fullmatch(merchant_id) is None:
        raise CommandFailed(f"{merchant_id!r} is no id for a shop: 2 to 40 of a-z, 0-9 and hyphen, such as corner-shop")
    if not 1 <= len(name.strip()) <= 80:
        raise CommandFailed("give the shop a name of 1 to 80 characters")
    exponent(currency)  # refuses what is no currency
    settings = _settings(setting or [])
    secret = _secret(secret_file, from_input=secret_stdin)
    with open_gateway(data_dir) as gateway:
        account = MerchantAccount(
            id=merchant_id,
            name=name.strip(),
            adapter=adapter,
            settings=settings,
            secret_sealed=seal_merchant(gateway.vault, merchant_id, secret),
            currency=currency,
            lead_time_days=lead_time_days,
        )
        gateway.merchants.open(account)  # refuses an unknown adapter and settings it does not accept
        with gateway.unit_of_work.begin() as tx:
            known = tx.find(MerchantAccount, None, id=merchant_id)
            if known and not replace:
                raise CommandFailed(f"there is a shop {merchant_id} already; --replace changes it")
            if known:
                tx.save(account)
            else:
                tx.add(account)
        say(f"Shop:    {merchant_id}")
        say(f"Notices: {gateway.settings.public_url}/notices/merchant/{merchant_id}")
    say("`replenish doctor` asks whether it answers.")


@app.command("list")
def merchant_list(data_dir: DataDir = None) -> None:
    """List the shops and the adapters that are installed."""
    with open_gateway(data_dir) as gateway:
        with gateway.unit_of_work.read() as tx:
            for one in tx.every(MerchantAccount, None):
                settings = "  ".join(f"{name}={value}" for name, value in sorted(one.settings.items()))
                say(f"{one.id}  {one.name}  {one.adapter}  {one.currency}  {settings}")
        say(f"Adapters: {', '.join(gateway.merchants.names)}")


def _settings(pairs: list[str]) -> dict[str, Any]:
    """Read NAME=VALUE pairs; a value that is a JSON number or truth value is one, anything else is text."""
    settings: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.isidentifier():
            raise CommandFailed(f"{pair!r} is not NAME=VALUE, such as base_url=https://shop.example")
        settings[name] = _value(value)
    return settings


def _value(text: str) -> str | float | bool:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, int | float | bool) else text


def _secret(path: Path | None, *, from_input: bool) -> str:
    """Read the secret from the one place that was named, without the line end."""
    if (path is None) != from_input:
        raise CommandFailed("say where the shop's secret is: --secret-file FILE or --secret-stdin")
    if path is None:
        raw = sys.stdin.buffer.read(MOST_SECRET_BYTES + 1)
    else:
        with path.open("rb") as file:
            raw = file.read(MOST_SECRET_BYTES + 1)
    if len(raw) > MOST_SECRET_BYTES:
        raise CommandFailed(f"the secret is longer than {MOST_SECRET_BYTES} bytes")
    try:
        return raw.decode().strip()
    except UnicodeDecodeError:
        raise CommandFailed("the secret is not text") from None
