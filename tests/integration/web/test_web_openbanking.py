"""A household and its bank: linked on the bank's page, debited parcel by parcel, paid back, and ended at the bank.

The gateway is whole: its web, its worker, its store with sealed memory; the bank is the pretend one, over real HTTP.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from sqlalchemy import text

from gateway.cli.ledger_export import as_beancount, as_csv, as_ledger, entries
from gateway.domain.household import Household, Member, Role
from gateway.domain.order import Order, OrderState
from gateway.domain.payment import (
    Mandate,
    MandateState,
    MethodState,
    Operation,
    OperationKind,
    OperationState,
    PaymentMethod,
)
from gateway.domain.records import Message, NoticeState
from gateway.domain.records import Notice as Told
from gateway.steps.money.review import review
from gateway.store.adapter_context import InstalledProviders
from gateway.store.vault import Vault
from gateway.web.notices import keep
from gateway.worker import Worker
from payments.adapters.openbanking_state import Consent
from tests.databases import Databases
from tests.homes import home, known_level
from tests.integration.payments.bank_process import NoticeInbox
from tests.integration.payments.vrp import PEM, REDIRECT, Vrp
from tests.rig import Rig
from tests.web_client import WebClient

LINK = {"adapter": "openbanking", "per_order": "50", "per_period": "200"}
ACCOUNT = "anas-account"


class House:
    """Ana's house with a gateway, a browser and a bank."""

    def __init__(self, folder: Path, databases: Databases, client: httpx.Client, told: NoticeInbox) -> None:
        rows = [one for one in home(target_days=30) if not isinstance(one, PaymentMethod | Mandate)]
        rows = [replace(one, currency="GBP") if isinstance(one, Household) else one for one in rows]
        self.told = told
        self.rig = Rig(databases, *rows, known_level("milk", 0.15))
        self.rig.shop.currency = "GBP"
        self.vrp = Vrp(folder / "vrp", self.rig.clock, client, notify=told.url)
        self.vrp.control("accounts", token=ACCOUNT, balance_minor=10_000, label="Everyday")
        self.providers = InstalledProviders(
            self.rig.engine,
            Vault({1: bytes(32)}),
            settings={"openbanking": self.vrp.settings},
            secrets={"openbanking": {"signing_key": PEM}},
            now_us=self.rig.clock.now_us,
        )
        self.rig.providers = self.providers  # type: ignore[assignment]  # real ones, in the place of the bank in memory
        self.rig.services = replace(self.rig.services, providers=self.providers)
        self.rig.worker = Worker(self.rig.services, self.rig.queue)
        self.web = WebClient(self.rig.store, self.rig.clock)  # type: ignore[arg-type]
        self.web.app.state.services = replace(self.web.app.state.services, steps=self.rig.services)
        self.web.http.headers["Sec-Fetch-Site"] = "same-origin"

    def link(self) -> str:
        """Ask for an account; returns where the bank's page is."""
        answer = self.web.post("/money/methods", data=LINK)
        assert answer.status_code == 303, answer.text
        assert answer.headers["location"].startswith("/money?done=choosing#method-")
        page = self.web.get("/money").text
        (url,) = [unescape(one) for one in re.findall(r'href="([^"]+/authorize\?[^"]+)"', page)]
        return url

    def come_back(self, query: dict[str, str]) -> str:
        answer = self.web.get(f"{REDIRECT.removeprefix('https://home.example')}?{urlencode(query)}")
        assert answer.status_code == 303
        return str(answer.headers["location"])

    def hear(self) -> None:
        """Let the bank's notices come in by the door, and everything due happen."""
        self.vrp.control("settle")
        door: Any = SimpleNamespace(unit_of_work=self.rig.store, clock=self.rig.clock)
        for headers, body in self.told.taken:
            keep(door, "payment", "openbanking", {name.lower(): value for name, value in headers.items()}, body)
        self.told.taken.clear()
        self.rig.work_off()

    def order(self) -> Order:
        """Let milk be needed, say yes, and the shop take the order."""
        self.rig.shop.sell("milk-usual", 120)
        self.rig.enqueue("forecast", "milk")
        self.rig.pass_days(0.1)
        self.rig.say_yes()
        self.rig.work_off()
        order = self.rig.the(Order)
        assert order.state is OrderState.PLACED
        return order

    def close(self) -> None:
        self.providers.close()
        self.vrp.close()
        self.rig.close()


