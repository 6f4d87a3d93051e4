"""Dates, ranges and sums as a household reads them."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from gateway.domain.replenishment import DAY_US, HOUR_US, MINUTE_US
from gateway.web.wording import Wording, amount, from_datetime, iso, money, since
from tests.fakes import START_US

MADRID = Wording("Europe/Madrid")


def _at(text: str, zone: str = "Europe/Madrid") -> int:
    return from_datetime(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)))


def test_a_day_is_the_households_day() -> None:
    late = _at("2026-11-27T23:30")
    assert MADRID.day(late) == "Fri 27 Nov"
    assert Wording("Pacific/Auckland").day(late) == "Sat 28 Nov"


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        ("2026-11-28T09:00", "2026-11-30T20:00", "28–30 Nov"),
        ("2026-11-30T09:00", "2026-12-02T20:00", "30 Nov – 2 Dec"),
        ("2026-11-27T09:00", "2026-11-27T20:00", "Fri 27 Nov"),
        ("2026-12-30T09:00", "2027-01-02T20:00", "30 Dec – 2 Jan"),
    ],
)
def test_a_range_of_days_is_written_once(first: str, last: str, words: str) -> None:
    assert MADRID.days(_at(first), _at(last)) == words


def test_the_nearer_an_instant_the_more_exact() -> None:
    assert MADRID.when(START_US - 3 * HOUR_US, START_US) == "15:05"
    assert MADRID.when(START_US + 2 * DAY_US, START_US) == "Thu 18:05"
    assert MADRID.when(START_US + 9 * DAY_US, START_US) == "Thu 3 Dec"


def test_the_day_the_clocks_change_keeps_its_hours() -> None:
    before, after = _at("2026-10-24T12:00"), _at("2026-10-25T12:00")
    assert after - before == 25 * HOUR_US
    assert MADRID.clock(after) == "12:00"


def test_money_follows_its_currency() -> None:
    assert money(500, "JPY") == "500\u00a0¥"
    assert money(-1, "EUR") == "−0.01\u00a0€"
    assert money(0, "EUR", signed=True) == "0.00\u00a0€"


def test_an_amount_reads_in_the_unit_people_use() -> None:
    assert amount(2600, "ml") == "2.6\u00a0l"
    assert amount(0.35, "l") == "0.35\u00a0l"
    assert amount(11.6, "piece") == "12\u00a0pieces"


def test_how_long_ago_is_never_in_the_future() -> None:
    assert since(START_US + MINUTE_US, START_US) == "just now"
    assert since(START_US - 60 * MINUTE_US, START_US) == "an hour ago"


def test_machines_read_utc() -> None:
    assert iso(START_US) == "2026-11-24T17:05:00Z"
    assert iso(START_US + 1500) == "2026-11-24T17:05:00.001Z"
