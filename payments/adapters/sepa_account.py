"""A bank account as its holder types it: the IBAN, then the name. Checked, and shown to nobody whole."""

import re
from dataclasses import dataclass

from schwifty import IBAN
from schwifty.exceptions import SchwiftyException

from payments.errors import InvalidRequest

SHORTEST, LONGEST = 15, 34
MAX_NAME = 70


@dataclass(frozen=True, slots=True)
class BankAccount:
    """An account that can be debited; `bic` is empty where none can be derived, which SEPA allows."""

    iban: str
    bic: str
    name: str

    def __repr__(self) -> str:
        """Show no whole number, whoever prints it."""
        return f"BankAccount({masked(self.iban)})"


def read_account(typed: str) -> BankAccount:
    """Read "DE89 3704 0044 0532 0130 00, Ana Pérez".

    Raises:
        InvalidRequest: no valid IBAN, or no name; the message repeats nothing of what was typed.
    """
    for at, _ in list(_breaks(typed)):
        compact = re.sub(r"\s", "", typed[:at])
        try:
            iban = IBAN(compact)
        except (SchwiftyException, ValueError):
            continue
        name = " ".join(typed[at:].strip(" ,;\n\t").split())[:MAX_NAME]
        if not name:
            raise InvalidRequest("no_account_holder", "write the account holder's name after the IBAN")
        return BankAccount(iban.compact, str(iban.bic) if iban.bic else "", name)
    raise InvalidRequest(
        "invalid_iban", "this is not a valid IBAN; write it as on your bank card, then the account holder's name"
    )


def masked(iban: str) -> str:
    """Return what may be shown of an IBAN: country and last four digits.

    >>> masked("DE89370400440532013000")
    'DE•• •••• 3000'
    """
    return f"{iban[:2]}•• •••• {iban[-4:]}"


def is_iban(text: str) -> bool:
    """Say whether a text is an IBAN with a right check number."""
    try:
        IBAN(text)
    except (SchwiftyException, ValueError):
        return False
    return True


def _breaks(typed: str) -> list[tuple[int, int]]:
    """Return the places where an IBAN may end: after 15 to 34 letters and digits, spaces left out."""
    found, count = [], 0
    for at, character in enumerate(typed, start=1):
        if character.isspace():
            continue
        if not character.isascii() or not character.isalnum():
            break
        count += 1
        if SHORTEST <= count <= LONGEST:
            found.append((at, count))
    return found
