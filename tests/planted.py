"""Payments at the fake bank that are right in all three books, and each kind of difference planted into one of them."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.domain.approval import Approval
from gateway.domain.cart import Cart, CartState
from gateway.domain.payment import (
    Account,
    Attempt,
    AttemptState,
    JournalEntry,
    Operation,
    OperationKind,
    OperationState,
    Posting,
    Reservation,
    ReservationState,
)
from gateway.domain.reconciliation import Cause
from gateway.domain.replenishment import DAY_US
from gateway.steps.money.books import post
from gateway.steps.ports import Transaction
from payments import adapter, ledger
from payments.adapter import Settlement, SettlementLine
from payments.money import Money
from tests.builders import HOME, build
from tests.fake_bank import Hold
from tests.rig import Rig

CLEARING, PAYABLE = ledger.provider_clearing("sandbox"), ledger.merchant_payable("shop")
ACCOUNT = "ana's account"
Expected = set[tuple[Cause, str]]


def euros(minor: int) -> Money:
    return Money(minor, "EUR")


@dataclass
class Payment:
    """One payment; what a plant wants different it sets before `write`."""

    rig: Rig
    number: int
    state: AttemptState = AttemptState.CAPTURED
    capture: OperationState | None = OperationState.SUCCEEDED
    reservation: ReservationState = ReservationState.USED
    approved_minor: int = 0
    closed_us: int = 0
    held_in_ledger: bool = True
    released_in_ledger: bool = True
    captured_in_ledger: bool = True
    capture_journal: ledger.Journal | None = None
    held_there: bool = True
    captured_there_minor: int | None = None
    refund_minor: int = 0
    refunded_in_ledger: bool = True
    settled_ref: str = ""
    journals: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.minor = 1_000 + self.number
        self.id, self.auth, self.take, self.back = (f"{kind}-{self.number}" for kind in ("pay", "auth", "take", "back"))
        self.approved_minor, self.captured_there_minor = self.minor, self.minor
        self.closed_us = self.rig.clock.now

    def open(self, state: AttemptState, capture: OperationState | None) -> "Payment":
        """Make it one of which nothing was captured: its hold stands in all books."""
        self.state, self.capture = state, capture
        self.reservation = ReservationState.RESERVED
        self.released_in_ledger = self.captured_in_ledger = False
        self.captured_there_minor = None
        return self

    def write(self) -> "Payment":
        """Write it into our rows and the bank's book."""
        with self.rig.store.begin() as tx:
            for row in self._rows():
                tx.add(row)
            self._post(tx)
            for entry in tx.find(JournalEntry, HOME):
                self.journals[f"{entry.kind} {entry.source_id}"] = entry.id
        bank = self.rig.bank
        if self.held_there:
            hold = Hold(self.auth, euros(self.minor), account=ACCOUNT)
            hold.captured_minor = self.minor if self.captured_there_minor is not None else 0
            bank.holds[f"hold:{self.auth}"] = hold
        if self.captured_there_minor is not None:
            bank.captures[self.take] = (f"hold:{self.auth}", euros(self.captured_there_minor))
        if self.refund_minor:
            bank.refunds[self.back] = (f"capture:{self.take}", euros(self.refund_minor))
        return self

    def _rows(self) -> list[Any]:
        of = {"household_id": HOME, "payment_method_id": "method", "mandate_id": "mandate"}
        cart = build(Cart, id=f"cart-{self.number}", state=CartState.ORDERED)
        approval = build(
            Approval, id=f"yes-{self.number}", cart_id=cart.id, amount_minor=self.approved_minor, currency="EUR"
        )
        attempt = build(
            Attempt,
            id=self.id,
            cart_id=cart.id,
            approval_id=approval.id,
            amount_minor=self.minor,
            state=self.state,
            **{name: value for name, value in of.items() if name != "household_id"},
        )
        reservation = build(
            Reservation, id=self.id, mandate_id="mandate", amount_minor=self.minor, state=self.reservation
        )
        rows = [cart, approval, attempt, reservation]
        rows.append(self._operation(self.auth, OperationKind.AUTHORIZE, cart.id, OperationState.SUCCEEDED, self.minor))
        if self.capture is not None:
            rows.append(self._operation(self.take, OperationKind.CAPTURE, "parcel", self.capture, self.minor))
        if self.refund_minor:
            done = OperationState.SUCCEEDED
            rows.append(self._operation(self.back, OperationKind.REFUND, "parcel", done, self.refund_minor))
        if self.state is AttemptState.VOIDED:
            done = OperationState.SUCCEEDED
            rows.append(self._operation(f"void-{self.number}", OperationKind.VOID, self.id, done, self.minor))
        return rows

    def _operation(
        self, reference: str, kind: OperationKind, subject: str, state: OperationState, minor: int
    ) -> Operation:
        return build(
            Operation,
            id=reference,
            attempt_id=self.id,
            kind=kind,
            subject_id=subject,
            state=state,
            amount_minor=minor,
            currency="EUR",
            provider_ref=f"{kind}:{reference}",
            closed_us=self.closed_us,
            settled_ref=self.settled_ref if kind is OperationKind.CAPTURE else "",
        )

    def _post(self, tx: Transaction) -> None:
        release, moved = ledger.capture(self.take, CLEARING, PAYABLE, euros(self.minor))
        journals = []
        if self.held_in_ledger:
            journals.append(ledger.hold(self.id, CLEARING, PAYABLE, euros(self.minor)))
        if self.released_in_ledger:
            reference = self.take if self.capture is not None else self.id
            journals.append(replace(release, reference=reference))
        if self.captured_in_ledger:
            journals.append(self.capture_journal or moved)
        if self.refund_minor and self.refunded_in_ledger:
            journals.append(ledger.refund(self.back, CLEARING, PAYABLE, euros(self.refund_minor)))
        post(tx, HOME, journals, memo="planted", at_us=self.rig.clock.now)


