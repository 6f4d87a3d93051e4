"""Households, members and devices from the command line."""

import os
from datetime import datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

import msgspec
import typer

from devices.catalogue import kinds
from devices.identity import Identity
from devices.provisioning import Provisioned, provision
from devices.topics import build_topic
from gateway.assembly import OPERATOR_HOUSEHOLD
from gateway.cli.terminal import CommandFailed, DataDir, err, open_gateway, say
from gateway.domain.household import Household, Member, Role
from gateway.domain.stock import Device
from gateway.steps.acts.equipment import NewDevice, add_device
from gateway.steps.acts.household import add_household, add_member
from gateway.steps.ports import Transaction
from gateway.web.sessions import issue_api_token, issue_link

household = typer.Typer(help="Households.", no_args_is_help=True)
member = typer.Typer(help="Members of a household.", no_args_is_help=True)
device = typer.Typer(help="Devices of a household.", no_args_is_help=True)

HouseholdId = Annotated[str, typer.Option("--household", help="The household's id or name; needless with only one.")]


@household.command("add")
def household_add(
    name: str,
    owner_email: Annotated[str, typer.Option(help="The first owner's e-mail address.")],
    owner_name: Annotated[str, typer.Option(help="The first owner's name.")] = "Owner",
    time_zone: Annotated[str, typer.Option(help="IANA time zone, such as Europe/Madrid.")] = "UTC",
    currency: Annotated[str, typer.Option(help="Three letters, such as EUR.")] = "EUR",
    data_dir: DataDir = None,
) -> None:
    """Add a household and print a link that signs its owner in once."""
    if time_zone not in available_timezones():
        raise CommandFailed(f"{time_zone!r} is not an IANA time zone such as Europe/Madrid")
    with open_gateway(data_dir) as gateway:
        with gateway.unit_of_work.begin() as tx:
            made, owner = add_household(
                tx,
                name=name,
                time_zone=time_zone,
                currency=currency,
                owner_name=owner_name,
                owner_email=owner_email,
                now_us=gateway.clock.now_us(),
            )
            token = issue_link(tx, owner, wall_us=gateway.clock.wall_us())
        say(f"Household: {made.id}")
        say(f"Sign in:   {gateway.settings.public_url}/sign-in/{token}")


@household.command("list")
def household_list(data_dir: DataDir = None) -> None:
    """List the households."""
    with open_gateway(data_dir) as gateway, gateway.unit_of_work.read() as tx:
        households = _households(tx)
        if not households:
            err.print("No household yet. Add one: `replenish household add NAME --owner-email YOU`", markup=False)
        for one in households:
            since = datetime.fromtimestamp(one.created_us / 1e6, ZoneInfo(one.time_zone))
            say(f"{one.id}  {one.name}  {one.currency}  {one.time_zone}  since {since:%Y-%m-%d}")


@member.command("add")
def member_add(
    email: str,
    name: Annotated[str, typer.Option(help="How the member is called.")],
    role: Annotated[Role, typer.Option(help="owner, approver or viewer.")] = Role.APPROVER,
    household_id: HouseholdId = "",
    data_dir: DataDir = None,
) -> None:
    """Add a member and print a link that signs in once."""
    with open_gateway(data_dir) as gateway:
        with gateway.unit_of_work.begin() as tx:
            owner = _owner_of(tx, household_id)
            added = add_member(tx, owner, name=name, email=email, role=role, now_us=gateway.clock.now_us())
            token = issue_link(tx, added, wall_us=gateway.clock.wall_us())
        say(f"Member:  {added.id}")
        say(f"Sign in: {gateway.settings.public_url}/sign-in/{token}")


@member.command("link")
def member_link(email: str, household_id: HouseholdId = "", data_dir: DataDir = None) -> None:
    """Print a new link that signs a member in once."""
    with open_gateway(data_dir) as gateway:
        with gateway.unit_of_work.begin() as tx:
            token = issue_link(tx, _member_called(tx, email, household_id), wall_us=gateway.clock.wall_us())
        say(f"{gateway.settings.public_url}/sign-in/{token}")


@member.command("token")
def member_token(
    email: str,
    name: Annotated[str, typer.Option(help="What it is for, as the settings page shows it.")] = "command line",
    household_id: HouseholdId = "",
    data_dir: DataDir = None,
) -> None:
    """Print a bearer token for the API that acts as the member; it is shown this once."""
    with open_gateway(data_dir) as gateway:
        with gateway.unit_of_work.begin() as tx:
            meant = _member_called(tx, email, household_id)
            token = issue_api_token(tx, meant, name=name, wall_us=gateway.clock.wall_us())
        say(token)


