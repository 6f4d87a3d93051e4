"""Settings: the people of the household, where one is signed in, the password, the theme, tokens for programs."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from gateway.domain.access import ApiToken, Session
from gateway.domain.household import Role
from gateway.steps.acts.household import add_member, change_role, rename_household
from gateway.steps.ports import Transaction
from gateway.web import identity, sessions
from gateway.web.identity import MIN_PASSWORD_CHARACTERS, local_path
from gateway.web.pages.forms import shown_on
from gateway.web.pages.rendering import answer
from gateway.web.pages.visit import Visit, Visiting, back
from gateway.web.theme import THEMES
from gateway.web.views import member_rows
from gateway.web.wording import since

YEAR_S = 365 * 86_400
MAX_TOKEN_NAME = 60
BROWSERS = ("Firefox", "Edg", "Chrome", "Safari")
SYSTEMS = {
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Windows": "Windows",
    "Mac OS": "a Mac",
    "Linux": "Linux",
}

router = APIRouter()


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One browser that is signed in."""

    id: str
    name: str
    used: str
    current: bool


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One program's token."""

    id: str
    name: str
    made: str


@router.get("/settings")
def settings_page(visiting: Visiting) -> Response:
    """The household and one's own access."""
    return visiting.show("settings.html", "settings", lambda tx: _context(visiting, tx))


def _context(visiting: Visit, tx: Transaction, **more: str) -> dict[str, Any]:
    member, wall_us = visiting.member, visiting.wall_us
    current = visiting.who.session
    return {
        "members": member_rows(tx, visiting.household_id, member),
        "sessions": [
            _session_row(session, current, wall_us) for session in sessions.open_sessions(tx, member, wall_us=wall_us)
        ],
        "tokens": [_token_row(token, wall_us) for token in sessions.api_tokens(tx, member)],
        "has_password": member.password_hash is not None,
        "least_password": MIN_PASSWORD_CHARACTERS,
        "email": member.email,
        "new_token": None,
        "sign_in_link": None,
        **more,
    }


def _session_row(session: Session, current: Session | None, wall_us: int) -> SessionRow:
    is_current = current is not None and session.id == current.id
    return SessionRow(session.id, browser_name(session.user_agent), since(session.seen_wall_us, wall_us), is_current)


def _token_row(token: ApiToken, wall_us: int) -> TokenRow:
    return TokenRow(token.id, token.name, since(token.created_wall_us, wall_us))


def browser_name(user_agent: str) -> str:
    """Return what a person calls a browser.

    >>> browser_name("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
    'Firefox on Linux'
    """
    browser = next((name for name in BROWSERS if f"{name}/" in user_agent), "A browser")
    system = next((words for mark, words in SYSTEMS.items() if mark in user_agent), "")
    browser = "Edge" if browser == "Edg" else browser
    return f"{browser} on {system}" if system else browser


@router.post("/theme")
def set_theme(request: Request, theme: Annotated[str, Form()]) -> Response:
    """Remember light, dark or as the device has it, in this browser; nobody needs to be signed in."""
    path = request.headers.get("referer", "/").removeprefix(str(request.base_url).rstrip("/"))
    response = RedirectResponse(local_path(path), 303)
    if theme in THEMES:
        response.set_cookie("theme", theme, max_age=YEAR_S, samesite="lax", httponly=True)
    return response


@router.post("/settings/household")
@shown_on(settings_page)
def rename(visiting: Visiting, name: Annotated[str, Form(max_length=80)]) -> Response:
    """Give the household another name."""
    visiting.change(lambda tx: rename_household(tx, visiting.member, name))
    return back("/settings", "household")


@router.post("/settings/members")
@shown_on(settings_page)
def add_person(
    visiting: Visiting,
    name: Annotated[str, Form(max_length=80)],
    email: Annotated[str, Form(max_length=254)],
    role: Annotated[Role, Form()],
) -> Response:
    """Add a person, and show the link that signs them in, this once."""
    with visiting.web.unit_of_work.begin() as tx:
        added = add_member(tx, visiting.member, name=name, email=email, role=role, now_us=visiting.now_us)
        token = sessions.issue_link(tx, added, wall_us=visiting.wall_us)
        link = f"{visiting.web.base_url}/sign-in/{token}"
        context = {**visiting.frame(tx, "settings"), **_context(visiting, tx, sign_in_link=link, invited=added.name)}
    return answer(visiting.request, "settings.html", context, status=201)


@router.post("/settings/members/{member_id}/role")
@shown_on(settings_page)
def give_role(visiting: Visiting, member_id: str, role: Annotated[Role, Form()]) -> Response:
    """Let a person do more or less."""
    visiting.change(lambda tx: change_role(tx, visiting.member, member_id, role))
    return back("/settings", "role")


@router.post("/settings/password")
@shown_on(settings_page)
def set_password(
    visiting: Visiting,
    password: Annotated[str, Form(max_length=200)],
    present: Annotated[str, Form(max_length=200)] = "",
    end_tokens: Annotated[str, Form()] = "",
) -> Response:
    """Set or change one's own password; who has one must know it. Other browsers and unused links end by it."""
    ends_tokens = end_tokens == "yes"
    identity.set_password(visiting.request, visiting.who, password, present=present, end_tokens=ends_tokens)
    return back("/settings", "password-tokens" if ends_tokens else "password")


@router.post("/settings/sessions/{session_id}/revoke")
@shown_on(settings_page)
def end_session(visiting: Visiting, session_id: str) -> Response:
    """Sign out another browser."""
    visiting.change(lambda tx: sessions.end_session(tx, visiting.member, session_id, wall_us=visiting.wall_us))
    return back("/settings", "session")


@router.post("/settings/tokens")
@shown_on(settings_page)
def make_token(visiting: Visiting, name: Annotated[str, Form(min_length=1, max_length=MAX_TOKEN_NAME)]) -> Response:
    """Make a token for a program and show it, this once."""
    with visiting.web.unit_of_work.begin() as tx:
        token = sessions.issue_api_token(tx, visiting.member, name=name.strip() or "Program", wall_us=visiting.wall_us)
        context = {**visiting.frame(tx, "settings"), **_context(visiting, tx, new_token=token)}
    return answer(visiting.request, "settings.html", context, status=201)


@router.post("/settings/tokens/{token_id}/revoke")
@shown_on(settings_page)
def end_token(visiting: Visiting, token_id: str) -> Response:
    """Let a program in no longer."""
    visiting.change(lambda tx: sessions.revoke_api_token(tx, visiting.member, token_id, wall_us=visiting.wall_us))
    return back("/settings", "token")