@pytest.fixture
def house(tmp_path: Path, databases: Databases) -> Iterator[House]:
    told = NoticeInbox()
    with httpx.Client(trust_env=False) as client:
        made = House(tmp_path, databases, client, told)
        with made.web:
            made.web.sign_in("ana")
            yield made
        made.close()
    told.close()


def told(house: House, kind: str) -> list[str]:
    return [one.text for one in house.rig.rows(Message) if one.kind == kind]


def test_an_account_is_linked_debited_for_two_parcels_paid_back_and_ended_in_the_banks_app(house: House) -> None:
    rig, vrp = house.rig, house.vrp
    query = vrp.walk(house.link(), ACCOUNT)
    assert house.come_back(query).startswith("/money?done=linked#mandate-")
    mandate, method = rig.the(Mandate), rig.the(PaymentMethod)
    assert (mandate.state, method.state) == (MandateState.ACTIVE, MethodState.ACTIVE)
    assert method.label.startswith("Everyday •••• ")
    adapter: Any = house.providers.open("openbanking")
    assert adapter._memory.find(Consent, mandate.provider_ref).valid_from_us == mandate.valid_from_us

    order = house.order()
    packs = order.total_minor
    assert packs > 2
    rig.shop.ship(1)
    rig.pass_days(0.1)
    rig.shop.ship(sum(line.packs for line in rig.shop.orders[order.id].lines) - 1)
    rig.pass_days(0.1)
    captures = rig.rows(Operation, kind=OperationKind.CAPTURE)
    assert [one.state for one in captures] == [OperationState.SUCCEEDED] * 2
    debited = {one["instruction"]: one["amount_minor"] for one in vrp.book()["payments"]}
    assert debited == {one.id: one.amount_minor for one in captures}
    assert sum(debited.values()) == order.total_minor

    rig.shop.lose("parcel-2")
    rig.pass_days(0.1)
    refund = rig.the(Operation, kind=OperationKind.REFUND)
    assert refund.state is OperationState.SUCCEEDED
    assert [one["amount_minor"] for one in vrp.book()["refunds"]] == [refund.amount_minor]
    assert rig.differences() == []
    rig.pass_days(1)
    assert all(one.settled_ref.startswith("transaction-") for one in rig.rows(Operation, kind=OperationKind.CAPTURE))

    vrp.control(f"consents/{mandate.provider_ref}/revoke")
    house.hear()
    assert {one.state for one in rig.rows(Told, None)} == {NoticeState.DONE}
    assert rig.the(Mandate).state is MandateState.REVOKED
    assert rig.the(PaymentMethod).state is MethodState.REVOKED
    (text_,) = told(house, "mandate_ended")
    assert "taken back" in text_
    assert rig.waiting("revoke") == []


def test_what_opens_the_account_is_nowhere_readable_in_the_database(house: House) -> None:
    house.come_back(house.vrp.walk(house.link(), ACCOUNT))
    consent_id = house.rig.the(Mandate).provider_ref
    adapter: Any = house.providers.open("openbanking")
    consent = adapter._memory.find(Consent, consent_id)
    assert consent.access
    assert consent.refresh
    with house.rig.engine.connect() as connection:
        rows = repr(connection.execute(text("SELECT * FROM adapter_state")).all())
    assert consent.access not in rows
    assert consent.refresh not in rows


def test_what_opens_the_account_is_in_no_export_review_or_difference(house: House) -> None:
    house.come_back(house.vrp.walk(house.link(), ACCOUNT))
    order = house.order()
    house.rig.shop.ship()
    house.rig.pass_days(0.1)
    assert house.vrp.book()["payments"]
    adapter: Any = house.providers.open("openbanking")
    consent = adapter._memory.find(Consent, house.rig.the(Mandate).provider_ref)
    (number,) = [one["number"] for one in house.vrp.book()["accounts"] if one["token"] == ACCOUNT]
    # A debit that the ledger knows nothing of: a difference is said, and a person is shown what is known.
    capture = house.rig.the(Operation, kind=OperationKind.CAPTURE)
    house.rig.save(replace(capture, state=OperationState.MANUAL_REVIEW, note="its outcome is not known"))
    with house.rig.store.read() as tx:
        said = [
            *(line for form in (as_csv, as_beancount, as_ledger) for line in form(entries(tx, None, 0, None))),
            *(repr(one) for one in review(tx)),
            *(repr(one) for one in house.rig.reconcile(None)),
        ]
    assert any(capture.id in line for line in said)
    assert order.currency in "".join(said)
    for secret in (consent.access, consent.refresh, number, ACCOUNT, PEM.splitlines()[1]):
        assert secret
        assert secret not in "".join(said)


