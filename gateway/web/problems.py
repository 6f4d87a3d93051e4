"""Errors become HTTP here and nowhere else: problem+json (RFC 9457) for programs, a page for people.

DomainError: NotFound 404, NotAllowed 403, Conflict 409, TooOften 429, Invalid 422. What a provider or shop could not
do: 422, 503 with Retry-After, or 504 while its outcome is looked up. Wrong requests: 400 to 422. All else is our fault:
500.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gateway.domain.errors import Conflict, DomainError, Invalid, NotAllowed, NotFound, TooOften
from gateway.steps.ports import MerchantError, MerchantNotSent, MerchantRefused, MerchantUnknown, StoreUnavailable
from gateway.web.headers import SECURITY_HEADERS
from payments.errors import InvalidRequest, MoneyError, NotSent, OutcomeUnknown, PaymentError, RateLimited

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 20
RETRY_LATER_S = 30


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong: `kind` is stable for programs, title and detail are for people; `errors`: (field, message)."""

    status: int
    kind: str
    title: str
    detail: str
    errors: tuple[tuple[str, str], ...] = ()
    retry_after_s: int | None = None
    state: str | None = None


class Unauthenticated(Exception):
    """Nobody is signed in, or no longer."""


class SignInNeeded(Exception):
    """A page was asked for by nobody; `next_path` is where to go on afterwards."""

    def __init__(self, next_path: str) -> None:
        super().__init__(next_path)
        self.next_path = next_path


class TooManyRequests(Exception):
    """Too often; `retry_after_s` seconds of patience."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class NoRoom(Exception):
    """Too much waits already; nothing was kept, and `retry_after_s` seconds later there may be room."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


SAID_OF = {
    "missing": "fill this in",
    "float_parsing": "write a number",
    "int_parsing": "write a whole number",
    "int_from_float": "write a whole number",
    "string_too_long": "at most {max_length} characters",
    "string_too_short": "at least {min_length} characters",
    "enum": "choose one of {expected}",
}
"""What pydantic's kinds of error mean to a person; a kind that is not here keeps its own message."""

OURS = Problem(500, "internal", "Something went wrong", "The fault is ours and has been noted.")

UNAVAILABLE = Problem(
    503, "unavailable", "Not just now", "The database cannot be used; nothing was changed.", retry_after_s=RETRY_LATER_S
)

ErrorPage = Callable[[Request, Problem], Awaitable[Response]]


def install(app: FastAPI, error_page: ErrorPage) -> None:
    """Let the application answer every error this way; `error_page` renders a problem for a person."""

    async def handle(request: Request, error: Exception) -> Response:
        if isinstance(error, SignInNeeded):
            return _to_sign_in(request, error)
        problem = problem_of(error)
        if problem.status == 500:
            log.error("request failed", path=_template_of(request), method=request.method, exc_info=error)
        response = await error_page(request, problem) if wants_page(request) else problem_response(request, problem)
        if problem.status == 500:
            # The outermost handler answers beyond the guard, which adds these to everything else.
            response.headers.update(SECURITY_HEADERS)
        return response

    for kind in (
        DomainError,
        PaymentError,
        MerchantError,
        StoreUnavailable,
        RequestValidationError,
        HTTPException,
        Unauthenticated,
        SignInNeeded,
        TooManyRequests,
        NoRoom,
        Exception,
    ):
        app.add_exception_handler(kind, handle)


def _template_of(request: Request) -> str:
    """Return the path as the route names it: what was really asked for may hold a link that signs somebody in."""
    return str(getattr(request.scope.get("route"), "path", "unknown"))


def problem_of(error: Exception) -> Problem:
    """Return what an error means to whoever asked."""
    match error:
        case DomainError():
            return _of_domain(error)
        case PaymentError() | MerchantError():
            return _of_partner(error)
        case RequestValidationError():
            return _of_validation(error)
        case StoreUnavailable():
            return UNAVAILABLE
        case Unauthenticated() | TooManyRequests() | NoRoom() | HTTPException():
            return _of_request(error)
        case _:
            return OURS


def problem_response(request: Request, problem: Problem) -> Response:
    """Return the problem as problem+json."""
    body: dict[str, object] = {
        "type": f"urn:replenish:problem:{problem.kind}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "instance": request.url.path,
    }
    if problem.errors:
        body["errors"] = [{"field": field, "message": message} for field, message in problem.errors]
    if problem.state is not None:
        body["state"] = problem.state
    return Response(json.dumps(body), problem.status, headers_of(problem), MEDIA_TYPE)


