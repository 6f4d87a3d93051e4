"""A payment that the bank wants confirmed: the way there is where it is looked for, and the way back looks it up."""

from dataclasses import replace

import pytest

from gateway.domain.cart import Cart
from gateway.domain.payment import Attempt, AttemptState, Operation, OperationKind, OperationState
from tests.fakes import FakeClock
from tests.integration.web.sample_household import world
from tests.web_client import WebClient

URL = "https://bank.example/confirm"


def waiting(web: WebClient) -> Attempt:
    """Let one of the sample household's payments wait for the customer."""
    first = web.unit_of_work.rows(Attempt)[0]
    with web.unit_of_work.begin() as tx:
        attempt = tx.get(Attempt, first.household_id, first.id)
        tx.save(replace(attempt, state=AttemptState.REQUIRES_ACTION, note=URL))
        for one in tx.find(Operation, attempt.household_id, attempt_id=attempt.id, kind=OperationKind.AUTHORIZE):
            tx.save(replace(one, state=OperationState.PENDING))
    return attempt


@pytest.mark.parametrize("place", ["payments", "carts"])
def test_the_way_to_the_bank_stands_on_the_page(place: str) -> None:
    with WebClient(world(), FakeClock()) as web:
        web.sign_in("member-ana")
        attempt = waiting(web)
        page = web.get(f"/{place}/{attempt.id if place == 'payments' else attempt.cart_id}").text
        assert f'href="{URL}"' in page
        assert f'action="/payments/{attempt.id}/confirmed"' in page


def test_the_way_back_looks_it_up_and_leads_to_the_cart() -> None:
    with WebClient(world(), FakeClock()) as web:
        web.http.headers["Sec-Fetch-Site"] = "same-origin"
        web.sign_in("member-ana")
        attempt = waiting(web)
        for answer in (web.get(f"/payments/{attempt.id}/back"), web.post(f"/payments/{attempt.id}/confirmed")):
            assert answer.headers["location"] == f"/carts/{attempt.cart_id}?done=looking"
        (held,) = [
            one
            for one in web.unit_of_work.rows(Operation)
            if one.attempt_id == attempt.id and one.kind is OperationKind.AUTHORIZE
        ]
        with web.unit_of_work.read() as tx:
            assert tx.is_waiting("sync", held.id)
            assert tx.get(Cart, attempt.household_id, attempt.cart_id)
