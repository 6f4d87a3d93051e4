"""What a story came to: everything that must be the same when it is told twice, and what does not add up in it."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff
from pprint import pformat
from typing import Any, TypeAlias

from gateway.domain.approval import Approval
from gateway.domain.cart import Cart, CartState, Line
from gateway.domain.order import LineState, Order, OrderLine, OrderState, Shipment, ShipmentState
from gateway.domain.payment import Account, Attempt, Operation, OperationKind, OperationState, Posting
from gateway.domain.stock import Level, PackOption, Quarantined, Refill, Slot, Supply
from gateway.steps.ports import Transaction
from tests.e2e.homes import Household
from tests.e2e.town import Town

UNDER_WAY = frozenset({OrderState.PLACED, OrderState.SHIPPED, OrderState.DELIVERED})
ENDED = frozenset({OrderState.CLOSED, OrderState.LOST, OrderState.REJECTED})
ON_ITS_WAY = frozenset({LineState.OPEN, LineState.SHIPPED})


@dataclass(frozen=True, slots=True)
class Told:
    """One household's story as DESIGN.md compares it: carts, quantities, order states and balances; no ids."""

    carts: list[dict[str, Any]]
    orders: list[dict[str, Any]]
    stock: dict[str, tuple[float, float | None]]
    ledger: dict[str, int]


Story: TypeAlias = dict[str, Any]
"""A town's story: what was told of each household by its name, the bank's balances, and what it paid out."""


def differences(expected: Story, told: Story) -> list[str]:
    """Return where two tellings differ, as lines of a comparison."""
    before, after = (pformat(one, width=120).splitlines() for one in (expected, told))
    return list(unified_diff(before, after, "expected", "told", lineterm=""))


def told(town: Town) -> Story:
    """Return the town's story so far, ready to be compared with another telling."""
    story: Story = {household.name: _told(town, household) for household in town.households}
    book = town.bank.book()
    story["bank"] = {one["token"]: (one["balance_minor"], one["held_minor"]) for one in book["accounts"]}
    story["paid out"] = [(one["at_us"], one["gross_minor"], one["fee_minor"]) for one in book["settlements"]]
    return story


def _told(town: Town, household: Household) -> Told:
    with town.desk.unit_of_work.read() as tx:
        lines = tx.find(Line, household.id)
        order_lines = tx.find(OrderLine, household.id)
        return Told(
            carts=[
                {
                    "at_us": cart.created_us,
                    "state": cart.state.value,
                    "total": cart.total_minor,
                    "lines": sorted((one.sku, one.packs) for one in lines if one.cart_id == cart.id),
                }
                for cart in sorted(tx.find(Cart, household.id), key=lambda one: (one.created_us, one.id))
            ],
            orders=[
                {
                    "at_us": order.created_us,
                    "state": order.state.value,
                    "late": order.late,
                    "lines": sorted(
                        (one.sku, one.packs, one.packs_delivered, one.packs_refunded, one.state.value, one.refill_seen)
                        for one in order_lines
                        if one.order_id == order.id
                    ),
                }
                for order in sorted(tx.find(Order, household.id), key=lambda one: (one.created_us, one.id))
            ],
            stock=_stock(tx, household),
            ledger=_balances(tx, household),
        )


def _stock(tx: Transaction, household: Household) -> dict[str, tuple[float, float | None]]:
    """Sealed packs and the level, by supply."""
    levels = {one.slot_id: one.quantity for one in tx.find(Level, household.id)}
    inside = {one.supply_id: levels.get(one.id) for one in tx.find(Slot, household.id)}
    return {
        one.name: (round(one.sealed_quantity, 6), None if (held := inside.get(one.id)) is None else round(held, 6))
        for one in tx.find(Supply, household.id)
    }


def _balances(tx: Transaction, household: Household) -> dict[str, int]:
    accounts = {one.id: one for one in tx.find(Account, household.id)}
    sums: Counter[str] = Counter()
    for posting in tx.every(Posting, household.id):
        account = accounts[posting.account_id]
        owner = account.owner.replace(household.id, "us")
        sums[f"{account.kind}:{owner}"] += posting.amount_minor
    return dict(sums)


# What does not add up: each of these returns sentences, and should return none.


def everything_wrong(town: Town) -> list[str]:
    """All that the checks below find."""
    checks = (lost_packs, wrong_debits, missing_refunds, unexplained_orders)
    return [sentence for check in checks for sentence in check(town)]


def lost_packs(town: Town) -> list[str]:
    """Follow every pack: the shop's book of what it delivered, the orders, the shelf, and what was opened."""
    return [words for household in town.households for words in _lost_packs(town, household)]


