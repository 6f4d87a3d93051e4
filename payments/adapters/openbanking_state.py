"""What the open banking adapter remembers: consents with their tokens, holds that are only ours, and each operation.

The state it stands in is the adapter's own and encrypted at rest. Every change is a compare-and-set, so that of two
workers one wins and the other reads what it wrote.
"""

import base64
import hashlib
from collections.abc import Callable
from typing import Literal, TypeVar

import msgspec

from payments.adapter import DeclineKind, OperationKind
from payments.context import KeyValueState
from payments.errors import OutcomeUnknown

MOST_TRIES = 50


class Consent(msgspec.Struct, frozen=True):
    """One consent at the bank, for one customer, who was last sent to `url`.

    `access` and `refresh` open it; `renewing_until_us`: a worker is exchanging `refresh` till then.
    """

    id: str
    reference: str
    method_token: str
    limit_minor: int
    currency: str
    valid_to_us: int | None
    url: str
    url_made_us: int
    access: str = ""
    refresh: str = ""
    renewing_until_us: int = 0
    status: Literal["asked", "active", "refused", "ended"] = "asked"
    valid_from_us: int | None = None


class SetUp(msgspec.Struct, frozen=True):
    """Which consent a reference of ours asked for."""

    consent_id: str
    fingerprint: str


class Journey(msgspec.Struct, frozen=True):
    """One way of a customer to the bank and back, known by its `state`; it may be come back from once."""

    consent_id: str
    reference: str
    verifier: str
    is_over: bool = False


class Hold(msgspec.Struct, frozen=True):
    """An amount that was checked and is held by nobody: what captures took of it, and what a void let go."""

    reference: str
    consent_id: str
    amount_minor: int
    currency: str
    taken: dict[str, int] = {}
    voided_by: str = ""
    released_minor: int = 0

    @property
    def left_minor(self) -> int:
        """What can still be captured."""
        return self.amount_minor - sum(self.taken.values()) - self.released_minor


class Decline(msgspec.Struct, frozen=True):
    """Why the bank said no."""

    kind: DeclineKind
    code: str
    message: str


class Operation(msgspec.Struct, frozen=True):
    """One operation of ours. Written as `sent` before the bank is asked; `parent` is its consent, hold or payment."""

    kind: OperationKind
    reference: str
    fingerprint: str
    parent: str
    amount_minor: int
    currency: str
    status: Literal["sent", "pending", "done", "declined"] = "sent"
    provider_ref: str = ""
    expires_at_us: int | None = None
    decline: Decline | None = None


class PaymentName(msgspec.Struct, frozen=True):
    """Our reference of a payment that the bank knows by its own id."""

    reference: str


Document = TypeVar("Document", bound=msgspec.Struct)


class Memory:
    """The documents by kind and name."""

    def __init__(self, state: KeyValueState) -> None:
        self._state = state

    def find(self, shape: type[Document], name: str) -> Document | None:
        """The document of that name, None where there is none."""
        text = self._state.get(_key(shape, name))
        return None if text is None else msgspec.json.decode(text, type=shape)

    def add(self, name: str, document: Document) -> Document:
        """Write a new document; returns it, or the one that was there already."""
        key = _key(type(document), name)
        if self._state.compare_and_set(key, None, _text(document)):
            return document
        return self._require(type(document), name)

    def change(self, shape: type[Document], name: str, change: Callable[[Document], Document]) -> Document:
        """Change a document that is there and return what it became; `change` may be asked more than once.

        Raises OutcomeUnknown when others change it all the time.
        """
        key = _key(shape, name)
        for _ in range(MOST_TRIES):
            text = self._state.get(key)
            if text is None:
                break
            before = msgspec.json.decode(text, type=shape)
            after = change(before)
            if after == before or self._state.compare_and_set(key, text, _text(after)):
                return after
        raise OutcomeUnknown(f"what is remembered as {key} could not be changed")

    def _require(self, shape: type[Document], name: str) -> Document:
        found = self.find(shape, name)
        if found is None:
            raise OutcomeUnknown(f"what was remembered as {_key(shape, name)} is gone")
        return found


def fingerprint(*parts: object) -> str:
    """What must be the same when a key comes back."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def short(text: str, longest: int) -> str:
    """A name as the bank takes it: as it is where it fits, else drawn from it, always the same.

    >>> short("op-1", 31), len(short("0" * 36, 31))
    ('op-1', 26)
    """
    if len(text) <= longest:
        return text
    return base64.b32encode(hashlib.sha256(text.encode()).digest()[:16]).decode().rstrip("=").lower()


def _key(shape: type[msgspec.Struct], name: str) -> str:
    return f"{shape.__name__.lower()}/{name}"


def _text(document: msgspec.Struct) -> str:
    return msgspec.json.encode(document).decode()
