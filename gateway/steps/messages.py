"""What we tell a person: a row now; channels beyond the app read the same rows."""

from gateway.domain.records import Message
from gateway.steps.ports import Transaction


def tell(tx: Transaction, household_id: str, kind: str, text: str, subject: str, now_us: int) -> None:
    """Leave a message for the household; `subject` is the page it leads to."""
    tx.add(
        Message(
            id=tx.new_id(),
            household_id=household_id,
            kind=kind,
            text=text,
            subject=subject,
            at_us=now_us,
            read_us=None,
        )
    )
