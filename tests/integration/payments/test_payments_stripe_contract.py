"""The adapters for Stripe keep the contract, through a line that can break, against localstripe."""

from collections.abc import Iterator

import httpx
import pytest

from payments.adapter import PaymentAdapter, RequiresAction, SetupMandate, SetupMandateOutcome
from payments.adapters.stripe import StripeCards
from payments.adapters.stripe_sepa import StripeSepaDebit
from payments.context import AdapterContext
from payments.contract import AdapterContract
from payments.memory import MemoryContext
from payments.money import Money
from payments.transport import HttpxClient
from tests.integration.payments.pretend_stripe import IBAN, PretendStripe


@pytest.fixture(scope="class", autouse=True)
def stripe(request: pytest.FixtureRequest, localstripe_url: str) -> Iterator[None]:
    """Give each suite a Stripe of its own."""
    pretend = PretendStripe(localstripe_url)
    with httpx.Client(trust_env=False) as http:
        request.cls.stripe, request.cls.http = pretend, http
        yield
    pretend.close()


class StripeContract(AdapterContract):
    """What both have in common: the page on which the customer agrees, and an answer that is lost."""

    stripe: PretendStripe
    http: httpx.Client

    def context(self) -> AdapterContext:
        settings = {"url": self.stripe.url, "timeout_s": "10"}
        self.funds: dict[str, Money] = {}
        return MemoryContext(settings, {"api_key": "sk_test_12345", "notice_secret": "whsec_1"}, HttpxClient(self.http))

    def open_method(self, funds: Money) -> str:
        token = self._new("method")
        self.funds[token] = funds
        return token

    def lose_next_answer(self, method_token: str) -> bool:
        assert method_token
        self.stripe.faults.append("drop_after")
        return True


class TestCardsKeepTheContract(StripeContract):
    def make_adapter(self) -> PaymentAdapter:
        return StripeCards(self.context())

    def agree(self, request: SetupMandate, asked: RequiresAction) -> SetupMandateOutcome:
        self.stripe.choose(asked.url, funds=self.funds[request.method_token].amount_minor)
        return self.adapter.setup_mandate(request)


class TestDirectDebitsKeepTheContract(StripeContract):
    def make_adapter(self) -> PaymentAdapter:
        return StripeSepaDebit(self.context())

    def agree(self, request: SetupMandate, asked: RequiresAction) -> SetupMandateOutcome:
        self.stripe.choose(asked.url, IBAN)
        return self.adapter.setup_mandate(request)

    def decide(self) -> None:
        self.stripe.decide()
