"""The sandbox adapter and the pretend bank over real HTTP: the contract, and every fault that the bank can be told."""

from collections import Counter
from collections.abc import Callable
from itertools import count

import httpx
import pytest

from payments.adapter import (
    Authorized,
    Capture,
    Captured,
    Declined,
    DeclineKind,
    MandateActive,
    Movement,
    NotFound,
    OperationKind,
    PaymentAdapter,
    Pending,
    Refund,
    Refunded,
    RequiresAction,
    SetupMandate,
    Sync,
    Unknown,
    Void,
    Voided,
)
from payments.adapters.sandbox import SandboxAdapter
from payments.contract import AdapterContract
from payments.errors import ConfigError, InvalidRequest, NotSent, RateLimited
from payments.memory import MemoryContext
from payments.money import Money
from payments.transport import HttpxClient
from tests.integration.payments.bank_process import BankProcess, Customer, eur

Connect = Callable[..., SandboxAdapter]


class TestTheSandboxKeepsTheContract(AdapterContract):
    tokens = count(1)

    @pytest.fixture(autouse=True)
    def _bank(self, bank: BankProcess, connect: Connect, _made: None) -> None:
        self.bank = bank
        self.adapter = connect(bank)

    def make_adapter(self) -> PaymentAdapter:
        return SandboxAdapter(MemoryContext({"url": "http://not.connected.yet"}))

    def open_method(self, funds: Money) -> str:
        token = f"contract-{next(self.tokens)}"
        self.bank.post("/accounts", token=token, currency=funds.currency, balance_minor=funds.amount_minor)
        return token

    def lose_next_answer(self, method_token: str) -> bool:
        self.bank.script(method_token, "drop_after")
        return True


@pytest.fixture
def anna(bank: BankProcess, connect: Connect) -> Customer:
    return Customer(bank, connect(bank))


@pytest.mark.parametrize("fault", ["drop_after", "500_after", "garbage_after", "wrong_amount"])
def test_an_answer_lost_after_the_effect_is_found_by_sync_and_moves_money_once(anna: Customer, fault: str) -> None:
    held = anna.held()
    anna.bank.script(anna.token, f"capture:{fault}")
    capture = anna.capture(held)
    assert isinstance(anna.adapter.capture(capture), Unknown)
    found = anna.adapter.sync(Sync(capture.reference, OperationKind.CAPTURE))
    assert isinstance(found, Captured)
    assert anna.adapter.capture(capture) == found
    assert anna.balance() == 7_000


@pytest.mark.parametrize("fault", ["drop_before", "500"])
def test_an_answer_lost_before_the_effect_is_not_found_and_the_same_key_is_sent_again(
    anna: Customer, fault: str
) -> None:
    held = anna.held()
    anna.bank.script(anna.token, f"capture:{fault}")
    capture = anna.capture(held)
    assert isinstance(anna.adapter.capture(capture), Unknown)
    assert anna.adapter.sync(Sync(capture.reference, OperationKind.CAPTURE)) == NotFound()
    assert isinstance(anna.adapter.capture(capture), Captured)
    assert anna.balance() == 7_000


@pytest.mark.parametrize(("fault", "took_effect"), [("timeout_after", True), ("timeout_before", False)])
def test_a_silent_bank_is_unknown_when_the_time_is_over(
    bank: BankProcess, connect: Connect, fault: str, took_effect: bool
) -> None:
    anna = Customer(bank, connect(bank, timeout_s=0.3))
    bank.script(anna.token, fault)
    authorize = anna.authorize()
    assert isinstance(anna.adapter.authorize(authorize), Unknown)
    found = connect(bank).sync(Sync(authorize.reference, OperationKind.AUTHORIZE))
    assert isinstance(found, Authorized) is took_effect


def test_a_slow_bank_is_waited_for(anna: Customer) -> None:
    anna.bank.script(anna.token, "slow")
    assert isinstance(anna.adapter.authorize(anna.authorize()), Authorized)


def test_a_delayed_request_that_arrives_after_its_repetition_moves_money_once(anna: Customer) -> None:
    held = anna.held()
    anna.bank.script(anna.token, "capture:delayed")
    capture = anna.capture(held)
    assert isinstance(anna.adapter.capture(capture), Unknown)
    assert anna.adapter.sync(Sync(capture.reference, OperationKind.CAPTURE)) == NotFound()
    assert isinstance(anna.adapter.capture(capture), Captured)
    anna.bank.post("/control/settle-notices")
    assert anna.balance() == 7_000


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("decline", DeclineKind.SOFT),
        ("decline_hard", DeclineKind.HARD),
        ("decline_mandate", DeclineKind.MANDATE),
    ],
)
def test_a_decline_is_an_outcome_and_stays_one(anna: Customer, fault: str, kind: DeclineKind) -> None:
    anna.bank.script(anna.token, fault)
    authorize = anna.authorize()
    declined = anna.adapter.authorize(authorize)
    assert isinstance(declined, Declined)
    assert declined.kind is kind
    assert anna.adapter.authorize(authorize) == declined
    assert anna.adapter.sync(Sync(authorize.reference, OperationKind.AUTHORIZE)) == declined


def test_a_pending_capture_is_decided_later(anna: Customer) -> None:
    held = anna.held()
    anna.bank.script(anna.token, "pending")
    capture = anna.capture(held)
    waiting = anna.adapter.capture(capture)
    assert isinstance(waiting, Pending)
    anna.bank.post("/control/settle-notices")
    done = Captured(waiting.provider_ref, eur(3_000))
    assert anna.adapter.sync(Sync(capture.reference, OperationKind.CAPTURE)) == done


