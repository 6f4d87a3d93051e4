"""A gateway over a real database for each test."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine

from gateway.domain.cart import Cart, CartState
from gateway.domain.order import Order, OrderState
from gateway.store.engine import open_engine
from tests.databases import Databases
from tests.homes import home, known_level
from tests.rig import Rig


@pytest.fixture
def open_rig(databases: Databases) -> Iterator[Callable[..., Rig]]:
    """Return a function that opens a gateway with these rows; all are closed at the end."""
    rigs: list[Rig] = []

    def open_one(*entities: object) -> Rig:
        rigs.append(Rig(databases, *entities))
        return rigs[-1]

    yield open_one
    for rig in rigs:
        rig.close()


@pytest.fixture
def bare(databases: Databases) -> Iterator[Engine]:
    """An engine on a database that holds nothing."""
    with databases.bare() as url:
        engine = open_engine(url)
        yield engine
        engine.dispose()


@pytest.fixture
def with_cart(open_rig: Callable[..., Rig]) -> Callable[..., Rig]:
    """Return a function that opens Ana's home with a cart of milk that waits for her."""

    def open_one(*more: object) -> Rig:
        rig = open_rig(*home(), known_level("milk", 0.15), *more)
        rig.shop.sell("milk-usual", 120)
        rig.enqueue("forecast", "milk")
        rig.pass_days(0.1)
        assert rig.the(Cart).state is CartState.AWAITING_APPROVAL
        return rig

    return open_one


@pytest.fixture
def with_order(with_cart: Callable[..., Rig]) -> Callable[..., Rig]:
    """Return a function that opens Ana's home with an order the shop has taken and the bank holds money for."""

    def open_one(*more: object) -> Rig:
        rig = with_cart(*more)
        rig.say_yes()
        rig.work_off()
        assert rig.the(Order).state is OrderState.PLACED
        return rig

    return open_one
