"""Where a debit comes from: debit ← operation ← approval ← cart line ← plan ← forecast ← readings, signed or not."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from gateway.domain.approval import Approval
from gateway.domain.cart import Cart, Line
from gateway.domain.errors import NotFound
from gateway.domain.household import Household, Member
from gateway.domain.payment import (
    Attempt,
    AttemptState,
    Funding,
    Operation,
)
from gateway.domain.replenishment import Forecast, Plan
from gateway.domain.stock import Device, Reading, Slot, Supply
from gateway.steps.ports import Transaction
from gateway.web.views.operations import OperationLink, operation_link
from gateway.web.views.payments import PaymentRow, payment_row
from gateway.web.wording import Wording, amount, money

MAX_READINGS_SHOWN = 12

Signature = Literal["verified", "unsigned", "mixed", "none"]
Tone = Literal["ok", "low", "bad", ""]

TONES: dict[AttemptState, Tone] = {
    AttemptState.AUTHORIZED: "ok",
    AttemptState.CAPTURE_PENDING: "low",
    AttemptState.CAPTURED: "ok",
    AttemptState.UNKNOWN: "low",
    AttemptState.REQUIRES_ACTION: "low",
    AttemptState.DECLINED: "bad",
    AttemptState.REVERSED: "bad",
    AttemptState.MANUAL_REVIEW: "bad",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalLink:
    """Who said yes, to how much, when."""

    id: str
    by_mandate: bool
    who: str
    mandate_id: str
    amount_minor: int
    amount: str
    state: str
    at_us: int
    when: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingLink:
    """One reading a forecast was made from; `signature` is what the gateway verified when it counted it."""

    id: str
    device_id: str
    device: str
    slot: str
    level: str
    at_us: int
    when: str
    epoch: int
    seq: int
    signed: bool
    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LineLink:
    """One cart line back to the readings: why it was bought."""

    line_id: str
    supply_id: str
    supply: str
    icon: str
    what: str
    amount_minor: int
    amount: str
    plan_id: str
    plan_reasons: tuple[str, ...]
    order_by_us: int
    order_by: str
    forecast_id: str
    forecast: str
    forecast_reasons: tuple[str, ...]
    forecast_model: str
    forecast_made_us: int
    readings: tuple[ReadingLink, ...]
    readings_in_all: int
    signature: Signature
    signature_words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentChain:
    """One payment whole, from the debit back to the signatures."""

    payment: PaymentRow
    operations: tuple[OperationLink, ...]
    approval: ApprovalLink
    cart_id: str
    cart_total: str
    delivery: str
    headline: str
    tone: Tone
    lines: tuple[LineLink, ...]


def payment_chain(
    tx: Transaction, household_id: str, attempt_id: str, *, most_readings: int = MAX_READINGS_SHOWN
) -> PaymentChain:
    """Build one payment's chain, the newest readings of each line; raises NotFound for another household's."""
    attempt = tx.seek(Attempt, household_id, attempt_id)
    if attempt is None:  # people know it as a payment
        raise NotFound("payment", attempt_id)
    wording = _wording(tx, household_id)
    cart = tx.get(Cart, household_id, attempt.cart_id)
    operations = tx.find(Operation, household_id, attempt_id=attempt.id)
    payment = payment_row(tx, attempt)
    return PaymentChain(
        payment=payment,
        operations=tuple(operation_link(tx, operation, wording) for operation in operations),
        approval=_approval(tx, tx.get(Approval, household_id, attempt.approval_id), wording),
        cart_id=cart.id,
        cart_total=money(cart.total_minor, cart.currency),
        delivery="" if cart.delivery_minor == 0 else money(cart.delivery_minor, cart.currency),
        headline=_headline(payment),
        tone=TONES.get(attempt.state, ""),
        lines=tuple(
            _line(tx, cart, line, wording, most_readings) for line in tx.find(Line, household_id, cart_id=cart.id)
        ),
    )


def _headline(payment: PaymentRow) -> str:
    if payment.funding is Funding.MERCHANT and payment.captured_minor:
        return f"{payment.captured} was debited by {payment.merchant} itself, and this is why"
    if payment.refunded_minor:
        return f"{payment.captured} was debited, {payment.refunded} given back, and this is why"
    if payment.captured_minor:
        return f"{payment.captured} was debited, and this is why"
    return f"{payment.amount}: {payment.words[0].lower()}{payment.words[1:]}"


def _approval(tx: Transaction, approval: Approval, wording: Wording) -> ApprovalLink:
    member = tx.seek(Member, approval.household_id, approval.member_id) if approval.member_id else None
    return ApprovalLink(
        id=approval.id,
        by_mandate=approval.by_mandate,
        who="Your standing permission" if approval.by_mandate else member.name if member else "A former member",
        mandate_id=approval.mandate_id,
        amount_minor=approval.amount_minor,
        amount=money(approval.amount_minor, approval.currency),
        state=approval.state,
        at_us=approval.at_us,
        when=wording.day_and_clock(approval.at_us),
    )


def _line(tx: Transaction, cart: Cart, line: Line, wording: Wording, most_readings: int) -> LineLink:
    plan = tx.get(Plan, cart.household_id, line.plan_id)
    forecast = tx.get(Forecast, cart.household_id, plan.forecast_id)
    supply = tx.get(Supply, cart.household_id, line.supply_id)
    readings = _readings(tx, forecast, wording, most_readings)
    signature, words = _signature(bool(entry["signed"]) for entry in forecast.evidence)
    return LineLink(
        line_id=line.id,
        supply_id=supply.id,
        supply=supply.name,
        icon=supply.icon,
        what=f"{line.packs} × {line.name}",
        amount_minor=line.amount_minor,
        amount=money(line.amount_minor, cart.currency),
        plan_id=plan.id,
        plan_reasons=tuple(reason for reason in plan.reasons if reason not in forecast.reasons),
        order_by_us=plan.order_by_us,
        order_by=wording.day(plan.order_by_us),
        forecast_id=forecast.id,
        forecast=_runs_out(forecast, wording),
        forecast_reasons=tuple(forecast.reasons),
        forecast_model=forecast.model,
        forecast_made_us=forecast.made_us,
        readings=readings,
        readings_in_all=len(forecast.evidence),
        signature=signature,
        signature_words=words,
    )


def _readings(tx: Transaction, forecast: Forecast, wording: Wording, most: int) -> tuple[ReadingLink, ...]:
    household_id = forecast.household_id
    newest = sorted(forecast.evidence, key=lambda entry: -int(entry["at_us"]))[:most]
    found = [
        reading for entry in newest if (reading := tx.seek(Reading, household_id, str(entry["reading_id"]))) is not None
    ]
    links = []
    for reading in sorted(found, key=lambda reading: -reading.at_us):
        device = tx.get(Device, household_id, reading.device_id)
        level = "" if reading.quantity is None else amount(reading.quantity, reading.unit)
        links.append(
            ReadingLink(
                id=reading.id,
                device_id=device.id,
                device=device.name,
                slot=tx.get(Slot, household_id, reading.slot_id).name,
                level=level or (reading.state or "not known"),
                at_us=reading.at_us,
                when=wording.day_and_clock(reading.at_us),
                epoch=reading.epoch,
                seq=reading.seq,
                signed=reading.signed,
                signature=_signature_of(reading, device),
            )
        )
    return tuple(links)


def _signature_of(reading: Reading, device: Device) -> str:
    if not reading.signed:
        return "Not signed"
    key = f", key {device.public_key[:8]}…" if device.public_key else ""
    return f"Signature verified{key}"


def _signature(signed: Iterable[bool]) -> tuple[Signature, str]:
    states = set(signed)
    if not states:
        return "none", "No reading behind it"
    if states == {True}:
        return "verified", "Every reading signed by its device"
    if states == {False}:
        return "unsigned", "No reading was signed"
    return "mixed", "Some readings were not signed"


def _runs_out(forecast: Forecast, wording: Wording) -> str:
    if forecast.p10_us is None:
        return "Lasts beyond the horizon" if forecast.beyond else "Level not known"
    if forecast.p90_us is None:
        return f"Empty {wording.short_day(forecast.p10_us)} or later, in 8 of 10 outcomes"
    return f"Empty {wording.days(forecast.p10_us, forecast.p90_us)} in 8 of 10 outcomes"


def _wording(tx: Transaction, household_id: str) -> Wording:
    return Wording(tx.get(Household, household_id, household_id).time_zone)
