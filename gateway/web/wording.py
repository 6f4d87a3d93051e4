"""How the pages say instants, amounts and money, in words a person reads; machines get ISO instants and minor units.

A day is written "Fri 27 Nov", a range with an en dash, money "18.90 €" with a no-break space, a percentage with a
narrow one. The names of days and months are spelled out here: nothing depends on the locale of the machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from payments.money import Money

NO_BREAK = "\u00a0"
NARROW_NO_BREAK = "\u202f"
EN_DASH = "\u2013"
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve")
LEAST_MINOR_EACH = 10
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

LARGER_UNITS = {"g": ("kg", 1000.0), "ml": ("l", 1000.0), "Wh": ("kWh", 1000.0)}
COUNTED_UNITS = {
    "piece": ("piece", "pieces"),
    "page": ("page", "pages"),
    "h": ("hour", "hours"),
    "d": ("day", "days"),
    "wash": ("wash", "washes"),
    "cup": ("cup", "cups"),
    "cycle": ("cycle", "cycles"),
}


def instant(at_us: int) -> datetime:
    """Return the instant as a datetime in UTC."""
    return EPOCH + timedelta(microseconds=at_us)


def from_datetime(at: datetime) -> int:
    """Return a datetime that knows its zone as UTC microseconds.

    >>> from_datetime(datetime(2026, 11, 24, 17, 5, tzinfo=UTC))
    1795539900000000
    """
    return (at - EPOCH) // timedelta(microseconds=1)


def iso(at_us: int) -> str:
    """Return the instant as machines read it.

    >>> iso(1_795_539_900_000_000)
    '2026-11-24T17:05:00Z'
    """
    at = instant(at_us)
    return at.isoformat(timespec="milliseconds" if at.microsecond else "seconds").replace("+00:00", "Z")


def money(amount_minor: int, currency: str, *, signed: bool = False) -> str:
    r"""Return an amount with its symbol; `signed` writes the plus too.

    >>> money(1890, "EUR")
    '18.90\xa0€'
    >>> money(-123456, "EUR"), money(90, "EUR", signed=True)
    ('−1,234.56\xa0€', '+0.90\xa0€')
    """
    return f"{'+' if signed and amount_minor > 0 else ''}{Money(amount_minor, currency)}"


def percent(value: float) -> str:
    """Return a whole percentage.

    >>> percent(24.4)
    '24\u202f%'
    """
    return f"{value:.0f}{NARROW_NO_BREAK}%"


def amount(quantity: float, unit: str, *, parts: bool = False) -> str:
    r"""Return a quantity in its unit, in the larger unit where that reads better; `parts` of a piece for a rate.

    >>> amount(240, "g"), amount(1500, "g"), amount(1.25, "l"), amount(1, "piece"), amount(67, "%")
    ('240\xa0g', '1.5\xa0kg', '1.3\xa0l', '1\xa0piece', '67\u202f%')
    >>> amount(0.4, "piece"), amount(0.4, "piece", parts=True)
    ('0\xa0pieces', '0.4\xa0pieces')
    """
    if unit == "%":
        return percent(quantity)
    if unit in LARGER_UNITS and abs(quantity) >= LARGER_UNITS[unit][1]:
        unit, by = LARGER_UNITS[unit]
        return f"{number(quantity / by)}{NO_BREAK}{unit}"
    if unit in COUNTED_UNITS:
        one, many = COUNTED_UNITS[unit]
        figure = number(quantity if parts else float(round(quantity)))
        return f"{figure}{NO_BREAK}{one if figure == '1' else many}"
    return f"{number(quantity)}{NO_BREAK}{unit}"


def unit_name(unit: str) -> str:
    """Return a unit as it stands beside a field: "pieces", "g".

    >>> unit_name("piece"), unit_name("g"), unit_name("h")
    ('pieces', 'g', 'hours')
    """
    return COUNTED_UNITS[unit][1] if unit in COUNTED_UNITS else unit


def amount_in(quantity: float, unit: str) -> str:
    r"""Return a quantity in exactly this unit, the one a person is asked to write in.

    >>> amount_in(1000, "g"), amount_in(1, "piece"), amount_in(12, "piece")
    ('1000\xa0g', '1\xa0piece', '12\xa0pieces')
    """
    name = COUNTED_UNITS[unit][0] if unit in COUNTED_UNITS and quantity == 1 else unit_name(unit)
    return f"{quantity:g}{NO_BREAK}{name}"


def unit_price(price_minor: int, size: float, unit: str, currency: str) -> str:
    r"""Return what one kg, l or piece of a pack costs, or 100 of them where one costs next to nothing.

    Empty for a share of a whole, and where 100 cost less than a minor unit.

    >>> unit_price(1773, 2500, "g", "EUR"), unit_price(239, 10, "piece", "EUR"), unit_price(6900, 100, "%", "EUR")
    ('7.09\xa0€/kg', '0.24\xa0€/piece', '')
    >>> unit_price(1250, 300, "l", "EUR"), unit_price(1490, 300, "l", "EUR")
    ('4.17\xa0€/100\xa0l', '4.97\xa0€/100\xa0l')
    """
    shown, by = LARGER_UNITS.get(unit, (COUNTED_UNITS[unit][0] if unit in COUNTED_UNITS else unit, 1.0))
    if unit == "%" or size <= 0:
        return ""
    if by * price_minor / size < LEAST_MINOR_EACH:  # two prices that differ would be said alike
        hundred = round(100 * by * price_minor / size)
        return f"{money(hundred, currency)}/100{NO_BREAK}{unit_name(shown)}" if hundred else ""
    return f"{money(round(by * price_minor / size), currency)}/{shown}"


def number(value: float) -> str:
    """Return a figure with as many decimals as matter at its size.

    >>> number(1.25), number(0.054), number(23.4), number(2.0), number(1234)
    ('1.3', '0.05', '23', '2', '1,234')
    """
    size = abs(value)
    # Halves away from zero, as people round: the format's own rounding goes to the even digit.
    digits = 0 if size >= 10 else 1 if size >= 1 else 2
    shown = f"{int(value * 10**digits + (0.5 if value >= 0 else -0.5)) / 10**digits:,.{digits}f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def plain(value: float) -> str:
    """Return a figure as a form shows it: no grouping, no exponent, no more decimals than the page says.

    >>> plain(2.952), plain(1e6), plain(0.5), plain(0), plain(0.054)
    ('3', '1000000', '0.5', '0', '0.05')
    """
    return number(value).replace(",", "")


def exactly(value: float) -> str:
    """Return what a person wrote, as a form shows it again: every decimal, no grouping, no exponent.

    >>> exactly(2.125), exactly(1e9), exactly(14.0)
    ('2.125', '1000000000', '14')
    """
    return f"{value:.6f}".rstrip("0").rstrip(".")


def count(how_many: int, one: str, many: str) -> str:
    """Return "One supply", "Two supplies", "13 supplies".

    >>> count(2, "supply", "supplies"), count(13, "supply", "supplies")
    ('Two supplies', '13 supplies')
    """
    figure = NUMBERS[how_many] if how_many < len(NUMBERS) else str(how_many)
    return f"{figure} {one if how_many == 1 else many}"


def listed(words: Sequence[str]) -> str:
    """Return "a", "a and b", "a, b and c".

    >>> listed(["milk", "eggs", "juice"])
    'milk, eggs and juice'
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def since(past_us: int, now_us: int) -> str:
    """Return how long ago something was.

    >>> since(0, 7_200_000_000), since(0, 180_000_000), since(0, 172_800_000_000), since(0, 5)
    ('2 hours ago', '3 min ago', '2 days ago', 'just now')
    """
    minutes = max(0, now_us - past_us) // 60_000_000
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{minutes} min ago"
    hours = minutes // 60
    if hours < 48:
        return "an hour ago" if hours == 1 else f"{hours} hours ago"
    return f"{hours // 24} days ago"


