"""Households that pay: each an owner with an account at the sandbox bank, a mandate, and carts it has just approved."""

from dataclasses import dataclass

import httpx

from gateway.assembly import Gateway
from gateway.bench.ground import START_US
from gateway.domain.approval import Approval, ApprovalState
from gateway.domain.cart import Cart, CartState
from gateway.domain.household import Member
from gateway.domain.order import Order, OrderState, Shipment, ShipmentState
from gateway.domain.payment import Attempt, AttemptState, Mandate
from gateway.domain.records import MerchantAccount
from gateway.domain.replenishment import DAY_US
from gateway.steps.acts.household import add_household
from gateway.steps.acts.limits import Limits
from gateway.steps.acts.wallet import link_account
from gateway.steps.ports import Transaction
from gateway.store.merchant_secrets import seal_merchant

PRICE_MINOR = 1_299
SHOP_ID = "bench-shop"
ACCOUNT = "account-{}"
LIMITS = Limits(standing=False, per_order_minor=100_000, per_period_minor=100_000_000, period_days=30)


@dataclass(frozen=True, slots=True)
class Customer:
    """Who pays, by which account at the bank and under which mandate."""

    owner: Member
    account: str
    mandate: Mandate


def open_accounts(gateway: Gateway, url: str, token: str, count: int) -> list[Customer]:
    """Let so many households open an account at the bank and link it."""
    with gateway.unit_of_work.begin() as tx:
        tx.add(
            MerchantAccount(
                id=SHOP_ID,
                name="Bench shop",
                adapter="http_shop",
                settings={},
                secret_sealed=seal_merchant(gateway.vault, SHOP_ID, "unused"),
                currency="EUR",
                lead_time_days=2,
            )
        )
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=10) as bank:
        return [_open_account(gateway, bank, number) for number in range(count)]


def _open_account(gateway: Gateway, bank: httpx.Client, number: int) -> Customer:
    account = ACCOUNT.format(number)
    bank.post("/accounts", json={"token": account, "currency": "EUR", "balance_minor": 10**9}).raise_for_status()
    with gateway.unit_of_work.begin() as tx:
        _, owner = add_household(
            tx,
            name=f"Bench Lane {number}",
            time_zone="UTC",
            currency="EUR",
            owner_name="Ana",
            owner_email=f"ana-{number}@example.org",
            now_us=START_US,
        )
    mandate = link_account(
        gateway.services, owner, adapter_name="sandbox", token=account, label="Current account", limits=LIMITS
    )
    return Customer(owner, account, mandate)


def approve_carts(gateway: Gateway, customers: list[Customer], count: int) -> frozenset[str]:
    """Leave carts that were just approved; their undo time never ends, so that none is sent to a shop."""
    carts: set[str] = set()
    send_us = gateway.clock.wall_us() + DAY_US
    with gateway.unit_of_work.begin() as tx:
        tx.take({customer.owner.household_id for customer in customers})
        for number in range(count):
            cart, approval = _approved(tx, customers[number % len(customers)], send_us)
            tx.add(cart)
            tx.add(approval)
            tx.enqueue("authorize", cart.household_id, cart.id, due_us=START_US)
            carts.add(cart.id)
    return frozenset(carts)


def _approved(tx: Transaction, customer: Customer, send_us: int) -> tuple[Cart, Approval]:
    cart = Cart(
        id=tx.new_id(),
        household_id=customer.owner.household_id,
        merchant_id=SHOP_ID,
        state=CartState.APPROVED,
        version=1,
        currency="EUR",
        goods_minor=PRICE_MINOR,
        delivery_minor=0,
        free_delivery_from_minor=None,
        delivery_price_minor=0,
        quote_ref="",
        promised_us=None,
        decide_by_us=None,
        snoozed_until_us=None,
        signed=True,
        needs_person=(),
        note="",
        created_us=START_US,
    )
    approval = Approval(
        id=tx.new_id(),
        household_id=cart.household_id,
        cart_id=cart.id,
        cart_version=1,
        member_id=customer.owner.id,
        mandate_id=customer.mandate.id,
        payment_method_id=customer.mandate.payment_method_id,
        by_mandate=False,
        amount_minor=PRICE_MINOR,
        currency="EUR",
        state=ApprovalState.STANDING,
        at_us=START_US,
        send_not_before_wall_us=send_us,
    )
    return cart, approval


def ship(gateway: Gateway, carts: frozenset[str]) -> None:
    """Leave an order with one shipped parcel for each of these carts, all of which are held."""
    with gateway.unit_of_work.begin() as tx:
        held = tx.find(Attempt, None, state=AttemptState.AUTHORIZED, cart_id=carts)
        if len(held) != len(carts):
            raise RuntimeError(f"{len(held)} of {len(carts)} carts are held")
        for attempt in held:
            order, parcel = _shipped(tx, attempt)
            tx.add(order)
            tx.add(parcel)
            tx.cancel_work("place", attempt.cart_id)
            tx.enqueue("capture", attempt.household_id, parcel.id, due_us=START_US)


def close(gateway: Gateway, carts: frozenset[str]) -> None:
    """Make sure that these carts are paid, and forget what would follow."""
    with gateway.unit_of_work.begin() as tx:
        paid = tx.find(Attempt, None, state=AttemptState.CAPTURED, cart_id=carts)
        if len(paid) != len(carts):
            raise RuntimeError(f"{len(paid)} of {len(carts)} carts are paid")
        for order in tx.find(Order, None, cart_id=carts):
            tx.cancel_work("observe", order.id)


def _shipped(tx: Transaction, attempt: Attempt) -> tuple[Order, Shipment]:
    order = Order(
        id=tx.new_id(),
        household_id=attempt.household_id,
        cart_id=attempt.cart_id,
        attempt_id=attempt.id,
        merchant_id=SHOP_ID,
        merchant_ref=attempt.id,
        state=OrderState.SHIPPED,
        currency="EUR",
        total_minor=PRICE_MINOR,
        promised_us=None,
        placed_us=START_US,
        closed_us=None,
        late=False,
        looks=0,
        note="",
        created_us=START_US,
    )
    parcel = Shipment(
        id=tx.new_id(),
        household_id=attempt.household_id,
        order_id=order.id,
        merchant_ref=order.id,
        state=ShipmentState.SHIPPED,
        amount_minor=PRICE_MINOR,
        currency="EUR",
        shipped_us=START_US,
        delivered_us=None,
    )
    return order, parcel
