"""What a member does with money: link an account, set and revoke its mandate.

Linking calls the provider: prepare, call, settle, as the steps do. Revoking leaves rows for the worker.
"""

from dataclasses import replace

from gateway.domain.errors import Conflict, Invalid
from gateway.domain.household import Household, Member
from gateway.domain.payment import Mandate, MandateState, MethodState, PaymentMethod
from gateway.domain.preference import MethodChoice
from gateway.domain.replenishment import DAY_US
from gateway.steps.acts.household import named
from gateway.steps.acts.limits import Limits
from gateway.steps.money.accounts import funding_of
from gateway.steps.money.calls import Refused, call_provider
from gateway.steps.money.capabilities import require_served
from gateway.steps.money.idle import idle_days_of, stop_watching_idle
from gateway.steps.money.setting_up import (
    WAITING,
    Answer,
    ask_again,
    begin_set_up,
    set_up_request,
    settle_set_up,
    watch_end,
)
from gateway.steps.ports import Services, Transaction
from payments import adapter
from payments.errors import ConfigError, NotSent, RateLimited

MAX_METHODS = 10
MAX_METHODS_EVER = 200
CHANGEABLE = frozenset({MandateState.ACTIVE, MandateState.SUSPENDED, MandateState.EXPIRED})


def link_account(
    services: Services, member: Member, *, adapter_name: str, token: str, label: str, limits: Limits
) -> Mandate:
    """Link an account and ask its provider for the mandate: active, waiting, or revoked when it was declined.

    Raises Invalid when the provider could not be asked or refused the request itself.

    Where the provider asks for no account (its capabilities say so), `token` is left aside: the household has one
    account there and nobody can name another's; or the account is chosen on the provider's own page, and each link
    there is one by itself. An account is linked once: a second link would have limits of its own, and together they
    would let more be debited than either says. One chosen there needs no `label`: its provider calls it something.
    """
    member.may_administer("link an account")
    limits.checked()
    provider = _provider(services, adapter_name)
    if not label.strip() and not isinstance(provider.capabilities.account, adapter.HostedPage):
        raise Invalid("label", "fill this in")
    now_us = services.clock.now_us()
    with services.unit_of_work.begin() as tx:
        household = tx.get(Household, member.household_id, member.household_id)
        limits.require_known(tx, household.id)
        require_served(provider.capabilities, household.currency)
        methods = tx.find(PaymentMethod, household.id)
        if (
            len(methods) >= MAX_METHODS_EVER
            or sum(one.state is not MethodState.REVOKED for one in methods) >= MAX_METHODS
        ):
            raise Invalid("account", f"at most {MAX_METHODS} accounts; unlink one first")
        method_id = tx.new_id()
        token = _account_token(provider, token, household, method_id)
        _refuse_second_link(services, provider, methods, adapter_name, token)
        method = PaymentMethod(
            id=method_id,
            household_id=household.id,
            adapter=adapter_name,
            token_sealed=services.providers.seal(token, household_id=household.id, method_id=method_id),
            label=named(label) if label.strip() else provider.capabilities.title,
            currency=household.currency,
            state=MethodState.PENDING,
            rank=len(methods),
            created_us=now_us,
            named=bool(label.strip()),
            funding=funding_of(provider),
        )
        wall_us, idle_days = services.clock.wall_us(), idle_days_of(provider.capabilities)
        mandate = replace(_mandate(tx, method, limits, idle_days, now_us), sent_wall_us=wall_us)
        tx.add(method)
        begin_set_up(tx, mandate, now_us=now_us, wall_us=wall_us)
    return _ask_for(services, mandate, method, token)


def set_limits(services: Services, member: Member, mandate_id: str, limits: Limits) -> Mandate:
    """Change what a mandate allows, from the next debit on; its end stays unless `valid_days` sets a new one.

    What its provider must know of (a higher amount, a later end, a permission that it did not take any more) is in
    force once it agreed: until then the old limits stand, and returned is the mandate that waits. Raises Conflict for
    one that was given back or whose change is still waiting, Invalid when the provider refuses.
    """
    member.may_administer("change a limit")
    limits.checked()
    now_us = services.clock.now_us()
    with services.unit_of_work.begin() as tx:
        mandate = tx.get(Mandate, member.household_id, mandate_id)
        limits.require_known(tx, member.household_id)
        if mandate.state not in CHANGEABLE:
            raise Conflict("mandate", mandate_id, mandate.state, "change")
        for other in tx.find(Mandate, member.household_id, replaces_id=mandate.id):
            if other.state in WAITING:
                raise Conflict("mandate", mandate_id, "waiting for its last change", "change")
        method = tx.get(PaymentMethod, member.household_id, mandate.payment_method_id)
        if limits.valid_days is None and mandate.valid_until_us is not None and now_us >= mandate.valid_until_us:
            raise Invalid("valid_days", "it has ended; say for how many days it shall go on")
        idle_days = idle_days_of(_provider(services, method.adapter).capabilities)
        wanted = _changed(mandate, _mandate(tx, method, limits, idle_days, now_us), services.clock.wall_us())
        if wanted.replaces_id is None:
            tx.save(wanted)
            watch_end(tx, wanted)
            return wanted
        begin_set_up(tx, wanted, now_us=now_us, wall_us=services.clock.wall_us())
    asked = _ask_for(services, wanted, method, services.providers.token(method))
    if asked.state is MandateState.REVOKED and not asked.provider_ref:
        raise Invalid(
            "per_order", f"the provider did not agree: {asked.note.rstrip('.')}; the limits stay as they were"
        )
    if asked.state in WAITING:
        return asked
    with services.unit_of_work.read() as tx:
        return tx.get(Mandate, member.household_id, mandate_id)


