"""What a member does with money: link an account, set and revoke its mandate, top up a stored balance.

Linking calls the provider: prepare, call, settle, as the steps do. Revoking and topping up leave rows for the worker.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway.domain.errors import Conflict, Invalid
from gateway.domain.household import Household, Member
from gateway.domain.payment import Mandate, MandateState, MethodState, PaymentMethod
from gateway.domain.replenishment import DAY_US
from gateway.steps.household import named
from gateway.steps.ports import Services, Transaction
from payments import adapter
from payments.errors import ConfigError, InvalidRequest, NotSent, OutcomeUnknown, RateLimited
from payments.money import Money

MAX_METHODS = 10
MOST_MINOR = 100_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What a mandate allows, minor units of the account's currency. `standing`: it may say yes by itself."""

    standing: bool
    per_order_minor: int
    per_period_minor: int
    period_days: int
    per_merchant_minor: int | None = None
    price_tolerance_percent: float = 15.0
    valid_days: int | None = None

    def checked(self) -> "Limits":
        """Return them; raises Invalid for an amount or time out of reason."""
        for field, amount in (("per_order", self.per_order_minor), ("per_period", self.per_period_minor)):
            if not 1 <= amount <= MOST_MINOR:
                raise Invalid(field, "give an amount above zero and below a million")
        if self.per_merchant_minor is not None and not 1 <= self.per_merchant_minor <= MOST_MINOR:
            raise Invalid("per_merchant", "give an amount above zero and below a million")
        if not 1 <= self.period_days <= 366:
            raise Invalid("period_days", "choose between 1 and 366 days")
        if not 0 <= self.price_tolerance_percent <= 1000:
            raise Invalid("price_tolerance_percent", "choose between 0 and 1000")
        if self.valid_days is not None and not 1 <= self.valid_days <= 3660:
            raise Invalid("valid_days", "choose between 1 and 3660 days")
        return self


def link_account(
    services: Services, member: Member, *, adapter_name: str, token: str, label: str, limits: Limits
) -> Mandate:
    """Link an account and ask its provider for the mandate; raises Invalid when the provider refuses.

    Where the provider asks for no account (its capabilities say so), `token` is left aside: the household has one
    account there and nobody can name another's.
    """
    member.may_administer("link an account")
    limits.checked()
    provider = _provider(services, adapter_name)
    now_us = services.clock.now_us()
    with services.unit_of_work.begin() as tx:
        household = tx.get(Household, member.household_id, member.household_id)
        methods = tx.find(PaymentMethod, household.id)
        if len(methods) >= MAX_METHODS:
            raise Invalid("account", f"at most {MAX_METHODS} accounts; unlink one first")
        token = _account_token(provider, token, household)
        if provider.capabilities.account is None and _is_linked(methods, adapter_name):
            raise Invalid("adapter", f"{provider.capabilities.title} is linked already")
        method_id = tx.new_id()
        method = PaymentMethod(
            id=method_id,
            household_id=household.id,
            adapter=adapter_name,
            token_sealed=services.providers.seal(token, household_id=household.id, method_id=method_id),
            label=named(label),
            currency=household.currency,
            state=MethodState.PENDING,
            rank=len(methods),
            created_us=now_us,
        )
        mandate = _mandate(tx, method, limits, now_us)
        tx.add(method)
        tx.add(mandate)
    request = adapter.SetupMandate(
        key=mandate.id,
        reference=mandate.id,
        method_token=token,
        per_order_limit=Money(limits.per_order_minor, method.currency),
        expires_at_us=mandate.valid_until_us,
    )
    outcome = _ask(lambda: provider.setup_mandate(request))
    with services.unit_of_work.begin() as tx:
        return _settle_link(tx, method, mandate, outcome, now_us)


def set_limits(tx: Transaction, member: Member, mandate_id: str, limits: Limits, *, now_us: int) -> Mandate:
    """Change what a mandate allows, from the next debit on; its end stays unless `valid_days` sets a new one."""
    member.may_administer("change a limit")
    limits.checked()
    mandate = tx.get(Mandate, member.household_id, mandate_id)
    if mandate.state is not MandateState.ACTIVE:
        raise Conflict("mandate", mandate_id, mandate.state, "change")
    method = tx.get(PaymentMethod, member.household_id, mandate.payment_method_id)
    wanted = _mandate(tx, method, limits, mandate.valid_from_us)
    until_us = mandate.valid_until_us if limits.valid_days is None else now_us + limits.valid_days * DAY_US
    changed = replace(
        wanted,
        id=mandate.id,
        provider_ref=mandate.provider_ref,
        state=mandate.state,
        merchant_id=mandate.merchant_id,
        supply_id=mandate.supply_id,
        valid_until_us=until_us,
    )
    tx.save(changed)
    return changed


