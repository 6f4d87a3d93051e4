"""Links sign in once, passwords say nothing about who exists, and too many tries wait."""

from dataclasses import replace

import pytest
from starlette.datastructures import Headers

from gateway.domain.access import ApiToken, Session, SignInLink
from gateway.domain.errors import Conflict, Invalid, NotFound
from gateway.domain.household import Member, Role
from gateway.steps.acts.household import MAX_MEMBERS, add_member
from gateway.web import sessions
from gateway.web.identity import local_path
from gateway.web.security import RateLimiter, same_origin
from gateway.web.sessions import (
    LINK_VALID_US,
    MAX_API_TOKENS_PER_MEMBER,
    MAX_ENDED_KEPT,
    MAX_LINKS_PER_MEMBER,
    MAX_SESSIONS_PER_MEMBER,
    Passwords,
)
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


def test_what_is_kept_of_a_password_is_its_argon2_hash() -> None:
    kept = Passwords().hash("correct horse battery staple")
    assert kept.startswith("$argon2id$")
    assert "horse" not in kept


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


def test_used_and_expired_links_are_forgotten_when_a_new_one_is_made() -> None:
    with FakeUnitOfWork(ANA, LEO).begin() as tx:
        used = sessions.issue_link(tx, ANA, wall_us=0)
        sessions.issue_link(tx, LEO, wall_us=0)
        sessions.use_link(tx, used, wall_us=1)
        sessions.issue_link(tx, ANA, wall_us=2)
        assert tx.count(SignInLink, "h", member_id="ana") == 1
        for number in range(2 * MAX_LINKS_PER_MEMBER):
            newest = sessions.issue_link(tx, ANA, wall_us=3 + number)
        assert tx.count(SignInLink, "h", member_id="ana") == MAX_LINKS_PER_MEMBER
        assert sessions.use_link(tx, newest, wall_us=100) == ANA
        sessions.issue_link(tx, ANA, wall_us=LINK_VALID_US + 100)
        assert (tx.count(SignInLink, "h", member_id="ana"), tx.count(SignInLink, "h", member_id="leo")) == (1, 1)


def test_of_sessions_that_ended_only_the_newest_are_kept() -> None:
    with FakeUnitOfWork(ANA).begin() as tx:
        for at in range(MAX_SESSIONS_PER_MEMBER + MAX_ENDED_KEPT + 5):
            sessions.open_session(tx, ANA, user_agent="", wall_us=at)
        kept = tx.find(Session, "h")
        assert len(kept) == MAX_SESSIONS_PER_MEMBER + MAX_ENDED_KEPT
        assert kept[0].created_wall_us == 5


def test_a_member_has_a_bounded_number_of_live_tokens_and_the_list_shows_them_all() -> None:
    with FakeUnitOfWork(ANA).begin() as tx:
        for number in range(MAX_API_TOKENS_PER_MEMBER):
            sessions.issue_api_token(tx, ANA, name=f"{number}", wall_us=0, expires_wall_us=10 if number else None)
        assert len(sessions.api_tokens(tx, ANA)) == MAX_API_TOKENS_PER_MEMBER
        with pytest.raises(Conflict, match="revoke one first"):
            sessions.issue_api_token(tx, ANA, name="one more", wall_us=9)
        for number in range(MAX_ENDED_KEPT + 5):
            sessions.issue_api_token(tx, ANA, name="brief", wall_us=10 + number, expires_wall_us=11 + number)
        assert tx.count(ApiToken, "h") == MAX_ENDED_KEPT + 2
        assert "0" in {one.name for one in sessions.api_tokens(tx, ANA)}


def test_a_household_has_a_bounded_number_of_members() -> None:
    with FakeUnitOfWork(ANA).begin() as tx:
        for number in range(1, MAX_MEMBERS):
            add_member(tx, ANA, name="Nil", email=f"nil{number}@example.org", role=Role.VIEWER, now_us=0)
        with pytest.raises(Invalid, match="at most 50"):
            add_member(tx, ANA, name="Nil", email="nil@example.org", role=Role.VIEWER, now_us=0)


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
