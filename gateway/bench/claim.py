"""How the cost of claiming work grows with the rows that wait."""

from time import perf_counter

from gateway.assembly import Gateway, new_id
from gateway.bench.ground import START_US, Figures, Ground, fsyncs_per_second, median_ms
from gateway.domain.replenishment import DAY_US
from gateway.worker import BATCH, SHARE_PER_HOUSEHOLD

WAITING = (100, 10_000, 100_000)
DUE = 100
HOUSEHOLDS = 100
CLAIMS = 15
FSYNC_S = 0.5


def measure_claim(ground: Ground) -> Figures:
    """Claim a batch and put it back: among ever more rows that wait for later, then with all of them due at once."""
    figures: Figures = {
        "what": f"One claim leases up to {BATCH} of the rows that are due, at most {SHARE_PER_HOUSEHOLD} of each of "
        f"{HOUSEHOLDS} households, and commits. {DUE} rows are due while the others wait for later; then all are due "
        f"at once. The median of {CLAIMS} claims, beside the disk's own fsync."
    }
    gateway = ground.install()
    try:
        present = 0
        for number in WAITING:
            _fill(gateway, present, number)
            present = number
            figures[f"ms_a_claim_among_{number}"] = _claim_ms(gateway)
        with gateway.unit_of_work.begin() as tx:
            tx.connection.exec_driver_sql("UPDATE work SET due_us = ?", (START_US,))
        figures[f"ms_a_claim_when_{present}_are_due"] = _claim_ms(gateway)
    finally:
        gateway.close()
    figures["ms_an_fsync"] = 1000 / fsyncs_per_second(ground.directory, FSYNC_S)
    for name in [name for name in figures if name.startswith("ms_a_claim")]:
        figures[name.replace("ms_a_claim", "fsyncs_in_the_time_of_a_claim")] = float(figures[name]) / float(
            figures["ms_an_fsync"]
        )
    first, last = (float(figures[f"ms_a_claim_among_{number}"]) for number in (WAITING[0], WAITING[-1]))
    figures["times_dearer_among_a_thousand_times_as_many"] = last / first
    return figures


def _fill(gateway: Gateway, present: int, wanted: int) -> None:
    """Leave rows of work, the first of them due; by one plain statement, since this is not measured."""
    rows = [
        (
            new_id(),
            f"household-{number % HOUSEHOLDS}",
            f"supply-{number}",
            START_US - number if number < DUE else START_US + DAY_US + number,
        )
        for number in range(present, wanted)
    ]
    with gateway.unit_of_work.begin() as tx:
        tx.connection.exec_driver_sql(
            "INSERT INTO work (id, step, household_id, subject_id, due_us, not_before_wall_us, lease_until_wall_us,"
            " lease_holder, fence, generation, tries, last_error)"
            " VALUES (?, 'forecast', ?, ?, ?, 0, 0, '', 0, 0, 0, '')",
            rows,
        )


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
