"""Who is asking: sessions behind a cookie, links that sign in once, bearer tokens, passwords.

Tokens are 256 random bits; only their SHA-256 is kept. Every time here is real time.
"""

import hashlib
import secrets
import threading
from dataclasses import dataclass, replace

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from gateway.domain.access import ApiToken, Session, SignInLink
from gateway.domain.errors import Conflict, NotFound
from gateway.domain.household import Member
from gateway.domain.replenishment import DAY_US, HOUR_US, MINUTE_US
from gateway.steps.ports import Transaction

LINK_VALID_US = 24 * HOUR_US
SESSION_IDLE_US = 7 * DAY_US
SESSION_LIFE_US = 30 * DAY_US
SEEN_EVERY_US = 5 * MINUTE_US
"""How exactly a session's last use is known: not every request is worth a write."""

MAX_TOKEN_CHARACTERS = 200
MAX_PASSWORD_CHARACTERS = 200
MAX_SESSIONS_PER_MEMBER = 20
MAX_LINKS_PER_MEMBER = 10
MAX_API_TOKENS_PER_MEMBER = 50
MAX_ENDED_KEPT = 50
"""Sessions and tokens of a member that let nobody in any more; the oldest above this are forgotten."""

MAX_READ = 500
MAX_MEMBERS_PER_EMAIL = 5
HASHES_AT_ONCE = 2
"""One argon2 hash takes 64 MiB and an eighth of a second: more at once would let strangers fill the memory."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The member who asks, and by which of the two proofs."""

    member: Member
    session: Session | None
    api_token: ApiToken | None

    @property
    def household_id(self) -> str:
        """The only household this request may see."""
        return self.member.household_id


class Passwords:
    """Hashes and compares passwords, a few at once; a comparison with nobody takes as long as one with somebody."""

    def __init__(self) -> None:
        self._hasher = PasswordHash((Argon2Hasher(),))
        self._gate = threading.BoundedSemaphore(HASHES_AT_ONCE)
        self._nobody: str | None = None

    def hash(self, password: str) -> str:
        """Return what is kept of a password."""
        with self._gate:
            return self._hasher.hash(password)

    def member_with(self, members: list[Member], password: str) -> Member | None:
        """Return the first of the members whose password this is; an e-mail may belong to several households."""
        known = [member for member in members if member.password_hash is not None]
        with self._gate:
            if not known:
                self._hasher.verify(password, self._hash_of_nobody())
            for member in known[:MAX_MEMBERS_PER_EMAIL]:
                if self._hasher.verify(password, member.password_hash or ""):
                    return member
        return None

    def _hash_of_nobody(self) -> str:
        if self._nobody is None:
            self._nobody = self._hasher.hash(secrets.token_urlsafe())
        return self._nobody


