"""Two carts' money under arbitrary faults, repeats, crashes and clock jumps: the invariants that never bend."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.domain.cart import Cart, CartState, Line
from gateway.domain.errors import DomainError
from gateway.domain.household import Member
from gateway.domain.order import Order, Shipment
from gateway.domain.payment import (
    UNCLOSED_OPERATION_STATES,
    Attempt,
    Mandate,
    MandateState,
    MethodState,
    Operation,
    OperationKind,
    OperationState,
    PaymentMethod,
    Posting,
    Reservation,
    ReservationState,
)
from gateway.domain.records import HouseholdItem, Notice, WorkItem
from gateway.domain.replenishment import HOUR_US, Forecast, Plan
from gateway.steps import CALLS_OUT
from gateway.steps.acts.household import freeze_everything, freeze_method, unfreeze_everything
from gateway.steps.acts.wallet import Limits, set_limits, unlink_account
from gateway.steps.approve import Approve, Undo
from gateway.steps.cancel import cancel_order
from gateway.steps.ports import LeaseLost, MerchantError, Transaction
from payments.errors import PaymentError
from tests.builders import HOME, build
from tests.databases import Databases
from tests.homes import home, supply
from tests.rig import Crash, Rig
from tests.tricky_bank import WAYS, TrickyBank

PACKS = 4
TOTAL_MINOR = 770
BACK_S = 500  # less than the margin before a key's end: a clock set back by more could send one that is forgotten
CARTS = st.sampled_from(["cart", "cart-2"])
METHODS = st.sampled_from(["method", "method-2"])
KINDS = st.sampled_from(["authorize", "capture", "void", "refund"])
LOST = ["not_sent", "lost", "500", "silent", "delayed"]
DECIDED = ["decline", "decline_hard", "decline_mandate", "invalid", "pending", "step_up"]
BANK_FAULTS = st.sampled_from([*LOST, *DECIDED])
SHOP_FAULTS = st.sampled_from(["not_sent", "lost", "silent", "rejected"])
REPEATED = st.sampled_from(["authorize", "place", "capture", "observe", "release", "sync", "refund", "renew"])


def two_carts() -> list[object]:
    """Return Ana's home with two accounts, and a cart of milk and one of beans that wait for her."""
    second = {"supply_id": "beans", "forecast_id": "forecast-2", "pack_option_id": "beans-pack"}
    return [
        *home(enabled=False),
        *supply("beans", enabled=False),
        build(PaymentMethod, id="method-2", token_sealed=b"sealed:other", label="Savings", rank=1),
        build(Mandate, id="mandate-2", payment_method_id="method-2", provider_ref="their-mandate-2"),
        build(Forecast),
        build(Plan),
        build(Cart),
        build(Line),
        build(Forecast, id="forecast-2", supply_id="beans"),
        build(Plan, id="plan-2", **second),
        build(Cart, id="cart-2"),
        build(Line, id="line-2", cart_id="cart-2", plan_id="plan-2", supply_id="beans", pack_option_id="beans-pack"),
    ]


