"""Money: linked accounts, mandates with what is left of them, and the page that shows them with the ledger."""

from dataclasses import dataclass

from gateway.domain.household import Household
from gateway.domain.payment import Funding, Mandate, MandateState, MethodState, PaymentMethod
from gateway.steps.ports import Transaction
from gateway.web.views.ledger import AccountRow, account_rows
from gateway.web.views.limits import LimitMeter, limit_meter, used_in_period
from gateway.web.views.stock import grouped
from gateway.web.views.wishes import Wishes, scope_words, wishes
from gateway.web.wording import Wording, money

METHOD_WORDS = {
    MethodState.PENDING: "Not confirmed yet",
    MethodState.ACTIVE: "Active",
    MethodState.FROZEN: "Frozen",
    MethodState.SUSPENDED: "Suspended",
    MethodState.REVOKED: "Unlinked",
}
MANDATE_WORDS = {
    MandateState.PENDING: "Not confirmed yet",
    MandateState.REQUIRES_ACTION: "Needs your confirmation",
    MandateState.ACTIVE: "Active",
    MandateState.SUSPENDED: "Suspended",
    MandateState.REVOKED: "Given back",
    MandateState.EXPIRED: "Ended",
}
NEXT_WORDS = {
    MandateState.PENDING: "Waiting for the provider's answer. Nothing is debited until it has said yes; this page then"
    " says so. If it takes more than a day, unlink it and link it anew.",
    MandateState.REQUIRES_ACTION: "Your provider wants you to confirm this permission: open its app or web page and say"
    " yes there. Nothing is debited until then.",
    MandateState.SUSPENDED: "The last debits were declined, so nothing more is asked of it. See that there is money in"
    " the account, then save its limits anew or link it again.",
    MandateState.EXPIRED: "This permission has ended. Save its limits to set it up anew; where it had an end, say for"
    " how many days it shall go on.",
}
"""What a person does next where nothing may be debited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MandateRow:
    """One permission to debit, its limits and what is left of them."""

    id: str
    method_id: str
    method: str
    state: MandateState
    words: str
    next: str
    confirm_url: str
    standing: bool
    title: str
    per_order_minor: int
    per_order: str
    per_merchant_minor: int | None
    per_merchant: str
    per_period_count: int | None
    scope: str
    price_tolerance_percent: float
    left_minor: int
    left: str
    meter: LimitMeter
    valid_until_us: int | None
    valid_until: str
    currency: str
    period_days: int
    valid_from_us: int
    merchant_ids: tuple[str, ...] | None
    device_ids: tuple[str, ...] | None
    supply_ids: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodRow:
    """One linked account."""

    id: str
    label: str
    adapter: str
    funding: Funding
    currency: str
    state: MethodState
    words: str
    next: str
    preferred: bool
    rank: int
    linked: str
    created_us: int
    mandates: tuple[MandateRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyView:
    """The page of money, without its ledger."""

    frozen_since_us: int | None
    frozen: str
    methods: tuple[MethodRow, ...]
    mandates: tuple[MandateRow, ...]
    accounts: tuple[AccountRow, ...]
    wishes: Wishes


def money_view(tx: Transaction, household_id: str, *, now_us: int) -> MoneyView:
    """Build the page of money."""
    household = tx.get(Household, household_id, household_id)
    frozen_us = household.frozen_since_us
    mandates = mandate_rows(tx, household_id, now_us=now_us)
    return MoneyView(
        frozen_since_us=frozen_us,
        frozen="" if frozen_us is None else f"Frozen since {Wording(household.time_zone).when(frozen_us, now_us)}",
        methods=method_rows(tx, household_id, mandates),
        mandates=mandates,
        accounts=account_rows(tx, household_id),
        wishes=wishes(tx, household_id, now_us=now_us),
    )


def method_rows(tx: Transaction, household_id: str, mandates: tuple[MandateRow, ...]) -> tuple[MethodRow, ...]:
    """Return the linked accounts, the preferred one first, each with its mandates."""
    wording = Wording(tx.get(Household, household_id, household_id).time_zone)
    of_method = grouped(mandates, "method_id")
    methods = sorted(tx.find(PaymentMethod, household_id), key=lambda method: (method.rank, method.id))
    active = [method.id for method in methods if method.state is MethodState.ACTIVE]
    return tuple(
        MethodRow(
            id=method.id,
            label=method.label,
            adapter=method.adapter,
            funding=method.funding,
            currency=method.currency,
            state=method.state,
            words=METHOD_WORDS[method.state],
            next=_next_of(method, of_method.get(method.id, [])),
            preferred=active[:1] == [method.id],
            rank=method.rank,
            linked=wording.day(method.created_us),
            created_us=method.created_us,
            mandates=tuple(of_method.get(method.id, [])),
        )
        for method in methods
    )


def _next_of(method: PaymentMethod, mandates: list[MandateRow]) -> str:
    """Return what to do where an account cannot be debited; empty where its permission says it already."""
    match method.state:
        case MethodState.FROZEN:
            return "Nothing is debited from it until its freeze is lifted."
        case MethodState.SUSPENDED:
            return f"Its provider said no: {method.note} Nothing is debited until you allow it again; or link another."
        case MethodState.PENDING if not any(row.next for row in mandates):
            return NEXT_WORDS[MandateState.PENDING]
        case _:
            return ""


def _mandate_words(mandate: Mandate) -> str:
    if mandate.standing and mandate.state is MandateState.ACTIVE:
        return "By itself"
    return MANDATE_WORDS[mandate.state]


def mandate_rows(tx: Transaction, household_id: str, *, now_us: int) -> tuple[MandateRow, ...]:
    """Return the mandates with what their running period used."""
    return tuple(mandate_row(tx, mandate, now_us=now_us) for mandate in tx.find(Mandate, household_id))


def mandate_row(tx: Transaction, mandate: Mandate, *, now_us: int) -> MandateRow:
    """Build one mandate."""
    household_id = mandate.household_id
    wording = Wording(tx.get(Household, household_id, household_id).time_zone)
    used = used_in_period(tx, mandate, now_us)
    left = max(0, mandate.per_period_minor - used)
    limit = mandate.per_merchant_minor
    return MandateRow(
        id=mandate.id,
        method_id=mandate.payment_method_id,
        method=tx.get(PaymentMethod, household_id, mandate.payment_method_id).label,
        state=mandate.state,
        words=_mandate_words(mandate),
        next=NEXT_WORDS.get(mandate.state, ""),
        confirm_url=mandate.confirm_url,
        standing=mandate.standing,
        title="Approves by itself within these limits" if mandate.standing else "Debited after your OK",
        per_order_minor=mandate.per_order_minor,
        per_order=money(mandate.per_order_minor, mandate.currency),
        per_merchant_minor=limit,
        per_merchant="" if limit is None else money(limit, mandate.currency),
        per_period_count=mandate.per_period_count,
        scope=scope_words(tx, mandate),
        price_tolerance_percent=mandate.price_tolerance_percent,
        left_minor=left,
        left=money(left, mandate.currency),
        meter=limit_meter(mandate, used_minor=used, this_minor=0),
        valid_until_us=mandate.valid_until_us,
        valid_until="" if mandate.valid_until_us is None else wording.day(mandate.valid_until_us),
        currency=mandate.currency,
        period_days=mandate.period_days,
        valid_from_us=mandate.valid_from_us,
        merchant_ids=mandate.merchant_ids,
        device_ids=mandate.device_ids,
        supply_ids=mandate.supply_ids,
    )
