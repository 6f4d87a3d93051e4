"""From a request to the member who asks, and the acts of signing in and out."""

from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.security import HTTPBearer

from gateway.domain.errors import Invalid
from gateway.domain.household import Member
from gateway.domain.replenishment import MINUTE_US, SECOND_US
from gateway.steps.ports import Transaction
from gateway.web import sessions
from gateway.web.problems import SignInNeeded, TooManyRequests, Unauthenticated
from gateway.web.security import RateLimiter, clear_session_cookie, cookie_name, set_session_cookie
from gateway.web.services import web_services
from gateway.web.sessions import MAX_PASSWORD_CHARACTERS, SESSION_LIFE_US, Passwords, SignedIn

MAX_EMAIL_CHARACTERS = 254
MIN_PASSWORD_CHARACTERS = 10

# Only so that the API's description names the scheme; the check itself is ours.
bearer = HTTPBearer(auto_error=False, description="A member's token, shown once when it is made.")


class Gate:
    """What signing in needs between requests: the password hasher and the counts of tries."""

    def __init__(self) -> None:
        self.passwords = Passwords()
        self.tries_by_email = RateLimiter(limit=10, per_us=5 * MINUTE_US)
        self.tries_by_address = RateLimiter(limit=40, per_us=5 * MINUTE_US)
        self.exports_by_household = RateLimiter(limit=6, per_us=60 * MINUTE_US)
        self.notices_by_address = RateLimiter(limit=240, per_us=MINUTE_US)


def gate_of(request: Request) -> Gate:
    """Return the application's gate."""
    gate = request.app.state.gate
    assert isinstance(gate, Gate)
    return gate


def client_address(request: Request) -> str:
    """Return who is at the other end of the connection."""
    return request.client.host if request.client else "unknown"


def session_cookie(request: Request) -> str | None:
    """Return the session's cookie as the browser sent it; whether it still stands is not asked."""
    return request.cookies.get(cookie_name(secure=web_services(request).secure_cookies))


def signed_in(request: Request) -> SignedIn | None:
    """Return who asks: by bearer token if one is sent, else by the session's cookie; None for nobody."""
    web = web_services(request)
    wall_us = web.clock.wall_us()
    authorization = request.headers.get("authorization")
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        with web.unit_of_work.read() as tx:
            return sessions.api_token_of(tx, token.strip(), wall_us=wall_us)
    cookie = session_cookie(request)
    if cookie is None:
        return None
    with web.unit_of_work.read() as tx:
        found = sessions.session_of(tx, cookie, wall_us=wall_us)
    if found is not None and found.session is not None and sessions.needs_touch(found.session, wall_us=wall_us):
        with web.unit_of_work.begin() as tx:
            sessions.touch(tx, found.session, wall_us=wall_us)
    return found


def api_member(request: Request) -> SignedIn:
    """Return who asks the API; raises Unauthenticated."""
    found = signed_in(request)
    if found is None:
        raise Unauthenticated
    return found


def page_member(request: Request) -> SignedIn:
    """Return who looks at a page; raises SignInNeeded, which leads to the sign-in page and back."""
    found = signed_in(request)
    if found is None:
        # Only a page that was looked at can be gone back to; a form would have to be sent again.
        raise SignInNeeded(request.url.path if request.method == "GET" else "/")
    return found


ApiMember = Annotated[SignedIn, Depends(api_member)]
PageMember = Annotated[SignedIn, Depends(page_member)]


def sign_in_by_link(request: Request, token: str) -> str | None:
    """Use a one-time link up and return a new session's token; None when the link is unknown, used or expired.

    Raises TooManyRequests.
    """
    web = web_services(request)
    wall_us = web.clock.wall_us()
    _count(gate_of(request).tries_by_address, client_address(request), wall_us)
    with web.unit_of_work.begin() as tx:
        member = sessions.use_link(tx, token, wall_us=wall_us)
        return None if member is None else _open(request, tx, member, wall_us)


