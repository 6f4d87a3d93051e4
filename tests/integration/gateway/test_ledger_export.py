"""The ledger as text: it parses by a strict grammar, sums to zero, and runs nothing in a spreadsheet."""

import csv
import re
from collections import Counter
from collections.abc import Callable
from decimal import Decimal

import pytest

from gateway.cli import ledger_export
from gateway.cli.ledger_export import as_beancount, as_csv, as_ledger, entries
from gateway.domain.order import Order
from gateway.steps.money.books import post
from payments import ledger
from payments.money import Money
from tests.builders import HOME
from tests.homes import home
from tests.rig import Rig

AMOUNTS = (Money(1_299, "EUR"), Money(500, "JPY"), Money(1_234, "BHD"), Money(12_345, "CLF"))
NASTY = '=HYPERLINK("http://evil") ; "quoted" \\ back\nslash'
ACCOUNT = r"(Assets|Liabilities|Expenses|Equity)(:[A-Z][A-Za-z0-9-]*)+"
BEANCOUNT = re.compile(
    rf'1970-01-01 open {ACCOUNT}|\d{{4}}-\d\d-\d\d [*!] "(?:[^"\\]|\\.)*" "(?:[^"\\]|\\.)*"|'
    rf'  [a-z]+: "(?:[^"\\]|\\.)*"|  {ACCOUNT}  -?\d+(\.\d+)? [A-Z]{{3}}|'
)
LEDGER = re.compile(rf"\d{{4}}-\d\d-\d\d [*!] [^;]*|    ; [a-z]+: [^;]*|    {ACCOUNT}  -?\d+(\.\d+)? [A-Z]{{3}}|")


@pytest.fixture
def rig(open_rig: Callable[..., Rig]) -> Rig:
    rig = open_rig(*home())
    clearing, payable = ledger.provider_clearing("my bank"), ledger.merchant_payable("shop")
    with rig.store.begin() as tx:
        for number, amount in enumerate(AMOUNTS):
            journals = [ledger.hold(f"pay-{number}", clearing, payable, amount)]
            journals += ledger.capture(f"take-{number}", clearing, payable, amount)
            post(tx, HOME, journals, memo=NASTY, at_us=rig.clock.now + number * 86_400_000_000)
    return rig


def text_of(rig: Rig, form: Callable[..., object], since_us: int = 0, until_us: int | None = None) -> str:
    with rig.store.read() as tx:
        return "".join(form(entries(tx, None, since_us, until_us)))


@pytest.mark.parametrize(("form", "grammar"), [(as_beancount, BEANCOUNT), (as_ledger, LEDGER)])
def test_every_line_keeps_the_grammar_and_all_sums_to_zero(
    rig: Rig, form: Callable[..., object], grammar: re.Pattern[str]
) -> None:
    text = text_of(rig, form)
    assert [line for line in text.split("\n") if not grammar.fullmatch(line)] == []
    sums: Counter[str] = Counter()
    for amount, currency in re.findall(r"^ +[A-Z][\w:-]+  (-?[\d.]+) ([A-Z]{3})$", text, re.MULTILINE):
        sums[currency] += Decimal(amount)
    assert dict(sums) == dict.fromkeys(("EUR", "JPY", "BHD", "CLF"), Decimal(0))
    assert " 1.234 BHD" in text
    assert " 500 JPY" in text
    assert " 1.2345 CLF" in text
    assert text == text_of(rig, form)


def test_csv_has_a_line_a_posting_and_no_formula(rig: Rig) -> None:
    rows = list(csv.DictReader(text_of(rig, as_csv).splitlines(keepends=True)))
    assert len(rows) == len(AMOUNTS) * 3 * 2
    assert all(row["memo"].startswith("'=") for row in rows)
    assert sum(Decimal(row["amount"]) for row in rows if row["currency"] == "JPY") == 0


def test_days_choose(rig: Rig) -> None:
    text = text_of(rig, as_csv, rig.clock.now + 1, rig.clock.now + 2 * 86_400_000_000)
    assert {row["currency"] for row in csv.DictReader(text.splitlines(keepends=True))} == {"JPY"}


def test_each_journal_says_which_operation_order_and_merchant_it_is_of(with_order: Callable[..., Rig]) -> None:
    rig = with_order()
    rig.shop.ship()
    rig.pass_days(1)
    rows = list(csv.DictReader(text_of(rig, as_csv).splitlines(keepends=True)))
    (order,) = rig.rows(Order)
    captured = [row for row in rows if row["operation"] == "capture"]
    assert captured
    assert {(row["order"], row["merchant"], row["payment"]) for row in captured} == {
        (order.id, order.merchant_id, order.attempt_id)
    }
    assert f'  order: "{order.id}"' in text_of(rig, as_beancount)
    assert f"    ; merchant: {order.merchant_id}" in text_of(rig, as_ledger)


def test_more_journals_than_are_read_together_are_all_written(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = text_of(rig, as_csv)
    monkeypatch.setattr(ledger_export, "PAGE", 5)
    assert text_of(rig, as_csv) == whole
