"""What an adapter may offer besides: a whole book, files, a customer who comes back, money kept by itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from payments.money import Money
from payments.outcomes import SetupMandateOutcome, TopUpOutcome
from payments.requests import TopUp
from payments.settlements import Movement


@runtime_checkable
class OpenBook(Protocol):
    """What an adapter whose provider shows its whole book can do besides, so that ours can be checked against it."""

    def movements(self, method_token: str) -> tuple[Movement, ...]:
        """Every open hold (authorize), capture not taken back, refund and top-up of one customer.

        May raise OutcomeUnknown.
        """
        ...


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What came of an exchange of files: `references` of ours that changed, and when to exchange again."""

    references: tuple[str, ...]
    again_us: int


@dataclass(frozen=True, slots=True)
class SetAside:
    """Something a provider sent that an operator must look at: its name, why, and when it came."""

    name: str
    reason: str
    at_us: int


@runtime_checkable
class FileExchange(Protocol):
    """What an adapter whose provider is reached by files can do besides."""

    def exchange(self, held_back: frozenset[str] = frozenset()) -> Exchanged:
        """Read what came, and hand over what is due; may die at any line and be called again.

        `held_back`: references of captures that are accepted and may not be handed over for now (a freeze): they wait.
        """
        ...

    def heard(self, references: tuple[str, ...]) -> None:
        """Be told that these were written down: `exchange` names them until then."""
        ...

    def set_aside(self) -> tuple[SetAside, ...]:
        """Return what could not be read or belongs to nothing of ours, newest first, at most 100."""
        ...


@runtime_checkable
class Returning(Protocol):
    """What an adapter can do besides whose provider sends the customer back with something that the adapter needs.

    Every customer comes back to the same address of the gateway, which hands on what stands behind the `?`.
    """

    def whose_return(self, query: Mapping[str, str]) -> str | None:
        """The reference of the set-up that this customer was sent away for; None where nobody was."""
        ...

    def customer_returned(self, reference: str, query: Mapping[str, str]) -> SetupMandateOutcome:
        """Take it, once: the same again is InvalidRequest. Nothing in `query` is proven, whoever brings it."""
        ...


@runtime_checkable
class StoredBalance(Protocol):
    """What an adapter that keeps the customers' money itself can do besides."""

    def top_up(self, request: TopUp) -> TopUpOutcome:
        """Add money that arrived."""
        ...

    def balance(self, method_token: str, currency: str) -> tuple[Money, Money]:
        """(available, held)."""
        ...