def pay_out(rig: Rig, reference: str, *lines: tuple[str, int], fee: int = 0) -> Settlement:
    """Let the bank list a pay-out."""
    gross = sum(minor for _, minor in lines)
    named = tuple(SettlementLine(operation_id, euros(minor)) for operation_id, minor in lines)
    settlement = Settlement(reference, rig.clock.now, euros(gross), euros(fee), euros(gross - fee), named)
    rig.bank.settlements.append(settlement)
    return settlement


def book(rig: Rig) -> None:
    """Let settle book all that the bank lists."""
    rig.enqueue("settle", "sandbox", household_id=None)
    rig.work_off()


def book_wrongly(rig: Rig, settlement: Settlement, gross: int, fee: int) -> None:
    """Write a pay-out's journal by hand."""
    with rig.store.begin() as tx:
        journal = ledger.settlement(f"sandbox/{settlement.provider_ref}", CLEARING, euros(gross), euros(fee))
        post(tx, HOME, [journal], memo="planted", at_us=settlement.settled_at_us)


# The plants: each plants one difference into a payment of its own and says what must be found of it.


def journal_unbalanced(rig: Rig, number: int) -> Expected:
    payment = Payment(rig, number).write()
    entry = payment.journals[f"capture {payment.take}"]
    account = rig.rows(Account, kind="provider_clearing")[0].id
    rig.add(
        Posting(
            id=f"more-{number}", household_id=HOME, journal_id=entry, account_id=account, amount_minor=7, currency="EUR"
        )
    )
    return {(Cause.JOURNAL_UNBALANCED, entry)}


def currency_differs(rig: Rig, number: int) -> Expected:
    payment = Payment(rig, number)
    payment.capture_journal = ledger.capture(payment.take, CLEARING, PAYABLE, Money(payment.minor, "USD"))[1]
    return {(Cause.CURRENCY_DIFFERS, payment.write().journals[f"capture {payment.take}"])}


