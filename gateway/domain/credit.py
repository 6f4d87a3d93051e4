"""Money that comes into a household's stored balance: where it came from, and whether its keeper has it by now."""

from dataclasses import dataclass
from enum import StrEnum


class CreditOrigin(StrEnum):
    """Why a balance grows."""

    GIFT = "gift"  # the operator gives it; `source_id` is the act
    REFUND = "refund"  # given back here instead of where it was debited; `source_id` is the refund


class CreditState(StrEnum):
    """Owed is committed before the balance is asked to grow; credited once it has."""

    OWED = "owed"
    CREDITED = "credited"
    CALLED_OFF = "called_off"  # what it stood for came to nothing
    MANUAL_REVIEW = "manual_review"  # its keeper never said, or refused: the operator looks


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """One growth of one stored balance; its id is the key and the reference under which its keeper is asked.

    One for each (origin, `source_id`), so that nothing is credited twice. `note` says in words why it is given, or what
    went wrong; `credited_us` is when the balance had it.
    """

    id: str
    household_id: str
    payment_method_id: str
    origin: CreditOrigin
    source_id: str
    amount_minor: int
    currency: str
    state: CreditState
    note: str
    created_us: int
    credited_us: int | None = None


MOST_GIFT_MINOR = 1_000_000
"""What one gift may be at most, in minor units: whoever wants to give more says so more than once."""
