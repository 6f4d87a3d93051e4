"""Calls side by side: who hangs holds up nobody else, and each call takes effect once."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy import select

from gateway.domain.cart import Cart, CartState
from gateway.domain.credit import Credit
from gateway.domain.household import Household, Member
from gateway.domain.order import Order
from gateway.domain.payment import Attempt, AttemptState, Mandate, PaymentMethod
from gateway.domain.records import HouseholdItem, MerchantAccount
from gateway.domain.replenishment import HOUR_US, Forecast
from gateway.domain.stock import Device, PackOption
from gateway.steps import CALLS_OUT
from gateway.steps.ports import Merchant, Services
from gateway.store.tables import WorkRow
from gateway.store.unit_of_work import LEASE_US
from gateway.store.work_queue import WorkQueue
from gateway.worker import Worker, rounds
from payments.adapter import Authorize, Outcome
from tests.builders import HOME, build
from tests.fake_bank import FakeBank, FakeProviders
from tests.fake_shop import FakeShop
from tests.homes import home, known_level, supply
from tests.integration.intake.wire import eventually
from tests.rig import UNDO_US, Rig

OpenRig = Callable[..., Rig]
LAKE = "lake"
WITHIN_S = 20

_work: Any = WorkRow.__table__  # type: ignore[attr-defined]  # SQLModel makes it


class HangingBank(FakeBank):
    """A bank that takes every authorization and answers none before it is let go."""

    def hang(self) -> None:
        self.asked = threading.Semaphore(0)
        self.go_on = threading.Event()

    def authorize(self, request: Authorize) -> Outcome:
        outcome = super().authorize(request)
        self.asked.release()
        assert self.go_on.wait(WITHIN_S)
        return outcome


@dataclass
class Providers(FakeProviders):
    """A bank for each adapter name."""

    banks: dict[str, FakeBank]

    def open(self, name: str) -> FakeBank:
        return self.banks[name]


@dataclass
class Merchants:
    """A shop for each account."""

    shops: dict[str, FakeShop]

    def open(self, account: MerchantAccount) -> Merchant:
        return self.shops[account.id]


def lake() -> list[object]:
    """Return another household, at another bank and another shop, whose standing mandate says yes."""
    rows: list[object] = [
        build(MerchantAccount, id="market"),
        build(Household, id=LAKE, household_id=LAKE),
        build(Member, id="lea", household_id=LAKE, email="lea@example.org"),
        build(Device, id="lake-fridge", household_id=LAKE),
    ]
    milk = supply("lake-milk", kind="milk", device_id="lake-fridge")
    for row in (*milk, known_level("lake-milk", 0.15)):
        of_lake = replace(row, household_id=LAKE)  # type: ignore[type-var]  # a dataclass, whichever
        rows.append(replace(of_lake, merchant_id="market") if isinstance(of_lake, PackOption) else of_lake)
    rows.append(build(PaymentMethod, id="lake-method", household_id=LAKE, adapter="other"))
    rows.append(build(Mandate, id="lake-mandate", household_id=LAKE, payment_method_id="lake-method", standing=True))
    return rows


@dataclass
class Town:
    """Two households over one store; Ana's bank hangs."""

    rig: Rig
    bank: HangingBank
    services: Services

    def worker(self, *, calls_at_once: int, holder: str = "side by side") -> Worker:
        queue = WorkQueue(self.rig.engine, holder, self.rig.clock.wall_us)
        return Worker(self.services, queue, calls_at_once=calls_at_once)

    @contextmanager
    def working(self, *, calls_at_once: int) -> Iterator[Worker]:
        worker = self.worker(calls_at_once=calls_at_once)
        thread = threading.Thread(target=worker.run)
        thread.start()
        try:
            yield worker
        finally:
            self.bank.go_on.set()
            worker.stop()
            thread.join(timeout=WITHIN_S)
            assert not thread.is_alive()