def headers_of(problem: Problem) -> dict[str, str]:
    """Return the headers that belong to a problem, in either form."""
    headers = {"Cache-Control": "no-store"}
    if problem.retry_after_s is not None:
        headers["Retry-After"] = str(problem.retry_after_s)
    if problem.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="replenish"'
    return headers


def wants_page(request: Request) -> bool:
    """Whether a person is asking: a browser, outside the API."""
    if request.url.path.startswith(("/api/", "/notices/")):
        return False
    return "text/html" in request.headers.get("accept", "") or request.headers.get("hx-request") == "true"


def _of_domain(error: DomainError) -> Problem:
    match error:
        case NotFound():
            return Problem(404, "not_found", "Not found", str(error))
        case NotAllowed():
            return Problem(403, "not_allowed", "Not allowed", str(error))
        case Conflict(state=state):
            return Problem(409, "conflict", "It has moved on", str(error), state=state)
        case TooOften(retry_after_s=seconds):
            return Problem(429, "too_many_requests", "Too often", str(error), retry_after_s=seconds)
        case Invalid(field=field, why=why):
            return Problem(422, "invalid", "Not possible", str(error), errors=((field, why),))
        case _:
            return Problem(422, "refused", "Not possible", str(error))


def _of_partner(error: PaymentError | MerchantError) -> Problem:
    match error:
        case NotSent() | MerchantNotSent():
            return Problem(
                503, "not_reached", "Not reached", "Nothing was sent. Try again.", retry_after_s=RETRY_LATER_S
            )
        case RateLimited(retry_after_s=seconds):
            wait = max(1, round(seconds))
            return Problem(503, "busy", "Busy", "The provider asks for patience; nothing was done.", retry_after_s=wait)
        case OutcomeUnknown() | MerchantUnknown():
            return Problem(504, "outcome_unknown", "No answer yet", "It may have been done; we are looking it up.")
        case InvalidRequest() | MerchantRefused():
            return Problem(422, "refused", "Refused", str(error))
        case MoneyError():
            return Problem(422, "invalid", "Not possible", str(error))
        case _:
            return OURS


def _of_validation(error: RequestValidationError) -> Problem:
    errors = tuple(
        (".".join(str(part) for part in one["loc"][1:]) or str(one["loc"][0]), _said_of(one))
        for one in error.errors()[:MAX_ERRORS]
    )
    return Problem(422, "invalid", "Not possible", "The request is not as documented.", errors=errors)


def _said_of(error: dict[str, Any]) -> str:
    """Return what is wrong with one entry, in words for whoever wrote it."""
    kind, facts = str(error["type"]), error.get("ctx", {})
    if kind == "string_too_short" and facts.get("min_length") == 1:
        kind = "missing"
    words = SAID_OF.get(kind)
    return str(error["msg"]) if words is None else words.format_map(facts)


def _of_request(error: Unauthenticated | TooManyRequests | NoRoom | HTTPException) -> Problem:
    if isinstance(error, Unauthenticated):
        return Problem(401, "unauthenticated", "Sign in", "Sign in, or send a bearer token that is valid.")
    if isinstance(error, TooManyRequests):
        wait = error.retry_after_s
        return Problem(429, "too_many_requests", "Too many tries", f"Try again in {wait} seconds.", retry_after_s=wait)
    if isinstance(error, NoRoom):
        detail = "Too much waits to be worked on; nothing was kept. Send it again later."
        return Problem(503, "no_room", "Busy", detail, retry_after_s=error.retry_after_s)
    known = {
        404: ("not_found", "Not found", "There is nothing at this address."),
        405: ("method_not_allowed", "Not possible here", "This address does not take that method."),
        413: ("too_large", "Too large", error.detail),
    }
    kind, title, detail = known.get(error.status_code, (f"http_{error.status_code}", "Not possible", error.detail))
    return Problem(error.status_code, kind, title, detail)


def _to_sign_in(request: Request, error: SignInNeeded) -> Response:
    address = "/sign-in" if error.next_path == "/" else f"/sign-in?next={quote(error.next_path)}"
    if request.headers.get("hx-request") == "true":
        return Response(status_code=401, headers={"HX-Redirect": address, "Cache-Control": "no-store"})
    return RedirectResponse(address, 303, headers={"Cache-Control": "no-store"})