def came_back(tx: Transaction, member: Member, mandate_id: str, *, now_us: int) -> Mandate:
    """Look at once what became of a permission when the member comes back from the provider's page; decided, it stays.

    Coming back says nothing: the page may have been closed as well as filled in.
    """
    member.may_administer("confirm a permission")
    mandate = tx.get(Mandate, member.household_id, mandate_id)
    if mandate.state in WAITING:
        ask_again(tx, mandate, now_us=now_us)
    return mandate


def confirmed(tx: Transaction, member: Member, mandate_id: str, *, now_us: int) -> Mandate:
    """Look at once what became of a permission that the member says to have confirmed at the provider."""
    member.may_administer("confirm a permission")
    mandate = tx.get(Mandate, member.household_id, mandate_id)
    if mandate.state not in WAITING:
        raise Conflict("mandate", mandate_id, mandate.state, "confirm")
    ask_again(tx, mandate, now_us=now_us)
    return mandate


def _changed(mandate: Mandate, wanted: Mandate, wall_us: int) -> Mandate:
    """Return the mandate with the wished limits: itself, or one to be asked for where its provider must know of it."""
    until_us = mandate.valid_until_us if wanted.valid_until_us is None else wanted.valid_until_us
    ends_later = until_us is not None and mandate.valid_until_us is not None and until_us > mandate.valid_until_us
    is_news = mandate.state is not MandateState.ACTIVE or wanted.per_order_minor > mandate.per_order_minor or ends_later
    wanted = replace(wanted, valid_until_us=until_us)
    if is_news:
        return replace(wanted, replaces_id=mandate.id, sent_wall_us=wall_us)
    return replace(
        wanted,
        id=mandate.id,
        provider_ref=mandate.provider_ref,
        state=mandate.state,
        valid_from_us=mandate.valid_from_us,
        sent_wall_us=mandate.sent_wall_us,
    )


def _ask_for(services: Services, mandate: Mandate, method: PaymentMethod, token: str) -> Mandate:
    """Ask the provider for a mandate that is written; raises Invalid when it did nothing, in words."""
    provider = _provider(services, method.adapter)
    request = set_up_request(mandate, token, services.public_url)
    answer: Answer
    try:
        answer = call_provider(lambda: provider.setup_mandate(request), is_repeat=False)
    except (NotSent, RateLimited, ConfigError) as error:
        answer = Refused("not_reached", f"the provider cannot be reached now: {error}")
    with services.unit_of_work.begin() as tx:
        now_us, wall_us = services.clock.now_us(), services.clock.wall_us()
        asked = settle_set_up(tx, mandate, answer, now_us=now_us, wall_us=wall_us)
    if isinstance(answer, Refused):
        raise Invalid("account", answer.message)
    return asked


def unlink_account(services: Services, member: Member, method_id: str) -> PaymentMethod:
    """Revoke an account's mandates here at once, and leave rows to revoke them at the provider.

    What was shipped is still captured; a cart that is only held goes back to a person, its hold is voided.
    """
    member.may_administer("unlink an account")
    with services.unit_of_work.begin() as tx:
        method = tx.get(PaymentMethod, member.household_id, method_id)
        revoked = replace(method, state=MethodState.REVOKED)
        tx.save(revoked)
        for choice in tx.find(MethodChoice, member.household_id, payment_method_id=method_id):
            tx.remove(choice)
        mandates = tx.find(Mandate, member.household_id, payment_method_id=method_id)
        for mandate in mandates:
            if mandate.state is MandateState.REVOKED:
                continue
            tx.save(replace(mandate, state=MandateState.REVOKED, confirm_url=""))
            tx.cancel_work("expire", f"mandate/{mandate.id}")
            stop_watching_idle(tx, mandate)
            if mandate.provider_ref:
                tx.enqueue("revoke", method.household_id, mandate.id, due_us=services.clock.now_us())
    return revoked


def _mandate(tx: Transaction, method: PaymentMethod, limits: Limits, idle_days: int, now_us: int) -> Mandate:
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
        per_period_count=limits.per_period_count,
        merchant_ids=limits.merchant_ids,
        device_ids=limits.device_ids,
        supply_ids=limits.supply_ids,
        price_tolerance_percent=limits.price_tolerance_percent,
        valid_from_us=now_us,
        valid_until_us=None if limits.valid_days is None else now_us + limits.valid_days * DAY_US,
        idle_days=idle_days,
    )


def _account_token(provider: adapter.PaymentAdapter, written: str, household: Household, method_id: str) -> str:
    match provider.capabilities.account:
        case None:
            return household.id
        case adapter.HostedPage():
            return method_id
        case adapter.AccountPrompt():
            if not written.strip():
                raise Invalid("account", "fill this in")
            return written.strip()


def _refuse_second_link(
    services: Services, provider: adapter.PaymentAdapter, methods: list[PaymentMethod], adapter_name: str, token: str
) -> None:
    linked = [one for one in methods if one.adapter == adapter_name and one.state is not MethodState.REVOKED]
    if provider.capabilities.account is None and linked:
        raise Invalid("adapter", f"{provider.capabilities.title} is linked already")
    for method in linked:
        if services.providers.token(method) == token:
            raise Invalid("account", f"this account is linked already, as {method.label}; change its limits there")


def _provider(services: Services, name: str) -> adapter.PaymentAdapter:
    try:
        return services.providers.open(name)
    except ConfigError as error:
        raise Invalid("account", str(error)) from None
