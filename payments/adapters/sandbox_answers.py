"""What the sandbox bank answers, read once, at the edge: bytes to outcomes. What cannot be read is never a decline."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

import msgspec

from payments.adapter import (
    Authorized,
    Captured,
    Declined,
    DeclineKind,
    MandateActive,
    MandateRevoked,
    Movement,
    Notice,
    OperationKind,
    Pending,
    Refunded,
    RequiresAction,
    Settlement,
    SettlementLine,
    Unknown,
    Voided,
)
from payments.context import HttpResponse
from payments.errors import NO_SUCH_MANDATE, NOTHING_HELD, InvalidRequest, MoneyError, NoticeRejected, OutcomeUnknown
from payments.money import Money

Success = TypeVar("Success")
Decoded = TypeVar("Decoded")

# The bank's words for "your request is wrong and did nothing". Any other word after sending means nobody knows.
_WRONG_REQUEST = frozenset(
    {
        "currency_mismatch",
        "expired",
        "invalid_body",
        "key_reused",
        "no_key",
        "no_such_account",
        "no_such_capture",
        "no_such_hold",
        NO_SUCH_MANDATE,
        NOTHING_HELD,
        "over_capture",
        "over_refund",
        "reference_used",
        "wrong_account",
    }
)


class _Decline(msgspec.Struct):
    kind: DeclineKind
    code: str
    message: str


class Operation(msgspec.Struct):
    """The bank's record of one operation."""

    reference: str
    id: str
    kind: OperationKind
    amount_minor: int
    currency: str
    status: Literal["succeeded", "declined", "pending", "requires_action"]
    expires_us: int | None = None
    decline: _Decline | None = None
    url: str | None = None


class _Line(msgspec.Struct):
    reference: str
    kind: Literal["capture", "refund"]
    amount_minor: int
    currency: str


class _Settlement(msgspec.Struct):
    id: str
    at_us: int
    currency: str
    gross_minor: int
    fee_minor: int
    net_minor: int
    lines: list[_Line]


class _Settlements(msgspec.Struct):
    settlements: list[_Settlement]


class _Hold(msgspec.Struct):
    reference: str
    left_minor: int
    currency: str


class _Book(msgspec.Struct):
    holds: list[_Hold]
    movements: list[_Line]


class _Notice(msgspec.Struct):
    id: str
    references: list[str]


class _Problem(msgspec.Struct):
    code: str
    detail: str


class _Failure(msgspec.Struct):
    error: _Problem


@dataclass(frozen=True, slots=True)
class Asked:
    """What an answer must be about; `amount` None where the bank says how much."""

    reference: str
    kind: OperationKind
    amount: Money | None = None


def read_operation(
    answer: HttpResponse, asked: Asked, read: Callable[[Operation, Money], Success]
) -> Success | Pending | Declined | Unknown:
    """Read an answer about an operation; raises InvalidRequest.

    `read` makes the outcome of an operation that succeeded or waits for the customer.
    """
    operation = _decode(answer, Operation) if answer.status in {200, 202, 402} else None
    if operation is None:
        _raise_if_wrong_request(answer)
        return Unknown(f"the bank answered {answer.status} with something we do not know")
    try:
        amount = Money(operation.amount_minor, operation.currency)
    except MoneyError as error:
        return Unknown(f"the bank's answer cannot be read: {error}")
    if difference := _difference(operation, amount, asked):
        return Unknown(difference)
    if operation.status == "pending":
        return Pending(operation.id)
    if operation.status == "declined" and operation.decline is not None:
        return Declined(operation.decline.kind, operation.decline.code, operation.decline.message)
    return read(operation, amount)


def mandate_active(operation: Operation, _amount: Money) -> MandateActive | RequiresAction:
    """The permission stands, or the customer must confirm it."""
    return _customer_must_act(operation) or MandateActive(operation.id)


def mandate_revoked(operation: Operation, _amount: Money) -> MandateRevoked | Pending:
    """The permission is gone."""
    return _waiting(operation) or MandateRevoked(operation.id)


def authorized(operation: Operation, amount: Money) -> Authorized | RequiresAction:
    """Money is held, or the customer must confirm it."""
    return _customer_must_act(operation) or Authorized(operation.id, amount, operation.expires_us)


