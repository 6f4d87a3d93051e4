"""Bad input, kind by kind: kept with reason, bytes and sender, shown on the page, and the next message counts."""

from collections.abc import Callable, Sequence

import cbor2
import pytest

from devices.envelope import seal
from devices.identity import Identity
from devices.readings import Reading as Said
from gateway.domain.stock import Quarantined, Reading
from gateway.steps.goods.levels import CLOCK_STEP_US
from gateway.steps.receive import Arrival, InboxEntry, RejectedEntry, receive
from gateway.steps.record import FUTURE_LIMIT_US, SEQUENCE_JUMP_LIMIT
from gateway.web.views import quarantine_rows
from tests.builders import FRIDGE, HOME
from tests.fakes import START_US
from tests.homes import home, left, telling, used
from tests.rig import Rig

OpenRig = Callable[..., Rig]
TOPIC = "replenish/v1/fridge/telemetry"


def saying(**reading: object) -> bytes:
    """Return a signed body with one reading as given, right or wrong."""
    return seal(FRIDGE, 1, 2, cbor2.dumps({"readings": [{"slot": "milk", "unit": "l", **reading}]}))


def with_a_changed_byte() -> bytes:
    payload = bytearray(telling(1, 2, left("milk", 0.5)))
    payload[20] ^= 1
    return bytes(payload)


def of_another() -> bytes:
    """Return what another device signed with its own key, sent on this one's topic."""
    return seal(Identity.from_seed("freezer", "tests"), 1, 2, cbor2.dumps({"readings": []}))


BAD: dict[str, tuple[bytes, str]] = {
    "not an envelope": (b"\x00rubbish", "not-an-envelope"),
    "a signature that does not hold": (with_a_changed_byte(), "bad-signature"),
    "another device's body": (of_another(), "bad-signature"),
    "not JSON behind the numbers": (b'{"epoch": 1, "seq": 2, "ts": null, "readings": ', "not-json"),
    "not CBOR": (seal(FRIDGE, 1, 2, b"\xff\xff"), "not-cbor"),
    "a text where a number belongs": (saying(left="half"), "wrong-types"),
    "not a number": (saying(left=float("nan")), "not-finite"),
    "infinite": (saying(left=float("inf")), "not-finite"),
    "negative": (saying(left=-2.0), "negative"),
    "more than anything holds": (saying(left=1e12), "too-large"),
    "an unknown slot": (saying(slot="beer", left=0.5), "unknown-slot"),
    "an unknown unit": (saying(left=0.5, unit="firkin"), "unknown-unit"),
    "a unit of another kind": (saying(left=0.5, unit="g"), "wrong-unit"),
    "another measure than its own": (telling(1, 2, used("milk", 0.1, "l")), "wrong-measure"),
    "an unknown word": (saying(state="parched"), "unknown-state"),
    "neither a number nor a word": (saying(), "no-measure"),
    "a time in the future": (
        telling(1, 2, left("milk", 0.5), ts_us=START_US + FUTURE_LIMIT_US + 2 * CLOCK_STEP_US),
        "future-time",
    ),
    "a number that leaps": (telling(1, SEQUENCE_JUMP_LIMIT + 2, left("milk", 0.5)), "sequence-jump"),
    "a product that is none": (saying(left=0.5, product="123"), "bad-product"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_kept_with_its_reason_and_shown_and_the_next_message_counts(open_rig: OpenRig, kind: str) -> None:
    payload, reason = BAD[kind]
    rig = open_rig(*home())
    for one in (telling(1, 1, left("milk", 0.9)), payload, telling(1, 3, left("milk", 0.8))):
        rig.inbox.append(one, rig.clock.now)
        rig.clock.advance(CLOCK_STEP_US)
    rig.work_off()
    kept = rig.the(Quarantined)
    assert (kept.reason, kept.sender, kept.device_id, kept.payload) == (reason, "fridge", "fridge", payload)
    assert [one.quantity for one in rig.rows(Reading)] == [0.9, 0.8]
    with rig.store.read() as tx:
        (row,) = quarantine_rows(tx, HOME, now_us=rig.clock.now)
    assert row.reason == reason.replace("-", " ").capitalize()
    assert row.sender == "fridge"
    assert row.payload
    assert row.detail or reason == "not-an-envelope", "the page says more than a word"


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        (TOPIC, b"RP1" + bytes(9000), "too-big"),
        (TOPIC, b"\x00rubbish", "not-an-envelope"),
        ("replenish/v1/freezer/telemetry", telling(1, 1, left("milk", 0.9)), "not-its-own-topic"),
        ("replenish/v1/fridge/command", telling(1, 1, left("milk", 0.9)), "not-for-devices"),
    ],
)
def test_what_cannot_be_opened_at_the_door_is_kept_with_reason_bytes_and_sender(
    topic: str, payload: bytes, reason: str
) -> None:
    class Inbox:
        rejected: tuple[RejectedEntry, ...] = ()

        def append(self, entries: Sequence[InboxEntry], rejected: Sequence[RejectedEntry]) -> None:
            assert entries == []
            self.rejected = tuple(rejected)

    inbox = Inbox()
    receive([Arrival(topic, payload, "fridge")], inbox, START_US)
    (kept,) = inbox.rejected
    assert (kept.reason, kept.sender, kept.size_bytes) == (reason, "fridge", len(payload))
    assert payload.startswith(kept.payload)


def test_an_unknown_level_a_word_and_silence_are_not_bad_input(open_rig: OpenRig) -> None:
    rig = open_rig(*home())
    rig.inbox.append(telling(1, 1, Said("milk", "left", None, None, "unknown", None)), rig.clock.now)
    rig.inbox.append(telling(1, 2, Said("milk", "state", None, None, "low", None)), rig.clock.now)
    rig.inbox.append(telling(1, 3), rig.clock.now)
    rig.work_off()
    assert rig.rows(Quarantined) == []
    assert [one.quantity for one in rig.rows(Reading)] == [None, None]
