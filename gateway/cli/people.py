"""Households, members and devices from the command line."""

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

import typer

from devices.catalogue import kinds
from devices.identity import Identity
from devices.provisioning import provision
from devices.topics import build_topic
from gateway.assembly import Gateway
from gateway.cli.terminal import CommandFailed, DataDir, open_gateway, out
from gateway.domain.household import Household, Member, Role
from gateway.domain.stock import Device
from gateway.steps.equipment import NewDevice, add_device
from gateway.steps.household import add_household, add_member
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
    gateway = open_gateway(data_dir)
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
    out.print(f"Household: {made.id}")
    out.print(f"Sign in:   {base_url(gateway)}/sign-in/{token}", markup=False)
    gateway.close()


@household.command("list")
def household_list(data_dir: DataDir = None) -> None:
    """List the households."""
    gateway = open_gateway(data_dir)
    with gateway.unit_of_work.read() as tx:
        for one in tx.find(Household, None):
            since = datetime.fromtimestamp(one.created_us / 1e6, ZoneInfo(one.time_zone))
            out.print(f"{one.id}  {one.name}  {one.currency}  {one.time_zone}  since {since:%Y-%m-%d}", markup=False)
    gateway.close()


@member.command("add")
def member_add(
    email: str,
    name: Annotated[str, typer.Option(help="How the member is called.")],
    role: Annotated[Role, typer.Option(help="owner, approver or viewer.")] = Role.APPROVER,
    household_id: HouseholdId = "",
    data_dir: DataDir = None,
) -> None:
    """Add a member and print a link that signs in once."""
    gateway = open_gateway(data_dir)
    with gateway.unit_of_work.begin() as tx:
        owner = owner_of(tx.find(Household, None), tx.find(Member, None, role=Role.OWNER), household_id)
        added = add_member(tx, owner, name=name, email=email, role=role, now_us=gateway.clock.now_us())
        token = issue_link(tx, added, wall_us=gateway.clock.wall_us())
    out.print(f"Member:  {added.id}")
    out.print(f"Sign in: {base_url(gateway)}/sign-in/{token}", markup=False)
    gateway.close()


@member.command("link")
def member_link(email: str, data_dir: DataDir = None) -> None:
    """Print a new link that signs a member in once."""
    gateway = open_gateway(data_dir)
    with gateway.unit_of_work.begin() as tx:
        found = tx.find(Member, None, email=email.strip().lower())
        if not found:
            raise CommandFailed(f"no member has the address {email}; see `replenish member add`")
        token = issue_link(tx, found[0], wall_us=gateway.clock.wall_us())
    out.print(f"{base_url(gateway)}/sign-in/{token}", markup=False)
    gateway.close()


@member.command("token")
def member_token(email: str, name: str = "command line", data_dir: DataDir = None) -> None:
    """Print a bearer token for the API that acts as the member; it is shown this once."""
    gateway = open_gateway(data_dir)
    with gateway.unit_of_work.begin() as tx:
        found = tx.find(Member, None, email=email.strip().lower())
        if not found:
            raise CommandFailed(f"no member has the address {email}; see `replenish member add`")
        token = issue_api_token(tx, found[0], name=name, wall_us=gateway.clock.wall_us())
    out.print(token, markup=False)
    gateway.close()


@device.command("add")
def device_add(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(kinds())}.")],
    name: Annotated[str, typer.Option(help="How the household calls it.")],
    room: Annotated[str, typer.Option(help="Where it stands.")] = "",
    public_key: Annotated[
        str | None, typer.Option(help="Its Ed25519 public key in hex; without one a key pair is made and shown once.")
    ] = None,
    household_id: HouseholdId = "",
    data_dir: DataDir = None,
) -> None:
    """Add a device and print its topic, its id and its one-time secret."""
    gateway = open_gateway(data_dir)
    provisioned = provision(kind)
    identity = None if public_key else Identity.generate(provisioned.device_id)
    key = public_key or (identity.public_key.hex() if identity else None)
    with gateway.unit_of_work.begin() as tx:
        owner = owner_of(tx.find(Household, None), tx.find(Member, None, role=Role.OWNER), household_id)
        wanted = NewDevice(kind=kind, name=name, room=room, public_key=key)
        added = add_device(tx, owner, wanted, provisioned, now_us=gateway.clock.now_us())
    out.print(f"Device:      {added.id}  (its user name and client id too)", markup=False)
    out.print(f"Topic:       {build_topic(added.id, 'telemetry')}", markup=False)
    out.print(f"Secret:      {provisioned.secret}", markup=False)
    if identity is not None:
        out.print(f"Private key: {identity.private_hex()}", markup=False)
    out.print("The secret and the key are shown this once.")
    gateway.close()


@device.command("list")
def device_list(data_dir: DataDir = None) -> None:
    """List the devices of all households."""
    gateway = open_gateway(data_dir)
    with gateway.unit_of_work.read() as tx:
        for one in tx.find(Device, None):
            signed = "signed" if one.public_key else "unsigned"
            out.print(f"{one.id}  {one.kind}  {one.name}  {one.state}  {signed}", markup=False)
    gateway.close()


def owner_of(households: list[Household], owners: list[Member], wanted: str) -> Member:
    """Return the owner of the household meant: named by id or name, or the only one there is."""
    owned = [one for one in households if any(owner.household_id == one.id for owner in owners)]
    meant = [one for one in owned if wanted in {"", one.id, one.name}]
    if len(meant) != 1:
        hint = "; ".join(f"{one.name} ({one.id})" for one in owned) or "none yet: `replenish household add`"
        raise CommandFailed(f"say which household with --household: {hint}")
    return next(owner for owner in owners if owner.household_id == meant[0].id)


def base_url(gateway: Gateway) -> str:
    """Return the address people use."""
    settings = gateway.settings
    return settings.base_url or f"http://{settings.web_host}:{settings.web_port}"
