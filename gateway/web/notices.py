"""What providers and shops tell us: kept raw, answered at once, worked on later by the notice step.

Nothing is believed here; the step verifies the signature and takes what is left as a hint to look something up.
"""

import hashlib

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from gateway.domain.errors import NotFound
from gateway.domain.payment import PaymentMethod
from gateway.domain.records import MerchantAccount, Notice, NoticeState
from gateway.steps.ports import Transaction
from gateway.web.identity import client_address, gate_of
from gateway.web.problems import NoRoom, TooManyRequests
from gateway.web.services import Web, WebServices

MAX_HEADERS = 40
MAX_HEADER_CHARACTERS = 2000
MAX_WAITING = 500
"""Notices of one provider or shop that nobody has verified yet: a stranger's flood fills no disk."""

RETRY_WAITING_S = 30
NEVER_KEPT = frozenset({"authorization", "cookie"})
"""A signature is kept because the step needs it; what would let somebody in is not."""

router = APIRouter(prefix="/notices", include_in_schema=False)


@router.post("/payment/{name}")
async def payment_notice(request: Request, name: str, web: Web) -> Response:
    """Take what a payment provider tells us; `name` is the adapter's."""
    return await _take(request, web, "payment", name)


@router.post("/merchant/{name}")
async def merchant_notice(request: Request, name: str, web: Web) -> Response:
    """Take what a shop tells us; `name` is the shop's id."""
    return await _take(request, web, "merchant", name)


async def _take(request: Request, web: WebServices, source: str, name: str) -> Response:
    wait_s = gate_of(request).notices_by_address.retry_after_s(client_address(request), web.clock.wall_us())
    if wait_s is not None:
        raise TooManyRequests(wait_s)
    body = await request.body()
    headers = [(key, value[:MAX_HEADER_CHARACTERS]) for key, value in request.headers.items() if key not in NEVER_KEPT]
    await run_in_threadpool(keep, web, source, name, dict(headers[:MAX_HEADERS]), body)
    return Response(status_code=202)


def keep(web: WebServices, source: str, name: str, headers: dict[str, str], body: bytes) -> None:
    """Store a notice and leave a row for the worker; the same bytes again change nothing. Raises NotFound, NoRoom.

    The same body under other headers is another notice until one of them is proven: a forged one keeps no genuine out.
    """
    sha256 = hashlib.sha256(body).hexdigest()
    now_us = web.clock.now_us()
    with web.unit_of_work.begin() as tx:
        if not _is_known(tx, source, name):
            raise NotFound(source, name)
        if any(_is_taken(one, headers) for one in tx.find(Notice, None, source=source, name=name, sha256=sha256)):
            return
        if tx.count(Notice, None, source=source, name=name, state=NoticeState.RECEIVED) >= MAX_WAITING:
            raise NoRoom(RETRY_WAITING_S)
        notice = Notice(
            id=tx.new_id(),
            household_id=None,
            source=source,
            name=name,
            headers=headers,
            body=body,
            sha256=sha256,
            state=NoticeState.RECEIVED,
            reason="",
            received_us=now_us,
            received_wall_us=web.clock.wall_us(),
        )
        tx.add(notice)
        tx.enqueue("notice", None, notice.id, due_us=now_us)


def _is_taken(before: Notice, headers: dict[str, str]) -> bool:
    """Whether nothing is left to do for the same body under these headers."""
    return before.state is NoticeState.DONE or (before.state is NoticeState.RECEIVED and before.headers == headers)


def _is_known(tx: Transaction, source: str, name: str) -> bool:
    """Whether anybody here works with that provider or shop: what nobody waits for is not stored."""
    if source == "payment":
        return bool(tx.find(PaymentMethod, None, adapter=name, newest=1))
    return bool(tx.find(MerchantAccount, None, id=name))
