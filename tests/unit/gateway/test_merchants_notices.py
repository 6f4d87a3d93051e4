import hmac
import json
from collections.abc import Iterator

import pytest

from gateway.merchants.context import MerchantContext
from gateway.merchants.http_shop import MAX_NOTICE_BYTES, HttpShop
from gateway.steps.ports import MerchantNotice, MerchantRefused

NOW_S = 1_772_442_000
CAME_US = NOW_S * 1_000_000
BODY = json.dumps({"notice_id": "n-1", "event": "shipped", "at_us": 5, "references": ["order-1", "order-2"]}).encode()


@pytest.fixture
def shop() -> Iterator[HttpShop]:
    context = MerchantContext(
        settings={"base_url": "https://shop.example", "notice_age_s": 60},
        secret="token",
        currency="EUR",
    )
    opened = HttpShop(context)
    yield opened
    opened.close()


def signed(body: bytes, *, at_s: int = NOW_S, token: bytes = b"token") -> dict[str, str]:
    signature = hmac.new(token, f"{at_s}.".encode() + body, "sha256").hexdigest()
    return {"Shop-Timestamp": str(at_s), "SHOP-SIGNATURE": f"v1={signature}"}


def test_a_genuine_notice_is_read_whatever_the_case_of_its_headers(shop: HttpShop) -> None:
    assert shop.parse_notice(signed(BODY), BODY, CAME_US) == MerchantNotice("n-1", ("order-1", "order-2"))


@pytest.mark.parametrize("at_s", [NOW_S - 61, NOW_S + 61])
def test_a_signature_too_old_or_ahead_of_time_is_refused(shop: HttpShop, at_s: int) -> None:
    with pytest.raises(MerchantRefused, match="60 s"):
        shop.parse_notice(signed(BODY, at_s=at_s), BODY, CAME_US)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        signed(BODY, token=b"other"),
        signed(BODY) | {"Shop-Timestamp": str(NOW_S + 1)},
        signed(BODY) | {"Shop-Timestamp": "-1"},
        signed(BODY) | {"Shop-Timestamp": "9" * 400},
        signed(BODY) | {"Shop-Timestamp": "١٢"},
        signed(BODY) | {"SHOP-SIGNATURE": "v1=ü"},
        {"Shop-Timestamp": str(NOW_S)},
    ],
)
def test_a_notice_without_a_proof_is_refused(shop: HttpShop, headers: dict[str, str]) -> None:
    with pytest.raises(MerchantRefused):
        shop.parse_notice(headers, BODY, CAME_US)


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"\xff", b'{"notice_id":"n"}', b'{"notice_id":"n","references":[]}', b" " * (MAX_NOTICE_BYTES + 1)],
)
def test_a_signed_notice_that_cannot_be_read_is_refused(shop: HttpShop, body: bytes) -> None:
    with pytest.raises(MerchantRefused):
        shop.parse_notice(signed(body), body, CAME_US)


def test_the_secret_is_not_in_the_contexts_representation() -> None:
    context = MerchantContext(settings={}, secret="hush", currency="EUR")
    assert "hush" not in repr(context)
