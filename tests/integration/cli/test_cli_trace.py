"""`replenish trace`: each reading behind a debit is verified once more by the bytes that are still kept."""

import json
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from devices.envelope import seal, seal_plain
from devices.formats.native import encode_report
from devices.identity import Identity
from devices.readings import Reading as Said
from devices.readings import Report
from gateway.assembly import Gateway, assemble
from gateway.config import read_settings
from gateway.domain.approval import Approval
from gateway.domain.cart import Cart, Line
from gateway.domain.household import Member
from gateway.domain.payment import Attempt, Mandate, Operation, PaymentMethod
from gateway.domain.records import MerchantAccount
from gateway.domain.replenishment import DAY_US, Forecast, Plan
from gateway.domain.stock import Device, PackOption, Reading, Slot, Supply
from gateway.steps.receive import Arrival, receive
from gateway.steps.record import CURSOR
from gateway.store.merchant_secrets import seal_merchant
from tests.builders import build, whole_story
from tests.integration.cli.conftest import Replenish

BEHIND_A_DEBIT = (MerchantAccount, Supply, Slot, PackOption, Plan, Cart, Line, PaymentMethod, Mandate, Approval)
FRIDGE = Identity.from_seed("fridge", 1)
LEFT = 0.5
SIGNED, PLAIN = 1, 2


def body(left: float = LEFT) -> bytes:
    return encode_report(Report(None, (Said("milk", "left", left, "l"),)), "json")


@pytest.fixture
def debited(installed: Replenish) -> Replenish:
    """A debit that rests on a signed and on an unsigned reading, both still in the inbox."""
    gateway = assemble(read_settings(installed.data_dir))
    now_us = gateway.clock.now_us()
    sent = (seal(FRIDGE, 1, SIGNED, body(), "json"), seal_plain(1, PLAIN, body()))
    receive([Arrival("replenish/v1/fridge/telemetry", payload, "fridge") for payload in sent], gateway.inbox, now_us)
    with gateway.unit_of_work.begin() as tx:
        (member,) = tx.find(Member, None)
        home = member.household_id
        device = build(Device, id="fridge", household_id=home, public_key=FRIDGE.public_key.hex())
        tx.add(device)
        story = [row for row in whole_story() if isinstance(row, BEHIND_A_DEBIT)]
        readings = [
            build(
                Reading, id=f"reading-{number}", device_id="fridge", inbox_id=number, epoch=1, seq=number, at_us=now_us,
                server_us=now_us, measure="left", quantity=LEFT, unit="l", state=None, signed=number == SIGNED,
            )
            for number in (SIGNED, PLAIN)
        ]  # fmt: skip
        evidence = tuple({"reading_id": one.id, "at_us": one.at_us, "signed": one.signed} for one in readings)
        story += [
            *readings,
            build(Forecast, evidence=evidence),
            build(Attempt, id="0197aaaa-0000-7000-8000-000000000001"),
            build(
                Operation, id="0197bbbb-0000-7000-8000-000000000001", attempt_id="0197aaaa-0000-7000-8000-000000000001"
            ),
        ]
        for row in sorted(story, key=lambda one: ORDER.index(type(one))):
            tx.add(in_home(gateway, row, home))
        tx.move_cursor(CURSOR, gateway.inbox.last_id())
    gateway.close()
    return installed


ORDER = [
    MerchantAccount, Supply, Slot, PackOption, Reading, Forecast, Plan, Cart, Line, PaymentMethod, Mandate, Approval,
    Attempt, Operation,
]  # fmt: skip


def in_home(gateway: Gateway, row: object, home: str) -> object:
    match row:
        case MerchantAccount():
            return replace(row, secret_sealed=seal_merchant(gateway.vault, row.id, "the shop's"))
        case PaymentMethod():
            sealed = gateway.providers.seal("ana", household_id=home, method_id=row.id)
            return replace(row, household_id=home, token_sealed=sealed)
        case Slot():
            return replace(row, household_id=home, device_id="fridge", name="milk", unit="l")
        case Approval():
            return replace(row, household_id=home, member_id=None)
        case _:
            return replace(row, household_id=home)  # type: ignore[type-var]  # every one is a frozen dataclass


def proofs(debited: Replenish) -> dict[int, tuple[str, str]]:
    """Return what was found of each reading, by its number."""
    (line,) = json.loads(debited("trace", "0197aaaa", "--json").out)["lines"]
    return {one["seq"]: (one["proof"], one["proof_words"]) for one in line["readings"]}


def change_inbox(debited: Replenish, statement: str, *values: object) -> None:
    with sqlite3.connect(debited.data_dir / "inbox.db") as inbox:
        assert inbox.execute(statement, values).rowcount == 1


