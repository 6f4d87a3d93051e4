"""Sync: an outcome that is unknown is looked up by our own reference; never repeated under a new key."""

from dataclasses import replace

from gateway.domain.order import ORDER_PREFIX, Order, OrderState
from gateway.domain.payment import Attempt, Mandate, Operation, PaymentMethod
from gateway.domain.records import HouseholdItem, MerchantAccount
from gateway.domain.replenishment import SECOND_US
from gateway.steps.messages import tell
from gateway.steps.money.operations import key_is_known, may_send_again, may_still_change
from gateway.steps.money.outcomes import settle_operation
from gateway.steps.money.setting_up import MANDATE_PREFIX, WAITING, settle_set_up
from gateway.steps.money.undecided import SYNC_AFTER_S
from gateway.steps.place import settle_placing
from gateway.steps.ports import Accepted, MerchantUnknown, OrderNotFound, OrderStatus, Refused, Services
from payments import adapter
from payments.errors import OutcomeUnknown

MOST_TRIES = 72
"""Of a settled permission that may have ended: two days and a half, later each time, up to an hour."""


def sync(item: HouseholdItem, services: Services) -> None:
    """Ask what became of an operation (subject: its id), an order being placed (order/…) or a mandate (mandate/…)."""
    if item.subject_id.startswith(ORDER_PREFIX):
        _sync_order(item, services, item.subject_id.removeprefix(ORDER_PREFIX))
    elif item.subject_id.startswith(MANDATE_PREFIX):
        _sync_mandate(item, services, item.subject_id.removeprefix(MANDATE_PREFIX))
    else:
        _sync_operation(item, services)


def _sync_operation(item: HouseholdItem, services: Services) -> None:
    now_us, household_id = services.clock.now_us(), item.household_id
    with services.unit_of_work.begin() as tx:
        tx.hold(item)
        operation = tx.get(Operation, household_id, item.subject_id)
        if not may_still_change(operation):
            tx.complete(item)
            return
        operation = replace(operation, syncs=operation.syncs + 1)
        tx.save(operation)
        attempt = tx.get(Attempt, household_id, operation.attempt_id)
        method = tx.get(PaymentMethod, household_id, attempt.payment_method_id)
    request = adapter.Sync(operation.id, adapter.OperationKind(operation.kind.value))
    provider = services.providers.open(method.adapter)
    outcome = _asked(provider, request)
    with services.unit_of_work.begin() as tx:
        tx.complete(item)
        wall_us = services.clock.wall_us()
        again = may_send_again(operation, provider.capabilities, wall_us)
        settle_operation(tx, operation.id, household_id, outcome, now_us=now_us, wall_us=wall_us, may_send_again=again)


def _sync_mandate(item: HouseholdItem, services: Services, mandate_id: str) -> None:
    now_us, household_id = services.clock.now_us(), item.household_id
    with services.unit_of_work.begin() as tx:
        tx.hold(item)
        mandate = tx.get(Mandate, household_id, mandate_id)
        method = tx.get(PaymentMethod, household_id, mandate.payment_method_id)
        is_settled = mandate.state not in WAITING and mandate.provider_ref != ""
        if not is_settled:
            tx.save(replace(mandate, looks=mandate.looks + 1))
    provider = services.providers.open(method.adapter)
    outcome = _asked(provider, adapter.Sync(mandate.id, adapter.OperationKind.SETUP_MANDATE))
    if is_settled and isinstance(outcome, adapter.Unknown) and item.tries <= MOST_TRIES:
        # Somebody said that it ended: that is asked until there is an answer, later each time.
        raise OutcomeUnknown(outcome.reason)
    with services.unit_of_work.begin() as tx:
        tx.complete(item)
        wall_us = services.clock.wall_us()
        again = key_is_known(mandate.sent_wall_us, provider.capabilities, wall_us)
        settle_set_up(tx, mandate, outcome, now_us=now_us, wall_us=wall_us, may_send_again=again)


def _asked(provider: adapter.PaymentAdapter, request: adapter.Sync) -> adapter.SyncOutcome:
    try:
        return provider.sync(request)
    except OutcomeUnknown as error:
        return adapter.Unknown(error.reason)


def _sync_order(item: HouseholdItem, services: Services, order_id: str) -> None:
    now_us, household_id = services.clock.now_us(), item.household_id
    with services.unit_of_work.begin() as tx:
        tx.hold(item)
        order = tx.get(Order, household_id, order_id)
        if order.state is not OrderState.PLACING:
            tx.complete(item)
            return
        account = tx.get(MerchantAccount, household_id, order.merchant_id)
        looks = order.looks + 1
        tx.save(replace(order, looks=looks))
    try:
        status: OrderStatus | OrderNotFound | None = services.merchants.open(account).status(order.id)
    except MerchantUnknown:
        status = None
    with services.unit_of_work.begin() as tx:
        tx.complete(item)
        pause_s = SYNC_AFTER_S[min(looks, len(SYNC_AFTER_S) - 1)]
        wait_us = services.clock.wall_us() + pause_s * SECOND_US
        if looks == len(SYNC_AFTER_S):
            text = "The shop does not say whether it took an order; we keep asking and send nothing twice."
            tell(tx, household_id, "order_unknown", text, f"orders/{order.id}", now_us)
        match status:
            case None:
                tx.enqueue("sync", household_id, item.subject_id, due_us=now_us, not_before_wall_us=wait_us)
            case OrderNotFound():  # it never arrived: the same order goes out again under the same reference
                tx.enqueue("place", household_id, order.cart_id, due_us=now_us, not_before_wall_us=wait_us)
            case OrderStatus(state="rejected", message=message):
                settle_placing(tx, order, Refused("rejected", message), now_us)
            case OrderStatus(merchant_ref=merchant_ref, total_minor=total_minor, promised_us=promised_us):
                settle_placing(tx, order, Accepted(merchant_ref, total_minor, promised_us), now_us)
