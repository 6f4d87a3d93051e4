"""What a member does with the household itself: members, freeze, policy; each in the caller's transaction."""

import unicodedata
from dataclasses import replace

from forecasting import amount
from gateway.domain.cart import Cart, CartState
from gateway.domain.errors import Conflict, Invalid
from gateway.domain.household import Household, Member, Role
from gateway.domain.payment import MethodState, PaymentMethod
from gateway.domain.replenishment import MAX_PACKS_PER_LINE, Plan, PlanState, Policy
from gateway.domain.stock import Device, DeviceState, PackOption, Slot, Supply
from gateway.steps.goods.plans import fill_subject, judge_now
from gateway.steps.messages import tell
from gateway.steps.ports import Transaction
from payments.errors import UnknownCurrency
from payments.money import exponent

MAX_NAME = 80
ZERO_WIDTH_JOINER = "\u200d"  # holds the parts of an emoji together
MAX_EMAIL = 254
MAX_MEMBERS = 50
MOST_QUANTITY = 1e9


def add_household(
    tx: Transaction, *, name: str, time_zone: str, currency: str, owner_name: str, owner_email: str, now_us: int
) -> tuple[Household, Member]:
    """Add a household and its first owner; raises Invalid."""
    household_id = tx.new_id()
    try:
        exponent(currency)
    except UnknownCurrency:
        why = f"{currency[:20]!r} is no currency; give one by its three capital letters, such as EUR"
        raise Invalid("currency", why) from None
    household = Household(
        id=household_id,
        household_id=household_id,
        name=named(name),
        time_zone=time_zone,
        currency=currency,
        frozen_since_us=None,
        created_us=now_us,
    )
    tx.add(household)
    return household, _member(tx, household_id, owner_name, owner_email, Role.OWNER, now_us)


def add_member(tx: Transaction, member: Member, *, name: str, email: str, role: Role, now_us: int) -> Member:
    """Add a person to the member's household; raises NotAllowed, Invalid, Conflict."""
    member.may_administer("add a member")
    if tx.find(Member, member.household_id, email=email.strip().lower()):
        raise Conflict("member", email, "already there", "add")
    if tx.count(Member, member.household_id) >= MAX_MEMBERS:
        raise Invalid("member", f"a household has at most {MAX_MEMBERS}")
    return _member(tx, member.household_id, name, email, role, now_us)


def change_role(tx: Transaction, member: Member, member_id: str, role: Role) -> Member:
    """Give a member another role; the last owner stays one."""
    member.may_administer("change a role")
    changed = replace(tx.get(Member, member.household_id, member_id), role=role)
    owners = [one for one in tx.find(Member, member.household_id, role=Role.OWNER) if one.id != member_id]
    if role is not Role.OWNER and not owners:
        raise Invalid("role", "a household needs an owner; make somebody else one first")
    tx.save(changed)
    return changed


def rename_household(tx: Transaction, member: Member, name: str) -> Household:
    """Give the household another name."""
    member.may_administer("rename the household")
    renamed = replace(tx.get(Household, member.household_id, member.household_id), name=named(name))
    tx.save(renamed)
    return renamed


def freeze_everything(tx: Transaction, member: Member, *, now_us: int) -> Household:
    """Stop planning, approving by mandate, sending and debiting at once, also what is already approved."""
    member.may_decide("freeze everything")
    household = tx.get(Household, member.household_id, member.household_id)
    frozen = replace(household, frozen_since_us=household.frozen_since_us or now_us)
    tx.save(frozen)
    tell(tx, household.id, "frozen", f"{member.name} froze everything. Nothing is bought or debited.", "money", now_us)
    return frozen


def unfreeze_everything(tx: Transaction, member: Member, *, now_us: int) -> Household:
    """Lift the freeze; what waited goes on."""
    member.may_administer("lift the freeze")
    lifted = replace(tx.get(Household, member.household_id, member.household_id), frozen_since_us=None)
    tx.save(lifted)
    for cart in tx.find(Cart, lifted.id, state=CartState.APPROVED):
        tx.enqueue("authorize", lifted.id, cart.id, due_us=now_us)
    for merchant_id in {plan.merchant_id for plan in tx.find(Plan, lifted.id, state=PlanState.OPEN)}:
        tx.enqueue("fill", lifted.id, fill_subject(lifted.id, merchant_id), due_us=now_us)
    for supply in tx.find(Supply, lifted.id):
        judge_now(tx, supply.household_id, supply.id, now_us=now_us)
    tell(tx, lifted.id, "unfrozen", f"{member.name} lifted the freeze.", "money", now_us)
    return lifted


