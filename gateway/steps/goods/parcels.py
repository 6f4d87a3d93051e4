"""What a merchant's parcels do to an order's shipments, its lines, and the shelf."""

from collections import defaultdict
from dataclasses import replace

from gateway.domain.order import Order, OrderLine, Shipment, ShipmentState, Tally
from gateway.domain.stock import Refill, Supply
from gateway.steps.goods.levels import packs_worth
from gateway.steps.messages import tell
from gateway.steps.ports import MerchantUnknown, OrderStatus, Parcel, ParcelLine, Transaction

# After one of these words the merchant sends nothing more.
LAST_WORDS = frozenset({"delivered", "cancelled", "rejected", "lost", "returned"})
MOST_REFILLS = 50


def take_parcels(
    tx: Transaction, order: Order, lines: dict[str, OrderLine], status: OrderStatus, now_us: int
) -> list[tuple[Shipment, Parcel]]:
    """Note every parcel, put what came on the shelf, and count the lines anew; `lines` is changed in place.

    Returns each parcel beside its shipment, in the state it was first seen to end in: a parcel given up and refunded
    stays lost. Raises MerchantUnknown, before anything is written, for an answer that is not believed: a line that was
    never ordered, or more packs of one than were.
    """
    parcels = [_summed(parcel) for parcel in status.parcels]
    _believe(tx, order, lines, parcels)
    taken = []
    for parcel in parcels:
        shipment = _parcel(tx, order, lines, parcel, now_us)
        taken.append((shipment, replace(parcel, state=shipment.state.value)))
    counted = _tallies([parcel for _, parcel in taken])
    nothing_follows = status.state in LAST_WORDS
    for line in list(lines.values()):
        lines[line.id] = line.counted(counted[line.id], nothing_follows=nothing_follows)
    return taken


def _summed(parcel: Parcel) -> Parcel:
    """Return the parcel with each line once, however often the merchant names it."""
    by_line: dict[str, ParcelLine] = {}
    for sent in parcel.lines:
        one = by_line.setdefault(sent.line_ref, sent)
        if one is not sent:
            came = None if one.packs_delivered is sent.packs_delivered is None else _came(one) + _came(sent)
            by_line[sent.line_ref] = ParcelLine(sent.line_ref, one.packs + sent.packs, came)
    return replace(parcel, lines=tuple(by_line.values()))


def _believe(tx: Transaction, order: Order, lines: dict[str, OrderLine], parcels: list[Parcel]) -> None:
    """Raise MerchantUnknown unless the parcels can be the order's.

    What was lost or was not inside may be sent once more; what came and what is on its way is never above the order.
    """
    given_up = tx.find(Shipment, order.household_id, order_id=order.id, state=ShipmentState.LOST)
    lost_refs = {shipment.merchant_ref for shipment in given_up}
    sums = dict.fromkeys(lines, 0)
    for parcel in parcels:
        if strangers := {sent.line_ref for sent in parcel.lines} - lines.keys():
            raise MerchantUnknown(f"parcel {parcel.parcel_ref} holds unknown lines: {', '.join(sorted(strangers))}")
        is_lost = parcel.state == "lost" or parcel.parcel_ref in lost_refs
        for sent in parcel.lines:
            standing = _came(sent) if parcel.state == "delivered" else sent.packs
            sums[sent.line_ref] += 0 if is_lost else standing
            line = lines[sent.line_ref]
            most = max(sent.packs, sums[line.id])
            if most > line.packs:
                raise MerchantUnknown(f"{most} packs of {line.name} were sent, {line.packs} were ordered")


def lacking(parcel: Parcel) -> dict[str, int]:
    """Return how many packs of each line never came with this parcel: all of a lost one, what was not inside one."""
    match parcel.state:
        case "lost":
            return {sent.line_ref: sent.packs for sent in parcel.lines}
        case "delivered":
            return {sent.line_ref: sent.packs - _came(sent) for sent in parcel.lines}
        case _:
            return {}


