"""Payments with their chain, the household's book, mandates and linked accounts."""

from typing import Annotated

from fastapi import APIRouter, Query

from gateway.domain.payment import Account, Attempt, Mandate, PaymentMethod, Posting
from gateway.web.api.paging import Paged, read_page
from gateway.web.api.schemas.common import Page, answers, page_of
from gateway.web.api.schemas.examples import (
    ACCOUNT_EXAMPLE,
    MANDATE_EXAMPLE,
    METHOD_EXAMPLE,
    PAYMENT_DETAIL_EXAMPLE,
    PAYMENT_EXAMPLE,
    POSTING_EXAMPLE,
)
from gateway.web.api.schemas.money import (
    AccountBody,
    MandateBody,
    MethodBody,
    PaymentBody,
    PaymentDetailBody,
    PostingBody,
)
from gateway.web.identity import ApiMember
from gateway.web.services import Web
from gateway.web.views.chain import payment_chain
from gateway.web.views.ledger import account_rows, rows_of_postings
from gateway.web.views.money import mandate_row
from gateway.web.views.payments import payment_row

router = APIRouter()


@router.get("/payments", tags=["payments"], responses=answers(page_of(PAYMENT_EXAMPLE)))
def list_payments(who: ApiMember, web: Web, page: Paged) -> Page[PaymentBody]:
    """List payments, the newest first."""
    with web.unit_of_work.read() as tx:
        attempts, following = read_page(tx, Attempt, who.household_id, page)
        rows = [payment_row(tx, attempt) for attempt in attempts]
    return Page(items=[PaymentBody.of(row) for row in rows], next=following)


@router.get("/payments/{payment_id}", tags=["payments"], responses=answers(PAYMENT_DETAIL_EXAMPLE, 404))
def get_payment(who: ApiMember, web: Web, payment_id: str) -> PaymentDetailBody:
    """Return one payment with its chain: debit, operations, approval, cart lines, plans, forecasts, readings."""
    with web.unit_of_work.read() as tx:
        return PaymentDetailBody.from_chain(payment_chain(tx, who.household_id, payment_id))


@router.get("/ledger", tags=["ledger"], responses=answers(page_of(POSTING_EXAMPLE), 404))
def list_ledger(
    who: ApiMember,
    web: Web,
    page: Paged,
    account_id: Annotated[str | None, Query(max_length=64, description="Only this account's postings.")] = None,
) -> Page[PostingBody]:
    """List the postings of the household's book, the newest first."""
    with web.unit_of_work.read() as tx:
        only = {} if account_id is None else {"account_id": tx.get(Account, who.household_id, account_id).id}
        postings, following = read_page(tx, Posting, who.household_id, page, **only)
        rows = rows_of_postings(tx, who.household_id, postings)
    return Page(items=[PostingBody.of(row) for row in rows], next=following)


@router.get("/ledger/accounts", tags=["ledger"], responses=answers(page_of(ACCOUNT_EXAMPLE)))
def list_accounts(who: ApiMember, web: Web, page: Paged) -> Page[AccountBody]:
    """List the accounts of the household's book with their balances; all balances of a currency sum to zero."""
    with web.unit_of_work.read() as tx:
        accounts, following = read_page(tx, Account, who.household_id, page)
        balances = {row.id: row for row in account_rows(tx, who.household_id)}
    return Page(items=[AccountBody.of(balances[account.id]) for account in accounts], next=following)


@router.get("/mandates", tags=["mandates"], responses=answers(page_of(MANDATE_EXAMPLE)))
def list_mandates(who: ApiMember, web: Web, page: Paged) -> Page[MandateBody]:
    """List the permissions to debit, with what is used and left of each."""
    with web.unit_of_work.read() as tx:
        mandates, following = read_page(tx, Mandate, who.household_id, page)
        rows = [mandate_row(tx, mandate, now_us=web.clock.now_us()) for mandate in mandates]
    return Page(items=[MandateBody.of(row) for row in rows], next=following)


@router.get("/mandates/{mandate_id}", tags=["mandates"], responses=answers(MANDATE_EXAMPLE, 404))
def get_mandate(who: ApiMember, web: Web, mandate_id: str) -> MandateBody:
    """Return one permission to debit."""
    with web.unit_of_work.read() as tx:
        mandate = tx.get(Mandate, who.household_id, mandate_id)
        return MandateBody.of(mandate_row(tx, mandate, now_us=web.clock.now_us()))


@router.get("/methods", tags=["methods"], responses=answers(page_of(METHOD_EXAMPLE)))
def list_methods(who: ApiMember, web: Web, page: Paged) -> Page[MethodBody]:
    """List the linked accounts."""
    with web.unit_of_work.read() as tx:
        methods, following = read_page(tx, PaymentMethod, who.household_id, page)
    return Page(items=[MethodBody.of(method) for method in methods], next=following)


@router.get("/methods/{method_id}", tags=["methods"], responses=answers(METHOD_EXAMPLE, 404))
def get_method(who: ApiMember, web: Web, method_id: str) -> MethodBody:
    """Return one linked account."""
    with web.unit_of_work.read() as tx:
        return MethodBody.of(tx.get(PaymentMethod, who.household_id, method_id))
