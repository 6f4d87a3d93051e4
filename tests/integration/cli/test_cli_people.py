"""Households, members and devices added from the command line."""

import json
import re
from pathlib import Path

import pytest

from devices.identity import Identity
from devices.provisioning import verify_secret
from gateway.assembly import assemble
from gateway.config import read_settings
from gateway.domain.access import ApiToken
from gateway.domain.household import Household
from gateway.domain.stock import Device
from gateway.store.credentials import DeviceCredentials
from gateway.store.unit_of_work import MAX_FOUND
from gateway.web.sessions import digest
from tests.builders import build
from tests.integration.cli.conftest import Replenish

LINK = re.compile(r"http://127\.0\.0\.1:\d+/sign-in/[\w-]{43}")


def only_device(replenish: Replenish) -> Device:
    gateway = assemble(read_settings(replenish.data_dir))
    with gateway.unit_of_work.read() as tx:
        (device,) = tx.find(Device, None)
    gateway.close()
    return device


def test_no_device_is_left_out_of_a_list_or_of_a_brokers_password_file(
    installed: Replenish,
) -> None:
    gateway = assemble(read_settings(installed.data_dir))
    with gateway.unit_of_work.begin() as tx:
        (household,) = tx.find(Household, None, name="Rosa Street 12")
        for number in range(MAX_FOUND + 1):
            tx.add(build(Device, id=f"fridge-{number:05}", household_id=household.id))
    assert len(DeviceCredentials(gateway.unit_of_work).everyone()) == MAX_FOUND + 1
    gateway.close()
    listed = installed("device", "list").lines
    assert len(listed) == MAX_FOUND + 1
    assert listed[-1].startswith("fridge-05000  ")


def test_lists_with_nothing_in_them_say_so_and_what_to_do(replenish: Replenish) -> None:
    replenish("init")
    for what in ("household", "device"):
        said = replenish(what, "list")
        assert said.out == ""
        assert f"replenish {what} add" in said.err


def test_a_household_is_added_with_a_link_that_signs_its_owner_in(replenish: Replenish) -> None:
    replenish("init")
    said = replenish(
        "household", "add", "Rosa Street 12", "--owner-email", "ana@example.org", "--time-zone", "Europe/Madrid"
    )
    assert said.status == 0
    assert LINK.fullmatch(said.lines[1].split()[-1])
    listed = replenish("household", "list")
    assert listed.lines[0].startswith(f"{said.field('Household')}  Rosa Street 12  EUR  Europe/Madrid  since ")


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--time-zone", "Madrid", "'Madrid' is not an IANA time zone such as Europe/Madrid"),
        ("--currency", "euro", "currency: 'euro' is no currency; give one by its three capital letters, such as EUR"),
        ("--currency", "XXZ", "currency: 'XXZ' is no currency; give one by its three capital letters, such as EUR"),
        ("--owner-email", "nobody", "email: give an e-mail address such as ana@example.org"),
        ("--owner-name", " ", "name: give a name of 1 to 80 characters"),
    ],
)
def test_a_wrong_household_is_refused_in_one_sentence(
    replenish: Replenish, option: str, value: str, sentence: str
) -> None:
    replenish("init")
    command = ["household", "add", "Rosa Street 12", "--owner-email", "ana@example.org", option, value]
    assert replenish.refused(*command) == sentence
    assert replenish("household", "list").out == ""


