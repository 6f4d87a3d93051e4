"""Everything a household has here, as one JSON document: to keep, or to leave with."""

import dataclasses
import json
from collections.abc import Iterator
from contextlib import ExitStack
from tempfile import SpooledTemporaryFile
from typing import IO, Any, cast

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from gateway.domain.access import ApiToken, Session, SignInLink
from gateway.domain.approval import Approval
from gateway.domain.cart import Cart, Line
from gateway.domain.command import Command
from gateway.domain.credit import Credit
from gateway.domain.household import Household, Member
from gateway.domain.order import Order, OrderLine, Shipment
from gateway.domain.payment import (
    Account,
    Attempt,
    JournalEntry,
    Mandate,
    Operation,
    PaymentMethod,
    Posting,
    Reservation,
)
from gateway.domain.preference import Consent, MethodChoice
from gateway.domain.records import Act, Message, Notice, Pruned
from gateway.domain.replenishment import Forecast, ForecastState, Plan, Policy, SecondOpinion
from gateway.domain.stock import (
    Device,
    Level,
    PackOption,
    Quarantined,
    Reading,
    Refill,
    Sequence,
    Slot,
    Supply,
)
from gateway.domain.withdrawal import Withdrawal
from gateway.steps.ports import Transaction
from gateway.web.api.schemas.common import answers
from gateway.web.api.schemas.examples import EXPORT_EXAMPLE
from gateway.web.api.schemas.stock import ExportBody
from gateway.web.identity import ApiMember, gate_of
from gateway.web.problems import TooManyRequests
from gateway.web.services import Web
from gateway.web.wording import instant, iso

ENTITIES: dict[str, type[Any]] = {
    "household": Household,
    "members": Member,
    "sessions": Session,
    "sign_in_links": SignInLink,
    "api_tokens": ApiToken,
    "devices": Device,
    "sequences": Sequence,
    "slots": Slot,
    "supplies": Supply,
    "packs": PackOption,
    "readings": Reading,
    "levels": Level,
    "refills": Refill,
    "quarantine": Quarantined,
    "commands": Command,
    "pruned": Pruned,
    "policies": Policy,
    "forecast_states": ForecastState,
    "forecasts": Forecast,
    "second_opinions": SecondOpinion,
    "plans": Plan,
    "carts": Cart,
    "lines": Line,
    "approvals": Approval,
    "payment_methods": PaymentMethod,
    "mandates": Mandate,
    "method_choices": MethodChoice,
    "consents": Consent,
    "attempts": Attempt,
    "reservations": Reservation,
    "operations": Operation,
    "accounts": Account,
    "journals": JournalEntry,
    "postings": Posting,
    "orders": Order,
    "order_lines": OrderLine,
    "shipments": Shipment,
    "withdrawals": Withdrawal,
    "notices": Notice,
    "messages": Message,
    "acts": Act,
    "credits": Credit,
}
"""Every kind of row a household owns, by its name in the document."""

# What opens a door stays here. A notice's headers may carry the secret a provider proves itself with.
SECRETS = frozenset({"secret_hash", "token_sealed", "password_hash", "token_sha256", "headers"})
IN_MEMORY_BYTES = 1_000_000
CHUNK_BYTES = 64_000

router = APIRouter()


@router.get("/export", tags=["household"], response_model=ExportBody, responses=answers(EXPORT_EXAMPLE, 403, 429))
def export_household(request: Request, who: ApiMember, web: Web) -> StreamingResponse:
    """Return everything the household has here, without secrets; for an owner, a few times an hour."""
    who.member.may_administer("export the household")
    wait_s = gate_of(request).exports_by_household.retry_after_s(who.household_id, web.clock.wall_us())
    if wait_s is not None:
        raise TooManyRequests(wait_s)
    now_us = web.clock.now_us()
    # Written down whole before it is sent: one view of the rows, however slowly somebody reads it.
    with ExitStack() as on_error:
        document: IO[bytes] = on_error.enter_context(SpooledTemporaryFile(IN_MEMORY_BYTES))
        with web.unit_of_work.read() as tx:
            for piece in _pieces(tx, who.household_id, now_us):
                document.write(piece.encode())
        on_error.pop_all()
    document.seek(0)
    name = f"replenish-{instant(now_us):%Y-%m-%d}.json"
    return StreamingResponse(
        _read(document),
        media_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


def _pieces(tx: Transaction, household_id: str, now_us: int) -> Iterator[str]:
    """Yield the document, one row at a time."""
    yield f'{{"format":"replenish-export/1","exported_at":"{iso(now_us)}","entities":{{'
    for place, (name, entity) in enumerate(ENTITIES.items()):
        yield f'{"," if place else ""}"{name}":['
        for row_place, row in enumerate(tx.every(entity, household_id)):
            text = json.dumps(plain(row), ensure_ascii=False, allow_nan=False, default=_plain_bytes)
            yield f"{',' if row_place else ''}\n{text}"
        yield "]\n"
    yield "}}\n"


def plain(row: object) -> dict[str, Any]:
    """Return an entity's fields without its secrets."""
    fields = dataclasses.fields(cast("Any", row))
    return {field.name: getattr(row, field.name) for field in fields if field.name not in SECRETS}


def _plain_bytes(value: object) -> str:
    """Return bytes as hexadecimal digits."""
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"no JSON for {type(value).__name__}")


def _read(document: IO[bytes]) -> Iterator[bytes]:
    with document:
        while chunk := document.read(CHUNK_BYTES):
            yield chunk
