"""The small pieces: topics, identity, units, ranges, acknowledgement, provisioning, control, catalogue, clock."""

import base64
import itertools
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import devices
from devices import (
    MAX_PAYLOAD_BYTES,
    UNITS,
    Acknowledgement,
    BadAcknowledgement,
    BadClock,
    BadIdentity,
    BadInput,
    BadSecretHash,
    BadTopic,
    BadUnit,
    Channel,
    ClockFile,
    ClockSetting,
    Identity,
    PublicKey,
    RealClock,
    Rejection,
    acknowledge,
    build_topic,
    convert,
    decode_acknowledgement,
    decode_command,
    decode_status,
    encode_acknowledgement,
    encode_command,
    encode_status,
    fingerprint,
    hash_secret,
    kinds,
    parse_topic,
    password_line,
    provision,
    ranges,
    verify_secret,
    write_clock,
)
from devices.identity import SMALL_ORDER

spans = st.tuples(st.integers(0, 60), st.integers(0, 9)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def members(of: ranges.Ranges) -> set[int]:
    return {number for first, last in of for number in range(first, last + 1)}


def test_the_front_door_is_sorted_and_whole() -> None:
    assert all(hasattr(devices, name) for name in devices.__all__)


@pytest.mark.parametrize("channel", ["telemetry", "ack", "command", "status"])
def test_a_topic_reads_back_as_it_was_built(channel: Channel) -> None:
    topic = parse_topic(build_topic("fridge-3f9a", channel))
    assert (topic.device_id, topic.channel) == ("fridge-3f9a", channel)


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        ("", "not-our-topic"),
        ("replenish/v1", "not-our-topic"),
        ("replenish/v2/fridge/telemetry", "not-our-topic"),
        ("replenish/v1/fridge/telemetry/", "not-our-topic"),
        ("/replenish/v1/fridge/telemetry", "not-our-topic"),
        ("replenish/v1//telemetry", "bad-device-id"),
        ("replenish/v1/+/telemetry", "bad-device-id"),
        ("replenish/v1/Fridge/telemetry", "bad-device-id"),
        ("replenish/v1/fridge\n/telemetry", "bad-device-id"),
        ("replenish/v1/fridge/secrets", "unknown-channel"),
    ],
)
def test_another_topic_is_refused_with_its_reason(topic: str, reason: str) -> None:
    with pytest.raises(BadTopic) as refused:
        parse_topic(topic)
    assert refused.value.reason == reason


@pytest.mark.parametrize("device_id", ["", "ab", "a" * 65, "a/b", "a+b", "a#b", "Ab1", "ab1\n"])
def test_a_device_id_that_could_widen_a_topic_is_refused(device_id: str) -> None:
    with pytest.raises(BadIdentity):
        build_topic(device_id, "telemetry")
    with pytest.raises(BadIdentity):
        Identity.generate(device_id)


def test_an_identity_from_a_seed_is_the_same_again_and_another_for_another_device() -> None:
    one, again, other = (Identity.from_seed(name, 7) for name in ("fridge-1", "fridge-1", "fridge-2"))
    assert one.public_key == again.public_key
    assert one.public_key != other.public_key
    assert Identity.from_private_hex("fridge-1", one.private_hex()).public_key == one.public_key
    assert one.private_hex() not in repr(one)


def test_a_key_of_the_wrong_form_is_refused() -> None:
    for wrong in ("", "zz", "00" * 31):
        with pytest.raises(BadIdentity):
            PublicKey.from_hex(wrong)
        with pytest.raises(BadIdentity):
            Identity.from_private_hex("fridge-1", wrong)


@given(st.sampled_from(sorted(UNITS)), st.sampled_from(sorted(UNITS)), st.floats(0.001, 1e6))
def test_conversion_there_and_back_changes_nothing(unit: str, into: str, quantity: float) -> None:
    if UNITS[unit].dimension == UNITS[into].dimension:
        assert convert(convert(quantity, unit, into), into, unit) == pytest.approx(quantity)
    else:
        with pytest.raises(BadUnit):
            convert(quantity, unit, into)


