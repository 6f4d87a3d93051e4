"""The native body, version 1: JSON or CBOR ↔ `Report`.

`{"ts": "2026-11-21T17:00:00Z", "readings": [{"slot": "milk", "left": 0.35, "unit": "l"}], "lost": [17, 19]}`
"""

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal, NoReturn

import cbor2
import msgspec
from msgspec import UNSET, UnsetType

from devices.envelope import MAX_SEQ, ContentType
from devices.errors import BadBody
from devices.ranges import Range, Ranges, normalize
from devices.readings import Measure, Reading, Report, State
from devices.units import UNITS
from devices.wrong_types import in_words

MAX_READINGS = 64
MAX_LOST_RANGES = 64
# A thousand tonnes in grams: no household's slot holds or uses more.
MAX_QUANTITY = 1e9

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SLOT = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_NUMERIC: tuple[Literal["left", "used_total", "used"], ...] = ("left", "used_total", "used")
_STATES: dict[str, State] = {"ok": "ok", "low": "low", "empty": "empty", "unknown": "unknown"}
# Every tag the CBOR library would turn into a Python object of its own; a body needs none of them.
_TAGS = (*range(6), 25, 28, 29, 30, 35, 36, 37, 43000, 52, 54, 100, 256, 258, 260, 261, 1004, 55799)


class _WireReading(msgspec.Struct):
    slot: str
    left: float | UnsetType | None = UNSET
    used_total: float | UnsetType | None = UNSET
    used: float | UnsetType | None = UNSET
    unit: str | None = None
    state: str | None = None
    product: str | None = None


class _WireReport(msgspec.Struct):
    readings: list[_WireReading]
    ts: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    lost: list[int | list[int]] = []


_json_decoder = msgspec.json.Decoder(_WireReport)


def decode_report(body: bytes, content_type: ContentType) -> Report:
    """Read a body. Raises `BadBody` with one of these reasons.

    `not-json`, `not-cbor`, `wrong-types`, `too-many-readings`, `bad-slot`, `two-measures`, `no-measure`, `no-unit`,
    `unknown-unit`, `unknown-state`, `not-finite`, `negative`, `too-large`, `bad-product`, `bad-ts`, `bad-lost`.
    """
    wire = _decode_json(body) if content_type == "json" else _decode_cbor(body)
    if len(wire.readings) > MAX_READINGS:
        raise BadBody("too-many-readings", f"{len(wire.readings)}, at most {MAX_READINGS}")
    return Report(_instant(wire.ts), tuple(_reading(reading) for reading in wire.readings), _lost(wire.lost))


def encode_report(report: Report, content_type: ContentType) -> bytes:
    """Write a body that `decode_report` reads back as the same report."""
    fields: dict[str, object] = {
        "ts": None if report.ts_us is None else _instant_text(report.ts_us),
        "readings": [_reading_fields(reading) for reading in report.readings],
    }
    if report.lost:
        fields["lost"] = report.lost[0] if len(report.lost) == 1 else report.lost
    return msgspec.json.encode(fields) if content_type == "json" else cbor2.dumps(fields)


