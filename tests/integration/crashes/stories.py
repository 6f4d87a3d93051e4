"""What a gateway is doing when it dies: for each operation, how things stand before it and what must be true after.

After it, whatever died and whoever woke late, the bank's own book holds each effect once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.domain.cart import Cart, CartState, Line
from gateway.domain.household import Member
from gateway.domain.order import Order
from gateway.domain.payment import Funding, Mandate, PaymentMethod
from gateway.domain.replenishment import Forecast, Plan
from gateway.steps.acts.gift import give_credit
from gateway.steps.acts.wallet import link_account, unlink_account
from gateway.steps.approve import Approve, Undo
from payments.adapter import MandateActive, SetupMandate
from payments.money import Money
from tests.builders import HOME, build
from tests.homes import home
from tests.integration.crashes.crash_process import LIMITS
from tests.integration.crashes.points import CrashPoint
from tests.integration.crashes.world import World
from tests.integration.payments.bank_process import BankProcess

HOUR_US = 3_600_000_000
TOTAL_MINOR = 770
DEPOSIT_MINOR = 100_000
ONLY_HERE = tuple(point for point in CrashPoint if not point.name.startswith("INTENT"))
"""What calls nobody and has no lease has one transaction, and these points not."""

Prepare = Callable[[World, BankProcess], None]


@dataclass(frozen=True, slots=True)
class Story:
    """One operation. `step` is the one that dies; `effects`: how often each kind of order is in the bank's book after.

    `act` is what the dying process does: work, or what a member asked for. `lost`: what happens to the first answer.
    """

    step: str
    prepare: Prepare
    effects: Mapping[str, int]
    act: str = "work"
    besides: tuple[CrashPoint, ...] = ()
    lost: tuple[str, ...] = ()


def begin(world: World, bank: BankProcess, account: str) -> None:
    """Fill a new world: Ana's home, a cart of milk that waits for her, and an account with its permission."""
    bank.post("/accounts", token=account, currency="EUR", balance_minor=DEPOSIT_MINOR)
    limit = Money(5_000, "EUR")
    mandate = world.providers.open("sandbox").setup_mandate(SetupMandate(account, account, account, limit))
    assert isinstance(mandate, MandateActive)
    sealed = world.providers.seal(account, household_id=HOME, method_id="method")
    rest = [one for one in home(enabled=False) if not isinstance(one, PaymentMethod | Mandate)]
    method = build(PaymentMethod, token_sealed=sealed)
    permission = build(Mandate, id=account, provider_ref=mandate.mandate_ref)
    world.add(*rest, method, permission, build(Forecast), build(Plan), build(Cart), build(Line))


def _ana(world: World) -> Member:
    return world.the(Member)


def _nothing(_: World, __: BankProcess) -> None:
    """Nothing has happened before."""


def _linked(world: World, _: BankProcess) -> None:
    account = second_account(world)
    link_account(world.services, _ana(world), adapter_name="sandbox", token=account, label="Second", limits=LIMITS)


def _unlinked(world: World, _: BankProcess) -> None:
    unlink_account(world.services, _ana(world), "method")


def _approved(world: World, _: BankProcess) -> None:
    world.decide(Approve(None))


def _undone(world: World, _: BankProcess) -> None:
    world.decide(Approve(None))
    world.work_to_rest(until=lambda: world.the(Cart).state is CartState.HELD)
    world.decide(Undo())


def _shipped(world: World, _: BankProcess) -> None:
    world.decide(Approve(None))
    world.work_to_rest()
    with world.shop.opened() as shop:
        shop.ship()
    world.clock.move(now_us=HOUR_US)


def _lost(world: World, bank: BankProcess) -> None:
    _shipped(world, bank)
    world.work_to_rest()
    with world.shop.opened() as shop:
        shop.lose()
    world.enqueue("observe", world.the(Order).id)


def _paid_in(world: World, _: BankProcess) -> None:
    sealed = world.providers.seal(HOME, household_id=HOME, method_id="balance")
    world.add(
        build(PaymentMethod, id="balance", adapter="balance", funding=Funding.BALANCE, token_sealed=sealed, rank=1)
    )
    with world.store.begin() as tx:
        give_credit(tx, HOME, 500, by="operator", reason="welcome", now_us=world.clock.now_us())


ORDERED = {"setup_mandate": 1, "authorize": 1}
PAID = ORDERED | {"capture": 1}
LINKED_TWICE = {"setup_mandate": 2}

STORIES: dict[str, Story] = {
    "link": Story("link", _nothing, LINKED_TWICE, act="link", besides=(CrashPoint.CLAIMED,)),
    "link again": Story("set_up", _linked, LINKED_TWICE, lost=("setup_mandate:drop_before",)),
    "look a permission up": Story("sync", _linked, LINKED_TWICE, lost=("setup_mandate:drop_after",)),
    "unlink": Story("unlink", _nothing, {"setup_mandate": 1, "revoke_mandate": 1}, act="unlink", besides=ONLY_HERE),
    "revoke": Story("revoke", _unlinked, {"setup_mandate": 1, "revoke_mandate": 1}),
    "authorize": Story("authorize", _approved, ORDERED),
    "look a hold up": Story("sync", _approved, ORDERED, lost=("authorize:drop_after",)),
    "authorize again": Story("sync", _approved, ORDERED, lost=("authorize:drop_before",)),
    "place": Story("place", _approved, ORDERED),
    "observe": Story("observe", _shipped, PAID),
    "capture": Story("capture", _shipped, PAID),
    "look a debit up": Story("sync", _shipped, PAID, lost=("capture:500_after",)),
    "capture again": Story("sync", _shipped, PAID, lost=("capture:500",)),
    "void": Story("release", _undone, ORDERED | {"void": 1}),
    "void again": Story("sync", _undone, ORDERED | {"void": 1}, lost=("void:drop_before",)),
    "refund": Story("refund", _lost, PAID | {"refund": 1}),
    "look a refund up": Story("sync", _lost, PAID | {"refund": 1}, lost=("refund:drop_after",)),
    "credit": Story("credit", _paid_in, {"setup_mandate": 1}),
}


def second_account(world: World) -> str:
    """Return the name of the account that is linked while the gateway dies."""
    return f"{world.site.account}-2"
