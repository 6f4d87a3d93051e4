"""What a person writes in a form, as the rules want it."""

from gateway.domain.errors import Invalid
from payments.errors import MoneyError
from payments.money import Money


def amount_of(text: str, currency: str) -> int:
    """Return an amount as people write it ("18.90" or "18,90") in minor units; raises Invalid.

    >>> amount_of(" 18,9 ", "EUR")
    1890
    """
    try:
        return Money.parse(text.strip().replace(",", "."), currency).amount_minor
    except MoneyError:
        raise Invalid("amount", "write it as 18.90") from None


def written(amount_minor: int, currency: str) -> str:
    """Return an amount as a form shows it.

    >>> written(1890, "EUR")
    '18.90'
    """
    return Money(amount_minor, currency).format()
