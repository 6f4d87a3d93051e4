"""How many debits a second one worker makes at the sandbox bank, beside a script that only calls and commits."""

import sqlite3
import statistics
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from time import perf_counter

import httpx
from pydantic import SecretStr
from sqlalchemy import event

from gateway.assembly import Gateway, new_id
from gateway.bench.ground import START_US, Figures, Ground
from gateway.bench.ledger import WHAT, measure_ledger
from gateway.domain.approval import Approval, ApprovalState
from gateway.domain.cart import Cart, CartState
from gateway.domain.household import Member
from gateway.domain.order import Order, OrderState, Shipment, ShipmentState
from gateway.domain.payment import Attempt, AttemptState, Mandate
from gateway.domain.records import HouseholdItem, MerchantAccount
from gateway.domain.replenishment import DAY_US
from gateway.steps import CALLS_OUT
from gateway.steps.acts.household import add_household
from gateway.steps.acts.limits import Limits
from gateway.steps.acts.wallet import link_account
from gateway.store.merchant_secrets import seal_merchant
from gateway.worker import BATCH
from payments.adapter import Authorize, Authorized, Capture, Captured, PaymentAdapter
from payments.money import Money

CYCLES = 60
ROUNDS = 5
PRICE_MINOR = 1_299
TOKEN = "bench"  # noqa: S105 — a bank of our own on the loopback, gone afterwards
ACCOUNT = "ana"
SHOP_ID = "bench-shop"
LIMITS = Limits(standing=False, per_order_minor=100_000, per_period_minor=100_000_000, period_days=30)
MOST_CLAIMS = 10 * CYCLES


@dataclass(frozen=True, slots=True)
class _Customer:
    """Who pays: an owner with an account at the bank and a mandate."""

    owner: Member
    mandate: Mandate


@dataclass(frozen=True, slots=True)
class _Round:
    """One round: how long the steps and the script took for the same number of cycles."""

    steps_s: float
    script_s: float
    commits_a_cycle: int


def measure_payments(ground: Ground) -> Figures:
    """Authorize and capture through the real steps, then the same calls and commits by a script, in turns."""
    with ground.bank(ground.directory / "bank", TOKEN) as port:
        url = f"http://127.0.0.1:{port}"
        gateway = ground.install(
            payment_settings={"sandbox": {"url": url}}, payment_secrets={"sandbox": {"token": SecretStr(TOKEN)}}
        )
        try:
            customer = _open_accounts(gateway, url)
            rounds = [_round(ground, gateway, customer) for _ in range(ROUNDS)]
        finally:
            gateway.close()
    of_the_ledger = measure_ledger(ground.beside("ledger"))
    return {
        "what": f"{CYCLES} carts a round are held and captured at the sandbox bank (a process of its own) by the steps "
        f"authorize and capture, one worker, one after the other. The script makes the same two calls a cycle by the "
        f"same adapter, and as many commits of one row. The median of {ROUNDS} rounds, in turns. {WHAT}",
        **of_the_ledger,
        "cycles_a_second": statistics.median(CYCLES / one.steps_s for one in rounds),
        "cycles_a_second_of_the_script": statistics.median(CYCLES / one.script_s for one in rounds),
        "part_of_the_script": statistics.median(one.script_s / one.steps_s for one in rounds),
        "commits_a_cycle": rounds[-1].commits_a_cycle,
        "calls_a_cycle": 2,
    }


def _round(ground: Ground, gateway: Gateway, customer: _Customer) -> _Round:
    commits = 0

    def count(_connection: object) -> None:
        nonlocal commits
        commits += 1

    carts = _approved_carts(gateway, customer)
    event.listen(gateway.engine, "commit", count)
    held_s = _run(gateway, "authorize", CYCLES)
    event.remove(gateway.engine, "commit", count)
    _ship(gateway, customer.owner.household_id, carts)
    event.listen(gateway.engine, "commit", count)
    captured_s = _run(gateway, "capture", CYCLES)
    event.remove(gateway.engine, "commit", count)
    commits_a_cycle = round(commits / CYCLES)
    script_s = _by_script(ground, gateway, customer, commits_a_cycle)
    return _Round(held_s + captured_s, script_s, commits_a_cycle)


def _run(gateway: Gateway, step: str, wanted: int) -> float:
    """Claim and run the rows of one step as a worker does; other rows (place, observe) are taken back untimed."""
    done, took_s = 0, 0.0
    for _ in range(MOST_CLAIMS):
        start = perf_counter()
        items = gateway.queue.claim(gateway.clock.now_us(), limit=BATCH, per_household=BATCH)
        for item in items:
            if item.step == step and isinstance(item, HouseholdItem):
                CALLS_OUT[step](item, gateway.services)
                done += 1
        took_s += perf_counter() - start
        with gateway.unit_of_work.begin() as tx:
            for item in items:
                if item.step != step:
                    tx.complete(item)
        if done == wanted:
            return took_s
    raise RuntimeError(f"{done} of {wanted} rows of {step} were found")


