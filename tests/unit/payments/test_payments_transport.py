from collections.abc import Iterator

import httpx
import pytest

from payments.errors import NotSent, OutcomeUnknown
from payments.transport import MAX_BODY_BYTES, Answer, HttpxClient


class Wire(httpx.BaseTransport):
    """A wire with one fate."""

    def __init__(self, fate: httpx.Response | Exception) -> None:
        self.fate = fate

    def handle_request(self, request: httpx.Request) -> httpx.Response:  # noqa: ARG002 — the parent names it
        if isinstance(self.fate, Exception):
            raise self.fate
        return self.fate


class Flood(httpx.SyncByteStream):
    def __iter__(self) -> Iterator[bytes]:
        for _ in range(MAX_BODY_BYTES // 65_536 + 1):
            yield b"x" * 65_536


class BrokenOff(httpx.SyncByteStream):
    def __iter__(self) -> Iterator[bytes]:
        yield b"{"
        raise httpx.ReadError("connection reset")


def send(fate: httpx.Response | Exception, url: str = "http://bank.test/x", timeout_s: float = 5.0) -> Answer:
    with httpx.Client(transport=Wire(fate)) as client:
        return HttpxClient(client).request("POST", url, headers={"A": "b"}, content=b"{}", timeout_s=timeout_s)


def test_an_answer_of_any_status_is_an_answer() -> None:
    for status in (200, 302, 404, 500):
        answer = send(httpx.Response(status, headers={"Retry-After": "7", "Location": "/y"}, content=b"ok"))
        assert (answer.status, answer.headers["retry-after"], answer.body) == (status, "7", b"ok")


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("refused"), httpx.ConnectTimeout("slow"), httpx.PoolTimeout("busy")]
)
def test_before_the_connection_stands_nothing_was_sent(error: Exception) -> None:
    with pytest.raises(NotSent):
        send(error)


def test_an_address_that_is_none_is_never_sent_to() -> None:
    for url in ("bank.test/x", "ftp://bank.test", "http://"):
        with httpx.Client() as client, pytest.raises(NotSent):
            HttpxClient(client).request("GET", url, headers={}, timeout_s=1.0)


@pytest.mark.parametrize(
    "fate",
    [
        httpx.ReadTimeout("silent"),
        httpx.WriteTimeout("stuck"),
        httpx.ReadError("reset"),
        httpx.WriteError("reset"),
        httpx.RemoteProtocolError("closed"),
        httpx.ProxyError("a proxy may have passed it on"),
        httpx.Response(200, stream=BrokenOff()),
        httpx.Response(200, stream=Flood()),
        httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(b"not gzip")),
    ],
)
def test_whatever_happens_once_it_may_have_left_is_unknown(fate: httpx.Response | Exception) -> None:
    with pytest.raises(OutcomeUnknown):
        send(fate)


def test_an_answer_that_trickles_beyond_the_deadline_is_unknown() -> None:
    with pytest.raises(OutcomeUnknown, match="longer than"):
        send(httpx.Response(200, content=b"late"), timeout_s=0.0)