def test_an_unknown_unit_is_refused() -> None:
    with pytest.raises(BadUnit):
        convert(1, "l", "gallon")


@given(st.lists(spans), st.lists(spans), st.integers(0, 80))
def test_ranges_are_sets_of_numbers(left: list[tuple[int, int]], right: list[tuple[int, int]], number: int) -> None:
    one, two = ranges.normalize(left), ranges.normalize(right)
    assert members(ranges.union(one, two)) == members(one) | members(two)
    assert members(ranges.subtract(one, two)) == members(one) - members(two)
    assert ranges.contains(one, number) == (number in members(one))
    assert members(ranges.add(one, number)) == members(one) | {number}
    assert ranges.count(one) == len(members(one))
    assert ranges.collapse(members(one)) == one
    assert all(a_last + 1 < b_first for (_, a_last), (b_first, _) in itertools.pairwise(one))


def test_a_range_that_runs_backward_is_refused() -> None:
    with pytest.raises(ValueError, match="upward"):
        ranges.normalize([(3, 2)])


def test_an_acknowledgement_is_the_published_json() -> None:
    rejection = Rejection(fingerprint(b"x"), "too-big")
    answers = acknowledge([(3, 1041), (3, 1040), (3, 1042), (3, 1045)], [rejection])
    assert answers == (Acknowledgement(3, ((1040, 1042), (1045, 1045))), Acknowledgement(None, (), (rejection,)))
    assert encode_acknowledgement(answers[0]) == b'{"epoch":3,"committed":[[1040,1042],[1045,1045]]}'


def test_acknowledgements_are_split_by_epoch_and_by_size() -> None:
    many = [(epoch, 2**62 + 2 * number) for epoch in (1, 2) for number in range(200)]
    refused = [Rejection(fingerprint(bytes([number])), "a-reason" * 20) for number in range(40)]
    answers = acknowledge(many, refused)
    assert all(len(encode_acknowledgement(answer)) <= MAX_PAYLOAD_BYTES for answer in answers)
    assert sum(ranges.count(answer.committed) for answer in answers) == 400
    assert sum(len(answer.rejected) for answer in answers) == 40
    assert all(decode_acknowledgement(encode_acknowledgement(answer)) == answer for answer in answers)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "not-json"),
        (b"{", "not-json"),
        (b"[]", "wrong-types"),
        (b'{"epoch":"3","committed":[]}', "wrong-types"),
        (b'{"epoch":3,"committed":[[1]]}', "wrong-types"),
        (b'{"epoch":3,"committed":[[2,1]]}', "bad-range"),
        (b'{"epoch":3,"committed":[[-2,1]]}', "bad-range"),
        (b'{"committed":[[1,2]]}', "bad-range"),
        (b'{"rejected":[{"sha256":"zz","reason":"x"}]}', "bad-rejection"),
        (b" " * (MAX_PAYLOAD_BYTES + 1), "too-big"),
    ],
)
def test_a_bad_acknowledgement_is_refused_with_its_reason(payload: bytes, reason: str) -> None:
    with pytest.raises(BadAcknowledgement) as refused:
        decode_acknowledgement(payload)
    assert refused.value.reason == reason


def test_a_provisioned_secret_opens_and_no_other_does() -> None:
    device = provision("coffee-machine")
    assert device.device_id.startswith("coffee-machine-")
    assert len(device.secret) >= 43
    assert device.secret not in repr(device)
    assert verify_secret(device.secret, device.secret_hash)
    assert not verify_secret(device.secret + "x", device.secret_hash)
    assert provision("coffee-machine").secret != device.secret


def test_a_device_can_be_given_its_id_but_not_any_id() -> None:
    assert provision("fridge", device_id="fridge-kitchen").device_id == "fridge-kitchen"
    with pytest.raises(BadIdentity):
        provision("fridge", device_id="fridge/kitchen")