def captured(operation: Operation, amount: Money) -> Captured | Pending:
    """Money moved."""
    return _waiting(operation) or Captured(operation.id, amount)


def voided(operation: Operation, amount: Money) -> Voided | Pending:
    """What was held is free."""
    return _waiting(operation) or Voided(operation.id, amount)


def refunded(operation: Operation, amount: Money) -> Refunded | Pending:
    """Money moved back."""
    return _waiting(operation) or Refunded(operation.id, amount)


def problem_code(answer: HttpResponse) -> str | None:
    """The bank's word for what was wrong, None where it said none."""
    failure = _decode(answer, _Failure)
    return failure.error.code if failure is not None else None


def read_settlements(answer: HttpResponse) -> tuple[Settlement, ...]:
    """Read a page of pay-outs; raises OutcomeUnknown."""
    page = _require(answer, _Settlements)
    try:
        return tuple(_settlement(row) for row in page.settlements)
    except MoneyError as error:
        raise OutcomeUnknown(f"the bank's settlements cannot be read: {error}") from error


def read_movements(answer: HttpResponse) -> tuple[Movement, ...]:
    """Read what is held and what moved; raises OutcomeUnknown."""
    book = _require(answer, _Book)
    rows = [(hold.reference, "authorize", hold.left_minor, hold.currency) for hold in book.holds if hold.left_minor]
    rows += [(line.reference, line.kind, line.amount_minor, line.currency) for line in book.movements]
    try:
        return tuple(
            Movement(reference, OperationKind(kind), Money(minor, currency))
            for reference, kind, minor, currency in rows
        )
    except MoneyError as error:
        raise OutcomeUnknown(f"the bank's book cannot be read: {error}") from error


def read_notice(body: bytes) -> Notice:
    """Read a notice whose signature was checked; raises NoticeRejected."""
    try:
        notice = msgspec.json.decode(body, type=_Notice)
    except msgspec.MsgspecError as error:
        raise NoticeRejected(f"it cannot be read: {error}") from error
    return Notice(notice.id, tuple(notice.references))


def _difference(operation: Operation, amount: Money, asked: Asked) -> str | None:
    if (operation.reference, operation.kind) != (asked.reference, asked.kind):
        return f"the bank answered about {operation.kind} {operation.reference}"
    if asked.amount not in {None, amount}:
        return f"the bank answered about {amount}, asked were {asked.amount}"
    if operation.status == "declined" and operation.decline is None:
        return "the bank declined without a reason"
    if operation.status == "requires_action" and operation.url is None:
        return "the bank sends the customer nowhere"
    return None


def _raise_if_wrong_request(answer: HttpResponse) -> None:
    failure = _decode(answer, _Failure) if answer.status in {400, 404, 409, 422} else None
    if failure is not None and failure.error.code in _WRONG_REQUEST:
        raise InvalidRequest(failure.error.code, failure.error.detail)


def _customer_must_act(operation: Operation) -> RequiresAction | None:
    return RequiresAction(operation.id, operation.url or "") if operation.status == "requires_action" else None


def _waiting(operation: Operation) -> Pending | None:
    # The interface asks the customer at authorize or at the mandate only; elsewhere it is a wait like any other.
    return Pending(operation.id) if operation.status == "requires_action" else None


def _settlement(row: _Settlement) -> Settlement:
    lines = tuple(
        SettlementLine(line.reference, Money(line.amount_minor * (1 if line.kind == "capture" else -1), line.currency))
        for line in row.lines
    )
    gross, fee, net = (Money(minor, row.currency) for minor in (row.gross_minor, row.fee_minor, row.net_minor))
    return Settlement(row.id, row.at_us, gross, fee, net, lines)


def _decode(answer: HttpResponse, shape: type[Decoded]) -> Decoded | None:
    try:
        return msgspec.json.decode(answer.body, type=shape)
    except msgspec.MsgspecError:
        return None


def _require(answer: HttpResponse, shape: type[Decoded]) -> Decoded:
    document = _decode(answer, shape) if answer.status == 200 else None
    if document is None:
        raise OutcomeUnknown(f"the bank answered {answer.status} with something we do not know")
    return document
