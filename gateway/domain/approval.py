"""A yes: by a person, or by a standing mandate within its limits."""

from dataclasses import dataclass
from enum import StrEnum


class ApprovalState(StrEnum):
    """An approval stands until it is undone; undo wins only before the order is sent."""

    STANDING = "standing"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Who said yes to how much. `send_not_before_wall_us` is real time: until then it can be undone."""

    id: str
    household_id: str
    cart_id: str
    cart_version: int
    member_id: str | None
    mandate_id: str
    payment_method_id: str
    by_mandate: bool
    amount_minor: int
    currency: str
    state: ApprovalState
    at_us: int
    send_not_before_wall_us: int
