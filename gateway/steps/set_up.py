"""Set up: a permission that the provider never heard of is asked for again, under the key it was written with."""

from gateway.domain.payment import Mandate, PaymentMethod
from gateway.domain.records import HouseholdItem
from gateway.steps.money.calls import call_provider
from gateway.steps.money.operations import key_is_known
from gateway.steps.money.setting_up import WAITING, ask_again, set_up_request, settle_set_up
from gateway.steps.ports import Services


def set_up(item: HouseholdItem, services: Services) -> None:
    """Ask for one mandate once more (subject: mandate id)."""
    now_us, household_id = services.clock.now_us(), item.household_id
    with services.unit_of_work.begin() as tx:
        tx.hold(item)
        mandate = tx.get(Mandate, household_id, item.subject_id)
        method = tx.get(PaymentMethod, household_id, mandate.payment_method_id)
        provider = services.providers.open(method.adapter)
        if mandate.state not in WAITING:
            tx.complete(item)
            return
        if not key_is_known(mandate.sent_wall_us, provider.capabilities, services.clock.wall_us()):
            ask_again(tx, mandate, now_us=now_us)
            tx.complete(item)
            return
    request = set_up_request(mandate, services.providers.token(method), services.public_url)
    answer = call_provider(lambda: provider.setup_mandate(request), is_repeat=True)
    with services.unit_of_work.begin() as tx:
        tx.complete(item)
        settle_set_up(tx, mandate, answer, now_us=now_us, wall_us=services.clock.wall_us())
