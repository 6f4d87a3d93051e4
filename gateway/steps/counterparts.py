"""Whom a row of work will call, so that one who hangs holds up nobody who calls another.

It decides nothing but when a row may run: at worst too many of one kind run at once.
"""

from typing import TypeAlias

from gateway.domain.approval import Approval, ApprovalState
from gateway.domain.cart import Cart
from gateway.domain.credit import Credit
from gateway.domain.order import ORDER_PREFIX, Order, Shipment
from gateway.domain.payment import Attempt, Mandate, Operation, PaymentMethod
from gateway.steps.money.setting_up import MANDATE_PREFIX
from gateway.steps.ports import Transaction

CALLING = frozenset(
    {
        "fill",
        "authorize",
        "place",
        "capture",
        "observe",
        "release",
        "cancel",
        "sync",
        "refund",
        "set_up",
        "revoke",
        "credit",
        "exchange",
        "settle",
        "challenge",
    }
)
"""The steps that call a shop or a provider, or reckon so long (challenge) that the others must not wait for them."""

Found: TypeAlias = Approval | Attempt | Credit | Mandate | Operation | None


BEHIND: dict[str, type[Attempt | Credit | Mandate]] = {
    "release": Attempt,
    "credit": Credit,
    "set_up": Mandate,
    "revoke": Mandate,
}
"""What the subject of these steps is the id of."""


def counterpart_of(tx: Transaction, step: str, household_id: str | None, subject_id: str) -> str:
    """Return merchant/<id>, payment/<adapter>, the step's own name where nobody is known, or "" for one that stays.

    The names are those under which notices come.
    """
    if step not in CALLING:
        return ""
    if step in {"settle", "exchange"}:
        return f"payment/{subject_id}"
    if step == "fill":
        return f"merchant/{subject_id.partition('/')[2]}"
    return step if household_id is None else _called(tx, step, household_id, subject_id) or step


def _called(tx: Transaction, step: str, household: str, subject_id: str) -> str:
    if merchant_id := _merchant(tx, step, household, subject_id):
        return f"merchant/{merchant_id}"
    adapter = _adapter(tx, step, household, subject_id)
    return f"payment/{adapter}" if adapter else ""


def _merchant(tx: Transaction, step: str, household: str, subject_id: str) -> str:
    found: Cart | Order | None = None
    match step:
        case "place":
            found = tx.seek(Cart, household, subject_id)
        case "observe" | "cancel":
            found = tx.seek(Order, household, subject_id)
        case "sync" if subject_id.startswith(ORDER_PREFIX):
            found = tx.seek(Order, household, subject_id.removeprefix(ORDER_PREFIX))
    return found.merchant_id if found is not None else ""


def _adapter(tx: Transaction, step: str, household: str, subject_id: str) -> str:
    method_id = _method_id(tx, household, _behind(tx, step, household, subject_id))
    method = tx.seek(PaymentMethod, household, method_id) if method_id is not None else None
    return method.adapter if method is not None else ""


def _behind(tx: Transaction, step: str, household: str, subject_id: str) -> Found:
    match step:
        case "authorize":
            standing = tx.find(Approval, household, cart_id=subject_id, state=ApprovalState.STANDING)
            return standing[0] if standing else None
        case "capture":
            shipment = tx.seek(Shipment, household, subject_id)
            order = None if shipment is None else tx.seek(Order, household, shipment.order_id)
            return None if order is None else tx.seek(Attempt, household, order.attempt_id)
        case "release" | "credit" | "set_up" | "revoke":
            return tx.seek(BEHIND[step], household, subject_id)
        case "sync" if subject_id.startswith(MANDATE_PREFIX):
            return tx.seek(Mandate, household, subject_id.removeprefix(MANDATE_PREFIX))
        case _:
            return tx.seek(Operation, household, subject_id)


def _method_id(tx: Transaction, household: str, found: Found) -> str | None:
    if isinstance(found, Operation):
        found = tx.seek(Attempt, household, found.attempt_id)
    return None if found is None else found.payment_method_id