def digest(token: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def issue_link(tx: Transaction, member: Member, *, wall_us: int, valid_us: int = LINK_VALID_US) -> str:
    """Leave a link that signs the member in once and return its token: the address is /sign-in/<token>.

    The member's used and expired links are forgotten, and the oldest above the limit.
    """
    links = tx.find(SignInLink, member.household_id, newest=MAX_READ, member_id=member.id)
    kept = {link.id for link in [link for link in links if link.is_live(wall_us)][: MAX_LINKS_PER_MEMBER - 1]}
    for link in links:
        if link.id not in kept:
            tx.remove(link)
    token = secrets.token_urlsafe(32)
    tx.add(
        SignInLink(
            id=tx.new_id(),
            household_id=member.household_id,
            member_id=member.id,
            token_sha256=digest(token),
            created_wall_us=wall_us,
            expires_wall_us=wall_us + valid_us,
            used_wall_us=None,
        )
    )
    return token


def issue_api_token(
    tx: Transaction, member: Member, *, name: str, wall_us: int, expires_wall_us: int | None = None
) -> str:
    """Leave a bearer token that acts as the member and return it; it is shown this once. Raises Conflict."""
    tokens = tx.find(ApiToken, member.household_id, newest=MAX_READ, member_id=member.id)
    ended = [one for one in tokens if not one.is_live(wall_us)]
    if len(tokens) - len(ended) >= MAX_API_TOKENS_PER_MEMBER:
        hint = f"A member has at most {MAX_API_TOKENS_PER_MEMBER}; revoke one first."
        raise Conflict("token", name, "one too many", "make", hint=hint)
    for old in ended[MAX_ENDED_KEPT:]:
        tx.remove(old)
    token = f"rpl_{secrets.token_urlsafe(32)}"
    tx.add(
        ApiToken(
            id=tx.new_id(),
            household_id=member.household_id,
            member_id=member.id,
            name=name,
            token_sha256=digest(token),
            created_wall_us=wall_us,
            expires_wall_us=expires_wall_us,
            revoked_wall_us=None,
        )
    )
    return token


def open_session(tx: Transaction, member: Member, *, user_agent: str, wall_us: int) -> str:
    """Sign the member in and return the cookie's token; the oldest sessions above the limit end.

    Ended sessions are kept to be looked at, the newest ones only.
    """
    token = secrets.token_urlsafe(32)
    tx.add(
        Session(
            id=tx.new_id(),
            household_id=member.household_id,
            member_id=member.id,
            token_sha256=digest(token),
            user_agent=user_agent[:200],
            created_wall_us=wall_us,
            seen_wall_us=wall_us,
            expires_wall_us=wall_us + SESSION_LIFE_US,
            revoked_wall_us=None,
        )
    )
    for old in open_sessions(tx, member, wall_us=wall_us)[MAX_SESSIONS_PER_MEMBER:]:
        revoke_session(tx, old, wall_us=wall_us)
    sessions = tx.find(Session, member.household_id, newest=MAX_READ, member_id=member.id)
    for ended in [one for one in sessions if not _is_open(one, wall_us)][MAX_ENDED_KEPT:]:
        tx.remove(ended)
    return token


def use_link(tx: Transaction, token: str, *, wall_us: int) -> Member | None:
    """Use a sign-in link up and return whose it was; None when it is unknown, used or expired."""
    found = tx.find(SignInLink, None, token_sha256=digest(token[:MAX_TOKEN_CHARACTERS]), used_wall_us=None)
    if not found or not found[0].is_live(wall_us):
        return None
    link = found[0]
    tx.save(replace(link, used_wall_us=wall_us))
    return tx.seek(Member, link.household_id, link.member_id)


def drop_links(tx: Transaction, member: Member) -> None:
    """Let none of the member's sign-in links sign anybody in any more."""
    for link in tx.find(SignInLink, member.household_id, newest=MAX_READ, member_id=member.id):
        tx.remove(link)


def session_of(tx: Transaction, token: str, *, wall_us: int) -> SignedIn | None:
    """Return who holds the cookie; None when the session is unknown, revoked, idle too long or over."""
    found = tx.find(Session, None, token_sha256=digest(token[:MAX_TOKEN_CHARACTERS]))
    if not found or not _is_open(found[0], wall_us):
        return None
    member = tx.seek(Member, found[0].household_id, found[0].member_id)
    return None if member is None else SignedIn(member, found[0], None)


def api_token_of(tx: Transaction, token: str, *, wall_us: int) -> SignedIn | None:
    """Return on whose behalf a bearer token acts; None when it is unknown, revoked or over."""
    found = tx.find(ApiToken, None, token_sha256=digest(token[:MAX_TOKEN_CHARACTERS]), revoked_wall_us=None)
    if not found or not found[0].is_live(wall_us):
        return None
    member = tx.seek(Member, found[0].household_id, found[0].member_id)
    return None if member is None else SignedIn(member, None, found[0])


def needs_touch(session: Session, *, wall_us: int) -> bool:
    """Whether the session's last use should be written down again."""
    return wall_us - session.seen_wall_us >= SEEN_EVERY_US


def touch(tx: Transaction, session: Session, *, wall_us: int) -> None:
    """Write down that the session was used, unless it ended meanwhile."""
    present = tx.seek(Session, session.household_id, session.id)
    if present is not None and present.revoked_wall_us is None:
        tx.save(replace(present, seen_wall_us=wall_us))


def open_sessions(tx: Transaction, member: Member, *, wall_us: int) -> list[Session]:
    """Return where a member is signed in, the newest first."""
    found = tx.find(Session, member.household_id, newest=200, member_id=member.id, revoked_wall_us=None)
    return [session for session in found if _is_open(session, wall_us)]


def revoke_session(tx: Transaction, session: Session, *, wall_us: int) -> None:
    """Sign out one browser."""
    tx.save(replace(session, revoked_wall_us=wall_us))


def end_session(tx: Transaction, member: Member, session_id: str, *, wall_us: int) -> None:
    """Sign out one of the member's own browsers; raises NotFound for anybody else's."""
    session = tx.get(Session, member.household_id, session_id)
    if session.member_id != member.id:
        raise NotFound("session", session_id)
    revoke_session(tx, session, wall_us=wall_us)


def api_tokens(tx: Transaction, member: Member) -> list[ApiToken]:
    """Return the member's programs, the newest first."""
    most = MAX_API_TOKENS_PER_MEMBER + MAX_ENDED_KEPT + 1
    return tx.find(ApiToken, member.household_id, newest=most, member_id=member.id, revoked_wall_us=None)


def revoke_api_token(tx: Transaction, member: Member, token_id: str, *, wall_us: int) -> None:
    """End one of the member's own tokens; raises NotFound for anybody else's."""
    token = tx.get(ApiToken, member.household_id, token_id)
    if token.member_id != member.id:
        raise NotFound("token", token_id)
    tx.save(replace(token, revoked_wall_us=wall_us))


def revoke_api_tokens(tx: Transaction, member: Member, *, wall_us: int) -> None:
    """End all of the member's own tokens."""
    for token in api_tokens(tx, member):
        tx.save(replace(token, revoked_wall_us=wall_us))


def _is_open(session: Session, wall_us: int) -> bool:
    return (
        session.revoked_wall_us is None
        and wall_us < session.expires_wall_us
        and wall_us - session.seen_wall_us < SESSION_IDLE_US
    )
