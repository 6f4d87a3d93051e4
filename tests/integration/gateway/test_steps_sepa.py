"""A household pays by direct debit: linked, announced, collected, booked, returned weeks later, and paid once more."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import text

from gateway.domain.cart import Cart
from gateway.domain.household import Member
from gateway.domain.order import Order, OrderState
from gateway.domain.payment import (
    Attempt,
    AttemptState,
    JournalEntry,
    Mandate,
    MandateState,
    Operation,
    OperationKind,
    OperationState,
    PaymentMethod,
)
from gateway.domain.records import Message
from gateway.domain.replenishment import DAY_US
from gateway.steps.acts.household import freeze_everything, freeze_method, unfreeze_everything
from gateway.steps.acts.limits import Limits
from gateway.steps.acts.pay_again import pay_again
from gateway.steps.acts.wallet import link_account, set_limits
from gateway.steps.money.review import files_set_aside
from gateway.store.adapter_state import SqlKeyValueState
from gateway.store.vault import Vault
from payments.adapters.sepa import SepaAdapter
from payments.adapters.sepa_calendar import is_business_day, local
from payments.memory import MemoryContext
from simulators.sepa_bank import SepaBank
from tests.builders import HOME
from tests.homes import home, known_level
from tests.rig import Rig
from tests.sepa_world import iban, settings_of

OpenRig = Callable[..., Rig]
LIMITS = Limits(standing=False, per_order_minor=5_000, per_period_minor=20_000, period_days=30)
STEPS_A_DAY = 2


class Street:
    """Ana's home, whose one account is debited by files, and her creditor's bank."""

    def __init__(self, rig: Rig, folder: Path) -> None:
        self.rig = rig
        context = MemoryContext(settings_of(folder, prenotify_days="3"))
        context.now_us = rig.clock.now_us  # type: ignore[method-assign]  # one calendar for all
        context.state = SqlKeyValueState(rig.engine, Vault({1: bytes(32)}), "sepa")
        self.adapter = SepaAdapter(context)
        rig.providers.bank = self.adapter  # type: ignore[assignment]  # the files' bank takes the place of the fake
        self.bank = SepaBank(folder / "out", folder / "in", self.today)

    @property
    def today(self) -> date:
        return local(self.rig.clock.now).date()

    def live(self, days: int) -> None:
        """Let days pass for everybody; the bank works through each of them."""
        for _ in range(days * STEPS_A_DAY):
            self.rig.pass_days(1 / STEPS_A_DAY)
            self.bank.live(self.today)

    def capture(self) -> Operation:
        return max(self.rig.rows(Operation, kind=OperationKind.CAPTURE), key=lambda one: one.id)

    def told(self, kind: str) -> list[str]:
        return [one.text for one in self.rig.rows(Message) if one.kind == kind]


@pytest.fixture
def street(open_rig: OpenRig, tmp_path: Path) -> Street:
    """Return a home with a linked bank account and an order that was delivered."""
    rows = [row for row in home() if not isinstance(row, PaymentMethod | Mandate)]
    rig = open_rig(*rows, known_level("milk", 0.15))
    street = Street(rig, tmp_path)
    ana = Member(**{name: getattr(rig.the(Member, id="ana"), name) for name in Member.__slots__})
    typed = f"{iban(7)}, Ana Pérez"
    link_account(rig.services, ana, adapter_name="sepa", token=typed, label="Current account", limits=LIMITS)
    assert rig.the(Mandate).state is MandateState.ACTIVE
    rig.shop.sell("milk-usual", 120)
    rig.enqueue("forecast", "milk")
    rig.pass_days(0.1)
    rig.say_yes(rig.the(Cart).id)
    rig.work_off()
    parcel = rig.shop.ship()
    rig.pass_days(0.1)
    rig.shop.deliver(parcel)
    return street


def test_a_debit_by_file_from_its_announcement_to_its_return_and_paid_again(street: Street) -> None:
    rig, total = street.rig, street.rig.the(Order).total_minor
    street.bank.script[iban(7)] = {"return": "MD06", "after_days": 42, "first": True}
    shipped_us = rig.clock.now

    (announced,) = street.told("debit_announced")
    assert "Elm Street Shop (DE98ZZZ09999999999)" in announced
    assert f"Mandate reference {rig.the(Mandate).provider_ref}" in announced
    street.live(2)
    assert rig.rows(Operation, kind=OperationKind.CAPTURE) == []

    street.live(5)
    assert street.capture().state is OperationState.SUCCEEDED
    assert rig.the(Attempt).state is AttemptState.CAPTURED
    (taken,) = street.bank.taken.values()
    assert (taken.amount_minor, taken.sequence, is_business_day(taken.due)) == (total, "FRST", True)
    assert taken.due > local(shipped_us + 3 * DAY_US).date()
    assert street.bank.balance_minor() == total
    rig.pass_days(1.1)
    assert [one.kind for one in rig.rows(JournalEntry) if one.kind == "settlement"] == ["settlement"]

    rig.clock.advance(39 * DAY_US)  # nobody looks for weeks
    street.live(3)
    assert street.capture().state is OperationState.REVERSED
    assert rig.the(Attempt).state is AttemptState.REVERSED
    assert rig.the(Order).state is OrderState.PAYMENT_DUE
    assert len(rig.rows(JournalEntry, kind="reversal")) == 1
    assert len(street.told("payment_due")) == 1
    assert rig.the(Mandate).state is MandateState.SUSPENDED  # the holder took the money back: they must agree anew
    assert street.bank.kept_of(taken.end_to_end_id) == 0

    set_limits(rig.services, rig.the(Member, id="ana"), rig.the(Mandate).id, LIMITS)
    with rig.store.begin() as tx:
        pay_again(tx, tx.get(Order, HOME, rig.the(Order).id), None, by="ana", reason="ana", now_us=rig.clock.now)
    street.live(9)
    assert street.capture().state is OperationState.SUCCEEDED
    assert rig.the(Order).state is not OrderState.PAYMENT_DUE
    assert sum(street.bank.kept_of(one) for one in street.bank.taken) == total
    assert len(street.told("debit_announced")) == 2
    assert rig.differences() == []
    assert street.adapter.set_aside() == ()


def test_no_table_shows_an_account_number(street: Street) -> None:
    street.live(5)
    with street.rig.engine.connect() as connection:
        stored = connection.execute(text("SELECT sealed FROM adapter_state")).scalars().all()
    assert len(stored) > 5
    assert not any(iban(7).encode() in bytes(value) for value in stored)
    assert not any(iban(7) in one.text for one in street.rig.rows(Message))


def test_a_file_that_cannot_be_used_is_shown_to_the_operator_and_moves_nothing(street: Street) -> None:
    (street.bank.inbox / "broken.xml").write_bytes(b"<Document><BkToCstmrStmt>")
    street.live(2)
    with street.rig.store.read() as tx:
        (waiting,) = files_set_aside(tx, street.rig.providers, street.rig.clock.now)
    assert (waiting.what, waiting.subject_id, waiting.household) == ("file", "broken.xml", "sepa")
    assert "not whole XML" in waiting.why
    assert street.rig.rows(JournalEntry, kind="capture") == []


def test_whatever_dies_while_files_are_exchanged_the_debit_is_booked_once(street: Street) -> None:
    rig, total = street.rig, street.rig.the(Order).total_minor
    crashes = 0
    for step in range(80):
        rig.bomb.passed, rig.bomb.at = 0, 1 + step % 5
        crashes += rig.survive(lambda: rig.pass_days(1 / STEPS_A_DAY))
        rig.bomb.at = 0
        street.bank.live(street.today)
        if rig.rows(Operation, kind=OperationKind.CAPTURE, state=OperationState.SUCCEEDED):
            break
        rig.clock.advance(DAY_US // 4)
    assert crashes > 10
    assert street.capture().state is OperationState.SUCCEEDED
    assert street.bank.balance_minor() == total
    assert len(rig.rows(JournalEntry, source_id=street.capture().id, kind="capture")) == 1


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)  # the other stories run on both
@pytest.mark.parametrize("what", ["all", "method"])
def test_a_debit_that_waits_for_its_file_is_not_sent_while_frozen_and_goes_once_it_is_lifted(
    street: Street, what: str
) -> None:
    rig = street.rig
    while not rig.rows(Operation, kind=OperationKind.CAPTURE):  # announced, and the days are over
        rig.pass_days(1 / 24)
    assert street.capture().state is OperationState.PENDING
    assert street.bank.taken == {}

    def freeze(*, lift: bool) -> None:
        with rig.store.begin() as tx:
            ana = tx.get(Member, HOME, "ana")
            if what == "method":
                freeze_method(tx, ana, rig.the(PaymentMethod).id, frozen=not lift)
            else:
                (unfreeze_everything if lift else freeze_everything)(tx, ana, now_us=rig.clock.now)

    freeze(lift=False)
    street.live(7)
    assert street.bank.taken == {}
    assert street.capture().state is OperationState.PENDING
    freeze(lift=True)
    street.live(7)
    assert street.capture().state is OperationState.SUCCEEDED
    assert len(street.bank.taken) == 1
