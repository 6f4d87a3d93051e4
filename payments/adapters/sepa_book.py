"""What the SEPA adapter remembers, as documents in key-value state, changed by compare-and-set alone.

key/KEY                which request a key was used for, for ever
mandate/REFERENCE      a mandate: account, limit, signature, when it was last used
hold/REFERENCE         what may be debited for one order, and the debits that took of it
payment/END-TO-END-ID  a debit or refund, from its first row to the bank's last word
operation/REFERENCE    the answer to an operation that moves nothing, or where its payment is
outgoing/debits, …     what waits for a file, and the one file that is being handed over
batch/MESSAGE-ID       which payments a file held
refunds/END-TO-END-ID  what was promised back of a debit
seen/SHA256            a bank file that was taken in
news/0 … news/f        which operations changed, until somebody heard of it
settlement/NUMBER, settlements, aside
"""

import hashlib
from collections.abc import Callable
from typing import TypeVar

import msgspec

from payments.context import KeyValueState
from payments.errors import InvalidRequest, NotSent

TRIES = 100
LONGEST_ID = 35
MOST_WAITING = 500
MOST_ASIDE = 100
BUCKETS = "0123456789abcdef"


class MandateDocument(msgspec.Struct, frozen=True):
    """A permission. `first`: the debit that is collected as the first; `used_on`: the last collection (ISO date)."""

    reference: str
    token: str
    iban: str
    bic: str
    name: str
    limit_minor: int
    signed_on: str
    place: str
    expires_at_us: int | None = None
    active: bool = True
    first: str = ""
    used_on: str = ""


class HoldDocument(msgspec.Struct, frozen=True):
    """What may be debited for one order: nothing is held at the bank. `taken` maps debits to minor units."""

    mandate: str
    amount_minor: int
    taken: dict[str, int] = {}
    void: str = ""
    void_minor: int = 0

    @property
    def left_minor(self) -> int:
        """What may still be debited."""
        return 0 if self.void else self.amount_minor - sum(self.taken.values())


class Payment(msgspec.Struct, frozen=True):
    """A debit or a refund. `state`: waiting, sent, booked, rejected (never moved) or returned (taken back since).

    `batch` is the one file it may be in, for ever; `parent` the hold it takes of, or the debit it gives back from.
    """

    reference: str
    end_to_end_id: str
    kind: str
    amount_minor: int
    mandate: str
    parent: str
    state: str = "waiting"
    code: str = ""
    batch: str = ""
    due_on: str = ""
    sequence: str = ""


class Done(msgspec.Struct, frozen=True):
    """The answer to an operation that moves nothing by itself, or the end-to-end id of the payment it became."""

    kind: str
    ref: str = ""
    amount_minor: int = 0
    payment: str = ""
    code: str = ""
    message: str = ""


class Batch(msgspec.Struct, frozen=True):
    """A file on its way: being written (no `sha256`), or written and to be moved to the bank's folder."""

    message_id: str
    payments: tuple[str, ...]
    created_us: int
    tries: int = 0
    sha256: str = ""


class Outgoing(msgspec.Struct, frozen=True):
    """What waits for the next file, and the file that is being handed over. `day`: that of the last file (ISO)."""

    waiting: tuple[str, ...] = ()
    batch: Batch | None = None
    number: int = 0
    day: str = ""


class Sent(msgspec.Struct, frozen=True):
    """Which payments a file held, and the check sum of its bytes."""

    payments: tuple[str, ...]
    sha256: str


class Promised(msgspec.Struct, frozen=True):
    """What was promised back of a debit, by end-to-end id of the refund."""

    promised: dict[str, int] = {}


class Note(msgspec.Struct, frozen=True):
    """Something for the operator."""

    name: str
    reason: str
    at_us: int


class Aside(msgspec.Struct, frozen=True):
    """The newest notes for the operator."""

    notes: tuple[Note, ...] = ()


class Paid(msgspec.Struct, frozen=True):
    """A statement's bookings of ours: (reference, minor units) and what the bank took for it."""

    name: str
    at_us: int
    lines: tuple[tuple[str, int], ...]
    fee_minor: int


class News(msgspec.Struct, frozen=True):
    """References that changed and that nobody heard of yet."""

    references: tuple[str, ...] = ()


