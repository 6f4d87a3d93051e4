"""Carts and orders as the API sends them, and the wishes about them it takes."""

from datetime import datetime

from pydantic import AwareDatetime, Field, model_validator

from gateway.domain.cart import CartState
from gateway.domain.order import LineState, OrderState, ShipmentState
from gateway.domain.replenishment import MAX_PACKS_PER_LINE
from gateway.web.api.schemas.common import (
    Amount,
    Answer,
    Wish,
    amount,
    moment,
)
from gateway.web.views.carts import CartView
from gateway.web.views.order import OrderView
from gateway.web.views.progress import ProgressStep, StepKey, StepState


class AlternativeBody(Answer):
    """A pack that may be bought instead: send its `sku` with PATCH."""

    sku: str
    name: str
    detail: str
    pack_size: float
    unit_price: Amount
    in_stock: bool
    chosen: bool


class CartLineBody(Answer):
    """One line; `price_change` is one pack's change since last time, null when there is none."""

    id: str
    supply_id: str
    sku: str
    name: str
    detail: str
    pack_size: float
    packs: int
    unit_price: Amount
    amount: Amount
    price_change: Amount | None
    why: str
    refill_seen: bool
    alternatives: list[AlternativeBody]


class StepBody(Answer):
    """One step after the decision."""

    key: StepKey
    state: StepState
    words: str
    at: datetime | None

    @classmethod
    def of(cls, step: ProgressStep) -> "StepBody":
        """Make it from the receipt's step."""
        return cls(key=step.key, state=step.state, words=step.words, at=moment(step.at_us))


class CartBody(Answer):
    """What is proposed to the household at one merchant.

    `version` grows with every edit: send it with approve so that nobody approves what they did not see.
    `undo_until` is real time; all other instants are the household's time, which a demonstration may speed up.
    """

    id: str
    state: CartState
    version: int
    merchant_id: str
    merchant: str
    lines: list[CartLineBody]
    goods: Amount
    delivery: Amount
    total: Amount
    promised: datetime | None
    decide_by: datetime | None
    undo_until: datetime | None
    payment_method_id: str | None
    signed: bool
    needs_person: list[str]
    approved_by: str | None
    note: str
    steps: list[StepBody]
    order_id: str | None
    payment_id: str | None
    created: datetime | None

    @classmethod
    def of(cls, view: CartView) -> "CartBody":
        """Make it from the decision card."""
        return cls(
            id=view.id,
            state=view.state,
            version=view.version,
            merchant_id=view.merchant_id,
            merchant=view.merchant,
            lines=[
                CartLineBody(
                    id=line.id,
                    supply_id=line.supply_id,
                    sku=line.sku,
                    name=line.name,
                    detail=line.detail,
                    pack_size=line.pack_size,
                    packs=line.packs,
                    unit_price=amount(line.unit_price_minor, view.currency),
                    amount=amount(line.amount_minor, view.currency),
                    price_change=amount(line.change_minor, view.currency) if line.change_minor else None,
                    why=line.why,
                    refill_seen=line.refill_seen,
                    alternatives=[
                        AlternativeBody(
                            sku=one.sku,
                            name=one.name,
                            detail=one.detail,
                            pack_size=one.pack_size,
                            unit_price=amount(one.price_minor, view.currency),
                            in_stock=one.in_stock,
                            chosen=one.chosen,
                        )
                        for one in line.alternatives
                    ],
                )
                for line in view.lines
            ],
            goods=amount(view.goods_minor, view.currency),
            delivery=amount(view.delivery_minor, view.currency),
            total=amount(view.total_minor, view.currency),
            promised=moment(view.promised_us),
            decide_by=moment(view.decide_by_us),
            undo_until=moment(view.undo_until_wall_us),
            payment_method_id=view.method_id,
            signed=view.signed,
            needs_person=list(view.needs_person),
            approved_by=view.approved_by or None,
            note=view.note,
            steps=[StepBody.of(step) for step in view.steps],
            order_id=view.order_id,
            payment_id=view.attempt_id,
            created=moment(view.created_us),
        )


class LineWish(Wish):
    """Another quantity, or another product from the line's alternatives: one of the two."""

    packs: int | None = Field(default=None, ge=1, le=MAX_PACKS_PER_LINE, examples=[2])
    sku: str | None = Field(default=None, min_length=1, max_length=100)

    @model_validator(mode="after")
    def _one_of_the_two(self) -> "LineWish":
        if (self.packs is None) is (self.sku is None):
            raise ValueError("send either packs or sku")
        return self


class ApproveWish(Wish):
    """Yes: to this version of the cart, paid by this linked account; both may be left out."""

    version: int | None = Field(default=None, ge=0, examples=[1])
    payment_method_id: str | None = Field(default=None, max_length=64)


class PayAgainWish(Wish):
    """The linked account to ask; left out, it is the same one while it may be debited."""

    payment_method_id: str | None = Field(default=None, max_length=64)


class SnoozeWish(Wish):
    """Ask again at that instant (the household's time), or in so many days; a day if neither is sent."""

    until: AwareDatetime | None = None
    days: float | None = Field(default=None, gt=0, le=60, examples=[3])


class OrderLineBody(Answer):
    """One ordered line: packs asked for, shipped, delivered and refunded; whether a device saw the refill."""

    id: str
    supply_id: str
    sku: str
    name: str
    packs: int
    packs_shipped: int
    packs_delivered: int
    packs_refunded: int
    amount: Amount
    state: LineState
    delivered: datetime | None
    refill_seen: bool
    refill_id: str | None


class ShipmentBody(Answer):
    """One parcel, and what it was billed at."""

    id: str
    state: ShipmentState
    amount: Amount
    shipped: datetime | None
    delivered: datetime | None


class OrderBody(Answer):
    """What a merchant was asked for, what it shipped, what came."""

    id: str
    cart_id: str
    payment_id: str
    state: OrderState
    merchant: str
    merchant_ref: str
    total: Amount
    placed: datetime | None
    promised: datetime | None
    late: bool
    note: str
    lines: list[OrderLineBody]
    shipments: list[ShipmentBody]
    steps: list[StepBody]

    @classmethod
    def of(cls, view: OrderView) -> "OrderBody":
        """Make it from the order's page."""
        return cls(
            id=view.id,
            cart_id=view.cart_id,
            payment_id=view.attempt_id,
            state=view.state,
            merchant=view.merchant,
            merchant_ref=view.merchant_ref,
            total=amount(view.total_minor, view.currency),
            placed=moment(view.placed_us),
            promised=moment(view.promised_us),
            late=view.late,
            note=view.note,
            lines=[
                OrderLineBody(
                    id=line.id,
                    supply_id=line.supply_id,
                    sku=line.sku,
                    name=line.name,
                    packs=line.packs,
                    packs_shipped=line.packs_shipped,
                    packs_delivered=line.packs_delivered,
                    packs_refunded=line.packs_refunded,
                    amount=amount(line.amount_minor, view.currency),
                    state=line.state,
                    delivered=moment(line.delivered_us),
                    refill_seen=line.refill_seen,
                    refill_id=line.refill_id,
                )
                for line in view.lines
            ],
            shipments=[
                ShipmentBody(
                    id=one.id,
                    state=one.state,
                    amount=amount(one.amount_minor, view.currency),
                    shipped=moment(one.shipped_us),
                    delivered=moment(one.delivered_us),
                )
                for one in view.shipments
            ],
            steps=[StepBody.of(step) for step in view.steps],
        )
