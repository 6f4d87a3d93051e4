"""The list of supplies: what is left, when it runs out, what is planned, and the one sentence above it all."""

from dataclasses import dataclass
from typing import Literal

from gateway.domain.cart import CartState
from gateway.domain.order import COMING_LINE_STATES
from gateway.domain.payment import MethodState, PaymentMethod
from gateway.domain.replenishment import DAY_US
from gateway.domain.stock import Supply
from gateway.steps.ports import Transaction
from gateway.web.views.outlook import NO_PRODUCT, PlanKind, plan_words, run_out_words
from gateway.web.views.stock import Stock, is_listening, read_stock
from gateway.web.wording import amount, count, listed, number, percent

TileState = Literal["ok", "low", "out", "unknown"]

SOON_EMPTY_US = 4 * DAY_US
MOST_NAMED = 3
STATE_OF_WORD: dict[str, TileState] = {"empty": "out", "low": "low", "ok": "ok"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplyRow:
    """One supply in the list.

    `quantity` is what the devices hold, in `unit`, None when unknown; `level_percent` its share of `capacity`,
    0 to 100. `level` says it in words, also for a thing that knows no number ("Low"). `amount` is quantity and shelf
    together, `left` and `shelf` each alone, empty where there is nothing to say. `ordered` is false where no product
    is chosen: such a supply is watched only, and has no reorder point.
    """

    id: str
    name: str
    kind: str
    icon: str
    unit: str
    state: TileState
    quantity: float | None
    capacity: float
    sealed_quantity: float
    level_percent: float | None
    reorder_percent: float | None
    level: str
    amount: str
    left: str
    shelf: str
    device: str
    room: str
    p10_us: int | None
    p50_us: int | None
    p90_us: int | None
    order_by_us: int | None
    run_out: str
    plan_kind: PlanKind
    plan: str
    ordered: bool
    live: bool
    signed: bool
    stale: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """What has to be done before anything can be ordered, and the page where it is done."""

    words: str
    href: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppliesView:
    """The page's list, worst first, and its headline; `next_steps` are empty once something can be bought."""

    headline: str
    summary: str
    next_steps: tuple[NextStep, ...]
    rows: tuple[SupplyRow, ...]
    rooms: tuple[str, ...]

    @property
    def low(self) -> tuple[SupplyRow, ...]:
        """The supplies that are low or may be empty soon."""
        return tuple(row for row in self.rows if row.state in {"low", "out"})


def supplies_view(tx: Transaction, household_id: str, *, now_us: int) -> SuppliesView:
    """Build the list of a household's supplies."""
    stock = read_stock(tx, household_id, now_us=now_us)
    rows = sorted((supply_row(stock, supply) for supply in stock.supplies if stock.is_kept(supply)), key=_urgency)
    next_steps = _next_steps(tx, stock, rows)
    return SuppliesView(
        headline=headline(rows),
        summary=_summary(stock, rows, something_to_do=bool(next_steps)),
        next_steps=next_steps,
        rows=tuple(rows),
        rooms=tuple(sorted({row.room for row in rows if row.room})),
    )


def supply_row(stock: Stock, supply: Supply) -> SupplyRow:
    """Build one row from what was read."""
    forecast = stock.forecasts.get(supply.id)
    quantity, capacity = level_of(stock, supply.id)
    share = None if quantity is None or capacity <= 0 else max(0.0, min(100.0, 100 * quantity / capacity))
    devices = stock.devices_of(supply.id)
    said = _said(stock, supply.id)
    plan_kind, plan = plan_words(stock, supply.id)
    reorder = reorder_quantity(stock, supply.id)
    left, shelf = _left_words(supply, quantity), _shelf_words(supply)
    return SupplyRow(
        id=supply.id,
        name=supply.name,
        kind=supply.kind,
        icon=supply.icon,
        unit=supply.unit,
        state=_tile_state(stock, supply, quantity, said),
        quantity=quantity,
        capacity=capacity,
        sealed_quantity=supply.sealed_quantity,
        level_percent=share,
        reorder_percent=None if reorder is None or capacity <= 0 else max(0.0, min(100.0, 100 * reorder / capacity)),
        level=percent(share)
        if share is not None
        else {"low": "Low", "empty": "Empty", "ok": "Fine"}.get(said or "", "Unknown"),
        amount=_amount_words(left, shelf),
        left=left,
        shelf=shelf,
        device=", ".join(device.name for device in devices),
        room=devices[0].room if devices else "",
        p10_us=forecast.p10_us if forecast else None,
        p50_us=forecast.p50_us if forecast else None,
        p90_us=forecast.p90_us if forecast else None,
        order_by_us=forecast.order_by_us if forecast and supply.id in stock.with_product else None,
        run_out=_run_out(stock, supply, quantity, said),
        plan_kind=plan_kind,
        plan=plan,
        ordered=supply.id in stock.with_product,
        live=any(is_listening(device) for device in devices),
        signed=forecast.signed if forecast else False,
        stale=forecast is not None and forecast.fresh_until_us < stock.now_us,
    )


def _run_out(stock: Stock, supply: Supply, quantity: float | None, said: str | None) -> str:
    """Return when it runs out; what is empty already has no such day, but for the packs that stand on the shelf."""
    slots, forecast = stock.slots.get(supply.id, []), stock.forecasts.get(supply.id)
    words = run_out_words(stock, forecast, said, known=quantity is not None, slots=len(slots))
    if quantity is None or quantity > 0 or not slots:
        return words
    if supply.sealed_quantity <= 0:
        return "Empty now"
    return f"Opens the next pack, {words[0].lower()}{words[1:]}" if words.startswith("Runs out") else words


def level_of(stock: Stock, supply_id: str) -> tuple[float | None, float]:
    """Return what the devices hold of a supply and how much they can hold; one unknown slot makes the sum unknown."""
    slots = stock.slots.get(supply_id, [])
    quantities = [level.quantity if (level := stock.levels.get(slot.id)) else None for slot in slots]
    known = [quantity for quantity in quantities if quantity is not None]
    capacity = sum(slot.capacity for slot in slots)
    return (sum(known) if known and len(known) == len(slots) else None), capacity


def reorder_quantity(stock: Stock, supply_id: str) -> float | None:
    """Return the stock at which a supply is ordered, in its unit; None where no product is chosen to be ordered."""
    forecast = stock.forecasts.get(supply_id)
    return forecast.reorder_quantity if forecast is not None and supply_id in stock.with_product else None


def headline(rows: list[SupplyRow]) -> str:
    """Return the fact as one sentence.

    >>> headline([])
    'Nothing is watched yet'
    """
    low = [row for row in rows if row.state in {"low", "out"}]
    if not rows:
        return "Nothing is watched yet"
    if len(low) == 1:
        return f"{low[0].name} {'may run out soon' if low[0].state == 'out' else 'is running low'}"
    if low:
        return f"{count(len(low), 'supply', 'supplies')} are running low"
    if all(row.state == "unknown" for row in rows):
        return "Waiting for the first readings"
    return "Everything is stocked"


def _tile_state(stock: Stock, supply: Supply, quantity: float | None, said: str | None) -> TileState:
    """Return the state from the quantity; what the device says decides only where no quantity is known."""
    if quantity is None:
        return STATE_OF_WORD.get(said or "", "unknown")
    if quantity <= 0:
        return "low" if supply.sealed_quantity > 0 else "out"
    forecast, watched_only = stock.forecasts.get(supply.id), supply.id not in stock.with_product
    if forecast is None:
        return "ok"
    if forecast.p10_us is not None and forecast.p10_us < stock.now_us + SOON_EMPTY_US:
        return "low" if watched_only else "out"
    reorder = reorder_quantity(stock, supply.id)
    if reorder is None or forecast.on_hand is None:
        return "ok"
    return "low" if forecast.on_hand <= reorder else "ok"


def _said(stock: Stock, supply_id: str) -> str | None:
    """Return the worst word the supply's slots said: empty, low or ok; None when they speak in numbers."""
    words = {
        level.state for slot in stock.slots.get(supply_id, []) if (level := stock.levels.get(slot.id)) and level.state
    }
    return next((word for word in ("empty", "low", "ok") if word in words), None)


def _left_words(supply: Supply, quantity: float | None) -> str:
    if quantity is None:
        return ""
    if quantity <= 0 and supply.sealed_quantity > 0:
        return "Empty"
    # A level in percent needs no second figure beside it.
    return amount(quantity, supply.unit) if supply.unit != "%" else ""


def _shelf_words(supply: Supply) -> str:
    if supply.sealed_quantity <= 0:
        return ""
    # What a device measures in percent comes in whole packs: 200 % are two of them.
    packs = f"{number(supply.sealed_quantity / 100)} spare"
    return f"{packs if supply.unit == '%' else amount(supply.sealed_quantity, supply.unit)} on the shelf"


def _amount_words(left: str, shelf: str) -> str:
    return (", " if left == "Empty" else " + ").join(part for part in (left, shelf) if part)


def _next_steps(tx: Transaction, stock: Stock, rows: list[SupplyRow]) -> tuple[NextStep, ...]:
    """Return what a household that can buy nothing yet has to do; one that only watches is not reminded of products."""
    wanted = [row for row in rows if row.plan_kind == "none" and row.plan == NO_PRODUCT]
    steps = []
    if wanted and not stock.with_product:
        words = f"Choose what refills {listed([row.name for row in wanted[:MOST_NAMED]])}"
        words += " and the others" if len(wanted) > MOST_NAMED else ""
        steps.append(NextStep(words=words, href=f"/supplies/{wanted[0].id}#packs-h"))
    if steps or stock.with_product:
        active = tx.find(PaymentMethod, stock.household.id, state=MethodState.ACTIVE)
        if not active:
            steps.append(NextStep(words="Link the account it is paid from", href="/money"))
    return tuple(steps)


def _summary(stock: Stock, rows: list[SupplyRow], *, something_to_do: bool) -> str:
    waiting = {cart.id for cart, _ in stock.cart_lines.values() if cart.state is CartState.AWAITING_APPROVAL}
    arriving = [
        order.promised_us
        for lines in stock.order_lines.values()
        for order, line in lines
        if order.promised_us is not None and line.state in COMING_LINE_STATES and not order.late
    ]
    parts = []
    if waiting:
        parts.append(f"{count(len(waiting), 'order is', 'orders are')} waiting for your OK.")
    if arriving:
        parts.append(f"A refill arrives {stock.wording.day(max(min(arriving), stock.now_us))}.")
    if something_to_do:
        parts.append("Nothing can be ordered yet.")
    elif rows and not waiting:
        parts.append("Nothing else needs you." if arriving else "Nothing needs you.")
    return " ".join(parts)


def _urgency(row: SupplyRow) -> tuple[int, int, str]:
    order = {"out": 0, "low": 1, "ok": 2, "unknown": 3}
    return order[row.state], row.p10_us if row.p10_us is not None else 2**62, row.name
