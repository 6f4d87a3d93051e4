"""What comes in and goes out of the bank: the Open Banking (UK) read/write API 4.0 for variable recurring payments."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, TypeVar

import msgspec

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
Identification = Annotated[str, msgspec.Meta(min_length=1, max_length=35)]
Decimal = Annotated[str, msgspec.Meta(pattern=r"^\d{1,13}(\.\d{1,5})?$")]
Body = TypeVar("Body")


class Amount(msgspec.Struct):
    """OBActiveOrHistoricCurrencyAndAmount: "10.00" and "GBP"."""

    Amount: Decimal
    Currency: str

    @property
    def minor(self) -> int:
        """Pence; raises Refused for more than two decimals or another currency."""
        return pence(self.Amount, self.Currency)


class CashAccount(msgspec.Struct):
    """An account by its scheme."""

    SchemeName: Text
    Identification: Text
    Name: str = ""


class PeriodicLimit(msgspec.Struct):
    """How much may be debited in each period."""

    PeriodType: Literal["Day", "Week", "Fortnight", "Month", "Half-year", "Year"]
    PeriodAlignment: Literal["Consent", "Calendar"]
    Amount: Decimal
    Currency: str


class ControlParameters(msgspec.Struct):
    """OBDomesticVRPControlParameters."""

    VRPType: Annotated[list[Text], msgspec.Meta(min_length=1, max_length=5)]
    PSUAuthenticationMethods: Annotated[list[Text], msgspec.Meta(min_length=1, max_length=5)]
    MaximumIndividualAmount: Amount
    PeriodicLimits: Annotated[list[PeriodicLimit], msgspec.Meta(min_length=1, max_length=6)]
    ValidFromDateTime: datetime | None = None
    ValidToDateTime: datetime | None = None
    PSUInteractionTypes: list[Text] = []


class Initiation(msgspec.Struct):
    """OBDomesticVRPInitiation."""

    CreditorAccount: CashAccount
    DebtorAccount: CashAccount | None = None


class ConsentData(msgspec.Struct):
    """What a consent is asked for."""

    ControlParameters: ControlParameters
    Initiation: Initiation
    ReadRefundAccount: Literal["Yes", "No"] = "No"


class ConsentBody(msgspec.Struct):
    """POST /domestic-vrp-consents."""

    Data: ConsentData


class FundsData(msgspec.Struct):
    """What funds are asked about."""

    ConsentId: Text
    InstructedAmount: Amount


class FundsBody(msgspec.Struct):
    """POST /domestic-vrp-consents/{ConsentId}/funds-confirmation."""

    Data: FundsData


class Instruction(msgspec.Struct):
    """OBDomesticVRPInstruction."""

    InstructionIdentification: Identification
    EndToEndIdentification: Identification
    InstructedAmount: Amount
    CreditorAccount: CashAccount


class PaymentData(msgspec.Struct):
    """What a payment is."""

    ConsentId: Text
    PSUAuthenticationMethod: Text
    VRPType: Text
    Initiation: Initiation
    Instruction: Instruction


class PaymentBody(msgspec.Struct):
    """POST /domestic-vrps."""

    Data: PaymentData


class RefundData(msgspec.Struct):
    """What goes back, of which payment; this bank's own."""

    DomesticVRPId: Text
    InstructionIdentification: Identification
    InstructedAmount: Amount


class RefundBody(msgspec.Struct):
    """POST /operator/refunds."""

    Data: RefundData


class AccountBody(msgspec.Struct, forbid_unknown_fields=True):
    """POST /control/accounts."""

    token: Text
    balance_minor: Annotated[int, msgspec.Meta(ge=0, le=10**13)]
    label: Text = "Current account"


class ClientBody(msgspec.Struct, forbid_unknown_fields=True):
    """POST /control/clients: who may ask, where customers are sent back to, and the keys it signs with."""

    client_id: Text
    redirect_uri: Text
    jwks: dict[str, Any]


class ScriptBody(msgspec.Struct, forbid_unknown_fields=True):
    """POST /control/script."""

    next: Annotated[list[Text], msgspec.Meta(min_length=1, max_length=1000)]
    account: Text = "*"


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, as far as the desk cares; header names are lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What to answer, and the fault that says how it goes wrong on the wire."""

    status: int
    body: dict[str, Any] | str | None
    fault: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


class Refused(Exception):
    """A request that does nothing; `status` is the HTTP status, `code` one of the standard's."""

    def __init__(self, status: int, code: str, detail: str, path: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.path = path

    @property
    def body(self) -> dict[str, Any]:
        """OBErrorResponse1; of the token endpoint, as RFC 6749 has it."""
        if not self.code.startswith("U"):
            return {"error": self.code, "error_description": self.detail}
        error = {"ErrorCode": self.code, "Message": self.detail} | ({"Path": self.path} if self.path else {})
        return {"Code": f"{self.status}", "Message": "The request did nothing.", "Errors": [error]}


def read(request: Request, shape: type[Body]) -> Body:
    """Decode a body; raises Refused."""
    try:
        return msgspec.json.decode(request.body, type=shape)
    except msgspec.MsgspecError as error:
        raise Refused(400, "U010", str(error)) from error


def pence(amount: str, currency: str) -> int:
    """Pence of an amount in the standard's form; raises Refused.

    >>> pence("10.5", "GBP")
    1050
    """
    pounds, _, fraction = amount.partition(".")
    if currency != "GBP":
        raise Refused(400, "U023", "this bank keeps accounts in GBP")
    if fraction.rstrip("0")[2:]:
        raise Refused(400, "U002", "GBP has two decimals", "Amount")
    return int(pounds) * 100 + int((fraction + "00")[:2])


def shown(minor: int) -> dict[str, str]:
    """An amount in the standard's form."""
    return {"Amount": f"{minor // 100}.{minor % 100:02d}", "Currency": "GBP"}


def instant(at_us: int) -> str:
    """An instant in the standard's form."""
    return (EPOCH + timedelta(microseconds=at_us)).isoformat()


def microseconds(at: datetime) -> int:
    """Microseconds since 1970; a time without a zone is UTC."""
    aware = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return (aware - EPOCH) // timedelta(microseconds=1)
