"""Which account a household wishes to be debited for what, and what it has consented to."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class ChoiceKind(StrEnum):
    """What an account can be named for; the more special goes before the more general."""

    SUPPLY = "supply"
    DEVICE = "device"
    MERCHANT = "merchant"


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodChoice:
    """The account named for one merchant, device or supply; at most one for each."""

    id: str
    household_id: str
    kind: ChoiceKind
    subject_id: str
    payment_method_id: str


def named_methods(
    choices: Iterable[MethodChoice], *, merchant_id: str, devices: frozenset[str], supplies: frozenset[str]
) -> frozenset[str]:
    """Return the accounts named for a cart: for its supplies if any is, else for its devices, else for its merchant.

    Empty where none is named; more than one where its lines name different accounts.
    """
    known = tuple(choices)
    asked = {
        ChoiceKind.SUPPLY: supplies,
        ChoiceKind.DEVICE: devices,
        ChoiceKind.MERCHANT: frozenset({merchant_id}),
    }
    for kind in ChoiceKind:
        named = frozenset(one.payment_method_id for one in known if one.kind is kind and one.subject_id in asked[kind])
        if named:
            return named
    return frozenset()


class ConsentKind(StrEnum):
    """What a household can consent to once and for all."""

    NEXT_ACCOUNT = "next_account"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A standing consent: its very words, who gave it and when, until when it stood. A row is never used again."""

    id: str
    household_id: str
    kind: ConsentKind
    words: str
    member_id: str
    given_us: int
    ended_us: int | None = None
    ended_by: str = ""
