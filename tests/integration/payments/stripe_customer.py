"""A customer at the pretend Stripe, and the adapter that debits them, as the tests of the adapter need both."""

from dataclasses import dataclass, field
from itertools import count

import httpx

from payments.adapter import (
    Authorize,
    Authorized,
    AuthorizeOutcome,
    Capture,
    CaptureOutcome,
    MandateActive,
    OperationKind,
    RequiresAction,
    SetupMandate,
    Sync,
    SyncOutcome,
)
from payments.adapters.stripe import StripeCards
from payments.adapters.stripe_sepa import StripeSepaDebit
from payments.memory import MemoryContext
from payments.money import Money
from payments.transport import HttpxClient
from tests.integration.payments.pretend_stripe import CARD, PretendStripe

NOTICE_SECRETS = "whsec_new, whsec_old"


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


@dataclass
class Customer:
    """One linked account; what is asked of it has references 1, 2, 3 …, and keys of the same name."""

    stripe: PretendStripe
    http: httpx.Client
    sepa: bool = False
    timeout_s: float = 10.0
    mandate: MandateActive = field(init=False)
    numbers: "count[int]" = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        settings = {"url": self.stripe.url, "timeout_s": str(self.timeout_s)}
        secrets = {"api_key": "sk_test_12345", "notice_secret": NOTICE_SECRETS}
        self.context = MemoryContext(settings, secrets, HttpxClient(self.http))
        self.adapter = StripeSepaDebit(self.context) if self.sepa else StripeCards(self.context)

    def new(self) -> str:
        return f"operation-{next(self.numbers)}"

    def link(self, number: str = CARD, *, funds: int | None = None) -> "Customer":
        """Link the account by Stripe's page."""
        key = f"set-up-{self.adapter.capabilities.title}"
        setup = SetupMandate(key, key, "method", eur(50_000), return_url="https://home.example/back")
        asked = self.adapter.setup_mandate(setup)
        assert isinstance(asked, RequiresAction)
        self.stripe.choose(asked.url, number, funds=funds)
        active = self.adapter.setup_mandate(setup)
        assert isinstance(active, MandateActive)
        self.mandate = active
        return self

    def authorize(self, reference: str, minor: int = 3_000, *, back: str | None = None) -> AuthorizeOutcome:
        mandate = self.mandate.mandate_ref
        return self.adapter.authorize(Authorize(reference, reference, eur(minor), "method", mandate, back))

    def hold(self, minor: int = 3_000) -> Authorized:
        held = self.authorize(self.new(), minor)
        assert isinstance(held, Authorized)
        return held

    def capture(self, reference: str, held: Authorized, minor: int = 3_000) -> CaptureOutcome:
        return self.adapter.capture(Capture(reference, reference, eur(minor), held.provider_ref))

    def look(self, reference: str, kind: OperationKind) -> SyncOutcome:
        return self.adapter.sync(Sync(reference, kind))
