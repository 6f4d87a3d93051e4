"""A forecast in words, made of the very numbers it rests on.

`explain` gives the parts (`Reason`: a code, its values, a sentence) for pages that lay them out, and the same as one
paragraph. Dates are the household's own days.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from types import MappingProxyType

from forecasting.depletion import Depletion, UnknownDepletion, WhyUnknown
from forecasting.local_days import DAY_US, local_time
from forecasting.online import ForecastState, idle_chance
from forecasting.tracker import LevelTracker, level_of

_THIN = "\u202f"  # narrow no-break space: a number keeps its sign of percent
_NO_BREAK = "\u00a0"  # and its unit
_LARGER = {"g": "kg", "ml": "l", "Wh": "kWh"}
_LARGER_FROM = 1000.0
_COUNTED = {"piece": "pieces", "page": "pages", "wash": "washes", "cup": "cups", "cycle": "cycles"}
_WEEKEND_SHARE = 0.15  # a weekday difference smaller than this is not worth a word
_UNCERTAIN_SHARE = 0.1  # a level less certain than this is said to be "about"
_SILENT_DAYS = 1.5
_MOST_DIGITS = 3  # behind the point
_ABSENT_CHANCE = 0.05
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")


class Why(StrEnum):
    """What a reason speaks of."""

    LEVEL = "level"
    USE = "use"
    EVIDENCE = "evidence"
    CORRECTION = "correction"
    SILENCE = "silence"
    ABSENCE = "absence"
    OUTCOME = "outcome"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Reason:
    """One part of an explanation: its sentence, and the numbers in it under plain names."""

    why: Why
    text: str
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why this date: the parts, and the same as one English paragraph."""

    reasons: tuple[Reason, ...]
    text: str


def explain(
    outcome: Depletion | UnknownDepletion,
    state: ForecastState,
    tracker: LevelTracker,
    unit: str,
    zone: str,
    *,
    capacity: float | None = None,
) -> Explanation:
    """Say in words why a forecast says what it says.

    Args:
        outcome: what `forecast` gave.
        state: the state it was made from.
        tracker: the level's memory it was made from.
        unit: the slot's unit as people read it, such as "g"; "%" is set as a share.
        zone: the household's IANA time zone, for the dates.
        capacity: of all slots together where the forecast pools several; else the tracker's own.

    >>> from forecasting import LevelEstimate, begin, forecast, prior_for, start_tracking, track, Reading
    >>> tracker, _ = track(start_tracking("level", capacity=1000.0), Reading(0, 240.0))
    >>> state = begin(prior_for("coffee"), 1000.0)
    >>> words = explain(forecast(state, level_of(tracker), 0, "UTC"), state, tracker, "g", "UTC")
    >>> " ".join(words.text.split())[:40]
    '24 % left (240 g). You use about 70 g a '
    """
    now_us = outcome.now_us
    parts = _parts(outcome, capacity or tracker.capacity, unit)
    parts.append(_evidence(state, tracker))
    parts.extend(_correction(tracker, unit, zone, now_us))
    parts.extend(_silence(tracker, now_us))
    parts.extend(_absence(state, now_us))
    if isinstance(outcome, Depletion):
        parts.append(_outcome(outcome, zone))
    return Explanation(tuple(parts), " ".join(part.text for part in parts))


def amount(quantity: float, unit: str) -> str:
    r"""A quantity as people say it: two figures that matter, the unit kept beside it, the larger unit from 1,000 on.

    >>> amount(38.24, "g"), amount(0.352, "l"), amount(1741, "g"), amount(2, "piece"), amount(0.4, "piece")
    ('38\xa0g', '0.35\xa0l', '1.7\xa0kg', '2\xa0pieces', '0.4\xa0pieces')
    """
    if unit in _LARGER and abs(quantity) >= _LARGER_FROM:
        quantity, unit = quantity / _LARGER_FROM, _LARGER[unit]
    figure = _figure(quantity)
    space = _THIN if unit == "%" else _NO_BREAK
    return f"{figure}{space}{_COUNTED.get(unit, unit) if figure != '1' else unit}"


