"""Payments with their chain, the ledger, mandates and linked accounts as the API sends them."""

from datetime import datetime

from pydantic import Field

from gateway.domain.payment import (
    AttemptState,
    Funding,
    MandateState,
    MethodState,
    OperationKind,
    OperationState,
    PaymentMethod,
)
from gateway.web.api.schemas.common import (
    Amount,
    Answer,
    amount,
    moment,
)
from gateway.web.views.chain import PaymentChain, Signature
from gateway.web.views.ledger import AccountRow, LedgerRow
from gateway.web.views.money import MandateRow
from gateway.web.views.payments import PaymentRow


class PaymentBody(Answer):
    """One try to pay one cart: what was approved, captured and given back."""

    id: str
    cart_id: str
    order_id: str | None
    state: AttemptState
    merchant: str
    method: str
    funding: Funding = Field(description="merchant: the shop debits it itself, the ledger has nothing of it.")
    amount: Amount
    captured: Amount
    refunded: Amount
    created: datetime | None

    @classmethod
    def of(cls, row: PaymentRow) -> "PaymentBody":
        """Make it from the payment's row."""
        return cls.model_validate(_payment(row))


class OperationBody(Answer):
    """One request to the provider; its id is the idempotency key and the ledger's source."""

    id: str
    kind: OperationKind
    state: OperationState
    amount: Amount
    provider_ref: str
    note: str
    created: datetime | None
    closed: datetime | None
    journal_ids: list[str]


class ApprovalBody(Answer):
    """Who said yes, to how much."""

    id: str
    by_mandate: bool
    who: str
    mandate_id: str
    amount: Amount
    state: str
    at: datetime | None


class ReadingBody(Answer):
    """One reading behind a forecast; `signed` is what the gateway verified when it counted it."""

    id: str
    device_id: str
    slot: str
    level: str
    at: datetime | None
    epoch: int
    seq: int
    signed: bool


class ChainLineBody(Answer):
    """One cart line back to its readings."""

    line_id: str
    supply_id: str
    what: str
    amount: Amount
    plan_id: str
    plan_reasons: list[str]
    forecast_id: str
    forecast_reasons: list[str]
    forecast_model: str
    readings: list[ReadingBody]
    readings_in_all: int
    signature: Signature


class ChainBody(Answer):
    """debit ← operation ← approval ← cart line ← plan ← forecast ← readings."""

    operations: list[OperationBody]
    approval: ApprovalBody
    lines: list[ChainLineBody]


class PaymentDetailBody(PaymentBody):
    """A payment with the chain that led to it."""

    chain: ChainBody

    @classmethod
    def from_chain(cls, chain: PaymentChain) -> "PaymentDetailBody":
        """Make it from the chain."""
        currency = chain.payment.currency
        return cls.model_validate(
            _payment(chain.payment)
            | {
                "chain": ChainBody(
                    operations=[
                        OperationBody(
                            id=one.id,
                            kind=one.kind,
                            state=one.state,
                            amount=amount(one.amount_minor, currency),
                            provider_ref=one.provider_ref,
                            note=one.note,
                            created=moment(one.created_us),
                            closed=moment(one.closed_us),
                            journal_ids=list(one.journals),
                        )
                        for one in chain.operations
                    ],
                    approval=ApprovalBody(
                        id=chain.approval.id,
                        by_mandate=chain.approval.by_mandate,
                        who=chain.approval.who,
                        mandate_id=chain.approval.mandate_id,
                        amount=amount(chain.approval.amount_minor, currency),
                        state=chain.approval.state,
                        at=moment(chain.approval.at_us),
                    ),
                    lines=[
                        ChainLineBody(
                            line_id=line.line_id,
                            supply_id=line.supply_id,
                            what=line.what,
                            amount=amount(line.amount_minor, currency),
                            plan_id=line.plan_id,
                            plan_reasons=list(line.plan_reasons),
                            forecast_id=line.forecast_id,
                            forecast_reasons=list(line.forecast_reasons),
                            forecast_model=line.forecast_model,
                            readings=[
                                ReadingBody(
                                    id=one.id,
                                    device_id=one.device_id,
                                    slot=one.slot,
                                    level=one.level,
                                    at=moment(one.at_us),
                                    epoch=one.epoch,
                                    seq=one.seq,
                                    signed=one.signed,
                                )
                                for one in line.readings
                            ],
                            readings_in_all=line.readings_in_all,
                            signature=line.signature,
                        )
                        for line in chain.lines
                    ],
                )
            }
        )


