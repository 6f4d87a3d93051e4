"""The sandbox adapter against answers a bank might give. Against the bank itself: tests/integration/payments."""

import hashlib
import hmac
import json
from collections.abc import Mapping

import pytest

from payments.adapter import Authorize, Authorized, Capture, NotFound, Notice, OperationKind, Sync, Unknown
from payments.adapters.sandbox import SandboxAdapter
from payments.errors import ConfigError, InvalidRequest, NoticeRejected, NotSent, OutcomeUnknown, RateLimited
from payments.memory import MemoryContext
from payments.money import Money
from payments.transport import Answer

SETTINGS = {"url": "http://bank.test"}
SECRETS = {"token": "pretend", "notice_secret": "also-pretend"}
AUTHORIZE = Authorize("k1", "op-1", Money(1_890, "EUR"), "anna", "mandate_1")
OPERATION = {
    "reference": "op-1",
    "id": "hold_1",
    "kind": "authorize",
    "amount_minor": 1_890,
    "currency": "EUR",
    "status": "succeeded",
    "expires_us": 42,
}


class OneAnswer:
    """An HttpClient with one answer for every request; it remembers the last request."""

    def __init__(self, answer: Answer | Exception) -> None:
        self.answer = answer
        self.asked: tuple[str, str, Mapping[str, str], bytes] | None = None

    def request(
        self, method: str, url: str, *, headers: Mapping[str, str], content: bytes = b"", timeout_s: float
    ) -> Answer:
        assert timeout_s == 10.0
        self.asked = (method, url, headers, content)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def bank(status: int, body: object, headers: Mapping[str, str] | None = None) -> SandboxAdapter:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return adapter(OneAnswer(Answer(status, headers or {}, content)))


def adapter(http: OneAnswer) -> SandboxAdapter:
    return SandboxAdapter(MemoryContext(SETTINGS, SECRETS, http))


def test_a_request_carries_key_token_and_reference() -> None:
    http = OneAnswer(Answer(200, {}, json.dumps(OPERATION).encode()))
    assert adapter(http).authorize(AUTHORIZE) == Authorized("hold_1", Money(1_890, "EUR"), 42)
    assert http.asked is not None
    method, url, headers, content = http.asked
    assert (method, url) == ("POST", "http://bank.test/holds")
    assert headers["Idempotency-Key"] == "k1"
    assert headers["Authorization"] == "Bearer pretend"
    assert json.loads(content) == {
        "reference": "op-1",
        "account": "anna",
        "mandate": "mandate_1",
        "amount_minor": 1_890,
        "currency": "EUR",
    }


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>"),
        (200, b""),
        (200, []),
        (200, OPERATION | {"amount_minor": 1_891}),
        (200, OPERATION | {"amount_minor": 1_890.0}),
        (200, OPERATION | {"amount_minor": 10**20}),
        (200, OPERATION | {"currency": "USD"}),
        (200, OPERATION | {"currency": "ZZZ"}),
        (200, OPERATION | {"reference": "op-2"}),
        (200, OPERATION | {"kind": "capture"}),
        (200, OPERATION | {"status": "whatever"}),
        (402, OPERATION | {"status": "declined"}),
        (202, OPERATION | {"status": "requires_action"}),
        (201, OPERATION),
        (302, b""),
        (400, {"error": {"code": "a_new_word", "detail": ""}}),
        (404, b"nginx"),
        (418, b""),
        (422, b"{}"),
        (500, {"error": {"code": "over_capture", "detail": "a broken bank says anything"}}),
        (502, b"Bad gateway"),
        (503, b""),
    ],
)
def test_an_answer_that_cannot_be_trusted_is_unknown_and_never_a_decline(status: int, body: object) -> None:
    assert isinstance(bank(status, body).authorize(AUTHORIZE), Unknown)


def test_a_known_refusal_is_an_invalid_request() -> None:
    refusing = bank(422, {"error": {"code": "over_capture", "detail": "5 is left"}})
    with pytest.raises(InvalidRequest, match="over_capture"):
        refusing.capture(Capture("k", "op-1", Money(6, "EUR"), "hold_1"))


