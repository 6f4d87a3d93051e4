"""How the cost of claiming work grows with the rows that wait."""

from time import perf_counter
from typing import Any

from sqlalchemy import insert

from gateway.assembly import Gateway, new_id
from gateway.bench.ground import START_US, Figures, Ground, fsyncs_per_second, median_ms
from gateway.store.tables import WorkRow
from gateway.worker import BATCH, SHARE_PER_HOUSEHOLD

WAITING = (100, 10_000, 100_000)
HOUSEHOLDS = 100
CLAIMS = 15
FSYNC_S = 0.5
ROWS_AT_ONCE = 5_000

_work: Any = WorkRow.__table__  # type: ignore[attr-defined]  # SQLModel makes it


def measure_claim(ground: Ground) -> Figures:
    """Claim a batch and give it back, among ever more rows that are due, of many households, on the main database."""
    figures: Figures = {
        "what": f"One claim leases up to {BATCH} of the rows that are due, at most {SHARE_PER_HOUSEHOLD} of each of "
        f"{HOUSEHOLDS} households, and commits. The median of {CLAIMS} claims, beside the disk's own fsync."
    }
    gateway = ground.install()
    try:
        present = 0
        for number in WAITING:
            _fill(gateway, present, number)
            present = number
            figures[f"ms_a_claim_{number}_due"] = _claim_ms(gateway)
    finally:
        gateway.close()
    fsync_ms = 1000 / fsyncs_per_second(ground.directory, FSYNC_S)
    figures["ms_an_fsync"] = fsync_ms
    for number in WAITING:
        figures[f"fsyncs_a_claim_{number}_due"] = float(figures[f"ms_a_claim_{number}_due"]) / fsync_ms
    return figures


def _fill(gateway: Gateway, present: int, wanted: int) -> None:
    rows = [
        {
            "id": new_id(),
            "step": "forecast",
            "household_id": f"household-{number % HOUSEHOLDS}",
            "subject_id": f"supply-{number}",
            "due_us": START_US - number,
            "not_before_wall_us": 0,
            "lease_until_wall_us": 0,
            "lease_holder": "",
            "fence": 0,
            "generation": 0,
            "tries": 0,
            "last_error": "",
        }
        for number in range(present, wanted)
    ]
    with gateway.engine.begin() as connection:
        for start in range(0, len(rows), ROWS_AT_ONCE):
            connection.execute(insert(_work), rows[start : start + ROWS_AT_ONCE])


def _claim_ms(gateway: Gateway) -> float:
    took: list[float] = []
    for _ in range(CLAIMS):
        start = perf_counter()
        claimed = gateway.queue.claim(START_US, limit=BATCH, per_household=SHARE_PER_HOUSEHOLD)
        took.append(perf_counter() - start)
        with gateway.unit_of_work.begin() as tx:
            for item in claimed:
                tx.complete(item)
                tx.enqueue(item.step, item.household_id, item.subject_id, due_us=START_US)
    return median_ms(took)