def journal_missing(rig: Rig, number: int) -> Expected:
    return {(Cause.JOURNAL_MISSING, Payment(rig, number, captured_in_ledger=False).write().take)}


def refund_journal_missing(rig: Rig, number: int) -> Expected:
    return {(Cause.JOURNAL_MISSING, Payment(rig, number, refund_minor=300, refunded_in_ledger=False).write().back)}


def reversal_journal_missing(rig: Rig, number: int) -> Expected:
    payment = Payment(rig, number, AttemptState.REVERSED, OperationState.REVERSED, ReservationState.FREED)
    payment.held_there, payment.captured_there_minor = False, None
    return {(Cause.JOURNAL_MISSING, payment.write().take)}


def journal_without_operation(rig: Rig, number: int) -> Expected:
    payment = Payment(rig, number).open(AttemptState.AUTHORIZED, None)
    payment.captured_in_ledger = True
    return {(Cause.JOURNAL_WITHOUT_OPERATION, payment.write().journals[f"capture {payment.take}"])}


def amount_differs(rig: Rig, number: int) -> Expected:
    payment = Payment(rig, number)
    payment.capture_journal = ledger.capture(payment.take, CLEARING, PAYABLE, euros(payment.minor - 1))[1]
    return {(Cause.AMOUNT_DIFFERS, payment.write().take)}


def account_differs(rig: Rig, number: int) -> Expected:
    payment = Payment(rig, number)
    elsewhere = ledger.merchant_payable("elsewhere")
    payment.capture_journal = ledger.capture(payment.take, CLEARING, elsewhere, euros(payment.minor))[1]
    return {(Cause.ACCOUNT_DIFFERS, payment.write().journals[f"capture {payment.take}"])}


def accounts_swapped(rig: Rig, number: int) -> Expected:
    payment = Payment(rig, number)
    payment.capture_journal = ledger.capture(payment.take, PAYABLE, CLEARING, euros(payment.minor))[1]
    return {(Cause.ACCOUNT_DIFFERS, payment.write().journals[f"capture {payment.take}"])}


def hold_left_in_ledger(rig: Rig, number: int) -> Expected:
    return {(Cause.HOLD_BOOKED_OTHERWISE, Payment(rig, number, released_in_ledger=False).write().id)}


def hold_not_in_ledger(rig: Rig, number: int) -> Expected:
    payment = Payment(rig, number, held_in_ledger=False).open(AttemptState.AUTHORIZED, None)
    return {(Cause.HOLD_BOOKED_OTHERWISE, payment.write().id)}


def capture_above_approval(rig: Rig, number: int) -> Expected:
    payment = Payment(rig, number)
    payment.approved_minor = payment.minor - 1
    payment.write()
    return {(Cause.CAPTURE_ABOVE_APPROVAL, f"yes-{number}")}


def refund_above_capture(rig: Rig, number: int) -> Expected:
    return {(Cause.REFUND_ABOVE_CAPTURE, Payment(rig, number, refund_minor=5_000).write().id)}


def reservation_not_freed(rig: Rig, number: int) -> Expected:
    return {(Cause.RESERVATION_NOT_FREED, Payment(rig, number, reservation=ReservationState.RESERVED).write().id)}


def reservation_missing(rig: Rig, number: int) -> Expected:
    payment = Payment(rig, number).open(AttemptState.AUTHORIZED, None)
    payment.reservation = ReservationState.FREED
    return {(Cause.RESERVATION_MISSING, payment.write().id)}


def operation_not_followed(rig: Rig, number: int) -> Expected:
    payment = Payment(rig, number).open(AttemptState.AUTHORIZED, OperationState.UNKNOWN)
    return {(Cause.OPERATION_NOT_FOLLOWED, payment.write().take)}


