import hmac
import itertools
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from gateway.merchants.contract import MerchantContract
from gateway.merchants.http_shop import HttpShop
from gateway.steps.ports import WantedLine
from tests.integration.merchants.shop_process import TOKEN, ShopProcess

NUMBERS = itertools.count()


@dataclass
class ShopBench:
    merchant: HttpShop
    wanted: WantedLine

    def new_reference(self) -> str:
        return f"contract-{next(NUMBERS)}"

    def genuine_notice(self, reference: str) -> tuple[Mapping[str, str], bytes]:
        body = json.dumps({"notice_id": "n-1", "event": "shipped", "at_us": 1, "references": [reference]}).encode()
        timestamp = str(int(time.time()))  # noqa: TID251 — a signature's age is real time
        signature = hmac.new(TOKEN.encode(), f"{timestamp}.".encode() + body, "sha256").hexdigest()
        return {"Shop-Timestamp": timestamp, "Shop-Signature": f"v1={signature}"}, body


class TestHttpShop(MerchantContract):
    @pytest.fixture
    def bench(self, standing_shop: ShopProcess) -> ShopBench:
        return ShopBench(standing_shop.merchant, WantedLine("juice", "l", None, 1))
