"""What the steps need of the world: time, a transaction, merchants, payment adapters. Each a page, none a framework."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from gateway.domain.payment import PaymentMethod
from gateway.domain.records import MerchantAccount, WorkItem
from payments.adapter import PaymentAdapter

Entity = TypeVar("Entity")
Scalar = str | int | float | bool | None


class Clock(Protocol):
    """Two times: policy, deliveries, mandates and consumption use `now_us`; leases, undo and sessions use `wall_us`."""

    def now_us(self) -> int:
        """Policy time, UTC microseconds; simulated in a demonstration."""
        ...

    def wall_us(self) -> int:
        """Real time, UTC microseconds."""
        ...


class LeaseLost(Exception):
    """Another worker took this item over; nothing may be written for it any more."""

    def __init__(self, item: WorkItem) -> None:
        super().__init__(f"the lease of {item.step} {item.subject_id} passed on (fence {item.fence})")
        self.item = item


class Transaction(Protocol):
    """One transaction over the main database. All reads are of one household; nothing is visible before the commit.

    Entities are the frozen dataclasses of gateway.domain; the store keeps one table for each.
    """

    def new_id(self) -> str:
        """Return a new UUIDv7."""
        ...

    def get(self, entity: type[Entity], household_id: str, entity_id: str) -> Entity:
        """Return the household's entity; raises NotFound, also for another household's."""
        ...

    def seek(self, entity: type[Entity], household_id: str, entity_id: str) -> Entity | None:
        """Return the household's entity, or None."""
        ...

    def find(
        self,
        entity: type[Entity],
        household_id: str | None,
        *,
        newest: int | None = None,
        oldest: int | None = None,
        before: str | None = None,
        **equals: Scalar | frozenset[str],
    ) -> list[Entity]:
        """Return the household's entities whose columns equal the values (a frozenset means any of them).

        Ordered by id, oldest first; `newest=N` returns the N newest, newest first, `oldest=N` the N oldest; `before`
        leaves out that id and all above it, for the next page of a newest-first list. `household_id` None reads all
        households and is for the operator's work alone.
        """
        ...

    def count(self, entity: type[Entity], household_id: str | None, **equals: str) -> int:
        """Return how many such entities there are, without reading them."""
        ...

    def every(self, entity: type[Entity], household_id: str) -> Iterator[Entity]:
        """Yield all of the household's entities in the order of their ids, in pages; for whole-book reads."""
        ...

    def add(self, entity: object) -> None:
        """Insert one entity."""
        ...

    def save(self, entity: object) -> None:
        """Write back one entity that was read or added before; raises NotFound if it is gone."""
        ...

    def remove(self, entity: object) -> None:
        """Delete one entity (only what is derived, such as a forecast nobody refers to)."""
        ...

    def enqueue(
        self, step: str, household_id: str | None, subject_id: str, *, due_us: int, not_before_wall_us: int = 0
    ) -> None:
        """Leave a row for the worker: run `step` on the subject when policy time and real time allow.

        One row per step and subject: asking again replaces the due time, also while the step is running (it then
        runs once more).
        """
        ...

    def cancel_work(self, step: str, subject_id: str) -> None:
        """Take back a row that is not needed any more; a running step finishes."""
        ...

    def is_waiting(self, step: str, subject_id: str, *, due_by_us: int | None = None) -> bool:
        """Say whether such a row waits or runs, due by that policy time (None: at any time)."""
        ...

    def savepoint(self) -> AbstractContextManager[None]:
        """Undo only what was written inside when an exception leaves the block."""
        ...

    def hold(self, item: WorkItem) -> None:
        """Raise LeaseLost unless the item's lease and fence still stand; lengthens the lease."""
        ...

    def complete(self, item: WorkItem) -> None:
        """Close the item in this transaction; raises LeaseLost when the fence passed on."""
        ...

    def cursor(self, name: str) -> int:
        """Return how far a reader of the inbox has come, 0 at first."""
        ...

    def move_cursor(self, name: str, position: int) -> None:
        """Move the reader on, in the same transaction as what it wrote."""
        ...


class UnitOfWork(Protocol):
    """Where transactions come from."""

    def begin(self) -> AbstractContextManager[Transaction]:
        """Open a writing transaction (SQLite: BEGIN IMMEDIATE); commits at the end, rolls back on any exception."""
        ...

    def read(self) -> AbstractContextManager[Transaction]:
        """Open a reading transaction; it writes nothing."""
        ...


class Inbox(Protocol):
    """The append-only inbox, as `record` reads it."""

    def read_after(self, cursor: int, limit: int) -> Sequence["InboxRow"]:
        """Return at most `limit` rows with an id above the cursor, oldest first."""
        ...

    def last_id(self) -> int:
        """Return the id of the newest committed row, 0 when empty."""
        ...

    def read_rejected_after(self, cursor: int, limit: int) -> Sequence["RejectedRow"]:
        """Return at most `limit` rejected rows with an id above the cursor, oldest first."""
        ...


class InboxRow(Protocol):
    """One committed message."""

    @property
    def id(self) -> int:
        """Grows with every commit; the cursor."""
        ...

    @property
    def kind(self) -> str:
        """Telemetry or status."""
        ...

    @property
    def device_id(self) -> str:
        """Whose topic it came on."""
        ...

    @property
    def sender(self) -> str:
        """Whom the broker vouched for."""
        ...

    @property
    def topic(self) -> str:
        """The whole topic."""
        ...

    @property
    def payload(self) -> bytes:
        """The envelope as it came."""
        ...

    @property
    def received_at_us(self) -> int:
        """Policy time of its arrival."""
        ...