@pytest.fixture
def town(open_rig: OpenRig) -> Town:
    rig = open_rig(*home(), known_level("milk", 0.15), *lake())
    bank = HangingBank()
    bank.hang()
    market = FakeShop(rig.clock)
    rig.shop.sell("milk-usual", 120)
    market.sell("lake-milk-usual", 120)
    services = replace(
        rig.services,
        providers=Providers(bank, {"sandbox": bank, "other": FakeBank()}),
        merchants=Merchants({"shop": rig.shop, "market": market}),
    )
    rig.enqueue("forecast", "milk")
    rig.pass_days(0.1)
    rig.say_yes()
    return Town(rig, bank, services)


def test_a_bank_that_hangs_does_not_delay_another_households_order_elsewhere(town: Town) -> None:
    rig = town.rig
    with town.working(calls_at_once=4):
        assert town.bank.asked.acquire(timeout=WITHIN_S)
        rig.enqueue("forecast", "lake-milk", household_id=LAKE)
        eventually(lambda: rig.rows(Forecast, LAKE, current=True), timeout_seconds=WITHIN_S)

        def is_ordered() -> bool:
            rig.clock.now += HOUR_US // 20
            rig.clock.wall += UNDO_US // 50
            carts = rig.rows(Cart, LAKE)
            return [cart.state for cart in carts] == [CartState.ORDERED]

        eventually(is_ordered, timeout_seconds=WITHIN_S)
        assert [one.state for one in rig.rows(Attempt, HOME)] == [AttemptState.UNKNOWN]
    rig.clock.wall += UNDO_US
    rig.work_off()
    assert len(rig.rows(Order, HOME)) == 1


def test_with_one_call_at_once_everybody_waits_their_turn(town: Town) -> None:
    rig = town.rig
    with town.working(calls_at_once=1):
        assert town.bank.asked.acquire(timeout=WITHIN_S)
        rig.enqueue("forecast", "lake-milk", household_id=LAKE)
        assert not threading.Event().wait(0.3)
        assert ("forecast", "lake-milk", rig.clock.now) in rig.waiting("forecast")


def test_a_call_that_takes_long_keeps_its_lease(town: Town) -> None:
    rig = town.rig
    worker = town.worker(calls_at_once=4)
    worker.run_once()
    assert town.bank.asked.acquire(timeout=WITHIN_S)
    other = WorkQueue(rig.engine, "another", rig.clock.wall_us)
    for _ in range(6):
        rig.clock.wall += LEASE_US // 2
        worker.run_once()
        assert [item for item in other.claim(rig.clock.now, limit=9, per_household=9) if item.step == "authorize"] == []
    town.bank.go_on.set()
    eventually(lambda: rig.the(Attempt).state is AttemptState.AUTHORIZED, timeout_seconds=WITHIN_S)


def test_a_call_that_never_ends_is_taken_over_and_takes_effect_once(town: Town) -> None:
    rig = town.rig
    stuck = town.worker(calls_at_once=4)
    stuck.run_once()
    assert town.bank.asked.acquire(timeout=WITHIN_S)
    rig.clock.wall += rounds.LONGEST_CALL_US
    stuck.run_once()
    rig.clock.wall += LEASE_US + 1
    other = town.worker(calls_at_once=4, holder="another")
    other.run_once()
    assert town.bank.asked.acquire(timeout=WITHIN_S)
    assert len({key for _, key in town.bank.sent}) == 1
    town.bank.go_on.set()
    eventually(lambda: rig.the(Attempt).state is AttemptState.AUTHORIZED, timeout_seconds=WITHIN_S)
    assert len(town.bank.holds) == 1
    with rig.store.read() as tx:
        assert not tx.is_waiting("authorize", rig.the(Cart).id)


def test_a_stop_leaves_a_call_that_hangs_to_its_lease(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "STOP_CALLS_WITHIN_S", 0.05)
    rig = town.rig
    worker = town.worker(calls_at_once=4)
    thread = threading.Thread(target=worker.run)
    thread.start()
    assert town.bank.asked.acquire(timeout=WITHIN_S)
    worker.stop()
    thread.join(timeout=WITHIN_S)
    assert not thread.is_alive()
    with rig.store.read() as tx:
        assert tx.is_waiting("authorize", rig.the(Cart).id)
    town.bank.go_on.set()
    eventually(lambda: not worker._calls.underway())


