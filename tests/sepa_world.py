"""A creditor, its bank of files and the calendar between them, in folders of a test's own."""

from datetime import date, datetime, time
from pathlib import Path

from payments.adapters.sepa import SepaAdapter
from payments.adapters.sepa_calendar import BERLIN, SECOND_US, local
from payments.memory import MemoryContext, MemoryState
from simulators.sepa_bank import SepaBank
from simulators.sepa_bank_files import is_valid_iban

CREDITOR_IBAN = "DE89370400440532013000"


def iban(number: int) -> str:
    """Return a valid German IBAN for a made-up account number."""
    account = f"37040044{number:010d}"
    return next(f"DE{check:02d}{account}" for check in range(2, 99) if is_valid_iban(f"DE{check:02d}{account}"))


def settings_of(folder: Path, **more: str) -> dict[str, str]:
    """Return the settings of a creditor whose folders are made."""
    for name in ("out", "in"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    named = {"creditor_name": "Elm Street Shop", "creditor_id": "DE98ZZZ09999999999", "creditor_iban": CREDITOR_IBAN}
    return named | {"outbox_dir": str(folder / "out"), "inbox_dir": str(folder / "in")} | more


def at(day: date, clock: str = "10:30") -> int:
    """Return an instant of a day in Berlin, UTC microseconds."""
    return round(datetime.combine(day, time.fromisoformat(clock), BERLIN).timestamp() * SECOND_US)


class SepaWorld:
    """One adapter and its bank; `live` lets days pass for both, `exchange` at half past ten on each."""

    def __init__(self, folder: Path, day: date = date(2026, 11, 23), **more: str) -> None:
        self.context = MemoryContext(settings_of(folder, **more), now=at(day))
        self.adapter = SepaAdapter(self.context)
        self.bank = SepaBank(folder / "out", folder / "in", day)
        self.inbox = folder / "in"
        self.outbox = folder / "out"

    @property
    def state(self) -> MemoryState:
        """What the adapter remembers."""
        assert isinstance(self.context.state, MemoryState)
        return self.context.state

    @property
    def today(self) -> date:
        """The day it is for both."""
        return local(self.context.now).date()

    def live(self, days: int) -> tuple[str, ...]:
        """Let days pass; return what changed."""
        changed: list[str] = []
        for _ in range(days):
            changed += self._exchange()
            self.bank.live(self.today)
            self.context.now = at(date.fromordinal(self.today.toordinal() + 1))
            self.bank.live(self.today)
            changed += self._exchange()
        return tuple(changed)

    def _exchange(self) -> tuple[str, ...]:
        changed = self.adapter.exchange().references
        self.adapter.heard(changed)
        return changed
