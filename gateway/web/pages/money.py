"""Money: linked accounts, what may be debited, the freeze, and the book of everything that moved."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import StreamingResponse

from gateway.domain.errors import Invalid, NotFound
from gateway.domain.household import Household
from gateway.domain.payment import MandateState, MethodState
from gateway.steps.acts import returning, wallet
from gateway.steps.acts.household import freeze_everything, freeze_method, unfreeze_everything
from gateway.steps.acts.limits import Limits
from gateway.steps.ports import Transaction
from gateway.web.pages.forms import amount_of, shown_on, written
from gateway.web.pages.visit import Visit, Visiting, back
from gateway.web.views import MoneyView, book_page, ledger_csv, money_view, payment_rows
from gateway.web.wording import money
from payments.adapter import AccountPrompt, HostedPage
from payments.errors import ConfigError

ENTRIES_A_PAGE = 15
LATEST_PAYMENTS = 6
PERIOD_DAYS = 30
REFUSED = "the provider refused this account; check what you wrote, or ask the provider why"

router = APIRouter(prefix="/money")


@router.get("")
def money_page(visiting: Visiting, account: str | None = None, before: str | None = None) -> Response:
    """Accounts, limits and the book, of one ledger account if chosen."""
    return visiting.show("money.html", "money", lambda tx: _context(visiting, tx, account, before))


def _context(visiting: Visit, tx: Transaction, account: str | None, before: str | None) -> dict[str, Any]:
    household_id = visiting.household_id
    view = money_view(tx, household_id, now_us=visiting.now_us)
    providers = _providers(visiting)
    linked = {method.adapter for method in view.methods if method.state is not MethodState.REVOKED}
    return {
        "view": view,
        "headline": _headline(view),
        "book": book_page(tx, household_id, limit=ENTRIES_A_PAGE, account_id=account, before=before),
        "is_newest": before is None,
        "titles": {provider.name: provider.title for provider in providers},
        "providers": [one for one in providers if one.prompt is not None or one.name not in linked],
        "payments": payment_rows(tx, household_id, limit=LATEST_PAYMENTS),
        "account_id": account,
        "written": written,
    }


@dataclass(frozen=True, slots=True)
class Provider:
    """A payment adapter as a person chooses it; `prompt` says what it asks for, None: nothing."""

    name: str
    title: str
    prompt: AccountPrompt | HostedPage | None

    @property
    def is_hosted(self) -> bool:
        """Whether the account is chosen on the provider's own page."""
        return isinstance(self.prompt, HostedPage)


def _providers(visiting: Visit) -> list[Provider]:
    """Return the adapters that can be linked here; one whose settings are missing cannot."""
    installed = visiting.web.steps.providers
    found = []
    for name in installed.names:
        try:
            can = installed.open(name).capabilities
        except ConfigError:
            continue
        found.append(Provider(name, can.title, can.account))
    return found


def _headline(view: MoneyView) -> str:
    if view.frozen_since_us is not None:
        return "Everything is frozen"
    active = [method for method in view.methods if method.state is MethodState.ACTIVE and method.mandates]
    if not active:
        return "No account may be debited yet"
    first = next((row for row in active[0].mandates if not row.standing), active[0].mandates[0])
    return f"{money(first.left_minor, first.currency)} left to spend of your {first.meter.period} limit"


@router.get("/ledger.csv")
def ledger_file(visiting: Visiting, account: str | None = None) -> Response:
    """The whole book as CSV, a line at a time."""

    def lines() -> Iterator[str]:
        with visiting.web.unit_of_work.read() as tx:
            yield from ledger_csv(tx, visiting.household_id, account)

    headers = {"Content-Disposition": 'attachment; filename="ledger.csv"', "Cache-Control": "no-store"}
    return StreamingResponse(lines(), media_type="text/csv; charset=utf-8", headers=headers)


@router.post("/freeze")
@shown_on(money_page)
def freeze(visiting: Visiting) -> Response:
    """Stop everything that buys or debits."""
    visiting.change(lambda tx: freeze_everything(tx, visiting.member, now_us=visiting.now_us))
    return back("/money", "frozen")


@router.post("/unfreeze")
@shown_on(money_page)
def unfreeze(visiting: Visiting) -> Response:
    """Let it go on."""
    visiting.change(lambda tx: unfreeze_everything(tx, visiting.member, now_us=visiting.now_us))
    return back("/money", "unfrozen")


@router.post("/methods")
@shown_on(money_page)
def link_account(
    visiting: Visiting,
    adapter: Annotated[str, Form(max_length=64)],
    per_order: Annotated[str, Form(max_length=20)],
    per_period: Annotated[str, Form(max_length=20)],
    label: Annotated[str, Form(max_length=80)] = "",
    account: Annotated[str, Form(max_length=500)] = "",
    standing: Annotated[str, Form()] = "",
) -> Response:
    """Link an account under a mandate."""
    with visiting.web.unit_of_work.read() as tx:
        currency = tx.get(Household, visiting.household_id, visiting.household_id).currency
    limits = Limits(
        standing=standing == "yes",
        per_order_minor=amount_of(per_order, currency, named="per_order"),
        per_period_minor=amount_of(per_period, currency, named="per_period"),
        period_days=PERIOD_DAYS,
    )
    mandate = wallet.link_account(
        visiting.web.steps, visiting.member, adapter_name=adapter, token=account, label=label, limits=limits
    )
    if mandate.state is MandateState.REVOKED:
        raise Invalid("account", REFUSED)
    said = {MandateState.ACTIVE: "linked", MandateState.REQUIRES_ACTION: "choosing"}.get(mandate.state, "linking")
    return back("/money", said, f"method-{mandate.payment_method_id}")


@router.post("/methods/{method_id}/unlink")
@shown_on(money_page)
def unlink_account(visiting: Visiting, method_id: str) -> Response:
    """Revoke an account's mandates and forget how to debit it."""
    wallet.unlink_account(visiting.web.steps, visiting.member, method_id)
    return back("/money", "unlinked")


@router.post("/methods/{method_id}/freeze")
@shown_on(money_page)
def freeze_account(visiting: Visiting, method_id: str) -> Response:
    """Debit nothing from one account."""
    visiting.change(lambda tx: freeze_method(tx, visiting.member, method_id, frozen=True))
    return back("/money", "method-frozen")


@router.post("/methods/{method_id}/unfreeze")
@shown_on(money_page)
def unfreeze_account(visiting: Visiting, method_id: str) -> Response:
    """Let one account be debited again."""
    visiting.change(lambda tx: freeze_method(tx, visiting.member, method_id, frozen=False))
    return back("/money", "method-unfrozen")


@router.get("/returned/{adapter}")
def returned(visiting: Visiting, request: Request, adapter: str) -> Response:
    """Where a provider sends every customer back to, with what its adapter needs to go on; it is good once."""
    try:
        mandate = returning.returned(visiting.web.steps, visiting.member, adapter, dict(request.query_params))
    except (Invalid, NotFound):
        return back("/money", "not-returned")
    said = {MandateState.ACTIVE: "linked", MandateState.REVOKED: "not-linked"}.get(mandate.state, "looking")
    return back("/money", said, f"mandate-{mandate.id}")
