"""The main database's tables: data, no rules. One table for each entity of gateway.domain, field for field.

A household's rows are keyed by (household_id, id), and every foreign key carries the household: a row of one household
cannot refer to another's. Instants are UTC microseconds, money is minor units, ids are UUIDv7 text, and what is only
ever read back whole is JSON.
"""

from gateway.store.tables.access import ApiTokenRow, OperatorRow, SessionRow, SignInLinkRow
from gateway.store.tables.cart import ApprovalRow, CartRow, LineRow
from gateway.store.tables.credit import CreditRow
from gateway.store.tables.household import HouseholdRow, MemberRow
from gateway.store.tables.order import OrderLineRow, OrderRow, ShipmentRow, WithdrawalRow
from gateway.store.tables.payment import (
    AccountRow,
    AttemptRow,
    ConsentRow,
    JournalRow,
    MandateRow,
    MethodChoiceRow,
    OperationRow,
    PaymentMethodRow,
    PostingRow,
    ReservationRow,
)
from gateway.store.tables.records import (
    ActRow,
    AdapterStateRow,
    CursorRow,
    MerchantRow,
    MessageRow,
    NoticeRow,
    PrunedRow,
    WorkRow,
)
from gateway.store.tables.replenishment import ForecastRow, ForecastStateRow, PlanRow, PolicyRow, SecondOpinionRow
from gateway.store.tables.stock import (
    CommandRow,
    DeviceRow,
    LevelRow,
    PackOptionRow,
    QuarantinedRow,
    ReadingRow,
    RefillRow,
    SequenceRow,
    SlotRow,
    SupplyRow,
)

__all__ = [
    "AccountRow",
    "ActRow",
    "AdapterStateRow",
    "ApiTokenRow",
    "ApprovalRow",
    "AttemptRow",
    "CartRow",
    "CommandRow",
    "ConsentRow",
    "CreditRow",
    "CursorRow",
    "DeviceRow",
    "ForecastRow",
    "ForecastStateRow",
    "HouseholdRow",
    "JournalRow",
    "LevelRow",
    "LineRow",
    "MandateRow",
    "MemberRow",
    "MerchantRow",
    "MessageRow",
    "MethodChoiceRow",
    "NoticeRow",
    "OperationRow",
    "OperatorRow",
    "OrderLineRow",
    "OrderRow",
    "PackOptionRow",
    "PaymentMethodRow",
    "PlanRow",
    "PolicyRow",
    "PostingRow",
    "PrunedRow",
    "QuarantinedRow",
    "ReadingRow",
    "RefillRow",
    "ReservationRow",
    "SecondOpinionRow",
    "SequenceRow",
    "SessionRow",
    "ShipmentRow",
    "SignInLinkRow",
    "SlotRow",
    "SupplyRow",
    "WithdrawalRow",
    "WorkRow",
]
