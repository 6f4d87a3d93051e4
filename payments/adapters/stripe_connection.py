"""Stripe's own SDK over the HTTP an adapter is given: it tells "nothing left" from "it may have arrived".

The SDK repeats nothing by itself (the gateway does, under the same key), sends no telemetry, and speaks one pinned
version of the API. Everything it raises is one of our errors when it leaves this file, but for a refusal of the card
or account, which is `CardError` and for the adapter to read.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

import stripe

from payments.context import AdapterContext
from payments.errors import ConfigError, InvalidRequest, OutcomeUnknown, RateLimited

API_VERSION = "2026-10-28.endive"
"""What the shapes in stripe_answers.py are written for; an account's own default changes nothing."""

API_URL = "https://api.stripe.com"
DEFAULT_TIMEOUT_S = 30.0
LONGEST_PAUSE_S = 3600.0

Answer = TypeVar("Answer")


class ContextHttpClient(stripe.HTTPClient):
    """The SDK's transport: one request, no retries, no telemetry, and our errors instead of its own."""

    name = "replenish"

    def __init__(self, context: AdapterContext, timeout_s: float) -> None:
        super().__init__()
        self._context = context
        self._timeout_s = timeout_s

    def request_with_retries(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        post_data: Any = None,  # noqa: ANN401 — the SDK says no more of it
        max_network_retries: int | None = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        """Send once; raises NotSent and OutcomeUnknown."""
        del max_network_retries, _usage
        content = post_data.encode() if isinstance(post_data, str) else post_data or b""
        plain = {name: value for name, value in headers.items() if name.lower() not in _NEVER_SENT}
        answer = self._context.http.request(
            method.upper(), url, headers=plain, content=content, timeout_s=self._timeout_s
        )
        try:
            return answer.body.decode(), answer.status, dict(answer.headers)
        except UnicodeDecodeError as error:
            raise OutcomeUnknown(f"Stripe's answer is no text: {error}") from error

    def close(self) -> None:
        """Nothing is open: the context's client is somebody else's."""


# They tell Stripe about the machine and not about the payment.
_NEVER_SENT = frozenset({"x-stripe-client-user-agent", "x-stripe-client-telemetry", "user-agent"})


def connect(context: AdapterContext) -> stripe.StripeClient:
    """Return the SDK's client for the settings and secrets of this adapter; raises ConfigError."""
    url = context.settings.get("url", API_URL).rstrip("/")
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in {"127.0.0.1", "::1", "localhost"}:
        raise ConfigError(f"the stripe adapter's setting url is {url!r}: a secret key is sent over https alone")
    try:
        timeout_s = float(context.settings.get("timeout_s", DEFAULT_TIMEOUT_S))
    except ValueError as error:
        raise ConfigError("the stripe adapter's setting timeout_s is a number of seconds") from error
    # The SDK keeps these for the whole process; it writes a file and names the machine unless they say otherwise.
    stripe.enable_telemetry = False
    # At its most talkative it logs whole answers, and with them secrets that would let a stranger confirm a payment.
    logging.getLogger("stripe").setLevel(logging.WARNING)
    return stripe.StripeClient(
        context.secret("api_key"),
        stripe_version=API_VERSION,
        base_addresses={"api": url},
        max_network_retries=0,
        http_client=ContextHttpClient(context, timeout_s),
    )


def asked(call: Callable[[], Answer]) -> Answer:
    """Make one call of the SDK.

    Raises NotSent, OutcomeUnknown, RateLimited, InvalidRequest and ConfigError; and stripe.CardError, for a refusal.
    """
    try:
        return call()
    except stripe.CardError:
        raise
    except stripe.RateLimitError as error:
        pause = (error.headers or {}).get("retry-after", "")
        raise RateLimited(min(float(pause), LONGEST_PAUSE_S) if pause.isdecimal() else 1.0) from None
    except stripe.IdempotencyError as error:
        raise InvalidRequest("key_reused", error.user_message or "the key was used for another request") from None
    except stripe.InvalidRequestError as error:
        raise InvalidRequest(error.code or "invalid_request", error.user_message or "no reason was given") from None
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        raise ConfigError(
            f"Stripe refuses our key ({error.http_status}): {error.code or 'no reason was given'}"
        ) from None
    except stripe.StripeError as error:
        if error.http_status == 409:
            # The first request under this key is still being answered, or another holds a lock: nothing was done.
            raise RateLimited(1.0) from None
        raise OutcomeUnknown(f"Stripe answered {error.http_status} with something we do not know") from None
