"""What the linked accounts may be debited for: a mandate's limits and scopes, their order, names and the next one."""

from typing import Annotated

from fastapi import APIRouter, Form, Response

from gateway.domain.errors import Invalid
from gateway.domain.payment import Mandate, MandateState
from gateway.domain.preference import ChoiceKind
from gateway.steps.acts import accounts, wallet
from gateway.steps.acts.limits import MOST_IN_SCOPE, Limits
from gateway.steps.money.setting_up import WAITING
from gateway.web.pages.forms import amount_of, shown_on
from gateway.web.pages.money import money_page
from gateway.web.pages.visit import Visiting, back

Ids = Annotated[list[str] | None, Form(max_length=MOST_IN_SCOPE)]
MaybeNumber = Annotated[str, Form(max_length=5)]

router = APIRouter(prefix="/money")


@router.post("/mandates/{mandate_id}")
@shown_on(money_page)
def set_limits(
    visiting: Visiting,
    mandate_id: str,
    per_order: Annotated[str, Form(max_length=20)],
    per_period: Annotated[str, Form(max_length=20)],
    price_tolerance_percent: Annotated[float, Form()],
    period_days: Annotated[int | None, Form()] = None,
    per_merchant: Annotated[str, Form(max_length=20)] = "",
    per_period_count: MaybeNumber = "",
    standing: Annotated[str, Form()] = "",
    valid_days: MaybeNumber = "",
    merchants: Ids = None,
    devices: Ids = None,
    supplies: Ids = None,
) -> Response:
    """Change what a mandate allows; its end stays as it is unless a number of days from now is given.

    Of a scope nothing ticked means any.
    """
    with visiting.web.unit_of_work.read() as tx:
        mandate = tx.get(Mandate, visiting.household_id, mandate_id)
    currency = mandate.currency
    limits = Limits(
        standing=standing == "yes",
        per_order_minor=amount_of(per_order, currency, named="per_order"),
        per_period_minor=amount_of(per_period, currency, named="per_period"),
        period_days=mandate.period_days if period_days is None else period_days,
        per_period_count=_number(per_period_count, "per_period_count", "a number of orders"),
        per_merchant_minor=amount_of(per_merchant, currency, named="per_merchant") if per_merchant.strip() else None,
        price_tolerance_percent=price_tolerance_percent,
        valid_days=_number(valid_days, "valid_days", "a number of days"),
        merchant_ids=tuple(merchants) if merchants else None,
        device_ids=tuple(devices) if devices else None,
        supply_ids=tuple(supplies) if supplies else None,
    )
    in_force = wallet.set_limits(visiting.web.steps, visiting.member, mandate_id, limits)
    said = "limits" if in_force.id == mandate_id else "limits-asked"
    return back("/money", said, f"mandate-{mandate_id}")


@router.get("/mandates/{mandate_id}/back")
def came_back(visiting: Visiting, mandate_id: str) -> Response:
    """Where a provider's page leads back to: what the customer did there is looked up, whatever the address says."""
    with visiting.web.unit_of_work.begin() as tx:
        mandate = wallet.came_back(tx, visiting.member, mandate_id, now_us=visiting.now_us)
    is_waiting = mandate.state in WAITING
    said = "looking" if is_waiting else "linked" if mandate.state is MandateState.ACTIVE else "not-linked"
    return back("/money", said, f"mandate-{mandate_id}")


@router.post("/mandates/{mandate_id}/confirmed")
def confirmed(visiting: Visiting, mandate_id: str) -> Response:
    """Look up what became of a permission that was to be confirmed at the provider."""
    visiting.change(lambda tx: wallet.confirmed(tx, visiting.member, mandate_id, now_us=visiting.now_us))
    return back("/money", "looking", f"mandate-{mandate_id}")


@router.post("/methods/{method_id}/sooner")
@shown_on(money_page)
def ask_sooner(visiting: Visiting, method_id: str) -> Response:
    """Ask an account one place sooner."""
    visiting.change(lambda tx: accounts.move_method(tx, visiting.member, method_id, up=True))
    return back("/money", "ordered", f"method-{method_id}")


@router.post("/methods/{method_id}/later")
@shown_on(money_page)
def ask_later(visiting: Visiting, method_id: str) -> Response:
    """Ask an account one place later."""
    visiting.change(lambda tx: accounts.move_method(tx, visiting.member, method_id, up=False))
    return back("/money", "ordered", f"method-{method_id}")


@router.post("/choices")
@shown_on(money_page)
def name_account(
    visiting: Visiting,
    subject: Annotated[str, Form(max_length=120)],
    method: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """Name the account for a supply, device or shop; none takes the name away."""
    kind, _, subject_id = subject.partition("/")
    if kind not in set(ChoiceKind):
        raise Invalid("subject", "choose what it is for")
    what = ChoiceKind(kind)
    if not method:
        visiting.change(lambda tx: accounts.forget_choice(tx, visiting.member, what, subject_id))
        return back("/money", "unnamed", "named")
    visiting.change(lambda tx: accounts.choose_method(tx, visiting.member, what, subject_id, method))
    return back("/money", "named", "named")


@router.post("/next-account")
@shown_on(money_page)
def consent(visiting: Visiting) -> Response:
    """Allow that the next account is debited when one declines for the moment."""
    visiting.change(lambda tx: accounts.consent_to_next_account(tx, visiting.member, now_us=visiting.now_us))
    return back("/money", "consent", "next-account")


@router.post("/next-account/end")
@shown_on(money_page)
def end_consent(visiting: Visiting) -> Response:
    """Take that back."""
    visiting.change(lambda tx: accounts.end_consent(tx, visiting.member, now_us=visiting.now_us))
    return back("/money", "consent-ended", "next-account")


def _number(written: str, field: str, what: str) -> int | None:
    """Return a number that may be left out; raises Invalid for what is none."""
    if not written.strip():
        return None
    if not written.strip().isdecimal():
        raise Invalid(field, f"write {what}, or leave it empty")
    return int(written)