def test_the_rest_of_the_work_goes_on_while_a_bank_hangs(town: Town) -> None:
    rig = town.rig
    with town.working(calls_at_once=2):
        assert town.bank.asked.acquire(timeout=WITHIN_S)
        rig.enqueue("plan", "milk")
        rig.inbox.append(b"rubbish", rig.clock.now)
        eventually(lambda: rig.waiting("plan") == rig.waiting("record") == [], timeout_seconds=WITHIN_S)


def test_much_work_of_one_household_at_one_shop_leaves_others_a_place(
    open_rig: OpenRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = open_rig(*home(), build(MerchantAccount, id="market"), build(Household, id=LAKE, household_id=LAKE))
    for number in range(200):
        rig.enqueue("fill", f"{HOME}/shop-{number}", due_us=0)
    rig.enqueue("fill", f"{LAKE}/shop-7", household_id=LAKE, due_us=1)
    done: list[str] = []
    monkeypatch.setattr(rounds, "CALLS_OUT", {**CALLS_OUT, "fill": lambda item, _: done.append(item.subject_id)})
    worker = Worker(rig.services, rig.queue, calls_at_once=4)
    worker.run_once()
    assert worker._calls.wait(WITHIN_S)
    assert f"{LAKE}/shop-7" in done
    assert len(done) <= 4


def test_every_row_of_work_says_whom_it_will_call(town: Town) -> None:
    rig, seen = town.rig, set[tuple[str, str]]()
    town.bank.go_on.set()
    worker = town.worker(calls_at_once=1)

    def work() -> None:
        for _ in range(30):
            with rig.engine.connect() as connection:
                seen.update((row.step, row.counterpart) for row in connection.execute(select(_work)))
            worker.run_once()
            rig.clock.wall += UNDO_US

    work()
    parcel = rig.shop.ship()
    for moved in (lambda: rig.shop.deliver(parcel, lacking=1), lambda: None):
        rig.clock.now += HOUR_US
        work()
        moved()
    rig.enqueue("fill", f"{HOME}/shop")
    rig.enqueue("settle", "sandbox", household_id=None)
    rig.enqueue("revoke", "mandate")
    rig.add(build(Credit, payment_method_id="method"))
    rig.enqueue("credit", "credit")
    with rig.engine.connect() as connection:
        seen.update((row.step, row.counterpart) for row in connection.execute(select(_work)))
    assert seen >= {
        ("fill", "merchant/shop"),
        ("authorize", "payment/sandbox"),
        ("place", "merchant/shop"),
        ("observe", "merchant/shop"),
        ("capture", "payment/sandbox"),
        ("refund", "payment/sandbox"),
        ("settle", "payment/sandbox"),
        ("revoke", "payment/sandbox"),
        ("credit", "payment/sandbox"),
        ("forecast", ""),
    }
    assert {step for step, counterpart in seen if step == counterpart} <= {"challenge"}


def test_two_workers_with_many_places_do_each_call_once(open_rig: OpenRig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = open_rig(*home())
    done: list[str] = []

    def fill(item: HouseholdItem, services: Services) -> None:
        with services.unit_of_work.begin() as tx:
            tx.complete(item)
        done.append(item.subject_id)

    monkeypatch.setattr(rounds, "CALLS_OUT", {**CALLS_OUT, "fill": fill})
    wanted = {f"{HOME}/shop-{number}" for number in range(60)}
    for subject in wanted:
        rig.enqueue("fill", subject)
    workers = [
        Worker(rig.services, WorkQueue(rig.engine, f"worker-{number}", rig.clock.wall_us), calls_at_once=8)
        for number in range(2)
    ]
    threads = [threading.Thread(target=worker.run) for worker in workers]
    for thread in threads:
        thread.start()
    eventually(lambda: rig.waiting() == [], timeout_seconds=WITHIN_S)
    for worker, thread in zip(workers, threads, strict=True):
        worker.stop()
        thread.join(timeout=WITHIN_S)
    assert sorted(done) == sorted(wanted)
