"""A bank in memory: a book in which each key takes effect once, and answers that go wrong as a test scripts them."""

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from gateway.domain.payment import PaymentMethod
from payments.adapter import (
    AccountPrompt,
    Authorize,
    Authorized,
    Capabilities,
    Capture,
    Captured,
    Declined,
    DeclineKind,
    HostedPage,
    MandateActive,
    MandateRevoked,
    Movement,
    NotFound,
    Notice,
    OperationKind,
    Outcome,
    Pending,
    Refund,
    Refunded,
    RequiresAction,
    Reversed,
    RevokeMandate,
    Settlement,
    SetupMandate,
    Sync,
    SyncOutcome,
    Unknown,
    Void,
    Voided,
)
from payments.errors import NOTHING_HELD, InvalidRequest, NoticeRejected, NotSent, OutcomeUnknown
from payments.money import Money

Fault = Literal[
    "not_sent",  # nothing leaves
    "lost",  # it leaves and never arrives: no effect, no answer
    "500",  # it arrives, has no effect, and the answer says nothing
    "silent",  # it takes effect, and the answer is lost
    "decline",
    "decline_hard",
    "decline_mandate",
    "invalid",  # the request itself is refused
    "pending",  # accepted, decided later by `decide`
    "step_up",  # the customer must act
    "delayed",  # no answer, nothing found; it arrives when `deliver` is called
    "wrong_amount",  # an answer about another amount than was asked for
]

PROMPT = AccountPrompt("Account at the bank", "The name the bank gave you.")

Request = SetupMandate | RevokeMandate | Authorize | Capture | Void | Refund


@dataclass
class Hold:
    """Money the bank holds for us."""

    reference: str
    amount: Money
    captured_minor: int = 0
    voided: bool = False
    expires_us: int | None = None
    account: str = ""

    @property
    def left_minor(self) -> int:
        """What may still be captured."""
        return 0 if self.voided else self.amount.amount_minor - self.captured_minor


CAPABILITIES = Capabilities(
    title="Sandbox bank",
    account=AccountPrompt("Account at the bank", "The name the bank gave you."),
    currencies=None,
    manual_capture=True,
    partial_capture=True,
    multiple_captures=True,
    void=True,
    lookup_by_reference=True,
    idempotency_window_s=None,
    replays_5xx=False,
    finality="final",
    refund_right_days=0,
    prenotify_days=0,
)


