"""Who the gateway works for: households, their members and what each may do."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.errors import NotAllowed


class Role(StrEnum):
    """A viewer looks, an approver decides on carts, an owner changes everything."""

    OWNER = "owner"
    APPROVER = "approver"
    VIEWER = "viewer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Household:
    """The account. While `frozen_since_us` is set nothing is planned, approved by mandate, sent or debited."""

    id: str
    household_id: str
    name: str
    time_zone: str
    currency: str
    frozen_since_us: int | None
    created_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A person of a household. `password_hash` is argon2 or None where only sign-in links are used."""

    id: str
    household_id: str
    name: str
    email: str
    role: Role
    password_hash: str | None
    created_us: int

    def may_decide(self, act: str) -> None:
        """Raise NotAllowed unless this member may approve, edit, snooze or skip carts."""
        if self.role is Role.VIEWER:
            raise NotAllowed(act, "an owner or an approver")

    def may_administer(self, act: str) -> None:
        """Raise NotAllowed unless this member may change accounts, limits, devices and policy."""
        if self.role is not Role.OWNER:
            raise NotAllowed(act, "an owner")
