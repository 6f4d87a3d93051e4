"""Approve by mandate: whether a standing mandate says yes to a cart, the payments room's rule over these rows."""

from dataclasses import replace

from gateway.domain.cart import Cart, CartState, Line
from gateway.domain.payment import Mandate, MandateState, MethodState, PaymentMethod
from gateway.domain.records import HouseholdItem
from gateway.steps.approve import ApproveByMandate, approve
from gateway.steps.freeze import distrusted, is_frozen
from gateway.steps.messages import tell
from gateway.steps.money.mandates import as_request, as_rule, methods_in_order, named_for, reserved
from gateway.steps.ports import Services, Transaction
from payments import mandate as rules
from payments.money import Money


def approve_by_mandate(item: HouseholdItem, services: Services) -> None:
    """Approve a waiting cart if a standing mandate covers it; else say why a person must decide (cart id)."""
    now_us, wall_us = services.clock.now_us(), services.clock.wall_us()
    with services.unit_of_work.begin() as tx:
        household_id = item.household_id
        cart = tx.get(Cart, household_id, item.subject_id)
        tx.complete(item)
        if cart.state is not CartState.AWAITING_APPROVAL:
            return
        lines = tx.find(Line, household_id, cart_id=cart.id)
        match standing_mandate(tx, cart, lines, now_us):
            case Mandate(id=mandate_id):
                decision = ApproveByMandate(mandate_id)
                undo_us = services.undo_us
                approve(
                    tx, household_id, cart.id, decision, member=None, now_us=now_us, wall_us=wall_us, undo_us=undo_us
                )
            case reasons:
                tx.save(replace(cart, needs_person=reasons))
                text = f"An order of {Money(cart.total_minor, cart.currency)} waits for your OK."
                tell(tx, household_id, "cart_waiting", text, f"carts/{cart.id}", now_us)


def standing_mandate(tx: Transaction, cart: Cart, lines: list[Line], now_us: int) -> Mandate | tuple[str, ...]:
    """Return the first standing mandate that covers the cart, or every reason why a person must decide."""
    if withheld := _withheld(tx, cart):
        return withheld
    request = as_request(tx, cart, lines)
    named = named_for(tx, cart.household_id, request)
    if len(named) > 1:
        return ("different accounts are named for what it holds",)
    reasons: list[str] = []
    for method in methods_in_order(tx, cart.household_id, named):
        if named and method.id not in named:
            break  # another account than the one named is for a person to choose
        match _standing_of(tx, method, request, now_us, is_named=bool(named)):
            case Mandate() as mandate:
                return mandate
            case why:
                reasons.extend(why)
    return tuple(dict.fromkeys(reasons)) or ("no standing permission to debit covers it",)


def _withheld(tx: Transaction, cart: Cart) -> tuple[str, ...]:
    """Return why no mandate may decide on this cart, whatever it allows; nothing when one may."""
    if is_frozen(tx, cart.household_id):
        return ("everything is frozen",)
    unsigned = () if cart.signed else ("a reading behind it was unsigned or is too old",)
    return distrusted(tx, cart) or cart.needs_person or unsigned


def _standing_of(
    tx: Transaction, method: PaymentMethod, request: rules.DebitRequest, now_us: int, *, is_named: bool
) -> Mandate | list[str]:
    """Return the account's standing mandate that covers the debit, or why there is none."""
    mandates = tx.find(
        Mandate, method.household_id, payment_method_id=method.id, state=MandateState.ACTIVE, standing=True
    )
    if not mandates:
        return [f"{method.label} is named for it and debits nothing by itself"] if is_named else []
    if method.state is not MethodState.ACTIVE:
        return [f"{method.label} is {method.state}"]
    reasons: list[str] = []
    for mandate in mandates:
        match rules.covers(as_rule(mandate), request, reserved(tx, mandate), now_us):
            case rules.Covered():
                return mandate
            case rules.NotCovered(reasons=why):
                reasons.extend(why)
    return reasons
