"""Rows beside the river: merchants, notices, messages, work, and who is signed in."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class MerchantAccount:
    """A shop the operator works with: an adapter's name and its settings (secrets sealed)."""

    id: str
    name: str
    adapter: str
    settings: dict[str, Any]
    secret_sealed: bytes
    currency: str
    lead_time_days: float


class NoticeState(StrEnum):
    """Raw first, worked on later. Set aside: it could not be read however often that was tried; a person looks."""

    RECEIVED = "received"
    DONE = "done"
    REFUSED = "refused"
    SET_ASIDE = "set_aside"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What a provider or merchant told us, kept as it came; `source` is payment or merchant, `name` whose.

    `received_wall_us` is real time, for the age of its signature, however much later it is worked on.
    """

    id: str
    household_id: str | None
    source: str
    name: str
    headers: dict[str, str]
    body: bytes
    sha256: str
    state: NoticeState
    reason: str
    received_us: int
    received_wall_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What we tell a person. `subject` is the page it leads to, such as carts/<id>."""

    id: str
    household_id: str
    kind: str
    text: str
    subject: str
    at_us: int
    read_us: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What a person did by hand to a household's money, orders or devices, and why; append-only.

    `by` is "operator" or a member's id, `verb` the act, `subject` what it was done to, such as operations/<id>.
    `evidence` is what the provider or shop said when it was asked just before.
    """

    id: str
    household_id: str
    by: str
    verb: str
    subject: str
    reason: str
    evidence: str
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """How many rows of a kind are no longer kept, the newest of them from `until_us`; no household: of nobody known."""

    id: str
    household_id: str | None
    kind: str
    count: int
    until_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkItem:
    """A claimed row of work: which step, on what, under which fence.

    Settling with an older fence fails (LeaseLost): a zombie whose lease ran out cannot write. Without a household it is
    the operator's own work.
    """

    id: str
    step: str
    household_id: str | None
    subject_id: str
    fence: int
    generation: int
    tries: int
    counterpart: str = ""
    """Whom it will call (gateway.steps.counterparts), empty for one that stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseholdItem(WorkItem):
    """Work for one household: a step that reads a household's rows takes only this."""

    household_id: str