def _parcel(tx: Transaction, order: Order, lines: dict[str, OrderLine], parcel: Parcel, now_us: int) -> Shipment:
    """Note one parcel and what follows from its end, once; return its shipment as it is then."""
    known = tx.find(Shipment, order.household_id, order_id=order.id, merchant_ref=parcel.parcel_ref)
    if known:
        shipment = known[0]
    else:
        shipment = Shipment(
            id=tx.new_id(),
            household_id=order.household_id,
            order_id=order.id,
            merchant_ref=parcel.parcel_ref,
            state=ShipmentState.SHIPPED,
            amount_minor=parcel.amount_minor,
            currency=order.currency,
            shipped_us=parcel.shipped_us,
            delivered_us=None,
        )
        tx.add(shipment)
    if shipment.state is not ShipmentState.SHIPPED:
        return shipment
    if parcel.state == "delivered":
        delivered_us = parcel.delivered_us or now_us
        shipment = replace(shipment, state=ShipmentState.DELIVERED, delivered_us=delivered_us)
        for sent in parcel.lines:
            line, came = lines[sent.line_ref], _came(sent)
            _put_on_shelf(tx, line, came, delivered_us, now_us)
            if came < sent.packs:
                text = f"{line.name}: {came} of {sent.packs} came. What is missing is not billed, or given back."
                tell(tx, line.household_id, "delivery_short", text, f"orders/{order.id}", now_us)
    if parcel.state == "lost":
        shipment = replace(shipment, state=ShipmentState.LOST)
        text = "A parcel was lost on its way. It is not billed, or what was debited for it comes back."
        tell(tx, order.household_id, "delivery_lost", text, f"orders/{order.id}", now_us)
    tx.save(shipment)
    return shipment


def _put_on_shelf(tx: Transaction, line: OrderLine, came: int, delivered_us: int, now_us: int) -> None:
    """Put what came on the shelf as sealed packs, less what was already opened between the delivery and this look."""
    supply = tx.get(Supply, line.household_id, line.supply_id)
    sealed = came * line.pack_size
    since = tx.find(Refill, line.household_id, supply_id=supply.id, order_line_id=None, newest=MOST_REFILLS)
    for refill in reversed(since):
        opened = packs_worth(tx, supply, refill.slot_id, refill.size) - refill.from_shelf
        if refill.at_us >= delivered_us and opened > 0 and sealed > 0:
            taken = min(sealed, opened)
            sealed -= taken
            tx.save(replace(refill, from_shelf=refill.from_shelf + taken))
    tx.save(replace(supply, sealed_quantity=supply.sealed_quantity + sealed))
    tx.enqueue("forecast", line.household_id, supply.id, due_us=now_us)


def take_off_shelf(tx: Transaction, line: OrderLine, now_us: int) -> None:
    """Take packs that went back to the merchant off the shelf again, as far as they still stand there."""
    supply = tx.get(Supply, line.household_id, line.supply_id)
    sealed = max(0.0, supply.sealed_quantity - line.packs_delivered * line.pack_size)
    tx.save(replace(supply, sealed_quantity=sealed))
    tx.enqueue("forecast", line.household_id, supply.id, due_us=now_us)


def _tallies(parcels: list[Parcel]) -> defaultdict[str, Tally]:
    """Count the parcels' packs by line."""
    counted: defaultdict[str, Tally] = defaultdict(Tally)
    for parcel in parcels:
        for sent in parcel.lines:
            before = counted[sent.line_ref]
            tally = replace(before, shipped=before.shipped + sent.packs)
            if parcel.state == "delivered":
                came = _came(sent)
                arrivals = [one for one in (before.delivered_us, parcel.delivered_us) if one is not None]
                tally = replace(
                    tally,
                    delivered=before.delivered + came,
                    missing=before.missing + sent.packs - came,
                    delivered_us=min(arrivals, default=None) if came else before.delivered_us,
                )
            if parcel.state == "lost":
                tally = replace(tally, lost=before.lost + sent.packs)
            counted[sent.line_ref] = tally
    return counted


def _came(sent: ParcelLine) -> int:
    return sent.packs if sent.packs_delivered is None else min(sent.packs, sent.packs_delivered)
