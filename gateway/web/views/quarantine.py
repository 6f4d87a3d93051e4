"""What could not be counted, told once for each device and reason however often it came."""

from dataclasses import dataclass

from gateway.domain.household import Household
from gateway.domain.stock import Device, Quarantined
from gateway.steps.ports import Transaction
from gateway.web.views.activity import preview
from gateway.web.wording import Wording

MAX_READ = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineRow:
    """Messages of one sender that could not be counted for one reason; `payload` is a preview of the newest."""

    device_id: str | None
    device: str
    sender: str
    topic: str
    reason: str
    detail: str
    payload: str
    size: int
    times: int
    times_words: str
    last_us: int
    when: str


def quarantine_rows(
    tx: Transaction, household_id: str, *, now_us: int, device_id: str | None = None
) -> tuple[QuarantineRow, ...]:
    """Return what a household's things sent that could not be counted, the newest first."""
    wording = Wording(tx.get(Household, household_id, household_id).time_zone)
    names = {device.id: device.name for device in tx.find(Device, household_id)}
    if device_id is None:
        rows = tx.find(Quarantined, household_id, newest=MAX_READ)
    else:
        rows = tx.find(Quarantined, household_id, newest=MAX_READ, device_id=device_id)
    alike: dict[tuple[str, str], list[Quarantined]] = {}
    for row in rows:
        alike.setdefault((row.device_id or row.sender, row.reason), []).append(row)
    return tuple(_row(same, names, wording, now_us, is_all=len(rows) < MAX_READ) for same in alike.values())


def _row(
    same: list[Quarantined], names: dict[str, str], wording: Wording, now_us: int, *, is_all: bool
) -> QuarantineRow:
    newest, oldest = same[0], same[-1]
    times = len(same)
    counted = f"{times} times" if is_all else f"{times} times or more"
    return QuarantineRow(
        device_id=newest.device_id,
        device=names.get(newest.device_id or "", newest.sender),
        sender=newest.sender,
        topic=newest.topic,
        reason=newest.reason.replace("-", " ").replace("_", " ").capitalize(),
        detail=newest.detail,
        payload=preview(newest.payload),
        size=len(newest.payload),
        times=times,
        times_words="" if times == 1 else f"{counted} since {wording.when(oldest.received_us, now_us)}",
        last_us=newest.received_us,
        when=wording.when(newest.received_us, now_us),
    )