def _figure(quantity: float) -> str:
    if abs(quantity) < 10**-_MOST_DIGITS / 2:
        return "0"
    digits = min(_MOST_DIGITS, max(0, 1 - math.floor(math.log10(abs(quantity)))))
    text = f"{quantity:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def date_range(first_us: int, last_us: int, zone: str, now_us: int) -> str:
    """Two instants as the household's days, with an en dash; the year only where it is not this one.

    >>> date_range(0, 4 * DAY_US, "UTC", now_us=0), date_range(0, 40 * DAY_US, "UTC", now_us=0)
    ('1–5 Jan', '1 Jan – 10 Feb')
    """
    first, last = local_time(first_us, zone).date(), local_time(last_us, zone).date()
    this_year = local_time(now_us, zone).year
    if first == last:
        return _date(first, this_year)
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}–{_date(last, this_year)}"
    if first.year == last.year:
        return f"{first.day} {_MONTHS[first.month - 1]} – {_date(last, this_year)}"
    return f"{_date(first, this_year)} – {_date(last, this_year)}"


def _date(day: date, this_year: int) -> str:
    text = f"{day.day} {_MONTHS[day.month - 1]}"
    return text if day.year == this_year else f"{text} {day.year}"


def _plain(why: Why, text: str, **values: float) -> Reason:
    return Reason(why, text, MappingProxyType(values))


def _parts(outcome: Depletion | UnknownDepletion, capacity: float | None, unit: str) -> list[Reason]:
    if isinstance(outcome, UnknownDepletion):
        return [_unknown(outcome.why)]
    return [_level(outcome, capacity, unit), _use(outcome, unit)]


def _unknown(why: WhyUnknown) -> Reason:
    match why:
        case WhyUnknown.NO_LEVEL:
            return _plain(Why.UNKNOWN, "Nobody knows how much is left, so there is no date.")
        case WhyUnknown.SILENT_TOO_LONG:
            return _plain(Why.UNKNOWN, "The last known level is too old to say anything about today.")
        case WhyUnknown.CONTRADICTED:
            return _plain(Why.UNKNOWN, "It says that there is enough, long after it should have been empty.")


def _level(outcome: Depletion, capacity: float | None, unit: str) -> Reason:
    """What is left in the slot, as a share too where the unit is none, and what stands sealed beside it."""
    left, sd, spare = outcome.level.mean - outcome.spare, outcome.level.sd, outcome.spare
    text, values = amount(left, unit), {"left": left, "sd": sd}
    about = "about " if sd > _UNCERTAIN_SHARE * left and text != amount(0.0, unit) else ""
    if capacity is not None and unit != "%":
        text = f"{100 * left / capacity:.0f}{_THIN}% left ({text})"
        values["share"] = left / capacity
    else:
        text = f"{text} left"
    if spare > 0:
        text = f"{text} and {amount(spare, unit)} in sealed packs"
        values["spare"] = spare
    return _plain(Why.LEVEL, f"{_capital(about + text)}.", **values)


def _use(outcome: Depletion, unit: str) -> Reason:
    """The rate, and the weekdays only where they differ enough to be felt."""
    daily, profile = outcome.demand.daily, outcome.demand.profile
    workday, weekend = daily * sum(profile[:5]) / 5, daily * sum(profile[5:]) / 2
    highest = max(range(7), key=lambda day: profile[day])
    apart = min(profile[5:]) > max(profile[:5]) or max(profile[5:]) < min(profile[:5])
    if apart and abs(weekend - workday) > _WEEKEND_SHARE * daily:
        text = (
            f"You use about {amount(daily, unit)} a day: {amount(workday, unit)} on workdays,"
            f" {amount(weekend, unit)} at weekends."
        )
        return _plain(Why.USE, text, daily=daily, workday=workday, weekend=weekend)
    if profile[highest] > 1 + 2 * _WEEKEND_SHARE:
        peak = daily * profile[highest]
        text = f"You use about {amount(daily, unit)} a day, {amount(peak, unit)} on {_DAYS[highest]}."
        return _plain(Why.USE, text, daily=daily, weekday=highest, peak=peak)
    return _plain(Why.USE, f"You use about {amount(daily, unit)} a day.", daily=daily)