def test_a_customer_steps_up_at_the_banks_page(anna: Customer) -> None:
    anna.bank.script(anna.token, "requires_action")
    authorize = anna.authorize()
    asked = anna.adapter.authorize(authorize)
    assert isinstance(asked, RequiresAction)
    assert "Confirm" in httpx.get(asked.url).text
    assert "succeeded" in httpx.post(asked.url).text
    assert isinstance(anna.adapter.sync(Sync(authorize.reference, OperationKind.AUTHORIZE)), Authorized)


def test_what_a_customer_never_confirmed_is_called_off_and_confirmed_by_nobody_then(anna: Customer) -> None:
    anna.bank.script(anna.token, "requires_action")
    authorize = anna.authorize()
    asked = anna.adapter.authorize(authorize)
    assert isinstance(asked, RequiresAction)
    void = Void("void-1", "void-1", asked.provider_ref)
    voided = anna.adapter.void(void)
    assert isinstance(voided, Voided)
    assert voided.amount == authorize.amount
    assert anna.adapter.void(void) == voided
    assert isinstance(anna.adapter.sync(Sync(authorize.reference, OperationKind.AUTHORIZE)), Declined)
    httpx.post(asked.url)
    assert isinstance(anna.adapter.sync(Sync(authorize.reference, OperationKind.AUTHORIZE)), Declined)
    assert anna.adapter.movements(anna.token) == ()


def test_a_customer_confirms_a_permission_at_the_banks_page(anna: Customer) -> None:
    anna.bank.script(anna.token, "setup_mandate:requires_action")
    setup = SetupMandate("set-up-1", "set-up-1", anna.token, eur(5_000))
    asked = anna.adapter.setup_mandate(setup)
    assert isinstance(asked, RequiresAction)
    assert anna.adapter.sync(Sync("set-up-1", OperationKind.SETUP_MANDATE)) == asked
    assert "succeeded" in httpx.post(asked.url).text
    assert isinstance(anna.adapter.sync(Sync("set-up-1", OperationKind.SETUP_MANDATE)), MandateActive)


def test_a_bank_that_asks_for_patience_did_nothing(anna: Customer) -> None:
    anna.bank.script(anna.token, "rate_limited")
    authorize = anna.authorize()
    with pytest.raises(RateLimited):
        anna.adapter.authorize(authorize)
    assert isinstance(anna.adapter.authorize(authorize), Authorized)


def test_a_new_key_for_the_same_operation_is_refused(anna: Customer) -> None:
    held = anna.held()
    capture = anna.capture(held, minor=1_000)
    anna.adapter.capture(capture)
    with pytest.raises(InvalidRequest, match="reference_used"):
        anna.adapter.capture(Capture("another-key", capture.reference, capture.amount, capture.authorization_ref))
    assert anna.balance() == 9_000


def test_a_wrong_token_is_the_operators_to_repair(bank: BankProcess, http: HttpxClient) -> None:
    stranger = SandboxAdapter(MemoryContext({"url": bank.url}, {"token": "guessed"}, http))
    with pytest.raises(ConfigError):
        stranger.sync(Sync("x", OperationKind.CAPTURE))


def test_the_banks_book_and_ours_agree(anna: Customer) -> None:
    held = anna.held()
    captured = anna.adapter.capture(anna.capture(held, minor=2_000))
    assert isinstance(captured, Captured)
    refund = Refund(f"key-r-{anna.token}", f"r-{anna.token}", eur(500), captured.provider_ref)
    assert isinstance(anna.adapter.refund(refund), Refunded)
    ours = [
        Movement(f"a-{anna.token}", OperationKind.AUTHORIZE, eur(1_000)),
        Movement(f"c-{anna.token}", OperationKind.CAPTURE, eur(2_000)),
        Movement(f"r-{anna.token}", OperationKind.REFUND, eur(500)),
    ]
    assert Counter(anna.adapter.movements(anna.token)) == Counter(ours)
    void = Void(f"key-v-{anna.token}", f"v-{anna.token}", held.provider_ref)
    assert anna.adapter.void(void) == Voided(f"{_id_of(anna, 'v')}", eur(1_000))
    assert Counter(anna.adapter.movements(anna.token)) == Counter(ours[1:])


def _id_of(anna: Customer, name: str) -> str:
    return str(anna.bank.get(f"/operations/{name}-{anna.token}")["id"])


def test_a_bank_that_is_not_there_was_sent_nothing(own_bank: BankProcess, connect: Connect) -> None:
    own_bank.start()
    adapter = connect(own_bank)
    anna = Customer(own_bank, adapter)
    authorize = anna.authorize()
    own_bank.kill()
    with pytest.raises(NotSent):
        adapter.authorize(authorize)


def test_a_bank_killed_at_any_time_keeps_what_it_answered_and_its_keys(own_bank: BankProcess, connect: Connect) -> None:
    own_bank.start()
    anna = Customer(own_bank, connect(own_bank))
    held = anna.held(minor=5_000)
    captures = [anna.capture(held, f"c{number}", 100) for number in range(10)]
    for number, capture in enumerate(captures):
        # Every third time the bank dies with the answer on its way.
        own_bank.script(anna.token, "capture:drop_after" if number % 3 == 0 else "ok")
        anna.adapter.capture(capture)
        if number % 3 == 0:
            own_bank.kill()
            own_bank.start()
            anna.adapter = connect(own_bank)
    for capture in captures:
        found = anna.adapter.sync(Sync(capture.reference, OperationKind.CAPTURE))
        assert found == anna.adapter.capture(capture)
        assert isinstance(found, Captured)
    assert anna.balance() == 9_000
