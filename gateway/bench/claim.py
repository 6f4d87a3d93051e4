"""How the cost of claiming work grows with the rows that wait."""

from time import perf_counter

from sqlalchemy import insert, update

from gateway.assembly import Gateway, new_id
from gateway.bench.ground import START_US, Figures, Ground, median_ms
from gateway.domain.replenishment import DAY_US
from gateway.store import statements
from gateway.worker import BATCH, SHARE_PER_HOUSEHOLD

WAITING = (100, 10_000, 100_000)
DUE = 100
HOUSEHOLDS = 100
CLAIMS = 15


def claim_ms(ground: Ground) -> Figures:
    """Claim a batch and put it back: among ever more rows that wait for later, then with all of them due at once.

    One claim leases up to 64 of the rows that are due, at most 16 of each of 100 households, and commits. 100 rows are
    due while the others wait for later. Milliseconds by the number of rows; the median.
    """
    figures: Figures = {}
    gateway = ground.install()
    try:
        present = 0
        for number in WAITING:
            _fill(gateway, present, number)
            present = number
            figures[str(number)] = _claim_ms(gateway)
        with gateway.engine.begin() as connection:
            connection.execute(update(statements.work).values(due_us=START_US))
        figures[f"{present}_due"] = _claim_ms(gateway)
    finally:
        gateway.close()
    return figures


def _fill(gateway: Gateway, present: int, wanted: int) -> None:
    """Leave rows of work, the first of them due; by one plain statement, since this is not measured."""
    rows = [
        {
            "id": new_id(),
            "step": "forecast",
            "household_id": f"household-{number % HOUSEHOLDS}",
            "subject_id": f"supply-{number}",
            "due_us": START_US - number if number < DUE else START_US + DAY_US + number,
            "not_before_wall_us": 0,
            "lease_until_wall_us": 0,
            "lease_holder": "",
            "fence": 0,
            "generation": 0,
            "tries": 0,
            "last_error": "",
            "counterpart": "",
        }
        for number in range(present, wanted)
    ]
    with gateway.engine.begin() as connection:
        connection.execute(insert(statements.work), rows)


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
