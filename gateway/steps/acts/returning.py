"""A customer comes back from the provider's page with something that its adapter needs to go on."""

from collections.abc import Mapping

from gateway.domain.errors import Invalid
from gateway.domain.household import Member
from gateway.domain.payment import Mandate, PaymentMethod
from gateway.steps.money.calls import Refused, call_provider
from gateway.steps.money.setting_up import WAITING, Answer, settle_set_up
from gateway.steps.ports import Services
from payments.adapter import Returning
from payments.errors import ConfigError, NotSent, RateLimited, UnknownAdapter

MOST_FIELDS = 20
MOST_CHARACTERS = 8_000
NOT_SENT_AWAY = "nobody was sent to the provider for this; begin again on the Money page"


def returned(services: Services, member: Member, adapter_name: str, query: Mapping[str, str]) -> Mandate:
    """Hand on what the customer brought back, once, and settle the permission it is for.

    Nothing in `query` is proven: the adapter knows whom it sent away, and the permission must be of the household that
    is signed in here, so that nobody can be led to finish what somebody else began. Raises Invalid, NotFound.
    """
    member.may_administer("confirm a permission")
    if len(query) > MOST_FIELDS or sum(len(name) + len(value) for name, value in query.items()) > MOST_CHARACTERS:
        raise Invalid("account", NOT_SENT_AWAY)
    try:
        provider = services.providers.open(adapter_name)
    except (UnknownAdapter, ConfigError):
        raise Invalid("account", NOT_SENT_AWAY) from None
    reference = provider.whose_return(query) if isinstance(provider, Returning) else None
    if reference is None or not isinstance(provider, Returning):
        raise Invalid("account", NOT_SENT_AWAY)
    with services.unit_of_work.read() as tx:
        mandate = tx.get(Mandate, member.household_id, reference)
        method = tx.get(PaymentMethod, member.household_id, mandate.payment_method_id)
    if method.adapter != adapter_name:
        raise Invalid("account", NOT_SENT_AWAY)
    if mandate.state not in WAITING:
        return mandate
    answer: Answer
    try:
        answer = call_provider(lambda: provider.customer_returned(reference, query), is_repeat=False)
    except (NotSent, RateLimited, ConfigError) as error:
        raise Invalid("account", f"the provider cannot be reached now: {error}") from None
    if isinstance(answer, Refused):  # what was brought back is wrong: that says nothing of the permission itself
        raise Invalid("account", answer.message)
    with services.unit_of_work.begin() as tx:
        now_us, wall_us = services.clock.now_us(), services.clock.wall_us()
        return settle_set_up(tx, mandate, answer, now_us=now_us, wall_us=wall_us)
