"""Refund: money goes back for what was short, lost or returned; its own operation, never above what was captured."""

from gateway.domain.payment import (
    UNCLOSED_OPERATION_STATES,
    Attempt,
    Operation,
    OperationState,
    PaymentMethod,
)
from gateway.domain.records import HouseholdItem
from gateway.steps.money.calls import call_provider
from gateway.steps.money.credits import credit_instead_of
from gateway.steps.money.operations import send_again
from gateway.steps.money.outcomes import settle_operation
from gateway.steps.money.refunds import capture_behind
from gateway.steps.money.reversals import call_off
from gateway.steps.ports import Services
from payments import adapter
from payments.money import Money


def refund(item: HouseholdItem, services: Services) -> None:
    """Send one refund that observe wrote down (subject: operation id)."""
    now_us, household_id = services.clock.now_us(), item.household_id
    with services.unit_of_work.begin() as tx:
        tx.hold(item)
        operation = tx.get(Operation, household_id, item.subject_id)
        if operation.state not in UNCLOSED_OPERATION_STATES:
            tx.complete(item)
            return
        captured = capture_behind(tx, operation)
        if captured.state is OperationState.REVERSED:
            call_off(tx, operation, now_us)
            tx.complete(item)
            return
        amount = Money(operation.amount_minor, operation.currency)
        credit = credit_instead_of(tx, operation)
        if credit is not None:  # given to the balance: its provider is not asked, and never hears of it
            given = adapter.Refunded(credit.id, amount)
            settle_operation(tx, operation.id, household_id, given, now_us=now_us, wall_us=services.clock.wall_us())
            tx.complete(item)
            return
        attempt = tx.get(Attempt, household_id, operation.attempt_id)
        method = tx.get(PaymentMethod, household_id, attempt.payment_method_id)
        capabilities = services.providers.open(method.adapter).capabilities
        again = send_again(tx, operation, capabilities, now_us=now_us, wall_us=services.clock.wall_us())
        if again is None:
            tx.complete(item)
            return
        is_repeat, operation = operation.sent_wall_us is not None, again
    provider = services.providers.open(method.adapter)
    request = adapter.Refund(
        key=operation.id,
        reference=operation.id,
        amount=amount,
        capture_ref=captured.provider_ref,
    )
    outcome = call_provider(lambda: provider.refund(request), is_repeat=is_repeat)
    with services.unit_of_work.begin() as tx:
        tx.complete(item)
        wall_us = services.clock.wall_us()
        settle_operation(tx, operation.id, household_id, outcome, now_us=now_us, wall_us=wall_us)