def unknown_reference_paid_out(rig: Rig, number: int) -> Expected:
    pay_out(rig, f"po-{number}", (f"stranger-{number}", 70))
    book(rig)
    return {(Cause.UNKNOWN_REFERENCE, f"stranger-{number}")}


def settled_while_open(rig: Rig, number: int) -> Expected:
    payment = Payment(rig, number).open(AttemptState.AUTHORIZED, OperationState.UNKNOWN).write()
    pay_out(rig, f"po-{number}", (payment.take, payment.minor))
    book(rig)
    rig.enqueue("sync", payment.take, due_us=rig.clock.now + DAY_US)
    return {(Cause.SETTLED_WHILE_OPEN, payment.take)}


def settled_but_refused(rig: Rig, number: int) -> Expected:
    payment = Payment(rig, number).open(AttemptState.AUTHORIZED, OperationState.DECLINED).write()
    pay_out(rig, f"po-{number}", (payment.take, payment.minor))
    book(rig)
    return {(Cause.SETTLED_BUT_REFUSED, payment.take)}


def settled_other_amount(rig: Rig, number: int) -> Expected:
    payment = Payment(rig, number).write()
    pay_out(rig, f"po-{number}", (payment.take, payment.minor - 1))
    book(rig)
    return {(Cause.SETTLED_OTHER_AMOUNT, payment.take)}


def settled_twice(rig: Rig, number: int) -> Expected:
    payment = Payment(rig, number).write()
    for again in ("", "-again"):
        pay_out(rig, f"po-{number}{again}", (payment.take, payment.minor))
        book(rig)
    return {(Cause.SETTLED_TWICE, payment.take)}


def taken_back_there(rig: Rig, number: int) -> Expected:
    payment = Payment(rig, number).write()
    rig.bank.can = replace(rig.bank.can, finality="reversible")
    for minor in (payment.minor, -payment.minor):
        pay_out(rig, f"po-{number}{minor:+}", (payment.take, minor))
        book(rig)
    return {(Cause.TAKEN_BACK_THERE, payment.take)}


def settlement_not_booked(rig: Rig, number: int) -> Expected:
    payment = Payment(rig, number).write()
    pay_out(rig, f"po-{number}", (payment.take, payment.minor), fee=3)
    return {(Cause.SETTLEMENT_NOT_BOOKED, f"sandbox/po-{number}")}


def settlement_booked_otherwise(rig: Rig, number: int) -> Expected:
    payment = Payment(rig, number, settled_ref=f"po-{number}").write()
    settlement = pay_out(rig, f"po-{number}", (payment.take, payment.minor), fee=3)
    book_wrongly(rig, settlement, payment.minor - 5, 3)
    return {(Cause.SETTLEMENT_BOOKED_OTHERWISE, f"sandbox/po-{number}")}


def fee_not_booked(rig: Rig, number: int) -> Expected:
    payment = Payment(rig, number, settled_ref=f"po-{number}").write()
    settlement = pay_out(rig, f"po-{number}", (payment.take, payment.minor), fee=3)
    book_wrongly(rig, settlement, payment.minor, 0)
    return {(Cause.FEE_NOT_BOOKED, f"sandbox/po-{number}")}


def settlement_here_only(rig: Rig, number: int) -> Expected:
    payment = Payment(rig, number, settled_ref=f"po-{number}").write()
    settlement = pay_out(rig, f"po-{number}", (payment.take, payment.minor))
    book_wrongly(rig, settlement, payment.minor, 0)
    rig.bank.settlements.remove(settlement)
    return {(Cause.SETTLEMENT_HERE_ONLY, f"sandbox/po-{number}")}


def payout_not_arrived(rig: Rig, number: int) -> Expected:
    payment = Payment(rig, number)
    payment.closed_us = rig.clock.now - 20 * DAY_US
    return {(Cause.PAYOUT_NOT_ARRIVED, payment.write().take)}


