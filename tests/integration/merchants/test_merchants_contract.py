import hmac
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from gateway.merchants.contract import MerchantContract
from gateway.merchants.http_shop import HttpShop
from gateway.steps.ports import WantedLine
from tests.integration.merchants.shop_process import TOKEN, ShopProcess

NUMBERS = itertools.count()
SIGNED_S = 1_772_442_000


@dataclass
class ShopBench:
    merchant: HttpShop
    wanted: WantedLine

    def new_reference(self) -> str:
        return f"contract-{next(NUMBERS)}"

    def genuine_notice(self, reference: str) -> tuple[Mapping[str, str], bytes, int]:
        body = json.dumps({"notice_id": "n-1", "event": "shipped", "at_us": 1, "references": [reference]}).encode()
        timestamp = str(SIGNED_S)
        signature = hmac.new(TOKEN.encode(), f"{timestamp}.".encode() + body, "sha256").hexdigest()
        return {"Shop-Timestamp": timestamp, "Shop-Signature": f"v1={signature}"}, body, SIGNED_S * 1_000_000


class TestHttpShop(MerchantContract):
    @pytest.fixture
    def bench(self, standing_shop: ShopProcess) -> ShopBench:
        return ShopBench(standing_shop.merchant, WantedLine("juice", "l", None, 1))
