"""The days on which euro payments settle between banks, and when a file must be handed over for one of them.

The closing days of T2 (formerly TARGET2): weekends, 1 January, Good Friday, Easter Monday, 1 May, 25 and 26 December
(European Central Bank, long-term calendar for TARGET closing days, 14 December 2000).
"""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

BERLIN = ZoneInfo("Europe/Berlin")
SECOND_US = 1_000_000
SATURDAY = 5
FIXED = frozenset({(1, 1), (5, 1), (12, 25), (12, 26)})


def easter(year: int) -> date:
    """Return Easter Sunday of the Gregorian calendar (Meeus, Astronomical Algorithms, 1991, chapter 8: Butcher's rule).

    >>> easter(2026), easter(2027), easter(2038)
    (datetime.date(2026, 4, 5), datetime.date(2027, 3, 28), datetime.date(2038, 4, 25))
    """
    golden, century, of_century = year % 19, year // 100, year % 100
    leaps, rest = divmod(century, 4)
    moon = (19 * golden + century - leaps - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    years, left = divmod(of_century, 4)
    sunday = (32 + 2 * rest + 2 * years - moon - left) % 7
    late = (golden + 11 * moon + 22 * sunday) // 451
    month, day = divmod(moon + sunday - 7 * late + 114, 31)
    return date(year, month, day + 1)


def is_business_day(day: date) -> bool:
    """Say whether banks settle euro payments on a day.

    >>> [is_business_day(date(2026, 4, day)) for day in (2, 3, 4, 5, 6, 7)]
    [True, False, False, False, False, True]
    """
    if day.weekday() >= SATURDAY or (day.month, day.day) in FIXED:
        return False
    return day - easter(day.year) not in {timedelta(days=-2), timedelta(days=1)}


def next_business_day(day: date) -> date:
    """Return the first business day after a day.

    >>> next_business_day(date(2026, 12, 24))
    datetime.date(2026, 12, 28)
    """
    day += timedelta(days=1)
    while not is_business_day(day):
        day += timedelta(days=1)
    return day


def local(now_us: int) -> datetime:
    """Return an instant (UTC microseconds) as the banks' local time."""
    return datetime.fromtimestamp(now_us / SECOND_US, UTC).astimezone(BERLIN)


def collection_day(now_us: int, cut_off: time) -> date:
    """Return the first day on which a file handed over now is collected: the next business day (D-1 of SEPA Core).

    After the bank's cut-off, or on a day on which it does not work, the file counts as handed over the next one.
    """
    now = local(now_us)
    handed_over = now.date()
    if not is_business_day(handed_over) or now.time() > cut_off:
        handed_over = next_business_day(handed_over)
    return next_business_day(handed_over)


def next_at(now_us: int, at: time) -> int:
    """Return the next instant after now, UTC microseconds, at which a business day's clock shows `at`."""
    now = local(now_us)
    day = now.date()
    while not is_business_day(day) or datetime.combine(day, at, BERLIN) <= now:
        day += timedelta(days=1)
    return round(datetime.combine(day, at, BERLIN).timestamp() * SECOND_US)


def months_later(day: date, months: int) -> date:
    """Return the same day some months on, or the last of that month.

    >>> months_later(date(2024, 2, 29), 36)
    datetime.date(2027, 2, 28)
    """
    year, month = divmod(day.month - 1 + months, 12)
    first = date(day.year + year, month + 1, 1)
    last = (first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    return first.replace(day=min(day.day, last.day))
