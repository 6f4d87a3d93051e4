"""A permission that ends while a request is on its way: what was sent is looked up, and never called declined."""

from collections.abc import Iterator

import httpx
import pytest

from payments.adapter import (
    Authorized,
    Captured,
    CaptureOutcome,
    Declined,
    DeclineKind,
    NotFound,
    OperationKind,
    Pending,
    RevokeMandate,
    Unknown,
    Void,
)
from payments.errors import NOTHING_HELD, InvalidRequest
from tests.integration.payments.pretend_stripe import IBAN, PretendStripe
from tests.integration.payments.stripe_customer import Customer, eur


@pytest.fixture
def stripe(localstripe_url: str) -> Iterator[PretendStripe]:
    pretend = PretendStripe(localstripe_url)
    yield pretend
    pretend.close()


@pytest.fixture
def line() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False) as client:
        yield client


def unlink(customer: Customer) -> None:
    customer.adapter.revoke_mandate(RevokeMandate("revoke", "revoke", customer.mandate.mandate_ref))


def is_taken(outcome: CaptureOutcome) -> bool:
    return isinstance(outcome, Captured | Pending)


def test_a_debit_that_was_not_heard_is_not_declined_when_the_permission_ended_since(
    stripe: PretendStripe, line: httpx.Client
) -> None:
    customer = Customer(stripe, line, sepa=True).link(IBAN)
    held = customer.hold()
    stripe.faults.append("drop_after")
    assert isinstance(customer.capture("debit", held), Unknown)
    unlink(customer)
    assert is_taken(customer.capture("debit", held))
    assert len(stripe.intents()) == 1


def test_a_debit_that_may_still_be_on_its_way_is_unknown_when_the_permission_ended_since(
    stripe: PretendStripe, line: httpx.Client
) -> None:
    customer = Customer(stripe, line, sepa=True).link(IBAN)
    held, other = customer.hold(), customer.hold()
    stripe.faults.append("drop_before")
    assert isinstance(customer.capture("debit", held), Unknown)
    unlink(customer)
    assert isinstance(customer.capture("debit", held), Unknown)
    assert customer.look("debit", OperationKind.CAPTURE) == NotFound()
    assert stripe.intents() == []
    declined = customer.capture("never-sent", other)
    assert isinstance(declined, Declined)
    assert declined.kind is DeclineKind.MANDATE


def test_a_hold_that_was_not_heard_is_not_declined_when_the_permission_ended_since(
    stripe: PretendStripe, line: httpx.Client
) -> None:
    customer = Customer(stripe, line).link()
    stripe.faults.append("drop_after")
    assert isinstance(customer.authorize("hold"), Unknown)
    unlink(customer)
    held = customer.authorize("hold")
    assert isinstance(held, Authorized)
    assert held.amount == eur(3_000)
    assert isinstance(customer.authorize("another"), Declined)
    assert len(stripe.intents()) == 1


def test_a_void_that_stripe_refused_while_it_holds_the_money_is_not_taken_for_nothing_held(
    stripe: PretendStripe, line: httpx.Client
) -> None:
    customer = Customer(stripe, line).link()
    used = customer.new()
    held = customer.authorize(used)
    assert isinstance(held, Authorized)
    with pytest.raises(InvalidRequest) as refused:
        customer.adapter.void(Void(used, "void", held.provider_ref))  # a key that was used for something else
    assert refused.value.code != NOTHING_HELD
    assert is_taken(customer.capture("capture", held))
