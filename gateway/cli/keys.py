"""The keys under which secrets are sealed at rest: a new one, everything brought to it, the old ones removed."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from gateway.assembly import Gateway
from gateway.cli.locks import alone
from gateway.cli.terminal import CommandFailed, DataDir, open_gateway, say
from gateway.store import key_file
from gateway.store.resealing import count_by_version, reseal

app = typer.Typer(help="The keys under which secrets are sealed.", no_args_is_help=True)


@app.command("list")
def keys_list(data_dir: DataDir = None) -> None:
    """Show the versions of the key, and how many secrets are sealed under each."""
    with open_gateway(data_dir) as gateway:
        counts = count_by_version(gateway.engine)
        for version in gateway.vault.versions:
            role = "seals now" if version == gateway.vault.newest else "only opens"
            say(f"key {version}  {role}  {counts[version]} secrets")


@app.command("rotate")
def keys_rotate(data_dir: DataDir = None) -> None:
    """Make a new key and seal everything anew under it; everything may go on running meanwhile."""
    with _alone(data_dir) as gateway:
        path = gateway.settings.keys_path
        unfinished = count_by_version(gateway.engine).keys() - {gateway.vault.newest}
        if unfinished:
            say(f"Key {gateway.vault.newest} is there already; what is sealed under older ones is brought to it.")
        else:
            say(f"Key {key_file.add_key(path)} is in {path}: copy it to every machine of this gateway, and keep it.")
        say(f"Sealed anew: {reseal(gateway.engine, gateway.vault)} secrets under key {gateway.vault.newest}.")
        say("A backup of the database from before opens with the older keys only; `replenish keys retire` ends them.")


@app.command("retire")
def keys_retire(data_dir: DataDir = None) -> None:
    """Remove the older keys, once nothing is sealed under them."""
    with _alone(data_dir) as gateway:
        older = frozenset(gateway.vault.versions) - {gateway.vault.newest}
        counts = count_by_version(gateway.engine)
        if in_use := sorted(version for version in older if counts[version]):
            named = ", ".join(f"{counts[version]} under key {version}" for version in in_use)
            raise CommandFailed(f"secrets are still sealed under older keys ({named}); run `replenish keys rotate`")
        key_file.remove_keys(gateway.settings.keys_path, older)
    say(f"Retired: {', '.join(f'key {version}' for version in sorted(older)) or 'nothing, there is one key'}.")


@contextmanager
def _alone(data_dir: DataDir) -> Iterator[Gateway]:
    """Open the gateway while nobody else changes its keys."""
    with open_gateway(data_dir) as gateway, alone(gateway.settings.data_dir, "keys", "replenish keys"):
        yield gateway
