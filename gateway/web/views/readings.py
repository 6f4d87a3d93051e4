"""What the devices said of one supply lately, and what was made of each reading."""

from dataclasses import dataclass

from gateway.domain.household import Household
from gateway.domain.stock import Reading, Slot, Verdict
from gateway.steps.ports import Transaction
from gateway.web.wording import Wording, amount

MAX_SHOWN = 12

VERDICT_WORDS = {
    Verdict.COUNTED: "Counted",
    Verdict.REFILL: "A refill",
    Verdict.PENDING: "Waits for the next one",
    Verdict.UNCHANGED: "Nothing new",
    Verdict.OUTLIER: "Set aside",
    Verdict.UNKNOWN: "It does not know",
    Verdict.LATE: "Came late, kept",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingRow:
    """One reading: when, what it said, what was decided about it and why, and whether it was signed."""

    id: str
    at_us: int
    when: str
    said: str
    verdict: str
    signed: bool


def reading_rows(
    tx: Transaction, household_id: str, supply_id: str, *, now_us: int, limit: int = MAX_SHOWN
) -> tuple[ReadingRow, ...]:
    """Return the newest readings of a supply's slots, newest first."""
    wording = Wording(tx.get(Household, household_id, household_id).time_zone)
    slots = frozenset(slot.id for slot in tx.find(Slot, household_id, supply_id=supply_id))
    readings = tx.find(Reading, household_id, newest=limit, slot_id=slots) if slots else []
    return tuple(
        ReadingRow(
            id=reading.id,
            at_us=reading.at_us,
            when=wording.when(reading.at_us, now_us),
            said=_said(reading),
            verdict=f"{VERDICT_WORDS[reading.verdict]}{f': {reading.reason}' if reading.reason else ''}",
            signed=reading.signed,
        )
        for reading in readings
    )


def _said(reading: Reading) -> str:
    if reading.quantity is not None:
        return amount(reading.quantity, reading.unit)
    return {"ok": "Fine", "low": "Low", "empty": "Empty"}.get(reading.state or "", "Not known")
