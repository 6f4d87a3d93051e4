"""Cart lines from a merchant's answers: which pack, how many, at which price, and what a person must look at."""

import math
from dataclasses import asdict, dataclass, replace

from gateway.domain.cart import Line
from gateway.domain.replenishment import DAY_US, MAX_PACKS_PER_LINE, Forecast, Plan, PlanState, Policy
from gateway.domain.stock import PackOption, Supply
from gateway.steps.goods.plans import drop_plan
from gateway.steps.messages import tell
from gateway.steps.ports import Offer, QuotedLine, Transaction, WantedLine
from gateway.steps.wording import why_now


@dataclass(frozen=True, slots=True)
class Wish:
    """One plan and what it asks the merchant for; `line` is its line in a cart that waits already, as people left it.

    `sku` and `quantity` (in the supply's unit) are what is wanted: the usual pack, or what the line holds.
    """

    plan: Plan
    supply: Supply
    option: PackOption
    line: Line | None

    @property
    def sku(self) -> str:
        """The product that is asked for."""
        return self.option.sku if self.line is None else self.line.sku

    @property
    def quantity(self) -> float:
        """How much is wanted, in the supply's unit."""
        if self.line is None:
            return self.plan.packs * self.option.pack_size
        return self.line.packs * self.line.pack_size

    def asked(self) -> WantedLine:
        """Return the question to the merchant."""
        packs = self.plan.packs if self.line is None else self.line.packs
        return WantedLine(self.supply.kind, self.supply.unit, self.sku, packs)


def wish_of(tx: Transaction, plan: Plan, line: Line | None = None) -> Wish:
    """Return what a plan asks for, or what its line in a waiting cart asks for again."""
    supply = tx.get(Supply, plan.household_id, plan.supply_id)
    return Wish(plan, supply, tx.get(PackOption, plan.household_id, plan.pack_option_id), line)


@dataclass(frozen=True, slots=True)
class Filled:
    """What became of the wishes: the lines to be had, and why a person must look at them."""

    lines: tuple[Line, ...]
    reasons: tuple[str, ...]


def lines_of(
    tx: Transaction,
    cart_id: str,
    merchant_name: str,
    quoted: list[tuple[Wish, QuotedLine]],
    *,
    zone: str,
    now_us: int,
) -> Filled:
    """Write the lines the merchant can send, new or as it now stands; what is not to be had is dropped."""
    lines, reasons = [], []
    for wish, answer in quoted:
        offer = _choose(tx, wish, answer)
        if offer is None:
            _not_to_be_had(tx, merchant_name, wish, now_us)
            continue
        if offer.sku != wish.sku:
            usual = (
                f"your usual {wish.supply.name}" if wish.sku == wish.option.sku else f"the {wish.supply.name} chosen"
            )
            reasons.append(f"{usual} is out of stock; this one is proposed instead")
        line = _line(tx, cart_id, wish, answer, offer, zone=zone, now_us=now_us)
        if wish.line is None:
            tx.save(replace(wish.plan, state=PlanState.CARTED))
        lines.append(line)
    return Filled(tuple(lines), (*reasons, *_price_reasons(tx, lines)))


def _not_to_be_had(tx: Transaction, merchant_name: str, wish: Wish, now_us: int) -> None:
    drop_plan(tx, wish.plan, again_us=now_us + DAY_US)
    if wish.line is not None:
        tx.remove(wish.line)
    text = f"{merchant_name} has nothing for {wish.supply.name} at present; we look again tomorrow."
    tell(tx, wish.supply.household_id, "not_available", text, f"supplies/{wish.supply.id}", now_us)


def _choose(tx: Transaction, wish: Wish, answer: QuotedLine) -> Offer | None:
    """Return the usual pack; when it is out, an accepted swap in the household's order, else the cheapest per unit."""
    if answer.offer is not None and answer.offer.in_stock:
        return answer.offer
    offered = {offer.sku: offer for offer in answer.alternatives if offer.in_stock}
    accepted = sorted(
        tx.find(PackOption, wish.supply.household_id, supply_id=wish.supply.id), key=lambda option: option.rank
    )
    for option in accepted:
        if option.sku in offered:
            return offered[option.sku]
    return min(offered.values(), key=lambda offer: (offer.unit_price_minor / offer.pack_size, offer.sku), default=None)


def _line(
    tx: Transaction,
    cart_id: str,
    wish: Wish,
    answer: QuotedLine,
    offer: Offer,
    *,
    zone: str,
    now_us: int,
) -> Line:
    """Return the cart line: the wanted quantity in whole packs of what is offered."""
    packs = max(1, min(MAX_PACKS_PER_LINE, math.ceil(wish.quantity / offer.pack_size - 1e-9)))
    known = tx.find(PackOption, wish.supply.household_id, supply_id=wish.supply.id, sku=offer.sku)
    others = [one for one in (answer.offer, *answer.alternatives) if one is not None]
    current = tx.get(Forecast, wish.supply.household_id, wish.plan.forecast_id)
    return Line(
        id=tx.new_id() if wish.line is None else wish.line.id,
        household_id=wish.supply.household_id,
        cart_id=cart_id,
        plan_id=wish.plan.id,
        supply_id=wish.supply.id,
        pack_option_id=wish.option.id,
        sku=offer.sku,
        gtin=offer.gtin,
        name=offer.name,
        detail=offer.detail,
        pack_size=offer.pack_size,
        packs=packs,
        unit_price_minor=offer.unit_price_minor,
        price_before_minor=known[0].last_price_minor if known else None,
        alternatives=tuple(asdict(one) for one in others),
        why=why_now(current, zone, now_us) if wish.line is None else wish.line.why,
    )


def _price_reasons(tx: Transaction, lines: list[Line]) -> list[str]:
    """Return why a person must look at the prices: more above the last one than the policy tolerates."""
    reasons = []
    for line in lines:
        tolerance = tx.get(Policy, line.household_id, line.supply_id).price_tolerance_percent
        before = line.price_before_minor
        if before and line.unit_price_minor > before * (1 + tolerance / 100):
            reasons.append(
                f"{line.name} costs {100 * (line.unit_price_minor / before - 1):.0f}\u202f% more than last time"
            )
    return reasons
