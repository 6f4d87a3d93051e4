"""Approve by mandate: whether a standing mandate says yes to a cart, the payments room's rule over these rows."""

from dataclasses import replace

from gateway.domain.cart import Cart, CartState, Line
from gateway.domain.payment import Mandate, MandateState, MethodState, PaymentMethod
from gateway.domain.records import HouseholdItem
from gateway.steps.approve import ApproveByMandate, approve
from gateway.steps.freeze import distrusted, is_frozen
from gateway.steps.messages import tell
from gateway.steps.money.mandates import as_request, as_rule, reserved
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
    if is_frozen(tx, cart.household_id):
        return ("everything is frozen",)
    if reasons_of_freeze := distrusted(tx, cart):
        return reasons_of_freeze
    if cart.needs_person:
        return cart.needs_person
    if not cart.signed:
        return ("a reading behind it was unsigned or is too old",)
    reasons: list[str] = []
    mandates = tx.find(Mandate, cart.household_id, state=MandateState.ACTIVE, standing=True)
    for mandate in mandates:
        method = tx.get(PaymentMethod, cart.household_id, mandate.payment_method_id)
        if method.state is not MethodState.ACTIVE:
            reasons.append(f"{method.label} is {method.state}")
            continue
        match rules.covers(as_rule(mandate), as_request(cart, lines), reserved(tx, mandate), now_us):
            case rules.Covered():
                return mandate
            case rules.NotCovered(reasons=why):
                reasons.extend(why)
    return tuple(dict.fromkeys(reasons)) or ("no standing mandate covers it",)
