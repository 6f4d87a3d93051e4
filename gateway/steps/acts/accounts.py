"""What a member wishes of the linked accounts: their order, which one is named for what, and going on to the next."""

from dataclasses import replace

from gateway.domain.errors import Conflict, Invalid, NotFound
from gateway.domain.household import Member
from gateway.domain.payment import MethodState, PaymentMethod
from gateway.domain.preference import ChoiceKind, Consent, ConsentKind, MethodChoice
from gateway.domain.records import MerchantAccount
from gateway.domain.stock import Device, Supply
from gateway.steps.messages import tell
from gateway.steps.ports import Transaction

MOST_CHOICES = 200
NEXT_ACCOUNT_WORDS = (
    "When an account declines for the moment, such as for lack of money, the next account in order may be debited for"
    " the same order instead, within that account's own limits. We tell you which account was debited."
)
SUBJECTS: dict[ChoiceKind, type[Supply | Device | MerchantAccount]] = {
    ChoiceKind.SUPPLY: Supply,
    ChoiceKind.DEVICE: Device,
    ChoiceKind.MERCHANT: MerchantAccount,
}


def linked(tx: Transaction, household_id: str) -> list[PaymentMethod]:
    """Return the accounts that are linked, in the order in which they are asked."""
    methods = [one for one in tx.find(PaymentMethod, household_id) if one.state is not MethodState.REVOKED]
    return sorted(methods, key=lambda method: (method.rank, method.id))


def move_method(tx: Transaction, member: Member, method_id: str, *, up: bool) -> list[PaymentMethod]:
    """Ask an account one place sooner or later; at either end nothing changes. Returns them in their new order."""
    member.may_administer("order the accounts")
    methods = linked(tx, member.household_id)
    place = _place_of(methods, method_id)
    other = place - 1 if up else place + 1
    if 0 <= other < len(methods):
        methods[place], methods[other] = methods[other], methods[place]
    return _ranked(tx, methods)


def order_methods(tx: Transaction, member: Member, method_ids: tuple[str, ...]) -> list[PaymentMethod]:
    """Ask the accounts in this order, which names each linked one once."""
    member.may_administer("order the accounts")
    methods = {one.id: one for one in linked(tx, member.household_id)}
    if sorted(method_ids) != sorted(methods):
        raise Invalid("order", "name every linked account once")
    return _ranked(tx, [methods[one] for one in method_ids])


def choose_method(tx: Transaction, member: Member, kind: ChoiceKind, subject_id: str, method_id: str) -> MethodChoice:
    """Name the account for one merchant, device or supply. Raises NotFound, NotAllowed, Invalid.

    A named account alone is debited by itself for it; a person may still choose another for one cart.
    """
    member.may_administer("name an account")
    tx.get(SUBJECTS[kind], member.household_id, subject_id)
    _place_of(linked(tx, member.household_id), method_id)
    known = tx.find(MethodChoice, member.household_id, kind=kind, subject_id=subject_id)
    if known:
        chosen = replace(known[0], payment_method_id=method_id)
        tx.save(chosen)
        return chosen
    if tx.count(MethodChoice, member.household_id) >= MOST_CHOICES:
        raise Invalid("subject", f"at most {MOST_CHOICES} can be named; take one away first")
    chosen = MethodChoice(
        id=tx.new_id(),
        household_id=member.household_id,
        kind=kind,
        subject_id=subject_id,
        payment_method_id=method_id,
    )
    tx.add(chosen)
    return chosen


def forget_choice(tx: Transaction, member: Member, kind: ChoiceKind, subject_id: str) -> MethodChoice:
    """Take away and return what was named for one merchant, device or supply; raises NotFound when nothing was."""
    member.may_administer("name an account")
    known = tx.find(MethodChoice, member.household_id, kind=kind, subject_id=subject_id)
    if not known:
        raise NotFound("named account", subject_id)
    tx.remove(known[0])
    return known[0]


def standing_consent(tx: Transaction, household_id: str) -> Consent | None:
    """Return the household's consent to go on to the next account, while it stands."""
    given = tx.find(Consent, household_id, kind=ConsentKind.NEXT_ACCOUNT, ended_us=None)
    return given[-1] if given else None


def consent_to_next_account(tx: Transaction, member: Member, *, now_us: int) -> Consent:
    """Keep the words, the person and the time of the consent; given already, it stays as it is."""
    member.may_administer("consent for the household")
    standing = standing_consent(tx, member.household_id)
    if standing is not None:
        return standing
    consent = Consent(
        id=tx.new_id(),
        household_id=member.household_id,
        kind=ConsentKind.NEXT_ACCOUNT,
        words=NEXT_ACCOUNT_WORDS,
        member_id=member.id,
        given_us=now_us,
    )
    tx.add(consent)
    text = f"{member.name} allowed that the next account is debited when one declines for the moment."
    tell(tx, member.household_id, "consent_given", text, "money", now_us)
    return consent


def end_consent(tx: Transaction, member: Member, *, now_us: int) -> Consent:
    """Take the consent back, from the next decline on; raises Conflict when none stands."""
    member.may_administer("take a consent back")
    standing = standing_consent(tx, member.household_id)
    if standing is None:
        raise Conflict("consent", ConsentKind.NEXT_ACCOUNT, "not given", "take back")
    ended = replace(standing, ended_us=now_us, ended_by=member.id)
    tx.save(ended)
    text = f"{member.name} took back that the next account is debited when one declines."
    tell(tx, member.household_id, "consent_ended", text, "money", now_us)
    return ended


def _ranked(tx: Transaction, methods: list[PaymentMethod]) -> list[PaymentMethod]:
    ranked = [replace(method, rank=rank) for rank, method in enumerate(methods)]
    for method in ranked:
        tx.save(method)
    return ranked


def _place_of(methods: list[PaymentMethod], method_id: str) -> int:
    for place, method in enumerate(methods):
        if method.id == method_id:
            return place
    raise Invalid("account", "it is not linked; choose one that is")
