"""When the database is full or locked, nothing is half done and everybody is told to come again."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gateway.domain.cart import Cart, CartState
from gateway.steps.ports import StoreUnavailable
from tests.fakes import FakeClock, FakeTransaction, FakeUnitOfWork
from tests.integration.web.sample_household import HOUSE, full_house, world
from tests.web_client import WebClient


class Failing(FakeUnitOfWork):
    """Rows in a database that from some moment on can be read only, or not at all."""

    writes_fail = False
    reads_fail = False

    @contextmanager
    def begin(self) -> Iterator[FakeTransaction]:
        with super().begin() as tx:
            yield tx
            if self.writes_fail:
                raise StoreUnavailable("database or disk is full")

    @contextmanager
    def read(self) -> Iterator[FakeTransaction]:
        if self.reads_fail:
            raise StoreUnavailable("database is locked")
        with super().read() as tx:
            yield tx


@pytest.fixture
def store() -> Failing:
    store = Failing()
    store.tables = world(*full_house()).tables
    return store


@pytest.fixture
def web(store: Failing) -> Iterator[WebClient]:
    with WebClient(store, FakeClock()) as client:
        yield client


def test_a_program_is_told_when_to_come_again(web: WebClient, store: Failing) -> None:
    token = web.bearer("member-ana")
    store.reads_fail = True
    answer = web.get("/api/v1/supplies", headers=token)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert answer.json()["type"] == "urn:replenish:problem:unavailable"


def test_a_person_sees_a_page_and_not_a_fault(web: WebClient, store: Failing) -> None:
    web.sign_in("member-ana")
    store.reads_fail = True
    answer = web.get("/", headers={"accept": "text/html"})
    assert answer.status_code == 503
    assert "The database cannot be used; nothing was changed." in answer.text


def test_a_yes_that_could_not_be_written_is_no_yes(web: WebClient, store: Failing) -> None:
    token = web.bearer("member-ana")
    cart = next(one for one in store.rows(Cart) if one.state is CartState.AWAITING_APPROVAL)
    store.writes_fail = True
    assert web.post(f"/api/v1/carts/{cart.id}/approve", headers=token, json={}).status_code == 503
    with store.read() as tx:
        assert tx.get(Cart, HOUSE, cart.id) == cart
