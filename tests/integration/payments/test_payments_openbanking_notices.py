"""Events of the bank for variable recurring payments: what is proven is looked up, whatever else comes is refused."""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jws
from joserfc.registry import HeaderParameter

from payments import jose
from payments.adapter import Captured, Notice
from payments.errors import NoticeRejected, OutcomeUnknown
from simulators.vrp_bank_jose import KID
from tests.fakes import FakeClock
from tests.integration.payments.bank_process import NoticeInbox
from tests.integration.payments.vrp import CLIENT, Payer, Vrp

DAY_S = 86_400
UPDATED = "urn:uk:org:openbanking:events:resource-update"


@pytest.fixture(scope="module")
def told() -> Iterator[NoticeInbox]:
    inbox = NoticeInbox()
    yield inbox
    inbox.close()


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vrp")


@pytest.fixture(scope="module")
def vrp(state: Path, told: NoticeInbox) -> Iterator[Vrp]:
    with httpx.Client(trust_env=False) as client:
        bank = Vrp(state, FakeClock(), client, notify=told.url)
        yield bank
        bank.close()


@pytest.fixture
def payer(vrp: Vrp, told: NoticeInbox) -> Payer:
    agreed = Payer(vrp).agreed()
    vrp.control("settle")
    told.taken.clear()
    return agreed


@pytest.fixture
def bank_key(vrp: Vrp, state: Path) -> jose.SigningKey:
    assert vrp.url
    return jose.SigningKey.from_pem(KID, (state / "signing-key.pem").read_text())


@pytest.fixture
def claims(payer: Payer) -> dict[str, Any]:
    """What a good notice about the customer's consent says."""
    subject = {
        "http://openbanking.org.uk/rid": payer.mandate,
        "http://openbanking.org.uk/rty": "domestic-vrp-consent",
    }
    now_s = payer.vrp.clock.now // 1_000_000
    return {
        "iss": payer.vrp.url,
        "aud": CLIENT,
        "iat": now_s,
        "jti": "notice-1",
        "events": {UPDATED: {"subject": subject}},
    }


def test_what_became_of_a_payment_is_told_and_names_our_operation(payer: Payer, told: NoticeInbox) -> None:
    capture = payer.capture(payer.held())
    assert isinstance(payer.adapter.capture(capture), Captured)
    payer.vrp.control("settle")
    ((headers, body),) = told.taken
    assert headers["Content-Type"] == "application/jwt"
    assert payer.adapter.parse_notice(headers, body).references == (capture.reference,)


def test_a_permission_ended_in_the_banks_app_is_told(payer: Payer, told: NoticeInbox) -> None:
    payer.vrp.control(f"consents/{payer.mandate}/revoke")
    payer.vrp.control("settle")
    ((headers, body),) = told.taken
    assert payer.adapter.parse_notice(headers, body).references == (payer.setup.reference,)


def test_a_notice_that_is_sent_twice_has_one_id(payer: Payer, told: NoticeInbox) -> None:
    payer.vrp.script(payer.account, "payment:duplicate_notice")
    payer.adapter.capture(payer.capture(payer.held()))
    payer.vrp.control("settle")
    first, second = (payer.adapter.parse_notice(*one) for one in told.taken)
    assert first == second


def test_a_notice_about_somebody_elses_payment_names_nothing(
    payer: Payer, claims: dict[str, Any], bank_key: jose.SigningKey
) -> None:
    claims["events"][UPDATED]["subject"]["http://openbanking.org.uk/rid"] = "another"
    assert payer.adapter.parse_notice({}, jose.sign(claims, bank_key).encode()) == Notice("notice-1", ())


def test_a_good_notice_is_taken(payer: Payer, claims: dict[str, Any], bank_key: jose.SigningKey) -> None:
    notice = payer.adapter.parse_notice({}, jose.sign(claims, bank_key).encode())
    assert notice == Notice("notice-1", (payer.setup.reference,))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"iss": "https://another.bank"}, "another bank"),
        ({"iss": None}, "another bank"),
        ({"aud": "another-client"}, "somebody else"),
        ({"aud": ["another-client"]}, "somebody else"),
        ({"aud": None}, "somebody else"),
        ({"iat": -4 * DAY_S}, "too old"),
        ({"iat": 3_600}, "from the future"),
        ({"iat": "now"}, "when it was signed"),
        ({"iat": True}, "when it was signed"),
        ({"jti": ""}, "no id"),
        ({"jti": 7}, "no id"),
        ({"events": {}}, "tells of nothing"),
        ({"events": []}, "tells of nothing"),
        ({"events": {f"event-{number}": {} for number in range(21)}}, "tells of nothing"),
    ],
)
def test_a_notice_that_is_not_for_us_now_is_refused_however_well_it_is_signed(
    payer: Payer, claims: dict[str, Any], bank_key: jose.SigningKey, change: dict[str, Any], why: str
) -> None:
    if isinstance(change.get("iat"), int) and change["iat"] is not True:
        change = {"iat": claims["iat"] + change["iat"]}
    with pytest.raises(NoticeRejected, match=why):
        payer.adapter.parse_notice({}, jose.sign(claims | change, bank_key).encode())