def unlink_account(services: Services, member: Member, method_id: str) -> PaymentMethod:
    """Revoke an account's mandates here at once, and leave rows to revoke them at the provider.

    What was shipped is still captured; a cart that is only held goes back to a person, its hold is voided.
    """
    member.may_administer("unlink an account")
    with services.unit_of_work.begin() as tx:
        method = tx.get(PaymentMethod, member.household_id, method_id)
        revoked = replace(method, state=MethodState.REVOKED)
        tx.save(revoked)
        mandates = tx.find(Mandate, member.household_id, payment_method_id=method_id)
        for mandate in mandates:
            tx.save(replace(mandate, state=MandateState.REVOKED))
            if mandate.state is MandateState.ACTIVE and mandate.provider_ref:
                tx.enqueue("revoke", method.household_id, mandate.id, due_us=services.clock.now_us())
    return revoked


def top_up(services: Services, member: Member, method_id: str, amount_minor: int) -> Money:
    """Leave a row that adds money to a stored balance, and return the amount; raises Invalid."""
    member.may_administer("top up a balance")
    if not 1 <= amount_minor <= MOST_MINOR:
        raise Invalid("amount", "give an amount above zero and below a million")
    with services.unit_of_work.begin() as tx:
        method = tx.get(PaymentMethod, member.household_id, method_id)
        if not isinstance(_provider(services, method.adapter), adapter.StoredBalance):
            raise Invalid("account", f"{method.label} is not a stored balance")
        if method.state is not MethodState.ACTIVE:
            raise Conflict("account", method_id, method.state, "top up")
        subject = f"{method.id}/{tx.new_id()}/{amount_minor}"
        tx.enqueue("top_up", method.household_id, subject, due_us=services.clock.now_us())
    return Money(amount_minor, method.currency)


def _settle_link(
    tx: Transaction, method: PaymentMethod, mandate: Mandate, outcome: adapter.Outcome, now_us: int
) -> Mandate:
    match outcome:
        case adapter.MandateActive(mandate_ref=mandate_ref):
            linked = replace(mandate, state=MandateState.ACTIVE, provider_ref=mandate_ref)
            tx.save(replace(method, state=MethodState.ACTIVE))
            if not tx.is_waiting("settle", method.adapter):
                tx.enqueue("settle", None, method.adapter, due_us=now_us + DAY_US)
        case adapter.RequiresAction(provider_ref=provider_ref):
            linked = replace(mandate, state=MandateState.REQUIRES_ACTION, provider_ref=provider_ref)
        case _:
            linked = replace(mandate, state=MandateState.REVOKED)
            tx.save(replace(method, state=MethodState.REVOKED))
    tx.save(linked)
    return linked


def _mandate(tx: Transaction, method: PaymentMethod, limits: Limits, now_us: int) -> Mandate:
    return Mandate(
        id=tx.new_id(),
        household_id=method.household_id,
        payment_method_id=method.id,
        provider_ref="",
        state=MandateState.PENDING,
        standing=limits.standing,
        currency=method.currency,
        per_order_minor=limits.per_order_minor,
        per_period_minor=limits.per_period_minor,
        period_days=limits.period_days,
        per_merchant_minor=limits.per_merchant_minor,
        merchant_id=None,
        supply_id=None,
        price_tolerance_percent=limits.price_tolerance_percent,
        valid_from_us=now_us,
        valid_until_us=None if limits.valid_days is None else now_us + limits.valid_days * DAY_US,
    )


def _account_token(provider: adapter.PaymentAdapter, written: str, household: Household) -> str:
    if provider.capabilities.account is None:
        return household.id
    if not written.strip():
        raise Invalid("account", "fill this in")
    return written.strip()


def _is_linked(methods: list[PaymentMethod], adapter_name: str) -> bool:
    return any(method.adapter == adapter_name and method.state is not MethodState.REVOKED for method in methods)


def _provider(services: Services, name: str) -> adapter.PaymentAdapter:
    try:
        return services.providers.open(name)
    except ConfigError as error:
        raise Invalid("account", str(error)) from None


def _ask(call: Callable[[], adapter.Outcome]) -> adapter.Outcome:
    """Make a call a person waits for; what cannot be done now is said in words."""
    try:
        return call()
    except (NotSent, RateLimited, ConfigError) as error:
        raise Invalid("account", f"the provider cannot be reached now: {error}") from None
    except InvalidRequest as error:
        raise Invalid("account", f"the provider refused: {error.detail}") from None
    except OutcomeUnknown as error:
        return adapter.Unknown(error.reason)