def test_the_hash_is_the_one_mosquitto_writes(tmp_path: Path) -> None:
    file = tmp_path / "passwords"
    file.touch(mode=0o600)
    subprocess.run(["mosquitto_passwd", "-b", str(file), "fridge-1", "s3cret"], check=True, capture_output=True)
    user, written = file.read_text().strip().split(":")
    assert verify_secret("s3cret", written)
    salt = written.split("$")[3]
    assert password_line(user, hash_secret("s3cret", base64.b64decode(salt))) == file.read_text().strip()


@pytest.mark.parametrize(
    "stored",
    ["", "s3cret", "$6$abc$def", "$7$101$!!$AAAA", "$7$0$AAAA$AAAA", "$7$99999999$AAAA$AAAA", "$7$x$AAAA$AAAA"],
)
def test_a_broken_stored_hash_is_an_error_and_not_a_wrong_secret(stored: str) -> None:
    with pytest.raises(BadSecretHash):
        verify_secret("s3cret", stored)


def test_commands_and_statuses_read_back() -> None:
    assert decode_command(encode_command("report-now")) == "report-now"
    assert decode_status(encode_status(online=True)) is True
    assert decode_status(encode_status(online=False)) is False


@pytest.mark.parametrize("payload", [b"", b"{}", b'{"command":"explode"}', b'{"online":"yes"}', b" " * 300, b"\xff"])
def test_a_bad_command_or_status_is_refused(payload: bytes) -> None:
    for decode in (decode_command, decode_status):
        with pytest.raises(BadInput):
            decode(payload)


def test_every_kind_of_device_has_slots_in_known_units() -> None:
    for kind in kinds().values():
        assert kind.slots
        assert len({slot.name for slot in kind.slots}) == len(kind.slots)
        for slot in kind.slots:
            assert slot.unit in UNITS
            assert slot.capacity > 0
            assert all(pack > 0 for pack in slot.packs)
            assert slot.measure in {"level", "counter", "increment", "ordinal"}
            assert kind.slot(slot.name) is slot
    with pytest.raises(KeyError):
        kinds()["fridge"].slot("wine")


def test_simulated_time_runs_at_its_speed(tmp_path: Path) -> None:
    now = [1_000_000]
    path = tmp_path / "clock.json"
    write_clock(path, ClockSetting(real_anchor_us=1_000_000, sim_anchor_us=50_000_000, speed=1440))
    clock = ClockFile(path, lambda: now[0])
    assert clock.now_us() == 50_000_000
    now[0] += 10
    assert clock.now_us() == 50_014_400
    assert clock.wall_us() == 1_000_010
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_replaced_clock_file_is_read_again_and_speed_zero_stands_still(tmp_path: Path) -> None:
    now = [5]
    path = tmp_path / "clock.json"
    write_clock(path, ClockSetting(0, 0, 1))
    clock = ClockFile(path, lambda: now[0])
    assert clock.now_us() == 5
    write_clock(path, ClockSetting(5, 777, 0))
    now[0] = 5_000
    assert clock.now_us() == 777


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"real_anchor_us":0,"sim_anchor_us":0,"speed":-1}'])
def test_a_clock_file_that_is_none_is_said_so(tmp_path: Path, text: str) -> None:
    path = tmp_path / "clock.json"
    path.write_text(text)
    with pytest.raises(BadClock):
        ClockFile(path).now_us()
    with pytest.raises(BadClock):
        ClockFile(tmp_path / "missing.json").now_us()


def test_the_real_clock_says_real_time_for_both() -> None:
    clock = RealClock(lambda: 42)
    assert (clock.now_us(), clock.wall_us()) == (42, 42)
    assert RealClock().now_us() > 1_700_000_000_000_000


@pytest.mark.parametrize("sign_bit", [0, 0x80])
def test_a_key_for_which_anybody_can_sign_is_weak_and_vouches_for_nothing(sign_bit: int) -> None:
    for raw in SMALL_ORDER:
        key = PublicKey(raw[:-1] + bytes([raw[-1] | sign_bit]))
        assert key.is_weak
        for signature in (raw + bytes(32), b"\x01" + bytes(63)):
            assert not key.verify(b"anything", signature)
    assert not Identity.generate("fridge-1").public_key.is_weak
