"""What stands before every handler: the Host header, other origins, sizes, rates, and what a browser may load.

CSRF is refused by Fetch Metadata and Origin, without tokens: every browser since 2020 sends one of them with a POST.
A request with an Authorization header is not ambient (no other site can make a browser send it) and needs no check.
"""

import math
from collections import OrderedDict
from collections.abc import Iterable
from threading import Lock
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.web.headers import SECURITY_HEADERS
from gateway.web.problems import Problem, problem_response

log = structlog.get_logger(__name__)

MAX_BODY_BYTES = 65_536
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})
PROBES = frozenset({"/healthz", "/readyz"})
NOTICES = "/notices/"
SESSION_COOKIES = ("__Host-replenish", "replenish")


def cookie_name(*, secure: bool) -> str:
    """Return the session cookie's name: the prefix binds it to this host and to TLS."""
    return SESSION_COOKIES[0] if secure else SESSION_COOKIES[1]


def set_session_cookie(response: Response, token: str, *, secure: bool, max_age_s: int) -> None:
    """Give the browser its session."""
    response.set_cookie(
        cookie_name(secure=secure), token, max_age=max_age_s, path="/", secure=secure, httponly=True, samesite="lax"
    )


def clear_session_cookie(response: Response, *, secure: bool) -> None:
    """Take the browser's session away."""
    response.delete_cookie(cookie_name(secure=secure), path="/", secure=secure, httponly=True, samesite="lax")


class RateLimiter:
    """At most `limit` acts per key in any `per_us`; remembers at most `max_keys`, the least recent forgotten first."""

    def __init__(self, *, limit: int, per_us: int, max_keys: int = 10_000) -> None:
        self._limit = limit
        self._per_us = per_us
        self._max_keys = max_keys
        self._acts: OrderedDict[str, list[int]] = OrderedDict()
        self._lock = Lock()

    def retry_after_s(self, key: str, wall_us: int) -> int | None:
        """Count one act; return None when it may go ahead, else the seconds to wait."""
        with self._lock:
            recent = [at_us for at_us in self._acts.pop(key, []) if at_us > wall_us - self._per_us]
            allowed = len(recent) < self._limit
            if allowed:
                recent.append(wall_us)
            self._acts[key] = recent
            while len(self._acts) > self._max_keys:
                self._acts.popitem(last=False)
        return None if allowed else max(1, math.ceil((recent[0] + self._per_us - wall_us) / 1_000_000))


class Guard:
    """ASGI middleware: refuses what may not come in and adds the headers that say what a browser may do."""

    def __init__(self, app: ASGIApp, *, base_url: str, secure: bool) -> None:
        self._app = app
        self._secure = secure
        host = urlsplit(base_url).hostname or ""
        self._hosts = LOOPBACK_HOSTS if host in LOOPBACK_HOSTS else frozenset({host})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or refuse one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add_headers(MutableHeaders(scope=message), scope["path"])
            await send(message)

        request = Request(scope)
        refusal = self._refusal(request)
        if refusal is TOO_LARGE:
            say_too_large(request, request.headers["content-length"][:20])
        if refusal is not None:
            await problem_response(request, refusal)(scope, receive, send_with_headers)
            return
        await self._app(scope, _LimitedBody(request, receive), send_with_headers)

    def _refusal(self, request: Request) -> Problem | None:
        path, headers = request.url.path, request.headers
        if path not in PROBES and host_name(headers.get("host", "")) not in self._hosts:
            return Problem(421, "misdirected", "Wrong address", "This gateway does not answer to that Host header.")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            return TOO_LARGE
        ambient = request.method not in SAFE_METHODS and not path.startswith(NOTICES)
        if ambient and "authorization" not in headers and not same_origin(headers, request.cookies):
            return Problem(
                403,
                "cross_origin",
                "Refused",
                "The request did not come from this site's own pages. Programs use a bearer token.",
            )
        return None

    def _add_headers(self, headers: MutableHeaders, path: str) -> None:
        for name, value in SECURITY_HEADERS.items():
            headers.setdefault(name, value)
        if not path.startswith("/static/"):
            headers.setdefault("Cache-Control", "no-store")
        if self._secure:
            headers["Strict-Transport-Security"] = "max-age=31536000"


TOO_LARGE = Problem(413, "too_large", "Too large", f"A request's body may have at most {MAX_BODY_BYTES} bytes.")


def say_too_large(request: Request, size: str) -> None:
    """Tell the operator what was turned away unread, and from whom: a provider that sends such notices is not heard."""
    address = request.client.host if request.client else "unknown"
    log.warning("a request too large was refused", path=request.url.path[:200], address=address, bytes=size)


class _LimitedBody:
    """Counts what is read of a body that did not say how long it is."""

    def __init__(self, request: Request, receive: Receive) -> None:
        self._request = request
        self._receive = receive
        self._read = 0

    async def __call__(self) -> Message:
        message = await self._receive()
        self._read += len(message.get("body", b""))
        if self._read > MAX_BODY_BYTES:
            say_too_large(self._request, f"{self._read} or more")
            raise HTTPException(TOO_LARGE.status, TOO_LARGE.detail)
        return message


def same_origin(headers: Headers, cookies: Iterable[str]) -> bool:
    """Whether an unsafe request came from our own pages, or from a program that carries no session."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = headers.get("origin")
    if origin is not None:
        return urlsplit(origin).netloc == headers.get("host")
    return not any(name in cookies for name in SESSION_COOKIES)


def host_name(host: str) -> str:
    """Return a Host header without its port.

    >>> host_name("home.example:8443"), host_name("[::1]:8000"), host_name("localhost")
    ('home.example', '[::1]', 'localhost')
    """
    if host.startswith("["):
        return host[: host.find("]") + 1]
    return host.partition(":")[0].lower()