class RejectedRow(Protocol):
    """One message that could not even be opened; the first bytes of its payload."""

    @property
    def id(self) -> int:
        """Grows with every commit; a cursor of its own."""
        ...

    @property
    def sender(self) -> str | None:
        """Whom the broker vouched for, if anybody."""
        ...

    @property
    def topic(self) -> str:
        """The whole topic."""
        ...

    @property
    def reason(self) -> str:
        """The stable machine word."""
        ...

    @property
    def payload(self) -> bytes:
        """Its first 8192 bytes."""
        ...

    @property
    def size_bytes(self) -> int:
        """How long it was."""
        ...

    @property
    def received_at_us(self) -> int:
        """Policy time of its arrival."""
        ...


# Merchants


class MerchantError(Exception):
    """Base of what a merchant adapter may raise; everything else is an outcome."""


class MerchantNotSent(MerchantError):
    """Nothing left this machine: try again later."""


class MerchantUnknown(MerchantError):
    """The request left, the answer is missing or unreadable: look it up by our reference."""


class MerchantRefused(MerchantError):
    """The merchant refused the request for good and did nothing; the message says why."""


@dataclass(frozen=True, slots=True)
class WantedLine:
    """What we want a price for: a product we know (`sku`), or any that refills this kind of supply in this unit."""

    supply_kind: str
    unit: str
    sku: str | None
    packs: int


@dataclass(frozen=True, slots=True)
class Offer:
    """One pack at its present price. `pack_size` in the wanted unit; out of stock is an offer that cannot be had."""

    sku: str
    gtin: str
    name: str
    detail: str
    pack_size: float
    unit: str
    unit_price_minor: int
    in_stock: bool


@dataclass(frozen=True, slots=True)
class QuotedLine:
    """The answer to one wanted line: the offer for the wanted product (None when unknown) and others like it."""

    offer: Offer | None
    alternatives: tuple[Offer, ...]


@dataclass(frozen=True, slots=True)
class Quote:
    """The merchant's answer to a whole cart; lines in the order asked."""

    quote_ref: str
    currency: str
    lines: tuple[QuotedLine, ...]
    delivery_price_minor: int
    free_delivery_from_minor: int | None
    promised_us: int
    lead_time_days: float


@dataclass(frozen=True, slots=True)
class PlaceLine:
    """One line of an order: what was approved, at the approved price for one pack."""

    line_ref: str
    sku: str
    packs: int
    unit_price_minor: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """The merchant took the order at a total that is not above the approved one."""

    merchant_ref: str
    total_minor: int
    promised_us: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The merchant did not take the order; nothing was sent, nothing is owed."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class ParcelLine:
    """What one parcel holds of one order line; `packs_delivered` is None until it came."""

    line_ref: str
    packs: int
    packs_delivered: int | None


@dataclass(frozen=True, slots=True)
class Parcel:
    """One shipment. `state`: shipped, delivered or lost. `amount_minor` is what the merchant bills for it."""

    parcel_ref: str
    state: str
    amount_minor: int
    shipped_us: int
    delivered_us: int | None
    lines: tuple[ParcelLine, ...]


@dataclass(frozen=True, slots=True)
class OrderStatus:
    """Where an order stands. `state`: accepted, rejected, shipped, delivered, cancelled, lost, returned.

    `total_minor` is what the whole order costs, goods and delivery; the parcels' amounts never sum above it.
    """

    merchant_ref: str
    state: str
    message: str
    total_minor: int
    promised_us: int
    parcels: tuple[Parcel, ...]


@dataclass(frozen=True, slots=True)
class OrderNotFound:
    """The merchant knows no order under our reference: what we sent did not arrive, or not yet."""


@dataclass(frozen=True, slots=True)
class MerchantNotice:
    """A verified hint: these orders of ours (our references) changed; look them up."""

    notice_id: str
    order_references: tuple[str, ...]


class Merchant(Protocol):
    """One shop. Every method may raise MerchantNotSent, MerchantUnknown or MerchantRefused."""

    def quote(self, lines: tuple[WantedLine, ...]) -> Quote:
        """Ask for prices, alternatives, delivery price and promised date; commits to nothing."""
        ...

    def place(
        self, *, reference: str, household_ref: str, quote_ref: str, lines: tuple[PlaceLine, ...], total_minor: int
    ) -> Accepted | Refused:
        """Place an order; the same reference places at most one. Never accepted above `total_minor`."""
        ...

    def status(self, reference: str) -> OrderStatus | OrderNotFound:
        """Look an order up by our reference."""
        ...

    def cancel(self, reference: str) -> OrderStatus | OrderNotFound:
        """Ask to cancel; the answer says whether it still was possible."""
        ...

    def parse_notice(self, headers: Mapping[str, str], body: bytes) -> MerchantNotice:
        """Verify and read what the shop told us; raises MerchantRefused when it cannot be trusted."""
        ...


class Merchants(Protocol):
    """The shops this gateway works with."""

    def open(self, account: MerchantAccount) -> Merchant:
        """Return the adapter for one shop; raises MerchantRefused for an unknown adapter name."""
        ...


class PaymentProviders(Protocol):
    """The payment adapters this gateway works with, reached by name."""

    def open(self, name: str) -> PaymentAdapter:
        """Return the adapter; raises payments' ConfigError for an unknown name."""
        ...

    def seal(self, token: str, *, household_id: str, method_id: str) -> bytes:
        """Return the sealed form in which a linked account's token is kept."""
        ...

    def token(self, method: PaymentMethod) -> str:
        """Return the provider's token of a linked account, unsealed."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """What a step that calls out is handed."""

    unit_of_work: UnitOfWork
    clock: Clock
    inbox: Inbox
    merchants: Merchants
    providers: PaymentProviders
    undo_us: int
