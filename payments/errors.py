"""What may go wrong with money, sorted by what may be done next. A decline is an outcome (adapter.py), not an error.

PaymentError
├── NotSent             nothing left this machine: send the same operation again, same key
├── OutcomeUnknown      it may have taken effect: sync; never a new key. Adapters return it as the outcome Unknown
├── RateLimited         the provider did nothing: send the same operation again after retry_after_s, same key
├── InvalidRequest      the provider refused for good and did nothing: the request is wrong, a person looks
├── ConfigError         the operator must act: a missing secret, a refused key, a wrong address
│   └── UnknownAdapter  no installed package offers an adapter of that name
├── NoticeRejected      not proven to come from the provider: answer 4xx, act on nothing
├── MoneyError          our own arithmetic is wrong
│   ├── CurrencyMismatch
│   ├── UnknownCurrency
│   └── NotAnAmount
├── SettlementMismatch  a pay-out that does not add up: nothing of it is booked, the operator asks the provider
└── LedgerError         a journal that may not be written
    └── Unbalanced
"""

NOTHING_HELD = "nothing_held"
"""The code of an InvalidRequest that refuses a void because nothing is left of the hold; no other void is taken so."""
NO_SUCH_MANDATE = "no_such_mandate"
"""The code of an InvalidRequest that refuses a mandate the provider does not know: to revoke it is what was wanted."""


class PaymentError(Exception):
    """Everything this room raises on purpose."""


class NotSent(PaymentError):
    """Nothing left this machine; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"not sent: {reason}")
        self.reason = reason


class OutcomeUnknown(PaymentError):
    """The request may have arrived and taken effect; no usable answer came back."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"outcome unknown: {reason}")
        self.reason = reason


class RateLimited(PaymentError):
    """The provider asks for patience of `retry_after_s` seconds and did nothing."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"rate limited: again in {retry_after_s:g} s")
        self.retry_after_s = retry_after_s


class InvalidRequest(PaymentError):
    """The provider refused the request for good; `code` is short and stable, `detail` is for a person."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class ConfigError(PaymentError):
    """The installation is wrong; the message says what the operator must do."""


class UnknownAdapter(ConfigError):
    """No installed package offers a payment adapter called `name`; `known` are the names there are."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"no payment adapter is called {name!r}; installed: {', '.join(known) or 'none'}")
        self.name = name
        self.known = known


class NoticeRejected(PaymentError):
    """A notice that is not proven to come from the provider; nothing may be done because of it."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"notice rejected: {reason}")
        self.reason = reason


class MoneyError(PaymentError):
    """Our own arithmetic is wrong."""


class CurrencyMismatch(MoneyError):
    """Two amounts of different currencies met; there is no rate in this room."""

    def __init__(self, left: str, right: str) -> None:
        super().__init__(f"{left} and {right} cannot be reckoned together")
        self.left = left
        self.right = right


class UnknownCurrency(MoneyError):
    """`code` is not an ISO 4217 currency that has minor units."""

    def __init__(self, code: object) -> None:
        super().__init__(f"{code!r} is not an ISO 4217 currency with minor units")
        self.code = code


class NotAnAmount(MoneyError):
    """`value` cannot be an amount: a float, too large, too many decimals, not a number."""

    def __init__(self, value: object, reason: str) -> None:
        super().__init__(f"{value!r} is not an amount: {reason}")
        self.value = value
        self.reason = reason


class SettlementMismatch(PaymentError):
    """The pay-out `provider_ref` says one thing in its lines and another in its sums; `detail` says which."""

    def __init__(self, provider_ref: str, detail: str) -> None:
        super().__init__(f"pay-out {provider_ref} does not add up: {detail}")
        self.provider_ref = provider_ref
        self.detail = detail


class LedgerError(PaymentError):
    """A journal that may not be written."""


class Unbalanced(LedgerError):
    """The postings of a journal do not sum to zero; `sums` maps each currency to what is left over, in minor units."""

    def __init__(self, sums: dict[str, int]) -> None:
        super().__init__(f"postings do not sum to zero: {sums}")
        self.sums = sums
