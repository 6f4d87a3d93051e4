"""The first page, and one supply whole: its forecast, its reasons, its history, and what a person may change."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Form, Response

from gateway.domain.errors import Invalid, NotFound
from gateway.domain.records import MerchantAccount
from gateway.domain.replenishment import Policy
from gateway.domain.stock import PackOption, Slot, Supply
from gateway.steps.acts import equipment
from gateway.steps.acts.household import set_policy
from gateway.steps.ports import Offer, Transaction
from gateway.web.pages.decisions import decisions
from gateway.web.pages.forms import amount_of, shown_on
from gateway.web.pages.versions import household_version
from gateway.web.pages.visit import Visit, Visiting, back
from gateway.web.views import (
    SuppliesView,
    SupplyView,
    coming_up,
    device_activity,
    message_rows,
    supplies_view,
    supply_view,
)
from gateway.web.views.household import MessageRow
from gateway.web.views.readings import reading_rows
from gateway.web.views.supply import HISTORY_DAYS

MAX_SOON = 5
MAX_NEWS = 5
MAX_ACTIVITY = 6
CHART_DAYS = 14

router = APIRouter()


@router.get("/")
def home(visiting: Visiting, supply: str | None = None) -> Response:
    """What runs low, what waits for an answer, what comes up."""

    def read(tx: Transaction) -> dict[str, Any]:
        lists = home_lists(visiting, tx)
        selected = _selected(tx, visiting.household_id, lists["supplies"], supply, visiting.now_us)
        return {**lists, "selected": selected, "version": household_version(tx, visiting.household_id)}

    return visiting.show("home.html", "supplies", read)


def home_lists(visiting: Visit, tx: Transaction) -> dict[str, Any]:
    """Return what the first page lists; this much is live."""
    household_id, now_us, wall_us = visiting.household_id, visiting.now_us, visiting.wall_us
    supplies = supplies_view(tx, household_id, now_us=now_us)
    agenda = [item for item in coming_up(tx, household_id, now_us=now_us) if item.kind != "decision"]
    beside = decisions(tx, household_id, now_us=now_us, wall_us=wall_us)
    return {
        "supplies": supplies,
        "carts": beside.carts,
        "more_under_way": beside.more,
        "soon": agenda[:MAX_SOON],
        "news": _news(tx, household_id, now_us),
        "activity": device_activity(tx, household_id, now_us=now_us, limit=MAX_ACTIVITY),
    }


def _news(tx: Transaction, household_id: str, now_us: int) -> tuple[MessageRow, ...]:
    """Return the latest messages; that a cart waits is said by its card."""
    rows = message_rows(tx, household_id, now_us=now_us)
    return tuple(row for row in rows if row.kind != "cart_waiting")[:MAX_NEWS]


def _selected(
    tx: Transaction, household_id: str, supplies: SuppliesView, chosen: str | None, now_us: int
) -> SupplyView | None:
    """Return the supply whose forecast is drawn; an unknown choice falls back to the first with a level."""
    known = {row.id for row in supplies.rows}
    drawn = [row.id for row in supplies.rows if row.quantity is not None] or [row.id for row in supplies.rows]
    if chosen not in known:
        chosen = drawn[0] if drawn else None
    return None if chosen is None else supply_view(tx, household_id, chosen, now_us=now_us, days=CHART_DAYS)


@router.get("/supplies/{supply_id}/forecast")
def forecast_part(visiting: Visiting, supply_id: str, page: str = "home") -> Response:
    """The forecast of one supply, for the first page or for its own, whose headline comes with it."""
    household_id, now_us = visiting.household_id, visiting.now_us
    template, days = ("one_forecast", CHART_DAYS) if page == "home" else ("supply_now", HISTORY_DAYS)
    return visiting.show(
        f"parts/{template}.html",
        "supplies",
        lambda tx: {"view": supply_view(tx, household_id, supply_id, now_us=now_us, days=days)},
    )


@router.get("/supplies/{supply_id}")
def supply_page(visiting: Visiting, supply_id: str) -> Response:
    """One supply whole."""
    household_id, now_us = visiting.household_id, visiting.now_us
    return visiting.show(
        "supply.html",
        "supplies",
        lambda tx: {
            "view": supply_view(tx, household_id, supply_id, now_us=now_us),
            "history": reading_rows(tx, household_id, supply_id, now_us=now_us),
            "shops": tx.find(MerchantAccount, None),
        },
    )


@router.post("/supplies/{supply_id}/level")
@shown_on(supply_page)
def correct_level(
    visiting: Visiting, supply_id: str, slot_id: Annotated[str, Form()], quantity: Annotated[float, Form()]
) -> Response:
    """Believe the person on what is left."""

    def correct(tx: Transaction) -> None:
        _slot_of(visiting, tx, supply_id, slot_id)
        equipment.correct_level(tx, visiting.member, slot_id, quantity, now_us=visiting.now_us)

    visiting.change(correct)
    return back(f"/supplies/{supply_id}", "level")


@router.post("/supplies/{supply_id}/refill")
@shown_on(supply_page)
def put_in_pack(visiting: Visiting, supply_id: str, slot_id: Annotated[str, Form()]) -> Response:
    """Note a new pack that the person put in; its slot is full now."""

    def put_in(tx: Transaction) -> None:
        _slot_of(visiting, tx, supply_id, slot_id)
        equipment.put_in_pack(tx, visiting.member, slot_id, size=None, now_us=visiting.now_us)

    visiting.change(put_in)
    return back(f"/supplies/{supply_id}", "refill")


def _slot_of(visiting: Visit, tx: Transaction, supply_id: str, slot_id: str) -> None:
    """Raise NotFound unless the slot draws on this supply: a page speaks for its own alone."""
    if tx.get(Slot, visiting.household_id, slot_id).supply_id != supply_id:
        raise NotFound("slot", slot_id)


@router.post("/supplies/{supply_id}/shelf")
@shown_on(supply_page)
def set_shelf(visiting: Visiting, supply_id: str, quantity: Annotated[float, Form()]) -> Response:
    """Count the sealed packs."""
    now_us = visiting.now_us
    visiting.change(lambda tx: equipment.set_shelf(tx, visiting.member, supply_id, quantity, now_us=now_us))
    return back(f"/supplies/{supply_id}", "shelf")


@router.post("/supplies/{supply_id}/packs/{pack_id}/prefer")
@shown_on(supply_page)
def prefer_pack(visiting: Visiting, supply_id: str, pack_id: str) -> Response:
    """Make a known product the usual one."""

    def prefer(tx: Transaction) -> None:
        pack = tx.get(PackOption, visiting.household_id, pack_id)
        if pack.supply_id != supply_id:
            raise NotFound("product", pack_id)
        unit = tx.get(Supply, visiting.household_id, supply_id).unit
        offer = Offer(
            sku=pack.sku,
            gtin=pack.gtin,
            name=pack.name,
            detail=pack.detail,
            pack_size=pack.pack_size,
            unit=unit,
            unit_price_minor=pack.last_price_minor or 0,
            in_stock=True,
        )
        equipment.choose_pack(
            tx, visiting.member, supply_id, pack.merchant_id, offer, as_usual=True, now_us=visiting.now_us
        )

    visiting.change(prefer)
    return back(f"/supplies/{supply_id}", "pack")


@router.post("/supplies/{supply_id}/packs")
@shown_on(supply_page)
def add_pack(
    visiting: Visiting,
    supply_id: str,
    merchant_id: Annotated[str, Form()],
    sku: Annotated[str, Form(max_length=64)],
    name: Annotated[str, Form(max_length=120)],
    pack_size: Annotated[float, Form()],
    price: Annotated[str, Form(max_length=20)],
) -> Response:
    """Name a product of a shop as the usual one."""

    def add(tx: Transaction) -> None:
        supply = tx.get(Supply, visiting.household_id, supply_id)
        shop = tx.get(MerchantAccount, visiting.household_id, merchant_id)
        price_minor = amount_of(price, shop.currency, named="price")
        if price_minor < 1:
            raise Invalid("price", "give an amount above zero")
        if not 0 < pack_size < 1e9:
            raise Invalid("pack_size", "give what one pack holds, above zero")
        for field, text in (("sku", sku), ("name", name)):
            if not text.strip():
                raise Invalid(field, "fill this in")
        offer = Offer(
            sku=sku.strip(),
            gtin="",
            name=name.strip(),
            detail="",
            pack_size=pack_size,
            unit=supply.unit,
            unit_price_minor=price_minor,
            in_stock=True,
        )
        equipment.choose_pack(tx, visiting.member, supply_id, shop.id, offer, as_usual=True, now_us=visiting.now_us)

    visiting.change(add)
    return back(f"/supplies/{supply_id}", "pack")


@router.post("/supplies/{supply_id}/policy")
@shown_on(supply_page)
def change_policy(
    visiting: Visiting,
    supply_id: str,
    service_percent: Annotated[float, Form()],
    target_days: Annotated[float, Form()],
    minimum_quantity: Annotated[float, Form()],
    decide_hours: Annotated[float, Form()],
    price_tolerance_percent: Annotated[float, Form()],
    maximum_quantity: Annotated[float | None, Form()] = None,
    enabled: Annotated[str, Form()] = "",
) -> Response:
    """Change how the supply is kept."""

    def change(tx: Transaction) -> None:
        policy = replace(
            tx.get(Policy, visiting.household_id, supply_id),
            enabled=enabled == "yes",
            service_level=service_percent / 100,
            target_days=target_days,
            minimum_quantity=minimum_quantity,
            maximum_quantity=maximum_quantity,
            decide_hours=decide_hours,
            price_tolerance_percent=price_tolerance_percent,
        )
        set_policy(tx, visiting.member, policy, now_us=visiting.now_us)

    visiting.change(change)
    return back(f"/supplies/{supply_id}", "policy")
