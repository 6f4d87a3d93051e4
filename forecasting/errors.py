"""What can go wrong when the forecasting room is called.

```
ForecastingError
└── InvalidInput               a caller's mistake: it names the field and the value
    ├── UnknownSupplyKind      no prior of that name
    ├── UnknownTimeZone        not a name of the IANA data base
    └── OutOfOrder             consumption that begins before what was already learned
```

What a device says wrongly is no error: it is a verdict on the reading. What cannot be forecast is an outcome
(`UnknownDepletion`, `NotEnoughHistory`, `DidNotConverge`).
"""


class ForecastingError(Exception):
    """Root of every error this room raises."""


class InvalidInput(ForecastingError, ValueError):
    """A value that no forecast can be made from. Carries `field` and `value`."""

    def __init__(self, field: str, value: object, expected: str) -> None:
        super().__init__(f"{field} is {value!r}; expected {expected}.")
        self.field = field
        self.value = value
        self.expected = expected


class UnknownSupplyKind(InvalidInput):
    """No prior is known under this name of a kind of supply."""

    def __init__(self, kind: str, known: tuple[str, ...]) -> None:
        super().__init__("kind", kind, f"one of {', '.join(known)}")
        self.known = known


class UnknownTimeZone(InvalidInput):
    """The name is not in the IANA time zone data base."""

    def __init__(self, zone: str) -> None:
        super().__init__("zone", zone, "an IANA time zone such as Europe/Berlin")


class OutOfOrder(InvalidInput):
    """Consumption was handed over that begins before the state's own end. Carries both instants."""

    def __init__(self, from_us: int, until_us: int) -> None:
        super().__init__("from_us", from_us, f"an instant not before {until_us}, up to which consumption is known")
        self.from_us = from_us
        self.until_us = until_us