def _evidence(state: ForecastState, tracker: LevelTracker) -> Reason:
    days = math.floor(state.days_learned + 1e-6)
    readings = _count(tracker.readings, "reading")
    if days == 0:
        text = f"This rests on {readings} and on what is usual for such a supply."
    else:
        text = f"This rests on {readings} over {_count(days, 'day')}."
    return _plain(Why.EVIDENCE, text, readings=tracker.readings, days=days)


def _correction(tracker: LevelTracker, unit: str, zone: str, now_us: int) -> list[Reason]:
    """What a person said of the level, as long as it bears on it; and by how much the thing itself disagrees."""
    if tracker.corrected_us is None:
        return []
    day = date_range(tracker.corrected_us, tracker.corrected_us, zone, now_us)
    text, apart = f"Corrected by you on {day}", amount(abs(tracker.tare), unit)
    if apart != amount(0.0, unit):
        text = f"{text}: {apart} {'more' if tracker.tare > 0 else 'less'} than the device itself says"
    return [_plain(Why.CORRECTION, f"{text}.", corrected_us=tracker.corrected_us, tare=tracker.tare)]


def _silence(tracker: LevelTracker, now_us: int) -> list[Reason]:
    """How long no level was heard: the age of the estimate, or of the last word of a thing without numbers."""
    level = level_of(tracker)
    if level is None:
        return []
    silent = (now_us - max(level.at_us, level.alive_us or 0)) / DAY_US
    if silent < _SILENT_DAYS:
        return []
    text = f"It has been silent for {_count(round(silent), 'day')}, so the range is wider."
    return [_plain(Why.SILENCE, text, days=silent)]


def _absence(state: ForecastState, now_us: int) -> list[Reason]:
    if state.idle_days == 0 or idle_chance(state, now_us) > _ABSENT_CHANCE:
        return []
    days = _count(round(state.idle_days), "day")
    text = f"Nothing was used for {days}: it looks like an absence, and the usual use is expected again."
    return [_plain(Why.ABSENCE, text, days=state.idle_days)]


def _outcome(outcome: Depletion, zone: str) -> Reason:
    """The interval in words; an end beyond the horizon is said to be beyond it, never given a date."""
    now_us = outcome.now_us
    low_us, middle_us, high_us = outcome.p10_us, outcome.p50_us, outcome.p90_us
    if middle_us is None:
        horizon = date_range(outcome.horizon_us, outcome.horizon_us, zone, now_us)
        start = f"9 of 10 outcomes come after {date_range(low_us, low_us, zone, now_us)}" if low_us is not None else ""
        text = f"It most likely lasts beyond {horizon}; {start}." if start else f"It lasts beyond {horizon}."
        return _plain(Why.OUTCOME, text, **({} if low_us is None else {"p10_us": low_us}))
    assert low_us is not None
    likely = date_range(middle_us, middle_us, zone, now_us)
    if middle_us <= now_us:
        text = "It is most likely empty now."
        return _plain(Why.OUTCOME, text, p10_us=low_us, p50_us=middle_us)
    if high_us is None:
        first = date_range(low_us, low_us, zone, now_us)
        text = f"Most likely empty on {likely}; 9 of 10 outcomes come after {first}."
        return _plain(Why.OUTCOME, text, p10_us=low_us, p50_us=middle_us)
    span = date_range(low_us, high_us, zone, now_us)
    if span == likely:
        text = f"Most likely empty on {likely}, as 8 of 10 outcomes are."
    else:
        text = f"Most likely empty on {likely}; 8 of 10 outcomes fall on {span}."
    return _plain(Why.OUTCOME, text, p10_us=low_us, p50_us=middle_us, p90_us=high_us)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
