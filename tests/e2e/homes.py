"""Who lives in the town, with which things and which account; and how they move in, as they would in the pages."""

from dataclasses import dataclass, replace
from typing import Any

import msgspec

from devices.catalogue import kinds
from devices.identity import Identity
from devices.provisioning import provision
from gateway.assembly import Gateway
from gateway.domain.household import Member
from gateway.domain.records import MerchantAccount
from gateway.domain.replenishment import Policy
from gateway.domain.stock import Slot, Supply
from gateway.steps.acts.equipment import NewDevice, add_device, choose_pack
from gateway.steps.acts.gift import give_credit
from gateway.steps.acts.household import add_household, set_policy
from gateway.steps.acts.limits import Limits
from gateway.steps.acts.wallet import link_account
from gateway.steps.ports import Offer, WantedLine

SHOP_ID = "corner-market"
BALANCE_MINOR = 200_000
ACCEPTED_PACKS = 4
TARGET_DAYS = {"milk": 4.0, "juice": 5.0, "eggs": 5.0, "coffee-beans": 7.0, "pet-food": 7.0}
LONG_LASTING_DAYS = 20.0
WAITS_HOURS = 96.0


@dataclass(frozen=True, slots=True)
class Home:
    """A household as it is before it moves in: things by kind and name; who says yes, and what pays."""

    name: str
    owner: str
    things: tuple[tuple[str, str], ...]
    account: str
    by_mandate: bool


ROSA = Home(
    name="Rosa Street 12",
    owner="Ana",
    things=(
        ("fridge", "Rosa's fridge"),
        ("coffee-machine", "Rosa's coffee machine"),
        ("washing-machine", "Rosa's washing machine"),
        ("printer", "Rosa's printer"),
    ),
    account="sandbox",
    by_mandate=True,
)
LAKE = Home(
    name="Lake cabin",
    owner="Bo",
    things=(("fridge", "Cabin fridge"), ("pet-feeder", "Cabin feeder"), ("water-filter", "Cabin filter")),
    account="sandbox",
    by_mandate=False,
)
MILL = Home(
    name="Mill Lane 3",
    owner="Chen",
    things=(("fridge", "Mill fridge"), ("coffee-machine", "Mill coffee machine")),
    account="balance",
    by_mandate=True,
)


@dataclass(frozen=True, slots=True)
class Household:
    """A household that has moved in. `account` is its account's token at the bank."""

    home: Home
    owner: Member
    account: str
    devices: tuple[dict[str, str], ...]

    @property
    def id(self) -> str:
        return self.owner.household_id

    @property
    def name(self) -> str:
        return self.home.name

    def described(self, *, broker: str, seed: int, shop_url: str, shop_token: str, start_us: int) -> bytes:
        """The file that tells the simulators who lives here."""
        described: dict[str, Any] = {
            "household": self.id,
            "seed": seed,
            "broker": broker,
            "shop": {"url": shop_url, "token": shop_token},
            "start_us": start_us,
            "time_zone": "Europe/Madrid",
            "devices": self.devices,
        }
        return msgspec.json.encode(described)


def open_shop(gateway: Gateway, url: str, sealed: bytes) -> None:
    """Let the gateway know the shop."""
    account = MerchantAccount(
        id=SHOP_ID,
        name="Corner Market",
        adapter="http_shop",
        settings={"base_url": url, "timeout_s": 10.0},
        secret_sealed=sealed,
        currency="EUR",
        lead_time_days=2.0,
    )
    with gateway.unit_of_work.begin() as tx:
        tx.add(account)


def move_in(gateway: Gateway, home: Home) -> Household:
    """Add the household, its things, the packs it buys and its name for its account."""
    now_us = gateway.clock.now_us()
    with gateway.unit_of_work.begin() as tx:
        _, owner = add_household(
            tx,
            name=home.name,
            time_zone="Europe/Madrid",
            currency="EUR",
            owner_name=home.owner,
            owner_email=f"{home.owner.lower()}@example.org",
            now_us=now_us,
        )
    devices = tuple(_add_thing(gateway, owner, kind, name, now_us) for kind, name in home.things)
    _choose_packs(gateway, owner, now_us)
    token = owner.household_id if home.account == "balance" else f"account-of-{home.name.lower().replace(' ', '-')}"
    return Household(home, owner, token, devices)


def link(gateway: Gateway, household: Household) -> None:
    """Link the account that pays; a standing mandate, where there is one, says yes by itself."""
    limits = Limits(
        standing=household.home.by_mandate,
        per_order_minor=40_000,
        per_period_minor=150_000,
        period_days=30,
        price_tolerance_percent=60,
    )
    mandate = link_account(
        gateway.services,
        household.owner,
        adapter_name=household.home.account,
        token=household.account,
        label=f"{household.home.owner}'s account",
        limits=limits,
    )
    if household.home.account == "balance":
        with gateway.unit_of_work.begin() as tx:
            now_us = gateway.clock.now_us()
            give_credit(tx, mandate.household_id, BALANCE_MINOR, by="operator", reason="welcome", now_us=now_us)


def _add_thing(gateway: Gateway, owner: Member, kind: str, name: str, now_us: int) -> dict[str, str]:
    provisioned = provision(kind)
    identity = Identity.generate(provisioned.device_id)
    with gateway.unit_of_work.begin() as tx:
        wanted = NewDevice(kind=kind, name=name, room="", public_key=identity.public_key.hex())
        add_device(tx, owner, wanted, provisioned, now_us=now_us)
    return {
        "device_id": provisioned.device_id,
        "kind": kind,
        "name": name,
        "secret": provisioned.secret,
        "private_key": identity.private_hex(),
    }


def _choose_packs(gateway: Gateway, owner: Member, now_us: int) -> None:
    """For every supply: the shop's pack that is nearest to what the slot usually takes, the next ones as swaps."""
    usual_sizes = {slot.supply: slot.packs for kind in kinds().values() for slot in kind.slots}
    with gateway.unit_of_work.read() as tx:
        supplies = {one.id: one for one in tx.find(Supply, owner.household_id)}
        wanted = [supplies[slot.supply_id or ""] for slot in tx.find(Slot, owner.household_id)]
        (account,) = tx.find(MerchantAccount, None, id=SHOP_ID)
    asked = tuple(WantedLine(supply.kind, supply.unit, None, 1) for supply in wanted)
    quote = gateway.merchants.open(account).quote(asked)
    with gateway.unit_of_work.begin() as tx:
        for supply, answer in zip(wanted, quote.lines, strict=True):
            for place, offer in enumerate(_nearest(answer.alternatives, usual_sizes[supply.kind][0])):
                choose_pack(tx, owner, supply.id, SHOP_ID, offer, as_usual=place == 0, now_us=now_us)
            kept = replace(
                tx.get(Policy, owner.household_id, supply.id),
                target_days=TARGET_DAYS.get(supply.kind, LONG_LASTING_DAYS),
                decide_hours=WAITS_HOURS,
            )
            set_policy(tx, owner, kept, now_us=now_us)


def _nearest(offers: tuple[Offer, ...], usual_size: float) -> list[Offer]:
    return sorted(offers, key=lambda offer: (abs(offer.pack_size - usual_size), offer.sku))[:ACCEPTED_PACKS]
