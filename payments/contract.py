"""What every payment adapter must pass. Inherit, say how yours is made, and run pytest (README.md shows it).

Needs pytest. A test that a provider's capabilities rule out does not apply and passes at once.
"""

# ruff: noqa: D102 — a test's name is its sentence.

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from typing import ClassVar

import pytest

from payments.adapter import (
    Authorize,
    Authorized,
    Capture,
    Captured,
    Declined,
    DeclineKind,
    MandateActive,
    MandateRevoked,
    Movement,
    NotFound,
    OpenBook,
    OperationKind,
    PaymentAdapter,
    Pending,
    Refund,
    Refunded,
    RequiresAction,
    RevokeMandate,
    SetupMandate,
    SetupMandateOutcome,
    Sync,
    SyncOutcome,
    Unknown,
    Void,
    Voided,
)
from payments.errors import NOTHING_HELD, InvalidRequest, NoticeRejected
from payments.money import Money


class AdapterContract:
    """The suite. An heir implements `make_adapter` and `open_method`, and what else its provider can show."""

    currency: ClassVar[str] = "EUR"
    other_currency: ClassVar[str] = "USD"
    _numbers: ClassVar["count[int]"] = count(1)

    @pytest.fixture(autouse=True)
    def _made(self) -> None:
        self.adapter = self.make_adapter()

    # What an heir says

    def make_adapter(self) -> PaymentAdapter:
        """Return an adapter connected to a provider (a pretend one, never a real account)."""
        raise NotImplementedError

    def open_method(self, funds: Money) -> str:
        """Return the token of a new customer's payment method with these funds."""
        raise NotImplementedError

    def lose_next_answer(self, method_token: str) -> bool:
        """Let the next operation take effect and its answer get lost; False where that cannot be arranged."""
        del method_token
        return False

    def agree(self, request: SetupMandate, asked: RequiresAction) -> SetupMandateOutcome:
        """Let the customer agree on the provider's page; needed where `setup_mandate` sends them there."""
        raise NotImplementedError

    def decide(self) -> None:
        """Let the provider decide all it has accepted; needed where a capture or a refund is Pending at first."""
        raise NotImplementedError

    # The suite

    def test_a_hold_is_captured_and_refunded_for_the_amounts_asked(self) -> None:
        token, mandate = self._customer()
        held = self._held(token, mandate, 3_000)
        assert held.amount == self._money(3_000)
        captured = self._captured(held, 3_000)
        assert captured.amount == self._money(3_000)
        refund = self._refund(captured, 1_000)
        refunded = self._decided(refund.reference, OperationKind.REFUND, self.adapter.refund(refund))
        assert isinstance(refunded, Refunded)
        assert refunded.amount == self._money(1_000)

    def test_the_same_key_takes_effect_once_and_answers_the_same(self) -> None:
        token, mandate = self._customer(funds=5_000)
        authorize = self._authorize(token, mandate, 3_000)
        held = self.adapter.authorize(authorize)
        assert self.adapter.authorize(authorize) == held
        assert isinstance(held, Authorized)
        capture = self._capture(held, 3_000)
        answered = self.adapter.capture(capture)
        captured = self._decided(capture.reference, OperationKind.CAPTURE, answered)
        assert self.adapter.capture(capture) == captured
        assert isinstance(captured, Captured)
        refund = self._refund(captured, 3_000)
        assert self.adapter.refund(refund) == self.adapter.refund(refund)
        # Had any of them taken effect twice, exactly these funds would not be there.
        self._held(token, mandate, 5_000)

    def test_eight_workers_with_one_key_move_money_once(self) -> None:
        token, mandate = self._customer(funds=3_000)
        held = self._held(token, mandate, 3_000)
        capture = self._capture(held, 3_000)
        with ThreadPoolExecutor(8) as pool:
            outcomes = list(pool.map(lambda _: self.adapter.capture(capture), range(8)))
        assert outcomes == [outcomes[0]] * 8
        captured = self._decided(capture.reference, OperationKind.CAPTURE, outcomes[0])
        assert isinstance(captured, Captured)
        with pytest.raises(InvalidRequest):
            self.adapter.refund(self._refund(captured, 3_001))

    def test_the_same_key_with_another_request_is_refused(self) -> None:
        token, mandate = self._customer()
        authorize = self._authorize(token, mandate, 3_000)
        assert isinstance(self.adapter.authorize(authorize), Authorized)
        with pytest.raises(InvalidRequest):
            self.adapter.authorize(replace(authorize, amount=self._money(3_001)))

    def test_more_than_is_held_cannot_be_captured(self) -> None:
        token, mandate = self._customer()
        held = self._held(token, mandate, 3_000)
        with pytest.raises(InvalidRequest):
            self.adapter.capture(self._capture(held, 3_001))
        self._captured(held, 3_000)
        with pytest.raises(InvalidRequest):
            self.adapter.capture(self._capture(held, 1))

    def test_a_hold_is_captured_in_parts_and_the_rest_is_voided(self) -> None:
        if not (self.adapter.capabilities.multiple_captures and self.adapter.capabilities.void):
            return
        token, mandate = self._customer(funds=3_000)
        held = self._held(token, mandate, 3_000)
        self._captured(held, 1_000)
        self._captured(held, 500)
        voided = self.adapter.void(self._void(held))
        assert isinstance(voided, Voided)
        assert voided.amount == self._money(1_500)
        self._held(token, mandate, 1_500)

    def test_a_first_capture_ends_the_hold_where_there_can_be_no_second(self) -> None:
        if self.adapter.capabilities.multiple_captures or not self.adapter.capabilities.partial_capture:
            return
        token, mandate = self._customer(funds=3_000)
        held = self._held(token, mandate, 3_000)
        self._captured(held, 1_000)
        with pytest.raises(InvalidRequest):
            self.adapter.capture(self._capture(held, 1))
        with pytest.raises(InvalidRequest) as refused:
            self.adapter.void(self._void(held))
        assert refused.value.code == NOTHING_HELD
        self._held(token, mandate, 2_000)

    def test_a_void_frees_what_is_held_once(self) -> None:
        if not self.adapter.capabilities.void:
            return
        token, mandate = self._customer(funds=3_000)
        held = self._held(token, mandate, 3_000)
        void = self._void(held)
        voided = self.adapter.void(void)
        assert isinstance(voided, Voided)
        assert self.adapter.void(void) == voided
        with pytest.raises(InvalidRequest) as refused:
            self.adapter.void(self._void(held))
        assert refused.value.code == NOTHING_HELD
        with pytest.raises(InvalidRequest):
            self.adapter.capture(self._capture(held, 1))
        self._held(token, mandate, 3_000)

    def test_more_than_was_captured_cannot_be_refunded(self) -> None:
        token, mandate = self._customer()
        captured = self._captured(self._held(token, mandate, 3_000), 3_000)
        self._refunded(captured, 2_000)
        with pytest.raises(InvalidRequest):
            self.adapter.refund(self._refund(captured, 1_001))
        self._refunded(captured, 1_000)

    def test_too_little_money_is_a_decline_that_may_pass(self) -> None:
        if not self.adapter.capabilities.manual_capture:
            return
        token, mandate = self._customer(funds=2_999)
        authorize = self._authorize(token, mandate, 3_000)
        declined = self.adapter.authorize(authorize)
        assert isinstance(declined, Declined)
        assert declined.kind is DeclineKind.SOFT
        assert self.adapter.authorize(authorize) == declined

    def test_nothing_is_held_beyond_the_limit_of_the_mandate(self) -> None:
        token, mandate = self._customer(limit=3_000)
        declined = self.adapter.authorize(self._authorize(token, mandate, 3_001))
        assert isinstance(declined, Declined)
        assert declined.kind is DeclineKind.MANDATE
        self._held(token, mandate, 3_000)

    def test_nothing_is_held_under_a_mandate_that_was_given_back(self) -> None:
        token, mandate = self._customer()
        for _ in range(2):
            revoked = self.adapter.revoke_mandate(RevokeMandate(self._new("key"), self._new("operation"), mandate))
            assert isinstance(revoked, MandateRevoked)
        declined = self.adapter.authorize(self._authorize(token, mandate, 3_000))
        assert isinstance(declined, Declined)
        assert declined.kind is DeclineKind.MANDATE

    def test_amounts_that_are_not_positive_are_refused(self) -> None:
        token, mandate = self._customer()
        for minor in (0, -1):
            with pytest.raises(InvalidRequest):
                self.adapter.authorize(self._authorize(token, mandate, minor))

    def test_another_currency_is_refused(self) -> None:
        token, mandate = self._customer()
        authorize = replace(self._authorize(token, mandate, 1), amount=Money(1, self.other_currency))
        with pytest.raises(InvalidRequest):
            self.adapter.authorize(authorize)

    def test_what_the_provider_never_heard_of_is_refused(self) -> None:
        token, _ = self._customer()
        with pytest.raises(InvalidRequest):
            self.adapter.authorize(self._authorize(token, "no-such-mandate", 1))
        with pytest.raises(InvalidRequest):
            self.adapter.capture(self._capture(Authorized("no-such-hold", self._money(1)), 1))
        with pytest.raises(InvalidRequest):
            self.adapter.refund(self._refund(Captured("no-such-capture", self._money(1)), 1))

    def test_sync_finds_every_operation_as_it_was_answered(self) -> None:
        if not self.adapter.capabilities.lookup_by_reference:
            return
        token, mandate = self._customer()
        authorize = self._authorize(token, mandate, 3_000)
        held = self.adapter.authorize(authorize)
        assert isinstance(held, Authorized)
        capture = self._capture(held, 1_000)
        captured = self._decided(capture.reference, OperationKind.CAPTURE, self.adapter.capture(capture))
        assert isinstance(captured, Captured)
        refund = self._refund(captured, 400)
        refunded = self._decided(refund.reference, OperationKind.REFUND, self.adapter.refund(refund))
        assert self.adapter.sync(Sync(authorize.reference, OperationKind.AUTHORIZE)) == held
        assert self.adapter.sync(Sync(capture.reference, OperationKind.CAPTURE)) == captured
        assert self.adapter.sync(Sync(refund.reference, OperationKind.REFUND)) == refunded
        if self.adapter.capabilities.void:
            void = self._void(held if self.adapter.capabilities.multiple_captures else self._held(token, mandate, 500))
            voided = self.adapter.void(void)
            assert self.adapter.sync(Sync(void.reference, OperationKind.VOID)) == voided

    def test_sync_says_when_the_provider_has_nothing(self) -> None:
        if self.adapter.capabilities.lookup_by_reference:
            assert self.adapter.sync(Sync(self._new("operation"), OperationKind.CAPTURE)) == NotFound()

    def test_a_lost_answer_is_unknown_and_sync_learns_the_outcome(self) -> None:
        token, mandate = self._customer(funds=3_000)
        held = self._held(token, mandate, 3_000)
        if not self.lose_next_answer(token):
            return
        capture = self._capture(held, 3_000)
        assert isinstance(self.adapter.capture(capture), Unknown)
        found = self.adapter.sync(Sync(capture.reference, OperationKind.CAPTURE))
        found = self._decided(capture.reference, OperationKind.CAPTURE, found)
        assert isinstance(found, Captured)
        assert self.adapter.capture(capture) == found

    def test_a_notice_that_is_not_proven_is_refused(self) -> None:
        with pytest.raises(NoticeRejected):
            self.adapter.parse_notice({}, b'{"id": "n1", "references": ["anything"]}')

    def test_settlements_add_up_and_come_oldest_first(self) -> None:
        settlements = self.adapter.list_settlements(0)
        assert [one.settled_at_us for one in settlements] == sorted(one.settled_at_us for one in settlements)
        for one in settlements:
            assert one.net == one.gross - one.fee
            assert Money.total((line.amount for line in one.lines), one.gross.currency) == one.gross

    def test_the_open_book_shows_what_is_held_and_what_moved(self) -> None:
        if not isinstance(self.adapter, OpenBook):
            return
        token, mandate = self._customer()
        authorize = self._authorize(token, mandate, 3_000)
        held = self.adapter.authorize(authorize)
        assert isinstance(held, Authorized)
        capture = self._capture(held, 1_000)
        assert isinstance(self.adapter.capture(capture), Captured)
        book = set(self.adapter.movements(token))
        assert Movement(authorize.reference, OperationKind.AUTHORIZE, self._money(2_000)) in book
        assert Movement(capture.reference, OperationKind.CAPTURE, self._money(1_000)) in book

    # How the suite speaks

    def _money(self, minor: int) -> Money:
        return Money(minor, self.currency)

    def _new(self, what: str) -> str:
        return f"{what}-{type(self).__name__}-{next(self._numbers)}"

    def _customer(self, funds: int = 10_000, limit: int = 50_000) -> tuple[str, str]:
        token = self.open_method(self._money(funds))
        back = "https://home.example/back"
        setup = SetupMandate(self._new("key"), self._new("operation"), token, self._money(limit), return_url=back)
        active = self.adapter.setup_mandate(setup)
        if isinstance(active, RequiresAction):
            active = self.agree(setup, active)
        assert isinstance(active, MandateActive)
        assert self.adapter.setup_mandate(setup) == active
        return token, active.mandate_ref

    def _authorize(self, token: str, mandate: str, minor: int) -> Authorize:
        return Authorize(self._new("key"), self._new("operation"), self._money(minor), token, mandate)

    def _capture(self, held: Authorized, minor: int) -> Capture:
        return Capture(self._new("key"), self._new("operation"), self._money(minor), held.provider_ref)

    def _void(self, held: Authorized) -> Void:
        return Void(self._new("key"), self._new("operation"), held.provider_ref)

    def _refund(self, captured: Captured, minor: int) -> Refund:
        return Refund(self._new("key"), self._new("operation"), self._money(minor), captured.provider_ref)

    def _held(self, token: str, mandate: str, minor: int) -> Authorized:
        held = self.adapter.authorize(self._authorize(token, mandate, minor))
        assert isinstance(held, Authorized)
        return held

    def _captured(self, held: Authorized, minor: int) -> Captured:
        capture = self._capture(held, minor)
        captured = self._decided(capture.reference, OperationKind.CAPTURE, self.adapter.capture(capture))
        assert isinstance(captured, Captured)
        return captured

    def _refunded(self, captured: Captured, minor: int) -> None:
        refund = self._refund(captured, minor)
        refunded = self._decided(refund.reference, OperationKind.REFUND, self.adapter.refund(refund))
        assert isinstance(refunded, Refunded)

    def _decided(self, reference: str, kind: OperationKind, outcome: SyncOutcome) -> SyncOutcome:
        """Return what became of an operation that the provider may have to think about first."""
        if not isinstance(outcome, Pending):
            return outcome
        self.decide()
        return self.adapter.sync(Sync(reference, kind))
