"""SEPA Core direct debit by file: a bank that is reached through two folders, as EBICS clients keep them.

Nothing is held: authorize checks and remembers, capture puts a debit into the day's pain.008, and days later the bank's
camt.053/054 says that it was booked, or weeks later that it was returned. A refund is a credit transfer (pain.001).
`exchange` reads what came and hands over a file on every business day; README.md says how to set it up.

Settings: `creditor_name`, `creditor_id`, `creditor_iban`, `outbox_dir`, `inbox_dir`; `prenotify_days` (14; fewer only
where the mandate agrees to it), `cut_off` (11:00, Europe/Berlin), `message_prefix` (RPL), `place`.
"""

from collections.abc import Mapping
from datetime import date

from msgspec.structs import replace

from payments.adapter import (
    AccountPrompt,
    Authorize,
    Authorized,
    AuthorizeOutcome,
    Capabilities,
    Capture,
    Captured,
    CaptureOutcome,
    Declined,
    DeclineKind,
    Exchanged,
    MandateActive,
    MandateRevoked,
    NotFound,
    Notice,
    OperationKind,
    Pending,
    Refund,
    Refunded,
    RefundOutcome,
    Reversed,
    RevokeMandate,
    RevokeMandateOutcome,
    SetAside,
    Settlement,
    SetupMandate,
    SetupMandateOutcome,
    Sync,
    SyncOutcome,
    Unknown,
    Void,
    Voided,
    VoidOutcome,
)
from payments.adapters.sepa_account import read_account
from payments.adapters.sepa_book import (
    Done,
    HoldDocument,
    MandateDocument,
    Payment,
    Promised,
    SepaBook,
    short_id,
)
from payments.adapters.sepa_calendar import (
    is_business_day,
    local,
    months_later,
    next_at,
)
from payments.adapters.sepa_collection import Collection
from payments.adapters.sepa_desk import Desk, open_folder
from payments.adapters.sepa_inbox import Inbox, set_aside, settlements_since
from payments.adapters.sepa_reasons import reason_of
from payments.adapters.sepa_rules import inactive, positive, promise, said, taking
from payments.adapters.sepa_settings import read_settings
from payments.context import AdapterContext
from payments.errors import NO_SUCH_MANDATE, NOTHING_HELD, InvalidRequest, NoticeRejected
from payments.money import Money

DAY_US = 86_400_000_000
EXCHANGE_US = 12 * 3_600_000_000
IDLE_MONTHS = 36
IDLE_DAYS = 1095
DEBIT, REFUND = OperationKind.CAPTURE.value, OperationKind.REFUND.value
HINT = (
    "IBAN, then the account holder's name. By linking you authorise {name} (creditor identifier {id}) to collect"
    " payments from this account by SEPA direct debit, and your bank to honour them; debits are announced {days} days"
    " before. You may ask your bank for a refund within eight weeks of a debit."
)


