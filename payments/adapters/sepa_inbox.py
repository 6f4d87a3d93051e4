"""What a bank's word does to our debits and refunds: each takes effect once, however often and in whatever order."""

from dataclasses import dataclass

from msgspec.structs import replace

from payments.adapter import OperationKind, SetAside, Settlement, SettlementLine
from payments.adapters.sepa_book import (
    Aside,
    Counter,
    HoldDocument,
    MandateDocument,
    Paid,
    Payment,
    Promised,
    Sent,
    SepaBook,
)
from payments.adapters.sepa_statements import BankFile, Booked, Rejected
from payments.money import Money

PAGE = 200
MOST_LINES = 500
DEBIT = OperationKind.CAPTURE.value


@dataclass(frozen=True, slots=True)
class Inbox:
    """Writes what a file says into the book."""

    book: SepaBook
    now_us: int

    def take(self, file: BankFile, name: str) -> None:
        """Take in one file that was read whole."""
        for rejection in file.rejected:
            self._reject(rejection, name)
        lines: list[tuple[str, int]] = []
        fee_minor = 0
        for booking in file.booked:
            payment = self._booked(booking, name)
            if payment is not None:
                lines.append((payment.reference, booking.amount.amount_minor))
                fee_minor += booking.charge.amount_minor
        if file.statement:
            self._settle(file.statement, lines, fee_minor)

    def _reject(self, rejection: Rejected, name: str) -> None:
        ids: tuple[str, ...] = (rejection.end_to_end_id,)
        if not rejection.end_to_end_id:
            sent = self.book.read(f"batch/{rejection.message_id}", Sent)
            ids = sent.payments if sent is not None else ()
        for end_to_end_id in ids:
            if self.book.payment(end_to_end_id) is None:
                self.book.note(name, f"{rejection.code} for a payment that is not ours: {end_to_end_id}", self.now_us)
            else:
                self.end(end_to_end_id, rejection.code)
        if not ids:
            self.book.note(name, f"{rejection.code} for a file that is not ours: {rejection.message_id}", self.now_us)

    def end(self, end_to_end_id: str, code: str) -> None:
        """Let a payment that has not moved end, and what it took of its hold be free again."""
        payment = self.book.move(
            end_to_end_id,
            lambda one: replace(one, state="rejected", code=code) if one.state in {"waiting", "sent"} else one,
        )
        if payment.state != "rejected":
            return
        if payment.kind == DEBIT:
            self.book.change(f"hold/{payment.parent}", HoldDocument, lambda hold: _without(hold, end_to_end_id))
            self.book.change(
                f"mandate/{payment.mandate}", MandateDocument, lambda mandate: _not_first(mandate, end_to_end_id)
            )
        else:
            self._unpromise(payment)
        self.book.tell(payment.reference)

    def _unpromise(self, refund: Payment) -> None:
        """Let what a refund did not bring be given back anew."""
        self.book.change(f"refunds/{refund.parent}", Promised, lambda there: _not_promised(there, refund.end_to_end_id))

    def _booked(self, booking: Booked, name: str) -> Payment | None:
        """Write one booking into its payment and return that; None for what is not ours, or of another amount."""
        payment = self.book.payment(booking.end_to_end_id) if booking.end_to_end_id else None
        if payment is None:
            whom = f" of {booking.counterpart}" if booking.counterpart else ""
            self.book.note(name, f"a booking of {booking.amount}{whom} belongs to nothing of ours", self.now_us)
            return None
        comes_in = (payment.kind == DEBIT) is not booking.is_return
        expected = Money(payment.amount_minor if comes_in else -payment.amount_minor, "EUR")
        if booking.amount != expected:
            reason = f"{booking.amount} were booked for {payment.reference}, expected were {expected}"
            self.book.note(name, reason, self.now_us)
            return None
        after = self.book.move(payment.end_to_end_id, lambda one: _after(one, booking))
        if after.state == "rejected" and not booking.is_return:  # what was declined may have been asked for anew
            reason = f"{booking.amount} were booked for {payment.reference}, which was rejected before ({after.code})"
            self.book.note(name, reason, self.now_us)
        if booking.is_return and payment.kind != DEBIT:
            self._unpromise(payment)
        self.book.tell(payment.reference)  # also of a repeat: whoever read it before may have died here
        return payment

    def _settle(self, statement: str, lines: list[tuple[str, int]], fee_minor: int) -> None:
        """Keep what a statement paid out or took back; the same statement again keeps its name."""
        for at in range(0, len(lines), MOST_LINES):
            name = statement if at == 0 else f"{statement}#{at // MOST_LINES + 1}"
            part = tuple(lines[at : at + MOST_LINES])
            counter = self.book.change("settlements", Counter, self._next)
            paid = Paid(name, counter.newest_us, part, fee_minor if at == 0 else 0)
            self.book.write_once(f"settlement/{counter.count}", paid)

    def _next(self, there: Counter | None) -> Counter:
        there = there or Counter()
        return Counter(there.count + 1, max(self.now_us, there.newest_us + 1))


def settlements_since(book: SepaBook, since_us: int) -> tuple[Settlement, ...]:
    """Return what statements paid out from an instant on, oldest first, a page."""
    counter = book.read("settlements", Counter) or Counter()
    found: list[Paid] = []
    for number in range(counter.count, 0, -1):
        paid = book.read(f"settlement/{number}", Paid)
        if paid is not None and paid.at_us < since_us:
            break
        if paid is not None:
            found.append(paid)
    return tuple(_settlement(paid) for paid in reversed(found))[:PAGE]


def set_aside(book: SepaBook) -> tuple[SetAside, ...]:
    """Return what an operator must look at, newest first."""
    aside = book.read("aside", Aside) or Aside()
    return tuple(SetAside(note.name, note.reason, note.at_us) for note in aside.notes)


def _settlement(paid: Paid) -> Settlement:
    lines = tuple(SettlementLine(reference, Money(minor, "EUR")) for reference, minor in paid.lines)
    gross, fee = Money(sum(minor for _, minor in paid.lines), "EUR"), Money(paid.fee_minor, "EUR")
    return Settlement(paid.name, paid.at_us, gross, fee, gross - fee, lines)


def _after(payment: Payment, booking: Booked) -> Payment:
    if booking.is_return:
        return replace(payment, state="returned", code=booking.return_code) if payment.state != "rejected" else payment
    return replace(payment, state="booked") if payment.state in {"waiting", "sent"} else payment


def _without(hold: HoldDocument | None, end_to_end_id: str) -> HoldDocument:
    assert hold is not None, "a debit takes of a hold"
    return replace(hold, taken={one: minor for one, minor in hold.taken.items() if one != end_to_end_id})


def _not_promised(there: Promised | None, end_to_end_id: str) -> Promised:
    promised = there.promised if there is not None else {}
    return Promised({one: minor for one, minor in promised.items() if one != end_to_end_id})


def _not_first(mandate: MandateDocument | None, end_to_end_id: str) -> MandateDocument:
    """A first collection that was never carried out leaves the next one to be the first."""
    assert mandate is not None, "a debit is under a mandate"
    return replace(mandate, first="") if mandate.first == end_to_end_id else mandate
