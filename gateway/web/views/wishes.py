"""What the household wishes of its accounts: which one for what, what a mandate is for, and the next one's turn."""

from dataclasses import dataclass

from gateway.domain.household import Household, Member
from gateway.domain.payment import Mandate, PaymentMethod
from gateway.domain.preference import ChoiceKind, Consent, ConsentKind, MethodChoice
from gateway.domain.records import MerchantAccount
from gateway.domain.stock import Device, DeviceState, PackOption, Supply
from gateway.steps.acts.accounts import NEXT_ACCOUNT_WORDS, linked, standing_consent
from gateway.steps.ports import Transaction
from gateway.web.wording import Wording, listed

MOST_NAMED = 3
KIND_WORDS = {ChoiceKind.SUPPLY: "Supply", ChoiceKind.DEVICE: "Device", ChoiceKind.MERCHANT: "Shop"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """Something an account or a mandate can be named for."""

    kind: ChoiceKind
    id: str
    name: str

    @property
    def key(self) -> str:
        """Return kind and id as a form sends them."""
        return f"{self.kind}/{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedRow:
    """One thing and the account that is named for it."""

    thing: Thing
    kind_words: str
    method_id: str
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRow:
    """The consent that stands, or the last that stood."""

    words: str
    stands: bool
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """All of it; `things` is what there is to choose from, by kind."""

    supplies: tuple[Thing, ...]
    devices: tuple[Thing, ...]
    merchants: tuple[Thing, ...]
    named: tuple[NamedRow, ...]
    accounts: tuple[PaymentMethod, ...]
    consent_words: str
    consent: ConsentRow | None


def wishes(tx: Transaction, household_id: str, *, now_us: int) -> Wishes:
    """Read what the household wishes of its accounts."""
    things = _things(tx, household_id)
    accounts = linked(tx, household_id)
    labels = {one.id: one.label for one in accounts}
    known = {(one.kind, one.id): one for one in things}
    choices = tx.find(MethodChoice, household_id)
    named = [
        NamedRow(
            thing=known.get((one.kind, one.subject_id), Thing(kind=one.kind, id=one.subject_id, name="Removed")),
            kind_words=KIND_WORDS[one.kind],
            method_id=one.payment_method_id,
            method=labels.get(one.payment_method_id, ""),
        )
        for one in choices
    ]
    order = list(ChoiceKind)
    named.sort(key=lambda row: (order.index(row.thing.kind), row.thing.name))
    return Wishes(
        supplies=tuple(one for one in things if one.kind is ChoiceKind.SUPPLY),
        devices=tuple(one for one in things if one.kind is ChoiceKind.DEVICE),
        merchants=tuple(one for one in things if one.kind is ChoiceKind.MERCHANT),
        named=tuple(named),
        accounts=tuple(accounts),
        consent_words=NEXT_ACCOUNT_WORDS,
        consent=_consent(tx, household_id, now_us),
    )


def scope_words(tx: Transaction, mandate: Mandate) -> str:
    """Return what a mandate is for, in words; empty where it is for anything."""
    named: dict[ChoiceKind, dict[str, str]] = {}
    for one in _things(tx, mandate.household_id):
        named.setdefault(one.kind, {})[one.id] = one.name
    scopes = (
        (ChoiceKind.MERCHANT, mandate.merchant_ids),
        (ChoiceKind.DEVICE, mandate.device_ids),
        (ChoiceKind.SUPPLY, mandate.supply_ids),
    )
    parts = []
    for kind, ids in scopes:
        if ids is not None:
            names = [named.get(kind, {}).get(one, "something removed") for one in ids]
            more = len(names) - MOST_NAMED
            parts.append(listed([*names[:MOST_NAMED], f"{more} more"] if more > 0 else names))
    return "; ".join(parts)


def _things(tx: Transaction, household_id: str) -> list[Thing]:
    """Return the household's supplies and devices, and the shops that sell what it uses."""
    shops = {one.merchant_id for one in tx.find(PackOption, household_id)}
    things = [Thing(kind=ChoiceKind.SUPPLY, id=one.id, name=one.name) for one in tx.find(Supply, household_id)]
    things += [
        Thing(kind=ChoiceKind.DEVICE, id=one.id, name=one.name)
        for one in tx.find(Device, household_id)
        if one.state is not DeviceState.REMOVED
    ]
    things += [
        Thing(kind=ChoiceKind.MERCHANT, id=one.id, name=one.name)
        for one in tx.find(MerchantAccount, None)
        if one.id in shops
    ]
    return sorted(things, key=lambda thing: thing.name.lower())


def _consent(tx: Transaction, household_id: str, now_us: int) -> ConsentRow | None:
    given = tx.find(Consent, household_id, kind=ConsentKind.NEXT_ACCOUNT, newest=1)
    consent = standing_consent(tx, household_id) or (given[0] if given else None)
    if consent is None:
        return None
    wording = Wording(tx.get(Household, household_id, household_id).time_zone)
    said = f"Allowed by {_name(tx, household_id, consent.member_id)}, {wording.when(consent.given_us, now_us)}"
    if consent.ended_us is not None:
        said = f"Taken back by {_name(tx, household_id, consent.ended_by)}, {wording.when(consent.ended_us, now_us)}"
    return ConsentRow(words=consent.words, stands=consent.ended_us is None, said=said)


def _name(tx: Transaction, household_id: str, member_id: str) -> str:
    member = tx.seek(Member, household_id, member_id)
    return "a former member" if member is None else member.name
