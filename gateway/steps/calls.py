"""What an exception of a provider means for the operation behind it."""

from collections.abc import Callable
from typing import TypeVar

from payments.adapter import Declined, DeclineKind, Outcome, Unknown
from payments.errors import InvalidRequest, OutcomeUnknown

Answer = TypeVar("Answer", bound=Outcome)


def call_provider(call: Callable[[], Answer]) -> Answer | Unknown | Declined:
    """Make one call and return its outcome.

    NotSent, RateLimited and ConfigError pass through: nothing left this machine or the provider did nothing, and the
    worker tries the same operation again later under the same key. A request refused for good is a decline.
    """
    try:
        return call()
    except OutcomeUnknown as error:
        return Unknown(error.reason)
    except InvalidRequest as error:
        return Declined(DeclineKind.HARD, error.code, error.detail)
