"""After a soft decline: the same yes goes on to the household's next account, where it once consented to that.

Only a known decline leads here, and the declined try has ended by then: never two live tries. Each account is tried
once for one yes, each under its own mandate's limits.
"""

from dataclasses import replace

from gateway.domain.approval import Approval
from gateway.domain.cart import Cart, CartState, Line
from gateway.domain.payment import Attempt, Mandate, MandateState, MethodState, PaymentMethod
from gateway.domain.preference import Consent, ConsentKind
from gateway.steps.freeze import distrusted
from gateway.steps.goods.plans import drop_plans
from gateway.steps.messages import tell
from gateway.steps.money.mandates import as_request, as_rule, methods_in_order, named_for, reserved
from gateway.steps.ports import Transaction
from payments import mandate as rules
from payments.money import Money

MOST_TRIES = 4
"""Accounts tried for one yes, the first among them."""


def next_mandate(tx: Transaction, cart: Cart, approval: Approval, now_us: int) -> Mandate | None:
    """Return the mandate of the next account that may be asked for this yes, its row locked; None where none may."""
    tried = {one.payment_method_id for one in tx.find(Attempt, cart.household_id, approval_id=approval.id)}
    if len(tried) >= MOST_TRIES or (approval.by_mandate and distrusted(tx, cart)):
        return None
    if not tx.find(Consent, cart.household_id, kind=ConsentKind.NEXT_ACCOUNT, ended_us=None):
        return None
    lines = tx.find(Line, cart.household_id, cart_id=cart.id)
    request = as_request(tx, cart, lines, is_seen=not approval.by_mandate)
    for method in methods_in_order(tx, cart.household_id, named_for(tx, cart.household_id, request)):
        if method.id in tried or method.state is not MethodState.ACTIVE:
            continue
        mandates = tx.find(Mandate, cart.household_id, payment_method_id=method.id, state=MandateState.ACTIVE)
        for mandate in mandates:
            if approval.by_mandate and not mandate.standing:
                continue
            if rules.covers(as_rule(mandate), request, reserved(tx, mandate), now_us) == rules.Covered():
                return mandate
    return None


def nothing_bought(tx: Transaction, cart: Cart, message: str, now_us: int) -> None:
    """End a cart whose payment was declined; asked again the next day while it is needed."""
    tx.save(replace(cart, state=CartState.DECLINED, note=message))
    drop_plans(tx, cart, now_us=now_us, again_after_days=1)
    tell(tx, cart.household_id, "payment_declined", f"Nothing was bought: {message}", f"carts/{cart.id}", now_us)


def tell_which_account(tx: Transaction, held: Attempt, now_us: int) -> None:
    """Tell the household which account is debited when it is not the one that was asked first."""
    approval = tx.get(Approval, held.household_id, held.approval_id)
    if held.payment_method_id == approval.payment_method_id:
        return
    asked = tx.get(PaymentMethod, held.household_id, approval.payment_method_id)
    debited = tx.get(PaymentMethod, held.household_id, held.payment_method_id)
    amount = Money(held.amount_minor, held.currency)
    text = f"{asked.label} declined. As you allowed, {debited.label} is debited instead: {amount}."
    tell(tx, held.household_id, "next_account", text, f"payments/{held.id}", now_us)
