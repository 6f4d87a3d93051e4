"""Links sign in once, passwords say nothing about who exists, and too many tries wait."""

from dataclasses import replace

import pytest
from starlette.datastructures import Headers

from gateway.domain.errors import NotFound
from gateway.domain.household import Member, Role
from gateway.web import sessions
from gateway.web.identity import local_path
from gateway.web.security import RateLimiter, same_origin
from gateway.web.sessions import LINK_VALID_US, MAX_SESSIONS_PER_MEMBER, Passwords
from tests.fakes import FakeUnitOfWork

ANA = Member(
    id="ana",
    household_id="h",
    name="Ana",
    email="ana@example.org",
    role=Role.OWNER,
    password_hash=None,
    created_us=0,
)
LEO = replace(ANA, id="leo", name="Leo", email="leo@example.org")


def test_a_link_signs_in_once() -> None:
    rows = FakeUnitOfWork(ANA)
    with rows.begin() as tx:
        token = sessions.issue_link(tx, ANA, wall_us=0)
    with rows.begin() as tx:
        assert sessions.use_link(tx, token, wall_us=1) == ANA
    with rows.begin() as tx:
        assert sessions.use_link(tx, token, wall_us=2) is None


def test_a_link_expires() -> None:
    with FakeUnitOfWork(ANA).begin() as tx:
        token = sessions.issue_link(tx, ANA, wall_us=0)
        assert sessions.use_link(tx, token, wall_us=LINK_VALID_US) is None


def test_the_oldest_sessions_end_when_there_are_too_many() -> None:
    with FakeUnitOfWork(ANA).begin() as tx:
        tokens = [
            sessions.open_session(tx, ANA, user_agent="", wall_us=at) for at in range(MAX_SESSIONS_PER_MEMBER + 2)
        ]
        alive = [sessions.session_of(tx, token, wall_us=100) is not None for token in tokens]
    assert alive == [False, False] + [True] * MAX_SESSIONS_PER_MEMBER


def test_nobody_ends_another_members_session_or_token() -> None:
    with FakeUnitOfWork(ANA, LEO).begin() as tx:
        sessions.open_session(tx, ANA, user_agent="", wall_us=0)
        sessions.issue_api_token(tx, ANA, name="x", wall_us=0)
        (session,) = sessions.open_sessions(tx, ANA, wall_us=0)
        (token,) = sessions.api_tokens(tx, ANA)
        with pytest.raises(NotFound):
            sessions.end_session(tx, LEO, session.id, wall_us=0)
        with pytest.raises(NotFound):
            sessions.revoke_api_token(tx, LEO, token.id, wall_us=0)


def test_a_password_finds_its_member_among_households() -> None:
    passwords = Passwords()
    first = replace(ANA, password_hash=passwords.hash("correct horse battery"))
    second = replace(ANA, household_id="other", password_hash=passwords.hash("another staple entirely"))
    assert passwords.member_with([first, second], "another staple entirely") == second
    assert passwords.member_with([first, second], "wrong") is None
    assert passwords.member_with([ANA], "") is None
    assert passwords.member_with([], "correct horse battery") is None


def test_a_limit_counts_per_key_and_lets_go_with_time() -> None:
    limiter = RateLimiter(limit=2, per_us=10_000_000)
    assert [limiter.retry_after_s("a", at) for at in (0, 1_000_000, 2_000_000)] == [None, None, 8]
    assert limiter.retry_after_s("b", 2_000_000) is None
    assert limiter.retry_after_s("a", 10_000_001) is None


def test_a_limiter_remembers_a_bounded_number_of_keys() -> None:
    limiter = RateLimiter(limit=1, per_us=10_000_000, max_keys=100)
    for number in range(1000):
        limiter.retry_after_s(f"key {number}", 0)
    assert len(limiter._acts) == 100


@pytest.mark.parametrize(
    "path",
    ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "", "/a\r\nSet-Cookie: x"],
)
def test_after_signing_in_nobody_is_led_away(path: str) -> None:
    assert local_path(path) == "/"


def test_a_request_without_any_sign_of_origin_is_a_program_only_without_a_session() -> None:
    assert same_origin(Headers({"host": "a"}), [])
    assert not same_origin(Headers({"host": "a"}), ["__Host-replenish"])