def test_a_member_is_added_and_gets_links_and_tokens(installed: Replenish) -> None:
    said = installed("member", "add", "luis@example.org", "--name", "Luis", "--role", "viewer")
    assert said.status == 0
    assert LINK.fullmatch(said.lines[1].split()[-1])
    again = installed("member", "link", "Luis@example.org")
    assert LINK.fullmatch(again.out.strip())
    assert again.out.strip() != said.lines[1].split()[-1]
    token = installed("member", "token", "luis@example.org", "--name", "wall display").out.strip()
    gateway = assemble(read_settings(installed.data_dir))
    with gateway.unit_of_work.read() as tx:
        (kept,) = tx.find(ApiToken, None)
    gateway.close()
    assert (kept.member_id, kept.name, kept.token_sha256) == (said.field("Member"), "wall display", digest(token))


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (("add", "nobody", "--name", "Luis"), "email: give an e-mail address such as ana@example.org"),
        (("add", "ana@example.org", "--name", "Ana"), "Cannot add this member: it is already there."),
        (("add", "a@example.org", "--name", "A", "--household", "Elm Road"), "say which household with --household"),
        (("link", "eve@example.org"), "no member has the address eve@example.org; see `replenish member add`"),
        (("token", "eve@example.org"), "no member has the address eve@example.org; see `replenish member add`"),
    ],
)
def test_a_wrong_member_is_refused_in_one_sentence(
    installed: Replenish, command: tuple[str, ...], sentence: str
) -> None:
    assert installed.refused("member", *command).startswith(sentence)


def test_with_several_households_one_must_be_named(installed: Replenish) -> None:
    installed("household", "add", "Elm Road 3", "--owner-email", "ana@example.org")
    sentence = installed.refused("device", "add", "fridge", "--name", "Fridge")
    assert "Rosa Street 12" in sentence
    assert "Elm Road 3" in sentence
    assert installed("device", "add", "fridge", "--name", "Fridge", "--household", "Elm Road 3").status == 0
    assert installed.refused("member", "link", "ana@example.org").endswith("2 households; say which with --household")
    assert installed("member", "link", "ana@example.org", "--household", "Elm Road 3").status == 0


def test_a_device_is_added_with_its_topic_its_secret_and_its_key(installed: Replenish) -> None:
    said = installed("device", "add", "fridge", "--name", "Kitchen fridge", "--room", "Kitchen")
    assert said.status == 0
    device = only_device(installed)
    assert said.field("Device") == device.id
    assert said.field("Broker") == "127.0.0.1:0", "as the tests set it"
    assert said.field("Topic") == f"replenish/v1/{device.id}/telemetry"
    assert verify_secret(said.field("Secret"), device.secret_hash)
    identity = Identity.from_private_hex(device.id, said.field("Private key"))
    assert device.public_key == identity.public_key.hex()
    assert installed("device", "list").out == f"{device.id}  fridge  Kitchen fridge  active  signed\n"


def test_a_device_that_keeps_its_own_key_is_told_no_other(installed: Replenish) -> None:
    own = Identity.from_seed("fridge-own", 1).public_key.hex()
    said = installed("device", "add", "fridge", "--name", "Fridge", "--public-key", own)
    assert said.status == 0
    assert "Private key" not in said.out
    assert only_device(installed).public_key == own


def test_credentials_of_several_devices_are_kept_in_one_private_file(installed: Replenish, tmp_path: Path) -> None:
    path = tmp_path / "fleet.json"
    for name in ("One", "Two"):
        assert installed("device", "add", "printer", "--name", name, "--credentials", str(path)).status == 0
    kept = json.loads(path.read_text())
    assert [set(one) for one in kept] == [{"device_id", "secret", "private_key"}] * 2
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("toaster", "--name", "T"), "no such kind of device: toaster"),
        (("fridge", "--name", " "), "name: give a name of 1 to 80 characters"),
        (("fridge", "--name", "F", "--public-key", "abc"), "public_key: "),
        (("fridge", "--name", "F", "--public-key", "ab"), "public_key: an Ed25519 public key has 32 bytes, not 1"),
        (("fridge", "--name", "F", "--public-key", "ab", "--credentials", "c"), "with --public-key the device keeps"),
    ],
)
def test_a_wrong_device_is_refused_in_one_sentence(
    installed: Replenish, options: tuple[str, ...], sentence: str
) -> None:
    assert installed.refused("device", "add", *options).startswith(sentence)
    assert installed("device", "list").out == ""


def test_a_credentials_file_that_cannot_be_added_to_leaves_no_device(installed: Replenish, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("milk, eggs")
    sentence = installed.refused("device", "add", "fridge", "--name", "F", "--credentials", str(path))
    assert "holds no credentials to add to" in sentence
    assert installed("device", "list").out == ""
    assert path.read_text() == "milk, eggs"