def _unsigned(claims: dict[str, Any], vrp: Vrp) -> str:
    """`alg` none, with the right kid."""
    assert vrp
    header = jose.encode(json.dumps({"alg": "none", "kid": KID}).encode())
    return f"{header}.{jose.encode(json.dumps(claims).encode())}.{jose.encode(b'x')}"


def _signed_with_the_public_key(claims: dict[str, Any], vrp: Vrp) -> str:
    """`alg` HS256, keyed with what the bank publishes: taken by who lets the token choose."""
    key = vrp.client.get(f"{vrp.url}/jwks.json").json()["keys"][0]["n"].encode()
    header = jose.encode(json.dumps({"alg": "HS256", "kid": KID}).encode())
    signed = f"{header}.{jose.encode(json.dumps(claims).encode())}"
    return f"{signed}.{jose.encode(hmac.new(key, signed.encode(), hashlib.sha256).digest())}"


@pytest.mark.parametrize("forge", [_unsigned, _signed_with_the_public_key])
def test_the_token_does_not_choose_how_it_is_proven(
    payer: Payer, claims: dict[str, Any], forge: Callable[[dict[str, Any], Vrp], str]
) -> None:
    with pytest.raises(NoticeRejected, match="its key signs PS256"):
        payer.adapter.parse_notice({}, forge(claims, payer.vrp).encode())


def test_a_changed_claim_or_a_foreign_key_is_refused(
    payer: Payer, claims: dict[str, Any], bank_key: jose.SigningKey
) -> None:
    header, _, signature = jose.sign(claims, bank_key).split(".")
    changed = jose.encode(json.dumps(claims | {"jti": "notice-2"}).encode())
    with pytest.raises(NoticeRejected, match="signature is wrong"):
        payer.adapter.parse_notice({}, f"{header}.{changed}.{signature}".encode())
    own = payer.adapter._consents._access.key()
    stranger = jose.SigningKey(KID, own.key)
    with pytest.raises(NoticeRejected, match="signature is wrong"):
        payer.adapter.parse_notice({}, jose.sign(claims, stranger).encode())
    unknown = jose.SigningKey("nobody", own.key)
    with pytest.raises(NoticeRejected, match="does not publish"):
        payer.adapter.parse_notice({}, jose.sign(claims, unknown).encode())


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"a.b.c", b"..", b"\xff\xfe", b"x" * 1_048_576, b'{"id": "n", "references": ["r"]}']
)
def test_what_is_no_token_is_refused(payer: Payer, body: bytes) -> None:
    with pytest.raises(NoticeRejected):
        payer.adapter.parse_notice({}, body)


def test_a_critical_header_that_nobody_knows_is_refused(
    payer: Payer, claims: dict[str, Any], bank_key: jose.SigningKey
) -> None:
    header = {"alg": "PS256", "kid": KID, "crit": ["exp"], "exp": 1}
    known = jws.JWSRegistry({"exp": HeaderParameter("Expiry", "int")}, algorithms=["PS256"])
    token = jws.serialize_compact(header, json.dumps(claims), bank_key.key, registry=known)
    with pytest.raises(NoticeRejected, match="critical"):
        payer.adapter.parse_notice({}, token.encode())


def test_the_banks_keys_are_asked_for_once_a_minute_however_many_strangers_sign(
    payer: Payer, claims: dict[str, Any], bank_key: jose.SigningKey
) -> None:
    asked: list[str] = []
    real = payer.vrp.client.stream

    class Counting:
        """The bank's door, with a count of who asks for keys."""

        def stream(self, method: str, url: str, **sent: Any) -> Any:  # noqa: ANN401 — as httpx has it
            asked.append(url)
            return real(method, url, **sent)

    adapter = payer.vrp.adapter()
    adapter._events._context.http._client = Counting()  # type: ignore[attr-defined]
    for number in range(20):
        stranger = jose.SigningKey(f"stranger-{number}", bank_key.key)
        with pytest.raises(NoticeRejected):
            adapter.parse_notice({}, jose.sign(claims, stranger).encode())
    assert len(asked) == 1
    assert adapter.parse_notice({}, jose.sign(claims, bank_key).encode()).references
    assert len(asked) == 1


def test_without_the_banks_keys_a_notice_is_read_later(
    payer: Payer, claims: dict[str, Any], bank_key: jose.SigningKey
) -> None:
    adapter = payer.vrp.adapter(jwks_url=f"{payer.vrp.url}/nothing-there")
    with pytest.raises(OutcomeUnknown):
        adapter.parse_notice({}, jose.sign(claims, bank_key).encode())
