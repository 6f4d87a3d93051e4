"""What the adapter remembers of its own requests: written before each call, so that whatever is lost can be found.

Stripe's search by metadata lags by up to a minute, so nothing here relies on it: objects are retrieved by their id
where it is known, else found in the list of one customer, which is never behind. Each linked account is a customer of
its own at Stripe, and its list is short.
"""

from typing import TypeVar

import msgspec

from payments.context import KeyValueState
from payments.errors import ConfigError, InvalidRequest
from payments.money import Money

MOST_RACES = 20


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """One permission that was asked for; `session` is Stripe's page once it is known."""

    token: str
    customer: str
    limit_minor: int
    currency: str
    return_url: str
    expires_at_us: int | None = None
    session: str = ""


class Mandate(msgspec.Struct, frozen=True, kw_only=True):
    """One permission that stands or was given back; Stripe knows no limits, so they are kept here."""

    token: str
    customer: str
    payment_method: str
    limit_minor: int
    currency: str
    return_url: str
    expires_at_us: int | None = None
    revoked: bool = False

    @property
    def limit(self) -> Money:
        """The most that one order may cost."""
        return Money(self.limit_minor, self.currency)


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One request about money. `on` is what it acts on; `made` is Stripe's id of what it made, once that is known."""

    key: str
    kind: str
    on: str
    amount_minor: int
    currency: str
    customer: str = ""
    made: str = ""

    @property
    def amount(self) -> Money:
        """What was asked for."""
        return Money(self.amount_minor, self.currency)


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """An amount that is only remembered, of a direct debit; `taken` maps each capture's reference to its amount."""

    reference: str
    mandate: str
    amount_minor: int
    currency: str
    taken: dict[str, int] = {}
    voided_by: str = ""
    voided_minor: int = 0

    @property
    def amount(self) -> Money:
        """What was asked for."""
        return Money(self.amount_minor, self.currency)

    @property
    def left_minor(self) -> int:
        """What may still be debited under it."""
        return 0 if self.voided_by else self.amount_minor - sum(self.taken.values())


Record = TypeVar("Record", Setup, Mandate, Operation, Hold)


class Records:
    """The adapter's memory, by kind of record and its key."""

    def __init__(self, state: KeyValueState) -> None:
        self._state = state

    def find(self, shape: type[Record], key: str) -> Record | None:
        """Return a record, None where there is none."""
        text = self._state.get(_path(shape, key))
        return None if text is None else msgspec.json.decode(text, type=shape)

    def begin(self, key: str, record: Record) -> Record:
        """Write a new record and return it, or the one that is there already."""
        shape = type(record)
        if self._state.compare_and_set(_path(shape, key), None, _text(record)):
            return record
        found = self.find(shape, key)
        if found is None:
            raise ConfigError(f"the adapter's memory lost {_path(shape, key)}")
        return found

    def change(self, key: str, before: Record, after: Record) -> bool:
        """Write `after` if the record still is `before`; was it?"""
        return self._state.compare_and_set(_path(type(before), key), _text(before), _text(after))

    def word(self, key: str) -> str | None:
        """Return a plain word that is kept under a key."""
        return self._state.get(key)

    def keep(self, key: str, word: str) -> str:
        """Keep a plain word unless there is one; return the one that is kept."""
        if self._state.compare_and_set(key, None, word):
            return word
        return self._state.get(key) or word

    def claim(self, key: str, word: str) -> str:
        """Take what nobody else has, under a word of ours; return whose it is now."""
        self._state.compare_and_set(key, None, word) or self._state.compare_and_set(key, "", word)
        return self._state.get(key) or ""

    def give_up(self, key: str, word: str) -> None:
        """Let go what was claimed, for nothing came of it."""
        self._state.compare_and_set(key, word, "")

    def begin_operation(self, reference: str, asked: Operation) -> Operation:
        """Write a request before it is sent; raises InvalidRequest when its reference was used for another one."""
        found = self.begin(reference, asked)
        if msgspec.structs.replace(found, made="") != asked:
            raise InvalidRequest("key_reused", "the key was used for another request")
        return found

    def note_made(self, reference: str, operation: Operation, made: str) -> None:
        """Keep Stripe's id of what a request made."""
        if made and operation.made != made:
            self.change(reference, operation, msgspec.structs.replace(operation, made=made))


def _path(shape: type, key: str) -> str:
    return f"{shape.__name__.lower()}/{key}"


def _text(record: Record) -> str:
    return msgspec.json.encode(record).decode()
