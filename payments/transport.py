"""The HttpClient that adapters are given, on httpx: it tells "nothing left" from "it may have arrived"."""

from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic

import httpx

from payments.errors import NotSent, OutcomeUnknown

MAX_BODY_BYTES = 8 * 1024 * 1024

# All of these come before the first byte of a request is written; whatever is not listed may have come after it.
_NOTHING_LEFT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
    httpx.InvalidURL,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, whatever its status; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpxClient:
    """Uses a client that somebody else makes and closes; safe to use from several threads."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def request(
        self, method: str, url: str, *, headers: Mapping[str, str], content: bytes = b"", timeout_s: float
    ) -> Answer:
        """Send once, without redirects; the whole answer must come within `timeout_s`, at most 8 MiB of it."""
        deadline = monotonic() + timeout_s
        try:
            with self._client.stream(
                method, url, headers=dict(headers), content=content, timeout=timeout_s, follow_redirects=False
            ) as response:
                body = bytearray()
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > MAX_BODY_BYTES:
                        raise OutcomeUnknown(f"the answer is larger than {MAX_BODY_BYTES} bytes")
                    # httpx bounds each read, not their number.
                    if monotonic() > deadline:
                        raise OutcomeUnknown(f"the answer took longer than {timeout_s:g} s")
                return Answer(response.status_code, dict(response.headers), bytes(body))
        except _NOTHING_LEFT as error:
            raise NotSent(_said(error)) from error
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise OutcomeUnknown(_said(error)) from error


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")
