"""What is asked of the store when the books are compared: whole tables at once, answered with what differs alone."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from gateway.domain.payment import AttemptState, Funding, OperationKind, OperationState
from gateway.domain.reconciliation import Cause


@dataclass(frozen=True, slots=True)
class Finding:
    """One row that is not as it should be: what was wanted and found in minor units, and what it is about."""

    household_id: str
    subject_id: str
    wanted_minor: int
    found_minor: int
    currency: str
    about: str


@dataclass(frozen=True, slots=True)
class Moved:
    """One operation as a provider's book is compared with it."""

    id: str
    household_id: str
    kind: OperationKind
    state: OperationState
    amount_minor: int
    currency: str
    settled_ref: str
    reversed_ref: str
    attempt_id: str
    attempt_state: AttemptState
    adapter: str
    funding: Funding


@dataclass(frozen=True, slots=True)
class BookedSettlement:
    """One pay-out as all households' journals together have it; `source_id` is adapter/reference.

    The currency is empty where no leg was written, since the pay-out takes back as much as it brings.
    """

    source_id: str
    currency: str
    bank_minor: int
    fees_minor: int


class Examination(Protocol):
    """Questions over all rows, or one household's; answers come one by one, whatever their number."""

    def findings(self, cause: Cause, household_id: str | None) -> Iterator[Finding]:
        """Yield what differs for a cause that the store can judge alone (see EXAMINED)."""
        ...

    def moved(self, references: Iterable[str]) -> dict[str, Moved]:
        """Return the operations of these ids, those that there are."""
        ...

    def moved_by(self, household_id: str, method_ids: frozenset[str]) -> Iterator[Moved]:
        """Yield all operations of these linked accounts."""
        ...

    def top_ups(self, household_id: str) -> Iterator[Finding]:
        """Yield what a household's stored balance was topped up by: the top-up's reference and the amount found."""
        ...

    def booked_settlements(self, adapter: str, since_us: int) -> Iterator[BookedSettlement]:
        """Yield an adapter's pay-outs as they were booked, of that instant and later."""
        ...

    def not_paid_out(self, adapter: str, closed_before_us: int) -> Iterator[Finding]:
        """Yield what an adapter took before an instant and that no pay-out brought."""
        ...
