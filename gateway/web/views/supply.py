"""One supply: its chart with the band, why this date, its policy, what refills it and what refilled it."""

from dataclasses import dataclass

from gateway.domain.records import MerchantAccount
from gateway.domain.replenishment import DAY_US, Forecast, Policy, SecondOpinion
from gateway.domain.stock import Level, PackOption, Refill, Slot
from gateway.steps.ports import Transaction
from gateway.web.views.levels import Chart, draw, read_history
from gateway.web.views.outlook import depletion_words
from gateway.web.views.stock import Stock, read_stock
from gateway.web.views.supplies import SupplyRow, reorder_quantity, supply_row
from gateway.web.wording import amount, amount_in, money, plain

HISTORY_DAYS = 30
MAX_HISTORY_DAYS = 90
MAX_REFILLS = 30
TABLE_DAYS = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """One day of the forecast in numbers."""

    day: str
    low: str
    likely: str
    high: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotLevel:
    """One slot's own level, for correcting it by hand."""

    id: str
    name: str
    device_id: str
    device: str
    unit: str
    capacity: float
    quantity: float | None
    shown: str
    full: str
    level: str
    said_us: int | None
    said: str
    signed: bool
    by_hand: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RefillRow:
    """A refill that was seen; `order_line_id` None: bought elsewhere."""

    id: str
    at_us: int
    day: str
    size: str
    order_line_id: str | None
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PackRow:
    """A pack that refills the supply; rank 0 is the usual one."""

    id: str
    rank: int
    usual: bool
    name: str
    detail: str
    gtin: str
    merchant_id: str
    merchant: str
    size: str
    price_minor: int | None
    price: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplyView:
    """Everything the page of one supply shows."""

    row: SupplyRow
    chart: Chart
    table: tuple[TableRow, ...]
    left_now: str
    empty: str
    reorder_at: str
    daily_use: str
    reasons: tuple[str, ...]
    advice: tuple[str, ...]
    model: str
    made_us: int | None
    made: str
    readings: int
    second_opinion: str
    slots: tuple[SlotLevel, ...]
    packs: tuple[PackRow, ...]
    refills: tuple[RefillRow, ...]
    policy: Policy | None


def supply_view(
    tx: Transaction, household_id: str, supply_id: str, *, now_us: int, days: int = HISTORY_DAYS
) -> SupplyView:
    """Build one supply's page with `days` of history; raises NotFound for another household's."""
    stock = read_stock(tx, household_id, now_us=now_us, supply_id=supply_id)
    supply = stock.supplies[0]
    row = supply_row(stock, supply)
    forecast = stock.forecasts.get(supply_id)
    slots = stock.slots.get(supply_id, [])
    refills = tx.find(Refill, household_id, supply_id=supply_id, newest=MAX_REFILLS)
    since_us = now_us - max(1, min(days, MAX_HISTORY_DAYS)) * DAY_US
    history = read_history(tx, household_id, slots, stock.levels, since_us=since_us, now_us=now_us)
    promised = [order.promised_us for order, _ in stock.order_lines.get(supply_id, []) if order.promised_us is not None]
    if supply_id in stock.cart_lines and (at_us := stock.cart_lines[supply_id][0].comes_us(now_us)) is not None:
        promised.append(at_us)
    chart = draw(
        history,
        forecast,
        unit=supply.unit,
        capacity=row.capacity,
        reorder=reorder_quantity(stock, supply_id),
        promised_us=min(promised, default=None),
        refills=refills,
    )
    return SupplyView(
        row=row,
        chart=chart,
        table=_table(stock, chart),
        left_now=" · ".join(part for part in (row.level, row.amount) if part),
        empty=row.run_out.removeprefix("Runs out "),
        reorder_at=_quantity(reorder_quantity(stock, supply_id), supply.unit),
        daily_use=_daily_use(forecast, supply.unit),
        reasons=tuple(forecast.reasons) if forecast else (),
        advice=tuple(forecast.advice) if forecast and supply_id in stock.with_product else (),
        model=forecast.model if forecast else "",
        made_us=forecast.made_us if forecast else None,
        made=stock.wording.when(forecast.made_us, now_us) if forecast else "",
        readings=len(forecast.evidence) if forecast else 0,
        second_opinion=_second_opinion(stock, tx.seek(SecondOpinion, household_id, supply_id)),
        slots=tuple(_slot_level(stock, slot, stock.levels.get(slot.id)) for slot in slots),
        packs=_packs(tx, stock, supply_id),
        refills=tuple(_refill_row(stock, refill, supply.unit) for refill in refills),
        policy=stock.policies.get(supply_id),
    )


