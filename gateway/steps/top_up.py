"""Top up: money for a stored balance. The row with its key is committed before the balance is asked to grow."""

from gateway.domain.payment import PaymentMethod
from gateway.domain.records import Act, HouseholdItem
from gateway.steps.messages import tell
from gateway.steps.money.books import post
from gateway.steps.ports import Services, Transaction
from payments import adapter, ledger
from payments.errors import ConfigError, OutcomeUnknown
from payments.money import Money

# Later each time, up to an hour: two days and a half.
MOST_TRIES = 72


def top_up(item: HouseholdItem, services: Services) -> None:
    """Grow one balance (subject: method id/key/minor units); a repeat goes out under the same key and changes nothing.

    Raises OutcomeUnknown when it is not known whether the balance grew; after the last time it is left to the operator.
    """
    method_id, key, amount_minor = item.subject_id.split("/")
    with services.unit_of_work.begin() as tx:
        tx.hold(item)
        method = tx.get(PaymentMethod, item.household_id, method_id)
        if item.tries > MOST_TRIES:
            _give_up(tx, method, key, Money(int(amount_minor), method.currency), services.clock.now_us())
            tx.complete(item)
            return
    provider = services.providers.open(method.adapter)
    if not isinstance(provider, adapter.StoredBalance):
        raise ConfigError(f"{method.adapter} keeps no stored balance")
    amount = Money(int(amount_minor), method.currency)
    outcome = provider.top_up(adapter.TopUp(key, key, amount, services.providers.token(method)))
    if isinstance(outcome, adapter.Unknown | adapter.Pending):
        raise OutcomeUnknown("whether the balance grew")
    with services.unit_of_work.begin() as tx:
        tx.complete(item)
        _settle(tx, method, key, amount, outcome, services.clock.now_us())


def _give_up(tx: Transaction, method: PaymentMethod, key: str, amount: Money, now_us: int) -> None:
    """Say that nobody knows whether the balance grew: neither booked nor called failed, and found by reconcile."""
    tx.add(
        Act(
            id=tx.new_id(),
            household_id=method.household_id,
            by="gateway",
            verb="top_up_left_open",
            subject=f"methods/{method.id}",
            reason="its keeper never said whether the balance grew",
            evidence=f"{amount} under the key {key}",
            at_us=now_us,
        )
    )
    text = f"We could not learn whether {amount} was added to {method.label}. The operator is looking."
    tell(tx, method.household_id, "top_up_unknown", text, "money", now_us)


def _settle(
    tx: Transaction, method: PaymentMethod, key: str, amount: Money, outcome: adapter.Outcome, now_us: int
) -> None:
    if isinstance(outcome, adapter.ToppedUp):
        journal = ledger.top_up(key, ledger.household_balance(method.household_id), amount)
        post(tx, method.household_id, [journal], memo="topped up", at_us=now_us)
        tell(tx, method.household_id, "topped_up", f"{amount} was added to {method.label}.", "money", now_us)
    else:
        text = f"{method.label} could not be topped up by {amount}; nothing was taken."
        tell(tx, method.household_id, "top_up_refused", text, "money", now_us)
