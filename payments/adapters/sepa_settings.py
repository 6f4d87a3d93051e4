"""What an operator says of the creditor and its bank."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time

from payments.adapters.sepa_account import is_iban, read_account
from payments.adapters.sepa_files import Creditor
from payments.errors import ConfigError

MAX_PREFIX = 20


@dataclass(frozen=True, slots=True)
class SepaSettings:
    """The settings, read. `opens`: from when on, in the banks' local time, the day's file is handed over."""

    creditor: Creditor
    outbox_dir: str
    inbox_dir: str
    prenotify_days: int
    cut_off: time
    opens: time
    message_prefix: str
    place: str


def read_settings(settings: Mapping[str, str]) -> SepaSettings:
    """Read them; raises ConfigError naming what is missing or wrong."""
    cut_off = _clock(settings.get("cut_off", "11:00"))
    prefix = settings.get("message_prefix", "RPL")
    if not (prefix.isascii() and prefix.isalnum() and len(prefix) <= MAX_PREFIX):
        raise ConfigError(f"the setting message_prefix of sepa is up to {MAX_PREFIX} letters and digits")
    return SepaSettings(
        creditor=_creditor(settings),
        outbox_dir=settings.get("outbox_dir", ""),
        inbox_dir=settings.get("inbox_dir", ""),
        prenotify_days=_days(settings.get("prenotify_days", "14")),
        cut_off=cut_off,
        opens=time(cut_off.hour - 1, cut_off.minute) if cut_off.hour else time(0),
        message_prefix=prefix,
        place=settings.get("place", ""),
    )


def _creditor(settings: Mapping[str, str]) -> Creditor:
    missing = [name for name in ("creditor_name", "creditor_id", "creditor_iban") if not settings.get(name)]
    if missing:
        raise ConfigError(f"sepa needs the settings {', '.join(missing)}; see payments/README.md")
    if not is_iban(settings["creditor_iban"]):
        raise ConfigError("the setting creditor_iban of sepa is not a valid IBAN")
    account = read_account(f"{settings['creditor_iban']} {settings['creditor_name']}")
    return Creditor(account.name, account.iban, account.bic, settings["creditor_id"])


def _clock(text: str) -> time:
    try:
        return time.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"the setting cut_off of sepa is a time such as 11:00, not {text!r}") from None


def _days(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 60):
        raise ConfigError(f"the setting prenotify_days of sepa is between 1 and 60, not {text!r}")
    return int(text)