@device.command("add")
def device_add(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(kinds())}.")],
    name: Annotated[str, typer.Option(help="How the household calls it.")],
    room: Annotated[str, typer.Option(help="Where it stands.")] = "",
    public_key: Annotated[
        str | None, typer.Option(help="Its Ed25519 public key in hex; without one a key pair is made and shown once.")
    ] = None,
    credentials: Annotated[
        Path | None, typer.Option(help="JSON file to add its id, secret and private key to, for `replenish simulate`.")
    ] = None,
    household_id: HouseholdId = "",
    data_dir: DataDir = None,
) -> None:
    """Add a device and print its topic, its id and its one-time secret."""
    if kind not in kinds():
        raise CommandFailed(f"no such kind of device: {kind}; choose one of {', '.join(kinds())}")
    if credentials is not None and public_key is not None:
        raise CommandFailed("with --public-key the device keeps its private key: there is nothing for --credentials")
    provisioned = provision(kind)
    identity = None if public_key else Identity.generate(provisioned.device_id)
    key = public_key or (identity.public_key.hex() if identity else None)
    with open_gateway(data_dir) as gateway, gateway.unit_of_work.begin() as tx:
        wanted = NewDevice(kind=kind, name=name, room=room, public_key=key)
        added = add_device(tx, _owner_of(tx, household_id), wanted, provisioned, now_us=gateway.clock.now_us())
        if credentials is not None and identity is not None:
            _keep_credentials(credentials, provisioned, identity)
    say(f"Device:      {added.id}  (its user name and client id too)")
    say(f"Broker:      {gateway.settings.mqtt_host}:{gateway.settings.mqtt_port}")
    say(f"Topic:       {build_topic(added.id, 'telemetry')}")
    say(f"Secret:      {provisioned.secret}")
    if identity is not None:
        say(f"Private key: {identity.private_hex()}")
    say("The secret and the key are shown this once." if identity else "The secret is shown this once.")


@device.command("list")
def device_list(data_dir: DataDir = None) -> None:
    """List the devices of all households."""
    with open_gateway(data_dir) as gateway, gateway.unit_of_work.read() as tx:
        one = None
        for one in tx.every(Device, None):
            signed = "signed" if one.public_key else "unsigned"
            say(f"{one.id}  {one.kind}  {one.name}  {one.state}  {signed}")
        if one is None:
            err.print(
                "No device yet. Add one: `replenish device add KIND --name NAME`, or on the Devices page", markup=False
            )


def _households(tx: Transaction) -> list[Household]:
    return [one for one in tx.every(Household, None) if one.id != OPERATOR_HOUSEHOLD]


def _household_called(tx: Transaction, wanted: str) -> Household:
    """Return the household meant: named by id or name, or the only one there is."""
    households = _households(tx)
    meant = [one for one in households if wanted in {"", one.id, one.name}]
    if len(meant) != 1:
        hint = "; ".join(f"{one.name} ({one.id})" for one in households) or "none yet: `replenish household add`"
        raise CommandFailed(f"say which household with --household: {hint}")
    return meant[0]


def _owner_of(tx: Transaction, wanted: str) -> Member:
    """Return the owner in whose name the operator acts."""
    return tx.find(Member, _household_called(tx, wanted).id, role=Role.OWNER)[0]


def _member_called(tx: Transaction, email: str, wanted: str) -> Member:
    """Return the member with this address; who belongs to several households must be told apart."""
    household_id = _household_called(tx, wanted).id if wanted else None
    found = tx.find(Member, household_id, email=email.strip().lower())
    if not found:
        raise CommandFailed(f"no member has the address {email}; see `replenish member add`")
    if len(found) > 1:
        raise CommandFailed(f"{email} belongs to {len(found)} households; say which with --household")
    return found[0]


def _keep_credentials(path: Path, provisioned: Provisioned, identity: Identity) -> None:
    """Add one device to a credentials file, readable by its owner only."""
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=list[dict[str, str]]) if path.exists() else []
    except msgspec.DecodeError as error:
        raise CommandFailed(f"{path} holds no credentials to add to: {error}") from None
    kept.append(
        {
            "device_id": provisioned.device_id,
            "secret": provisioned.secret,
            "private_key": identity.private_hex(),
        }
    )
    unfinished = path.with_name(path.name + ".new")
    unfinished.unlink(missing_ok=True)
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.encode(kept))
    unfinished.replace(path)
