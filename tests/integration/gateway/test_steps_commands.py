"""Asking a device to report: who may, how often, and what becomes of it."""

from collections.abc import Callable, Mapping

import pytest

from devices.control import encode_command
from gateway.domain.command import MOST_AN_HOUR, WAIT_US, Command, CommandKind, CommandState
from gateway.domain.errors import Conflict, NotAllowed, NotFound, TooOften
from gateway.domain.household import Household, Member, Role
from gateway.domain.records import Act
from gateway.domain.replenishment import HOUR_US, MINUTE_US
from gateway.domain.stock import Device, DeviceState
from gateway.intake import CommandSender
from gateway.steps.acts.commands import ask_to_report, end_command
from gateway.steps.acts.equipment import remove_device
from tests.builders import build
from tests.homes import home
from tests.rig import Rig

OpenRig = Callable[..., Rig]


class Outlet:
    """Devices that are connected, and what they were sent; `on_send` happens just before."""

    def __init__(self, *connected: str, on_send: Callable[[], None] = lambda: None) -> None:
        self.connected = set(connected)
        self.sent: list[tuple[str, bytes]] = []
        self._on_send = on_send

    def publish_command(self, device_id: str, payload: bytes) -> bool:
        self._on_send()
        if device_id in self.connected:
            self.sent.append((device_id, payload))
        return device_id in self.connected


def ask(rig: Rig, device_id: str = "fridge", *, member: Mapping[str, object] | None = None) -> Command:
    """Let a member ask, the owner unless told otherwise."""
    with rig.store.begin() as tx:
        return ask_to_report(
            tx, build(Member, **(member or {})), device_id, now_us=rig.clock.now, wall_us=rig.clock.wall
        )


def look(rig: Rig, outlet: Outlet) -> None:
    """Let the intake look once at what is unsent."""
    CommandSender(outlet, rig.store, rig.clock).send_waiting()


def test_what_an_approver_asks_is_written_down_and_sent_once(open_rig: OpenRig) -> None:
    rig, outlet = open_rig(*home()), Outlet("fridge")
    command = ask(rig, member={"role": Role.APPROVER})
    assert (command.kind, command.state, command.by) == (CommandKind.REPORT_NOW, CommandState.WAITING, "ana")
    assert (rig.the(Act).verb, rig.the(Act).by, rig.the(Act).subject) == ("ask_to_report", "ana", "devices/fridge")
    look(rig, outlet)
    look(rig, outlet)
    assert outlet.sent == [("fridge", encode_command("report-now"))]
    assert (rig.the(Command).state, rig.the(Command).ended_us) == (CommandState.SENT, rig.clock.now)


def test_a_viewer_may_not_ask_and_nobody_asks_anothers_device(open_rig: OpenRig) -> None:
    rig = open_rig(*home(), build(Household, id="lake", household_id="lake"), build(Member, household_id="lake"))
    with pytest.raises(NotAllowed, match="an owner or an approver may ask a device to report"):
        ask(rig, member={"role": Role.VIEWER})
    with pytest.raises(NotFound):
        ask(rig, member={"household_id": "lake"})
    assert rig.rows(Command, None) == []
    assert rig.rows(Act, None) == []


def test_a_removed_device_is_not_asked_and_what_was_unsent_is_over(open_rig: OpenRig) -> None:
    rig, outlet = open_rig(*home(), build(Device, id="gone", state=DeviceState.REMOVED)), Outlet("fridge")
    with pytest.raises(Conflict, match="it is removed"):
        ask(rig, "gone")
    ask(rig)
    with rig.store.begin() as tx:
        remove_device(tx, build(Member), "fridge", now_us=rig.clock.now)
    look(rig, outlet)
    assert outlet.sent == []
    assert rig.the(Command).state is CommandState.EXPIRED


def test_a_device_has_one_unsent_command_and_another_device_its_own(open_rig: OpenRig) -> None:
    rig = open_rig(*home(), build(Device, id="printer"))
    ask(rig)
    with pytest.raises(Conflict, match="it is already asked"):
        ask(rig)
    ask(rig, "printer")
    assert len(rig.rows(Command)) == 2


def test_a_device_that_connects_in_time_is_asked_then(open_rig: OpenRig) -> None:
    rig, outlet = open_rig(*home()), Outlet()
    ask(rig)
    look(rig, outlet)
    assert rig.the(Command).state is CommandState.WAITING
    rig.clock.advance(WAIT_US - 1)
    outlet.connected = {"fridge"}
    look(rig, outlet)
    assert rig.the(Command).state is CommandState.SENT


def test_a_device_that_does_not_connect_in_real_time_is_not_asked_later(open_rig: OpenRig) -> None:
    rig, outlet = open_rig(*home()), Outlet()
    ask(rig)
    rig.clock.now += 90 * HOUR_US  # a demonstration's time does not matter
    look(rig, outlet)
    assert rig.the(Command).state is CommandState.WAITING
    rig.clock.wall += WAIT_US
    outlet.connected = {"fridge"}
    look(rig, outlet)
    assert outlet.sent == []
    assert (rig.the(Command).state, rig.the(Command).ended_us) == (CommandState.EXPIRED, rig.clock.now)


def test_with_no_intake_running_it_can_be_asked_again_after_a_minute(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    first = ask(rig)
    rig.clock.advance(WAIT_US)
    second = ask(rig)
    states = {one.id: one.state for one in rig.rows(Command)}
    assert states == {first.id: CommandState.EXPIRED, second.id: CommandState.WAITING}


def test_a_device_is_asked_so_often_an_hour_in_real_time_and_then_again(open_rig: OpenRig) -> None:
    rig, outlet = open_rig(*home(), build(Device, id="printer")), Outlet("fridge")
    for _ in range(MOST_AN_HOUR):
        ask(rig)
        look(rig, outlet)
        rig.clock.advance(MINUTE_US)
        rig.clock.now += 5 * HOUR_US
    wait = f"at most {MOST_AN_HOUR} times an hour. Try again in {60 - MOST_AN_HOUR} min"
    with pytest.raises(TooOften, match=wait) as refused:
        ask(rig)
    assert refused.value.retry_after_s == 60 * (60 - MOST_AN_HOUR)
    ask(rig, "printer")
    rig.clock.advance(1_000_000 * refused.value.retry_after_s)
    ask(rig)


def test_what_has_ended_meanwhile_stays_as_it_ended(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    command = ask(rig)

    def end() -> None:
        with rig.store.begin() as tx:
            end_command(tx, command, CommandState.EXPIRED, now_us=rig.clock.now)

    look(rig, Outlet("fridge", on_send=end))
    assert rig.the(Command).state is CommandState.EXPIRED