def test_a_signed_reading_is_verified_again_and_an_unsigned_one_stays_so(debited: Replenish) -> None:
    said = debited("trace", "0197aaaa")
    assert said.status == 0
    assert sum(f"signed and verified now, key {FRIDGE.public_key.hex()}" in line for line in said.lines) == 1
    assert sum(line.endswith("; unsigned") for line in said.lines) == 1
    assert {seq: word for seq, (word, _) in proofs(debited).items()} == {SIGNED: "verified", PLAIN: "unsigned"}


def test_a_changed_byte_in_the_inbox_is_said(debited: Replenish) -> None:
    genuine = seal(FRIDGE, 1, SIGNED, body(), "json")
    change_inbox(debited, "UPDATE message SET payload = ? WHERE id = ?", genuine.replace(b"0.5", b"0.1"), SIGNED)
    assert proofs(debited)[SIGNED] == ("not_proven", "NOT PROVEN: bad-signature: not signed by the key of fridge")


@pytest.mark.parametrize(
    ("forged", "reason"),
    [
        (seal(Identity.from_seed("fridge", 2), 1, SIGNED, body(), "json"), "bad-signature"),
        (seal(Identity.from_seed("freezer", 1), 1, SIGNED, body(), "json"), "bad-signature"),
        (seal(FRIDGE, 1, 9, body(), "json"), "its bytes are message 1/9 of fridge"),
        (seal(FRIDGE, 1, SIGNED, body(0.1), "json"), "its bytes say something else than what was counted"),
        (seal_plain(1, SIGNED, body()), "it was counted as signed, its bytes are not"),
        (seal(FRIDGE, 1, SIGNED, b"milk", "json"), "not-json"),
        (b"RP1", "truncated"),
        (b"", "empty"),
    ],
)
def test_bytes_that_do_not_prove_the_reading_are_said(debited: Replenish, forged: bytes, reason: str) -> None:
    change_inbox(debited, "UPDATE message SET payload = ? WHERE id = ?", forged, SIGNED)
    word, sentence = proofs(debited)[SIGNED]
    assert (word, sentence.startswith(f"NOT PROVEN: {reason}")) == ("not_proven", True), sentence
    assert any(sentence in line for line in debited("trace", "0197aaaa").lines)


def test_a_reading_changed_in_the_database_is_not_what_its_device_signed(debited: Replenish) -> None:
    with sqlite3.connect(debited.data_dir / "replenish.db") as database:
        database.execute("UPDATE reading SET quantity = 0.1")
    assert {word for word, _ in proofs(debited).values()} == {"not_proven"}


def test_what_is_no_longer_kept_is_said_with_the_day_and_what_went_early_is_not_proven(debited: Replenish) -> None:
    change_inbox(debited, "DELETE FROM message WHERE id = ?", SIGNED)
    assert proofs(debited)[SIGNED][0] == "missing"
    gateway = assemble(read_settings(debited.data_dir))
    came_us = gateway.clock.now_us() - gateway.services.keep_inbox_us - DAY_US
    gateway.close()
    with sqlite3.connect(debited.data_dir / "replenish.db") as database:
        database.execute("UPDATE reading SET server_us = ?", (came_us,))
    day = datetime.fromtimestamp(came_us / 1_000_000 + 90 * 86_400, UTC).date().isoformat()
    words = f"signed and verified when it was counted; bytes no longer kept since {day}"
    assert proofs(debited)[SIGNED] == ("no_longer_kept", words)
    change_inbox(debited, "DELETE FROM message WHERE id = ?", PLAIN)
    assert proofs(debited)[PLAIN] == ("unsigned", "unsigned")


def test_the_beginning_of_an_id_is_enough_while_it_means_one_payment(debited: Replenish) -> None:
    whole = debited("trace", "0197aaaa-0000-7000-8000-000000000001").lines
    assert debited("trace", "0197aaaa").lines == whole
    assert debited("trace", "0197bbbb-0000").lines == whole
    assert "8 characters or more" in debited.refused("trace", "0197aaa")
    assert "no payment" in debited.refused("trace", "0197____")
    assert "no payment" in debited.refused("trace", "%%%%%%%%")
    with sqlite3.connect(debited.data_dir / "replenish.db") as database:
        database.row_factory = sqlite3.Row
        (one,) = database.execute("SELECT * FROM attempt").fetchall()
        other = {**one, "id": "0197aaaa-0000-7000-8000-000000000002", "state": "voided"}
        marks = ", ".join("?" for _ in other)
        database.execute(f"INSERT INTO attempt ({', '.join(other)}) VALUES ({marks})", tuple(other.values()))  # noqa: S608
    refused = debited.refused("trace", "0197aaaa")
    assert refused.startswith("0197aaaa begins the ids of 2 payments: ")
    assert all(f"0197aaaa-0000-7000-8000-00000000000{last} (attempt)" in refused for last in (1, 2))
    assert debited("trace", "0197bbbb").lines == whole
