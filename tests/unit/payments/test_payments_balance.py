"""The stored balance: the contract, and what happens when its memory fails or others are faster."""

from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.adapter import (
    Authorize,
    Authorized,
    Capture,
    Captured,
    Declined,
    MandateActive,
    Movement,
    NotFound,
    OperationKind,
    Outcome,
    PaymentAdapter,
    Refund,
    Refunded,
    SetupMandate,
    Sync,
    ToppedUp,
    TopUp,
    Unknown,
    Void,
    Voided,
)
from payments.adapters.balance import BalanceAdapter
from payments.context import KeyValueState
from payments.contract import AdapterContract
from payments.errors import InvalidRequest, NotSent
from payments.memory import MemoryContext, MemoryState
from payments.money import LARGEST_MINOR, Money


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


class TestBalanceKeepsTheContract(AdapterContract):
    tokens = count(1)

    def make_adapter(self) -> PaymentAdapter:
        self.balance = BalanceAdapter(MemoryContext())
        return self.balance

    def open_method(self, funds: Money) -> str:
        token = f"anna-{next(self.tokens)}"
        outcome = self.balance.top_up(TopUp(f"top-up-key-{token}", f"top-up-{token}", funds, token))
        assert outcome == ToppedUp(f"top-up-{token}", funds)
        return token


class PowerCut(Exception):
    """The process is gone."""


class FailingState(MemoryState):
    """Memory of a process that dies at its n-th write: before it, or after it but before anybody hears of it."""

    def __init__(self) -> None:
        super().__init__()
        self.writes_left: int | None = None
        self.dies_after = False

    def compare_and_set(self, key: str, expected: str | None, new: str) -> bool:
        if self.writes_left == 0:
            if self.dies_after:
                super().compare_and_set(key, expected, new)
            raise PowerCut
        if self.writes_left is not None:
            self.writes_left -= 1
        return super().compare_and_set(key, expected, new)


class Household:
    """One customer with 100 EUR and a mandate."""

    def __init__(self, state: KeyValueState | None = None) -> None:
        self.context = MemoryContext()
        self.context.state = state or MemoryState()
        self.adapter = BalanceAdapter(self.context)
        self.adapter.top_up(TopUp("key-t", "t", eur(10_000), "anna"))
        outcome = self.adapter.setup_mandate(SetupMandate("key-m", "m", "anna", eur(50_000)))
        assert outcome == MandateActive("m")

    def authorize(self, name: str, minor: int) -> Outcome:
        return self.adapter.authorize(Authorize(f"key-{name}", name, eur(minor), "anna", "m"))

    def capture(self, name: str, minor: int, hold: str) -> Outcome:
        return self.adapter.capture(Capture(f"key-{name}", name, eur(minor), hold))

    def void(self, name: str, hold: str) -> Outcome:
        return self.adapter.void(Void(f"key-{name}", name, hold))

    def refund(self, name: str, minor: int, capture: str) -> Outcome:
        return self.adapter.refund(Refund(f"key-{name}", name, eur(minor), capture))

    def story(self) -> list[Outcome]:
        return [
            self.authorize("a", 6_000),
            self.capture("c", 4_000, "a"),
            self.void("v", "a"),
            self.refund("r", 1_500, "c"),
            self.adapter.top_up(TopUp("key-t2", "t2", eur(100), "anna")),
        ]

    def balance(self) -> tuple[Money, Money]:
        return self.adapter.balance("anna", "EUR")


STORY = [
    Authorized("a", eur(6_000)),
    Captured("c", eur(4_000)),
    Voided("v", eur(2_000)),
    Refunded("r", eur(1_500)),
    ToppedUp("t2", eur(100)),
]


def test_a_story_moves_available_and_held() -> None:
    anna = Household()
    assert anna.story() == STORY
    assert anna.balance() == (eur(7_600), eur(0))


@pytest.mark.parametrize("dies_after", [False, True])
def test_a_process_that_dies_at_any_write_and_starts_again_moves_money_once(dies_after: bool) -> None:
    for write in range(30):
        state = FailingState()
        anna = Household(state)
        state.writes_left, state.dies_after = write, dies_after
        try:
            anna.story()
        except PowerCut:
            state.writes_left = None
        else:
            assert write > 10
            break
        assert anna.story() == STORY
        assert anna.balance() == (eur(7_600), eur(0))


def test_the_oldest_records_leave_the_account_and_are_still_found() -> None:
    state = MemoryState()
    anna = Household(state)
    for number in range(200):
        assert anna.authorize(f"a{number}", 10) == Authorized(f"a{number}", eur(10))
        assert anna.capture(f"c{number}", 10, f"a{number}") == Captured(f"c{number}", eur(10))
    assert len(state.rows["account/anna"]) < 8_192
    assert anna.balance() == (eur(8_000), eur(0))
    assert anna.capture("c0", 10, "a0") == Captured("c0", eur(10))
    assert anna.adapter.sync(Sync("c0", OperationKind.CAPTURE)) == Captured("c0", eur(10))
    assert anna.balance() == (eur(8_000), eur(0))
    moved = [Movement("t", OperationKind.TOP_UP, eur(10_000))]
    moved += [Movement(f"c{number}", OperationKind.CAPTURE, eur(10)) for number in range(200)]
    assert list(anna.adapter.movements("anna")) == moved


def test_twenty_workers_capture_a_hold_together_and_never_more_than_it() -> None:
    anna = Household()
    anna.authorize("a", 1_000)

    def capture(number: int) -> bool:
        try:
            return isinstance(anna.capture(f"c{number}", 300, "a"), Captured)
        except InvalidRequest:
            return False

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(capture, range(20))) == 3
    assert anna.balance() == (eur(9_000), eur(100))