def moved_there_only(rig: Rig, number: int) -> Expected:
    payment = Payment(rig, number).open(AttemptState.AUTHORIZED, OperationState.DECLINED).write()
    rig.bank.captures[payment.take] = (f"hold:{payment.auth}", euros(payment.minor))
    return {(Cause.MOVED_THERE_ONLY, payment.take)}


def unknown_reference_moved(rig: Rig, number: int) -> Expected:
    rig.bank.holds["hold:stolen"] = Hold("stolen", euros(50), captured_minor=50, account=ACCOUNT)
    rig.bank.captures[f"stolen-{number}"] = ("hold:stolen", euros(50))
    return {(Cause.UNKNOWN_REFERENCE, f"stolen-{number}")}


def moved_here_only(rig: Rig, number: int) -> Expected:
    payment = Payment(rig, number).write()
    del rig.bank.captures[payment.take]
    return {(Cause.MOVED_HERE_ONLY, payment.take)}


def moved_other_amount(rig: Rig, number: int) -> Expected:
    payment = Payment(rig, number)
    payment.captured_there_minor = payment.minor + 1
    return {(Cause.MOVED_OTHER_AMOUNT, payment.write().take)}


def moved_twice(rig: Rig, number: int) -> Expected:
    payment = Payment(rig, number).write()
    once = rig.bank.movements
    again = adapter.Movement(payment.take, adapter.OperationKind.CAPTURE, euros(payment.minor))
    rig.bank.movements = lambda token: (*once(token), again)
    return {(Cause.MOVED_TWICE, payment.take)}


def hold_left_there(rig: Rig, number: int) -> Expected:
    payment = Payment(rig, number).open(AttemptState.VOIDED, None)
    payment.reservation, payment.released_in_ledger = ReservationState.FREED, True
    return {(Cause.HOLD_LEFT_THERE, payment.write().auth)}


def hold_missing_there(rig: Rig, number: int) -> Expected:
    payment = Payment(rig, number, held_there=False).open(AttemptState.AUTHORIZED, None)
    return {(Cause.HOLD_MISSING_THERE, payment.write().auth)}


PLANTS: tuple[Callable[[Rig, int], Expected], ...] = (
    journal_unbalanced,
    currency_differs,
    journal_missing,
    refund_journal_missing,
    reversal_journal_missing,
    journal_without_operation,
    amount_differs,
    account_differs,
    accounts_swapped,
    hold_left_in_ledger,
    hold_not_in_ledger,
    capture_above_approval,
    refund_above_capture,
    reservation_not_freed,
    reservation_missing,
    operation_not_followed,
    unknown_reference_paid_out,
    settled_while_open,
    settled_but_refused,
    settled_other_amount,
    settled_twice,
    taken_back_there,
    settlement_not_booked,
    settlement_booked_otherwise,
    fee_not_booked,
    settlement_here_only,
    payout_not_arrived,
    moved_there_only,
    unknown_reference_moved,
    moved_here_only,
    moved_other_amount,
    moved_twice,
    hold_left_there,
    hold_missing_there,
)


def right(rig: Rig, *, payments: int = 3) -> None:
    """Write payments of which all three books agree: captured and paid out, refunded in part, held, given back."""
    numbers = range(900, 900 + payments)
    taken = [Payment(rig, number).write() for number in numbers]
    pay_out(rig, "po-right", *((one.take, one.minor) for one in taken), fee=9)
    book(rig)
    Payment(rig, 950, refund_minor=400).write()
    Payment(rig, 951).open(AttemptState.AUTHORIZED, None).write()
    given_back = Payment(rig, 952).open(AttemptState.VOIDED, None)
    given_back.reservation, given_back.released_in_ledger, given_back.held_there = ReservationState.FREED, True, False
    given_back.write()
    declined = Payment(rig, 953).open(AttemptState.AUTHORIZED, OperationState.DECLINED)
    declined.write()