@dataclass(frozen=True, slots=True)
class Wording:
    """Dates and times as one household reads its clock."""

    time_zone: str
    _zone: ZoneInfo = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_zone", ZoneInfo(self.time_zone))

    def local(self, at_us: int) -> datetime:
        """Return the instant on the household's clock."""
        return instant(at_us).astimezone(self._zone)

    def date(self, at_us: int) -> date:
        """Return the household's calendar day of the instant."""
        return self.local(at_us).date()

    def day(self, at_us: int) -> str:
        """Return "Fri 27 Nov"."""
        day = self.date(at_us)
        return f"{DAYS[day.weekday()]} {day.day} {MONTHS[day.month - 1]}"

    def short_day(self, at_us: int) -> str:
        """Return "27 Nov"."""
        day = self.date(at_us)
        return f"{day.day} {MONTHS[day.month - 1]}"

    def clock(self, at_us: int) -> str:
        """Return "18:05"."""
        return f"{self.local(at_us):%H:%M}"

    def day_and_clock(self, at_us: int) -> str:
        """Return "Fri 27 Nov, 18:05"."""
        return f"{self.day(at_us)}, {self.clock(at_us)}"

    def when(self, at_us: int, now_us: int) -> str:
        """Return the clock for today, "Thu 10:00" within the week, else the day."""
        days = (self.date(at_us) - self.date(now_us)).days
        if days == 0:
            return self.clock(at_us)
        if -7 < days < 7:
            return f"{DAYS[self.date(at_us).weekday()]} {self.clock(at_us)}"
        return self.day(at_us)

    def days(self, from_us: int, to_us: int) -> str:
        """Return "Fri 27 Nov", "28–30 Nov" or "30 Nov – 2 Dec"."""
        first, last = self.date(from_us), self.date(to_us)
        if first == last:
            return self.day(from_us)
        if (first.year, first.month) == (last.year, last.month):
            return f"{first.day}{EN_DASH}{self.short_day(to_us)}"
        return f"{self.short_day(from_us)} {EN_DASH} {self.short_day(to_us)}"
