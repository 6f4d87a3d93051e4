"""Why the books may differ: a closed list, each cause with words for a person and what is to be done."""

from dataclasses import dataclass
from enum import StrEnum


class Cause(StrEnum):
    """One kind of difference between the ledger, the operations and a provider's own book."""

    # the ledger in itself
    JOURNAL_UNBALANCED = "journal_unbalanced"
    CURRENCY_DIFFERS = "currency_differs"
    # the ledger and the operations
    JOURNAL_MISSING = "journal_missing"
    JOURNAL_WITHOUT_OPERATION = "journal_without_operation"
    AMOUNT_DIFFERS = "amount_differs"
    ACCOUNT_DIFFERS = "account_differs"
    HOLD_BOOKED_OTHERWISE = "hold_booked_otherwise"
    # the operations in themselves
    CAPTURE_ABOVE_APPROVAL = "capture_above_approval"
    REFUND_ABOVE_CAPTURE = "refund_above_capture"
    RESERVATION_NOT_FREED = "reservation_not_freed"
    RESERVATION_MISSING = "reservation_missing"
    OPERATION_NOT_FOLLOWED = "operation_not_followed"
    # the provider's pay-outs
    UNKNOWN_REFERENCE = "unknown_reference"
    SETTLED_WHILE_OPEN = "settled_while_open"
    SETTLED_BUT_REFUSED = "settled_but_refused"
    SETTLED_OTHER_AMOUNT = "settled_other_amount"
    SETTLED_TWICE = "settled_twice"
    TAKEN_BACK_THERE = "taken_back_there"
    SETTLEMENT_NOT_BOOKED = "settlement_not_booked"
    SETTLEMENT_BOOKED_OTHERWISE = "settlement_booked_otherwise"
    SETTLEMENT_HERE_ONLY = "settlement_here_only"
    SETTLEMENT_DOES_NOT_ADD_UP = "settlement_does_not_add_up"
    FEE_NOT_BOOKED = "fee_not_booked"
    PAYOUT_NOT_ARRIVED = "payout_not_arrived"
    # the provider's open book
    MOVED_THERE_ONLY = "moved_there_only"
    MOVED_HERE_ONLY = "moved_here_only"
    MOVED_OTHER_AMOUNT = "moved_other_amount"
    MOVED_TWICE = "moved_twice"
    HOLD_LEFT_THERE = "hold_left_there"
    HOLD_MISSING_THERE = "hold_missing_there"

    @property
    def words(self) -> str:
        """What it is, for a person."""
        return EXPLAINED[self][0]

    @property
    def remedy(self) -> str:
        """What is to be done."""
        return EXPLAINED[self][1]


BY_HAND = "Find out how it came to be in the ledger: nothing here writes it. It is never changed, only reversed."
ASK_PROVIDER = "Ask the provider what it is for; nothing is booked for it until that is known."

EXPLAINED: dict[Cause, tuple[str, str]] = {
    Cause.JOURNAL_UNBALANCED: ("A journal does not sum to zero.", BY_HAND),
    Cause.CURRENCY_DIFFERS: ("A journal is in another currency than its account or its operation.", BY_HAND),
    Cause.JOURNAL_MISSING: ("An operation took effect and has no journal.", "--mend writes it."),
    Cause.JOURNAL_WITHOUT_OPERATION: ("A journal stands for nothing that took effect.", BY_HAND),
    Cause.AMOUNT_DIFFERS: ("A journal has another amount than its operation.", BY_HAND),
    Cause.ACCOUNT_DIFFERS: ("A journal stands on other accounts than its operation moved between.", BY_HAND),
    Cause.HOLD_BOOKED_OTHERWISE: (
        "What the ledger has as held is not what the payment holds.",
        "--mend takes back what an ended payment left, and writes a hold that is missing; else look at its journals.",
    ),
    Cause.CAPTURE_ABOVE_APPROVAL: ("More was debited than was approved.", "Refund what is too much, and find out why."),
    Cause.REFUND_ABOVE_CAPTURE: ("More was given back than was debited.", "Find out why; the money has left."),
    Cause.RESERVATION_NOT_FREED: ("A payment that ended still takes of its mandate's limit.", "--mend frees it."),
    Cause.RESERVATION_MISSING: ("A payment under way takes nothing of its mandate's limit.", "--mend reserves it."),
    Cause.OPERATION_NOT_FOLLOWED: ("Nobody looks what became of an operation.", "--mend looks it up."),
    Cause.UNKNOWN_REFERENCE: ("The provider moved money under a reference that is none of ours.", ASK_PROVIDER),
    Cause.SETTLED_WHILE_OPEN: ("The provider paid out what is not decided here.", "--mend looks it up."),
    Cause.SETTLED_BUT_REFUSED: ("The provider paid out what had no effect here.", ASK_PROVIDER),
    Cause.SETTLED_OTHER_AMOUNT: ("The provider paid out another amount than was moved.", ASK_PROVIDER),
    Cause.SETTLED_TWICE: ("The provider paid one operation out twice.", ASK_PROVIDER),
    Cause.TAKEN_BACK_THERE: ("A pay-out takes back a debit that stands here.", "--mend looks it up."),
    Cause.SETTLEMENT_NOT_BOOKED: ("A pay-out is not in the ledger.", "--mend books it."),
    Cause.SETTLEMENT_BOOKED_OTHERWISE: ("A pay-out is in the ledger with another amount.", BY_HAND),
    Cause.SETTLEMENT_HERE_ONLY: ("The ledger has a pay-out that the provider does not list.", ASK_PROVIDER),
    Cause.SETTLEMENT_DOES_NOT_ADD_UP: ("A pay-out does not add up.", "Ask the provider for one that does."),
    Cause.FEE_NOT_BOOKED: ("The fee of a pay-out is in the ledger with another amount, or not at all.", BY_HAND),
    Cause.PAYOUT_NOT_ARRIVED: ("What was debited long ago was never paid out.", "Ask the provider where it stays."),
    Cause.MOVED_THERE_ONLY: ("The provider moved money that did not move here.", ASK_PROVIDER),
    Cause.MOVED_HERE_ONLY: ("Money moved here that the provider does not have.", "Ask the provider; it may be lost."),
    Cause.MOVED_OTHER_AMOUNT: ("The provider has another amount.", ASK_PROVIDER),
    Cause.MOVED_TWICE: ("The provider has one operation twice.", "Have it give one back, and find out why."),
    Cause.HOLD_LEFT_THERE: (
        "The provider holds what is not needed here.",
        "It ends by itself; have it released at the provider if that takes long.",
    ),
    Cause.HOLD_MISSING_THERE: (
        "The provider does not hold what is held here.",
        "A capture will show it; the order may become payment due.",
    ),
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing on which the books differ. `subject_id`: the operation, attempt, approval, journal or pay-out.

    `household_id` is empty where it belongs to nobody; `adapter` names the provider where one is concerned, `at_us` the
    instant of its pay-out.
    """

    cause: Cause
    subject_id: str
    detail: str
    household_id: str = ""
    adapter: str = ""
    at_us: int = 0

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.cause}: {self.subject_id}: {self.detail}"