def test_a_customer_who_says_no_at_the_bank_links_nothing(house: House) -> None:
    where = house.come_back(house.vrp.walk(house.link(), ACCOUNT, "reject"))
    assert where.startswith("/money?done=not-linked#mandate-")
    assert house.rig.the(Mandate).state is MandateState.REVOKED
    assert house.rig.the(PaymentMethod).state is MethodState.REVOKED


def test_nobody_is_led_to_finish_what_somebody_else_began(house: House) -> None:
    query = house.vrp.walk(house.link(), ACCOUNT)
    assert house.come_back({"state": "guessed", "code": query["code"]}) == "/money?done=not-returned"
    assert house.come_back({}) == "/money?done=not-returned"
    assert house.come_back(query | {str(number): "x" for number in range(30)}) == "/money?done=not-returned"
    assert house.come_back(query).startswith("/money?done=linked")
    # Back in the browser's history, the same address again: nothing more happens.
    assert house.come_back(query).startswith("/money?done=linked")
    assert len(house.rig.rows(Mandate)) == 1


def test_another_household_cannot_bring_back_what_is_not_its_own(house: House) -> None:
    query = house.vrp.walk(house.link(), ACCOUNT)
    ana = house.rig.the(Member)
    home_ = house.rig.the(Household)
    house.rig.add(
        replace(home_, id="other", household_id="other"),
        replace(ana, id="eve", household_id="other", email="eve@example.org", role=Role.OWNER),
    )
    house.web.sign_in("eve")
    assert house.come_back(query) == "/money?done=not-returned"
    assert house.rig.the(Mandate).state is MandateState.REQUIRES_ACTION


def test_a_code_whose_answer_was_lost_leads_to_the_bank_again(house: House) -> None:
    query = house.vrp.walk(house.link(), ACCOUNT)
    house.vrp.script("*", "token:drop_after")
    assert house.come_back(query).startswith("/money?done=looking")
    page = house.web.get("/money").text
    (url,) = [unescape(one) for one in re.findall(r'href="([^"]+/authorize\?[^"]+)"', page)]
    assert house.come_back(house.vrp.walk(url, ACCOUNT)).startswith("/money?done=linked")


def test_a_consent_ended_while_an_order_is_out_is_payment_due_and_no_second_debit(house: House) -> None:
    house.come_back(house.vrp.walk(house.link(), ACCOUNT))
    order = house.order()
    house.vrp.control(f"consents/{house.rig.the(Mandate).provider_ref}/revoke")
    house.rig.shop.ship()
    house.rig.pass_days(0.1)
    assert house.rig.the(Order).state is OrderState.PAYMENT_DUE
    house.hear()
    house.rig.pass_days(1)
    assert house.rig.the(Mandate).state in {MandateState.SUSPENDED, MandateState.REVOKED}
    assert house.vrp.book()["payments"] == []
    assert order.total_minor > 0


def test_a_notice_is_read_while_no_transaction_is_open(house: House) -> None:
    """Its provider is asked for keys then: a database that is held meanwhile would stand still with that provider."""
    house.come_back(house.vrp.walk(house.link(), ACCOUNT))
    adapter: Any = house.providers.open("openbanking")
    fetch = adapter._events._fetch

    def fetch_and_write() -> Any:  # noqa: ANN401 — as it is
        with house.rig.store.begin() as tx:  # would wait for ever on an open transaction of the step's
            tx.enqueue("settle", None, "nobody", due_us=house.rig.clock.now + 10**15)
        return fetch()

    adapter._events._fetch = fetch_and_write
    house.hear()
    assert {one.state for one in house.rig.rows(Told, None)} == {NoticeState.DONE}
