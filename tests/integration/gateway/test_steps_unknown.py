"""An operation of which nobody learns what became: asked about on a schedule, then a person's to see, never failed.

No notice comes in any of these: what a provider does not say by itself is found out by asking.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import product

import pytest
from _pytest.mark import ParameterSet

from gateway.domain.cart import Cart, CartState
from gateway.domain.household import Member
from gateway.domain.order import Order, OrderState
from gateway.domain.payment import (
    Attempt,
    Mandate,
    MandateState,
    MethodState,
    Operation,
    OperationState,
    PaymentMethod,
)
from gateway.domain.records import Notice, NoticeState
from gateway.domain.replenishment import Policy
from gateway.steps.acts.by_hand import Verdict, settle_by_hand
from gateway.steps.acts.wallet import Limits, link_account
from gateway.steps.money.review import Waiting, review
from gateway.steps.money.undecided import MOST_SYNCS, NOTHING_THERE, SYNC_AFTER_S
from gateway.steps.ports import MerchantUnknown, OrderNotFound, OrderStatus
from payments.adapter import Capabilities, Sync, SyncOutcome, Unknown
from payments.adapter import OperationKind as Kind
from tests.builders import build
from tests.fake_bank import FakeBank, Fault
from tests.fake_shop import FakeShop
from tests.rig import Rig

OpenRig = Callable[..., Rig]
KINDS = ("authorize", "capture", "void", "refund")


@dataclass
class SecretiveBank(FakeBank):
    """A bank that at first does not say what became of anything, and remembers a key as long as it is told to."""

    is_secretive: bool = True
    remembers_s: int | None = None
    asked: list[tuple[str, int]] = field(default_factory=list)

    @property
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, idempotency_window_s=self.remembers_s)

    def sync(self, request: Sync) -> SyncOutcome:
        self.asked.append((request.reference, self.now_us()))
        return Unknown("no answer") if self.is_secretive else super().sync(request)


def with_secretive_bank(with_cart: OpenRig, *, remembers_s: int | None = None, is_secretive: bool = True) -> Rig:
    rig = with_cart()
    # One cart is enough: nothing new is planned.
    rig.save(replace(rig.the(Policy), enabled=False))
    bank = SecretiveBank(now_us=rig.clock.now_us, remembers_s=remembers_s, is_secretive=is_secretive)
    rig.providers.bank = rig.bank = bank
    return rig


def go_on(rig: Rig) -> None:
    """Go as far as it will go: hold, order, bill one parcel, lose another that was billed, give the rest back."""
    if rig.the(Cart).state is CartState.AWAITING_APPROVAL:
        rig.say_yes()
    rig.work_off()
    shop = rig.shop
    if shop.orders:
        parcels = shop.orders[shop.only].parcels
        if not parcels:
            shop.ship(1)
        rig.pass_days(0.1)
        if len(parcels) == 1:
            shop.ship(shop.orders[shop.only].lines[0].packs - 1, amount_minor=200)
        rig.pass_days(0.1)
        shop.lose("parcel-2")
        shop.deliver("parcel-1")
    rig.pass_days(0.2)


def waits_for_a_person(rig: Rig) -> list[Waiting]:
    with rig.store.read() as tx:
        return list(review(tx))


def stuck(rig: Rig, kind: str) -> Operation:
    (operation,) = [one for one in rig.rows(Operation) if one.kind == kind and one.state != OperationState.SUCCEEDED]
    return operation


@dataclass(frozen=True, slots=True)
class Silence:
    """The first answer, for how long a key is known, whether the bank says nothing, and whether it took effect."""

    first: Fault
    remembers_s: int | None = None
    is_secretive: bool = False
    never_came: bool = False


NOBODY_SAYS = {
    "it took effect and the bank does not say so": Silence("silent", is_secretive=True),
    "the bank does not decide": Silence("pending"),
    "it is late, and its key forgotten before it arrives": Silence("delayed", remembers_s=60),
    "it was lost and the bank does not say so": Silence("lost", is_secretive=True, never_came=True),
    "an internal error and nothing behind it": Silence("500", is_secretive=True, never_came=True),
    "it was lost and its key is forgotten": Silence("lost", remembers_s=60, never_came=True),
}


def _cases() -> Iterator[ParameterSet]:
    """Give every silence with every kind on both databases: a third of them on one is for the ordinary run."""
    for number, (fault, kind) in enumerate(product(NOBODY_SAYS, KINDS)):
        for database in ("sqlite", "postgresql"):
            is_ordinary = database == "sqlite" and number % 3 == 0
            marks = [] if is_ordinary else [pytest.mark.long]
            yield pytest.param(database, kind, fault, id=f"{kind}: {fault} ({database})", marks=marks)


@pytest.mark.parametrize(("databases", "kind", "fault"), list(_cases()), indirect=["databases"])
def test_what_nobody_says_is_never_failed_but_shown_and_resolved_when_it_is_said_at_last(
    with_cart: OpenRig, kind: str, fault: str
) -> None:
    silence = NOBODY_SAYS[fault]
    rig = with_secretive_bank(with_cart, remembers_s=silence.remembers_s, is_secretive=silence.is_secretive)
    bank = rig.bank
    assert isinstance(bank, SecretiveBank)
    bank.fail(kind, silence.first)
    go_on(rig)

    operation = stuck(rig, kind)
    assert operation.state is OperationState.MANUAL_REVIEW
    sent = [key for of, key in bank.sent if of == kind]
    assert set(sent) == {operation.id}
    if silence.remembers_s is None:
        # On its schedule, all of it, before a person is asked; and daily from then on.
        assert len([at for reference, at in bank.asked if reference == operation.id]) >= len(SYNC_AFTER_S)
    (waiting,) = [one for one in waits_for_a_person(rig) if one.subject_id == operation.id]
    known = " ".join(fact.text for fact in waiting.facts)
    attempt = rig.the(Attempt, id=operation.attempt_id)
    assert kind in waiting.why
    for expected in (f"attempt {attempt.id}", f"key {operation.id}", rig.the(PaymentMethod).label, "looked up"):
        assert expected in known
    assert all(f"order {one.id}" in known for one in rig.rows(Order))

    bank.is_secretive = False
    bank.decide()
    bank.deliver()
    rig.pass_days(1.2)
    if silence.never_came:
        # That the bank knows nothing of it now is no proof that it never will: a person says so, checked at the bank.
        still = rig.the(Operation, id=operation.id)
        assert (still.state, still.note) == (
            OperationState.MANUAL_REVIEW,
            operation.note.removesuffix(NOTHING_THERE) + NOTHING_THERE,
        )
        settle_by_hand(rig.services, operation.id, Verdict.FAILED, "asked on the telephone")
        rig.pass_days(1.2)  # a declined debit is asked for again a day later
    go_on(rig)
    assert bank.held_minor == 0
    ended = OperationState.FAILED if silence.never_came else OperationState.SUCCEEDED
    assert rig.the(Operation, id=operation.id).state is ended
    assert {one.state for one in rig.rows(Operation) if one.id != operation.id} <= {OperationState.SUCCEEDED}
    assert len(bank.holds) == 1 or (kind, silence.never_came) == ("authorize", True)
    assert rig.differences() == []
    assert [one for one in waits_for_a_person(rig) if one.what == "operation"] == []


def test_a_review_nobody_resolves_is_asked_about_a_bounded_number_of_times_and_stays(with_cart: OpenRig) -> None:
    rig = with_secretive_bank(with_cart)
    rig.bank.fail("authorize", "silent")
    go_on(rig)
    rig.pass_days(90)
    operation = stuck(rig, "authorize")
    assert operation.state is OperationState.MANUAL_REVIEW
    assert operation.syncs == MOST_SYNCS
    assert rig.the(Cart).state is CartState.APPROVED
    assert [one.subject_id for one in waits_for_a_person(rig)] == [operation.id]


def test_a_permission_nobody_speaks_of_waits_for_the_operator_and_stands_when_the_bank_says_so(
    with_cart: OpenRig,
) -> None:
    rig = with_secretive_bank(with_cart)
    bank = rig.bank
    assert isinstance(bank, SecretiveBank)
    bank.fail("setup_mandate", "silent")
    limits = Limits(standing=False, per_order_minor=5_000, per_period_minor=20_000, period_days=30)
    mandate = link_account(
        rig.services, rig.the(Member), adapter_name="sandbox", token="second", label="Second", limits=limits
    )
    rig.work_off()
    assert rig.the(Mandate, id=mandate.id).state is MandateState.PENDING
    assert mandate.id in [one.subject_id for one in waits_for_a_person(rig)]
    bank.is_secretive = False
    rig.pass_days(1.2)
    assert rig.the(Mandate, id=mandate.id).state is MandateState.ACTIVE
    assert rig.the(PaymentMethod, id=mandate.payment_method_id).state is MethodState.ACTIVE
    assert [key for of, key in bank.sent if of is Kind.SETUP_MANDATE] == [mandate.id]


class SecretiveShop(FakeShop):
    """A shop that at first does not say whether it took an order."""

    is_secretive = True

    def status(self, reference: str) -> OrderStatus | OrderNotFound:
        if self.is_secretive:
            raise MerchantUnknown("no answer")
        return super().status(reference)


def test_an_order_nobody_speaks_of_is_shown_sent_once_and_goes_on_when_the_shop_says_so(with_cart: OpenRig) -> None:
    rig = with_cart()
    shop = SecretiveShop(rig.clock, offers=rig.shop.offers)
    rig.shop = rig.services.merchants.shop = shop  # type: ignore[attr-defined]
    shop.faults.append("silent")
    rig.say_yes()
    while not shop.orders:
        rig.clock.wall += 20_000_000
        rig.run_round()
    for _ in range(len(SYNC_AFTER_S) + 2):
        rig.clock.wall += 90_000_000_000
        rig.run_round()
    assert rig.the(Order).state is OrderState.PLACING
    assert [one.what for one in waits_for_a_person(rig)] == ["order"]
    assert rig.bank.held_minor == rig.the(Order).total_minor
    shop.is_secretive = False
    rig.work_off()
    assert rig.the(Order).state is OrderState.PLACED
    assert len(shop.orders) == 1


def test_a_notice_lets_an_operation_be_looked_up_and_is_not_believed(with_cart: OpenRig) -> None:
    rig = with_secretive_bank(with_cart, is_secretive=False)
    rig.bank.fail("authorize", "pending")
    rig.say_yes()
    rig.run_round()
    operation = stuck(rig, "authorize")
    asked = operation.syncs
    rig.add(build(Notice, household_id=None, body=operation.id.encode()))
    rig.enqueue("notice", "notice", household_id=None)
    rig.run_round()
    rig.run_round()
    assert rig.the(Notice).state is NoticeState.DONE
    looked_up = rig.the(Operation, id=operation.id)
    assert (looked_up.state, looked_up.syncs) == (OperationState.PENDING, asked + 1)
    assert rig.rows(Order) == []
