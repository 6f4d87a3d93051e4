"""Observe: what the merchant ships and delivers, and the level jump that shows the refill arrived.

Asks the merchant where an order stands and closes each line: refill seen, short, lost or returned; a shipment leaves a
row for capture, a shortfall a row for refund. Runs on a schedule, after a notice, after a refill and after a capture.
A shop that never ships is asked to cancel, and in the end a person looks: nothing is looked at for ever.
"""

from gateway.domain.order import Order, OrderState
from gateway.domain.records import HouseholdItem, MerchantAccount
from gateway.steps.goods.order_status import take_status
from gateway.steps.goods.watch import look_again, not_believed, unknown_there
from gateway.steps.ports import MerchantUnknown, OrderNotFound, Services

NEVER_OBSERVED = frozenset({OrderState.PLACING, OrderState.REJECTED, OrderState.CANCELLED})


def observe(item: HouseholdItem, services: Services) -> None:
    """Look at one order (subject: order id)."""
    now_us, household_id = services.clock.now_us(), item.household_id
    with services.unit_of_work.begin() as tx:
        tx.hold(item)
        order = tx.get(Order, household_id, item.subject_id)
        if order.state in NEVER_OBSERVED:
            tx.complete(item)
            return
        account = tx.get(MerchantAccount, household_id, order.merchant_id)
    status = services.merchants.open(account).status(order.id)
    with services.unit_of_work.begin() as tx:
        tx.complete(item)
        order = tx.get(Order, household_id, item.subject_id)
        if isinstance(status, OrderNotFound):
            unknown_there(tx, order, now_us)
            return
        try:
            order = take_status(tx, order, status, now_us)
        except MerchantUnknown as impossible:
            not_believed(tx, order, str(impossible), now_us)
        else:
            look_again(tx, order, now_us)