def test_twenty_workers_refund_a_capture_together_and_never_more_than_it() -> None:
    anna = Household()
    anna.authorize("a", 1_000)
    anna.capture("c", 1_000, "a")

    def refund(number: int) -> bool:
        try:
            return isinstance(anna.refund(f"r{number}", 300, "c"), Refunded)
        except InvalidRequest:
            return False

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(refund, range(20))) == 3
    assert anna.balance() == (eur(9_900), eur(0))


class CrowdedState(MemoryState):
    """Memory in which somebody else is always faster."""

    crowded = False

    def compare_and_set(self, key: str, expected: str | None, new: str) -> bool:
        return not self.crowded and super().compare_and_set(key, expected, new)


def test_when_others_are_always_faster_nothing_is_sent() -> None:
    state = CrowdedState()
    anna = Household(state)
    state.crowded = True
    with pytest.raises(NotSent):
        anna.authorize("a", 1)
    state.crowded = False
    assert anna.adapter.sync(Sync("a", OperationKind.AUTHORIZE)) == NotFound()


def test_a_decline_stays_a_decline_when_money_arrived_later() -> None:
    anna = Household()
    declined = anna.authorize("a", 10_001)
    assert isinstance(declined, Declined)
    anna.adapter.top_up(TopUp("key-t2", "t2", eur(1), "anna"))
    assert anna.authorize("a", 10_001) == declined
    assert anna.adapter.sync(Sync("a", OperationKind.AUTHORIZE)) == declined
    assert anna.authorize("a2", 10_001) == Authorized("a2", eur(10_001))


def test_a_mandate_ends_at_its_instant() -> None:
    anna = Household()
    anna.adapter.setup_mandate(SetupMandate("key-m2", "m2", "anna", eur(100), expires_at_us=1_000))
    anna.context.now = 999
    assert isinstance(anna.adapter.authorize(Authorize("k1", "a1", eur(1), "anna", "m2")), Authorized)
    anna.context.now = 1_000
    assert isinstance(anna.adapter.authorize(Authorize("k2", "a2", eur(1), "anna", "m2")), Declined)


def test_a_mandate_for_another_balance_is_refused() -> None:
    anna = Household()
    anna.adapter.top_up(TopUp("key-b", "b", eur(500), "bert"))
    with pytest.raises(InvalidRequest, match="wrong_account"):
        anna.adapter.authorize(Authorize("k1", "a1", eur(1), "bert", "m"))


def test_a_reference_is_never_used_under_a_second_key() -> None:
    anna = Household()
    anna.authorize("a", 100)
    with pytest.raises(InvalidRequest, match="reference_used"):
        anna.adapter.authorize(Authorize("another-key", "a", eur(100), "anna", "m"))


def test_sync_under_the_wrong_kind_is_unknown() -> None:
    anna = Household()
    anna.authorize("a", 100)
    assert isinstance(anna.adapter.sync(Sync("a", OperationKind.CAPTURE)), Unknown)


def test_sync_finds_mandates_and_top_ups() -> None:
    anna = Household()
    assert anna.adapter.sync(Sync("m", OperationKind.SETUP_MANDATE)) == MandateActive("m")
    assert anna.adapter.sync(Sync("t", OperationKind.TOP_UP)) == ToppedUp("t", eur(10_000))


def test_a_balance_never_outgrows_what_an_amount_can_be() -> None:
    anna = Household()
    with pytest.raises(InvalidRequest, match="too_large"):
        anna.adapter.top_up(TopUp("key-t2", "t2", eur(LARGEST_MINOR), "anna"))


def test_an_unknown_balance_is_empty_and_keeps_one_currency() -> None:
    anna = Household()
    assert anna.adapter.balance("nobody", "EUR") == (eur(0), eur(0))
    assert anna.adapter.movements("nobody") == ()
    with pytest.raises(InvalidRequest, match="currency_mismatch"):
        anna.adapter.top_up(TopUp("key-t2", "t2", Money(1, "USD"), "anna"))


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["authorize", "capture", "void", "refund", "top_up"]), st.integers(0, 9), st.integers(1, 6_000)
    ),
    max_size=40,
)


@given(STEPS)
def test_whatever_is_asked_money_is_conserved(steps: list[tuple[str, int, int]]) -> None:
    anna = Household()
    for number, (what, target, minor) in enumerate(steps):
        try:
            match what:
                case "authorize":
                    anna.authorize(f"a{target}", minor)
                case "capture":
                    anna.capture(f"c{target}-{number % 3}", minor, f"a{target}")
                case "void":
                    anna.void(f"v{number}", f"a{target}")
                case "refund":
                    anna.refund(f"r{number}", minor, f"c{target}-{number % 3}")
                case _:
                    anna.adapter.top_up(TopUp(f"key-t{number}", f"t{number}", eur(minor), "anna"))
        except InvalidRequest:
            pass  # nothing happened, and that is what is checked
    available, held = anna.balance()
    sums = dict.fromkeys(OperationKind, 0)
    for movement in anna.adapter.movements("anna"):
        assert movement.amount.amount_minor > 0
        sums[movement.kind] += movement.amount.amount_minor
    assert available.amount_minor >= 0
    assert held.amount_minor == sums[OperationKind.AUTHORIZE]
    assert sums[OperationKind.REFUND] <= sums[OperationKind.CAPTURE]
    came_in = sums[OperationKind.TOP_UP] + sums[OperationKind.REFUND]
    assert available.amount_minor + held.amount_minor == came_in - sums[OperationKind.CAPTURE]