class PostingBody(Answer):
    """One leg of a journal: debit positive, credit negative. `source_id` is the operation, settlement or pay-out."""

    id: str
    journal_id: str
    source_id: str
    kind: str
    memo: str
    pending: bool
    account_id: str
    account: str
    amount: Amount
    at: datetime | None

    @classmethod
    def of(cls, row: LedgerRow) -> "PostingBody":
        """Make it from the ledger's row."""
        return cls(
            id=row.id,
            journal_id=row.journal_id,
            source_id=row.source_id,
            kind=row.kind,
            memo=row.memo,
            pending=row.pending,
            account_id=row.account_id,
            account=row.account_code,
            amount=amount(row.amount_minor, row.currency),
            at=moment(row.at_us),
        )


class AccountBody(Answer):
    """One account of the household's book."""

    id: str
    code: str
    name: str
    balance: Amount
    pending: Amount

    @classmethod
    def of(cls, row: AccountRow) -> "AccountBody":
        """Make it from the account's row."""
        return cls(
            id=row.id,
            code=row.code,
            name=row.name,
            balance=amount(row.balance_minor, row.currency),
            pending=amount(row.pending_minor, row.currency),
        )


class MandateBody(Answer):
    """The permission to debit a linked account within limits; a standing one may also approve carts by itself."""

    id: str
    payment_method_id: str
    state: MandateState
    standing: bool
    per_order: Amount
    per_period: Amount
    period_days: int
    per_merchant: Amount | None
    used: Amount
    left: Amount
    per_period_count: int | None = Field(description="How many orders may fall into one period; null: any number.")
    merchant_ids: list[str] | None = Field(description="Only for these shops; null: any.")
    device_ids: list[str] | None = Field(description="Only for what these devices ask for; null: any.")
    supply_ids: list[str] | None = Field(description="Only for these supplies; null: any.")
    price_tolerance_percent: float
    valid_from: datetime | None
    valid_until: datetime | None

    @classmethod
    def of(cls, row: MandateRow) -> "MandateBody":
        """Make it from the mandate's row."""
        per_merchant = row.per_merchant_minor
        return cls(
            id=row.id,
            payment_method_id=row.method_id,
            state=row.state,
            standing=row.standing,
            per_order=amount(row.per_order_minor, row.currency),
            per_period=amount(row.meter.limit_minor, row.currency),
            period_days=row.period_days,
            per_merchant=None if per_merchant is None else amount(per_merchant, row.currency),
            used=amount(row.meter.used_minor, row.currency),
            left=amount(row.left_minor, row.currency),
            per_period_count=row.per_period_count,
            merchant_ids=_ids(row.merchant_ids),
            device_ids=_ids(row.device_ids),
            supply_ids=_ids(row.supply_ids),
            price_tolerance_percent=row.price_tolerance_percent,
            valid_from=moment(row.valid_from_us),
            valid_until=moment(row.valid_until_us),
        )


class MethodBody(Answer):
    """A linked account: never its number, only its label."""

    id: str
    label: str
    adapter: str
    funding: Funding = Field(description="Who holds what is debited: its provider, this gateway, or the shop itself.")
    currency: str
    state: MethodState
    rank: int = Field(description="The lowest active rank is debited unless another is named.")
    created: datetime | None

    @classmethod
    def of(cls, row: PaymentMethod) -> "MethodBody":
        """Make it from the linked account; its token stays where it is."""
        return cls(
            id=row.id,
            label=row.label,
            adapter=row.adapter,
            funding=row.funding,
            currency=row.currency,
            state=row.state,
            rank=row.rank,
            created=moment(row.created_us),
        )


def _ids(ids: tuple[str, ...] | None) -> list[str] | None:
    return None if ids is None else list(ids)


def _payment(row: PaymentRow) -> dict[str, object]:
    return {
        "id": row.id,
        "cart_id": row.cart_id,
        "order_id": row.order_id,
        "state": row.state,
        "merchant": row.merchant,
        "method": row.method,
        "funding": row.funding,
        "amount": amount(row.amount_minor, row.currency),
        "captured": amount(row.captured_minor, row.currency),
        "refunded": amount(row.refunded_minor, row.currency),
        "created": moment(row.created_us),
    }
