"""What never came, or went back: not billed where that is known in time, and given back where it was billed."""

from dataclasses import replace

from gateway.domain.order import OrderLine, Shipment, ShipmentState
from gateway.domain.payment import Attempt
from gateway.steps.goods.parcels import lacking
from gateway.steps.money.billing import is_asked, operations_for
from gateway.steps.money.refunds import Owed, given_back_minor, owe_refund
from gateway.steps.ports import Parcel, Transaction


def account_for_missing(
    tx: Transaction,
    attempt: Attempt,
    lines: dict[str, OrderLine],
    parcels: list[tuple[Shipment, Parcel]],
    now_us: int,
    *,
    is_returned: bool,
) -> set[Owed]:
    """Take what was lost, short or sent back off what is to be billed, or write a refund for it; note the packs.

    `lines` is changed in place: `packs_refunded` counts the packs whose money came back or never left.
    """
    operations = operations_for(tx, attempt)
    answers: set[Owed] = set()
    paid_for: dict[str, int] = dict.fromkeys(lines, 0)
    for known, parcel in parcels:
        missing = lacking(parcel)
        is_lost = known.state is ShipmentState.LOST
        goods_minor = sum(packs * lines[line_id].unit_price_minor for line_id, packs in missing.items())
        lost_minor = known.amount_minor if is_lost else min(goods_minor, known.amount_minor)
        gone_minor = known.amount_minor if is_returned else lost_minor
        shipment = known
        unbilled_minor = gone_minor - given_back_minor(
            operations, known
        )  # given back before it was taken back by the bank
        if unbilled_minor > known.missing_minor and not is_asked(operations, known):
            shipment = replace(known, missing_minor=unbilled_minor)
            tx.save(shipment)
        owed = Owed.WRITTEN
        if lost_minor > shipment.missing_minor:
            owed = owe_refund(tx, attempt, shipment, lost_minor - shipment.missing_minor, now_us=now_us)
            answers.add(owed)
        for line_id, packs in missing.items():
            paid_for[line_id] += packs if owed is Owed.WRITTEN else 0
        if is_returned and not is_lost and shipment.owed_minor > 0:
            answers.add(owe_refund(tx, attempt, shipment, shipment.owed_minor, now_us=now_us, because="returned"))
    for line in list(lines.values()):
        lines[line.id] = replace(line, packs_refunded=max(line.packs_refunded, paid_for[line.id]))
    return answers
