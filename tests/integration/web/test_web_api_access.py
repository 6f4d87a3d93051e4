"""Who is let in to the API, from where, and to what."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from gateway.domain.access import Session
from gateway.domain.household import Member, Role
from gateway.domain.replenishment import DAY_US
from gateway.web.headers import CONTENT_SECURITY_POLICY
from gateway.web.security import MAX_BODY_BYTES
from gateway.web.sessions import SESSION_IDLE_US, issue_api_token, issue_link, open_session
from tests.fakes import START_US, FakeClock, FakeUnitOfWork
from tests.integration.web.sample_household import full_house, household
from tests.web_client import WebClient

STRANGER = "member-stranger"


@pytest.fixture
def web() -> Iterator[WebClient]:
    with WebClient(_two_households(), FakeClock()) as client:
        yield client


def _two_households() -> FakeUnitOfWork:
    other = household(id="other", household_id="other", name="Lake cabin")
    stranger = Member(
        id=STRANGER,
        household_id="other",
        name="Sam Stone",
        email="sam@example.org",
        role=Role.OWNER,
        password_hash=None,
        created_us=START_US,
    )
    return FakeUnitOfWork(*full_house(), other, stranger)


OBJECTS = [
    ("GET", "/api/v1/supplies/supply-coffee"),
    ("GET", "/api/v1/policies/supply-coffee"),
    ("GET", "/api/v1/devices/device-jura"),
    ("POST", "/api/v1/devices/device-jura/report-now"),
    ("GET", "/api/v1/carts/cart-waiting"),
    ("PATCH", "/api/v1/carts/cart-waiting/lines/line-cart-waiting-coffee"),
    ("POST", "/api/v1/carts/cart-waiting/approve"),
    ("POST", "/api/v1/carts/cart-waiting/skip"),
    ("POST", "/api/v1/carts/cart-waiting/snooze"),
    ("POST", "/api/v1/carts/cart-waiting/ask-again"),
    ("POST", "/api/v1/carts/cart-waiting/undo"),
    ("GET", "/api/v1/orders/order-cart-1-milk"),
    ("GET", "/api/v1/payments/attempt-cart-1-milk"),
    ("GET", "/api/v1/ledger?account_id=account-clearing"),
    ("GET", "/api/v1/mandates/mandate-general"),
    ("GET", "/api/v1/methods/method-bank"),
]


def _body(method: str) -> dict[str, object]:
    return {"json": {"packs": 2}} if method == "PATCH" else {}


@pytest.mark.parametrize(("method", "path"), OBJECTS)
def test_another_households_object_is_not_there(web: WebClient, method: str, path: str) -> None:
    answer = web.request(method, path, headers=web.bearer(STRANGER), **_body(method))
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:replenish:problem:not_found"
    assert "Rosa" not in answer.text


@pytest.mark.parametrize(("method", "path"), OBJECTS)
def test_nobody_is_let_in_without_a_token(web: WebClient, method: str, path: str) -> None:
    answer = web.request(method, path, **_body(method))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", [path for method, path in OBJECTS if method == "GET"])
def test_the_owner_sees_every_object(web: WebClient, path: str) -> None:
    assert web.get(path, headers=web.bearer("member-ana")).status_code == 200


@pytest.mark.parametrize(
    "path",
    ["supplies", "policies", "devices", "quarantine", "carts", "orders", "payments", "ledger", "mandates", "methods"],
)
def test_a_list_of_another_household_is_empty(web: WebClient, path: str) -> None:
    assert web.get(f"/api/v1/{path}", headers=web.bearer(STRANGER)).json() == {"items": [], "next": None}


def test_a_viewer_may_look_and_not_decide(web: WebClient) -> None:
    viewer = web.bearer("member-iris")
    assert web.get("/api/v1/carts/cart-waiting", headers=viewer).status_code == 200
    answer = web.post("/api/v1/carts/cart-waiting/approve", headers=viewer)
    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:replenish:problem:not_allowed"


def test_a_token_ends_when_it_is_over(web: WebClient) -> None:
    wall_us = web.clock.wall_us()
    with web.unit_of_work.begin() as tx:
        (ana,) = tx.find(Member, None, id="member-ana")
        token = issue_api_token(tx, ana, name="short", wall_us=wall_us, expires_wall_us=wall_us + DAY_US)
    header = {"Authorization": f"Bearer {token}"}
    assert web.get("/api/v1/household", headers=header).status_code == 200
    web.clock.advance(DAY_US)
    assert web.get("/api/v1/household", headers=header).status_code == 401


@pytest.mark.parametrize("header", ["Basic YW5hOnB3", "Bearer ", "Bearer nonsense", "nonsense", "Bearer " + "x" * 5000])
def test_a_wrong_authorization_is_refused_even_with_a_session(web: WebClient, header: str) -> None:
    web.sign_in("member-ana")
    assert web.get("/api/v1/household", headers={"Authorization": header}).status_code == 401


def test_a_session_idles_out_in_real_time(web: WebClient) -> None:
    web.sign_in("member-ana")
    web.clock.now += 400 * DAY_US  # simulated time runs ahead and does not matter
    assert web.get("/api/v1/household").status_code == 200
    web.clock.wall += SESSION_IDLE_US
    assert web.get("/api/v1/household").status_code == 401


def test_a_session_that_is_used_stays_open_until_its_end(web: WebClient) -> None:
    web.sign_in("member-ana")
    for _ in range(29):
        web.clock.advance(DAY_US)
        assert web.get("/api/v1/household").status_code == 200
    web.clock.advance(DAY_US)
    assert web.get("/api/v1/household").status_code == 401


def test_a_revoked_session_is_signed_out(web: WebClient) -> None:
    web.sign_in("member-ana")
    with web.unit_of_work.begin() as tx:
        (session,) = tx.find(Session, None)
        tx.save(replace(session, revoked_wall_us=web.clock.wall_us()))
    assert web.get("/api/v1/household").status_code == 401


def test_tokens_are_kept_as_digests_only(web: WebClient) -> None:
    with web.unit_of_work.begin() as tx:
        (ana,) = tx.find(Member, None, id="member-ana")
        tokens = [
            issue_link(tx, ana, wall_us=0),
            issue_api_token(tx, ana, name="x", wall_us=0),
            open_session(tx, ana, user_agent="", wall_us=0),
        ]
    kept = repr(web.unit_of_work.tables.entities)
    assert not [token for token in tokens if token in kept]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://localhost:8000"}, 200),
        ({"Origin": "http://localhost:9999"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost:8000"}, 403),
        ({}, 403),
    ],
)
def test_a_session_acts_only_from_our_own_pages(web: WebClient, headers: dict[str, str], status: int) -> None:
    web.sign_in("member-ana")
    assert web.post("/api/v1/carts/cart-waiting/skip", headers=headers).status_code == status


def test_a_program_needs_no_origin(web: WebClient) -> None:
    headers = web.bearer("member-ana") | {"Sec-Fetch-Site": "cross-site"}
    assert web.post("/api/v1/carts/cart-waiting/skip", headers=headers).status_code == 200


def test_another_host_header_is_not_answered(web: WebClient) -> None:
    assert web.get("/healthz", headers={"Host": "evil.example"}).status_code == 200
    answer = web.get("/api/v1/household", headers=web.bearer("member-ana") | {"Host": "evil.example"})
    assert answer.status_code == 421


def test_a_body_too_large_is_refused_announced_or_not(web: WebClient) -> None:
    headers = web.bearer("member-ana")
    big = b"x" * (MAX_BODY_BYTES + 1)

    async def unannounced() -> object:
        yield big

    path = "/api/v1/carts/cart-waiting/approve"
    assert web.post(path, headers=headers, content=big).status_code == 413
    assert web.post(path, headers=headers, content=unannounced()).status_code == 413


@pytest.mark.parametrize("path", ["/healthz", "/api/v1/household", "/api/v1/nothing", "/api/openapi.json"])
def test_every_answer_says_what_a_browser_may_do(web: WebClient, path: str) -> None:
    headers = web.get(path).headers
    assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "strict-transport-security" not in headers


def test_over_tls_the_cookie_is_bound_to_the_host() -> None:
    with WebClient(_two_households(), FakeClock(), base_url="https://home.example", secure_cookies=True) as web:
        with web.unit_of_work.begin() as tx:
            (ana,) = tx.find(Member, None, id="member-ana")
            token = open_session(tx, ana, user_agent="", wall_us=web.clock.wall_us())
        plain = web.get("/api/v1/household", headers={"Cookie": f"replenish={token}"})
        assert plain.status_code == 401
        bound = web.get("/api/v1/household", headers={"Cookie": f"__Host-replenish={token}"})
        assert bound.status_code == 200
        assert bound.headers["strict-transport-security"].startswith("max-age=")
        assert web.get("/api/v1/household", headers={"Host": "localhost"}).status_code == 421


def test_a_fault_of_ours_tells_nothing_and_keeps_the_headers() -> None:
    class Broken(FakeUnitOfWork):
        def read(self):  # noqa: ANN202 — fails before it could return anything
            raise ZeroDivisionError("a secret detail")

    with WebClient(Broken(), FakeClock(), raises=False) as web:
        answer = web.get("/api/v1/household", headers={"Authorization": "Bearer x"})
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert "secret" not in answer.text


def test_readiness_names_what_is_missing() -> None:
    with WebClient(FakeUnitOfWork(), FakeClock(), not_ready=("The worker is not running.",)) as web:
        assert web.get("/healthz").json() == {"status": "alive"}
        answer = web.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["reasons"] == ["The worker is not running."]
