"""What `replenish doctor` finds: one thing looked at, how much it matters, and what to do."""

from dataclasses import dataclass
from enum import StrEnum


class Weight(StrEnum):
    """How much a finding matters: only a problem makes `replenish doctor` fail."""

    OK = "ok"
    TO_DO = "to do"
    PROBLEM = "PROBLEM"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; `remedy` says what to do when it is not as it should be."""

    weight: Weight
    text: str
    remedy: str = ""


def present(count: int, what: str, remedy: str) -> Finding:
    """Return that there are so many, or that the first is still to be added."""
    if count:
        return Finding(Weight.OK, f"{count} {what}{'' if count == 1 else 's'}")
    return Finding(Weight.TO_DO, f"no {what} yet", remedy)


def judge(good: bool, text: str, remedy: str) -> Finding:
    """Return a problem with its remedy unless it is good."""
    return Finding(Weight.OK, text) if good else Finding(Weight.PROBLEM, text, remedy)
