import contextlib

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import BadBody, ContentType, Reading, Report, decode_report, encode_report, is_gtin
from devices.formats.native import MAX_QUANTITY, MAX_READINGS
from devices.ranges import normalize
from devices.units import UNITS

slots = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,20}", fullmatch=True)
quantities = st.floats(0, MAX_QUANTITY) | st.integers(0, 10**9).map(float)
states = st.sampled_from(["ok", "low", "empty", "unknown"])
units = st.sampled_from(sorted(UNITS))
products = st.none() | st.just("4006381333931")
readings = (
    st.builds(Reading, slots, st.sampled_from(["left", "used_total", "used"]), quantities, units, st.none() | states)
    | st.builds(Reading, slots, st.just("left"), st.none(), st.none() | units, product=products)
    | st.builds(Reading, slots, st.just("state"), st.none(), st.none() | units, states, products)
)
lost = st.lists(st.tuples(st.integers(0, 2**40), st.integers(0, 9)).map(lambda p: (p[0], p[0] + p[1])), max_size=5)
reports = st.builds(
    Report,
    st.none() | st.integers(0, 4_000_000_000_000_000),
    st.lists(readings, max_size=8).map(tuple),
    lost.map(normalize),
)


@given(reports, st.sampled_from(["json", "cbor"]))
def test_a_report_reads_back_as_it_was_written(report: Report, content_type: ContentType) -> None:
    assert decode_report(encode_report(report, content_type), content_type) == report


def test_the_published_example_is_read() -> None:
    body = (
        b'{"ts":"2026-11-21T17:00:00Z","readings":[{"slot":"milk","left":0.35,"unit":"l"},'
        b'{"slot":"toner-black","left":null,"state":"low"},{"slot":"beans","used_total":5140,"unit":"g"}],"lost":[4,9]}'
    )
    assert decode_report(body, "json") == Report(
        1_795_280_400_000_000,
        (
            Reading("milk", "left", 0.35, "l"),
            Reading("toner-black", "state", None, None, "low"),
            Reading("beans", "used_total", 5140.0, "g"),
        ),
        ((4, 9),),
    )


def test_unknown_is_not_zero() -> None:
    (reading,) = decode_report(b'{"readings":[{"slot":"milk","left":null,"unit":"l"}]}', "json").readings
    assert reading.quantity is None


def test_a_time_with_an_offset_is_the_same_instant() -> None:
    there = decode_report(b'{"ts":"2026-11-21T19:00:00+02:00","readings":[]}', "json")
    assert there.ts_us == 1_795_280_400_000_000


def test_what_has_the_wrong_type_is_said_in_words() -> None:
    for fields, said in (
        ('"left":"half","unit":"l"', "readings[0].left is text; it must be a number or nothing (null)"),
        ('"left":1,"unit":7', "readings[0].unit is a whole number; it must be text or nothing (null)"),
    ):
        with pytest.raises(BadBody) as caught:
            decode_report(one(fields), "json")
        assert caught.value.detail == said


