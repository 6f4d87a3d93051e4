"""Who is let in: sessions in a browser, links that sign in once, tokens of programs, and the operator.

Instants are real time: a session does not live longer because a demonstration's days are short. A token is never kept,
only its SHA-256; 256 random bits need no salt.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A member signed in at one browser, until it idles, ends for good, or is revoked."""

    id: str
    household_id: str
    member_id: str
    token_sha256: str
    user_agent: str
    created_wall_us: int
    seen_wall_us: int
    expires_wall_us: int
    revoked_wall_us: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInLink:
    """A link that signs a member in once."""

    id: str
    household_id: str
    member_id: str
    token_sha256: str
    created_wall_us: int
    expires_wall_us: int
    used_wall_us: int | None

    def is_live(self, wall_us: int) -> bool:
        """Whether it still signs somebody in."""
        return self.used_wall_us is None and wall_us < self.expires_wall_us


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """A program's bearer token; it acts as the member who made it. `expires_wall_us` None: until it is revoked."""

    id: str
    household_id: str
    member_id: str
    name: str
    token_sha256: str
    created_wall_us: int
    expires_wall_us: int | None
    revoked_wall_us: int | None

    def is_live(self, wall_us: int) -> bool:
        """Whether it lets anybody in."""
        return self.revoked_wall_us is None and (self.expires_wall_us is None or wall_us < self.expires_wall_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Who runs this gateway; belongs to no household."""

    id: str
    name: str
    email: str
    created_wall_us: int
