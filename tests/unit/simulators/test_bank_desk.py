"""The pretend bank's rules, asked through its desk: no sockets, a clock set by hand."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.clock import RealClock
from simulators.bank_book import DAY_US, Book
from simulators.bank_desk import PENDING_US, Chance, Desk
from simulators.bank_faults import FAULTS, parse_entry
from simulators.bank_notices import NoticeSender
from simulators.bank_rules import HOLD_DAYS
from simulators.bank_shapes import Answer, Request

START_US = 20_000 * DAY_US


@dataclass
class Bank:
    """A desk with one rich customer, anna, and her mandate."""

    desk: Desk
    book: Book
    now_us: int = START_US
    keys: int = 0

    def post(self, path: str, key: str | None = None, **body: object) -> Answer:
        self.keys += 1
        return self.desk.answer(Request("POST", path, {}, key or f"key-{self.keys}", json.dumps(body).encode()))

    def get(self, path: str, **query: str) -> dict[str, Any]:
        answer = self.desk.answer(Request("GET", path, query, None, b""))
        assert answer.status == 200, answer
        return answer.body

    def hold(self, reference: str, minor: int, account: str = "anna", key: str | None = None) -> Answer:
        return self.post(
            "/holds",
            key,
            reference=reference,
            account=account,
            mandate=self.mandate(account),
            amount_minor=minor,
            currency="EUR",
        )

    def mandate(self, account: str) -> str:
        reference = f"mandate-of-{account}"
        limit = {"limit_minor": 90_000, "currency": "EUR"}
        answer = self.post("/mandates", f"key-of-{reference}", reference=reference, account=account, **limit)
        return str(answer.body["id"])

    def capture(self, reference: str, minor: int, hold: str) -> Answer:
        return self.post(f"/holds/{hold}/captures", reference=reference, amount_minor=minor, currency="EUR")

    def refund(self, reference: str, minor: int, capture: str) -> Answer:
        return self.post(f"/captures/{capture}/refunds", reference=reference, amount_minor=minor, currency="EUR")

    def account(self, name: str = "anna") -> dict[str, Any]:
        return self.get(f"/accounts/{name}")

    def script(self, *entries: str, account: str = "anna") -> Answer:
        return self.post("/script", account=account, next=list(entries))


def make_bank(path: Path, chance: Chance) -> Bank:
    book = Book(path)
    holder: list[Bank] = []
    clock = RealClock(lambda: holder[0].now_us)
    bank = Bank(Desk(book, clock, NoticeSender(book, None, clock.wall_us), chance), book)
    holder.append(bank)
    bank.post("/accounts", token="anna", currency="EUR", balance_minor=100_000)
    return bank


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    made = make_bank(tmp_path / "bank.sqlite", Chance(0.0, 0))
    yield made
    made.book.close()


def test_an_account_is_opened_once_and_has_a_right_iban(bank: Bank) -> None:
    bank.post("/accounts", token="anna", currency="EUR", balance_minor=5)
    assert bank.account()["balance_minor"] == 100_000
    iban = bank.account()["iban"]
    digits = iban[4:] + "1314" + iban[2:4]
    assert iban.startswith("DE")
    assert len(iban) == 22
    assert int(digits) % 97 == 1


def test_a_hold_that_runs_out_is_free_again_and_cannot_be_captured(bank: Bank) -> None:
    hold = bank.hold("a", 5_000).body
    bank.now_us += HOLD_DAYS * DAY_US
    late = bank.capture("c", 5_000, hold["id"])
    assert late.status == 402
    assert late.body["decline"]["code"] == "hold_expired"
    bank.desk.tick()
    assert bank.account()["held_minor"] == 0


def test_captured_money_is_paid_out_after_its_day_less_a_fee(bank: Bank) -> None:
    hold = bank.hold("a", 9_000).body
    first = bank.capture("c1", 4_000, hold["id"]).body
    bank.refund("r1", 1_000, first["id"])
    assert bank.get("/settlements")["settlements"] == []
    bank.now_us += DAY_US
    bank.capture("c2", 5_000, hold["id"])
    bank.now_us += DAY_US
    settlements = bank.get("/settlements")["settlements"]
    assert [(one["gross_minor"], one["fee_minor"], one["net_minor"]) for one in settlements] == [
        (3_000, 20, 2_980),
        (5_000, 25, 4_975),
    ]
    assert [one["at_us"] for one in settlements] == [START_US + DAY_US, START_US + 2 * DAY_US]
    assert [line["reference"] for line in settlements[0]["lines"]] == ["c1", "r1"]
    assert bank.get("/settlements", since_us=str(START_US + DAY_US + 1))["settlements"] == settlements[1:]


def test_a_movement_is_paid_out_once_even_when_the_clock_is_set_back(bank: Bank) -> None:
    hold = bank.hold("a", 9_000).body
    bank.capture("c1", 4_000, hold["id"])
    bank.now_us += DAY_US
    bank.desk.tick()
    bank.now_us -= DAY_US
    bank.capture("c2", 1_000, hold["id"])
    bank.now_us += DAY_US
    settlements = bank.get("/settlements")["settlements"]
    assert sorted(one["gross_minor"] for one in settlements) == [1_000, 4_000]


def test_a_pending_operation_is_decided_a_minute_later(bank: Bank) -> None:
    bank.script("capture:pending")
    hold = bank.hold("a", 5_000).body
    waiting = bank.capture("c", 5_000, hold["id"])
    assert (waiting.status, waiting.body["status"]) == (202, "pending")
    assert bank.account()["balance_minor"] == 100_000
    bank.now_us += PENDING_US
    bank.desk.tick()
    assert bank.get("/operations/c")["status"] == "succeeded"
    assert bank.account()["balance_minor"] == 95_000


def test_a_pending_operation_that_became_wrong_is_declined(bank: Bank) -> None:
    bank.script("capture:pending", "capture:pending")
    hold = bank.hold("a", 5_000).body
    bank.capture("c1", 5_000, hold["id"])
    bank.capture("c2", 5_000, hold["id"])
    bank.post("/control/settle-notices")
    assert [bank.get(f"/operations/{name}")["status"] for name in ("c1", "c2")] == ["succeeded", "declined"]
    assert bank.account()["balance_minor"] == 95_000


def test_a_customer_confirms_at_the_banks_page(bank: Bank) -> None:
    bank.desk.site = "http://bank"
    bank.script("authorize:requires_action")
    waiting = bank.hold("a", 5_000)
    assert (waiting.status, waiting.body["status"]) == (202, "requires_action")
    assert bank.account()["held_minor"] == 0
    path = waiting.body["url"].removeprefix("http://bank")
    assert bank.post(path).body["status"] == "succeeded"
    assert bank.post(path).body["status"] == "succeeded"
    assert bank.account()["held_minor"] == 5_000


def test_a_hold_may_be_short_and_says_so(bank: Bank) -> None:
    bank.script("authorize:short_hold")
    held = bank.hold("a", 5_000).body
    assert held["expires_us"] == held["created_us"] + DAY_US
    bank.now_us = held["expires_us"]
    bank.get("/book")
    assert bank.account()["held_minor"] == 0


def test_a_delayed_request_takes_effect_later_and_once(bank: Bank) -> None:
    bank.script("authorize:delayed")
    assert bank.hold("a", 5_000, key="k").status == 500
    assert bank.desk.answer(Request("GET", "/operations/a", {}, None, b"")).status == 404
    assert bank.hold("a", 5_000, key="k").status == 200
    bank.post("/control/settle-notices")
    assert bank.account()["held_minor"] == 5_000


def test_a_script_waits_for_its_kind_and_is_used_up(bank: Bank) -> None:
    bank.script("capture:decline", "ok", "decline_hard")
    hold = bank.hold("a1", 1_000)
    assert hold.status == 200
    assert bank.hold("a2", 1_000).body["decline"]["kind"] == "hard"
    assert bank.capture("c1", 1_000, hold.body["id"]).body["decline"]["kind"] == "soft"
    assert bank.capture("c2", 1_000, hold.body["id"]).status == 200


def test_the_name_of_an_account_can_be_its_fate(bank: Bank) -> None:
    for fault, status in (("decline", 402), ("decline_mandate", 402), ("pending", 202), ("500", 500)):
        token = f"bert+{fault}"
        bank.post("/accounts", token=token, currency="EUR", balance_minor=5_000)
        assert bank.hold(f"a-{fault}", 100, account=token, key=f"k-{fault}").status == status


def test_what_is_no_fault_is_refused_by_name(bank: Bank) -> None:
    assert bank.script("explode").body["error"]["code"] == "unknown_fault"
    assert bank.script("holding:decline").status == 422
    assert parse_entry("refund:500_after") == ("refund", "500_after")
    assert all(parse_entry(fault) == (None, fault) for fault in FAULTS)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"reference": "a"}',
        b'{"reference": "a", "account": "anna", "mandate": "m", "amount_minor": 1.5, "currency": "EUR"}',
        b'{"reference": "a", "account": "anna", "mandate": "m", "amount_minor": 0, "currency": "EUR"}',
        b'{"reference": "a", "account": "anna", "mandate": "m", "amount_minor": 1, "currency": "eur"}',
        b'{"reference": "", "account": "anna", "mandate": "m", "amount_minor": 1, "currency": "EUR"}',
        b'{"reference": "a", "account": "anna", "mandate": "m", "amount_minor": 1, "currency": "EUR", "x": 1}',
        b"\xff",
    ],
)
def test_a_body_that_is_not_right_does_nothing(bank: Bank, body: bytes) -> None:
    assert bank.desk.answer(Request("POST", "/holds", {}, "k", body)).status == 422
    assert bank.get("/book")["operations"] == []


def test_an_order_needs_a_key(bank: Bank) -> None:
    body = b'{"reference": "a", "account": "anna", "limit_minor": 1, "currency": "EUR"}'
    for key in (None, "", "x" * 201):
        assert bank.desk.answer(Request("POST", "/mandates", {}, key, body)).body["error"]["code"] == "no_key"


def test_the_book_can_be_read_for_one_account(bank: Bank) -> None:
    bank.post("/accounts", token="bert", currency="EUR", balance_minor=5_000)
    bank.hold("a", 100)
    bank.hold("b", 100, account="bert")
    assert [hold["reference"] for hold in bank.get("/book")["holds"]] == ["a", "b"]
    assert [hold["reference"] for hold in bank.get("/book", account="bert")["holds"]] == ["b"]


def test_the_same_seed_goes_wrong_in_the_same_places(tmp_path: Path) -> None:
    def story(name: str, seed: int) -> list[str | None]:
        bank = make_bank(tmp_path / name, Chance(0.3, seed))
        faults = [bank.hold(f"a{number}", 1, key=f"{name}-{number}").fault for number in range(60)]
        bank.book.close()
        return faults

    assert story("one", 7) == story("two", 7) != story("three", 8)
    assert any(story("four", 7))


ORDERS = st.lists(
    st.tuples(st.sampled_from(["hold", "capture", "void", "refund", "day"]), st.integers(0, 5), st.integers(1, 60_000)),
    max_size=40,
)


@given(orders=ORDERS, faults=st.integers(0, 1_000))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=40
)
def test_whatever_is_ordered_money_is_conserved(
    tmp_path_factory: pytest.TempPathFactory, orders: list[tuple[str, int, int]], faults: int
) -> None:
    bank = make_bank(tmp_path_factory.mktemp("bank") / "bank.sqlite", Chance(0.2, faults))
    for number, (what, target, minor) in enumerate(orders):
        hold, captured = f"a{target}", f"c{target}"
        book = bank.get("/book")
        ids = {row["reference"]: row["id"] for row in book["operations"]}
        match what:
            case "hold":
                bank.hold(hold, minor)
            case "capture":
                bank.capture(captured, minor, ids.get(hold, "none"))
            case "void":
                bank.post(f"/holds/{ids.get(hold, 'none')}/void", reference=f"v{number}")
            case "refund":
                bank.refund(f"r{number}", minor, ids.get(captured, "none"))
            case _:
                bank.now_us += DAY_US
    bank.post("/control/settle-notices")
    bank.now_us += DAY_US
    book = bank.get("/book")
    anna = book["accounts"][0]
    captured_minor = sum(row["amount_minor"] for row in book["movements"] if row["kind"] == "capture")
    refunded_minor = sum(row["amount_minor"] for row in book["movements"] if row["kind"] == "refund")
    assert anna["balance_minor"] == anna["deposited_minor"] - captured_minor + refunded_minor
    assert anna["available_minor"] >= 0
    assert refunded_minor <= captured_minor
    assert sum(row["gross_minor"] for row in book["settlements"]) == captured_minor - refunded_minor
    assert all(row["settlement"] for row in book["movements"])
    bank.book.close()