class Counter(msgspec.Struct, frozen=True):
    """How many settlements there are, and when the newest came."""

    count: int = 0
    newest_us: int = 0


Document = TypeVar("Document", bound=msgspec.Struct)


class SepaBook:
    """Documents by key, each changed by a rule that may be asked again."""

    def __init__(self, state: KeyValueState) -> None:
        self._state = state

    def read(self, key: str, kind: type[Document]) -> Document | None:
        """Return a document, None where there is none."""
        stored = self._state.get(key)
        return None if stored is None else msgspec.json.decode(stored, type=kind)

    def change(self, key: str, kind: type[Document], rule: Callable[[Document | None], Document]) -> Document:
        """Write what the rule makes of what is there, and return it; raises NotSent after many lost races."""
        for _ in range(TRIES):
            stored = self._state.get(key)
            there = None if stored is None else msgspec.json.decode(stored, type=kind)
            after = rule(there)
            if after == there:
                return after
            if self._state.compare_and_set(key, stored, msgspec.json.encode(after).decode()):
                return after
        raise NotSent(f"{key.partition('/')[0]} is changed by too many at once")

    def write_once(self, key: str, document: Document) -> Document:
        """Write a document where there is none; return the one that is there."""
        return self.change(key, type(document), lambda there: there or document)

    def claim(self, key: str, request: msgspec.Struct | object) -> None:
        """Let a key stand for one request for ever; raises InvalidRequest for another one."""
        digest = hashlib.sha256(type(request).__name__.encode() + msgspec.json.encode(request)).hexdigest()
        there = self.change(f"key/{key}", Done, lambda known: known or Done("key", digest))
        if there.ref != digest:
            raise InvalidRequest("key_reused", "the key was used for another request")

    def payment(self, end_to_end_id: str) -> Payment | None:
        """Return a debit or refund."""
        return self.read(f"payment/{end_to_end_id}", Payment)

    def move(self, end_to_end_id: str, rule: Callable[[Payment], Payment]) -> Payment:
        """Change a payment that is there."""

        def known(there: Payment | None) -> Payment:
            if there is None:
                raise InvalidRequest("no_such_payment", f"nothing is known of {end_to_end_id}")
            return rule(there)

        return self.change(f"payment/{end_to_end_id}", Payment, known)

    def tell(self, reference: str) -> None:
        """Remember that an operation changed until it was heard of."""
        self.change(_bucket(reference), News, lambda there: _with(there, reference))

    def news(self) -> tuple[str, ...]:
        """Return what nobody heard of yet."""
        found = (self.read(f"news/{digit}", News) for digit in BUCKETS)
        return tuple(reference for one in found if one is not None for reference in one.references)

    def heard(self, reference: str) -> None:
        """Forget that an operation changed."""

        def without(there: News | None) -> News:
            known = there.references if there is not None else ()
            return News(tuple(one for one in known if one != reference))

        self.change(_bucket(reference), News, without)

    def note(self, name: str, reason: str, at_us: int) -> None:
        """Keep something for the operator, once; the oldest make room."""

        def with_note(there: Aside | None) -> Aside:
            notes = there.notes if there is not None else ()
            if any((one.name, one.reason) == (name, reason) for one in notes):
                return Aside(notes)
            return Aside((Note(name, reason, at_us), *notes)[:MOST_ASIDE])

        self.change("aside", Aside, with_note)


def _bucket(reference: str) -> str:
    return f"news/{hashlib.sha256(reference.encode()).hexdigest()[0]}"


def _with(there: News | None, reference: str) -> News:
    known = there.references if there is not None else ()
    return News(known if reference in known else (*known, reference))


def short_id(reference: str) -> str:
    """Return our reference as an id of at most 35 characters that every bank takes; the same each time.

    >>> short_id("01890a5d-ac96-774b-bcce-b302099a8057")
    '01890a5dac96774bbcceb302099a8057'
    """
    plain = reference.replace("-", "")
    if len(plain) <= LONGEST_ID and plain.isascii() and plain.isalnum():
        return plain
    return hashlib.sha256(reference.encode()).hexdigest()[:LONGEST_ID]
