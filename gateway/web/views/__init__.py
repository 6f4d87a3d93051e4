"""What pages and the API show: frozen facts with their words, read in one transaction and scoped to one household."""

from gateway.web.views.activity import Activity, device_activity
from gateway.web.views.agenda import AgendaItem, coming_up, planned_orders
from gateway.web.views.book import BookEntry, BookPage, book_page
from gateway.web.views.carts import CartView, cart_view, waiting_carts
from gateway.web.views.chain import PaymentChain, payment_chain
from gateway.web.views.devices import DeviceRow, DevicesView, DeviceView, device_rows, device_view, devices_view
from gateway.web.views.household import HouseholdHeader, household_header, member_rows, message_rows
from gateway.web.views.ledger import LedgerRow, account_rows, ledger_csv
from gateway.web.views.levels import Chart
from gateway.web.views.money import MoneyView, money_view
from gateway.web.views.order import OrderView, order_view
from gateway.web.views.orders import OrdersView, orders_view
from gateway.web.views.payments import PaymentRow, payment_rows, step_up_of
from gateway.web.views.quarantine import QuarantineRow, quarantine_rows
from gateway.web.views.supplies import SuppliesView, SupplyRow, supplies_view
from gateway.web.views.supply import SupplyView, supply_view

__all__ = [
    "Activity",
    "AgendaItem",
    "BookEntry",
    "BookPage",
    "CartView",
    "Chart",
    "DeviceRow",
    "DeviceView",
    "DevicesView",
    "HouseholdHeader",
    "LedgerRow",
    "MoneyView",
    "OrderView",
    "OrdersView",
    "PaymentChain",
    "PaymentRow",
    "QuarantineRow",
    "SuppliesView",
    "SupplyRow",
    "SupplyView",
    "account_rows",
    "book_page",
    "cart_view",
    "coming_up",
    "device_activity",
    "device_rows",
    "device_view",
    "devices_view",
    "household_header",
    "ledger_csv",
    "member_rows",
    "message_rows",
    "money_view",
    "order_view",
    "orders_view",
    "payment_chain",
    "payment_rows",
    "planned_orders",
    "quarantine_rows",
    "step_up_of",
    "supplies_view",
    "supply_view",
    "waiting_carts",
]
