"""Between entities (frozen dataclasses of gateway.domain) and the rows of their tables: field for field, both ways."""

import dataclasses
import typing
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any

from gateway.domain import (
    access,
    approval,
    cart,
    command,
    credit,
    household,
    order,
    payment,
    preference,
    records,
    replenishment,
    stock,
    withdrawal,
)
from gateway.store import tables

ROWS: dict[type, type[Any]] = {
    household.Household: tables.HouseholdRow,
    household.Member: tables.MemberRow,
    access.Session: tables.SessionRow,
    access.SignInLink: tables.SignInLinkRow,
    access.ApiToken: tables.ApiTokenRow,
    access.Operator: tables.OperatorRow,
    stock.Device: tables.DeviceRow,
    stock.Sequence: tables.SequenceRow,
    stock.Slot: tables.SlotRow,
    stock.Supply: tables.SupplyRow,
    stock.PackOption: tables.PackOptionRow,
    stock.Reading: tables.ReadingRow,
    stock.Level: tables.LevelRow,
    stock.Refill: tables.RefillRow,
    stock.Quarantined: tables.QuarantinedRow,
    command.Command: tables.CommandRow,
    replenishment.Policy: tables.PolicyRow,
    replenishment.ForecastState: tables.ForecastStateRow,
    replenishment.Forecast: tables.ForecastRow,
    replenishment.SecondOpinion: tables.SecondOpinionRow,
    replenishment.Plan: tables.PlanRow,
    cart.Cart: tables.CartRow,
    cart.Line: tables.LineRow,
    approval.Approval: tables.ApprovalRow,
    payment.PaymentMethod: tables.PaymentMethodRow,
    payment.Mandate: tables.MandateRow,
    credit.Credit: tables.CreditRow,
    preference.MethodChoice: tables.MethodChoiceRow,
    preference.Consent: tables.ConsentRow,
    payment.Attempt: tables.AttemptRow,
    payment.Reservation: tables.ReservationRow,
    payment.Operation: tables.OperationRow,
    payment.Account: tables.AccountRow,
    payment.JournalEntry: tables.JournalRow,
    payment.Posting: tables.PostingRow,
    order.Order: tables.OrderRow,
    order.OrderLine: tables.OrderLineRow,
    order.Shipment: tables.ShipmentRow,
    withdrawal.Withdrawal: tables.WithdrawalRow,
    records.MerchantAccount: tables.MerchantRow,
    records.Notice: tables.NoticeRow,
    records.Pruned: tables.PrunedRow,
    records.Message: tables.MessageRow,
    records.Act: tables.ActRow,
}


def row_type(entity: type) -> type[Any]:
    """Return the table of an entity type; KeyError names an entity without one."""
    return ROWS[entity]


def _tuples(value: Any) -> Any:
    """Return JSON lists as tuples, all the way down to the first object."""
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


@cache
def _readers(entity: Any) -> tuple[tuple[str, Any], ...]:
    """Return (field, reader) for the fields whose stored form is not their own: enums and tuples."""
    hints = typing.get_type_hints(entity)
    readers: list[tuple[str, Any]] = []
    for field in dataclasses.fields(entity):
        kind = hints[field.name]
        if isinstance(kind, UnionType):
            kind = next((part for part in kind.__args__ if part is not type(None)), kind)
        if isinstance(kind, type) and issubclass(kind, Enum):
            readers.append((field.name, kind))
        elif typing.get_origin(kind) is tuple:
            readers.append((field.name, _tuples))
    return tuple(readers)


@cache
def columns(entity: Any) -> tuple[str, ...]:
    """Return the entity's field names, which are its table's column names."""
    return tuple(field.name for field in dataclasses.fields(entity))


@cache
def is_immutable(entity: Any) -> bool:
    """Say whether an entity is one of a household's own and nothing in it can be changed in place."""
    hints = typing.get_type_hints(entity)
    return "household_id" in hints and "id" in hints and not any(_holds_dict(hint) for hint in hints.values())


def _holds_dict(hint: Any) -> bool:
    parts = typing.get_args(hint)
    return hint in {dict, list, Any} or typing.get_origin(hint) in {dict, list} or any(map(_holds_dict, parts))


def to_entity(entity: Any, row: Any) -> Any:
    """Return the entity a row holds; `row` has the columns in the order of the entity's fields."""
    values = dict(zip(columns(entity), row, strict=True))
    for name, reader in _readers(entity):
        if values[name] is not None:
            values[name] = reader(values[name])
    return entity(**values)


def to_values(entity: Any) -> dict[str, Any]:
    """Return the column values of an entity (enums as their text)."""
    kind: Any = type(entity)
    return {name: value.value if isinstance(value := getattr(entity, name), Enum) else value for name in columns(kind)}
