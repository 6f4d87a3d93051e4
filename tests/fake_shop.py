"""A shop and an inbox in memory: orders, parcels and messages are as a test makes them."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from gateway.domain.records import MerchantAccount
from gateway.domain.replenishment import DAY_US
from gateway.steps.ports import (
    Accepted,
    MerchantNotice,
    MerchantNotSent,
    MerchantRefused,
    MerchantUnknown,
    Offer,
    OrderNotFound,
    OrderStatus,
    Parcel,
    ParcelLine,
    PlaceLine,
    Quote,
    QuotedLine,
    Refused,
    WantedLine,
)
from tests.fakes import FakeClock

NOTICE_AGE_US = 900_000_000
Fault = Literal["not_sent", "lost", "silent", "refused", "rejected"]


@dataclass
class ShopOrder:
    """One order as the shop has it."""

    lines: tuple[PlaceLine, ...]
    total_minor: int
    state: str = "accepted"
    parcels: list[Parcel] = field(default_factory=list)
    promised_us: int = 0


@dataclass
class FakeShop:
    """A merchant whose orders move when a test says so. `faults` is what the next calls of `place` meet."""

    clock: FakeClock
    around: Callable[[str], None] = lambda _where: None
    offers: dict[str, Offer] = field(default_factory=dict)
    faults: deque[Fault] = field(default_factory=deque)
    quote_faults: deque[Fault] = field(default_factory=deque)
    cancel_faults: deque[Fault] = field(default_factory=deque)
    orders: dict[str, ShopOrder] = field(default_factory=dict)
    rejected: set[str] = field(default_factory=set)
    quoted: list[tuple[WantedLine, ...]] = field(default_factory=list)
    currency: str = "EUR"
    lead_time_days: float = 2.0
    accepts_for: int | None = None  # the total it accepts an order for, whatever was quoted

    def sell(
        self, sku: str, price_minor: int, *, pack_size: float = 1.0, unit: str = "l", in_stock: bool = True
    ) -> None:
        """Put a product on sale, or change it."""
        self.offers[sku] = Offer(sku, "", sku.replace("-", " "), "", pack_size, unit, price_minor, in_stock)

    def quote(self, lines: tuple[WantedLine, ...]) -> Quote:
        if self.quote_faults:
            self._fail(self.quote_faults.popleft())
        self.around("quote")
        self.quoted.append(lines)
        answers = []
        for line in lines:
            kind = line.supply_kind
            others = tuple(offer for sku, offer in self.offers.items() if sku.startswith(kind) and sku != line.sku)
            answers.append(QuotedLine(self.offers.get(line.sku or ""), others))
        return Quote(
            "quote", self.currency, tuple(answers), 290, 3000, self.clock.now + 2 * DAY_US, self.lead_time_days
        )

    def place(
        self, *, reference: str, household_ref: str, quote_ref: str, lines: tuple[PlaceLine, ...], total_minor: int
    ) -> Accepted | Refused:
        assert household_ref
        assert quote_ref
        self.around("before place")
        fault = self.faults.popleft() if self.faults else None
        if fault in {"not_sent", "lost", "refused"}:
            self._fail(fault)
        if reference not in self.orders and reference not in self.rejected:
            if fault == "rejected":
                self.rejected.add(reference)
            else:
                promised_us = self.clock.now + 2 * DAY_US
                self.orders[reference] = ShopOrder(lines, total_minor, promised_us=promised_us)
        if fault == "silent":
            raise MerchantUnknown("the answer was lost")
        self.around("after place")
        if reference in self.rejected:
            return Refused("rejected", "We cannot take this order.")
        order = self.orders[reference]
        accepted_minor = order.total_minor if self.accepts_for is None else self.accepts_for
        return Accepted(f"their-{reference}", accepted_minor, order.promised_us)

    def status(self, reference: str) -> OrderStatus | OrderNotFound:
        self.around("status")
        if reference in self.rejected:
            return OrderStatus("", "rejected", "We cannot take this order.", 0, self.clock.now, ())
        if reference not in self.orders:
            return OrderNotFound()
        order = self.orders[reference]
        return OrderStatus(
            f"their-{reference}", self._state(order), "", order.total_minor, order.promised_us, tuple(order.parcels)
        )

    def cancel(self, reference: str) -> OrderStatus | OrderNotFound:
        self.around("before cancel")
        fault = self.cancel_faults.popleft() if self.cancel_faults else None
        if fault in {"not_sent", "lost", "refused"}:
            self._fail(fault)
        if reference in self.orders and not self.orders[reference].parcels and fault != "rejected":
            self.orders[reference].state = "cancelled"
        if fault == "silent":
            raise MerchantUnknown("the answer was lost")
        self.around("after cancel")
        return self.status(reference)

    def parse_notice(self, headers: Mapping[str, str], body: bytes, received_wall_us: int) -> MerchantNotice:
        if headers.get("x-signature") != "good":
            raise MerchantRefused("the signature is wrong")
        if received_wall_us > int(headers.get("x-signed-us", received_wall_us)) + NOTICE_AGE_US:
            raise MerchantRefused("the signature is too old")
        return MerchantNotice("notice", tuple(body.decode().split(",")))

    # What a test does at the shop

    @property
    def only(self) -> str:
        """The reference of the one order there is."""
        (reference,) = self.orders
        return reference

    def ship(self, *packs: int, reference: str | None = None, amount_minor: int | None = None) -> str:
        """Send a parcel with so many packs of each line, billed at their price; the first bears the delivery fee."""
        order = self.orders[reference or self.only]
        packs = packs or tuple(line.packs for line in order.lines)
        goods = sum(line.packs * line.unit_price_minor for line in order.lines)
        billed = sum(count * line.unit_price_minor for count, line in zip(packs, order.lines, strict=True))
        fee = 0 if order.parcels else order.total_minor - goods
        lines = tuple(
            ParcelLine(line.line_ref, count, None) for count, line in zip(packs, order.lines, strict=True) if count
        )
        parcel_ref = f"parcel-{len(order.parcels) + 1}"
        amount = billed + fee if amount_minor is None else amount_minor
        order.parcels.append(Parcel(parcel_ref, "shipped", amount, self.clock.now, None, lines))
        return parcel_ref

    def deliver(
        self, parcel_ref: str = "parcel-1", *, lacking: int = 0, at_us: int | None = None, reference: str | None = None
    ) -> None:
        """Bring a parcel; `lacking` packs of its first line are not inside."""
        order = self.orders[reference or self.only]
        for index, parcel in enumerate(order.parcels):
            if parcel.parcel_ref != parcel_ref:
                continue
            lines = tuple(
                replace(line, packs_delivered=line.packs - (lacking if place == 0 else 0))
                for place, line in enumerate(parcel.lines)
            )
            came_us = self.clock.now if at_us is None else at_us
            order.parcels[index] = replace(parcel, state="delivered", delivered_us=came_us, lines=lines)

    def lose(self, parcel_ref: str = "parcel-1", *, reference: str | None = None) -> None:
        """Give a parcel up."""
        order = self.orders[reference or self.only]
        order.parcels = [
            replace(parcel, state="lost") if parcel.parcel_ref == parcel_ref else parcel for parcel in order.parcels
        ]

    @staticmethod
    def _state(order: ShopOrder) -> str:
        if order.state != "accepted" or not order.parcels:
            return order.state
        sent = {line.line_ref: 0 for line in order.lines}
        for parcel in order.parcels:
            for line in parcel.lines:
                sent[line.line_ref] += line.packs
        states = {parcel.state for parcel in order.parcels}
        if "shipped" in states or any(sent[line.line_ref] < line.packs for line in order.lines):
            return "shipped"
        return "delivered" if "delivered" in states else "lost"

    @staticmethod
    def _fail(fault: Fault) -> None:
        match fault:
            case "not_sent":
                raise MerchantNotSent("no route")
            case "refused":
                raise MerchantRefused("we do not deal with you")
            case _:
                raise MerchantUnknown("timed out")


@dataclass
class FakeMerchants:
    """The one shop behind every account."""

    shop: FakeShop

    def open(self, account: MerchantAccount) -> FakeShop:
        assert account.id
        return self.shop


@dataclass(frozen=True)
class FakeInboxRow:
    """A message as the intake would have stored it."""

    id: int
    kind: str
    device_id: str
    sender: str
    topic: str
    payload: bytes
    received_at_us: int


@dataclass(frozen=True)
class FakeRejectedRow:
    """A message that could not be opened."""

    id: int
    sender: str | None
    topic: str
    reason: str
    payload: bytes
    size_bytes: int
    received_at_us: int


@dataclass
class FakeInbox:
    """Messages in a list; ids count from 1."""

    around: Callable[[], None] = lambda: None
    rows: list[FakeInboxRow] = field(default_factory=list)
    rejected: list[FakeRejectedRow] = field(default_factory=list)
    pruned: list[tuple[int, int, int, int]] = field(default_factory=list)

    def append(self, payload: bytes, at_us: int, *, device_id: str = "fridge", kind: str = "telemetry") -> None:
        """Let a message arrive."""
        topic = f"replenish/v1/{device_id}/{kind}"
        self.rows.append(FakeInboxRow(len(self.rows) + 1, kind, device_id, device_id, topic, payload, at_us))

    def reject(
        self, payload: bytes, at_us: int, *, sender: str | None = "fridge", reason: str = "not-an-envelope"
    ) -> None:
        """Let a message be rejected at the door."""
        number = len(self.rejected) + 1
        self.rejected.append(FakeRejectedRow(number, sender, "replenish/v1/x", reason, payload, len(payload), at_us))

    def read_after(self, cursor: int, limit: int) -> list[FakeInboxRow]:
        return self.rows[cursor : cursor + limit]

    def last_id(self) -> int:
        return len(self.rows)

    def prune(self, recorded: int, rejected: int, *, before_us: int, limit: int) -> int:
        assert recorded <= len(self.rows)
        assert rejected <= len(self.rejected)
        self.pruned.append((recorded, rejected, before_us, limit))
        return 0

    def read_rejected_after(self, cursor: int, limit: int) -> list[FakeRejectedRow]:
        if limit > 1:  # record reads them last, the worker only looks whether there is one
            self.around()
        return self.rejected[cursor : cursor + limit]
