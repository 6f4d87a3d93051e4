"""Looking what the shop has put at the door."""

import asyncio
from typing import Self

import httpx
import msgspec

from simulators.household_file import ShopAddress
from simulators.world import Delivery

TRIES = 4
FIRST_PAUSE_S = 0.25
TIMEOUT_S = 5.0
MAX_PAGES = 100


class DoorstepUnreachable(Exception):
    """The shop did not answer, or not with deliveries."""


class _Item(msgspec.Struct):
    n: int
    sku: str
    kind: str
    quantity: float
    unit: str
    delivered_at_us: int


class _Page(msgspec.Struct):
    items: list[_Item]
    next: int


class Doorstep:
    """One household's door, over HTTP. `after` numbers count up and are kept by the caller."""

    def __init__(self, shop: ShopAddress, household: str) -> None:
        self._path = f"{shop.url.rstrip('/')}/doorstep/{household}"
        # The shop runs beside us: settings meant for the outside world, such as proxies, must not apply.
        self._http = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {shop.token}"}, timeout=TIMEOUT_S, trust_env=False
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_raised: object) -> None:
        await self._http.aclose()

    async def fetch(self, after: int) -> tuple[list[Delivery], int]:
        """Everything delivered since, and the number to ask after next time; raises `DoorstepUnreachable`."""
        found: list[Delivery] = []
        for _ in range(MAX_PAGES):
            page = await self._page(after)
            found.extend(Delivery(item.kind, item.quantity, item.unit, item.delivered_at_us) for item in page.items)
            if not page.items or page.next <= after:
                break
            after = page.next
        return found, after

    async def _page(self, after: int) -> _Page:
        pause_s = FIRST_PAUSE_S
        for attempt in range(1, TRIES + 1):
            try:
                answer = await self._http.get(self._path, params={"after": after})
                answer.raise_for_status()
                return msgspec.json.decode(answer.content, type=_Page)
            except (httpx.HTTPError, msgspec.DecodeError) as error:
                if attempt == TRIES:
                    said = str(error).partition("\n")[0]
                    raise DoorstepUnreachable(f"{self._path}: {type(error).__name__} {said}") from error
                await asyncio.sleep(pause_s)
                pause_s *= 2
        raise AssertionError("the loop returns or raises")
