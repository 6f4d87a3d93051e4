"""What a person sees when something went wrong: the form again, or a page that says it and leads on."""

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from gateway.domain.errors import DomainError
from gateway.web import problems
from gateway.web.identity import session_cookie, signed_in
from gateway.web.pages.forms import Entries, Refused, page_of
from gateway.web.pages.rendering import answer, is_partial
from gateway.web.pages.visit import Visit
from gateway.web.problems import Problem
from gateway.web.services import web_services
from gateway.web.sessions import SignedIn

SHOWN_AGAIN = frozenset({409, 422, 503, 504})
"""What a form can be told: another entry or another moment may do."""


async def error_page(request: Request, problem: Problem) -> Response:
    """Return the page for a problem, with the frame of the house for whoever is signed in."""
    page = page_of(request)
    entries: dict[str, tuple[str, ...]] = {}
    if page is not None and problem.status in SHOWN_AGAIN:
        # The handler's own reading of the form is kept with the request: nothing is read twice.
        for name, value in (await request.form()).multi_items():
            if not isinstance(value, UploadFile):
                entries[name] = (*entries.get(name, ()), value)
    return await run_in_threadpool(_answer, request, problem, entries)


def _answer(request: Request, problem: Problem, entries: Entries) -> Response:
    # Where the fault is ours, nothing is asked of the database: it may be what fails.
    who = None if problem in {problems.OURS, problems.UNAVAILABLE} else signed_in(request)
    if who is not None:
        again = _form_again(request, problem, entries, who)
        return again if again is not None else _in_the_house(request, problem, who)
    known = session_cookie(request) is not None
    context = {**_words(problem), "known": known}
    return answer(request, "error.html", context, status=problem.status, headers=problems.headers_of(problem))


def _form_again(request: Request, problem: Problem, entries: Entries, who: SignedIn) -> Response | None:
    page = page_of(request)
    if page is None or problem.status not in SHOWN_AGAIN or is_partial(request):
        return None
    refused = Refused(request.url.path, entries, problem)
    try:
        response = page(Visit(request, web_services(request), who, refused))
    except DomainError:
        return None  # what the page is about is gone as well
    response.headers.update(problems.headers_of(problem))
    return response


def _in_the_house(request: Request, problem: Problem, who: SignedIn) -> Response:
    visit = Visit(request, web_services(request), who)
    response = visit.show("error_inside.html", _place(request), lambda _: _words(problem), status=problem.status)
    response.headers.update(problems.headers_of(problem))
    return response


def _words(problem: Problem) -> dict[str, object]:
    return {"problem": problem}


def _place(request: Request) -> str:
    """Return the part of the house an address belongs to, to be marked in the navigation."""
    head = request.url.path.strip("/").partition("/")[0]
    return {"carts": "orders", "payments": "orders"}.get(head, head)