def _decode_json(body: bytes) -> _WireReport:
    try:
        return _json_decoder.decode(body)
    except msgspec.ValidationError as error:
        raise BadBody("wrong-types", in_words(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadBody("not-json", str(error)) from error


def _refuse_tag(*_decoder: object) -> NoReturn:
    raise cbor2.CBORDecodeError("tags have no meaning here")


def _decode_cbor(body: bytes) -> _WireReport:
    try:
        value = cbor2.loads(
            body,
            max_depth=8,
            allow_duplicate_keys=False,
            semantic_decoders=dict.fromkeys(_TAGS, _refuse_tag),
            tag_hook=_refuse_tag,
        )
    except (cbor2.CBORDecodeError, RecursionError) as error:
        raise BadBody("not-cbor", str(error)) from error
    try:
        return msgspec.convert(value, _WireReport, strict=True)
    except msgspec.ValidationError as error:
        raise BadBody("wrong-types", in_words(error)) from error


def _instant(ts: datetime | None) -> int | None:
    if ts is None:
        return None
    try:
        ts_us = (ts - _EPOCH) // timedelta(microseconds=1)
    except OverflowError as error:
        raise BadBody("bad-ts", str(ts)) from error
    if ts_us < 0:
        raise BadBody("bad-ts", f"{ts} is before 1970")
    return ts_us


def _instant_text(ts_us: int) -> str:
    return (_EPOCH + timedelta(microseconds=ts_us)).isoformat().replace("+00:00", "Z")


def _reading(wire: _WireReading) -> Reading:
    if _SLOT.fullmatch(wire.slot) is None:
        raise BadBody("bad-slot", repr(wire.slot[:80]))
    state = None
    if wire.state is not None:
        if wire.state not in _STATES:
            raise BadBody("unknown-state", repr(wire.state[:40]))
        state = _STATES[wire.state]
    if wire.unit is not None and wire.unit not in UNITS:
        raise BadBody("unknown-unit", repr(wire.unit[:40]))
    measure, quantity = _measure(wire, state)
    if quantity is not None and wire.unit is None:
        raise BadBody("no-unit", f"{wire.slot} says {quantity} of what?")
    if wire.product is not None and not is_gtin(wire.product):
        raise BadBody("bad-product", repr(wire.product[:40]))
    return Reading(wire.slot, measure, quantity, wire.unit, state, wire.product)


def _measure(wire: _WireReading, state: State | None) -> tuple[Measure, float | None]:
    named: dict[Measure, float | None] = {}
    for name in _NUMERIC:
        value = getattr(wire, name)
        if value is not UNSET:
            named[name] = value
    if len(named) > 1:
        raise BadBody("two-measures", f"{wire.slot} says {' and '.join(named)}")
    for measure, quantity in named.items():
        if quantity is not None:
            return measure, _checked(wire.slot, quantity)
    if state is not None:
        return "state", None
    for measure in named:
        return measure, None
    raise BadBody("no-measure", f"{wire.slot} says neither a quantity nor a state")


def _checked(slot: str, quantity: float) -> float:
    if not math.isfinite(quantity):
        raise BadBody("not-finite", f"{slot} says {quantity}")
    if quantity < 0:
        raise BadBody("negative", f"{slot} says {quantity}")
    if quantity > MAX_QUANTITY:
        raise BadBody("too-large", f"{slot} says {quantity:g}, at most {MAX_QUANTITY:g}")
    return quantity


def _lost(wire: list[int | list[int]]) -> Ranges:
    """`[a, b]`, or several such pairs."""
    match wire:
        case [int(), int()]:
            pairs: list[object] = [wire]
        case _:
            pairs = list(wire)
    if len(pairs) > MAX_LOST_RANGES:
        raise BadBody("bad-lost", f"{len(pairs)} ranges, at most {MAX_LOST_RANGES}")
    return normalize(_lost_range(pair) for pair in pairs)


def _lost_range(pair: object) -> Range:
    match pair:
        case [int(first), int(last)] if 0 <= first <= last <= MAX_SEQ:
            return first, last
        case _:
            raise BadBody("bad-lost", f"{pair!r:.60} is not a range")


def is_gtin(text: str) -> bool:
    """Whether the text is a GTIN-8, -12, -13 or -14 with a right check digit (GS1 General Specifications, 7.9).

    >>> is_gtin("4006381333931"), is_gtin("4006381333932")
    (True, False)
    """
    if len(text) not in (8, 12, 13, 14) or not (text.isascii() and text.isdigit()):
        return False
    return sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(reversed(text))) % 10 == 0


def _reading_fields(reading: Reading) -> dict[str, object]:
    fields: dict[str, object] = {"slot": reading.slot}
    if reading.measure != "state":
        fields[reading.measure] = reading.quantity
    for name in ("unit", "state", "product"):
        value = getattr(reading, name)
        if value is not None:
            fields[name] = value
    return fields
