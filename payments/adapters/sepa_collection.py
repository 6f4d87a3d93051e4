"""What goes into a day's files: each debit and refund into one file, once, in whatever way that file came to be."""

from dataclasses import dataclass
from datetime import date

from msgspec.structs import replace

from payments.adapter import OperationKind
from payments.adapters.sepa_account import BankAccount
from payments.adapters.sepa_book import Batch, MandateDocument, Payment, SepaBook
from payments.adapters.sepa_calendar import collection_day, local
from payments.adapters.sepa_files import CreditEntry, DebitEntry, credit_file, debit_file
from payments.adapters.sepa_inbox import Inbox
from payments.adapters.sepa_settings import SepaSettings

REFUND = OperationKind.REFUND.value


@dataclass(frozen=True, slots=True)
class Collection:
    """Makes the files of one batch; asked again, of the same payments."""

    book: SepaBook
    settings: SepaSettings
    now_us: int

    def debits(self, batch: Batch) -> bytes:
        """Return the pain.008 of a batch, empty when nothing of it is to be collected any more."""
        collect_on = collection_day(batch.created_us, self.settings.cut_off)
        entries = []
        for end_to_end_id in batch.payments:
            payment = self._claimed(end_to_end_id, batch, collect_on)
            if payment is None:
                continue
            mandate = self._use(payment)
            entries.append(
                DebitEntry(
                    end_to_end_id,
                    payment.amount_minor,
                    BankAccount(mandate.iban, mandate.bic, mandate.name),
                    mandate.reference,
                    date.fromisoformat(mandate.signed_on),
                    "FRST" if mandate.first == end_to_end_id else "RCUR",
                    collect_on,
                )
            )
        return (
            debit_file(self.settings.creditor, batch.message_id, local(batch.created_us), entries) if entries else b""
        )

    def refunds(self, batch: Batch) -> bytes:
        """Return the pain.001 of a batch; a refund of a debit that was returned meanwhile is left out."""
        pay_on = collection_day(batch.created_us, self.settings.cut_off)
        entries = []
        for end_to_end_id in batch.payments:
            payment = self._claimed(end_to_end_id, batch, pay_on)
            if payment is not None:
                mandate = self._mandate(payment)
                payee = BankAccount(mandate.iban, mandate.bic, mandate.name)
                entries.append(CreditEntry(end_to_end_id, payment.amount_minor, payee, pay_on))
        return (
            credit_file(self.settings.creditor, batch.message_id, local(batch.created_us), entries) if entries else b""
        )

    def _claimed(self, end_to_end_id: str, batch: Batch, due_on: date) -> Payment | None:
        """Let a payment belong to this file and no other; None for one that is another's, or not to be sent."""
        payment = self.book.payment(end_to_end_id)
        if payment is None:
            return None
        debit = self.book.payment(payment.parent) if payment.kind == REFUND else None
        is_void = debit.state == "returned" if debit is not None else not self._mandate(payment).active
        if payment.state == "waiting" and is_void:
            Inbox(self.book, self.now_us).end(end_to_end_id, "taken_back" if debit else "mandate_revoked")
            return None
        sent = replace(payment, state="sent", batch=batch.message_id, due_on=due_on.isoformat())
        payment = self.book.move(end_to_end_id, lambda one: sent if one.state == "waiting" else one)
        return payment if payment.batch == batch.message_id and payment.state == "sent" else None

    def _mandate(self, payment: Payment) -> MandateDocument:
        mandate = self.book.read(f"mandate/{payment.mandate}", MandateDocument)
        assert mandate is not None, "a payment is under a mandate"
        return mandate

    def _use(self, payment: Payment) -> MandateDocument:
        """Note the collection; the first one that is not rejected is the first for ever."""

        def rule(there: MandateDocument | None) -> MandateDocument:
            assert there is not None, "a debit is under a mandate"
            first = there.first or payment.end_to_end_id
            return replace(there, first=first, used_on=max(there.used_on, payment.due_on))

        return self.book.change(f"mandate/{payment.mandate}", MandateDocument, rule)
