"""What a step that calls out is handed: time, transactions, the inbox, the shops and the payment adapters."""

from dataclasses import dataclass
from typing import Protocol

from gateway.domain.payment import PaymentMethod
from gateway.steps.ports.inbox import Inbox
from gateway.steps.ports.merchant import Merchants
from gateway.steps.ports.transaction import UnitOfWork
from payments.adapter import PaymentAdapter


class Clock(Protocol):
    """Two times: policy, deliveries, mandates and consumption use `now_us`; leases, undo and sessions use `wall_us`."""

    def now_us(self) -> int:
        """Policy time, UTC microseconds; simulated in a demonstration."""
        ...

    def wall_us(self) -> int:
        """Real time, UTC microseconds."""
        ...


class PaymentProviders(Protocol):
    """The payment adapters this gateway works with, reached by name."""

    @property
    def names(self) -> tuple[str, ...]:
        """The adapters that are installed."""
        ...

    def open(self, name: str) -> PaymentAdapter:
        """Return the adapter; raises payments' ConfigError for an unknown name."""
        ...

    def seal(self, token: str, *, household_id: str, method_id: str) -> bytes:
        """Return the sealed form in which a linked account's token is kept."""
        ...

    def token(self, method: PaymentMethod) -> str:
        """Return the provider's token of a linked account, unsealed."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """What a step that calls out is handed."""

    unit_of_work: UnitOfWork
    clock: Clock
    inbox: Inbox
    merchants: Merchants
    providers: PaymentProviders
    public_url: str
    """How people reach the gateway ("https://home.example"): where a provider's page leads them back to."""
    undo_us: int
    keep_inbox_us: int
    """How long a recorded message is kept as it came."""
