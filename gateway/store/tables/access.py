"""Who is let in: sessions, sign-in links, tokens, the operator."""

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel

from gateway.store.tables.columns import ID_LENGTH, Owned, big, maybe_big, of


class SessionRow(Owned, table=True):
    __tablename__ = "session"
    __table_args__ = (of("member", "member_id"), UniqueConstraint("token_sha256"))
    member_id: str
    token_sha256: str
    user_agent: str
    created_wall_us: int = big()
    seen_wall_us: int = big()
    expires_wall_us: int = big()
    revoked_wall_us: int | None = maybe_big()


class SignInLinkRow(Owned, table=True):
    __tablename__ = "sign_in_link"
    __table_args__ = (of("member", "member_id"), UniqueConstraint("token_sha256"))
    member_id: str
    token_sha256: str
    created_wall_us: int = big()
    expires_wall_us: int = big()
    used_wall_us: int | None = maybe_big()


class ApiTokenRow(Owned, table=True):
    __tablename__ = "api_token"
    __table_args__ = (of("member", "member_id"), UniqueConstraint("token_sha256"))
    member_id: str
    name: str
    token_sha256: str
    created_wall_us: int = big()
    expires_wall_us: int | None = maybe_big()
    revoked_wall_us: int | None = maybe_big()


class OperatorRow(SQLModel, table=True):
    __tablename__ = "operator"
    id: str = Field(primary_key=True, max_length=ID_LENGTH)
    name: str
    email: str = Field(unique=True)
    created_wall_us: int = big()