@dataclass
class FakeBank:
    """An adapter and the bank behind it. `faults` holds, for each kind, what the next calls meet."""

    around: Callable[[str], None] = lambda _where: None
    """Called before and after each effect: where a test lets the gateway crash."""
    faults: defaultdict[OperationKind, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    now_us: Callable[[], int] = lambda: 0
    can: Capabilities = CAPABILITIES
    hold_us: int | None = None
    """How long it holds money; None: for ever."""
    calls_off: bool = True
    """Whether a hold that waits for its customer can be voided."""
    captures_once: bool = False
    """Whether the first capture ends a hold."""
    hosted: bool = False
    """Whether customers choose the account on the bank's own page: `decide` lets them say yes, `refuse` no."""
    merchant_debits: bool = False
    """It only passes the merchants' own debits on."""
    decides_us: int | None = None
    """When it says that it will have decided what is pending."""
    mandates: dict[str, Money] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)
    captures: dict[str, tuple[str, Money]] = field(default_factory=dict)
    returned: dict[str, tuple[str, Money]] = field(default_factory=dict)
    """Captures that were taken back since."""
    refunds: dict[str, tuple[str, Money]] = field(default_factory=dict)
    answers: dict[str, Outcome] = field(default_factory=dict)
    sent: list[tuple[OperationKind, str]] = field(default_factory=list)
    settlements: list[Settlement] = field(default_factory=list)
    _waiting: dict[str, Callable[[], Outcome]] = field(default_factory=dict)
    _underway: list[tuple[str, Callable[[], Outcome]]] = field(default_factory=list)
    _stepping_up: dict[str, RequiresAction] = field(default_factory=dict)
    _requests: dict[str, object] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def capabilities(self) -> Capabilities:
        return replace(
            self.can,
            account=HostedPage("You choose the account at the bank.") if self.hosted else PROMPT,
            multiple_captures=not self.captures_once,
            merchant_debits=self.merchant_debits,
        )

    # What a test scripts and reads

    def fail(self, kind: str, *faults: Fault) -> None:
        """Let the next calls of this kind meet these faults, one each."""
        self.faults[OperationKind(kind)].extend(faults)

    def deliver(self) -> None:
        """Let everything that was delayed on its way arrive now."""
        with self._lock:
            underway, self._underway = self._underway, []
            for key, effect in underway:
                if key not in self.answers:
                    self.answers[key] = effect()

    def decide(self) -> None:
        """Decide everything that is pending."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
            for key, effect in waiting.items():
                self.answers[key] = effect()

    def refuse(self) -> None:
        """Refuse everything that is pending: the customer said no."""
        with self._lock:
            for key in self._waiting:
                self.answers[key] = Declined(DeclineKind.SOFT, "customer_refused", "You said no at the bank.")
            self._waiting.clear()

    def take_back(self, reference: str, kind: DeclineKind = DeclineKind.SOFT) -> None:
        """Return a capture to the customer, as a bank does weeks after a direct debit."""
        self.returned[reference] = self.captures.pop(reference)
        _, amount = self.returned[reference]
        self.answers[reference] = Reversed(f"capture:{reference}", amount, "MD06", "The customer asked for it.", kind)

    def return_refund(self, reference: str) -> None:
        """Let the customer's bank send a refund back, as it does days later for an account that was closed."""
        _, amount = self.refunds.pop(reference)
        self.answers[reference] = Reversed(f"refund:{reference}", amount, "AC04", "The account is closed.")

    def take_a_part_back(self, reference: str, minor: int) -> None:
        """Take a part of a capture back, as a card dispute may."""
        _, amount = self.captures[reference]
        part = Money(minor, amount.currency)
        self.answers[reference] = Reversed(f"capture:{reference}", part, "general", "The bank took it back.")

    def let_lapse(self, *, at_once: bool = False) -> None:
        """Let holds end whose time is over, or all of them, whatever was said."""
        for hold in self.holds.values():
            if at_once or (hold.expires_us is not None and self.now_us() >= hold.expires_us):
                hold.voided = True

    def requests(self, kind: OperationKind) -> list[object]:
        """Return what it was asked, each request once."""
        return [self._requests[key] for key in dict.fromkeys(key for one, key in self.sent if one is kind)]

    @property
    def debited_minor(self) -> int:
        """What left the customers' accounts, less what came back."""
        out = sum(amount.amount_minor for _, amount in self.captures.values())
        return out - sum(amount.amount_minor for _, amount in self.refunds.values())

    @property
    def held_minor(self) -> int:
        """What is held and neither captured nor voided."""
        return sum(hold.left_minor for hold in self.holds.values())

    # The adapter

    def setup_mandate(self, request: SetupMandate) -> Outcome:
        def effect() -> Outcome:
            self.mandates[f"mandate:{request.reference}"] = request.per_order_limit
            return MandateActive(f"mandate:{request.reference}", "Elm Bank •••• 4242" if self.hosted else "")

        if self.hosted and not self.faults[OperationKind.SETUP_MANDATE] and request.key not in self.answers:
            self.fail("setup_mandate", "step_up")
        return self._answer(OperationKind.SETUP_MANDATE, request, effect)

    def revoke_mandate(self, request: RevokeMandate) -> Outcome:
        def effect() -> Outcome:
            self.mandates.pop(request.mandate_ref, None)
            return MandateRevoked(request.mandate_ref)

        return self._answer(OperationKind.REVOKE_MANDATE, request, effect)

    def authorize(self, request: Authorize) -> Outcome:
        def effect() -> Outcome:
            if request.mandate_ref.startswith("mandate:"):
                limit = self.mandates.get(request.mandate_ref)
                if limit is None or request.amount > limit:
                    return Declined(DeclineKind.MANDATE, "over_limit", "The permission does not allow so much.")
            expires_us = None if self.hold_us is None else self.now_us() + self.hold_us
            self.holds[f"hold:{request.reference}"] = Hold(
                request.reference, request.amount, expires_us=expires_us, account=request.method_token
            )
            return Authorized(f"hold:{request.reference}", request.amount, expires_us)

        return self._answer(OperationKind.AUTHORIZE, request, effect)

    def capture(self, request: Capture) -> Outcome:
        def effect() -> Outcome:
            self.let_lapse()
            hold = self.holds[request.authorization_ref]
            if hold.voided:
                return Declined(DeclineKind.SOFT, "hold_expired", "The reservation has ended.")
            if request.amount.amount_minor > hold.left_minor:
                return Declined(DeclineKind.HARD, "not_held", "there is not so much held")
            hold.captured_minor += request.amount.amount_minor
            hold.voided = self.captures_once
            self.captures[request.reference] = (request.authorization_ref, request.amount)
            return Captured(f"capture:{request.reference}", request.amount)

        return self._answer(OperationKind.CAPTURE, request, effect)

    def void(self, request: Void) -> Outcome:
        def effect() -> Outcome:
            self.let_lapse()
            if request.authorization_ref not in self.holds:
                return self._call_off(request)
            hold = self.holds[request.authorization_ref]
            if hold.left_minor == 0:
                raise InvalidRequest(NOTHING_HELD, "there is nothing left to void")
            left = Money(hold.left_minor, hold.amount.currency)
            hold.voided = True
            return Voided(f"void:{request.reference}", left)

        return self._answer(OperationKind.VOID, request, effect)

    def refund(self, request: Refund) -> Outcome:
        def effect() -> Outcome:
            reference = request.capture_ref.removeprefix("capture:")
            if isinstance(self.answers[reference], Reversed):
                raise InvalidRequest("taken_back", "it was taken back already")
            _, captured = self.captures[reference]
            back = sum(amount.amount_minor for of, amount in self.refunds.values() if of == request.capture_ref)
            if back + request.amount.amount_minor > captured.amount_minor:
                raise InvalidRequest("too_much", "more than was captured")
            self.refunds[request.reference] = (request.capture_ref, request.amount)
            return Refunded(f"refund:{request.reference}", request.amount)

        return self._answer(OperationKind.REFUND, request, effect)

    def sync(self, request: Sync) -> SyncOutcome:
        self.around("sync")
        with self._lock:
            if request.reference in self.answers:
                return self.answers[request.reference]
            return self._still_open(request.reference) if request.reference in self._waiting else NotFound()

    def list_settlements(self, since_us: int) -> tuple[Settlement, ...]:
        return tuple(one for one in self.settlements if one.settled_at_us >= since_us)

    def parse_notice(self, headers: Mapping[str, str], body: bytes) -> Notice:
        if headers.get("x-signature") != "good":
            raise NoticeRejected("the signature is wrong")
        return Notice("notice", tuple(body.decode().split(",")))

    def movements(self, method_token: str) -> tuple[Movement, ...]:
        """The book of one account."""
        self.let_lapse()
        mine = {ref: hold for ref, hold in self.holds.items() if hold.account == method_token}
        once = self.captures | self.returned
        captured = {f"capture:{ref}" for ref, (of, _) in once.items() if of in mine}
        rows = [
            Movement(hold.reference, OperationKind.AUTHORIZE, Money(hold.left_minor, hold.amount.currency))
            for hold in mine.values()
            if hold.left_minor and self.can.manual_capture
        ]
        moved = ((OperationKind.CAPTURE, self.captures, mine), (OperationKind.REFUND, self.refunds, captured))
        for kind, book, owned in moved:
            rows += [Movement(ref, kind, amount) for ref, (of, amount) in book.items() if of in owned]
        return tuple(rows)

    def _let_wait(self, key: str, fault: Fault, effect: Callable[[], Outcome]) -> Outcome:
        self._waiting[key] = effect
        if fault == "step_up":
            self._stepping_up[key] = RequiresAction(f"hold:{key}", "https://bank.example/confirm")
        return self._still_open(key)

    def _still_open(self, key: str) -> Outcome:
        return self._stepping_up.get(key, Pending("later", self.decides_us))

    def _call_off(self, request: Void) -> Outcome:
        """Forget a hold that its customer was to confirm; not where this bank cannot."""
        key = request.authorization_ref.removeprefix("hold:")
        if key not in self._waiting or not self.calls_off:
            raise InvalidRequest("no_such_hold", "there is no such hold")
        del self._waiting[key]
        self.answers[key] = Declined(DeclineKind.SOFT, "called_off", "It was called off.")
        asked = self._requests[key]
        assert isinstance(asked, Authorize)
        return Voided(f"void:{request.reference}", asked.amount)

    def _answer(self, kind: OperationKind, request: Request, effect: Callable[[], Outcome]) -> Outcome:
        """Let the request meet its fault; the same key takes effect once and is answered the same."""
        self.around(f"before {kind}")
        with self._lock:
            self.sent.append((kind, request.key))
            if self._requests.setdefault(request.key, request) != request:
                raise InvalidRequest("key_reused", "the key was used for another request")
            outcome = self._meet(kind, request, effect)
        self.around(f"after {kind}")
        return outcome

    def _meet(self, kind: OperationKind, request: Request, effect: Callable[[], Outcome]) -> Outcome:
        if request.key in self.answers:
            return self.answers[request.key]
        if request.key in self._waiting:
            return self._still_open(request.key)
        fault = self.faults[kind].popleft() if self.faults[kind] else None
        if fault == "not_sent":
            raise NotSent("no route")
        if fault == "500":
            raise OutcomeUnknown("500")
        if fault in {"pending", "step_up"}:
            return self._let_wait(request.key, fault, effect)
        if fault == "delayed":
            self._underway.append((request.key, effect))
        if fault == "invalid":
            raise InvalidRequest("invalid", "we do not understand")
        if fault in DECLINES:
            self.answers[request.key] = DECLINES[fault]
        if fault in {None, "silent"}:
            self.answers[request.key] = effect()
        return SAID[fault] if fault in SAID else self.answers[request.key]


DECLINES: dict[Fault | None, Outcome] = {
    "decline": Declined(DeclineKind.SOFT, "insufficient_funds", "not enough money"),
    "decline_hard": Declined(DeclineKind.HARD, "account_closed", "The account is closed."),
    "decline_mandate": Declined(DeclineKind.MANDATE, "mandate_ended", "The permission was taken back."),
}

SAID: dict[Fault | None, Outcome] = {
    "lost": Unknown("timed out"),
    "delayed": Unknown("timed out"),
    "silent": Unknown("the answer was lost"),
    "wrong_amount": Authorized("hold:else", Money(1, "EUR")),
}


@dataclass
class FakeProviders:
    """The one bank under every adapter name; tokens are only marked as sealed."""

    bank: FakeBank

    @property
    def names(self) -> tuple[str, ...]:
        return ("sandbox",)

    def open(self, name: str) -> FakeBank:
        assert name
        return self.bank

    def seal(self, token: str, *, household_id: str, method_id: str) -> bytes:
        assert household_id
        assert method_id
        return f"sealed:{token}".encode()

    def token(self, method: PaymentMethod) -> str:
        return method.token_sealed.decode().removeprefix("sealed:")
