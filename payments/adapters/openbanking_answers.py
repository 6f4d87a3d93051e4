"""What the bank answers, read once, at the edge (Open Banking UK, read/write API 4.0; statuses of 3.1 are known too).

What cannot be read is never a decline.
"""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import msgspec

from payments.adapter import Declined, DeclineKind
from payments.context import HttpResponse
from payments.errors import InvalidRequest, MoneyError, OutcomeUnknown
from payments.money import Money

Decoded = TypeVar("Decoded")

# ISO 20022 and, behind each, what 3.1 called it. On its way is not there yet: only money that arrived is taken for it.
DONE = frozenset({"ACSC", "ACCC", "AcceptedSettlementCompleted", "AcceptedCreditSettlementCompleted"})
WAITING = frozenset(
    {"RCVD", "PDNG", "ACTC", "ACCP", "ACFC", "ACSP", "ACWC", "ACWP", "PATC"}
    | {"Pending", "AcceptedSettlementInProcess", "AcceptedWithoutPosting"}
)
REJECTED = frozenset({"RJCT", "CANC", "BLCK", "Rejected", "Cancelled"})
AUTHORISED = frozenset({"AUTH", "Authorised"})
ASKED = frozenset({"AWAU", "AwaitingAuthorisation"})
ENDED = frozenset({"RJCT", "CANC", "EXPD", "Rejected", "Revoked", "Expired"})

# Reasons of a rejected payment (ISO 20022 ExternalStatusReason); any other may pass.
_HARD = frozenset({"AC01", "AC04", "AC06", "AC14", "MD07"})
_MANDATE = frozenset({"MD01", "MD02", "MD16", "AG01"})

# Codes of a refused request (OBExternalStatusReason1Code).
CONSENT_ENDED, OUTSIDE_LIMITS, NOT_THERE, REAUTHENTICATE, DUPLICATE = "U009", "U014", "U011", "U028", "U013"
_OUTSIDE = "The payment is outside what you agreed to at your bank."
_MANDATE_REFUSALS = {
    CONSENT_ENDED: ("consent_ended", "The permission was ended at your bank."),
    OUTSIDE_LIMITS: ("over_limit", _OUTSIDE),
    REAUTHENTICATE: ("reauthenticate", "Your bank wants you to confirm the permission anew."),
}
_WRONG_REQUEST = frozenset(
    {f"U{number:03d}" for number in (1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 15, 16, 17, 18, 19, 21, 22, 23, 27, 29)}
)


class _Amount(msgspec.Struct):
    Amount: str
    Currency: str


class _Account(msgspec.Struct):
    Identification: str
    Name: str = ""


class _Reason(msgspec.Struct):
    StatusReasonCode: str = ""
    StatusReasonDescription: str = ""


class ConsentData(msgspec.Struct):
    """A consent."""

    ConsentId: str
    Status: str
    DebtorAccount: _Account | None = None


class _Consent(msgspec.Struct):
    Data: ConsentData


class _Instruction(msgspec.Struct):
    InstructionIdentification: str
    InstructedAmount: _Amount


class PaymentData(msgspec.Struct):
    """A payment."""

    DomesticVRPId: str
    ConsentId: str
    Status: str
    Instruction: _Instruction
    StatusReason: list[_Reason] = []


class _Payment(msgspec.Struct):
    Data: PaymentData


class _Payments(msgspec.Struct):
    Data: list[PaymentData]


class RefundData(msgspec.Struct):
    """A refund, in this bank's own words."""

    RefundId: str
    InstructionIdentification: str
    Status: str
    InstructedAmount: _Amount


class _Refund(msgspec.Struct):
    Data: RefundData


class _Refunds(msgspec.Struct):
    Data: list[RefundData]


class _FundsResult(msgspec.Struct):
    FundsAvailable: str


class _FundsData(msgspec.Struct):
    ConsentId: str
    FundsAvailableResult: _FundsResult
    InstructedAmount: _Amount


class _Funds(msgspec.Struct):
    Data: _FundsData


class TransactionData(msgspec.Struct):
    """One line of the operator's account."""

    TransactionId: str
    InstructionIdentification: str
    CreditDebitIndicator: str
    Amount: _Amount
    at_us: int


class _TransactionList(msgspec.Struct):
    Transaction: list[TransactionData]


class _Transactions(msgspec.Struct):
    Data: _TransactionList


class _Error(msgspec.Struct):
    ErrorCode: str
    Message: str = ""
    Path: str = ""


class _Refusal(msgspec.Struct):
    Errors: list[_Error]


class _OAuthError(msgspec.Struct):
    error: str


class Tokens(msgspec.Struct):
    """What the token endpoint gave."""

    access_token: str
    token_type: str
    refresh_token: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """A payment or refund as the bank has it."""

    id: str
    instruction: str
    amount: Money
    status: str
    consent_id: str | None = None
    decline: Declined | None = None


def read_consent(answer: HttpResponse) -> ConsentData:
    """A consent; raises InvalidRequest, OutcomeUnknown."""
    return _require(answer, _Consent).Data


def read_payment(answer: HttpResponse) -> Said | Declined:
    """A payment, or that the bank would not take it; raises InvalidRequest, OutcomeUnknown."""
    if (refused := mandate_refusal(answer)) is not None:
        return refused
    return _said(_require(answer, _Payment).Data)


def read_found_payment(answer: HttpResponse, instruction: str) -> Said | None:
    """The payment of our name, None where the bank has none; raises OutcomeUnknown."""
    found = [_said(one) for one in _require(answer, _Payments).Data]
    return next((one for one in found if one.instruction == instruction), None)