def test_a_lost_answer_is_unknown_and_what_was_never_sent_is_not() -> None:
    assert adapter(OneAnswer(OutcomeUnknown("cut"))).authorize(AUTHORIZE) == Unknown("cut")
    assert adapter(OneAnswer(OutcomeUnknown("cut"))).sync(Sync("op-1", OperationKind.AUTHORIZE)) == Unknown("cut")
    with pytest.raises(NotSent):
        adapter(OneAnswer(NotSent("refused"))).authorize(AUTHORIZE)


@pytest.mark.parametrize(("header", "pause_s"), [("7", 7.0), ("99999999", 3600.0), ("soon", 1.0), ("", 1.0)])
def test_a_bank_that_asks_for_patience_is_given_a_bounded_one(header: str, pause_s: float) -> None:
    with pytest.raises(RateLimited) as caught:
        bank(429, b"", {"retry-after": header}).authorize(AUTHORIZE)
    assert caught.value.retry_after_s == pause_s


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_is_the_operators_to_repair(status: int) -> None:
    with pytest.raises(ConfigError):
        bank(status, b"").sync(Sync("op-1", OperationKind.AUTHORIZE))


@pytest.mark.parametrize("settings", [{}, {"url": "bank"}, {"url": "http://bank", "timeout_s": "long"}])
def test_wrong_settings_are_said_at_once(settings: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        SandboxAdapter(MemoryContext(settings, SECRETS))


def test_only_the_banks_own_word_means_not_found() -> None:
    asked = Sync("op-1", OperationKind.AUTHORIZE)
    assert bank(404, {"error": {"code": "no_such_operation", "detail": ""}}).sync(asked) == NotFound()
    assert isinstance(bank(404, b"not found").sync(asked), Unknown)
    assert isinstance(bank(200, OPERATION | {"kind": "capture"}).sync(asked), Unknown)


def test_a_reference_cannot_leave_its_place_in_the_address() -> None:
    http = OneAnswer(Answer(404, {}, b"{}"))
    adapter(http).sync(Sync("../book?x=#", OperationKind.AUTHORIZE))
    assert http.asked is not None
    assert http.asked[1] == "http://bank.test/operations/..%2Fbook%3Fx%3D%23"


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"settlements": [{"id": 1}]}'])
def test_settlements_that_cannot_be_read_are_not_an_empty_list(body: bytes) -> None:
    with pytest.raises(OutcomeUnknown):
        bank(200, body).list_settlements(0)
    with pytest.raises(OutcomeUnknown):
        bank(500, b"").movements("anna")


NOTICE = b'{"id": "n1", "references": ["op-1"], "at_us": 5}'
SIGNATURE = hmac.new(b"also-pretend", NOTICE, hashlib.sha256).hexdigest()


def test_a_signed_notice_names_what_to_sync() -> None:
    assert bank(200, b"").parse_notice({"BANK-Signature": SIGNATURE}, NOTICE) == Notice("n1", ("op-1",))


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, NOTICE),
        ({"bank-signature": ""}, NOTICE),
        ({"bank-signature": SIGNATURE}, NOTICE + b" "),
        ({"bank-signature": "é"}, NOTICE),
        ({"bank-signature": hmac.new(b"pretend", NOTICE, hashlib.sha256).hexdigest()}, NOTICE),
        ({"bank-signature": hmac.new(b"also-pretend", b"[]", hashlib.sha256).hexdigest()}, b"[]"),
        ({"bank-signature": hmac.new(b"also-pretend", b"x" * 70_000, hashlib.sha256).hexdigest()}, b"x" * 70_000),
    ],
)
def test_a_notice_that_is_not_proven_or_not_readable_is_refused(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(NoticeRejected):
        bank(200, b"").parse_notice(headers, body)


def test_without_a_secret_no_notice_is_believed() -> None:
    unsigned = SandboxAdapter(MemoryContext(SETTINGS, {"token": "pretend", "notice_secret": ""}))
    with pytest.raises(NoticeRejected):
        unsigned.parse_notice({"bank-signature": hmac.new(b"", NOTICE, hashlib.sha256).hexdigest()}, NOTICE)
    with pytest.raises(ConfigError):
        SandboxAdapter(MemoryContext(SETTINGS, {})).parse_notice({}, NOTICE)
