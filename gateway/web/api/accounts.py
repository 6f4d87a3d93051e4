"""What a member wishes of the accounts: limits and scopes, their order, which one for what, and the next one."""

from fastapi import APIRouter

from gateway.domain.payment import Mandate, PaymentMethod
from gateway.domain.preference import ChoiceKind, Consent, ConsentKind, MethodChoice
from gateway.steps.acts import accounts, wallet
from gateway.steps.ports import Transaction
from gateway.web.api.paging import Paged, read_page
from gateway.web.api.schemas.common import Page, answers, page_of
from gateway.web.api.schemas.examples import MANDATE_EXAMPLE, METHOD_EXAMPLE
from gateway.web.api.schemas.money import MandateBody, MethodBody
from gateway.web.api.schemas.wishes import (
    CHOICE_EXAMPLE,
    CONSENT_EXAMPLE,
    ChoiceBody,
    ChoiceWish,
    ConsentBody,
    ConsentWish,
    LimitsWish,
    OrderWish,
)
from gateway.web.identity import ApiMember
from gateway.web.services import Web
from gateway.web.views.money import mandate_row

router = APIRouter()


@router.patch("/mandates/{mandate_id}", tags=["mandates"], responses=answers(MANDATE_EXAMPLE, 403, 404, 409))
def change_mandate(who: ApiMember, web: Web, mandate_id: str, wish: LimitsWish) -> MandateBody:
    """Change what a mandate allows. What its provider must agree to first is answered as a mandate that waits."""
    with web.unit_of_work.read() as tx:
        mandate = tx.get(Mandate, who.household_id, mandate_id)
    changed = wallet.set_limits(web.steps, who.member, mandate_id, wish.on(mandate))
    with web.unit_of_work.read() as tx:
        return MandateBody.of(mandate_row(tx, changed, now_us=web.clock.now_us()))


@router.put("/methods/order", tags=["methods"], responses=answers(page_of(METHOD_EXAMPLE), 403))
def order_methods(who: ApiMember, web: Web, wish: OrderWish) -> Page[MethodBody]:
    """Ask the linked accounts in this order."""
    with web.unit_of_work.begin() as tx:
        ordered: list[PaymentMethod] = accounts.order_methods(tx, who.member, tuple(wish.payment_method_ids))
    return Page(items=[MethodBody.of(method) for method in ordered], next=None)


@router.get("/method-choices", tags=["methods"], responses=answers(page_of(CHOICE_EXAMPLE)))
def list_method_choices(who: ApiMember, web: Web, page: Paged) -> Page[ChoiceBody]:
    """List which account is named for which supply, device or shop."""
    with web.unit_of_work.read() as tx:
        choices, following = read_page(tx, MethodChoice, who.household_id, page)
    return Page(items=[ChoiceBody.of(choice) for choice in choices], next=following)


@router.put("/method-choices/{kind}/{subject_id}", tags=["methods"], responses=answers(CHOICE_EXAMPLE, 403, 404))
def choose_method(who: ApiMember, web: Web, kind: ChoiceKind, subject_id: str, wish: ChoiceWish) -> ChoiceBody:
    """Name the account to be debited for one supply, device or shop."""
    with web.unit_of_work.begin() as tx:
        return ChoiceBody.of(accounts.choose_method(tx, who.member, kind, subject_id, wish.payment_method_id))


@router.delete("/method-choices/{kind}/{subject_id}", tags=["methods"], responses=answers(CHOICE_EXAMPLE, 403, 404))
def forget_choice(who: ApiMember, web: Web, kind: ChoiceKind, subject_id: str) -> ChoiceBody:
    """Let the accounts be asked in their order again; the answer is what was named."""
    with web.unit_of_work.begin() as tx:
        return ChoiceBody.of(accounts.forget_choice(tx, who.member, kind, subject_id))


@router.get("/next-account-consent", tags=["methods"], responses=answers(CONSENT_EXAMPLE))
def get_consent(who: ApiMember, web: Web) -> ConsentBody:
    """Say whether the next account may be debited when one declines for the moment."""
    with web.unit_of_work.read() as tx:
        return _consent(tx, who.household_id)


@router.put("/next-account-consent", tags=["methods"], responses=answers(CONSENT_EXAMPLE, 403, 409))
def set_consent(who: ApiMember, web: Web, wish: ConsentWish) -> ConsentBody:
    """Consent to the words of the answer, or take the consent back."""
    with web.unit_of_work.begin() as tx:
        now_us = web.clock.now_us()
        if wish.stands:
            accounts.consent_to_next_account(tx, who.member, now_us=now_us)
        elif accounts.standing_consent(tx, who.household_id) is not None:
            accounts.end_consent(tx, who.member, now_us=now_us)
        return _consent(tx, who.household_id)


def _consent(tx: Transaction, household_id: str) -> ConsentBody:
    newest = tx.find(Consent, household_id, kind=ConsentKind.NEXT_ACCOUNT, newest=1)
    return ConsentBody.of(accounts.standing_consent(tx, household_id) or (newest[0] if newest else None))
