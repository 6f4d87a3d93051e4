"""Withdrawal from contracts: declare one, and read those that were declared with their acknowledgements."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import Field

from gateway.domain.cart import MAX_LINES
from gateway.domain.order import Order
from gateway.domain.withdrawal import Withdrawal, WithdrawalState
from gateway.steps.acts.withdraw import withdraw
from gateway.web.api.paging import Paged, read_page
from gateway.web.api.schemas.common import (
    LINE_ID,
    MANDATE_ID,
    ORDER_ID,
    Answer,
    Page,
    Wish,
    answers,
    moment,
    page_of,
)
from gateway.web.identity import ApiMember
from gateway.web.services import Web
from gateway.web.views.withdrawal import WithdrawalRow, withdrawal_row

router = APIRouter()

WITHDRAWAL_EXAMPLE: dict[str, Any] = {
    "id": MANDATE_ID,
    "order_id": ORDER_ID,
    "order_line_ids": [LINE_ID],
    "state": "declared",
    "acknowledgement": "Received 2026-11-24 18:05:00 CET: Ana withdraws from the contract with Corner shop.",
    "next": "Send the goods back within 14 days.",
    "declared": "2026-11-24T17:05:00Z",
    "settled": None,
}


class WithdrawalWish(Wish):
    """Which lines of the order, left out: all that can be withdrawn from; and where the money goes."""

    order_line_ids: list[str] | None = Field(default=None, min_length=1, max_length=MAX_LINES, examples=[[LINE_ID]])
    to_balance: bool = Field(default=False, description="Credit the stored balance instead of the account debited.")


class WithdrawalBody(Answer):
    """A declaration, its acknowledgement and what comes next."""

    id: str
    order_id: str
    order_line_ids: list[str]
    state: WithdrawalState
    acknowledgement: str
    next: str
    declared: datetime | None
    settled: datetime | None

    @classmethod
    def of(cls, row: WithdrawalRow) -> "WithdrawalBody":
        """Make it from the declaration's row."""
        return cls(
            id=row.id,
            order_id=row.order_id,
            order_line_ids=list(row.line_ids),
            state=row.state,
            acknowledgement=row.words,
            next=row.next,
            declared=moment(row.at_us),
            settled=moment(row.settled_us),
        )


@router.post("/orders/{order_id}/withdraw", tags=["orders"], responses=answers(WITHDRAWAL_EXAMPLE, 403, 404, 409))
def withdraw_from_contract(
    who: ApiMember, web: Web, order_id: str, wish: WithdrawalWish | None = None
) -> WithdrawalBody:
    """Withdraw from the contract, for no reason, until fourteen days after all has come; acknowledged at once."""
    line_ids = None if wish is None or wish.order_line_ids is None else tuple(wish.order_line_ids)
    to_balance = wish is not None and wish.to_balance
    with web.unit_of_work.begin() as tx:
        now_us = web.clock.now_us()
        declared = withdraw(tx, who.member, order_id, line_ids, to_balance=to_balance, now_us=now_us)
        return WithdrawalBody.of(withdrawal_row(tx.get(Order, who.household_id, order_id), declared))


@router.get("/withdrawals", tags=["orders"], responses=answers(page_of(WITHDRAWAL_EXAMPLE)))
def list_withdrawals(who: ApiMember, web: Web, page: Paged) -> Page[WithdrawalBody]:
    """List the withdrawals that were declared, the newest first."""
    with web.unit_of_work.read() as tx:
        found, following = read_page(tx, Withdrawal, who.household_id, page)
        rows = [withdrawal_row(tx.get(Order, who.household_id, one.order_id), one) for one in found]
    return Page(items=[WithdrawalBody.of(row) for row in rows], next=following)