def read_refund(answer: HttpResponse) -> Said:
    """A refund; raises InvalidRequest, OutcomeUnknown."""
    return _refunded(_require(answer, _Refund).Data)


def read_found_refund(answer: HttpResponse, instruction: str) -> Said | None:
    """The refund of our name, None where the bank has none; raises OutcomeUnknown."""
    found = [_refunded(one) for one in _require(answer, _Refunds).Data]
    return next((one for one in found if one.instruction == instruction), None)


def read_funds(answer: HttpResponse, consent_id: str, asked: Money) -> bool | Declined:
    """Whether the money is there, or that the consent does not allow the question any more; raises OutcomeUnknown."""
    if (refused := mandate_refusal(answer)) is not None:
        return refused
    data = _require(answer, _Funds).Data
    if data.ConsentId != consent_id or _money(data.InstructedAmount) != asked:
        raise OutcomeUnknown("the bank answered about other funds than was asked")
    match data.FundsAvailableResult.FundsAvailable:
        case "Available":
            return True
        case "NotAvailable":
            return False
        case other:
            raise OutcomeUnknown(f"the bank says {other[:40]!r} of the funds")


def read_transactions(answer: HttpResponse) -> list[TransactionData]:
    """A page of the operator's account; raises OutcomeUnknown."""
    return _require(answer, _Transactions).Data.Transaction


def read_tokens(answer: HttpResponse) -> Tokens | None:
    """What the token endpoint gave; None where it took the grant for ended. Raises OutcomeUnknown."""
    tokens = _decode(answer, Tokens) if answer.status == 200 else None
    if tokens is not None and tokens.token_type.lower() == "bearer" and tokens.access_token:
        return tokens
    problem = _decode(answer, _OAuthError) if answer.status == 400 else None
    if problem is not None and problem.error == "invalid_grant":
        return None
    raise OutcomeUnknown(f"the bank's token endpoint answered {answer.status}")


def mandate_refusal(answer: HttpResponse) -> Declined | None:
    """Why the consent does not allow it; None for every other answer."""
    code = refusal_code(answer)
    if code not in _MANDATE_REFUSALS:
        return None
    return Declined(DeclineKind.MANDATE, *_MANDATE_REFUSALS[code])


def refusal_code(answer: HttpResponse) -> str:
    """The standard's code of a refused request, empty for any other answer."""
    refusal = _decode(answer, _Refusal) if answer.status in {400, 403} else None
    return refusal.Errors[0].ErrorCode if refusal is not None and refusal.Errors else ""


def amount_of(money: Money) -> dict[str, str]:
    """An amount in the standard's form: "10.50", "GBP"."""
    return {"Amount": f"{money.amount_minor // 100}.{money.amount_minor % 100:02d}", "Currency": money.currency}


def _said(data: PaymentData) -> Said:
    decline = None
    if data.Status in REJECTED:
        reason = data.StatusReason[0] if data.StatusReason else _Reason()
        kind = DeclineKind.SOFT
        if reason.StatusReasonCode in _HARD:
            kind = DeclineKind.HARD
        elif reason.StatusReasonCode in _MANDATE:
            kind = DeclineKind.MANDATE
        message = reason.StatusReasonDescription[:200] or "Your bank rejected the payment."
        decline = Declined(kind, reason.StatusReasonCode[:35] or "rejected", message)
    instruction = data.Instruction
    amount = _money(instruction.InstructedAmount)
    return Said(data.DomesticVRPId, instruction.InstructionIdentification, amount, data.Status, data.ConsentId, decline)


def _refunded(data: RefundData) -> Said:
    decline = None
    if data.Status in REJECTED:
        decline = Declined(DeclineKind.SOFT, "rejected", "The bank rejected the refund.")
    return Said(
        data.RefundId, data.InstructionIdentification, _money(data.InstructedAmount), data.Status, None, decline
    )


def money_of(data: TransactionData) -> Money:
    """What a line of the account is about, signed; raises OutcomeUnknown."""
    amount = _money(data.Amount)
    return amount if data.CreditDebitIndicator == "Credit" else Money(-amount.amount_minor, amount.currency)


def _money(amount: _Amount) -> Money:
    """Raise OutcomeUnknown for what is no amount in whole minor units of two decimals."""
    try:
        minor = Decimal(amount.Amount) * 100
        if minor != minor.to_integral_value():
            raise OutcomeUnknown("the bank's amount has more than two decimals")
        return Money(int(minor), amount.Currency)
    except (InvalidOperation, MoneyError, ValueError) as error:
        raise OutcomeUnknown("the bank's amount cannot be read") from error


def _require(answer: HttpResponse, shape: type[Decoded]) -> Decoded:
    document = _decode(answer, shape) if answer.status in {200, 201} else None
    if document is None:
        _raise_if_wrong_request(answer)
        raise OutcomeUnknown(f"the bank answered {answer.status} with something we do not know")
    return document


def _raise_if_wrong_request(answer: HttpResponse) -> None:
    code = refusal_code(answer)
    if code in _WRONG_REQUEST:
        refusal: Any = _decode(answer, _Refusal)
        raise InvalidRequest(code, refusal.Errors[0].Message[:200])


def _decode(answer: HttpResponse, shape: type[Decoded]) -> Decoded | None:
    try:
        return msgspec.json.decode(answer.body, type=shape)
    except msgspec.MsgspecError:
        return None
