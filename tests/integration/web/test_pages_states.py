"""Every page is drawn whatever state its rows are in: a state that is added later fails here, not before a person."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from gateway.domain.approval import Approval, ApprovalState
from gateway.domain.cart import Cart, CartState
from gateway.domain.order import LineState, Order, OrderLine, OrderState, Shipment, ShipmentState
from gateway.domain.payment import (
    Attempt,
    AttemptState,
    Mandate,
    MandateState,
    MethodState,
    Operation,
    OperationState,
    PaymentMethod,
)
from gateway.domain.stock import Device, DeviceState, Reading, Verdict
from tests.fakes import FakeClock
from tests.integration.web.sample_household import HOUSE, world
from tests.web_client import WebClient

ORDER = "/orders/order-cart-1-milk"
PAYMENT = "/payments/attempt-cart-1-milk"

STATES: list[tuple[type, object, tuple[str, ...]]] = [
    *((Cart, state, ("/", "/orders", "/carts/cart-waiting")) for state in CartState),
    *((Order, state, ("/", "/orders", ORDER)) for state in OrderState),
    *((OrderLine, state, ("/", ORDER)) for state in LineState),
    *((Shipment, state, (ORDER,)) for state in ShipmentState),
    *((Attempt, state, ("/money", ORDER, PAYMENT)) for state in AttemptState),
    *((Operation, state, (ORDER, PAYMENT)) for state in OperationState),
    *((Approval, state, (ORDER, PAYMENT)) for state in ApprovalState),
    *((PaymentMethod, state, ("/money", "/carts/cart-waiting")) for state in MethodState),
    *((Mandate, state, ("/money", "/carts/cart-waiting")) for state in MandateState),
    *((Device, state, ("/", "/devices", "/devices/device-jura")) for state in DeviceState),
]


@pytest.fixture
def web() -> Iterator[WebClient]:
    with WebClient(world(), FakeClock()) as client:
        client.sign_in("member-ana")
        yield client


@pytest.mark.parametrize(("entity", "state", "paths"), STATES, ids=[f"{row[0].__name__} {row[1]}" for row in STATES])
def test_the_pages_are_drawn(web: WebClient, entity: type, state: object, paths: tuple[str, ...]) -> None:
    with web.unit_of_work.begin() as tx:
        for row in tx.find(entity, HOUSE):
            tx.save(replace(row, state=state))
    for path in paths:
        assert web.get(path).status_code == 200, path


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_about_a_reading_has_words(web: WebClient, verdict: Verdict) -> None:
    with web.unit_of_work.begin() as tx:
        for reading in tx.find(Reading, HOUSE, slot_id="slot-coffee"):
            tx.save(replace(reading, verdict=verdict, reason=""))
    for path in ("/", "/devices", "/supplies/supply-coffee"):
        assert web.get(path).status_code == 200, path