def freeze_method(tx: Transaction, member: Member, method_id: str, *, frozen: bool) -> PaymentMethod:
    """Stop or allow debits of one linked account; to allow them lifts a suspension too."""
    member.may_administer("freeze an account")
    method = tx.get(PaymentMethod, member.household_id, method_id)
    may_change = {MethodState.ACTIVE, MethodState.FROZEN} | (set() if frozen else {MethodState.SUSPENDED})
    if method.state not in may_change:
        raise Conflict("account", method_id, method.state, "freeze" if frozen else "unfreeze")
    changed = replace(method, state=MethodState.FROZEN if frozen else MethodState.ACTIVE, note="")
    tx.save(changed)
    return changed


def freeze_device(tx: Transaction, member: Member, device_id: str, *, frozen: bool, now_us: int) -> Device:
    """Listen to a device without buying on its word, or trust it again."""
    member.may_administer("freeze a device")
    device = tx.get(Device, member.household_id, device_id)
    if device.state is DeviceState.REMOVED:
        raise Conflict("device", device_id, device.state, "freeze")
    changed = replace(device, state=DeviceState.FROZEN if frozen else DeviceState.ACTIVE)
    tx.save(changed)
    slots = tx.find(Slot, device.household_id, device_id=device.id)
    for supply_id in sorted({slot.supply_id for slot in slots if slot.supply_id is not None}):
        judge_now(tx, device.household_id, supply_id, now_us=now_us)
    return changed


def set_policy(tx: Transaction, member: Member, policy: Policy, *, now_us: int) -> Policy:
    """Change how a supply is kept; raises Invalid for a limit out of reason, NotFound for another's supply."""
    member.may_administer("change a rule")
    known = tx.get(Policy, member.household_id, policy.supply_id)
    bounds: tuple[tuple[str, float, float, float], ...] = (
        ("service_level", policy.service_level, 0.5, 0.999),
        ("target_days", policy.target_days, 1, 400),
        ("minimum_quantity", policy.minimum_quantity, 0, MOST_QUANTITY),
        ("lead_time_days", policy.lead_time_days, 0, 60),
        ("approval_days", policy.approval_days, 0, 30),
        ("decide_hours", policy.decide_hours, 1, 24 * 60),
        ("price_tolerance_percent", policy.price_tolerance_percent, 0, 1000),
    )
    for field, value, least, most in bounds:
        if not least <= value <= most:  # also refuses NaN
            raise Invalid(field, f"choose between {least:g} and {most:g}")
    supply = tx.get(Supply, member.household_id, policy.supply_id)
    most = most_kept(tx, supply)
    if policy.minimum_quantity > most:
        shown = amount(most, supply.unit)
        raise Invalid("minimum_quantity", f"choose at most {shown}: what the device holds and one order can bring")
    room = policy.maximum_quantity
    if room is not None and not policy.minimum_quantity < room <= MOST_QUANTITY:
        raise Invalid("maximum_quantity", "choose more than what is always to be there, or leave it empty")
    changed = replace(policy, id=known.id, household_id=known.household_id, supply_id=known.supply_id)
    tx.save(changed)
    tx.enqueue("forecast", known.household_id, known.supply_id, due_us=now_us)
    return changed


def most_kept(tx: Transaction, supply: Supply) -> float:
    """Return the most that can be asked to be kept of a supply, in its unit: its devices' room and one whole order."""
    slots = tx.find(Slot, supply.household_id, supply_id=supply.id)
    usual = tx.find(PackOption, supply.household_id, supply_id=supply.id, rank=0)
    capacity = sum(slot.capacity for slot in slots)
    pack_size = usual[0].pack_size if usual else capacity
    return capacity + MAX_PACKS_PER_LINE * pack_size or MOST_QUANTITY


def named(name: str) -> str:
    """Return a name as it is kept; raises Invalid when it is empty or too long."""
    kept = " ".join("".join(letter for letter in name if _shows_as_itself(letter)).split())
    if not 1 <= len(kept) <= MAX_NAME:
        raise Invalid("name", f"give a name of 1 to {MAX_NAME} characters")
    return kept


def _shows_as_itself(letter: str) -> bool:
    """Whether a letter changes nothing around it: a mark that turns the direction of writing would rewrite a page."""
    return letter == ZERO_WIDTH_JOINER or letter.isspace() or unicodedata.category(letter) not in {"Cc", "Cf"}


def _member(tx: Transaction, household_id: str, name: str, email: str, role: Role, now_us: int) -> Member:
    address = email.strip().lower()
    if not 3 <= len(address) <= MAX_EMAIL or "@" not in address[1:-1] or any(letter.isspace() for letter in address):
        raise Invalid("email", "give an e-mail address such as ana@example.org")
    member = Member(
        id=tx.new_id(),
        household_id=household_id,
        name=named(name),
        email=address,
        role=role,
        password_hash=None,
        created_us=now_us,
    )
    tx.add(member)
    return member
