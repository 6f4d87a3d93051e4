"""Devices: what was heard of them and could not be counted; adding, asking, freezing, removing one; what it holds."""

from typing import Annotated

from fastapi import APIRouter, Form, Response

from devices.catalogue import kinds
from devices.provisioning import provision
from devices.topics import build_topic
from gateway.domain.stock import Device, Slot, Supply
from gateway.steps.acts import equipment
from gateway.steps.acts.commands import ask_to_report
from gateway.steps.acts.household import freeze_device
from gateway.steps.ports import Transaction
from gateway.web.pages.forms import shown_on
from gateway.web.pages.rendering import answer
from gateway.web.pages.visit import Visiting, back
from gateway.web.views import device_view, devices_view
from gateway.web.views.asking import last_asking

router = APIRouter(prefix="/devices")


@router.get("")
def devices_page(visiting: Visiting) -> Response:
    """All devices and what was heard of them."""
    household_id, now_us = visiting.household_id, visiting.now_us
    return visiting.show("devices.html", "devices", lambda tx: {"view": devices_view(tx, household_id, now_us=now_us)})


@router.get("/new")
def new_device_page(visiting: Visiting) -> Response:
    """The form for a new device."""
    visiting.member.may_administer("add a device")
    return visiting.show("device_new.html", "devices", lambda _: {"kinds": tuple(kinds().values())})


@router.post("")
@shown_on(new_device_page)
def add_device(
    visiting: Visiting,
    kind: Annotated[str, Form(max_length=64)],
    name: Annotated[str, Form(max_length=80)],
    room: Annotated[str, Form(max_length=80)] = "",
    public_key: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Add a device and show its secret, this once: the answer is a page, so that nothing keeps the secret."""
    visiting.member.may_administer("add a device")
    wanted = equipment.NewDevice(kind=kind, name=name, room=room, public_key=public_key or None)
    provisioned = provision(kind) if kind in kinds() else provision("device")
    with visiting.web.unit_of_work.begin() as tx:
        device = equipment.add_device(tx, visiting.member, wanted, provisioned, now_us=visiting.now_us)
        context = visiting.frame(tx, "devices")
    topics = {"topic": build_topic(device.id, "telemetry"), "ack_topic": build_topic(device.id, "ack")}
    secret = {"name": device.name, "device_id": device.id, "device_secret": provisioned.secret}
    return answer(visiting.request, "device_secret.html", {**context, **topics, **secret}, status=201)


@router.get("/{device_id}")
def device_page(visiting: Visiting, device_id: str) -> Response:
    """One device."""
    household_id, now_us, wall_us = visiting.household_id, visiting.now_us, visiting.wall_us
    return visiting.show(
        "device.html",
        "devices",
        lambda tx: {
            "view": device_view(tx, household_id, device_id, now_us=now_us),
            "asking": last_asking(tx, household_id, device_id, now_us=now_us, wall_us=wall_us),
            "topic": build_topic(device_id, "telemetry"),
        },
    )


@router.post("/{device_id}/slots/{slot_id}")
@shown_on(device_page)
def assign_slot(
    visiting: Visiting,
    device_id: str,
    slot_id: str,
    supply_id: Annotated[str, Form(max_length=64)] = "",
    supply_name: Annotated[str, Form(max_length=80)] = "",
) -> Response:
    """Say which supply a slot draws on: one that is there, or a new one."""
    member, now_us = visiting.member, visiting.now_us

    def assign(tx: Transaction) -> None:
        chosen = supply_id or _new_supply(tx, slot_id, supply_name).id
        equipment.assign_slot(tx, member, slot_id, chosen, now_us=now_us)

    def _new_supply(tx: Transaction, slot_id: str, name: str) -> Supply:
        slot = tx.get(Slot, visiting.household_id, slot_id)
        kind = kinds().get(tx.get(Device, visiting.household_id, slot.device_id).kind)
        icon = equipment.SUPPLY_ICONS.get(slot.kind, kind.icon if kind else "package")
        return equipment.add_supply(
            tx, member, name=name or slot.name, kind=slot.kind, unit=slot.unit, icon=icon, now_us=now_us
        )

    visiting.change(assign)
    return back(f"/devices/{device_id}", "slot")


@router.post("/{device_id}/report-now")
@shown_on(device_page)
def report_now(visiting: Visiting, device_id: str) -> Response:
    """Ask it to say at once what it has left."""
    now_us, wall_us = visiting.now_us, visiting.wall_us
    visiting.change(lambda tx: ask_to_report(tx, visiting.member, device_id, now_us=now_us, wall_us=wall_us))
    return back(f"/devices/{device_id}", anchor="asking")


@router.post("/{device_id}/freeze")
@shown_on(device_page)
def freeze(visiting: Visiting, device_id: str) -> Response:
    """Hear it, and buy nothing on its word."""
    visiting.change(lambda tx: freeze_device(tx, visiting.member, device_id, frozen=True, now_us=visiting.now_us))
    return back(f"/devices/{device_id}", "device-frozen")


@router.post("/{device_id}/unfreeze")
@shown_on(device_page)
def unfreeze(visiting: Visiting, device_id: str) -> Response:
    """Let its word count again."""
    visiting.change(lambda tx: freeze_device(tx, visiting.member, device_id, frozen=False, now_us=visiting.now_us))
    return back(f"/devices/{device_id}", "device-unfrozen")


@router.post("/{device_id}/remove")
@shown_on(device_page)
def remove(visiting: Visiting, device_id: str) -> Response:
    """Let it in no longer."""
    now_us = visiting.now_us
    visiting.change(lambda tx: equipment.remove_device(tx, visiting.member, device_id, now_us=now_us))
    return back("/devices", "device-removed")