def one(fields: str) -> bytes:
    return b'{"readings":[{"slot":"milk",' + fields.encode() + b"}]}"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not-json"),
        (b"nonsense", "not-json"),
        (b'{"readings":[}', "not-json"),
        (b"\xff\xfe", "not-json"),
        (one('"left":NaN,"unit":"l"'), "not-json"),
        (one('"left":Infinity,"unit":"l"'), "not-json"),
        (b"[]", "wrong-types"),
        (b"{}", "wrong-types"),
        (b'{"readings":{}}', "wrong-types"),
        (b'{"readings":[1]}', "wrong-types"),
        (b'{"readings":[{}]}', "wrong-types"),
        (one('"left":"0.3","unit":"l"'), "wrong-types"),
        (one('"left":true,"unit":"l"'), "wrong-types"),
        (one('"left":[1],"unit":"l"'), "wrong-types"),
        (one('"left":1e999,"unit":"l"'), "wrong-types"),
        (one('"left":1,"unit":7'), "wrong-types"),
        (b'{"ts":17,"readings":[]}', "wrong-types"),
        (b'{"ts":"yesterday","readings":[]}', "wrong-types"),
        (b'{"ts":"2026-11-21T17:00:00","readings":[]}', "wrong-types"),
        (b'{"ts":"1969-12-31T23:59:59Z","readings":[]}', "bad-ts"),
        (b'{"readings":[{"slot":"","left":1,"unit":"l"}]}', "bad-slot"),
        (b'{"readings":[{"slot":"Milk","left":1,"unit":"l"}]}', "bad-slot"),
        (b'{"readings":[{"slot":"a/b","left":1,"unit":"l"}]}', "bad-slot"),
        (one('"left":-0.1,"unit":"l"'), "negative"),
        (one('"left":1e10,"unit":"l"'), "too-large"),
        (one('"left":123456789012345678901234567890,"unit":"l"'), "too-large"),
        (one('"left":1'), "no-unit"),
        (one('"left":1,"unit":"gallon"'), "unknown-unit"),
        (one('"left":1,"used":1,"unit":"l"'), "two-measures"),
        (one('"left":null,"used_total":1,"unit":"l"'), "two-measures"),
        (one('"unit":"l"'), "no-measure"),
        (one('"state":"full"'), "unknown-state"),
        (one('"left":1,"unit":"l","product":"12345670000"'), "bad-product"),
        (one('"left":1,"unit":"l","product":"4006381333932"'), "bad-product"),
        (b'{"readings":[],"lost":[3,1]}', "bad-lost"),
        (b'{"readings":[],"lost":[3]}', "bad-lost"),
        (b'{"readings":[],"lost":[-1,4]}', "bad-lost"),
        (b'{"readings":[],"lost":[[1,2,3]]}', "bad-lost"),
        (b'{"readings":[],"lost":[0,9223372036854775808]}', "bad-lost"),
        (b'{"readings":[],"lost":"all"}', "wrong-types"),
        (
            b'{"readings":[' + b",".join([b'{"slot":"a","state":"ok"}'] * (MAX_READINGS + 1)) + b"]}",
            "too-many-readings",
        ),
    ],
)
def test_a_bad_json_body_is_refused_with_its_reason(body: bytes, reason: str) -> None:
    with pytest.raises(BadBody) as refused:
        decode_report(body, "json")
    assert refused.value.reason == reason


def level(quantity: object) -> bytes:
    return cbor2.dumps({"readings": [{"slot": "milk", "left": quantity, "unit": "l"}]})


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not-cbor"),
        (b"\xff", "not-cbor"),
        (b"\x81" * 5000, "not-cbor"),
        (b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff", "not-cbor"),
        (b"\xa2\x61a\x01\x61a\x02", "not-cbor"),
        (cbor2.dumps({"readings": cbor2.CBORTag(12345, [])}), "not-cbor"),
        (b"\xa1\x68readings\xd8\x23\x61a", "not-cbor"),
        (b"\xa1\x68readings\xc2\x49\x01" + b"\0" * 8, "not-cbor"),
        (b"\xa1\x68readings\xd8\x1c\x80", "not-cbor"),
        (b"\xa1\x68readings\xd9\x01\x02\x80", "not-cbor"),
        (cbor2.dumps(7), "wrong-types"),
        (level("1"), "wrong-types"),
        (level(True), "wrong-types"),
        (level(float("nan")), "not-finite"),
        (level(float("inf")), "not-finite"),
        (level(-1), "negative"),
        (level(2**63), "too-large"),
    ],
)
def test_a_bad_cbor_body_is_refused_with_its_reason(body: bytes, reason: str) -> None:
    with pytest.raises(BadBody) as refused:
        decode_report(body, "cbor")
    assert refused.value.reason == reason


@given(st.binary(max_size=300), st.sampled_from(["json", "cbor"]))
def test_no_body_does_anything_but_decode_or_be_refused(body: bytes, content_type: ContentType) -> None:
    with contextlib.suppress(BadBody):
        decode_report(body, content_type)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
wire_readings = st.dictionaries(
    st.sampled_from(["slot", "left", "used", "used_total", "unit", "state", "product"]),
    json_values | st.sampled_from(["milk", "l", "low", 1.5, -1]),
)


@given(st.fixed_dictionaries({"readings": st.lists(wire_readings, max_size=3)}, optional={"lost": json_values}))
def test_no_nearly_right_body_does_anything_but_decode_or_be_refused(value: dict[str, object]) -> None:
    with contextlib.suppress(BadBody):
        decode_report(cbor2.dumps(value), "cbor")


def test_a_gtin_is_known_by_its_check_digit() -> None:
    assert is_gtin("96385074")
    assert is_gtin("036000291452")
    assert not is_gtin("036000291453")
    assert not is_gtin("٠٣٦٠٠٠٢٩١٤٥٢")
