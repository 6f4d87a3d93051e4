"""Amounts as Stripe counts them, which is not always in the minor unit of ISO 4217.

Source: https://docs.stripe.com/currencies (presentment currencies, zero-decimal, three-decimal and special cases).

>>> to_stripe(Money(1890, "EUR")), to_stripe(Money(500, "JPY")), to_stripe(Money(900, "ISK"))
((1890, 'eur'), (500, 'jpy'), (90000, 'isk'))
>>> from_stripe(90000, "isk")
Money(amount_minor=900, currency='ISK')
"""

from payments.errors import InvalidRequest, NotAnAmount
from payments.money import Money, exponent

ZERO_DECIMAL = frozenset("BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF".split())  # noqa: SIM905 — so many codes read better as words
# ISK and UGX have no decimals, and are counted in hundredths all the same, which must be whole.
THREE_DECIMAL = frozenset(["BHD", "JOD", "KWD", "OMR", "TND"])
_TWO_DECIMAL = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF CNY COP CRC CVE "
    "CZK DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR ISK JMD KES KGS KHR KYD "
    "KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP "
    "PKR PLN QAR RON RSD SAR SBD SCR SEK SGD SHP SLE SOS SRD SZL THB TJS TOP TRY TTD TWD TZS UAH UGX USD UYU UZS WST "
    "XCD YER ZAR ZMW"
)
CURRENCIES = ZERO_DECIMAL | THREE_DECIMAL | frozenset(_TWO_DECIMAL.split())


def to_stripe(amount: Money) -> tuple[int, str]:
    """Return the integer and the currency code Stripe wants; raises InvalidRequest for what it cannot be asked for."""
    if amount.currency not in CURRENCIES:
        raise InvalidRequest("currency_not_done", f"Stripe does not do {amount.currency}")
    if amount.amount_minor <= 0:
        raise InvalidRequest("not_positive", f"{amount} is not an amount to move")
    more = _decimals(amount.currency) - exponent(amount.currency)
    minor, rest = (amount.amount_minor * 10**more, 0) if more >= 0 else divmod(amount.amount_minor, 10**-more)
    if rest:
        raise InvalidRequest("too_fine", f"Stripe has no decimals in {amount.currency}, {amount} has")
    if amount.currency in THREE_DECIMAL and minor % 10:
        raise InvalidRequest("too_fine", f"Stripe's amounts in {amount.currency} end in a zero, {amount} does not")
    return minor, amount.currency.lower()


def from_stripe(minor: int, code: str) -> Money:
    """Return Stripe's integer as money; raises MoneyError for a currency or a fraction that nobody has."""
    currency = code.upper()
    less = _decimals(currency) - exponent(currency)
    whole, rest = divmod(minor, 10**less) if less >= 0 else (minor * 10**-less, 0)
    if rest:
        raise NotAnAmount(minor, f"{currency} has no such fraction")
    return Money(whole, currency)


def _decimals(currency: str) -> int:
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2
