"""Signing in and out. A link is used up by its button, not by looking at it: mail scanners and previews only look."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from gateway.web.identity import enter, leave, local_path, sign_in_by_link, sign_in_by_password, signed_in
from gateway.web.pages.rendering import answer

router = APIRouter()


@router.get("/sign-in")
def sign_in_page(request: Request, next: str = "/") -> Response:  # noqa: A002 — the name in the address
    """The form; who is signed in already is led on."""
    if signed_in(request) is not None:
        return RedirectResponse(local_path(next), 303)
    return answer(request, "sign_in.html", {"problem": None, "next": local_path(next), "email": ""})


@router.post("/sign-in")
def sign_in(
    request: Request,
    email: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",  # noqa: A002 — the name in the form
) -> Response:
    """Sign in by password; what was wrong is not told apart."""
    token = sign_in_by_password(request, email, password)
    if token is not None:
        return enter(request, token, next)
    context = {"problem": "That e-mail and password do not belong together.", "next": local_path(next), "email": email}
    return answer(request, "sign_in.html", context, status=401)


@router.get("/sign-in/{token}")
def link_page(request: Request, token: str) -> Response:
    """One button; only pressing it uses the link up."""
    return answer(request, "sign_in_link.html", {"token": token, "used": False})


@router.post("/sign-in/{token}")
def use_link(request: Request, token: str) -> Response:
    """Sign in by link, once."""
    session_token = sign_in_by_link(request, token)
    if session_token is None:
        return answer(request, "sign_in_link.html", {"token": token, "used": True}, status=410)
    return enter(request, session_token)


@router.post("/sign-out")
def sign_out(request: Request) -> Response:
    """End this browser's session."""
    return leave(request)
