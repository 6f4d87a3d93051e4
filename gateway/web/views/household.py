"""The household's name plate: who looks, how many people and devices, what waits, whether all is frozen."""

from dataclasses import dataclass

from gateway.domain.cart import Cart, CartState
from gateway.domain.household import Household, Member, Role
from gateway.domain.records import Message
from gateway.domain.stock import Device, DeviceState
from gateway.steps.ports import Transaction
from gateway.web.wording import Wording

MAX_MESSAGES = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseholdHeader:
    """What stands on every page."""

    id: str
    name: str
    detail: str
    time_zone: str
    currency: str
    members: int
    devices: int
    waiting: int
    unread: int
    frozen_since_us: int | None
    frozen: str
    member_id: str
    member_name: str
    member_initials: str
    member_role: str
    may_decide: bool
    may_administer: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRow:
    """One person of the household."""

    id: str
    name: str
    email: str
    role: Role
    role_words: str
    has_password: bool
    is_me: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRow:
    """What we told the household; `subject` is the page it leads to."""

    id: str
    kind: str
    text: str
    subject: str
    when: str
    at_us: int
    unread: bool


ROLE_WORDS = {
    Role.OWNER: "Household owner",
    Role.APPROVER: "May approve orders",
    Role.VIEWER: "May look",
}


def household_header(tx: Transaction, household_id: str, member: Member, *, now_us: int) -> HouseholdHeader:
    """Build the name plate for one member."""
    household = tx.get(Household, household_id, household_id)
    members = len(tx.find(Member, household_id))
    devices = sum(device.state is not DeviceState.REMOVED for device in tx.find(Device, household_id))
    frozen_us = household.frozen_since_us
    return HouseholdHeader(
        id=household.id,
        name=household.name,
        detail=f"{_many(members, 'person', 'people')}, {_many(devices, 'device', 'devices')}",
        time_zone=household.time_zone,
        currency=household.currency,
        members=members,
        devices=devices,
        waiting=len(tx.find(Cart, household_id, state=CartState.AWAITING_APPROVAL)),
        unread=len(tx.find(Message, household_id, newest=MAX_MESSAGES, read_us=None)),
        frozen_since_us=frozen_us,
        frozen="" if frozen_us is None else f"Frozen since {Wording(household.time_zone).when(frozen_us, now_us)}",
        member_id=member.id,
        member_name=member.name,
        member_initials="".join(part[0] for part in member.name.split()[:2]).upper(),
        member_role=ROLE_WORDS[member.role],
        may_decide=member.role is not Role.VIEWER,
        may_administer=member.role is Role.OWNER,
    )


def member_rows(tx: Transaction, household_id: str, me: Member) -> tuple[MemberRow, ...]:
    """Return the people of the household."""
    return tuple(
        MemberRow(
            id=member.id,
            name=member.name,
            email=member.email,
            role=member.role,
            role_words=ROLE_WORDS[member.role],
            has_password=member.password_hash is not None,
            is_me=member.id == me.id,
        )
        for member in tx.find(Member, household_id)
    )


def message_rows(tx: Transaction, household_id: str, *, now_us: int) -> tuple[MessageRow, ...]:
    """Return what we told the household lately, newest first."""
    wording = Wording(tx.get(Household, household_id, household_id).time_zone)
    return tuple(
        MessageRow(
            id=message.id,
            kind=message.kind,
            text=message.text,
            subject=message.subject,
            when=wording.when(message.at_us, now_us),
            at_us=message.at_us,
            unread=message.read_us is None,
        )
        for message in tx.find(Message, household_id, newest=MAX_MESSAGES)
    )


def _many(how_many: int, one: str, many: str) -> str:
    return f"{how_many} {one if how_many == 1 else many}"