class SepaAdapter:
    """One creditor at one bank."""

    def __init__(self, context: AdapterContext) -> None:
        self._context = context
        self._book = SepaBook(context.state)
        self._settings = read_settings(context.settings)
        creditor, days = self._settings.creditor, self._settings.prenotify_days
        self.capabilities = Capabilities(
            title="SEPA direct debit",
            account=AccountPrompt("Bank account", HINT.format(name=creditor.name, id=creditor.creditor_id, days=days)),
            currencies=frozenset({"EUR"}),
            manual_capture=False,
            partial_capture=True,
            multiple_captures=True,
            void=True,
            lookup_by_reference=True,
            idempotency_window_s=None,
            replays_5xx=False,
            finality="reversible",
            refund_right_days=56,
            prenotify_days=days,
            creditor=f"{creditor.name} ({creditor.creditor_id})",
            idle_lapse_days=IDLE_DAYS,
        )

    # What the gateway asks

    def setup_mandate(self, request: SetupMandate) -> SetupMandateOutcome:
        """Write a mandate as signed now; its reference is the request's, short enough for every bank."""
        limit = positive(request.per_order_limit)
        account = read_account(request.method_token)
        if request.expires_at_us is not None and request.expires_at_us <= self._context.now_us():
            raise InvalidRequest("expired", "a mandate that has ended cannot begin")
        self._book.claim(request.key, request)
        signed = MandateDocument(
            reference=short_id(request.reference),
            token=request.method_token,
            iban=account.iban,
            bic=account.bic,
            name=account.name,
            limit_minor=limit.amount_minor,
            signed_on=self._today().isoformat(),
            place=self._settings.place,
            expires_at_us=request.expires_at_us,
        )
        mandate = self._book.write_once(f"mandate/{signed.reference}", signed)
        done = self._book.write_once(
            f"operation/{request.reference}", Done(OperationKind.SETUP_MANDATE, mandate.reference)
        )
        return MandateActive(done.ref)

    def revoke_mandate(self, request: RevokeMandate) -> RevokeMandateOutcome:
        """End a mandate here, where it is kept; what waits for a file is not sent any more."""
        self._mandate(request.mandate_ref)
        self._book.claim(request.key, request)
        self._book.change(f"mandate/{request.mandate_ref}", MandateDocument, inactive)
        done = Done(OperationKind.REVOKE_MANDATE, request.mandate_ref)
        return MandateRevoked(self._book.write_once(f"operation/{request.reference}", done).ref)

    def authorize(self, request: Authorize) -> AuthorizeOutcome:
        """Check the mandate and remember the amount; the bank is not asked."""
        amount = positive(request.amount)
        mandate = self._mandate(request.mandate_ref)
        if mandate.token != request.method_token:
            raise InvalidRequest("wrong_account", "the permission to debit is for another account")
        self._book.claim(request.key, request)
        done = Done(OperationKind.AUTHORIZE, request.reference, amount.amount_minor)
        if refusal := self._refusal(mandate, amount):
            done = replace(done, code=refusal[0], message=refusal[1])
        done = self._book.write_once(f"operation/{request.reference}", done)
        if done.code:
            return Declined(DeclineKind.MANDATE, done.code, done.message)
        hold = HoldDocument(mandate.reference, amount.amount_minor)
        self._book.write_once(f"hold/{request.reference}", hold)
        return Authorized(request.reference, amount)

    def capture(self, request: Capture) -> CaptureOutcome:
        """Let a debit wait for the day's file."""
        amount = positive(request.amount)
        hold = self._hold(request.authorization_ref)
        self._book.claim(request.key, request)
        end_to_end_id = short_id(request.reference)
        if self._book.payment(end_to_end_id) is None:
            hold = self._book.change(
                f"hold/{request.authorization_ref}", HoldDocument, taking(end_to_end_id, amount.amount_minor)
            )
        debit = Payment(
            request.reference, end_to_end_id, DEBIT, amount.amount_minor, hold.mandate, request.authorization_ref
        )
        match self._started(debit):
            case Reversed(provider_ref=ref, amount=captured):
                return Captured(ref, captured)
            case Refunded():
                raise InvalidRequest("key_reused", "the reference was used for a refund")
            case outcome:
                return outcome

    def void(self, request: Void) -> VoidOutcome:
        """Forget what is left to be debited for an order; only we know of it."""
        self._hold(request.authorization_ref)
        self._book.claim(request.key, request)

        def rule(there: HoldDocument | None) -> HoldDocument:
            if there is None or there.void == request.reference:
                return there or HoldDocument("", 0)
            if there.left_minor == 0:
                raise InvalidRequest(NOTHING_HELD, "nothing is left to be debited")
            return replace(there, void=request.reference, void_minor=there.left_minor)

        hold = self._book.change(f"hold/{request.authorization_ref}", HoldDocument, rule)
        done = Done(OperationKind.VOID, request.reference, hold.void_minor)
        done = self._book.write_once(f"operation/{request.reference}", done)
        return Voided(done.ref, Money(done.amount_minor, "EUR"))

    def refund(self, request: Refund) -> RefundOutcome:
        """Let a credit transfer to the debited account wait for the day's file."""
        amount = positive(request.amount)
        debit = self._book.payment(request.capture_ref)
        if debit is None or debit.kind != DEBIT:
            raise InvalidRequest("no_such_capture", f"nothing was debited as {request.capture_ref}")
        self._book.claim(request.key, request)
        end_to_end_id = short_id(request.reference)
        if self._book.payment(end_to_end_id) is None:
            if debit.state != "booked":
                raise InvalidRequest("not_booked", f"there is nothing to give back of a debit that is {debit.state}")
            rule = promise(end_to_end_id, amount.amount_minor, debit.amount_minor)
            self._book.change(f"refunds/{debit.end_to_end_id}", Promised, rule)
        back = Payment(
            request.reference, end_to_end_id, REFUND, amount.amount_minor, debit.mandate, debit.end_to_end_id
        )
        match self._started(back):
            case Captured() | Reversed():
                raise InvalidRequest("key_reused", "the reference was used for a debit")
            case outcome:
                return outcome

    def sync(self, request: Sync) -> SyncOutcome:
        """Look into our own memory: what the bank said last."""
        payment = self._book.payment(short_id(request.reference))
        if payment is not None and payment.reference == request.reference:
            if payment.kind != request.kind:
                return Unknown(f"{request.reference} is a {payment.kind}, asked was {request.kind}")
            return self._started(payment)
        done = self._book.read(f"operation/{request.reference}", Done)
        return NotFound() if done is None else said(done, request.kind)

    def list_settlements(self, since_us: int) -> tuple[Settlement, ...]:
        """What camt.053 statements booked of ours, each when it came to us."""
        return settlements_since(self._book, since_us)

    def parse_notice(self, headers: Mapping[str, str], body: bytes) -> Notice:  # noqa: ARG002 — the interface has it
        """Refuse: the bank's word comes in files."""
        raise NoticeRejected("a bank that is reached by files sends no notices")

    # The exchange of files

    def exchange(self, held_back: frozenset[str] = frozenset()) -> Exchanged:
        """Read what came; an hour before the cut-off of a business day, or later, hand over what waits."""
        now_us, desk = self._context.now_us(), self._desk()
        desk.take_in(Inbox(self._book, now_us).take, now_us)
        now = local(now_us)
        opens = self._settings.opens
        if is_business_day(now.date()) and now.time() >= opens:
            files, day = Collection(self._book, self._settings, now_us), now.date().isoformat()
            kept = frozenset(short_id(reference) for reference in held_back)
            desk.hand_over("debits", files.debits, now_us, day, held_back=kept)
            desk.hand_over("refunds", files.refunds, now_us, day)
        return Exchanged(self._book.news(), min(next_at(now_us, opens), now_us + EXCHANGE_US))

    def heard(self, references: tuple[str, ...]) -> None:
        """Forget that these changed."""
        for reference in references:
            self._book.heard(reference)

    def set_aside(self) -> tuple[SetAside, ...]:
        """What an operator must look at."""
        return set_aside(self._book)

    def _desk(self) -> Desk:
        outbox = open_folder(self._settings.outbox_dir, "outbox_dir")
        inbox = open_folder(self._settings.inbox_dir, "inbox_dir")
        return Desk(self._book, outbox, inbox, self._settings.message_prefix)

    # What is remembered

    def _started(self, payment: Payment) -> Pending | Captured | Refunded | Reversed | Declined:
        """See to it that a payment is written and waits, or say what became of it."""
        there = self._book.write_once(f"payment/{payment.end_to_end_id}", payment)
        if there.state == "waiting":
            self._desk().queue("debits" if there.kind == DEBIT else "refunds", there.end_to_end_id)
        ref, amount, reason = there.end_to_end_id, Money(there.amount_minor, "EUR"), reason_of(there.code)
        match there.state:
            case "booked":
                return Captured(ref, amount) if there.kind == DEBIT else Refunded(ref, amount)
            case "returned":
                message = reason.message if there.kind == DEBIT else "The bank sent the refund back."
                return Reversed(ref, amount, there.code, message, reason.kind)
            case "rejected" if there.code == "mandate_revoked":
                return Declined(DeclineKind.MANDATE, there.code, "The mandate was revoked before the debit was sent.")
            case "rejected":
                return Declined(reason.kind, there.code, reason.message)
            case _:
                return Pending(ref, self._decides_us(there))

    def _decides_us(self, payment: Payment) -> int:
        """Two days after the bank carries it out, its statement should be here; daily from then on."""
        now = local(self._context.now_us())
        due = date.fromisoformat(payment.due_on) if payment.due_on else now.date()
        return self._context.now_us() + max(1, (due - now.date()).days + 2) * DAY_US

    def _mandate(self, reference: str) -> MandateDocument:
        mandate = self._book.read(f"mandate/{reference}", MandateDocument)
        if mandate is None:
            raise InvalidRequest(NO_SUCH_MANDATE, f"no mandate is called {reference}")
        return mandate

    def _hold(self, reference: str) -> HoldDocument:
        hold = self._book.read(f"hold/{reference}", HoldDocument)
        if hold is None:
            raise InvalidRequest("no_such_hold", f"nothing was authorized as {reference}")
        return hold

    def _refusal(self, mandate: MandateDocument, amount: Money) -> tuple[str, str] | None:
        """Return why a mandate does not allow a debit: (code, words)."""
        last = date.fromisoformat(mandate.used_on or mandate.signed_on)
        if not mandate.active:
            return "mandate_revoked", "The permission to debit was given back."
        if mandate.expires_at_us is not None and self._context.now_us() >= mandate.expires_at_us:
            return "mandate_expired", "The permission to debit has ended."
        if self._today() > months_later(last, IDLE_MONTHS):
            return "mandate_lapsed", "The mandate was not used for 36 months and has lapsed."
        if amount.amount_minor > mandate.limit_minor:
            return "over_limit", "The amount is above the limit of the permission to debit."
        return None

    def _today(self) -> date:
        return local(self._context.now_us()).date()
