r"""An amount of money: integer minor units and its currency, always together.

>>> Money.parse("18.90", "EUR") + Money(110, "EUR")
Money(amount_minor=2000, currency='EUR')
>>> str(Money(1890, "EUR")), str(Money(-123456, "CHF")), str(Money(500, "JPY"))
('18.90\xa0€', '−1,234.56\xa0CHF', '500\xa0¥')
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from babel.numbers import get_currency_symbol
from iso4217 import Currency

from payments.errors import CurrencyMismatch, NotAnAmount, UnknownCurrency

LARGEST_MINOR = 10**15
"""Larger than any household's bill, and still exact in SQLite, PostgreSQL, JSON and JavaScript."""

_NO_BREAK = "\u00a0"
_MINUS = "\u2212"
_MACHINE_AMOUNT = re.compile(r"(?P<sign>-?)(?P<whole>[0-9]{1,16})(?:\.(?P<part>[0-9]{1,4}))?")


@cache
def exponent(currency: str) -> int:
    """How many decimals the minor unit has: EUR 2, JPY 0, BHD 3 (ISO 4217). Raises UnknownCurrency."""
    try:
        digits = Currency(currency).exponent
    except ValueError:
        digits = None
    # Metals and test codes have no minor unit; lower case would make two names for one currency.
    if not isinstance(digits, int) or not currency.isupper():
        raise UnknownCurrency(currency)
    return digits


@cache
def _symbol(currency: str) -> str:
    return str(get_currency_symbol(currency, locale="en"))


@dataclass(frozen=True, slots=True)
class Money:
    """`amount_minor` in the currency's minor unit (cents for EUR); negative means the other direction."""

    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        _require_integer(self.amount_minor)
        if abs(self.amount_minor) > LARGEST_MINOR:
            raise NotAnAmount(self.amount_minor, f"beyond {LARGEST_MINOR} minor units")
        if not isinstance(self.currency, str):
            raise UnknownCurrency(self.currency)
        exponent(self.currency)

    @classmethod
    def zero(cls, currency: str) -> "Money":
        """Nothing, in a currency."""
        return cls(0, currency)

    @classmethod
    def total(cls, amounts: Iterable["Money"], currency: str) -> "Money":
        """The sum of amounts that must all be in `currency`; of none, zero."""
        result = cls.zero(currency)
        for amount in amounts:
            result += amount
        return result

    @classmethod
    def parse(cls, text: str, currency: str) -> "Money":
        """Read a machine's decimal, "18.90" or "-3": a point, no grouping, no more decimals than the currency has."""
        digits = exponent(currency)
        match = _MACHINE_AMOUNT.fullmatch(text)
        if match is None:
            raise NotAnAmount(text, "write it as 18.90")
        part = match["part"] or ""
        if len(part) > digits:
            raise NotAnAmount(text, f"{currency} has {digits} decimals")
        minor = int(match["whole"] + part.ljust(digits, "0"))
        return cls(-minor if match["sign"] else minor, currency)

    def format(self) -> str:
        """Write the machine's decimal that `parse` reads, with every decimal of the currency: "18.90"."""
        digits = exponent(self.currency)
        sign = "-" if self.amount_minor < 0 else ""
        text = str(abs(self.amount_minor)).rjust(digits + 1, "0")
        return f"{sign}{text[:-digits]}.{text[-digits:]}" if digits else sign + text

    def __str__(self) -> str:
        """Write the amount as people read it, the one way it is said on pages, in messages and by commands."""
        whole, point, part = Money(abs(self.amount_minor), self.currency).format().partition(".")
        sign = _MINUS if self.amount_minor < 0 else ""
        return f"{sign}{int(whole):,}{point}{part}{_NO_BREAK}{_symbol(self.currency)}"

    def __bool__(self) -> bool:
        return self.amount_minor != 0

    def __add__(self, other: "Money") -> "Money":
        return Money(self.amount_minor + self._same(other), self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.amount_minor - self._same(other), self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.amount_minor, self.currency)

    def __mul__(self, count: int) -> "Money":
        return Money(self.amount_minor * _require_integer(count), self.currency)

    __rmul__ = __mul__

    def __lt__(self, other: "Money") -> bool:
        return self.amount_minor < self._same(other)

    def __le__(self, other: "Money") -> bool:
        return self.amount_minor <= self._same(other)

    def __gt__(self, other: "Money") -> bool:
        return self.amount_minor > self._same(other)

    def __ge__(self, other: "Money") -> bool:
        return self.amount_minor >= self._same(other)

    def _same(self, other: "Money") -> int:
        if not isinstance(other, Money):
            raise NotAnAmount(other, "an amount needs its currency")
        if other.currency != self.currency:
            raise CurrencyMismatch(self.currency, other.currency)
        return other.amount_minor


def _require_integer(value: object) -> int:
    # True is an int to Python and nobody's amount.
    if isinstance(value, bool) or not isinstance(value, int):
        raise NotAnAmount(value, "whole numbers only")
    return value
