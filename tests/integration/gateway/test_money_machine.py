"""One cart's money under arbitrary faults, repeats, crashes and clock jumps: the invariants that never bend."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gateway.domain.cart import Cart, CartState, Line
from gateway.domain.errors import DomainError
from gateway.domain.household import Member
from gateway.domain.order import Order, Shipment
from gateway.domain.payment import Attempt, Operation, OperationState, Posting, Reservation, ReservationState
from gateway.domain.records import HouseholdItem, WorkItem
from gateway.domain.replenishment import HOUR_US, Policy
from gateway.steps import CALLS_OUT
from gateway.steps.acts.household import freeze_method
from gateway.steps.approve import Approve, ChangePacks, Undo
from gateway.steps.cancel import cancel_order
from gateway.steps.ports import LeaseLost, MerchantError, Transaction
from payments.errors import PaymentError
from tests.builders import HOME
from tests.databases import Databases
from tests.homes import home, known_level
from tests.rig import Crash, Rig

PACKS = 4
# The stories are the same, and a statement takes longer on a server.
EXAMPLES = {"sqlite": 60, "postgresql": 12}
BANK_FAULTS = st.sampled_from(
    ["not_sent", "lost", "500", "silent", "decline", "decline_hard", "invalid", "pending", "step_up", "delayed"]
)
SHOP_FAULTS = st.sampled_from(["not_sent", "lost", "silent", "rejected"])
REPEATED = st.sampled_from(["authorize", "place", "capture", "observe", "release", "sync", "refund"])


class MoneyMachine(RuleBasedStateMachine):
    """A household, a bank and a shop that misbehave; the machine's own record of what was approved."""

    def __init__(self, databases: Databases) -> None:
        super().__init__()
        self.rig = Rig(databases, *home(), known_level("milk", 0.15))
        self.zombies: list[WorkItem] = []

    @initialize(begins=st.sampled_from(["with a cart", "with a hold", "with an order", "with a parcel"]))
    def the_story_begins(self, begins: str) -> None:
        rig = self.rig
        rig.shop.sell("milk-usual", 120)
        rig.enqueue("forecast", "milk")
        rig.pass_days(0.1)
        rig.decide(ChangePacks(rig.the(Line).id, PACKS))
        # One cart is enough: nothing new is planned.
        policy = rig.the(Policy)
        rig.save(type(policy)(**{name: getattr(policy, name) for name in policy.__slots__} | {"enabled": False}))
        self.cart_id = rig.the(Cart).id
        if begins == "with a cart":
            return
        rig.say_yes()
        while begins == "with a hold" and rig.the(Cart).state is CartState.APPROVED:
            rig.run_round()
        if begins != "with a hold":
            rig.work_off()
        if begins == "with a parcel":
            rig.shop.ship(2)

    # What people do

    @precondition(lambda self: self._stands(CartState.AWAITING_APPROVAL))
    @rule()
    def approve(self) -> None:
        self._try(lambda: self.rig.decide(Approve(None), self.cart_id))

    @precondition(lambda self: self._stands(CartState.APPROVED, CartState.HELD))
    @rule()
    def undo(self) -> None:
        self._try(lambda: self.rig.decide(Undo(), self.cart_id))

    @precondition(lambda self: self.rig.rows(Order))
    @rule()
    def call_off(self) -> None:
        self._try(
            lambda: self._change(lambda tx, ana: cancel_order(tx, ana, self._order_id(), now_us=self.rig.clock.now))
        )

    @rule()
    def allow_the_account_again(self) -> None:
        self._try(lambda: self._change(lambda tx, ana: freeze_method(tx, ana, "method", frozen=False)))

    # What the world does

    @rule(kind=st.sampled_from(["authorize", "capture", "void", "refund"]), fault=BANK_FAULTS)
    def the_bank_will_fail(self, kind: str, fault: str) -> None:
        self.rig.bank.fail(kind, fault)

    @precondition(lambda self: not self.rig.shop.orders)
    @rule(fault=SHOP_FAULTS)
    def the_shop_will_fail(self, fault: str) -> None:
        self.rig.shop.faults.append(fault)

    @rule()
    def the_bank_decides_and_what_was_delayed_arrives(self) -> None:
        self.rig.bank.decide()
        self.rig.bank.deliver()

    @precondition(lambda self: self._unsent() > 0)
    @rule(packs=st.integers(1, PACKS), dear=st.booleans())
    def the_shop_ships(self, packs: int, dear: bool) -> None:
        self.rig.shop.ship(min(packs, self._unsent()), amount_minor=900 if dear else None)

    @precondition(lambda self: self._parcels("shipped"))
    @rule(lacking=st.integers(0, 1), lost=st.booleans())
    def a_parcel_ends(self, lacking: int, lost: bool) -> None:
        parcel = self._parcels("shipped")[0]
        if lost:
            self.rig.shop.lose(parcel.parcel_ref)
        else:
            self.rig.shop.deliver(parcel.parcel_ref, lacking=min(lacking, parcel.lines[0].packs))

    @precondition(lambda self: len(self.rig.shop.orders) == 1)
    @rule()
    def the_shop_cancels(self) -> None:
        self.rig.shop.cancel(self.rig.shop.only)

    @rule(seconds=st.sampled_from([1, 20, 61, 3_600, 100_000]), hours=st.sampled_from([0, 1, 2, 30]))
    def time_passes(self, seconds: int, hours: int) -> None:
        self.rig.clock.wall += seconds * 1_000_000
        self.rig.clock.now += hours * HOUR_US

    # What the machine room does

    @rule(rounds=st.integers(1, 4))
    def work(self, rounds: int) -> None:
        for _ in range(rounds):
            self.rig.run_round()

    @rule(at=st.integers(1, 12))
    def work_and_die(self, at: int) -> None:
        self.rig.bomb.passed, self.rig.bomb.at = 0, at
        try:
            self.work(2)
        except Crash:
            self.rig.restart()
        self.rig.bomb.at = 0

    @rule(step=REPEATED)
    def somebody_asks_again(self, step: str) -> None:
        with self.rig.store.read() as tx:
            subjects: dict[str, list[str]] = {
                "authorize": [self.cart_id],
                "place": [self.cart_id],
                "capture": [one.id for one in tx.find(Shipment, None)],
                "observe": [one.id for one in tx.find(Order, None)],
                "release": [one.id for one in tx.find(Attempt, None)],
                "sync": [one.id for one in tx.find(Operation, None)],
                "refund": [one.id for one in tx.find(Operation, None) if one.kind == "refund"],
            }
        # Nobody asks for a hold to be released while its order is on its way; observe and undo do that.
        if step == "release" and self.rig.rows(Order):
            return
        for subject in subjects[step]:
            self.rig.enqueue(step, subject)

    @rule()
    def a_worker_falls_asleep(self) -> None:
        self.zombies.extend(self.rig.queue.claim(self.rig.clock.now, limit=2, per_household=2))

    @precondition(lambda self: self.zombies)
    @rule()
    def a_worker_wakes(self) -> None:
        item = self.zombies.pop(0)
        if isinstance(item, HouseholdItem) and item.step in CALLS_OUT:
            self._try(lambda: CALLS_OUT[item.step](item, self.rig.services))

    # What never bends

    @invariant()
    def no_cart_is_debited_twice(self) -> None:
        bank = self.rig.bank
        captured: dict[str, int] = {}
        for hold_ref, amount in bank.captures.values():
            captured[hold_ref] = captured.get(hold_ref, 0) + amount.amount_minor
        assert len(captured) <= 1
        for hold_ref, minor in captured.items():
            assert minor <= bank.holds[hold_ref].amount.amount_minor
        assert len([hold for hold in bank.holds.values() if hold.left_minor and not hold.captured_minor]) <= 1
        assert bank.debited_minor >= 0
        assert len(self.rig.shop.orders) <= 1

    @invariant()
    def journals_sum_to_zero(self) -> None:
        assert sum(one.amount_minor for one in self.rig.rows(Posting)) == 0

    def teardown(self) -> None:
        rig = self.rig
        try:
            if hasattr(self, "cart_id"):
                self._come_to_rest()
        finally:
            rig.close()

    def _come_to_rest(self) -> None:
        """Let every fault be over and all be done: then ledger, operations and the bank's book are one."""
        rig = self.rig
        for faults in rig.bank.faults.values():
            faults.clear()
        rig.shop.faults.clear()
        rig.bank.deliver()
        rig.bank.decide()
        rig.pass_days(2)
        assert rig.differences() == []
        self.no_cart_is_debited_twice()
        self.journals_sum_to_zero()
        under_review = any(one.state is OperationState.MANUAL_REVIEW for one in rig.rows(Operation))
        cart = rig.rows(Cart)[0]
        if not under_review and cart.state in {CartState.AWAITING_APPROVAL, CartState.DECLINED, CartState.EXPIRED}:
            assert rig.bank.held_minor == 0
            assert {one.state for one in rig.rows(Reservation)} <= {ReservationState.FREED}

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except (DomainError, LeaseLost, PaymentError, MerchantError):
            return  # refused in words, or tried again later: both are right answers

    def _change(self, act: Callable[[Transaction, Member], object]) -> None:
        with self.rig.store.begin() as tx:
            act(tx, tx.get(Member, HOME, "ana"))

    def _order_id(self) -> str:
        return self.rig.rows(Order)[-1].id

    def _stands(self, *states: CartState) -> bool:
        return hasattr(self, "cart_id") and self.rig.rows(Cart)[0].state in states

    def _unsent(self) -> int:
        if len(self.rig.shop.orders) != 1:
            return 0
        order = self.rig.shop.orders[self.rig.shop.only]
        sent = sum(line.packs for parcel in order.parcels for line in parcel.lines)
        return 0 if order.state != "accepted" else order.lines[0].packs - sent

    def _parcels(self, state: str) -> list[Any]:
        if len(self.rig.shop.orders) != 1:
            return []
        return [parcel for parcel in self.rig.shop.orders[self.rig.shop.only].parcels if parcel.state == state]


def test_no_story_of_faults_repeats_and_crashes_moves_money_wrongly(databases: Databases) -> None:
    chosen = settings(
        max_examples=EXAMPLES[databases.name],
        stateful_step_count=30,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(lambda: MoneyMachine(databases), settings=chosen)
