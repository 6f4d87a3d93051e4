"""A bank in memory beside the real stored balance, as a gateway has several adapters; and a home with both linked."""

from dataclasses import dataclass, field

from gateway.domain.payment import Funding, Mandate, PaymentMethod
from gateway.steps.ports import Services
from payments.adapter import OperationKind, TopUp, TopUpOutcome, Unknown
from payments.adapters.balance import BalanceAdapter
from payments.context import AdapterContext
from payments.memory import MemoryContext
from payments.money import Money
from tests.builders import HOME, build
from tests.fake_bank import FakeBank, FakeProviders
from tests.rig import Rig

BALANCE_LIMIT = Money(100_000, "EUR")


class ForgetfulBalance(BalanceAdapter):
    """A stored balance whose next answers are lost, before or after they took effect; `asked` are its top-ups."""

    def __init__(self, context: AdapterContext) -> None:
        super().__init__(context)
        self.lost_before = 0
        self.lost_after = 0
        self.asked: list[str] = []

    def top_up(self, request: TopUp) -> TopUpOutcome:
        self.asked.append(request.reference)
        if self.lost_before:
            self.lost_before -= 1
            return Unknown("the answer was lost")
        outcome = super().top_up(request)
        if self.lost_after:
            self.lost_after -= 1
            return Unknown("the answer was lost")
        return outcome


@dataclass
class BankAndBalance(FakeProviders):
    """The fake bank, and the stored balance under its own name."""

    balance: ForgetfulBalance = field(default_factory=lambda: ForgetfulBalance(MemoryContext()))

    @property
    def names(self) -> tuple[str, ...]:
        return ("sandbox", "balance")

    def open(self, name: str) -> FakeBank:
        return self.balance if name == "balance" else self.bank  # type: ignore[return-value]  # both are adapters


def with_balance(rig: Rig) -> BankAndBalance:
    """Let a gateway keep its household's balance, linked as "balance"; returns what answers for it."""
    providers = BankAndBalance(rig.bank)
    rig.providers = providers
    own = {name: getattr(rig.services, name) for name in Services.__slots__}
    rig.services = Services(**own | {"providers": providers})
    rig.restart()
    token = f"sealed:{HOME}".encode()
    rig.add(
        build(PaymentMethod, id="balance", adapter="balance", token_sealed=token, funding=Funding.BALANCE, rank=1),
        build(Mandate, id="from-balance", payment_method_id="balance", provider_ref="from-balance"),
    )
    return providers


def balance_of(providers: BankAndBalance) -> int:
    """Return what the keeper says is in Ana's balance, held or not, in minor units."""
    available, held = providers.balance.balance(HOME, "EUR")
    return available.amount_minor + held.amount_minor


def credited(providers: BankAndBalance) -> list[int]:
    """Return what the keeper's own book says came in, in minor units."""
    return [one.amount.amount_minor for one in providers.balance.movements(HOME) if one.kind is OperationKind.TOP_UP]