def sign_in_by_password(request: Request, email: str, password: str) -> str | None:
    """Compare the password and return a new session's token; None says nothing about which of the two was wrong.

    Takes an eighth of a second of a core either way: call it in a thread. Raises TooManyRequests.
    """
    web, gate = web_services(request), gate_of(request)
    wall_us = web.clock.wall_us()
    address = email.strip().lower()[:MAX_EMAIL_CHARACTERS]
    _count(gate.tries_by_address, client_address(request), wall_us)
    _count(gate.tries_by_email, address, wall_us)
    with web.unit_of_work.read() as tx:
        members = tx.find(Member, None, email=address)
    member = gate.passwords.member_with(members, password[:MAX_PASSWORD_CHARACTERS])
    if member is None:
        return None
    with web.unit_of_work.begin() as tx:
        return _open(request, tx, member, wall_us)


def set_password(
    request: Request, who: SignedIn, password: str, *, present: str = "", end_tokens: bool = False
) -> None:
    """Give the member a password, sign out all other browsers and drop all sign-in links; who has one must know it.

    Programs go on with their tokens unless `end_tokens`.

    Takes up to a quarter of a second of a core: call it in a thread. Raises Invalid, TooManyRequests.
    """
    if not MIN_PASSWORD_CHARACTERS <= len(password) <= MAX_PASSWORD_CHARACTERS:
        raise Invalid("password", f"choose {MIN_PASSWORD_CHARACTERS} to {MAX_PASSWORD_CHARACTERS} characters")
    web, gate = web_services(request), gate_of(request)
    wall_us = web.clock.wall_us()
    # A stolen session may guess no more often than a stranger at the sign-in page.
    _count(gate.tries_by_email, who.member.email, wall_us)
    has_password = who.member.password_hash is not None
    if has_password and gate.passwords.member_with([who.member], present[:MAX_PASSWORD_CHARACTERS]) is None:
        raise Invalid("present", "this is not your present password")
    hashed = gate.passwords.hash(password)
    with web.unit_of_work.begin() as tx:
        member = tx.get(Member, who.household_id, who.member.id)
        tx.save(replace(member, password_hash=hashed))
        for session in sessions.open_sessions(tx, member, wall_us=wall_us):
            if who.session is None or session.id != who.session.id:
                sessions.revoke_session(tx, session, wall_us=wall_us)
        sessions.drop_links(tx, member)
        if end_tokens:
            sessions.revoke_api_tokens(tx, member, wall_us=wall_us)


def enter(request: Request, session_token: str, next_path: str = "/") -> Response:
    """Return the answer that gives the browser its session and leads on."""
    response = RedirectResponse(local_path(next_path), 303)
    secure = web_services(request).secure_cookies
    set_session_cookie(response, session_token, secure=secure, max_age_s=SESSION_LIFE_US // SECOND_US)
    return response


def leave(request: Request) -> Response:
    """Revoke the browser's session and return the answer that leads to the sign-in page."""
    web = web_services(request)
    found = signed_in(request)
    if found is not None and found.session is not None:
        with web.unit_of_work.begin() as tx:
            sessions.end_session(tx, found.member, found.session.id, wall_us=web.clock.wall_us())
    response = RedirectResponse("/sign-in", 303)
    clear_session_cookie(response, secure=web.secure_cookies)
    return response


def local_path(path: str) -> str:
    """Return the path if it stays on this site, else the first page.

    >>> local_path("/orders"), local_path("//evil.example"), local_path("https://evil.example")
    ('/orders', '/', '/')
    """
    stays = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if stays else "/"


def _open(request: Request, tx: Transaction, member: Member, wall_us: int) -> str:
    return sessions.open_session(tx, member, user_agent=request.headers.get("user-agent", ""), wall_us=wall_us)


def _count(limiter: RateLimiter, key: str, wall_us: int) -> None:
    wait_s = limiter.retry_after_s(key, wall_us)
    if wait_s is not None:
        raise TooManyRequests(wait_s)
