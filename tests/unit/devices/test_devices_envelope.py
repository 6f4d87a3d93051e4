import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import (
    MAX_EPOCH,
    MAX_PAYLOAD_BYTES,
    MAX_SEQ,
    BadEnvelope,
    BadSignature,
    ContentType,
    Identity,
    Opened,
    Peek,
    open_envelope,
    peek,
    seal,
    seal_plain,
)

FRIDGE = Identity.from_seed("fridge-0001", 7)
OTHER = Identity.from_seed("fridge-0002", 7)
SEALED = seal(FRIDGE, 3, 1040, b'{"readings":[]}', "json")


@given(st.integers(0, MAX_EPOCH), st.integers(0, MAX_SEQ), st.binary(max_size=200), st.sampled_from(["json", "cbor"]))
def test_what_was_sealed_opens_as_the_same(epoch: int, seq: int, body: bytes, content_type: ContentType) -> None:
    payload = seal(FRIDGE, epoch, seq, body, content_type)
    assert peek(payload) == Peek(epoch, seq, "signed")
    assert open_envelope(payload, FRIDGE.device_id, FRIDGE.public_key) == Opened(
        epoch, seq, content_type, body, "valid"
    )


def test_the_bytes_are_those_of_the_published_format() -> None:
    head = b"RP1" + b"\0" + (3).to_bytes(4) + (1040).to_bytes(8) + b'{"readings":[]}'
    assert SEALED[:-64] == head
    assert FRIDGE.public_key.verify(b"replenish/v1\0fridge-0001\0" + head, SEALED[-64:])


@given(st.integers(0, len(SEALED) - 1), st.integers(1, 255))
def test_a_changed_byte_is_never_accepted(place: int, flip: int) -> None:
    changed = SEALED[:place] + bytes([SEALED[place] ^ flip]) + SEALED[place + 1 :]
    with pytest.raises(BadEnvelope):
        open_envelope(changed, FRIDGE.device_id, FRIDGE.public_key)


def test_a_message_cannot_be_moved_to_another_device() -> None:
    with pytest.raises(BadSignature) as refused:
        open_envelope(SEALED, OTHER.device_id, FRIDGE.public_key)
    assert refused.value.reason == "bad-signature"


def test_another_devices_key_does_not_open_it() -> None:
    with pytest.raises(BadSignature):
        open_envelope(SEALED, FRIDGE.device_id, OTHER.public_key)


def test_a_signature_nobody_can_check_is_not_the_same_as_none() -> None:
    with pytest.raises(BadSignature) as refused:
        open_envelope(SEALED, FRIDGE.device_id, None)
    assert refused.value.reason == "no-public-key"


def test_plain_json_opens_unsigned() -> None:
    payload = seal_plain(2, 9, b'{"ts":null,"readings":[]}')
    opened = open_envelope(payload, FRIDGE.device_id, FRIDGE.public_key)
    assert (opened.epoch, opened.seq, opened.signature) == (2, 9, "unsigned")
    assert json.loads(opened.body) == {"epoch": 2, "seq": 9, "ts": None, "readings": []}


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "empty"),
        (b"\0\1\2", "not-an-envelope"),
        (b" {}", "not-an-envelope"),
        (b"RP2" + SEALED[3:], "not-an-envelope"),
        (SEALED[:79], "truncated"),
        (b"RP1", "truncated"),
        (b"RP1\2" + SEALED[4:], "unknown-content-type"),
        (b"RP1\0" + b"\0" * 4 + b"\xff" * 8 + b"\0" * 64, "seq-out-of-range"),
        (b"R" * (MAX_PAYLOAD_BYTES + 1), "too-big"),
        (b"{" * 8000, "not-json"),
        (b'{"epoch":1,"seq":', "not-json"),
        (b'{"epoch":1,"seq":2}{', "not-json"),
        (b'{"\xff":1}', "bad-counters"),
        (b"{}", "bad-counters"),
        (b'{"epoch":1}', "bad-counters"),
        (b'{"epoch":"1","seq":2}', "bad-counters"),
        (b'{"epoch":1.5,"seq":2}', "bad-counters"),
        (b'{"epoch":true,"seq":2}', "bad-counters"),
        (b'{"epoch":-1,"seq":2}', "bad-counters"),
        (b'{"epoch":4294967296,"seq":2}', "bad-counters"),
        (b'{"epoch":1,"seq":9223372036854775808}', "bad-counters"),
        (b'{"epoch":1,"seq":1e30}', "bad-counters"),
        (b'{"epoch":NaN,"seq":2}', "not-json"),
    ],
)
def test_a_bad_envelope_is_refused_with_its_reason(payload: bytes, reason: str) -> None:
    with pytest.raises(BadEnvelope) as refused:
        peek(payload)
    assert refused.value.reason == reason


@given(st.binary(max_size=300))
def test_no_bytes_do_anything_but_open_or_be_refused(payload: bytes) -> None:
    for prefix in (b"", b"RP1", b"{"):
        with contextlib.suppress(BadEnvelope):
            open_envelope(prefix + payload, FRIDGE.device_id, FRIDGE.public_key)


def test_a_body_too_large_for_the_envelope_is_not_sealed() -> None:
    with pytest.raises(BadEnvelope) as refused:
        seal(FRIDGE, 1, 1, b"x" * MAX_PAYLOAD_BYTES)
    assert refused.value.reason == "too-big"


@pytest.mark.parametrize(("epoch", "seq"), [(-1, 0), (MAX_EPOCH + 1, 0), (0, -1), (0, MAX_SEQ + 1)])
def test_counters_out_of_range_are_not_sealed(epoch: int, seq: int) -> None:
    with pytest.raises(BadEnvelope):
        seal(FRIDGE, epoch, seq, b"")
