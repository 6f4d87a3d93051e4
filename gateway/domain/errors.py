"""What can go wrong in a rule.

DomainError
├── NotFound          the household has no such thing (or it is another household's)
├── NotAllowed        this member's role may not do that
├── Conflict          the thing has moved on: its state no longer permits the act
├── TooOften          it was done as often as it may be for now
└── Invalid           the wish itself is wrong: a quantity, a price, an empty name

Every exception carries its facts as attributes; the web turns them into problem+json in one place.
"""


class DomainError(Exception):
    """A rule said no; the message says what happened and what to do."""


class NotFound(DomainError):
    """The household has no such thing."""

    def __init__(self, what: str, subject_id: str) -> None:
        super().__init__(f"This household has no {what} {subject_id!r}.")
        self.what = what
        self.subject_id = subject_id


class NotAllowed(DomainError):
    """The member's role may not do that."""

    def __init__(self, act: str, needs: str) -> None:
        super().__init__(f"Only {needs} may {act}.")
        self.act = act
        self.needs = needs


class Conflict(DomainError):
    """The thing has moved on since the person looked at it."""

    def __init__(self, what: str, subject_id: str, state: str, act: str, *, hint: str = "") -> None:
        super().__init__(f"Cannot {act} this {what}: it is {state.replace('_', ' ')}." + (f" {hint}" if hint else ""))
        self.what = what
        self.subject_id = subject_id
        self.state = state
        self.act = act


class TooOften(DomainError):
    """It was done as often as it may be; `retry_after_s` seconds later it may be done again."""

    def __init__(self, act: str, most: str, retry_after_s: int) -> None:
        super().__init__(f"Cannot {act} again yet: at most {most}. Try again in {-(-retry_after_s // 60)} min.")
        self.act = act
        self.most = most
        self.retry_after_s = retry_after_s


class Invalid(DomainError):
    """The wish itself is wrong."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field
        self.why = why
