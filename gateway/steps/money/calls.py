"""What an exception of a provider means for the operation behind it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from payments.adapter import Outcome, Unknown
from payments.errors import InvalidRequest, OutcomeUnknown

Answer = TypeVar("Answer", bound=Outcome)


@dataclass(frozen=True, slots=True)
class Refused:
    """The provider found the request itself wrong and did nothing; no fault of the account or the permission."""

    code: str
    message: str


def call_provider(call: Callable[[], Answer], *, is_repeat: bool) -> Answer | Unknown | Refused:
    """Make one call and return its outcome; `is_repeat`: the same operation was sent before.

    NotSent, RateLimited and ConfigError pass through: nothing left this machine or the provider did nothing, and the
    worker tries the same operation again later under the same key. A first request refused for good did nothing; a
    repeat that is refused says nothing of the one before, which is looked up.
    """
    try:
        return call()
    except OutcomeUnknown as error:
        return Unknown(error.reason)
    except InvalidRequest as error:
        if is_repeat:
            return Unknown(f"the provider refused to hear it again: {error.code}: {error.detail}")
        return Refused(error.code, error.detail)
