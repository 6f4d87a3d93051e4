"""A stored balance as a document in key-value state, changed by compare-and-set alone.

Keys, each JSON text:

    key/KEY              which request a key was used for, for ever
    operation/REFERENCE  which account an operation belongs to, and its record once it left the account's document
    account/TOKEN        currency, available, held, open holds, the last records; an effect and its record in one write
    refunds/REFERENCE    what was promised back of a capture, before it is paid back
    mandate/REFERENCE    a permission and its limit

A record moves from the account's document to its own key before the document drops it, so whoever looks first in the
document and then under the key always finds it. The moved records form a chain, the newest first.
"""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from payments.adapter import (
    OperationKind,
)
from payments.context import KeyValueState
from payments.errors import InvalidRequest, NotSent

MAX_RECENT = 32
MAX_OPEN_HOLDS = 128
MAX_REFUNDS = 500
MAX_CHAIN = 1_000_000
TRIES = 100


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one operation; `amount_minor` is what it moved, held or freed; declined where `code` is set."""

    reference: str
    kind: OperationKind
    amount_minor: int
    currency: str
    parent: str = ""
    decline_kind: str = ""
    code: str = ""
    message: str = ""
    previous: str = ""


class Hold(msgspec.Struct, frozen=True):
    """What is left of a hold."""

    left_minor: int


class AccountDocument(msgspec.Struct, frozen=True):
    """One customer's balance. `records` are the youngest, `moved` is the head of the chain of older ones."""

    currency: str
    available_minor: int = 0
    held_minor: int = 0
    holds: dict[str, Hold] = {}
    records: dict[str, Record] = {}
    moved: str = ""


class KeyDocument(msgspec.Struct, frozen=True):
    """What a key was used for."""

    fingerprint: str


class OperationDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where an operation is to be looked for; `record` once it was moved here."""

    token: str
    key: str
    record: Record | None = None


class RefundsDocument(msgspec.Struct, frozen=True):
    """Promised refunds of one capture, by reference, in minor units."""

    promised: dict[str, int] = {}


class MandateDocument(msgspec.Struct, frozen=True):
    """A permission to debit."""

    token: str
    limit_minor: int
    currency: str
    expires_at_us: int | None
    active: bool = True


Document = TypeVar("Document", bound=msgspec.Struct)


class BalanceBook:
    """Reads and changes the documents. Raises NotSent when others were faster too often: nothing was done."""

    def __init__(self, state: KeyValueState) -> None:
        self._state = state

    def read(self, key: str, shape: type[Document]) -> Document | None:
        """The document under a key."""
        text = self._state.get(key)
        return msgspec.json.decode(text, type=shape) if text is not None else None

    def change(self, key: str, shape: type[Document], rule: Callable[[Document | None], Document]) -> Document:
        """Apply a rule until it was applied to what really was there; a rule that changes nothing writes nothing."""
        for _ in range(TRIES):
            text = self._state.get(key)
            before = msgspec.json.decode(text, type=shape) if text is not None else None
            after = rule(before)
            if after == before or self._state.compare_and_set(key, text, _encode(after)):
                return after
        raise NotSent(f"{key} was changed by others {TRIES} times in a row")

    def claim(self, key: str, fingerprint: str, reference: str, token: str) -> None:
        """Bind a key to its request and a reference to its key; raises InvalidRequest when one is bound otherwise."""
        used = self.change(f"key/{key}", KeyDocument, lambda there: there or KeyDocument(fingerprint))
        if used.fingerprint != fingerprint:
            raise InvalidRequest("key_reused", "this key was used before, for something else")
        place = self.change(
            f"operation/{reference}", OperationDocument, lambda there: there or OperationDocument(token, key)
        )
        if place.key != key:
            raise InvalidRequest("reference_used", f"{reference} was asked for before, under another key")

    def record(self, reference: str) -> Record | None:
        """What became of an operation, None where nothing has."""
        place = self.read(f"operation/{reference}", OperationDocument)
        if place is None:
            return None
        account = self.read(f"account/{place.token}", AccountDocument)
        if account is not None and reference in account.records:
            return account.records[reference]
        # It may have been moved since the operation's key was read.
        moved = self.read(f"operation/{reference}", OperationDocument)
        return moved.record if moved is not None else None

    def place(self, reference: str) -> str:
        """The account that an earlier operation belongs to; raises InvalidRequest."""
        place = self.read(f"operation/{reference}", OperationDocument)
        if place is None:
            raise InvalidRequest("no_such_operation", f"nothing is known of {reference}")
        return place.token

    def apply(self, token: str, reference: str, rule: Callable[[AccountDocument], AccountDocument]) -> Record:
        """Let an operation take effect once on its account; `rule` adds its record to the document."""

        def once(account: AccountDocument | None) -> AccountDocument:
            if account is None:
                raise InvalidRequest("no_such_account", f"no balance is kept for {token}")
            if reference in account.records or self._moved(reference):
                return account
            return rule(account)

        after = self.change(f"account/{token}", AccountDocument, once)
        record = after.records.get(reference) or self.record(reference)
        if record is None:
            raise NotSent(f"{reference} left no record")
        self._tidy(token)
        return record

    def close(self, reference: str, record: Record) -> Record:
        """Record an operation that moved no money under its own key."""
        place = self.change(f"operation/{reference}", OperationDocument, _with_record(record, keep=True))
        return place.record or record

    def history(self, token: str) -> list[Record]:
        """Every record of an account, the newest first."""
        account = self.read(f"account/{token}", AccountDocument)
        if account is None:
            return []
        found = list(reversed(account.records.values()))
        reference = account.moved
        while reference and len(found) < MAX_CHAIN:
            place = self.read(f"operation/{reference}", OperationDocument)
            if place is None or place.record is None:
                break
            found.append(place.record)
            reference = place.record.previous
        return found

    def _moved(self, reference: str) -> bool:
        place = self.read(f"operation/{reference}", OperationDocument)
        return place is not None and place.record is not None

    def _tidy(self, token: str) -> None:
        """Move the oldest records out of a document that has grown; whoever comes second finds it done."""
        account = self.read(f"account/{token}", AccountDocument)
        if account is None or len(account.records) <= MAX_RECENT:
            return
        oldest = list(account.records)[: len(account.records) - MAX_RECENT // 2]
        previous = account.moved
        for reference in oldest:
            record = msgspec.structs.replace(account.records[reference], previous=previous)
            self.change(f"operation/{reference}", OperationDocument, _with_record(record))
            previous = reference
        kept = {reference: record for reference, record in account.records.items() if reference not in oldest}
        slim = msgspec.structs.replace(account, records=kept, moved=previous)
        # If the document moved on meanwhile, the next operation tidies; the copies under the keys say the same.
        self._state.compare_and_set(f"account/{token}", _encode(account), _encode(slim))


def _with_record(record: Record, *, keep: bool = False) -> Callable[[OperationDocument | None], OperationDocument]:
    def rule(there: OperationDocument | None) -> OperationDocument:
        assert there is not None, "an operation is claimed before it takes effect"
        return there if keep and there.record is not None else msgspec.structs.replace(there, record=record)

    return rule


def _encode(document: msgspec.Struct) -> str:
    return msgspec.json.encode(document).decode()