def _table(stock: Stock, chart: Chart) -> tuple[TableRow, ...]:
    start = chart.now_index
    rows = list(zip(chart.x, chart.low, chart.likely, chart.high, strict=True))[start : start + TABLE_DAYS + 1]
    return tuple(
        TableRow(
            day=stock.wording.day(x * 1_000_000),
            low=amount(low, chart.unit),
            likely=amount(likely, chart.unit),
            high=amount(high, chart.unit),
        )
        for x, low, likely, high in rows
        if low is not None and likely is not None and high is not None
    )


def _slot_level(stock: Stock, slot: Slot, level: Level | None) -> SlotLevel:
    device = stock.devices[slot.device_id]
    known = level is not None and level.quantity is not None
    return SlotLevel(
        id=slot.id,
        name=slot.name,
        device_id=device.id,
        device=device.name,
        unit=slot.unit,
        capacity=slot.capacity,
        quantity=level.quantity if level else None,
        shown=plain(level.quantity) if level and level.quantity is not None else "",
        full=amount_in(slot.capacity, slot.unit),
        level=amount(level.quantity, slot.unit) if level and level.quantity is not None else "Not known",
        said_us=level.as_of_us if level else None,
        said=stock.wording.when(level.as_of_us, stock.now_us) if level and known else "",
        signed=level.signed if level else False,
        by_hand=level.by_hand if level else False,
    )


def _packs(tx: Transaction, stock: Stock, supply_id: str) -> tuple[PackRow, ...]:
    household_id = stock.household.id
    unit = stock.supplies[0].unit
    merchants = {merchant.id: merchant.name for merchant in tx.find(MerchantAccount, None)}
    options = sorted(tx.find(PackOption, household_id, supply_id=supply_id), key=lambda option: option.rank)
    return tuple(
        PackRow(
            id=option.id,
            rank=option.rank,
            usual=option.rank == 0,
            name=option.name,
            detail=option.detail,
            gtin=option.gtin,
            merchant_id=option.merchant_id,
            merchant=merchants.get(option.merchant_id, option.merchant_id),
            size=amount(option.pack_size, unit),
            price_minor=option.last_price_minor,
            price="" if option.last_price_minor is None else money(option.last_price_minor, stock.household.currency),
        )
        for option in options
    )


def _refill_row(stock: Stock, refill: Refill, unit: str) -> RefillRow:
    return RefillRow(
        id=refill.id,
        at_us=refill.at_us,
        day=stock.wording.day(refill.at_us),
        size=_quantity(refill.size, unit),
        order_line_id=refill.order_line_id,
        origin=_origin(refill),
    )


def _origin(refill: Refill) -> str:
    """Return where a refill came from, as far as the shelf and the orders tell."""
    if refill.order_line_id is not None:
        return "From your order"
    return "From the shelf" if refill.from_shelf else "Bought elsewhere"


def _second_opinion(stock: Stock, opinion: SecondOpinion | None) -> str:
    if opinion is None:
        return ""
    if opinion.p10_us is None and opinion.p50_us is None:
        return opinion.note
    words = depletion_words(stock, opinion.p10_us, opinion.p90_us)
    said = f"{opinion.model} says: {words[0].lower()}{words[1:]}."
    return f"{said} {opinion.note}".strip()


def _daily_use(forecast: Forecast | None, unit: str) -> str:
    return (
        ""
        if forecast is None or forecast.daily_use is None
        else f"{amount(forecast.daily_use, unit, parts=True)} a day on average"
    )


def _quantity(quantity: float | None, unit: str) -> str:
    return "" if quantity is None else amount(quantity, unit)