def _lost_packs(town: Town, household: Household) -> Iterator[str]:
    with town.desk.unit_of_work.read() as tx:
        supplies = {one.id: one for one in tx.find(Supply, household.id)}
        lines = tx.find(OrderLine, household.id)
        orders = {one.id: one for one in tx.find(Order, household.id)}
        refills = tx.find(Refill, household.id)
        options = tx.find(PackOption, household.id)
    sizes = {(one.supply_id, one.sku): one.pack_size for one in options}
    at_the_door: Counter[str] = Counter()
    for item in town.shop.doorstep(household.id):
        at_the_door[item["kind"]] += item["quantity"]
    for supply in supplies.values():
        came = sum(one.packs_delivered * sizes[supply.id, one.sku] for one in lines if one.supply_id == supply.id)
        opened = sum(one.from_shelf for one in refills if one.supply_id == supply.id)
        kept = supply.sealed_quantity + opened
        if not abs(at_the_door[supply.kind] - came) < 1e-6:
            yield f"{household.name}, {supply.name}: the shop delivered {at_the_door[supply.kind]:g}, we saw {came:g}"
        if not abs(came - kept) < 1e-6:
            yield (
                f"{household.name}, {supply.name}: {came:g} {supply.unit} came, {supply.sealed_quantity:g} sealed and "
                f"{opened:g} opened make {kept:g}"
            )
    for line in lines:
        if orders[line.order_id].state is OrderState.REJECTED or line.state in ON_ITS_WAY:
            continue
        if line.packs != line.packs_delivered + line.packs_refunded:
            yield f"{household.name}, {line.name}, {line.state}: {line}"


def wrong_debits(town: Town) -> list[str]:
    """Compare the bank's own book with what was approved and shipped: one capture a shipment, never above the yes."""
    captures: defaultdict[str, list[int]] = defaultdict(list)
    for movement in town.bank.book()["movements"]:
        if movement["kind"] == "capture":
            captures[movement["reference"]].append(movement["amount_minor"])
    found = [f"{reference}: captured {len(sums)} times" for reference, sums in captures.items() if len(sums) > 1]
    known: set[str] = set()
    for household in town.households:
        with town.desk.unit_of_work.read() as tx:
            operations = [one for one in tx.every(Operation, household.id) if one.kind is OperationKind.CAPTURE]
            attempts = tx.find(Attempt, household.id)
            approvals = {one.id: one for one in tx.find(Approval, household.id)}
        done = [one for one in operations if one.state is OperationState.SUCCEEDED]
        known |= {one.id for one in operations}
        found += [
            f"shipment {shipment} was billed {times} times"
            for shipment, times in Counter(one.subject_id for one in done).items()
            if times > 1
        ]
        for attempt in attempts:
            taken = sum(one.amount_minor for one in done if one.attempt_id == attempt.id)
            if taken > approvals[attempt.approval_id].amount_minor:
                found.append(
                    f"attempt {attempt.id}: {taken} taken, {approvals[attempt.approval_id].amount_minor} allowed"
                )
        if household.home.account == "sandbox":
            found += [
                f"{one.id}: the bank moved {captures[one.id]}, we booked {one.amount_minor}"
                for one in done
                if captures[one.id] != [one.amount_minor]
            ]
    return found + [f"{reference}: a capture we know nothing of" for reference in captures.keys() - known]


def missing_refunds(town: Town) -> list[str]:
    """Work out from the shop's parcels what must have come back, and compare it with what did."""
    found: list[str] = []
    for household in town.households:
        with town.desk.unit_of_work.read() as tx:
            refunds = [one for one in tx.find(Operation, household.id) if one.kind is OperationKind.REFUND]
            orders, lines = tx.find(Order, household.id), {one.id: one for one in tx.find(OrderLine, household.id)}
        for order in orders:
            if order.state is OrderState.REJECTED:
                continue
            due = sum(_refund_due(parcel, lines) for parcel in town.shop.order(order.id)["parcels"])
            back = sum(
                one.amount_minor
                for one in refunds
                if one.attempt_id == order.attempt_id and one.state is OperationState.SUCCEEDED
            )
            if due != back:
                found.append(f"{household.name}, order {order.id} ({order.state}): {due} is due back, {back} came back")
    return found


def _refund_due(parcel: dict[str, Any], lines: dict[str, OrderLine]) -> int:
    if parcel["state"] == "lost":
        return int(parcel["amount_minor"])
    if parcel["state"] != "delivered":
        return 0
    return sum(
        (one["packs"] - one["packs_delivered"]) * lines[one["line_ref"]].unit_price_minor for one in parcel["lines"]
    )


def unexplained_orders(town: Town) -> list[str]:
    """Orders and operations that neither ended nor are plainly on their way."""
    found: list[str] = []
    for household in town.households:
        with town.desk.unit_of_work.read() as tx:
            for order in tx.find(Order, household.id):
                theirs = town.shop.order(order.id)["state"]
                if order.state in UNDER_WAY and theirs != {"placed": "accepted"}.get(
                    order.state.value, order.state.value
                ):
                    found.append(f"{household.name}, order {order.id} is {order.state} here and {theirs} at the shop")
                if order.state not in UNDER_WAY | ENDED:
                    found.append(f"{household.name}, order {order.id} is {order.state}: {order.note}")
            found += [
                f"{household.name}: {one.kind} of {one.amount_minor} is {one.state}: {one.note}"
                for one in tx.find(Operation, household.id)
                if one.state not in {OperationState.SUCCEEDED, OperationState.DECLINED}
            ]
            found += [
                f"{household.name}: a cart is {one.state}"
                for one in tx.find(Cart, household.id)
                if one.state in {CartState.APPROVED, CartState.HELD}
            ]
            found += [
                f"{household.name}: parcel {one.merchant_ref} is overdue"
                for one in tx.find(Shipment, household.id, state=ShipmentState.SHIPPED)
                if one.shipped_us < town.now_us - 10 * 86_400_000_000
            ]
    return found


def quarantined(town: Town) -> list[Quarantined]:
    """All messages that could not be counted."""
    with town.desk.unit_of_work.read() as tx:
        return tx.find(Quarantined, None)
