"""The lines of a decision card: what is bought and why now, what it costs, and what could be bought instead."""

from dataclasses import dataclass
from typing import Any

from gateway.domain.cart import Cart, Line
from gateway.domain.replenishment import MAX_PACKS_PER_LINE
from gateway.domain.stock import Supply
from gateway.steps.ports import Transaction
from gateway.web.views.progress import Decision
from gateway.web.wording import amount, money, unit_price


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """A pack that could be bought instead; `consequence` says what changes, such as "Saves 11 %"."""

    sku: str
    name: str
    detail: str
    pack_size: float
    price_minor: int
    price: str
    unit_price: str
    consequence: str
    chosen: bool
    in_stock: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CartLine:
    """One line of the card. `change` is the price change of one pack since last time, empty when there is none."""

    id: str
    supply_id: str
    supply: str
    icon: str
    name: str
    detail: str
    why: str
    sku: str
    pack: str
    pack_size: float
    packs: int
    fewer: int | None
    more: int | None
    unit_price_minor: int
    amount_minor: int
    amount: str
    change_minor: int
    change: str
    alternatives: tuple[Alternative, ...]
    refill_seen: bool


def cart_lines(tx: Transaction, cart: Cart, lines: list[Line], decision: Decision) -> tuple[CartLine, ...]:
    """Build the lines of a cart, with what became of each."""
    supplies = {supply.id: supply for supply in tx.find(Supply, cart.household_id)}
    seen = {line.cart_line_id for line in decision.lines if line.refill_seen}
    return tuple(_line(cart, line, supplies.get(line.supply_id), refill_seen=line.id in seen) for line in lines)


def _line(cart: Cart, line: Line, supply: Supply | None, *, refill_seen: bool) -> CartLine:
    unit = supply.unit if supply else ""
    change = 0 if line.price_before_minor is None else line.unit_price_minor - line.price_before_minor
    chosen = {
        "sku": line.sku,
        "name": line.name,
        "detail": line.detail,
        "pack_size": line.pack_size,
        "unit_price_minor": line.unit_price_minor,
        "in_stock": True,
    }
    others = [one for one in line.alternatives if one["sku"] != line.sku]
    return CartLine(
        id=line.id,
        supply_id=line.supply_id,
        supply=supply.name if supply else "",
        icon=supply.icon if supply else "package",
        name=line.name,
        detail=line.detail,
        why=line.why,
        sku=line.sku,
        pack=amount(line.pack_size, unit),
        pack_size=line.pack_size,
        packs=line.packs,
        fewer=line.packs - 1 if line.packs > 1 else None,
        more=line.packs + 1 if line.packs < MAX_PACKS_PER_LINE else None,
        unit_price_minor=line.unit_price_minor,
        amount_minor=line.amount_minor,
        amount=money(line.amount_minor, cart.currency),
        change_minor=change,
        change=money(change, cart.currency, signed=True) if change else "",
        alternatives=tuple(_alternative(cart, line, one, unit) for one in (chosen, *others)),
        refill_seen=refill_seen,
    )


def _alternative(cart: Cart, line: Line, pack: dict[str, Any], unit: str) -> Alternative:
    price, size = int(pack["unit_price_minor"]), float(pack["pack_size"])
    chosen, in_stock = pack["sku"] == line.sku, bool(pack["in_stock"])
    return Alternative(
        sku=str(pack["sku"]),
        name=str(pack["name"]),
        detail=str(pack["detail"]),
        pack_size=size,
        price_minor=price,
        price=money(price, cart.currency),
        unit_price=unit_price(price, size, unit, cart.currency),
        consequence=_consequence(
            price / size, line.unit_price_minor / line.pack_size, chosen=chosen, in_stock=in_stock
        ),
        chosen=chosen,
        in_stock=in_stock,
    )


def _consequence(each: float, each_now: float, *, chosen: bool, in_stock: bool) -> str:
    """Compare prices for the same amount: packs differ in size."""
    if chosen:
        return "In this order"
    if not in_stock:
        return "Out of stock"
    change = 0.0 if each_now <= 0 else 100 * (each - each_now) / each_now
    if abs(change) < 1:
        return "Same price for the amount"
    return f"{'Saves' if change < 0 else 'Costs'} {abs(change):.0f}\u202f% {'on the amount' if change < 0 else 'more'}"