def _approved_carts(gateway: Gateway, customer: _Customer) -> list[str]:
    """Leave carts that the owner has just approved; their undo time never ends, so that none is sent to a shop."""
    household_id, carts = customer.owner.household_id, []
    with gateway.unit_of_work.begin() as tx:
        for _ in range(CYCLES):
            cart = Cart(
                id=tx.new_id(),
                household_id=household_id,
                merchant_id=SHOP_ID,
                state=CartState.APPROVED,
                version=1,
                currency="EUR",
                goods_minor=PRICE_MINOR,
                delivery_minor=0,
                free_delivery_from_minor=None,
                delivery_price_minor=0,
                quote_ref="",
                promised_us=None,
                decide_by_us=None,
                snoozed_until_us=None,
                signed=True,
                needs_person=(),
                note="",
                created_us=START_US,
            )
            tx.add(cart)
            tx.add(
                Approval(
                    id=tx.new_id(),
                    household_id=household_id,
                    cart_id=cart.id,
                    cart_version=1,
                    member_id=customer.owner.id,
                    mandate_id=customer.mandate.id,
                    payment_method_id=customer.mandate.payment_method_id,
                    by_mandate=False,
                    amount_minor=PRICE_MINOR,
                    currency="EUR",
                    state=ApprovalState.STANDING,
                    at_us=START_US,
                    send_not_before_wall_us=gateway.clock.wall_us() + DAY_US,
                )
            )
            tx.enqueue("authorize", household_id, cart.id, due_us=START_US)
            carts.append(cart.id)
    return carts


def _ship(gateway: Gateway, household_id: str, carts: list[str]) -> None:
    """Leave an order with one shipped parcel for each cart that is held."""
    with gateway.unit_of_work.begin() as tx:
        held = tx.find(Attempt, household_id, state=AttemptState.AUTHORIZED, cart_id=frozenset(carts))
        if len(held) != CYCLES:
            raise RuntimeError(f"{len(held)} of {CYCLES} carts are held")
        for attempt in held:
            order = Order(
                id=tx.new_id(),
                household_id=household_id,
                cart_id=attempt.cart_id,
                attempt_id=attempt.id,
                merchant_id=SHOP_ID,
                merchant_ref=attempt.id,
                state=OrderState.SHIPPED,
                currency="EUR",
                total_minor=PRICE_MINOR,
                promised_us=None,
                placed_us=START_US,
                closed_us=None,
                late=False,
                looks=0,
                note="",
                created_us=START_US,
            )
            parcel = Shipment(
                id=tx.new_id(),
                household_id=household_id,
                order_id=order.id,
                merchant_ref=order.id,
                state=ShipmentState.SHIPPED,
                amount_minor=PRICE_MINOR,
                currency="EUR",
                shipped_us=START_US,
                delivered_us=None,
            )
            tx.add(order)
            tx.add(parcel)
            tx.cancel_work("place", attempt.cart_id)
            tx.enqueue("capture", household_id, parcel.id, due_us=START_US)


def _by_script(ground: Ground, gateway: Gateway, customer: _Customer, commits_a_cycle: int) -> float:
    """Hold and capture with nothing around it but commits of one row, half of them after each call."""
    bank = gateway.providers.open("sandbox")
    with closing(sqlite3.connect(ground.directory / "script.db", isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("CREATE TABLE IF NOT EXISTS done (id TEXT PRIMARY KEY, note TEXT)")

        def commit(times: int) -> None:
            for _ in range(times):
                database.execute("INSERT INTO done VALUES (?, ?)", (new_id(), "x" * 200))

        start = perf_counter()
        for _ in range(CYCLES):
            _hold_and_capture(bank, customer, commit, commits_a_cycle)
        return perf_counter() - start


def _hold_and_capture(
    bank: PaymentAdapter, customer: _Customer, commit: Callable[[int], None], commits_a_cycle: int
) -> None:
    price = Money(PRICE_MINOR, "EUR")
    key = new_id()
    held = bank.authorize(Authorize(key, key, price, ACCOUNT, customer.mandate.provider_ref))
    commit(commits_a_cycle - commits_a_cycle // 2)
    assert isinstance(held, Authorized), held
    key = new_id()
    captured = bank.capture(Capture(key, key, price, held.provider_ref))
    commit(commits_a_cycle // 2)
    assert isinstance(captured, Captured), captured


def _open_accounts(gateway: Gateway, url: str) -> _Customer:
    account = {"token": ACCOUNT, "currency": "EUR", "balance_minor": 10**9}
    answer = httpx.post(f"{url}/accounts", json=account, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10)
    answer.raise_for_status()
    with gateway.unit_of_work.begin() as tx:
        _, owner = add_household(
            tx,
            name="Bench Lane 1",
            time_zone="UTC",
            currency="EUR",
            owner_name="Ana",
            owner_email="ana@example.org",
            now_us=START_US,
        )
        tx.add(
            MerchantAccount(
                id=SHOP_ID,
                name="Bench shop",
                adapter="http_shop",
                settings={},
                secret_sealed=seal_merchant(gateway.vault, SHOP_ID, "unused"),
                currency="EUR",
                lead_time_days=2,
            )
        )
    mandate = link_account(
        gateway.services, owner, adapter_name="sandbox", token=ACCOUNT, label="Current account", limits=LIMITS
    )
    return _Customer(owner, mandate)
