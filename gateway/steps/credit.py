"""Credit: a stored balance grows by what is owed to it. The row with its key is committed before it is asked for."""

from dataclasses import replace

from gateway.domain.credit import Credit, CreditOrigin, CreditState
from gateway.domain.payment import PaymentMethod
from gateway.domain.records import Act, HouseholdItem
from gateway.steps.messages import tell
from gateway.steps.money.books import post
from gateway.steps.money.calls import Refused, call_provider
from gateway.steps.ports import Services, Transaction
from payments import adapter, ledger
from payments.errors import ConfigError, OutcomeUnknown
from payments.money import Money

# Later each time, up to an hour: two days and a half.
MOST_TRIES = 72


def credit(item: HouseholdItem, services: Services) -> None:
    """Grow one balance (subject: credit id); a repeat goes out under the same key and changes nothing.

    Raises OutcomeUnknown when it is not known whether the balance grew; after the last time it is left to the operator.
    """
    now_us = services.clock.now_us()
    with services.unit_of_work.begin() as tx:
        tx.hold(item)
        owed = tx.get(Credit, item.household_id, item.subject_id)
        method = tx.get(PaymentMethod, item.household_id, owed.payment_method_id)
        if owed.state is not CreditState.OWED:
            tx.complete(item)
            return
        if item.tries > MOST_TRIES:
            _leave_open(tx, owed, method, "its keeper never said whether the balance grew", now_us)
            tx.complete(item)
            return
    provider = services.providers.open(method.adapter)
    if not isinstance(provider, adapter.StoredBalance):
        raise ConfigError(f"{method.adapter} keeps no stored balance")
    amount = Money(owed.amount_minor, owed.currency)
    request = adapter.TopUp(owed.id, owed.id, amount, services.providers.token(method))
    outcome = call_provider(lambda: provider.top_up(request), is_repeat=False)
    if isinstance(outcome, adapter.Unknown | adapter.Pending):
        raise OutcomeUnknown("whether the balance grew")
    with services.unit_of_work.begin() as tx:
        tx.complete(item)
        _settle(tx, tx.get(Credit, item.household_id, owed.id), method, outcome, now_us)


def _settle(
    tx: Transaction, owed: Credit, method: PaymentMethod, outcome: adapter.Outcome | Refused, now_us: int
) -> None:
    amount = Money(owed.amount_minor, owed.currency)
    match outcome:
        case adapter.ToppedUp(amount=grown) if grown == amount:
            tx.save(replace(owed, state=CreditState.CREDITED, credited_us=now_us))
            if owed.origin is CreditOrigin.GIFT:
                journal = ledger.gift(owed.id, ledger.household_balance(owed.household_id), amount)
                post(tx, owed.household_id, [journal], memo=f"given by the operator: {owed.note}", at_us=now_us)
            text = f"{amount} was added to {method.label}: {owed.note}"
            tell(tx, owed.household_id, "credited", text.rstrip(".") + ".", "money", now_us)
        case adapter.Declined(message=said) | Refused(message=said):
            _leave_open(tx, owed, method, f"its keeper refused it: {said}", now_us)
        case _:
            _leave_open(tx, owed, method, f"an answer that does not belong to it: {outcome!r}", now_us)


def _leave_open(tx: Transaction, owed: Credit, method: PaymentMethod, why: str, now_us: int) -> None:
    """Leave to the operator what cannot be told: neither booked as given nor called failed."""
    amount = Money(owed.amount_minor, owed.currency)
    tx.save(replace(owed, state=CreditState.MANUAL_REVIEW, note=why))
    tx.add(
        Act(
            id=tx.new_id(),
            household_id=owed.household_id,
            by="gateway",
            verb="credit_left_open",
            subject=f"credits/{owed.id}",
            reason=why,
            evidence=f"{amount} for {method.label}",
            at_us=now_us,
        )
    )
    text = f"We could not learn whether {amount} was added to {method.label}. The operator is looking."
    tell(tx, owed.household_id, "credit_unknown", text, "money", now_us)
