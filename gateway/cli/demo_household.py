"""Who lives in the demonstration, with which things, which shop's packs and which account."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import msgspec

from devices.catalogue import kinds
from devices.identity import Identity
from devices.provisioning import provision
from gateway.assembly import Gateway
from gateway.domain.cart import Cart, CartState
from gateway.domain.household import Member, Role
from gateway.domain.records import MerchantAccount
from gateway.domain.replenishment import Policy
from gateway.domain.stock import Slot, Supply
from gateway.steps.acts.by_hand import OPERATOR
from gateway.steps.acts.equipment import NewDevice, add_device, choose_pack
from gateway.steps.acts.gift import give_credit
from gateway.steps.acts.household import add_household, add_member, set_policy
from gateway.steps.acts.limits import Limits
from gateway.steps.acts.wallet import link_account, set_limits
from gateway.steps.approve import Approve, approve
from gateway.steps.ports import Offer, WantedLine

TIME_ZONE = "Europe/Madrid"
OPENING_BALANCE_MINOR = 900_000
STORED_BALANCE_MINOR = 4_000
MOST_SWAPS = 3

DEVICES = (
    ("fridge", "Kitchen fridge", "Kitchen"),
    ("coffee-machine", "Coffee machine", "Kitchen"),
    ("water-filter", "Water filter", "Kitchen"),
    ("washing-machine", "Washing machine", "Utility room"),
    ("pet-feeder", "Mia's feeder", "Hall"),
    ("printer", "Study printer", "Study"),
    ("car", "Family car", "Garage"),
)
# How long one purchase should last; fresh food is bought for a week, a toner for a season.
TARGET_DAYS = {"milk": 6.0, "juice": 7.0, "eggs": 9.0, "coffee-beans": 21.0, "pet-food": 28.0}
DEFAULT_TARGET_DAYS = 40.0
DECIDE_HOURS = 120.0
HISTORY_LIMITS = Limits(
    standing=True, per_order_minor=20_000, per_period_minor=90_000, period_days=30, price_tolerance_percent=60
)
LIVE_LIMITS = Limits(standing=False, per_order_minor=8_000, per_period_minor=40_000, period_days=30)


class Tenant(msgspec.Struct):
    """One device with the secrets it keeps to itself."""

    device_id: str
    kind: str
    name: str
    secret: str
    private_key: str


class Resident(msgspec.Struct):
    """The household of the demonstration."""

    household_id: str
    owner_id: str
    mandate_id: str
    devices: list[Tenant]

    def described(
        self, *, broker: str, seed: int, shop_url: str, shop_token: str, clock: Path, start_us: int
    ) -> dict[str, Any]:
        """Return the file that tells the simulators who lives here."""
        return {
            "household": self.household_id,
            "seed": seed,
            "broker": broker,
            "shop": {"url": shop_url, "token": shop_token},
            "clock": str(clock),
            "start_us": start_us,
            "time_zone": TIME_ZONE,
            "devices": [msgspec.to_builtins(one) for one in self.devices],
        }


def furnish(gateway: Gateway, *, bank_port: int, shop_id: str, seed: int) -> Resident:
    """Add the household, its members, devices, packs and accounts, as their owner would in the pages."""
    now_us = gateway.clock.now_us()
    with gateway.unit_of_work.begin() as tx:
        household, owner = add_household(
            tx,
            name="Rosa Street 12",
            time_zone=TIME_ZONE,
            currency="EUR",
            owner_name="Ana Marín",
            owner_email="ana@example.org",
            now_us=now_us,
        )
        add_member(tx, owner, name="Luis Marín", email="luis@example.org", role=Role.APPROVER, now_us=now_us)
    tenants = [_move_in(gateway, owner, kind, name, room, now_us) for kind, name, room in DEVICES]
    _stock_up(gateway, owner, shop_id, now_us)
    account = account_name(seed)
    _open_account(gateway, bank_port, account)
    mandate = link_account(
        gateway.services,
        owner,
        adapter_name="sandbox",
        token=account,
        label="Current account ES91 … 1332",
        limits=HISTORY_LIMITS,
    )
    link_account(
        gateway.services,
        owner,
        adapter_name="balance",
        token="",
        label="Household balance",
        limits=LIVE_LIMITS,
    )
    with gateway.unit_of_work.begin() as tx:
        give_credit(tx, household.id, STORED_BALANCE_MINOR, by=OPERATOR, reason="welcome", now_us=now_us)
    return Resident(household.id, owner.id, mandate.id, tenants)


def account_name(seed: int) -> str:
    """Return what the demonstration's bank calls the household's account there."""
    return f"ana-{seed}"


def let_mandate_decide(gateway: Gateway, resident: Resident, *, standing: bool) -> None:
    """Let the standing mandate say yes by itself (history), or leave every cart to a person (from then on)."""
    with gateway.unit_of_work.read() as tx:
        owner = tx.get(Member, resident.household_id, resident.owner_id)
    set_limits(gateway.services, owner, resident.mandate_id, HISTORY_LIMITS if standing else LIVE_LIMITS)


def answer_carts(gateway: Gateway, resident: Resident, *, asked_before_us: int) -> None:
    """Say yes, as the owner, to what the mandate left to a person (a swap, a price that jumped) half a day ago."""
    with gateway.unit_of_work.begin() as tx:
        owner = tx.get(Member, resident.household_id, resident.owner_id)
        for cart in tx.find(Cart, resident.household_id, state=CartState.AWAITING_APPROVAL):
            if cart.created_us <= asked_before_us:
                approve(
                    tx,
                    cart.household_id,
                    cart.id,
                    Approve(cart.version),
                    member=owner,
                    now_us=gateway.clock.now_us(),
                    wall_us=gateway.clock.wall_us(),
                    undo_us=0,
                )


def _move_in(gateway: Gateway, owner: Member, kind: str, name: str, room: str, now_us: int) -> Tenant:
    provisioned = provision(kind)
    identity = Identity.generate(provisioned.device_id)
    with gateway.unit_of_work.begin() as tx:
        wanted = NewDevice(kind=kind, name=name, room=room, public_key=identity.public_key.hex())
        add_device(tx, owner, wanted, provisioned, now_us=now_us)
    return Tenant(provisioned.device_id, kind, name, provisioned.secret, identity.private_hex())


def _stock_up(gateway: Gateway, owner: Member, shop_id: str, now_us: int) -> None:
    """Choose for every supply the shop's packs: the one nearest to what the thing usually takes, others as swaps."""
    usual_sizes = {slot.supply: slot.packs for kind in kinds().values() for slot in kind.slots}
    with gateway.unit_of_work.read() as tx:
        supplies = {one.id: one for one in tx.find(Supply, owner.household_id)}
        filled = [supplies[slot.supply_id] for slot in tx.find(Slot, owner.household_id) if slot.supply_id in supplies]
        account = tx.find(MerchantAccount, None, id=shop_id)[0]
    wanted = [supply for supply in filled if usual_sizes[supply.kind]]
    quote = gateway.merchants.open(account).quote(
        tuple(WantedLine(supply.kind, supply.unit, None, 1) for supply in wanted)
    )
    with gateway.unit_of_work.begin() as tx:
        for supply, answer in zip(wanted, quote.lines, strict=True):
            for place, offer in enumerate(_ranked(answer.alternatives, usual_sizes[supply.kind][0])):
                choose_pack(tx, owner, supply.id, shop_id, offer, as_usual=place == 0, now_us=now_us)
            policy = tx.get(Policy, owner.household_id, supply.id)
            days = TARGET_DAYS.get(supply.kind, DEFAULT_TARGET_DAYS)
            set_policy(tx, owner, replace(policy, target_days=days, decide_hours=DECIDE_HOURS), now_us=now_us)


def _ranked(offers: tuple[Offer, ...], usual_size: float) -> list[Offer]:
    return sorted(offers, key=lambda offer: (abs(offer.pack_size - usual_size), offer.sku))[: 1 + MOST_SWAPS]


def _open_account(gateway: Gateway, bank_port: int, account: str) -> None:
    """Open the account at the sandbox bank, as its owner did long ago."""
    answer = httpx.post(
        f"http://127.0.0.1:{bank_port}/accounts",
        json={"token": account, "currency": "EUR", "balance_minor": OPENING_BALANCE_MINOR, "label": "ES91 … 1332"},
        headers={"Authorization": f"Bearer {gateway.settings.payment_secrets['sandbox']['token'].get_secret_value()}"},
        timeout=10,
    )
    answer.raise_for_status()