class MoneyMachine(RuleBasedStateMachine):
    """A household, a bank and a shop that misbehave; the machine's own record of what was approved."""

    def __init__(self, databases: Databases) -> None:
        super().__init__()
        self.rig = Rig(databases, *two_carts())
        self.latest_us = 0
        self.bank = TrickyBank(around=self.rig.bomb.tick, now_us=self.rig.clock.now_us, real_us=self._real_us)
        self.rig.providers.bank = self.rig.bank = self.bank
        self.zombies: list[WorkItem] = []
        self.taken_back: set[str] = set()
        self.notices = 0
        self.has_begun = False

    @initialize(
        way=st.sampled_from(list(WAYS)),
        begins=st.sampled_from(["with a cart", "with a hold", "with an order", "with a parcel"]),
    )
    def the_story_begins(self, way: str, begins: str) -> None:
        rig = self.rig
        self.has_begun = True
        self.bank.can = WAYS[way]
        self.bank.captures_once = not WAYS[way].multiple_captures
        rig.shop.sell("milk-usual", 120)
        if begins == "with a cart":
            return
        rig.say_yes("cart")
        while begins == "with a hold" and rig.the(Cart, id="cart").state is CartState.APPROVED:
            rig.run_round()
        if begins != "with a hold":
            rig.work_off()
        if begins == "with a parcel":
            rig.shop.ship(2)

    # What people do

    @rule(cart_id=CARTS, method_id=st.sampled_from([None, "method", "method-2"]))
    def approve(self, cart_id: str, method_id: str | None) -> None:
        self._try(lambda: self.rig.decide(Approve(method_id), cart_id))

    @rule(cart_id=CARTS)
    def undo(self, cart_id: str) -> None:
        self._try(lambda: self.rig.decide(Undo(), cart_id))

    @precondition(lambda self: self.rig.rows(Order))
    @rule()
    def call_off(self) -> None:
        order_id = self.rig.rows(Order)[-1].id
        self._change(lambda tx, ana: cancel_order(tx, ana, order_id, now_us=self.rig.clock.now))

    @rule(method_id=METHODS, frozen=st.booleans())
    def freeze_an_account_or_allow_it_again(self, method_id: str, frozen: bool) -> None:
        self._change(lambda tx, ana: freeze_method(tx, ana, method_id, frozen=frozen))

    @rule()
    def freeze_everything(self) -> None:
        self._change(lambda tx, ana: freeze_everything(tx, ana, now_us=self.rig.clock.now))

    @rule()
    def allow_everything_again(self) -> None:
        self._change(lambda tx, ana: unfreeze_everything(tx, ana, now_us=self.rig.clock.now))

    @rule(method_id=METHODS, per_order_minor=st.sampled_from([500, 5_000, 9_000]))
    def change_a_limit(self, method_id: str, per_order_minor: int) -> None:
        mandate_id = "mandate" if method_id == "method" else "mandate-2"
        limits = Limits(standing=False, per_order_minor=per_order_minor, per_period_minor=20_000, period_days=30)
        self._try(lambda: set_limits(self.rig.services, self._ana(), mandate_id, limits))

    @precondition(lambda self: self.rig.rows(Attempt))
    @rule()
    def unlink_the_second_account(self) -> None:
        self._try(lambda: unlink_account(self.rig.services, self._ana(), "method-2"))

    # What the world does

    @rule(kind=KINDS, fault=BANK_FAULTS)
    def the_bank_will_fail(self, kind: str, fault: str) -> None:
        self.bank.fail(kind, fault)

    @precondition(lambda self: not self.rig.shop.orders)
    @rule(fault=SHOP_FAULTS)
    def the_shop_will_fail(self, fault: str) -> None:
        self.rig.shop.faults.append(fault)

    @rule()
    def the_bank_decides_and_what_was_delayed_arrives(self) -> None:
        self.bank.decide()
        self.bank.deliver()

    @rule(lags=st.booleans())
    def what_the_bank_finds_lags_behind_or_has_caught_up(self, lags: bool) -> None:
        if lags:
            self.bank.lags = True
        else:
            self.bank.catch_up()

    @precondition(lambda self: self.bank.can.finality == "reversible" and self._may_be_taken_back())
    @rule()
    def the_bank_takes_a_debit_back(self) -> None:
        reference = self._may_be_taken_back()[0]
        self.bank.take_back(reference)
        self.taken_back.add(reference)

    @precondition(lambda self: self.rig.rows(Operation))
    @rule(of=st.integers(0, 20), signature=st.sampled_from(["good", "good", "bad"]), times=st.integers(1, 2))
    def a_notice_comes_in_any_order(self, of: int, signature: str, times: int) -> None:
        operations = self.rig.rows(Operation)
        for _ in range(times):
            self._tell(operations[of % len(operations)].id, signature)

    @precondition(lambda self: self._unsent())
    @rule(packs=st.integers(1, PACKS), dear=st.booleans())
    def the_shop_ships(self, packs: int, dear: bool) -> None:
        reference, left = self._unsent()[0]
        self.rig.shop.ship(min(packs, left), amount_minor=900 if dear else None, reference=reference)

    @precondition(lambda self: self._under_way())
    @rule(lacking=st.integers(0, 1), lost=st.booleans())
    def a_parcel_ends(self, lacking: int, lost: bool) -> None:
        reference, parcel = self._under_way()[0]
        if lost:
            self.rig.shop.lose(parcel.parcel_ref, reference=reference)
        else:
            few = min(lacking, parcel.lines[0].packs)
            self.rig.shop.deliver(parcel.parcel_ref, lacking=few, reference=reference)

    @precondition(lambda self: self.rig.shop.orders)
    @rule()
    def the_shop_cancels(self) -> None:
        self.rig.shop.cancel(next(iter(self.rig.shop.orders)))

    @rule(seconds=st.sampled_from([-BACK_S, 1, 20, 61, 3_600, 100_000]), hours=st.sampled_from([0, 1, 2, 30]))
    def time_passes_or_the_clock_is_set_back(self, seconds: int, hours: int) -> None:
        self._real_us()
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
        orders, operations = self.rig.rows(Order), self.rig.rows(Operation)
        subjects: dict[str, list[str]] = {
            "authorize": ["cart", "cart-2"],
            "place": ["cart", "cart-2"],
            "capture": [one.id for one in self.rig.rows(Shipment)],
            "observe": [one.id for one in orders],
            # Nobody asks for a hold to be released while its order is on its way; observe and undo do that.
            "release": [] if orders else [one.id for one in self.rig.rows(Attempt)],
            "sync": [one.id for one in operations],
            "refund": [one.id for one in operations if one.kind is OperationKind.REFUND],
            "renew": [f"{one.id}/method" for one in orders],
        }
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
    def each_effect_is_in_the_banks_book_once_and_none_above_the_yes(self) -> None:
        bank, operations = self.bank, {one.id: one for one in self.rig.rows(Operation)}
        carts = {one.id: one.cart_id for one in self.rig.rows(Attempt)}
        mandates = {one.id for one in self.rig.rows(Mandate)}
        assert max(bank.effects.values(), default=1) == 1
        known = operations.keys() | mandates | {f"{one}/revoke" for one in mandates}
        assert bank.effects.keys() <= known, "the bank did what we have no intention of"
        debited, billed, held = Counter[str](), Counter[str](), Counter[str]()
        for reference, (_, amount) in bank.captures.items():
            cart_id = carts[operations[reference].attempt_id]
            debited[cart_id] += amount.amount_minor
            billed[operations[reference].subject_id] += 1
        for hold in bank.holds.values():
            if hold.left_minor:
                held[carts[operations[hold.reference].attempt_id]] += 1
        assert max(debited.values(), default=0) <= TOTAL_MINOR
        assert max(billed.values(), default=0) <= 1, "a parcel was debited twice"
        assert max(held.values(), default=0) <= 1, "two holds for one cart"
        given_back = Counter[str]()
        for capture_ref, amount in bank.refunds.values():
            given_back[capture_ref.removeprefix("capture:")] += amount.amount_minor
        assert all(minor <= bank.captures[of][1].amount_minor for of, minor in given_back.items())
        assert len({one.cart_id for one in self.rig.rows(Order)}) >= len(self.rig.shop.orders)

    @invariant()
    def journals_sum_to_zero(self) -> None:
        assert sum(one.amount_minor for one in self.rig.rows(Posting)) == 0

    def teardown(self) -> None:
        try:
            if self.has_begun:
                self._come_to_rest()
        finally:
            self.rig.close()

    def _come_to_rest(self) -> None:
        """Let every fault be over and all be done: then ledger, operations and the bank's book are one."""
        rig, bank = self.rig, self.bank
        for faults in bank.faults.values():
            faults.clear()
        rig.shop.faults.clear()
        bank.catch_up()
        bank.deliver()
        bank.decide()
        self.allow_everything_again()
        for method_id in ("method", "method-2"):
            self.freeze_an_account_or_allow_it_again(method_id, frozen=False)
        for reference in self.taken_back:  # the one thing nobody finds out by asking: it had been settled
            self._tell(reference, "good")
        rig.pass_days(1.1)  # what was declined is asked for again a day later, and what a person looks into too
        assert rig.differences() == []
        self.each_effect_is_in_the_banks_book_once_and_none_above_the_yes()
        self.journals_sum_to_zero()
        operations = rig.rows(Operation)
        assert [one for one in operations if one.state in UNCLOSED_OPERATION_STATES] == [], "nobody looked it up"
        for one in operations:
            if one.state in {OperationState.FAILED, OperationState.DECLINED}:
                assert not bank.effects[one.id], "it took effect, and we say that it did not"
        for mandate in rig.rows(Mandate, payment_method_id="method-2"):
            method = rig.the(PaymentMethod, id="method-2")
            assert method.state is not MethodState.REVOKED or mandate.state is MandateState.REVOKED
        if not any(one.state is OperationState.MANUAL_REVIEW for one in operations):
            self._nothing_is_kept_without_an_order()

    def _nothing_is_kept_without_an_order(self) -> None:
        ordered = {one.cart_id for one in self.rig.rows(Order)}
        operations = {one.id: one for one in self.rig.rows(Operation)}
        for attempt in self.rig.rows(Attempt):
            cart = self.rig.the(Cart, id=attempt.cart_id)
            if cart.id in ordered or cart.state in {CartState.APPROVED, CartState.HELD}:
                continue
            held = [one for one in self.bank.holds.values() if operations[one.reference].attempt_id == attempt.id]
            assert sum(one.left_minor for one in held) == 0
            assert self.rig.the(Reservation, id=attempt.id).state is ReservationState.FREED

    def _real_us(self) -> int:
        self.latest_us = max(self.latest_us, self.rig.clock.wall)
        return self.latest_us

    def _tell(self, reference: str, signature: str) -> None:
        self.notices += 1
        name = f"notice-{self.notices}"
        headers = {"x-signature": signature}
        notice = build(Notice, id=name, household_id=None, body=reference.encode(), headers=headers, sha256=name)
        self.rig.add(notice)
        self.rig.enqueue("notice", name, household_id=None)

    def _may_be_taken_back(self) -> list[str]:
        settled = {one.id for one in self.rig.rows(Operation, state=OperationState.SUCCEEDED)}
        given_back = {of.removeprefix("capture:") for of, _ in self.bank.refunds.values()}
        return [one for one in self.bank.captures if one in settled and one not in given_back]

    def _ana(self) -> Member:
        return self.rig.the(Member)

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except (DomainError, LeaseLost, PaymentError, MerchantError):
            return  # refused in words, or tried again later: both are right answers

    def _change(self, act: Callable[[Transaction, Member], object]) -> None:
        def changed() -> None:
            with self.rig.store.begin() as tx:
                act(tx, tx.get(Member, HOME, "ana"))

        self._try(changed)

    def _unsent(self) -> list[tuple[str, int]]:
        """Return the orders of which something is still to be sent, and how many packs of their first line."""
        found = []
        for reference, order in self.rig.shop.orders.items():
            sent = sum(line.packs for parcel in order.parcels for line in parcel.lines)
            if order.state == "accepted" and order.lines[0].packs > sent:
                found.append((reference, order.lines[0].packs - sent))
        return found

    def _under_way(self) -> list[tuple[str, Any]]:
        return [
            (reference, parcel)
            for reference, order in self.rig.shop.orders.items()
            for parcel in order.parcels
            if parcel.state == "shipped"
        ]
