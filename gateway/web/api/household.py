"""The household, its supplies with their forecasts, its policies and devices."""

from fastapi import APIRouter

from gateway.domain.replenishment import Policy
from gateway.domain.stock import Device, DeviceState, Quarantined, Supply
from gateway.steps.acts.commands import ask_to_report
from gateway.steps.ports import Transaction
from gateway.web.api.paging import Paged, read_page
from gateway.web.api.schemas.common import Page, answers, page_of
from gateway.web.api.schemas.devices import DeviceBody, QuarantineBody
from gateway.web.api.schemas.examples import (
    DEVICE_EXAMPLE,
    HOUSEHOLD_EXAMPLE,
    POLICY_EXAMPLE,
    QUARANTINE_EXAMPLE,
    SUPPLY_EXAMPLE,
)
from gateway.web.api.schemas.stock import HouseholdBody, PlanBody, PolicyBody, SupplyBody
from gateway.web.identity import ApiMember
from gateway.web.services import Web, WebServices
from gateway.web.views.asking import last_asking
from gateway.web.views.devices import rows_of
from gateway.web.views.household import household_header
from gateway.web.views.stock import Stock, read_stock
from gateway.web.views.supplies import supply_row

router = APIRouter()

LISTED_DEVICES = frozenset({DeviceState.ACTIVE, DeviceState.FROZEN})


@router.get("/household", tags=["household"], responses=answers(HOUSEHOLD_EXAMPLE))
def get_household(who: ApiMember, web: Web) -> HouseholdBody:
    """Return the household the token acts for."""
    with web.unit_of_work.read() as tx:
        header = household_header(tx, who.household_id, who.member, now_us=web.clock.now_us())
    return HouseholdBody.of(header, who.member.role)


@router.get("/supplies", tags=["supplies"], responses=answers(page_of(SUPPLY_EXAMPLE)))
def list_supplies(who: ApiMember, web: Web, page: Paged) -> Page[SupplyBody]:
    """List the supplies with level, forecast and plan."""
    with web.unit_of_work.read() as tx:
        supplies, following = read_page(tx, Supply, who.household_id, page)
        stock = read_stock(tx, who.household_id, now_us=web.clock.now_us())
    return Page(items=[_supply(stock, supply) for supply in supplies], next=following)


@router.get("/supplies/{supply_id}", tags=["supplies"], responses=answers(SUPPLY_EXAMPLE, 404))
def get_supply(who: ApiMember, web: Web, supply_id: str) -> SupplyBody:
    """Return one supply with level, forecast, reasons and plan."""
    with web.unit_of_work.read() as tx:
        stock = read_stock(tx, who.household_id, now_us=web.clock.now_us(), supply_id=supply_id)
    return _supply(stock, stock.supplies[0])


@router.get("/policies", tags=["policies"], responses=answers(page_of(POLICY_EXAMPLE)))
def list_policies(who: ApiMember, web: Web, page: Paged) -> Page[PolicyBody]:
    """List how each supply is kept."""
    with web.unit_of_work.read() as tx:
        policies, following = read_page(tx, Policy, who.household_id, page)
    return Page(items=[PolicyBody.of(policy) for policy in policies], next=following)


@router.get("/policies/{supply_id}", tags=["policies"], responses=answers(POLICY_EXAMPLE, 404))
def get_policy(who: ApiMember, web: Web, supply_id: str) -> PolicyBody:
    """Return how one supply is kept."""
    with web.unit_of_work.read() as tx:
        return PolicyBody.of(tx.get(Policy, who.household_id, supply_id))


@router.get("/devices", tags=["devices"], responses=answers(page_of(DEVICE_EXAMPLE)))
def list_devices(who: ApiMember, web: Web, page: Paged) -> Page[DeviceBody]:
    """List the things that report; removed ones are left out."""
    with web.unit_of_work.read() as tx:
        devices, following = read_page(tx, Device, who.household_id, page, state=LISTED_DEVICES)
        items = _devices(tx, web, who.household_id, devices)
    return Page(items=items, next=following)


@router.get("/devices/{device_id}", tags=["devices"], responses=answers(DEVICE_EXAMPLE, 404))
def get_device(who: ApiMember, web: Web, device_id: str) -> DeviceBody:
    """Return one thing that reports."""
    with web.unit_of_work.read() as tx:
        (body,) = _devices(tx, web, who.household_id, [tx.get(Device, who.household_id, device_id)])
    return body


@router.post("/devices/{device_id}/report-now", tags=["devices"], responses=answers(DEVICE_EXAMPLE, 403, 404, 409, 429))
def ask_device_to_report(who: ApiMember, web: Web, device_id: str) -> DeviceBody:
    """Ask a device to say at once what it has left; `asked` of the device then says what became of it.

    One that is not connected is waited for during a minute. A device that does not know the command answers nothing.
    """
    with web.unit_of_work.begin() as tx:
        ask_to_report(tx, who.member, device_id, now_us=web.clock.now_us(), wall_us=web.clock.wall_us())
        (body,) = _devices(tx, web, who.household_id, [tx.get(Device, who.household_id, device_id)])
    return body


@router.get("/quarantine", tags=["devices"], responses=answers(page_of(QUARANTINE_EXAMPLE)))
def list_quarantine(who: ApiMember, web: Web, page: Paged) -> Page[QuarantineBody]:
    """List what the household's devices sent that could not be counted."""
    with web.unit_of_work.read() as tx:
        found, following = read_page(tx, Quarantined, who.household_id, page)
    return Page(items=[QuarantineBody.of(row) for row in found], next=following)


def _devices(tx: Transaction, web: WebServices, household_id: str, devices: list[Device]) -> list[DeviceBody]:
    now_us, wall_us = web.clock.now_us(), web.clock.wall_us()
    return [
        DeviceBody.of(row, last_asking(tx, household_id, row.id, now_us=now_us, wall_us=wall_us))
        for row in rows_of(tx, household_id, devices, now_us)
    ]


def _supply(stock: Stock, supply: Supply) -> SupplyBody:
    row = supply_row(stock, supply)
    cart_id = stock.cart_lines[supply.id][0].id if supply.id in stock.cart_lines else None
    order_id = stock.order_lines[supply.id][0][0].id if supply.id in stock.order_lines else None
    plan = PlanBody.of(row, stock.plans.get(supply.id), cart_id=cart_id, order_id=order_id)
    return SupplyBody.of(row, stock.forecasts.get(supply.id), plan)
